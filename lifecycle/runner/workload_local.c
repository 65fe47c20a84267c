/* What is checked and made on this host before an instance is started, and given back
 * when it has ended: folders, workspace, account, ports, limits. Small local file
 * operations, on the loop: each takes microseconds, and without them nothing can be said
 * about the start. */
#include "lifecycle/runner/workload.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "lifecycle/runner/events.h"
#include "lifecycle/runner/launch.h"
#include "lifecycle/runner/workspace.h"

/* ---- folders */

static int local_mkdir(
    const struct workload *w, const char *below, mode_t mode, bool theirs, struct err *e)
{
	int fd = -1, r = 0;

	if (mkdirat(w->dir_fd, below, mode) < 0 && errno != EEXIST)
		return err_set(e, -errno, "%s/%s: %s", w->dir, below, strerror(errno));
	if (!theirs || !w->account.drop)
		return 0;
	/* No symbolic link of an earlier life leads the chown elsewhere. */
	fd = openat(w->dir_fd, below, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0 || fchown(fd, w->account.uid, w->account.gid) < 0)
		r = err_set(e, -errno, "%s/%s: %s", w->dir, below, strerror(errno));
	if (fd >= 0)
		close(fd);
	return r;
}

/* The home is made whole before it is handed over: nothing is ever made by path in a
 * folder that is already theirs. */
static int local_make_home(struct workload *w, struct err *e)
{
	static const char *const below[] = {"home/.config", "home/.local",
	    "home/.local/share", "home/.local/state", "home/.cache"};
	struct stat st;
	bool fresh = fstatat(w->dir_fd, "home", &st, AT_SYMLINK_NOFOLLOW) < 0;
	int r = local_mkdir(w, "home", 0700, false, e);

	for (size_t i = 0; !r && i < ARRAY_LEN(below) && fresh; i++)
		r = local_mkdir(w, below[i], 0700, true, e);
	return r ? r : local_mkdir(w, "home", 0700, true, e);
}

int workload_make_folders(struct workload *w, struct err *e)
{
	int r = local_make_home(w, e);

	r = r ? r : local_mkdir(w, "run", 0700, true, e);
	r = r ? r : local_mkdir(w, "work", 0700, true, e);
	return r ? r : local_mkdir(w, SHIM_LOG_DIR, 0700, false, e);
}

int workload_open_dir(struct workload *w, struct err *e)
{
	struct runner *r = w->runner;

	if (w->dir_fd >= 0)
		return 0;
	if (mkdirat(r->instances_dir_fd, w->dir_name, 0711) < 0 && errno != EEXIST)
		return err_set(e, -errno, "%s: %s", w->dir, strerror(errno));
	w->dir_fd = openat(r->instances_dir_fd, w->dir_name,
	    O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	return w->dir_fd < 0 ? err_set(e, -errno, "%s: %s", w->dir, strerror(errno)) : 0;
}

/* ---- account, workspace, disk */

static int local_account(struct workload *w, const struct profile *p, struct err *e)
{
	struct stat st;

	if (strcmp(p->user, "@each") != 0)
		return account_find(p->user, &w->account, e);
	/* A home that was kept keeps its owner. */
	if (!w->range_uid && fstatat(w->dir_fd, "home", &st, AT_SYMLINK_NOFOLLOW) == 0 &&
	    st.st_uid >= w->runner->uids.first && st.st_uid <= w->runner->uids.last)
		w->range_uid = st.st_uid;
	if (!w->range_uid)
		w->range_uid = runner_free_uid(w->runner);
	if (!w->range_uid)
		return err_set(e, ERROR_UNAVAILABLE, "every uid of --uid-range is taken");
	account_of_range(w->range_uid, &w->account);
	return 0;
}

static int local_lock_workspace(
    struct workload *w, int fd, enum reason *reason, struct err *e)
{
	struct stat st;
	int r = fstat(fd, &st) < 0 ? -errno : 0;

	/* Held already by the shim that runs for us. */
	if (!r && w->shim && w->workspace_dev == st.st_dev &&
	    w->workspace_ino == st.st_ino)
		return 0;
	if (w->workspace_lock_fd >= 0)
		close(w->workspace_lock_fd);
	w->workspace_lock_fd = -1;
	r = r ? r
	      : workspace_lock(
		    w->runner->locks_dir_fd, fd, w->identity, &w->workspace_lock_fd, e);
	if (r) {
		*reason = r == ERROR_CONFLICT ? REASON_WORKSPACE_BUSY : REASON_EXEC;
		return r;
	}
	w->workspace_dev = st.st_dev;
	w->workspace_ino = st.st_ino;
	return 0;
}

static int local_workspace(struct workload *w, const struct profile *p,
    const struct spec *s, enum reason *reason, struct err *e)
{
	const struct conf_list *roots = &w->runner->conf->workspace_root;
	int fd = -1, r;

	if (!s->workspace || !*s->workspace) {
		must(snprintf(w->workspace, sizeof w->workspace, "%s/work", w->dir) <
		     PATH_MAX);
		return 0;
	}
	if (p->n_workspace_roots)
		r = workspace_open(s->workspace, p->workspace_roots, p->n_workspace_roots,
		    &w->account, &fd, w->workspace, e);
	else
		r = workspace_open(s->workspace, roots->items, roots->n, &w->account, &fd,
		    w->workspace, e);
	if (r)
		return r;
	r = local_lock_workspace(w, fd, reason, e);
	close(fd);
	return r;
}

static int local_disk(const struct workload *w, const char *path, struct err *e)
{
	struct statvfs v;
	int64_t min = w->runner->conf->min_free_pct;

	if (min == 0)
		return 0;
	if (statvfs(path, &v) < 0)
		return err_set(e, -errno, "%s: %s", path, strerror(errno));
	if ((double)v.f_bavail * 100 >= (double)v.f_blocks * (double)min)
		return 0;
	return err_set(e, ERROR_UNAVAILABLE,
	    "under %lld %% of the disk of %.160s is free", (long long)min, path);
}

/* ---- ports, limits, what readiness is asked of */

static int local_port(struct workload *w, int task, struct err *e)
{
	if (w->tasks[task].port)
		return 0;
	w->tasks[task].port = runner_free_port(w->runner);
	return w->tasks[task].port
		   ? 0
		   : err_set(e, ERROR_UNAVAILABLE, "no free port was found");
}

static int local_companion(struct workload *w, const struct profile *p,
    const struct spec *s, size_t i, struct err *e)
{
	const struct profile_companion *c = &p->companions[i];
	struct workload_task *t = &w->tasks[SUP_COMPANION + i];
	struct buf url = BUF_NULL(4096);
	struct profile_vars v;
	int r;

	/* Somebody else has taken it since it was probed, or while the companion was
	 * down. The main program keeps what it was told when it was started. */
	if (t->port && w->sup.tasks[SUP_COMPANION + i].state != SUP_TASK_UP &&
	    !runner_port_is_free(t->port) &&
	    !(i == 0 && w->sup.tasks[SUP_MAIN].state == SUP_TASK_UP &&
		profile_uses_port(&p->command)))
		t->port = 0;
	r = local_port(w, SUP_COMPANION + (int)i, e);

	snprintf(t->name, sizeof t->name, "%s", c->name);
	free(t->ready_url);
	t->ready_url = NULL;
	if (r || !c->ready_http)
		return r;
	v = launch_vars(w, &s->params, SUP_COMPANION + (int)i);
	r = profile_expand(c->ready_http, &v, &url, e);
	t->ready_url = r ? NULL : buf_steal(&url, NULL);
	buf_deinit(&url);
	return r;
}

static int local_tasks(
    struct workload *w, const struct profile *p, const struct spec *s, struct err *e)
{
	int r = 0;

	snprintf(w->tasks[SUP_MAIN].name, sizeof w->tasks[SUP_MAIN].name, "main");
	snprintf(w->tasks[SUP_HOOK].name, sizeof w->tasks[SUP_HOOK].name, "hook");
	for (size_t i = 0; !r && i < p->n_companions; i++)
		r = local_companion(w, p, s, i, e);
	if (r)
		return r;
	/* {port} of the main program is that of its first companion, which it may want to
	 * talk to. */
	if (p->n_companions)
		w->tasks[SUP_MAIN].port = w->tasks[SUP_COMPANION].port;
	else if (profile_uses_port(&p->command) ||
		 (p->ready_arg && strstr(p->ready_arg, "{port}")))
		r = local_port(w, SUP_MAIN, e);
	w->tasks[SUP_HOOK].port = w->tasks[SUP_MAIN].port;
	return r;
}

static int local_ready(
    struct workload *w, const struct profile *p, const struct spec *s, struct err *e)
{
	struct profile_vars v = launch_vars(w, &s->params, SUP_MAIN);
	struct buf target = BUF_NULL(4096);
	int r = p->ready_arg ? profile_expand(p->ready_arg, &v, &target, e) : 0;

	w->ready = p->ready;
	free(w->ready_target);
	w->ready_target = NULL;
	if (!r && p->ready == READY_AGENT && id_empty(&w->session_id))
		r = err_set(e, ERROR_INVALID,
		    "profile %s is ready by its agent: it needs a session_id",
		    w->profile.s);
	if (!r && p->ready == READY_AGENT)
		w->ready_target = sessions_url_of(w->runner->sessions, &w->session_id);
	else if (!r && p->ready_arg)
		w->ready_target = buf_steal(&target, NULL);
	buf_deinit(&target);
	return r;
}

static void local_rules(struct workload *w, const struct profile *p, const struct spec *s)
{
	struct sup_rules rules = {.restart = s->restart,
	    .stop = s->stop,
	    .ready_timeout_ms = s->ready_timeout_ms,
	    .has_hook = p->hook.n > 0,
	    .probed = p->ready != READY_PROCESS,
	    .alive_ms = p->alive_ms,
	    .n_companions = p->n_companions};

	restart_rule_complete(&rules.restart, &p->offer.restart);
	stop_rule_complete(&rules.stop, &p->offer.stop);
	for (size_t i = 0; i < p->n_companions; i++)
		rules.companion_probed[i] = p->companions[i].ready_http != NULL;
	w->sup.rules = rules;
	w->wipe = p->wipe;
	w->idle_timeout_ms = s->idle_timeout_ms;
}

static int local_limits(struct workload *w, const struct profile *p, struct err *e)
{
	struct limits_want want = {p->memory_max_mb, p->cpu_milli, p->pids_max};
	int r;

	if (w->shim)
		return 0; /* made when it was first started */
	limits_group_deinit(&w->group);
	r = limits_create(&w->runner->limits, w->dir_name, &want, &w->group, e);
	w->oom_kills = limits_group_oom_kills(&w->group);
	return r;
}

/* ---- all of it */

static int local_read_profile(
    struct workload *w, const struct spec *s, struct profile *p, struct err *e)
{
	int r = profile_read(&w->runner->profiles_env, &s->profile, p, e);

	if (r)
		return err_prefix(e, "profile %s", s->profile.s), r;
	return offer_check(&p->offer, s, e);
}

/* The companions of what runs are those it was started with. */
static int local_check_same(
    const struct workload *w, const struct profile *p, struct err *e)
{
	if (w->sup.tasks[SUP_MAIN].run == 0 ||
	    w->sup.rules.n_companions == p->n_companions)
		return 0;
	return err_set(e, ERROR_INVALID,
	    "profile %s has other companions now; stop and start it", w->profile.s);
}

static int local_all(struct workload *w, const struct spec *s, struct profile *p,
    enum reason *reason, struct err *e)
{
	struct launch_in in = {.w = w, .profile = p, .spec = s};
	int r = local_read_profile(w, s, p, e);

	r = r ? r : local_check_same(w, p, e);
	r = r ? r : workload_open_dir(w, e);
	r = r ? r : local_account(w, p, e);
	r = r ? r : workload_make_folders(w, e);
	if (!r && (r = local_disk(w, w->dir, e)))
		*reason = REASON_DISK;
	r = r ? r : local_workspace(w, p, s, reason, e);
	if (!r && (r = local_disk(w, w->workspace, e)))
		*reason = REASON_DISK;
	r = r ? r : local_tasks(w, p, s, e);
	r = r ? r : local_ready(w, p, s, e);
	r = r ? r : local_limits(w, p, e);
	w->launch = launch_free(w->launch);
	r = r ? r : launch_new(&in, &w->launch, e);
	if (r)
		return r;
	local_rules(w, p, s);
	profile_argv_free(w->hook_argv);
	w->hook_argv = NULL;
	if (p->hook.n) {
		struct profile_vars v = launch_vars(w, &s->params, SUP_HOOK);

		r = profile_expand_command(&p->hook, &v, &w->hook_argv, e);
	}
	return r;
}

int workload_prepare_local(
    struct workload *w, const struct spec *spec, enum reason *reason_out, struct err *e)
{
	struct profile p = PROFILE_NULL;
	int r;

	*reason_out = REASON_EXEC;
	w->session_id = spec->session_id;
	w->profile = spec->profile;
	r = local_all(w, spec, &p, reason_out, e);
	profile_deinit(&p);
	return r;
}

/* ---- giving back */

static void local_on_wiped(void *data, struct proc *p, int exit_code, int signal)
{
	(void)data;
	(void)p;
	if (exit_code != 0)
		log_event(EV_home_not_wiped, LF_I("exit_code", exit_code),
		    LF_I("signal", signal));
}

/* By rm, which knows how to walk a tree that its owner made hostile; nothing of the
 * owner's lives any more. */
static void local_wipe(struct workload *w)
{
	char rm[] = "rm", force[] = "-rf", one[] = "--one-file-system", end[] = "--";
	char home[] = "home", run[] = "run", work[] = "work";
	char *argv[] = {rm, force, one, end, home, run, work, NULL}, *envp[] = {NULL};
	struct proc_spec spec = {.path = "/bin/rm",
	    .argv = argv,
	    .envp = envp,
	    .cwd = w->dir,
	    .in = PROC_NULL,
	    .out = PROC_NULL,
	    .err = PROC_INHERIT};
	struct err e = ERR_NULL;
	struct proc *p;

	if (proc_spawn(w->runner->loop, &spec, local_on_wiped, NULL, &p, &e))
		log_event(
		    EV_home_not_wiped, LF("instance", w->key), LF("detail", e.text));
}

void workload_release(struct workload *w)
{
	if (w->released)
		return;
	w->released = true;
	limits_group_remove(&w->group);
	if (w->workspace_lock_fd >= 0)
		close(w->workspace_lock_fd);
	if (w->lock_fd >= 0)
		close(w->lock_fd);
	w->workspace_lock_fd = w->lock_fd = -1;
	if (w->workspace_ino)
		workspace_unlock_file(
		    w->runner->locks_dir_fd, w->workspace_dev, w->workspace_ino);
	if (w->token_issued)
		sessions_revoke(w->runner->sessions, &w->session_id);
	w->token_issued = false;
	if (w->wipe && w->dir_fd >= 0)
		local_wipe(w);
}

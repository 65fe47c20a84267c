/* What is kept of an instance in its folder (state.json, only the runner's user reads
 * it): enough to supervise it again after a restart of the runner. No environment and no
 * token: those are fetched anew when something is to be started. */
#include "lifecycle/runner/workload.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/jsn.h"

#define STATE_FILE "state.json"

enum {
	STATE_VERSION = 1,
	STATE_BYTES_MAX = 512 * 1024,
};

/* ---- writing */

static struct jsn *state_rules(const struct sup_rules *r)
{
	struct jsn *o = jsn_new_object(), *probed = jsn_new_array();

	jsn_set_int(o, "restart_policy", r->restart.policy);
	jsn_set_int(o, "restart_max", r->restart.max);
	jsn_set_int(o, "restart_window_ms", r->restart.window_ms);
	jsn_set_int(o, "stop_signal", r->stop.signal);
	jsn_set_int(o, "stop_grace_ms", r->stop.grace_ms);
	jsn_set_int(o, "ready_timeout_ms", r->ready_timeout_ms);
	jsn_set_bool(o, "has_hook", r->has_hook);
	jsn_set_bool(o, "probed", r->probed);
	jsn_set_int(o, "alive_ms", r->alive_ms);
	for (size_t i = 0; i < r->n_companions; i++)
		jsn_push(probed, jsn_new_bool(r->companion_probed[i]));
	jsn_set(o, "companion_probed", probed);
	return o;
}

static struct jsn *state_task(const struct workload_task *t, const struct sup_task *s)
{
	struct jsn *o = jsn_new_object();

	jsn_set_string(o, "name", t->name);
	jsn_set_string(o, "ready_url", t->ready_url);
	jsn_set_int(o, "port", t->port);
	jsn_set_int(o, "pid", t->pid);
	jsn_set_int(o, "start_ticks", (int64_t)t->start_ticks);
	jsn_set_int(o, "run", s->run);
	jsn_set_int(o, "state", s->state);
	jsn_set_bool(o, "ready", s->ready);
	jsn_set_int(o, "n_fails", s->n_fails);
	jsn_set_int(o, "retry_ms", s->retry_ms);
	jsn_set_int(o, "up_since_ms", s->up_since_ms);
	return o;
}

static struct jsn *state_tasks(const struct workload *w)
{
	struct jsn *a = jsn_new_array();

	for (size_t i = 0; i < SUP_COMPANION + w->sup.rules.n_companions; i++)
		jsn_push(a, state_task(&w->tasks[i], &w->sup.tasks[i]));
	return a;
}

static void state_put_sup(struct jsn *o, const struct sup *s)
{
	size_t n = s->n_restart_at < RESTART_MAX_MAX ? s->n_restart_at : RESTART_MAX_MAX;
	struct jsn *restarts = jsn_new_array();

	jsn_set_int(o, "phase", s->phase);
	jsn_set_int(o, "state", s->state);
	jsn_set_int(o, "reason", s->reason);
	jsn_set_string(o, "detail", s->detail);
	jsn_set_bool(o, "refused", s->refused);
	if (s->has_exit_code)
		jsn_set_int(o, "exit_code", s->exit_code);
	if (s->has_signal)
		jsn_set_int(o, "signal", s->signal);
	jsn_set_int(o, "restarts", s->restarts);
	jsn_set_int(o, "n_fails", s->n_fails);
	for (size_t i = 0; i < n; i++)
		jsn_push(restarts, jsn_new_int(s->restart_at_ms[i]));
	jsn_set(o, "restart_at_ms", restarts);
	jsn_set_int(o, "n_restart_at", (int64_t)s->n_restart_at);
	jsn_set_int(o, "due_ms", s->due_ms);
	jsn_set_int(o, "alive_due_ms", s->alive_due_ms);
	jsn_set_bool(o, "stop_asked", s->stop_asked);
	jsn_set_int(o, "stop_grace_ms", s->stop.grace_ms);
	jsn_set_bool(o, "stop_force", s->stop.force);
	jsn_set_string(o, "stop_text", s->stop.reason);
	jsn_set_int(o, "stop_reason", s->stop_reason);
	jsn_set_int(o, "stop_at_ms", s->stop_at_ms);
	jsn_set_int(o, "final_state", s->final_state);
	jsn_set_int(o, "final_reason", s->final_reason);
	jsn_set_string(o, "final_detail", s->final_detail);
}

static struct jsn *state_strings(char *const *v)
{
	struct jsn *a = jsn_new_array();

	for (; v && *v; v++)
		jsn_push(a, jsn_new_string(*v));
	return a;
}

static struct jsn *state_account(const struct account *a)
{
	struct jsn *o = jsn_new_object(), *groups = jsn_new_array();

	jsn_set_bool(o, "drop", a->drop);
	jsn_set_int(o, "uid", a->uid);
	jsn_set_int(o, "gid", a->gid);
	jsn_set_string(o, "user", a->user);
	jsn_set_string(o, "shell", a->shell);
	for (size_t i = 0; i < a->n_groups; i++)
		jsn_push(groups, jsn_new_int(a->groups[i]));
	jsn_set(o, "groups", groups);
	return o;
}

static struct jsn *state_group(const struct limits_group *g)
{
	struct jsn *a = jsn_new_array();

	for (int i = 0; i < LIMITS_GROUP_DIRS_MAX; i++)
		jsn_push(a, jsn_new_string(g->dirs[i]));
	return a;
}

static struct jsn *state_of(const struct workload *w)
{
	struct jsn *o = jsn_new_object(), *sup = jsn_new_object();

	jsn_set_int(o, "version", STATE_VERSION);
	jsn_set_string(o, "tenant", w->tenant.s);
	jsn_set_string(o, "instance_id", w->instance_id.s);
	jsn_set_string(o, "session_id", w->session_id.s);
	jsn_set_string(o, "profile", w->profile.s);
	jsn_set_string(o, "boot_id", w->runner->boot_id.s);
	jsn_set_int(o, "generation", (int64_t)w->generation);
	jsn_set_int(o, "fence", (int64_t)w->fence);
	jsn_set_int(o, "signal_no", (int64_t)w->signal_no);
	jsn_set_string(o, "spec_hash", w->spec_hash.hex);
	jsn_set_string(o, "workspace", w->workspace);
	jsn_set_int(o, "workspace_dev", (int64_t)w->workspace_dev);
	jsn_set_int(o, "workspace_ino", (int64_t)w->workspace_ino);
	jsn_set_int(o, "range_uid", w->range_uid);
	jsn_set_bool(o, "wipe", w->wipe);
	jsn_set_int(o, "ready", w->ready);
	jsn_set_string(o, "ready_target", w->ready_target);
	jsn_set_int(o, "idle_timeout_ms", w->idle_timeout_ms);
	jsn_set_bool(o, "token_issued", w->token_issued);
	jsn_set_bool(o, "released", w->released);
	jsn_set_bool(o, "memory_is_v2", w->group.memory_is_v2);
	jsn_set_int(o, "oom_kills", (int64_t)w->oom_kills);
	jsn_set(o, "account", state_account(&w->account));
	jsn_set(o, "group", state_group(&w->group));
	jsn_set(o, "hook", state_strings(w->hook_argv));
	jsn_set(o, "rules", state_rules(&w->sup.rules));
	jsn_set(o, "tasks", state_tasks(w));
	state_put_sup(sup, &w->sup);
	jsn_set(o, "sup", sup);
	return o;
}

/* Atomic, not flushed to the disk: it must survive us, and after a power cut nothing of
 * the instance lives anyway. */
static int state_file_write(const struct workload *w, const struct buf *text)
{
	int fd, r = buf_check(text);

	if (r)
		return r;
	fd = openat(w->dir_fd, STATE_FILE ".tmp",
	    O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return -errno;
	errno = EIO; /* of a short write */
	if (write(fd, text->data, text->n) != (ssize_t)text->n ||
	    renameat(w->dir_fd, STATE_FILE ".tmp", w->dir_fd, STATE_FILE) < 0)
		r = -errno;
	close(fd);
	return r;
}

int workload_state_write(struct workload *w, struct err *e)
{
	struct buf text = BUF_NULL(STATE_BYTES_MAX);
	struct jsn *o = state_of(w);
	int r;

	jsn_print(o, &text);
	jsn_free(o);
	if (!buf_check(&text) && slice_eq(buf_slice(&text), buf_slice(&w->saved))) {
		buf_deinit(&text);
		return 0;
	}
	r = state_file_write(w, &text);
	buf_deinit(&w->saved);
	if (!r) {
		w->saved = text;
		return 0;
	}
	buf_deinit(&text);
	return err_set(e, r, "%s/" STATE_FILE ": %s", w->dir, strerror(-r));
}

/* ---- reading */

static void state_text(const struct jsn *o, const char *key, char *out, size_t n)
{
	const char *s = jsn_get_string(o, key);

	snprintf(out, n, "%s", s ? s : "");
}

static char *state_dup(const struct jsn *o, const char *key)
{
	const char *s = jsn_get_string(o, key);
	char *copy = s ? strdup(s) : NULL;

	must(copy || !s);
	return copy;
}

static void state_get_rules(const struct jsn *o, struct sup_rules *r)
{
	r->restart.policy =
	    (enum restart_policy)jsn_get_int(o, "restart_policy", RESTART_ON_FAILURE);
	r->restart.max = jsn_get_int(o, "restart_max", 5);
	r->restart.window_ms = jsn_get_int(o, "restart_window_ms", 600000);
	r->stop.signal = (int)jsn_get_int(o, "stop_signal", 15);
	r->stop.grace_ms = jsn_get_int(o, "stop_grace_ms", 10000);
	r->ready_timeout_ms = jsn_get_int(o, "ready_timeout_ms", 60000);
	r->has_hook = jsn_get_bool(o, "has_hook", false);
	r->probed = jsn_get_bool(o, "probed", false);
	r->alive_ms = jsn_get_int(o, "alive_ms", 0);
	jsn_for_each (m, jsn_get(o, "companion_probed")) {
		if (r->n_companions < SUP_COMPANIONS_MAX)
			(void)jsn_bool(m, &r->companion_probed[r->n_companions++]);
	}
}

static void state_get_tasks(const struct jsn *a, struct workload *w)
{
	size_t i = 0;

	jsn_for_each (o, a) {
		struct workload_task *t = &w->tasks[i];
		struct sup_task *s = &w->sup.tasks[i];

		if (i++ >= SUP_TASKS_MAX)
			return;
		state_text(o, "name", t->name, sizeof t->name);
		t->ready_url = state_dup(o, "ready_url");
		t->port = (uint16_t)jsn_get_int(o, "port", 0);
		t->pid = s->pid = jsn_get_int(o, "pid", 0);
		t->start_ticks = (uint64_t)jsn_get_int(o, "start_ticks", 0);
		t->run = s->run = (uint32_t)jsn_get_int(o, "run", 0);
		s->state = (enum sup_task_state)jsn_get_int(o, "state", SUP_TASK_DOWN);
		s->ready = jsn_get_bool(o, "ready", false);
		s->n_fails = (unsigned)jsn_get_int(o, "n_fails", 0);
		s->retry_ms = jsn_get_int(o, "retry_ms", 0);
		s->up_since_ms = jsn_get_int(o, "up_since_ms", 0);
	}
}

static void state_get_stop(const struct jsn *o, struct sup *s)
{
	s->stop_asked = jsn_get_bool(o, "stop_asked", false);
	s->stop.grace_ms = jsn_get_int(o, "stop_grace_ms", -1);
	s->stop.force = jsn_get_bool(o, "stop_force", false);
	state_text(o, "stop_text", s->stop.reason, sizeof s->stop.reason);
	s->stop_reason = (enum reason)jsn_get_int(o, "stop_reason", 0);
	s->stop_at_ms = jsn_get_int(o, "stop_at_ms", 0);
	s->final_state = (enum instance_state)jsn_get_int(o, "final_state", 0);
	s->final_reason = (enum reason)jsn_get_int(o, "final_reason", 0);
	state_text(o, "final_detail", s->final_detail, sizeof s->final_detail);
}

static void state_get_sup(const struct jsn *o, struct sup *s)
{
	size_t i = 0;

	s->phase = (enum sup_phase)jsn_get_int(o, "phase", SUP_PREPARING);
	s->state = (enum instance_state)jsn_get_int(o, "state", 0);
	s->reason = (enum reason)jsn_get_int(o, "reason", 0);
	state_text(o, "detail", s->detail, sizeof s->detail);
	s->refused = jsn_get_bool(o, "refused", false);
	s->has_exit_code = jsn_get(o, "exit_code") != NULL;
	s->exit_code = (int32_t)jsn_get_int(o, "exit_code", 0);
	s->has_signal = jsn_get(o, "signal") != NULL;
	s->signal = (int32_t)jsn_get_int(o, "signal", 0);
	s->restarts = (uint32_t)jsn_get_int(o, "restarts", 0);
	s->n_fails = (unsigned)jsn_get_int(o, "n_fails", 0);
	s->n_restart_at = (size_t)jsn_get_int(o, "n_restart_at", 0);
	jsn_for_each (m, jsn_get(o, "restart_at_ms")) {
		if (i < RESTART_MAX_MAX)
			(void)jsn_int(m, &s->restart_at_ms[i++]);
	}
	s->due_ms = jsn_get_int(o, "due_ms", 0);
	s->alive_due_ms = jsn_get_int(o, "alive_due_ms", 0);
	state_get_stop(o, s);
}

static void state_get_account(const struct jsn *o, struct account *a)
{
	a->drop = jsn_get_bool(o, "drop", false);
	a->uid = (uid_t)jsn_get_int(o, "uid", 0);
	a->gid = (gid_t)jsn_get_int(o, "gid", 0);
	state_text(o, "user", a->user, sizeof a->user);
	state_text(o, "shell", a->shell, sizeof a->shell);
	jsn_for_each (m, jsn_get(o, "groups")) {
		int64_t gid;

		if (jsn_int(m, &gid) && a->n_groups < ACCOUNT_GROUPS_MAX)
			a->groups[a->n_groups++] = (gid_t)gid;
	}
}

static void state_get_hook(const struct jsn *a, struct workload *w)
{
	size_t n = jsn_count(a), i = 0;

	if (!n)
		return;
	w->hook_argv = calloc(n + 1, sizeof *w->hook_argv);
	must(w->hook_argv);
	jsn_for_each (m, a) {
		w->hook_argv[i] = strdup(jsn_string(m) ? jsn_string(m) : "");
		must(w->hook_argv[i++]);
	}
}

static void state_get_group(const struct jsn *o, struct workload *w)
{
	int i = 0;

	w->group.memory_is_v2 = jsn_get_bool(o, "memory_is_v2", false);
	jsn_for_each (m, jsn_get(o, "group")) {
		if (i < LIMITS_GROUP_DIRS_MAX && jsn_string(m))
			w->group.dirs[i] = strdup(jsn_string(m));
		i++;
	}
}

static int state_file_read(int dir_fd, struct jsn **out, struct err *e)
{
	struct buf text = BUF_NULL(STATE_BYTES_MAX);
	char chunk[16384];
	ssize_t n;
	int fd = openat(dir_fd, STATE_FILE, O_RDONLY | O_NOFOLLOW | O_CLOEXEC), r;

	if (fd < 0)
		return err_set(e, errno == ENOENT ? ERROR_NOT_FOUND : -errno,
		    STATE_FILE ": %s", strerror(errno));
	while ((n = read(fd, chunk, sizeof chunk)) > 0)
		buf_add(&text, chunk, (size_t)n);
	close(fd);
	r = jsn_parse(text.data, text.n, out, e);
	buf_deinit(&text);
	if (!r && jsn_get_int(*out, "version", 0) != STATE_VERSION) {
		jsn_free(*out);
		*out = NULL;
		r = err_set(e, ERROR_INVALID, STATE_FILE " is of another version");
	}
	return r;
}

static bool state_id(const struct jsn *o, const char *key, struct id *out)
{
	const char *s = jsn_get_string(o, key);

	return s && id_parse(slice_of(s), out);
}

int workload_state_identify(
    int dir_fd, struct id *tenant, struct id *instance, struct err *e)
{
	AUTO(jsn_freep) struct jsn *o = NULL;
	int r = state_file_read(dir_fd, &o, e);

	if (!r &&
	    (!state_id(o, "tenant", tenant) || !state_id(o, "instance_id", instance)))
		r = err_set(e, ERROR_INVALID, STATE_FILE " names no instance");
	return r;
}

static void state_get(const struct jsn *o, struct workload *w)
{
	struct sup_rules rules = {0};

	(void)state_id(o, "session_id", &w->session_id);
	(void)state_id(o, "profile", &w->profile);
	w->generation = (uint64_t)jsn_get_int(o, "generation", 0);
	w->fence = (uint64_t)jsn_get_int(o, "fence", 0);
	workload_name_identity(w);
	w->signal_no = (uint64_t)jsn_get_int(o, "signal_no", 0);
	state_text(o, "spec_hash", w->spec_hash.hex, sizeof w->spec_hash.hex);
	state_text(o, "workspace", w->workspace, sizeof w->workspace);
	w->workspace_dev = (dev_t)jsn_get_int(o, "workspace_dev", 0);
	w->workspace_ino = (ino_t)jsn_get_int(o, "workspace_ino", 0);
	w->range_uid = (uid_t)jsn_get_int(o, "range_uid", 0);
	w->wipe = jsn_get_bool(o, "wipe", false);
	w->ready = (enum ready_kind)jsn_get_int(o, "ready", READY_PROCESS);
	w->ready_target = state_dup(o, "ready_target");
	w->idle_timeout_ms = jsn_get_int(o, "idle_timeout_ms", 0);
	w->token_issued = jsn_get_bool(o, "token_issued", false);
	w->released = jsn_get_bool(o, "released", false);
	w->oom_kills = (uint64_t)jsn_get_int(o, "oom_kills", 0);
	state_get_account(jsn_get(o, "account"), &w->account);
	state_get_group(o, w);
	state_get_hook(jsn_get(o, "hook"), w);
	state_get_rules(jsn_get(o, "rules"), &rules);
	sup_init(&w->sup, &rules);
	state_get_sup(jsn_get(o, "sup"), &w->sup);
	state_get_tasks(jsn_get(o, "tasks"), w);
}

int workload_state_load(struct workload *w, struct id *boot_id_out, struct err *e)
{
	AUTO(jsn_freep) struct jsn *o = NULL;
	int r = state_file_read(w->dir_fd, &o, e);

	if (r)
		return r;
	state_get(o, w);
	(void)state_id(o, "boot_id", boot_id_out);
	if (w->sup.phase > SUP_DONE || w->sup.state >= STATE_N_ ||
	    w->sup.reason >= REASON_N_)
		return err_set(
		    e, ERROR_INVALID, STATE_FILE " holds what this version cannot read");
	return 0;
}

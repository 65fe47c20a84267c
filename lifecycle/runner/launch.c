/* Arguments and environment of an instance's processes. */
#include "lifecycle/runner/launch.h"

#include <stdio.h>
#include <unistd.h>

#define LAUNCH_PATH "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

enum {
	LAUNCH_URL_MAX = 2048,
};

struct launch_task {
	char **argv; /* owned */
	struct strmap env;
};

struct launch {
	struct launch_task tasks[SUP_TASKS_MAX];
};

struct profile_vars launch_vars(
    const struct workload *w, const struct strmap *params, int task)
{
	return (struct profile_vars){.instance = w->instance_id.s,
	    .session = w->session_id.s,
	    .workspace = w->workspace,
	    .home = w->home,
	    .data = w->data,
	    .port = w->tasks[task].port,
	    .params = params};
}

/* ---- environment */

static void launch_env_dir(
    struct strmap *env, const char *name, const char *home, const char *below)
{
	char path[PATH_MAX];

	must(snprintf(path, sizeof path, "%s/%s", home, below) < PATH_MAX);
	strmap_put(env, name, path);
}

/* What every process has and nobody else may say. */
static void launch_env_own(
    const struct workload *w, int task, bool own_runtime_dir, struct strmap *env)
{
	strmap_put(env, "HOME", w->home);
	launch_env_dir(env, "XDG_CONFIG_HOME", w->home, ".config");
	launch_env_dir(env, "XDG_DATA_HOME", w->home, ".local/share");
	launch_env_dir(env, "XDG_CACHE_HOME", w->home, ".cache");
	launch_env_dir(env, "XDG_STATE_HOME", w->home, ".local/state");
	if (own_runtime_dir)
		launch_env_dir(env, "XDG_RUNTIME_DIR", w->dir, "run");
	if (!id_empty(&w->session_id))
		strmap_put(env, "HELIX_SESSION_ID", w->session_id.s);
	strmap_put(env, "ZED_EXTERNAL_SYNC_ENABLED", "true");
	strmap_put(env, "ZED_WEBSOCKET_SYNC_ENABLED", "true");
	strmap_put(env, "ZED_HELIX_URL", w->runner->helix_url);
	strmap_put(env, "ZED_HELIX_TLS", w->runner->helix_tls ? "true" : "false");
	strmap_put(env, "ZED_WORK_DIR", w->workspace);
	strmap_put(env, "ZED_HELIX_TOKEN", w->token ? w->token : "none");
	strmap_put(env, SHIM_MARK_INSTANCE, w->identity);
	strmap_put(env, SHIM_MARK_TASK, w->tasks[task].name);
}

static void launch_env_companion(const struct workload *w, int task, struct strmap *env)
{
	char port[8];

	snprintf(port, sizeof port, "%u", w->tasks[task].port);
	strmap_put(env, "HELIX_API_URL", w->runner->session_url);
	strmap_put(env, "USER_API_TOKEN", w->token ? w->token : "none");
	strmap_put(env, "SETTINGS_SYNC_PORT", port);
}

static void launch_env_defaults(const struct workload *w, struct strmap *env)
{
	strmap_put(env, "PATH", LAUNCH_PATH);
	strmap_put(env, "LANG", "C.UTF-8");
	strmap_put(env, "SHELL", w->account.shell[0] ? w->account.shell : "/bin/sh");
	strmap_put(env, "USER", w->account.user);
	strmap_put(env, "LOGNAME", w->account.user);
}

static int launch_env(
    const struct launch_in *in, int task, struct strmap *env, struct err *e)
{
	struct profile_vars v = launch_vars(in->w, &in->spec->params, task);
	const struct profile *p = in->profile;
	bool own_runtime_dir = !strmap_get(&p->env, "XDG_RUNTIME_DIR");

	launch_env_defaults(in->w, env);
	for (size_t i = 0; i < p->env.n; i++) {
		struct buf value = BUF_NULL(SPEC_ENV_VALUE_MAX);
		int r = profile_expand(p->env.items[i].value, &v, &value, e);

		if (!r)
			strmap_put(env, p->env.items[i].key, buf_cstr(&value));
		buf_deinit(&value);
		if (r)
			return err_prefix(e, "env %s", p->env.items[i].key);
	}
	for (size_t i = 0; i < in->spec->env.n; i++)
		strmap_put(env, in->spec->env.items[i].key, in->spec->env.items[i].value);
	launch_env_own(in->w, task, own_runtime_dir, env);
	if (task >= SUP_COMPANION)
		launch_env_companion(in->w, task, env);
	return 0;
}

/* ---- arguments */

/* A program without a slash is looked for in the PATH it will have. */
static char *launch_find(const char *name, const char *path)
{
	char full[PATH_MAX];

	for (const char *p = path; p && !strchr(name, '/');) {
		size_t n = strcspn(p, ":");

		if (n &&
		    snprintf(full, sizeof full, "%.*s/%s", (int)n, p, name) <
			(int)sizeof full &&
		    access(full, X_OK) == 0)
			return strdup(full);
		p = p[n] ? p + n + 1 : NULL;
	}
	return strdup(name);
}

static int launch_task(const struct launch_in *in, int task,
    const struct profile_command *c, struct launch_task *out, struct err *e)
{
	struct profile_vars v = launch_vars(in->w, &in->spec->params, task);
	int r = launch_env(in, task, &out->env, e);

	r = r ? r : profile_expand_command(c, &v, &out->argv, e);
	return r;
}

int launch_new(const struct launch_in *in, struct launch **out, struct err *e)
{
	const struct profile *p = in->profile;
	struct launch *l = calloc(1, sizeof *l);
	int r;

	must(l);
	r = launch_task(in, SUP_MAIN, &p->command, &l->tasks[SUP_MAIN], e);
	if (!r && p->hook.n)
		r = launch_task(in, SUP_HOOK, &p->hook, &l->tasks[SUP_HOOK], e);
	for (size_t i = 0; !r && i < p->n_companions; i++) {
		int task = SUP_COMPANION + (int)i;

		r = launch_task(in, task, &p->companions[i].command, &l->tasks[task], e);
		if (r)
			err_prefix(e, "companion %s", p->companions[i].name);
	}
	if (r)
		launch_free(l);
	else
		*out = l;
	return r;
}

struct launch *launch_free(struct launch *l)
{
	for (int i = 0; l && i < SUP_TASKS_MAX; i++) {
		profile_argv_free(l->tasks[i].argv);
		strmap_deinit(&l->tasks[i].env);
	}
	free(l);
	return NULL;
}

/* ---- frames */

static void launch_add_string(struct buf *out, const char *s)
{
	buf_add(out, s, strlen(s) + 1);
}

static void launch_add_env(const struct strmap *env, struct buf *out)
{
	for (size_t i = 0; i < env->n; i++) {
		buf_adds(out, env->items[i].key);
		buf_addc(out, '=');
		launch_add_string(out, env->items[i].value);
	}
}

static void launch_add_account(
    const struct account *a, struct shim_spawn *h, struct buf *groups)
{
	h->drop = a->drop;
	h->uid = a->uid;
	h->gid = a->gid;
	h->n_groups = (uint32_t)a->n_groups;
	for (size_t i = 0; i < a->n_groups; i++)
		buf_add(groups, &(uint32_t){a->groups[i]}, sizeof(uint32_t));
}

void launch_frame(const struct launch *l, const struct workload *w, int task,
    uint32_t run, struct buf *out)
{
	struct shim_spawn h = {.task = (uint32_t)task, .run = run};
	struct buf groups = BUF_NULL(4096), strings = BUF_NULL(SHIM_PAYLOAD_MAX);
	char **argv = l ? l->tasks[task].argv : w->hook_argv,
	     *entries[LIMITS_GROUP_DIRS_MAX];
	struct strmap env = STRMAP_NULL;
	AUTO_FREE char *path = NULL;

	if (l) {
		strmap_copy(&env, &l->tasks[task].env);
	} else {
		launch_env_defaults(w, &env);
		launch_env_own(w, task, true, &env);
	}
	path = launch_find(argv[0], strmap_get(&env, "PATH"));
	must(path);
	launch_add_account(&w->account, &h, &groups);
	launch_add_string(&strings, w->tasks[task].name);
	launch_add_string(&strings, path);
	launch_add_string(&strings, w->workspace);
	h.n_cgroups = (uint32_t)limits_group_entries(&w->group, entries);
	h.output = task == SUP_MAIN;
	h.into_cgroup = w->group.dirs[0] != NULL;
	for (uint32_t i = 0; i < h.n_cgroups; i++) {
		launch_add_string(&strings, entries[i]);
		free(entries[i]);
	}
	for (; argv[h.n_argv]; h.n_argv++)
		launch_add_string(&strings, argv[h.n_argv]);
	launch_add_env(&env, &strings);
	h.n_env = (uint32_t)env.n;
	buf_add(out, &h, sizeof h);
	buf_add(out, groups.data, groups.n);
	buf_add(out, strings.data, strings.n);
	buf_deinit(&groups);
	buf_deinit(&strings);
	strmap_deinit(&env);
}

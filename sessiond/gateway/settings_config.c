/* Base and policy, of sessions and of apps: GET and PUT. */
#include "base/must.h"
#include "sessiond/core/jval_print.h"
#include "sessiond/core/settings_flat.h"
#include "sessiond/core/settings_shape.h"
#include "sessiond/gateway/settings_internal.h"

enum {
	ANSWER_MAX = 8 * 1024 * 1024,
};

/* ---- GET zed-config ---- */

static bool config_unchanged(struct settings_job *j)
{
	char etag[24];
	struct buf none = BUF_NULL(1);

	if (!settings_none_match(j, settings_version(j)))
		return false;
	settings_etag(settings_version(j), etag);
	settings_job_reply(j, 304, etag, &none);
	return true;
}

/* ?own=1: without what the app gives, for who is going to change the session's own. */
static void config_show(struct settings_job *j)
{
	bool own = j->c->req && http_req_query(j->c->req, "own");
	const struct settings_flat f = {
	    .settings = own ? settings_join(&j->a, NULL, j->own_settings) : j->settings,
	    .policy = j->policy_doc,
	    .helix = j->helix,
	    .version = settings_version(j),
	    .session_id = j->own.id.s};
	char etag[24];
	struct buf b = BUF_NULL(ANSWER_MAX);

	settings_etag(f.version, etag);
	settings_flat_print(&j->a, &b, &f);
	settings_job_reply(j, 200, etag, &b);
}

void settings_on_config_get(struct call *c)
{
	struct settings_job *j = settings_job_new(c);

	if (!j)
		return;
	j->heads = config_unchanged;
	j->loaded = config_show;
	settings_job_load(j, SETTINGS_BASE);
}

/* ---- PUT: zed-config, apps ---- */

static bool same(struct settings_job *j, const struct jval *x, const struct jval *y)
{
	AUTO(buf_deinit) struct buf a = BUF_NULL(SIZE_MAX);
	AUTO(buf_deinit) struct buf b = BUF_NULL(SIZE_MAX);

	(void)j;
	if (!x || !y)
		return x == y;
	/* by text: a number written in another way is a change */
	jval_print(&a, x);
	jval_print(&b, y);
	return slice_eq(buf_slice(&a), buf_slice(&b));
}

static bool too_large(const struct jval *v, size_t max)
{
	AUTO(buf_deinit) struct buf b = BUF_NULL(max);

	jval_print(&b, v);
	return b.failed;
}

/* A member of the body: absent keeps, null resets. False: answered. */
static bool take_member(struct settings_job *j, const struct jval *body, const char *key,
    size_t max, const struct jval **out)
{
	const struct jval *v = jval_get_str(&j->a, body, key);

	if (!v)
		return true;
	if (v->type == JVAL_NULL) {
		*out = NULL;
		return true;
	}
	if (v->type != JVAL_OBJECT) {
		settings_job_error(j, ERROR_INVALID, "%s must be an object", key);
		return false;
	}
	if (too_large(v, max)) {
		settings_job_error(
		    j, ERROR_TOO_LARGE, "%s is larger than %zu bytes", key, max);
		return false;
	}
	*out = v;
	return true;
}

/* ---- what cannot be used, all of it ---- */

struct faults {
	struct settings_path_error *list;
	size_t n, cap;
	const char *what; /* NULL: nothing is wrong */
};

static void fault_add(struct settings_job *j, struct faults *f, const char *what,
    struct slice path, const char *message)
{
	if (f->n == f->cap) {
		size_t cap = f->cap ? 2 * f->cap : 16;
		struct settings_path_error *list =
		    arena_alloc(&j->a, cap * sizeof(*list));

		if (f->n)
			memcpy(list, f->list, f->n * sizeof(*list));
		f->list = list;
		f->cap = cap;
	}
	f->list[f->n++] = (struct settings_path_error){path, message};
	f->what = f->what ? f->what : what;
}

/* As Zed gets them: over the app's. */
static void check_settings(
    struct settings_job *j, const struct jval *settings, struct faults *faults)
{
	const struct jval *whole = settings_join(&j->a, j->app_settings, settings);

	for (const struct shape_finding *f = shape_check_document(&j->a, whole); f;
	     f = f->next)
		if (f->verdict == SHAPE_REJECT)
			fault_add(j, faults, "Zed would reject these settings", f->path,
			    f->message);
}

static void check_policy(
    struct settings_job *j, const struct jval *policy, struct faults *faults)
{
	struct policy p;
	struct err e = ERR_NULL;

	if (policy && policy_parse(&j->a, policy, &p, &e))
		fault_add(j, faults, "the policy cannot be used", SLICE_LIT("/policy"),
		    arena_copy(&j->a, slice_of(e.text)).p);
}

static void check_helix(
    struct settings_job *j, const struct jval *helix, struct faults *faults)
{
	struct settings_helix_problem p = settings_helix_check(&j->a, helix);

	if (p.message)
		fault_add(
		    j, faults, "the Helix fields cannot be used", p.path, p.message);
}

/* What a PUT makes of the document in force. */
struct put {
	const struct jval *settings, *policy, *helix; /* NULL: none */
	bool settings_changed, policy_changed, helix_changed;
	struct faults faults;
};

static bool known_members(struct settings_job *j, const struct jval *body)
{
	jval_for_each (m, body)
		if (!slice_is(m->key, "settings") && !slice_is(m->key, "policy") &&
		    !slice_is(m->key, "helix")) {
			settings_job_error(j, ERROR_INVALID,
			    "unknown member %.*s: settings, policy and helix are known",
			    (int)(m->key.n < 64 ? m->key.n : 64), m->key.p);
			return false;
		}
	return true;
}

/* False: answered. */
static bool put_read(struct settings_job *j, struct put *p)
{
	struct json_doc d;
	const struct jval *helix = NULL, *reset = j->own_helix;

	if (json_doc_parse_object(&j->a, buf_slice(&j->c->raw_body), &d) != JSON_DOC_OK) {
		settings_job_error(j,
		    d.state == JSON_DOC_TOO_LARGE ? ERROR_TOO_LARGE : ERROR_INVALID,
		    "line %u, column %u: %s", d.error.line, d.error.column,
		    d.error.message);
		return false;
	}
	*p = (struct put){
	    .settings = j->own_settings, .policy = j->own_policy, .helix = j->own_helix};
	if (!known_members(j, d.root) ||
	    !take_member(j, d.root, "settings", SETTINGS_DOC_MAX, &p->settings) ||
	    !take_member(j, d.root, "policy", SETTINGS_POLICY_MAX, &p->policy) ||
	    !take_member(j, d.root, "helix", SETTINGS_HELIX_MAX, &reset))
		return false;
	helix = jval_get_str(&j->a, d.root, "helix");
	if (jval_is_object(helix)) {
		check_helix(j, helix, &p->faults);
		p->helix = settings_helix_join(&j->a, j->own_helix, helix);
	} else if (helix) {
		p->helix = NULL;
	}
	p->settings_changed = !same(j, p->settings, j->own_settings);
	p->policy_changed = !same(j, p->policy, j->own_policy);
	p->helix_changed = !same(j, p->helix, j->own_helix);
	if (p->settings_changed && p->settings)
		check_settings(j, p->settings, &p->faults);
	if (p->policy_changed)
		check_policy(j, p->policy, &p->faults);
	return true;
}

static void print_part(struct buf *b, const char *key, const struct jval *v)
{
	buf_addf(b, "%s\"%s\":", b->n > 1 ? "," : "", key);
	if (v)
		jval_print(b, v);
	else
		buf_adds(b, "null");
}

struct slice settings_base_document(struct settings_job *j, const struct jval *settings,
    const struct jval *policy, const struct jval *helix)
{
	AUTO(buf_deinit) struct buf b = BUF_NULL(STORE_VALUE_MAX);

	buf_addc(&b, '{');
	print_part(&b, "settings", settings);
	print_part(&b, "policy", policy);
	print_part(&b, "helix", helix);
	buf_addc(&b, '}');
	must(buf_check(&b) == 0);
	return arena_copy(&j->a, buf_slice(&b));
}

static void put_answer(struct settings_job *j)
{
	struct buf b = BUF_NULL(256);
	char etag[24];

	settings_etag(settings_version(j), etag);
	buf_addf(&b, "{\"version\":%llu}", (unsigned long long)settings_version(j));
	settings_job_reply(j, 200, etag, &b);
}

/* What the change is called on the user WebSocket. */
static const char *put_field(
    struct settings_job *j, const struct put *p, const char **color_scheme)
{
	const struct jval *color = jval_get_str(&j->a, p->helix, "color_scheme");

	if (!p->helix_changed)
		return NULL;
	if (!same(j, jval_get_str(&j->a, p->helix, "code_agent_config"),
		jval_get_str(&j->a, j->own_helix, "code_agent_config")))
		return "agent";
	if (p->settings_changed || p->policy_changed ||
	    same(j, color, jval_get_str(&j->a, j->own_helix, "color_scheme")))
		return NULL;
	*color_scheme = color ? arena_copy(&j->a, color->str).p : "";
	return "color_scheme";
}

static void put_loaded(struct settings_job *j)
{
	struct put p;
	struct settings_change ch = {0};

	if (settings_match_fails(j, settings_version(j))) {
		settings_job_error(j, ERROR_STALE, "the version is %llu now",
		    (unsigned long long)settings_version(j));
		return;
	}
	if (!put_read(j, &p))
		return;
	if (p.faults.what) {
		settings_job_unprocessable(j, p.faults.what, p.faults.list, p.faults.n);
		return;
	}
	if (!p.settings_changed && !p.policy_changed && !p.helix_changed) {
		put_answer(j);
		return;
	}
	ch.kind = p.settings_changed || p.helix_changed ? "base" : "policy";
	ch.base = settings_base_document(j, p.settings, p.policy, p.helix);
	ch.field = put_field(j, &p, &ch.color_scheme);
	j->committed = put_answer;
	settings_job_commit(j, &ch, SLICE_NULL);
}

void settings_on_config_put(struct call *c)
{
	struct settings_job *j = settings_job_new(c);

	if (!j)
		return;
	j->writes = true;
	j->loaded = put_loaded;
	settings_job_load_to_commit(j, SETTINGS_BASE);
}

/* ---- apps ---- */

static void app_show(struct settings_job *j)
{
	char etag[24];
	struct buf b = BUF_NULL(ANSWER_MAX);

	settings_etag(settings_version(j), etag);
	buf_adds(&b, "{");
	print_part(&b, "settings", j->settings);
	print_part(&b, "policy", j->own_policy);
	print_part(&b, "helix", j->helix);
	buf_addf(&b, ",\"version\":%llu}", (unsigned long long)settings_version(j));
	settings_job_reply(j, 200, etag, &b);
}

void settings_on_app_get(struct call *c)
{
	struct settings_job *j = settings_job_new_app(c);

	if (!j)
		return;
	j->heads = config_unchanged;
	j->loaded = app_show;
	settings_job_load(j, SETTINGS_BASE);
}

void settings_on_app_put(struct call *c)
{
	struct settings_job *j = settings_job_new_app(c);

	if (!j)
		return;
	j->writes = true;
	j->loaded = put_loaded;
	settings_job_load_to_commit(j, SETTINGS_BASE);
}

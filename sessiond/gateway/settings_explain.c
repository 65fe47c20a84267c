/* GET zed-settings?explain=/ptr: why is this value so. Who gives it follows from the
 * documents; since when is found by going back until it was another.
 *
 * happy path: loaded, the side is known; then records back, reading a document only where
 * it changed
 */
#include "base/clock.h"
#include "base/must.h"
#include "sessiond/core/json_string.h"
#include "sessiond/core/jval_print.h"
#include "sessiond/core/settings_changes.h"
#include "sessiond/gateway/settings_internal.h"

enum {
	BACK_MAX = 100 * 1000,
	ANSWER_MAX = 4 * 1024 * 1024,
};

enum side { SIDE_USER, SIDE_BASE, SIDE_DEFAULT };

struct explain {
	struct json_pointer ptr; /* in the arena */
	enum side side;
	const struct jval *value, *shadowed; /* NULL: none */
	const char *rule;
	bool secret;
	struct settings_side *trail; /* where the value comes from */
	struct settings_head at, before;
	struct buf now, doc; /* the value as text; a document of before */
	size_t n_back;
};

static void on_job_end(struct settings_job *j)
{
	struct explain *x = j->data;

	buf_deinit(&x->now);
	buf_deinit(&x->doc);
	free(x);
}

/* ---- the answer ---- */

static void print_value(struct buf *b, const char *name, const struct jval *v)
{
	buf_addf(b, ",\"%s\":", name);
	if (v)
		jval_print(b, v);
	else
		buf_adds(b, "null");
}

static void explain_answer(struct settings_job *j)
{
	static const char *const sides[] = {"user", "base", "default"};
	const struct explain *x = j->data;
	struct buf b = BUF_NULL(ANSWER_MAX);
	char at[CLOCK_RFC3339_LEN + 1];

	buf_adds(&b, "{\"path\":");
	json_string_print(&b, json_pointer_text(&j->a, x->ptr.tokens, x->ptr.n));
	print_value(&b, "value", x->value);
	buf_addf(&b, ",\"side\":\"%s\",\"rule\":\"%s\"", sides[x->side], x->rule);
	if (x->at.revision) {
		clock_rfc3339(x->at.at_unix_ms, at);
		buf_addf(&b,
		    ",\"revision\":%llu,\"actor\":", (unsigned long long)x->at.revision);
		json_string_print(&b, slice_of(x->at.actor));
		buf_addf(&b, ",\"at\":\"%s\"", at);
	} else {
		buf_adds(&b, ",\"revision\":null,\"actor\":null,\"at\":null");
	}
	if (x->shadowed)
		print_value(&b, "shadowed", x->shadowed);
	if (x->secret)
		buf_adds(&b, ",\"secret\":true");
	buf_addc(&b, '}');
	settings_job_reply(j, 200, NULL, &b);
}

/* ---- since when ---- */

/* What a document says of the path, as text; overrides say more than values. */
static void say(struct explain *x, struct arena *a, struct slice doc, struct buf *out)
{
	const struct jval *v;

	buf_reset(out);
	if (x->side == SIDE_USER) {
		struct overrides u = settings_doc_user(a, doc);

		v = u.root;
		for (size_t i = 0; i < x->ptr.n && v && (i == 0 || jval_is_tree(v)); i++)
			v = jval_get(a, v, x->ptr.tokens[i]);
		if (v && v->type == JVAL_TOMB) {
			buf_adds(out, "absent");
		} else if (v) {
			struct overrides below = {.root = jval_copy(a, v)};

			if (jval_is_tree(v))
				overrides_print(out, &below);
			else
				jval_print(out, v);
		}
		return;
	}
	v = settings_doc_part(a, doc, "settings");
	for (size_t i = 0; i < x->ptr.n && v; i++)
		v = jval_get(a, v, x->ptr.tokens[i]);
	if (v)
		jval_print(out, v);
}

static void explain_next(struct settings_job *j);

static uint64_t doc_seq(const struct explain *x, const struct settings_head *h)
{
	return x->side == SIDE_USER ? h->user_seq : h->base_seq;
}

/* @at did not bring the value about: it was so before. */
static void older(struct settings_job *j)
{
	struct explain *x = j->data;

	x->at = x->before;
	x->before = (struct settings_head){0};
	explain_next(j);
}

static void explain_on_doc(struct settings_job *j)
{
	struct explain *x = j->data;
	struct arena a = ARENA_NULL;
	AUTO(buf_deinit) struct buf was = BUF_NULL(ANSWER_MAX);
	bool same;

	say(x, &a, buf_slice(&x->doc), &was);
	same = slice_eq(buf_slice(&was), buf_slice(&x->now));
	arena_deinit(&a);
	if (same)
		older(j);
	else
		explain_answer(j);
}

static void explain_on_before(struct settings_job *j)
{
	struct explain *x = j->data;

	if (!x->before.revision || ++x->n_back > BACK_MAX)
		explain_answer(j);
	else if (doc_seq(x, &x->before) == doc_seq(x, &x->at))
		older(j);
	else
		settings_job_read(
		    j, x->trail, doc_seq(x, &x->before), &x->doc, explain_on_doc);
}

static void explain_next(struct settings_job *j)
{
	struct explain *x = j->data;

	x->before = (struct settings_head){.prev_seq = x->at.prev_seq};
	settings_job_back(j, x->trail, &x->before, explain_on_before);
}

/* ---- who ---- */

static const struct jval *at_pointer(struct settings_job *j, const struct jval *doc)
{
	const struct explain *x = j->data;
	const struct jval *v = doc;

	for (size_t i = 0; i < x->ptr.n && v; i++)
		v = jval_get(&j->a, v, x->ptr.tokens[i]);
	return v;
}

static void find_rule(struct settings_job *j)
{
	struct explain *x = j->data;
	struct policy_walk *w = policy_walk_new(&j->a, &j->policy);

	for (size_t i = 0; i < x->ptr.n; i++)
		policy_push(w, x->ptr.tokens[i]);
	x->rule = policy_class_name(policy_here(w)->cls);
	x->secret = policy_here(w)->secret;
}

static bool same_value(struct settings_job *j, const struct jval *x, const struct jval *y)
{
	return (!x && !y) || (x && y && jval_equal(&j->a, x, y));
}

/* The value is as it is because of an override at, above or below the path: it is another
 * than the base's, or the user chose what the base happens to say too. */
static bool is_users(struct settings_job *j, const struct jval *base)
{
	const struct explain *x = j->data;
	const struct jval *v = j->user.root;
	size_t i = 0;

	for (; i < x->ptr.n && jval_is_tree(v); i++)
		v = jval_get(&j->a, v, x->ptr.tokens[i]);
	if (!v || overrides_empty(&j->user))
		return false;
	if (!same_value(j, x->value, base))
		return true;
	return i > 0 && i == x->ptr.n && jval_is_leaf(v) && v->type != JVAL_TOMB &&
	       same_value(j, x->value, v);
}

static void explain_loaded(struct settings_job *j)
{
	struct explain *x = j->data;
	const char *text = j->c->req ? http_req_query(j->c->req, "explain") : NULL;
	const struct jval *base;
	struct slice doc;

	if (!text ||
	    !json_pointer_parse(&j->a, arena_copy(&j->a, slice_of(text)), &x->ptr)) {
		settings_job_error(j, ERROR_INVALID, "explain must be a JSON pointer");
		return;
	}
	x->value = at_pointer(
	    j, settings_merged(&j->a, j->settings, &j->user, &j->policy, NULL));
	base = at_pointer(j, j->settings);
	find_rule(j);
	x->trail = &j->own;
	x->side = is_users(j, base) ? SIDE_USER : x->value ? SIDE_BASE : SIDE_DEFAULT;
	if (x->side == SIDE_USER && base)
		x->shadowed = base;
	doc = buf_slice(x->side == SIDE_USER ? &j->own.user : &j->own.base);
	if (x->side == SIDE_BASE && !at_pointer(j, j->own_settings)) {
		x->trail = &j->app;
		doc = buf_slice(&j->app.base);
	}
	if (x->side == SIDE_DEFAULT || !x->trail->head.seq) {
		explain_answer(j);
		return;
	}
	say(x, &j->a, doc, &x->now);
	settings_job_read_head(j, x->trail, x->trail->head.seq, &x->at, explain_next);
}

void settings_explain(struct call *c)
{
	struct settings_job *j = settings_job_new(c);
	struct explain *x;

	if (!j)
		return;
	x = calloc(1, sizeof(*x));
	must(x);
	x->now = x->doc = BUF_NULL(ANSWER_MAX);
	j->data = x;
	j->ended = on_job_end;
	j->loaded = explain_loaded;
	settings_job_load(j, SETTINGS_BASE | SETTINGS_USER);
}

/* Texts become trees, the core decides, trees become texts. */
#include "sessiond/sidecar/decide_internal.h"

#include "sessiond/core/jval_print.h"
#include "sessiond/sidecar/helix_rules.h"

static struct slice newer(struct slice now, const struct record *r, enum record_field f)
{
	return now.p ? now : record_get(r, f);
}

/* An object, or NULL in *out when @text is absent or blank. */
int decision_read_doc(
    struct decision *d, const char *what, struct slice text, struct jval **out)
{
	struct json_doc doc;

	*out = NULL;
	if (text.n == 0)
		return 0;
	switch (json_doc_parse_object(d->a, text, &doc)) {
	case JSON_DOC_OK:
	case JSON_DOC_BLANK:
		*out = doc.root;
		return 0;
	default:
		return err_set(d->e, ERROR_INVALID, "%s: line %u, column %u: %s", what,
		    doc.error.line, doc.error.column, doc.error.message);
	}
}

int decision_read_overrides(
    struct decision *d, const char *what, struct slice text, struct overrides *out)
{
	struct overrides_problem *p;
	struct jval *doc;
	int r = decision_read_doc(d, what, text, &doc);

	*out = overrides_new(d->a);
	if (r || !doc)
		return r;
	p = overrides_parse(d->a, doc, out);
	return p ? err_set(d->e, ERROR_INVALID, "%s: %.*s: %s", what,
		       (int)(p->path.n < 100 ? p->path.n : 100), p->path.p, p->message)
		 : 0;
}

static int read_policy(struct decision *d)
{
	struct jval *doc;
	int r =
	    decision_read_doc(
		d, "policy", newer(d->in->policy, d->in->last, RECORD_POLICY), &doc);

	if (r)
		return r;
	if (!doc)
		policy_builtin(d->a, &d->policy);
	else
		r = policy_parse(d->a, doc, &d->policy, d->e);
	return r ? (err_prefix(d->e, "policy"), r) : 0;
}

/* What changed here since the server was last heard of, on what it has now. */
static int replay(struct decision *d)
{
	const struct record *last = d->in->last;
	AUTO(buf_deinit) struct buf delta = BUF_NULL(SIZE_MAX);
	struct overrides mine, known;
	struct overrides_ops ops;
	struct jval *doc;
	int r = decision_read_overrides(
	    d, "overrides", record_get(last, RECORD_OVERRIDES), &mine);

	if (!r)
		r = decision_read_overrides(d, "server", record_get(last, RECORD_SERVER), &known);
	if (!r && d->in->server.p && !d->in->plain)
		r = decision_read_overrides(d, "server's overrides", d->in->server, &d->seen);
	else
		d->seen = known;
	if (r)
		return r;
	d->u = overrides_copy(d->a, &d->seen);
	if (!overrides_print_delta(d->a, &known, &mine, &delta))
		return 0;
	r = decision_read_doc(d, "replay", arena_copy(d->a, buf_slice(&delta)), &doc);
	must(r == 0 && doc && !overrides_ops_parse(d->a, doc, &ops));
	overrides_apply(d->a, &d->u, &ops);
	return 0;
}

/* The base moved before the server took our last upload: neither knew of the other. */
static bool base_is_unaware(const struct decision *d)
{
	const struct record *last = d->in->last;
	struct slice server_tag = d->in->server.p ? d->in->server_tag
						  : record_get(last, RECORD_SERVER_TAG);
	int64_t base = decide_tag_revision(d->in->base_tag);

	return !d->in->plain && d->in->base.p && base >= 0 &&
	       base < decide_tag_revision(server_tag) &&
	       record_get(last, RECORD_SERVER_THEN).p;
}

static int read_aware(struct decision *d)
{
	if (base_is_unaware(d))
		return decision_read_overrides(d, "server's overrides then",
		    record_get(d->in->last, RECORD_SERVER_THEN), &d->aware);
	d->aware = d->seen;
	return 0;
}

void decision_remember_overrides(
    struct decision *d, enum record_field f, const struct overrides *o)
{
	AUTO(buf_deinit) struct buf text = BUF_NULL(SIZE_MAX);

	overrides_print(&text, o);
	record_set(&d->out->next, f, buf_slice(&text));
}

bool decision_text_same(struct slice a, struct slice b)
{
	return (a.p == NULL) == (b.p == NULL) && slice_eq(a, b);
}

/* Nothing the core would look at differs from when @last was made. */
static bool nothing_new(const struct decide_input *in)
{
	const struct record *l = in->last;

	return in->file && decision_text_same(*in->file, record_get(l, RECORD_TEXT)) &&
	       in->bulk == DECIDE_NOTHING && in->first == DECIDE_NOTHING &&
	       slice_eq(newer(in->base, l, RECORD_BASE), record_get(l, RECORD_BASE)) &&
	       slice_eq(
		   newer(in->policy, l, RECORD_POLICY), record_get(l, RECORD_POLICY)) &&
	       (in->plain || slice_eq(newer(in->server, l, RECORD_SERVER),
				 record_get(l, RECORD_SERVER)));
}

/* the core */

static int run_plan(struct decision *d)
{
	d->plan.overrides = &d->u;
	d->plan.seen = &d->aware;
	d->plan.held = &d->held;
	return settings_plan(d->a, &d->plan, &d->out->plan, d->e);
}

static int plan(struct decision *d)
{
	int r = decision_read_overrides(
	    d, "held", record_get(d->in->last, RECORD_HELD), &d->held);

	if (r)
		return r;
	if (d->in->bulk == DECIDE_CONFIRM)
		decision_confirm_held(d);
	else if (d->in->bulk == DECIDE_UNDO)
		d->held = overrides_new(d->a);
	r = run_plan(d);
	if (r || d->out->plan.state != SETTINGS_OK || !decision_held_again(d))
		return r;
	decision_confirm_held(d);
	return run_plan(d);
}

/* Helix itself has ways of its own. */
static void prepare_helix(struct decision *d, const struct jval *base, struct jval *base0)
{
	struct json_doc file = {0};

	if (!d->plan.file || json_doc_parse_object(d->a, *d->plan.file, &file) != JSON_DOC_OK)
		file.root = NULL;
	if (helix_theme_apply(d->a, &d->u, file.root, base, base0))
		helix_theme_own(d->a, &d->policy);
	d->plan.base0 = helix_retire(d->a, file.root, base0);
}

static int prepare(struct decision *d)
{
	const struct record *last = d->in->last;
	struct jval *base, *base0, *migrated;
	int r = read_policy(d);

	if (!r)
		r = decision_read_doc(d, "base", newer(d->in->base, last, RECORD_BASE), &base);
	if (!r)
		r = decision_read_doc(d, "last base",
		    newer(record_get(last, RECORD_SOUND), last, RECORD_BASE), &base0);
	if (!r)
		r = decision_read_doc(
		    d, "migrated", record_get(last, RECORD_MIGRATED), &migrated);
	if (!r)
		r = replay(d);
	if (!r)
		r = read_aware(d);
	if (!r)
		r = decision_answer_first(d);
	if (r)
		return r;
	d->last = record_get(last, RECORD_TEXT);
	d->plan.file = d->merged.p ? &d->merged : d->in->file;
	d->plan.last = d->last.p ? &d->last : NULL;
	base = base ? base : jval_new(d->a, JVAL_OBJECT);
	d->plan.base = base;
	d->plan.base0 = d->last.p ? base0 : NULL;
	if (d->in->plain)
		prepare_helix(d, base, d->last.p ? base0 : NULL);
	d->plan.policy = &d->policy;
	d->plan.migrating = d->in->migrating;
	d->plan.migrated = migrated;
	return 0;
}

/* What the server has, as it counts from now on. */
static void remember_server(struct decision *d)
{
	const struct decide_input *in = d->in;
	struct record *next = &d->out->next;

	if (in->base.p) {
		bool moved = !slice_eq(in->base, record_get(next, RECORD_BASE));

		/* What did not fit the base that was may fit this one; Helix compares
		 * with none. */
		if (!in->plain && moved)
			record_set(next, RECORD_REFUSED, SLICE_NULL);
		if (moved)
			record_set(next, RECORD_SERVER_THEN, SLICE_NULL);
		record_set(next, RECORD_BASE, in->base);
		record_set(next, RECORD_BASE_TAG, in->base_tag);
	}
	if (in->policy.p)
		record_set(next, RECORD_POLICY, in->policy);
	if (in->server.p && !in->plain) {
		record_set(next, RECORD_SERVER, in->server);
		record_set(next, RECORD_SERVER_TAG, in->server_tag);
	}
}

static void remember_migrated(struct decision *d)
{
	AUTO(buf_deinit) struct buf text = BUF_NULL(SIZE_MAX);

	jval_print(&text, d->out->plan.migrated);
	record_set(&d->out->next, RECORD_MIGRATED,
	    buf_slice(&text).n > 2 ? buf_slice(&text) : SLICE_NULL);
}

/* What Helix sent may not stand for long: what did stand must not be forgotten. */
static void remember_sound(struct decision *d)
{
	AUTO(buf_deinit) struct buf text = BUF_NULL(SIZE_MAX);

	if (d->out->plan.sound_base)
		jval_print(&text, d->out->plan.sound_base);
	record_set(&d->out->next, RECORD_SOUND, buf_slice(&text));
}

static void remember(struct decision *d)
{
	record_set(&d->out->next, RECORD_TEXT, d->out->plan.text);
	remember_server(d);
	remember_sound(d);
	decision_remember_overrides(d, RECORD_OVERRIDES, &d->out->plan.overrides);
	remember_migrated(d);
	decision_remember_held(d);
	if (!d->last.p)
		decision_remember_first(d);
}

int decide(const struct decide_input *in, struct decide_output *out, struct err *e)
{
	struct decision d = {.in = in, .out = out, .a = &out->arena, .e = e};
	int r = 0;

	*out = (struct decide_output){0};
	record_copy(&out->next, in->last);
	if (nothing_new(in)) {
		remember_server(&d);
	} else {
		bool stale = decision_is_stale(&d);

		if (stale)
			decision_merge_stale(&d);
		r = prepare(&d);
		if (!r)
			r = plan(&d);
		if (r || out->plan.state != SETTINGS_OK || out->plan.edit_failed) {
			record_copy(&out->next, in->last);
			return r;
		}
		decision_tell_stale(&d, stale);
		out->write = d.merged.p ? !decision_text_same(out->plan.text, *in->file)
					: out->plan.changed;
		remember(&d);
	}
	r = decision_make_post(&d);
	out->remember = !record_equal(&out->next, in->last);
	return r;
}

void decide_output_deinit(struct decide_output *out)
{
	arena_deinit(&out->arena);
	record_deinit(&out->next);
}

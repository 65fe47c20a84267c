/* Texts become trees, the core decides, trees become texts. Also what the core does not
 * know of: uploads, and things that wait for somebody's word. */
#include "sessiond/sidecar/decide.h"

#include <stdlib.h>

#include "sessiond/core/json_string.h"
#include "sessiond/core/jval_print.h"

struct decision {
	const struct decide_input *in;
	struct decide_output *out;
	struct arena *a;
	struct err *e;
	struct settings_input plan;
	struct policy policy;
	struct overrides u, held;
	struct slice last;
};

static struct slice newer(struct slice now, const struct record *r, enum record_field f)
{
	return now.p ? now : record_get(r, f);
}

/* An object, or NULL in *out when @text is absent or blank. */
static int read_doc(
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

static int read_overrides(
    struct decision *d, const char *what, struct slice text, struct overrides *out)
{
	struct overrides_problem *p;
	struct jval *doc;
	int r = read_doc(d, what, text, &doc);

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
	    read_doc(d, "policy", newer(d->in->policy, d->in->last, RECORD_POLICY), &doc);

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
	struct overrides mine, known, now;
	struct overrides_ops ops;
	struct jval *doc;
	int r = read_overrides(d, "overrides", record_get(last, RECORD_OVERRIDES), &mine);

	if (!r)
		r = read_overrides(d, "server", record_get(last, RECORD_SERVER), &known);
	if (!r && d->in->server.p && !d->in->plain)
		r = read_overrides(d, "server's overrides", d->in->server, &now);
	else
		now = known;
	if (r)
		return r;
	d->u = overrides_copy(d->a, &now);
	if (!overrides_print_delta(d->a, &known, &mine, &delta))
		return 0;
	r = read_doc(d, "replay", arena_copy(d->a, buf_slice(&delta)), &doc);
	must(r == 0 && doc && !overrides_ops_parse(d->a, doc, &ops));
	overrides_apply(d->a, &d->u, &ops);
	return 0;
}

static bool text_same(struct slice a, struct slice b)
{
	return (a.p == NULL) == (b.p == NULL) && slice_eq(a, b);
}

/* Nothing the core would look at differs from when @last was made. */
static bool nothing_new(const struct decide_input *in)
{
	const struct record *l = in->last;

	return in->file && text_same(*in->file, record_get(l, RECORD_TEXT)) &&
	       in->bulk == DECIDE_NOTHING && in->first == DECIDE_NOTHING &&
	       slice_eq(newer(in->base, l, RECORD_BASE), record_get(l, RECORD_BASE)) &&
	       slice_eq(
		   newer(in->policy, l, RECORD_POLICY), record_get(l, RECORD_POLICY)) &&
	       (in->plain || slice_eq(newer(in->server, l, RECORD_SERVER),
				 record_get(l, RECORD_SERVER)));
}

/* things that wait */

static const enum record_field wait_fields[DECIDE_WAIT_N_] = {
    RECORD_HELD_ID, RECORD_FIRST_ID};

const char *decide_wait_name(enum decide_wait w)
{
	return w == DECIDE_WAIT_BULK ? "bulk_delete" : "first_contact";
}

bool decide_waits(const struct record *r, enum decide_wait w, struct decide_waiting *out)
{
	struct slice s = record_get(r, wait_fields[w]);
	const char *space = s.p ? memchr(s.p, ' ', s.n) : NULL;

	if (!space)
		return false;
	out->id = (struct slice){s.p, (size_t)(space - s.p)};
	out->since_unix_ms = strtoll(space + 1, NULL, 10);
	return true;
}

static void wait_begin(struct decision *d, enum decide_wait w)
{
	struct decide_waiting old;
	AUTO(buf_deinit) struct buf text = BUF_NULL(256);

	if (decide_waits(d->in->last, w, &old))
		buf_add_slice(&text, old.id);
	else
		buf_adds(&text, d->in->wait_id);
	buf_addf(&text, " %lld", (long long)d->in->now_unix_ms);
	record_set(&d->out->next, wait_fields[w], buf_slice(&text));
}

static void wait_end(struct decision *d, enum decide_wait w)
{
	record_set(&d->out->next, wait_fields[w], SLICE_NULL);
}

static void remember_overrides(
    struct decision *d, enum record_field f, const struct overrides *o)
{
	AUTO(buf_deinit) struct buf text = BUF_NULL(SIZE_MAX);

	overrides_print(&text, o);
	record_set(&d->out->next, f, buf_slice(&text));
}

static void remember_held(struct decision *d)
{
	const struct overrides *held = &d->out->plan.held;
	AUTO(buf_deinit) struct buf text = BUF_NULL(SIZE_MAX);

	if (overrides_empty(held)) {
		record_set(&d->out->next, RECORD_HELD, SLICE_NULL);
		wait_end(d, DECIDE_WAIT_BULK);
		return;
	}
	overrides_print(&text, held);
	if (slice_eq(buf_slice(&text), record_get(d->in->last, RECORD_HELD)))
		return;
	record_set(&d->out->next, RECORD_HELD, buf_slice(&text));
	wait_begin(d, DECIDE_WAIT_BULK);
}

/* Values that gave way when the file was first met: kept, for who wants them back. */
static void remember_first(struct decision *d)
{
	struct overrides kept = overrides_new(d->a);

	for (const struct settings_event *ev = d->out->plan.events; ev; ev = ev->next) {
		struct json_pointer ptr;
		struct jval *was;

		if (strcmp(ev->type, "first_contact") != 0)
			continue;
		must(json_pointer_parse(d->a, ev->path, &ptr));
		was = json_pointer_get(d->a, d->out->plan.doc.root, ptr.tokens, ptr.n);
		if (was && ptr.n > 0)
			overrides_set(d->a, &kept, ptr.tokens, ptr.n, was);
	}
	if (overrides_empty(&kept))
		return;
	remember_overrides(d, RECORD_FIRST, &kept);
	wait_begin(d, DECIDE_WAIT_FIRST);
}

static int answer_first(struct decision *d)
{
	struct overrides kept;
	int r;

	if (d->in->first == DECIDE_NOTHING)
		return 0;
	r = read_overrides(d, "first", record_get(d->in->last, RECORD_FIRST), &kept);
	if (r)
		return r;
	if (d->in->first == DECIDE_UNDO)
		overrides_for_each (v, &kept) {
			struct json_pointer ptr;

			must(json_pointer_parse(d->a, json_pointer_of(d->a, v), &ptr));
			overrides_set(d->a, &d->u, ptr.tokens, ptr.n, v);
		}
	record_set(&d->out->next, RECORD_FIRST, SLICE_NULL);
	wait_end(d, DECIDE_WAIT_FIRST);
	return 0;
}

/* the core */

static int run_plan(struct decision *d)
{
	d->plan.overrides = &d->u;
	d->plan.held = &d->held;
	return settings_plan(d->a, &d->plan, &d->out->plan, d->e);
}

/* A save after the one that removed so much, and it is still missing: it is meant. */
static bool held_again(const struct decision *d)
{
	if (d->in->file && text_same(*d->in->file, record_get(d->in->last, RECORD_TEXT)))
		return false;
	overrides_for_each (v, &d->out->plan.held) {
		struct json_pointer ptr;
		const struct jval *before;

		must(json_pointer_parse(d->a, json_pointer_of(d->a, v), &ptr));
		before = overrides_at(d->a, &d->held, ptr.tokens, ptr.n);
		if (before && before->type == JVAL_TOMB)
			return true;
	}
	return false;
}

static void confirm_held(struct decision *d)
{
	settings_confirm(d->a, &d->u, &d->held, d->plan.base);
	d->held = overrides_new(d->a);
}

static int plan(struct decision *d)
{
	int r = read_overrides(d, "held", record_get(d->in->last, RECORD_HELD), &d->held);

	if (r)
		return r;
	if (d->in->bulk == DECIDE_CONFIRM)
		confirm_held(d);
	else if (d->in->bulk == DECIDE_UNDO)
		d->held = overrides_new(d->a);
	r = run_plan(d);
	if (r || d->out->plan.state != SETTINGS_OK || !held_again(d))
		return r;
	confirm_held(d);
	return run_plan(d);
}

static int prepare(struct decision *d)
{
	const struct record *last = d->in->last;
	struct jval *base, *base0;
	int r = read_policy(d);

	if (!r)
		r = read_doc(d, "base", newer(d->in->base, last, RECORD_BASE), &base);
	if (!r)
		r = read_doc(d, "last base", record_get(last, RECORD_BASE), &base0);
	if (!r)
		r = replay(d);
	if (!r)
		r = answer_first(d);
	if (r)
		return r;
	d->last = record_get(last, RECORD_TEXT);
	d->plan.file = d->in->file;
	d->plan.last = d->last.p ? &d->last : NULL;
	d->plan.base = base ? base : jval_new(d->a, JVAL_OBJECT);
	d->plan.base0 = d->last.p ? base0 : NULL;
	d->plan.policy = &d->policy;
	return 0;
}

/* What the server has, as it counts from now on. */
static void remember_server(struct decision *d)
{
	const struct decide_input *in = d->in;
	struct record *next = &d->out->next;

	if (in->base.p) {
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

static void remember(struct decision *d)
{
	record_set(&d->out->next, RECORD_TEXT, d->out->plan.text);
	remember_server(d);
	remember_overrides(d, RECORD_OVERRIDES, &d->out->plan.overrides);
	remember_held(d);
	if (!d->last.p)
		remember_first(d);
}

/* uploads */

/* What turns the server's overrides into ours; false if they are the same. */
static bool post_ops(struct decision *d, const struct overrides *server,
    const struct overrides *mine, struct buf *body)
{
	buf_adds(body, "{\"ops\":");
	if (!overrides_print_delta(d->a, server, mine, body))
		return false;
	buf_adds(body, ",\"op_id\":");
	json_string_print(body, slice_of(d->in->op_id));
	buf_addc(body, '}');
	return true;
}

static int make_post(struct decision *d)
{
	struct record *next = &d->out->next;
	struct slice mine_text = record_get(next, RECORD_OVERRIDES);
	AUTO(buf_deinit) struct buf body = BUF_NULL(SIZE_MAX);
	struct overrides server, mine;
	int r;

	if (!d->in->op_id || record_get(next, RECORD_POST).p || !mine_text.p ||
	    slice_eq(mine_text, record_get(next, RECORD_REFUSED)))
		return 0;
	r = read_overrides(d, "overrides", mine_text, &mine);
	if (!r)
		r = read_overrides(d, "server", record_get(next, RECORD_SERVER), &server);
	if (r || overrides_equal(d->a, &server, &mine))
		return r;
	if (d->in->plain)
		jval_print(&body, overrides_plain(d->a, &mine));
	else if (!post_ops(d, &server, &mine, &body))
		return 0;
	record_set(next, RECORD_POST, buf_slice(&body));
	record_set(next, RECORD_POST_AS, mine_text);
	record_set(next, RECORD_REFUSED, SLICE_NULL);
	return 0;
}

void decide_posted(struct record *r, struct slice server_tag)
{
	record_set(r, RECORD_SERVER, record_get(r, RECORD_POST_AS));
	record_set(r, RECORD_SERVER_TAG, server_tag);
	decide_stale(r);
}

void decide_refused(struct record *r)
{
	record_set(r, RECORD_REFUSED, record_get(r, RECORD_POST_AS));
	decide_stale(r);
}

void decide_stale(struct record *r)
{
	record_set(r, RECORD_POST, SLICE_NULL);
	record_set(r, RECORD_POST_AS, SLICE_NULL);
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
		r = prepare(&d);
		if (!r)
			r = plan(&d);
		if (r || out->plan.state != SETTINGS_OK || out->plan.edit_failed) {
			record_copy(&out->next, in->last);
			return r;
		}
		out->write = out->plan.changed;
		remember(&d);
	}
	r = make_post(&d);
	out->remember = !record_equal(&out->next, in->last);
	return r;
}

void decide_output_deinit(struct decide_output *out)
{
	arena_deinit(&out->arena);
	record_deinit(&out->next);
}

/* settings diff: what each override changes and the rule that decides it; or what changed
 * between two revisions. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "zedctl/cmds.h"
#include "zedctl/delta.h"
#include "zedctl/given.h"
#include "zedctl/render.h"
#include "zedctl/settings_trail.h"
#include "zedctl/span.h"
#include "zedctl/watch.h"

enum {
	DIFF_COLUMNS = 40, /* of a value with -o wide */
	DIFF_TEXT_MAX_BYTES = 64 << 20,
};

/* ---- showing: deltas, rows with -o wide, or JSON; all end with diff_end */

struct diff {
	struct ctl *c;
	struct table t;
	size_t n;
};

struct diff_row {
	struct delta delta; /* note: filled in here */
	const char *change; /* what it is called; NULL: delta_kind */
	const char *part, *rule, *actor, *at, *kind, *why; /* NULL, "": not known */
	int64_t revision;
	bool by_sides; /* before and after are called base and value, not old and new */
	bool secret;   /* values are shown as stars */
};

static void diff_begin(struct diff *d, struct ctl *c, const char *json)
{
	*d = (struct diff){.c = c};
	if (c->output == CTL_WIDE)
		table_init(&d->t, "CHANGE PATH BEFORE AFTER RULE ACTOR REVISION AT");
	else if (c->output == CTL_JSON)
		printf("%s,\"changes\":[", json);
}

static void diff_end(struct diff *d)
{
	if (d->c->output == CTL_WIDE)
		table_print(&d->t, d->c->is_tty);
	else if (d->c->output == CTL_JSON)
		puts("]}");
	else if (d->n == 0 && d->c->is_tty)
		puts("no difference");
}

static void diff_json_text(struct buf *out, const char *name, const char *text)
{
	if (!text || !*text)
		return;
	buf_addf(out, ",\"%s\":", name);
	buf_add_json_string(out, text, strlen(text));
}

static void diff_json_value(struct buf *out, const char *name, struct slice json)
{
	if (json.p)
		buf_addf(out, ",\"%s\":" SLICE_FMT, name, SLICE_ARG(json));
}

static void diff_json(const struct diff *d, const struct diff_row *r)
{
	struct buf out = BUF_NULL(DIFF_TEXT_MAX_BYTES);

	buf_adds(&out, d->n ? ",{\"path\":" : "{\"path\":");
	buf_add_json_string(&out, r->delta.path, strlen(r->delta.path));
	diff_json_text(&out, "part", r->part);
	diff_json_text(&out, "change", r->change);
	diff_json_value(&out, r->by_sides ? "base" : "old", r->delta.before);
	diff_json_value(&out, r->by_sides ? "value" : "new", r->delta.after);
	diff_json_text(&out, "rule", r->rule);
	diff_json_text(&out, "actor", r->actor);
	if (r->revision)
		buf_addf(&out, ",\"revision\":%" PRId64, r->revision);
	diff_json_text(&out, "at", r->at);
	diff_json_text(&out, "kind", r->kind);
	buf_addc(&out, '}');
	fwrite(out.data, 1, out.n, stdout);
	buf_deinit(&out);
}

static void diff_cell(struct diff *d, struct slice json)
{
	struct buf text = BUF_NULL(DIFF_TEXT_MAX_BYTES);

	if (json.p)
		render_value(json, DIFF_COLUMNS, &text);
	table_add(&d->t, buf_cstr(&text));
	buf_deinit(&text);
}

static void diff_wide(struct diff *d, const struct diff_row *r)
{
	table_add(&d->t, r->change);
	table_add(&d->t, r->delta.path);
	diff_cell(d, r->delta.before);
	diff_cell(d, r->delta.after);
	table_add(&d->t, r->rule && *r->rule ? r->rule : r->kind);
	table_add(&d->t, r->actor);
	if (r->revision)
		table_addf(&d->t, "%" PRId64, r->revision);
	else
		table_add(&d->t, NULL);
	table_add(&d->t, r->at);
}

static void diff_text(const struct diff *d, struct diff_row *r)
{
	struct buf out = BUF_NULL(DIFF_TEXT_MAX_BYTES), note = BUF_NULL(64 << 10);

	if (r->part && *r->part)
		buf_addf(&note, "in the %s; ", r->part);
	if (r->why && *r->why)
		buf_addf(&note, "%s; ", r->why);
	if (r->rule && *r->rule)
		buf_addf(&note, "rule %s", r->rule);
	if (r->actor)
		buf_addf(&note, "%s", r->kind ? "last changed by " : "; ");
	settings_add_who(&note, r->actor, r->revision, r->at);
	if (r->kind)
		buf_addf(&note, " (%s)", r->kind);
	r->delta.note = buf_cstr(&note);
	delta_render(&r->delta, d->c->is_tty, &out);
	fwrite(out.data, 1, out.n, stdout);
	buf_deinit(&out);
	buf_deinit(&note);
}

static void diff_mask(struct diff_row *r)
{
	bool changed = strcmp(r->change, "changed") == 0;

	if (r->delta.before.p)
		r->delta.before = SLICE_LIT("\"***\"");
	if (r->delta.after.p)
		r->delta.after = changed ? SLICE_LIT("\"*** (another)\"")
					 : SLICE_LIT("\"***\"");
}

static void diff_show(struct diff *d, struct diff_row *r)
{
	if (!r->change)
		r->change = delta_kind(&r->delta);
	if (r->secret && !args_has(d->c->args, "show-secrets"))
		diff_mask(r);
	if (d->c->output == CTL_JSON)
		diff_json(d, r);
	else if (d->c->output == CTL_WIDE)
		diff_wide(d, r);
	else
		diff_text(d, r);
	d->n++;
}

/* ---- overrides against the base */

static bool diff_equal(struct slice x, struct slice y)
{
	struct jsn *a = NULL, *b = NULL;
	bool equal = x.p && y.p && jsn_parse(x.p, x.n, &a, NULL) == 0 &&
		     jsn_parse(y.p, y.n, &b, NULL) == 0 && jsn_equal(a, b);

	jsn_free(a);
	jsn_free(b);
	return equal;
}

/* What becomes of the override @mine (p NULL: a deletion) as @x explains it. */
static void diff_judge(struct diff_row *r, struct slice x, struct slice mine)
{
	struct slice value = span_find(x, "/value"), shadowed = span_find(x, "/shadowed");

	if (slice_is(span_find(x, "/side"), "\"user\"")) {
		r->delta.before = shadowed;
		r->delta.after = mine.p ? value : SLICE_NULL;
		if (!mine.p && !shadowed.p)
			r->why = "the base has nothing here now";
		else if (diff_equal(shadowed, r->delta.after))
			r->why = "the base says the same now";
		return;
	}
	r->delta.after = mine;
	if (slice_is(span_find(x, "/side"), "\"base\"")) {
		r->delta.before = value;
		if (diff_equal(value, mine)) {
			r->delta.after = value;
			r->why = "the base says the same now";
			return;
		}
	}
	r->change = "dormant";
	r->why = "dormant: the override has no effect now";
}

static int diff_override(
    struct diff *d, const char *session, struct slice key, struct slice mine)
{
	struct web_answer answer = WEB_ANSWER_NULL;
	struct buf path = BUF_NULL(SETTINGS_PATH_MAX_BYTES);
	struct diff_row r = {.by_sides = true};
	int exit_code;

	span_string(key, &path);
	r.delta.path = buf_cstr(&path);
	exit_code = settings_fetch_query(d->c, session, "/zed-settings",
	    "explain", r.delta.path, &answer);
	if (exit_code == CTL_DONE) {
		diff_judge(&r, buf_slice(&answer.body), mine);
		r.rule = jsn_get_string(answer.json, "rule");
		r.actor = jsn_get_string(answer.json, "actor");
		r.revision = jsn_get_int(answer.json, "revision", 0);
		r.at = jsn_get_string(answer.json, "at");
		r.secret = jsn_get_bool(answer.json, "secret", false);
		diff_show(d, &r);
	}
	buf_deinit(&path);
	web_answer_deinit(&answer);
	return exit_code;
}

static bool diff_wants(struct slice key, const char *pointer)
{
	struct buf path = BUF_NULL(SETTINGS_PATH_MAX_BYTES);
	bool wants = span_string(key, &path) &&
		     (given_is_below(buf_cstr(&path), pointer) ||
			 given_is_below(pointer, buf_cstr(&path)));

	buf_deinit(&path);
	return wants;
}

static int diff_overrides(struct ctl *c, const char *session, const char *pointer)
{
	struct web_answer user = WEB_ANSWER_NULL;
	struct buf head = BUF_NULL(4096);
	struct slice all, key, value;
	struct diff d;
	size_t at = 0;
	int exit_code = settings_fetch_known(c, session, "/zed-config/user", &user);

	if (exit_code == CTL_DONE) {
		all = buf_slice(&user.body);
		buf_addf(&head, "{\"revision\":%" PRId64,
		    jsn_get_int(user.json, "revision", 0));
		diff_begin(&d, c, buf_cstr(&head));
		while (exit_code == CTL_DONE &&
		       span_each(span_find(all, "/set"), &at, &key, &value)) {
			if (diff_wants(key, pointer))
				exit_code = diff_override(&d, session, key, value);
		}
		at = 0;
		while (exit_code == CTL_DONE &&
		       span_each(span_find(all, "/del"), &at, &key, &value)) {
			if (diff_wants(value, pointer))
				exit_code = diff_override(&d, session, value, SLICE_NULL);
		}
		diff_end(&d);
	}
	buf_deinit(&head);
	web_answer_deinit(&user);
	return exit_code;
}

/* ---- revisions */

static void diff_step(struct diff *d, const struct trail_step *s, bool reversed)
{
	struct diff_row r = {
	    .delta = {.path = s->last->path, .before = s->first->old,
		.after = s->last->fresh},
	    .part = s->last->part,
	    .actor = s->entry->actor,
	    .at = s->entry->at,
	    .kind = s->entry->kind,
	    .revision = s->entry->revision,
	};

	if (reversed) {
		r.delta.before = s->last->fresh;
		r.delta.after = s->first->old;
	}
	diff_show(d, &r);
}

void settings_trail_show(struct ctl *c, const struct trail *t,
    const struct settings_span *span, bool reversed)
{
	size_t n;
	struct trail_step *steps = trail_net(t, span->to, span->pointer, &n);
	struct buf head = BUF_NULL(4096);
	struct diff d;

	buf_addf(&head, "{\"from\":%" PRId64 ",\"to\":%" PRId64,
	    reversed ? span->to : span->from, reversed ? span->from : span->to);
	diff_begin(&d, c, buf_cstr(&head));
	for (size_t i = 0; i < n; i++)
		diff_step(&d, &steps[i], reversed);
	diff_end(&d);
	buf_deinit(&head);
	free(steps);
}

static int diff_revisions(
    struct ctl *c, const char *session, const char *range, const char *pointer)
{
	struct settings_span span = {.pointer = pointer};
	struct trail t = TRAIL_NULL;
	struct err e = ERR_NULL;
	int exit_code;

	if (given_range(range, &span.from, &span.to, &e) != 0)
		return ctl_fail(CTL_USAGE, "%s", e.text);
	exit_code = settings_trail_load(c, session, &span, &t);
	if (exit_code == CTL_DONE)
		settings_trail_show(c, &t, &span, false);
	trail_deinit(&t);
	return exit_code;
}

/* SESSION [N|N..M] [POINTER] */
static int diff_run(struct ctl *c, const struct args *a)
{
	const char *first = a->n_operands > 1 ? a->operands[1] : "";
	bool has_range = first[0] >= '0' && first[0] <= '9';
	const char *pointer;
	int exit_code = settings_pointer(a, has_range ? 2 : 1, &pointer);

	if (exit_code != CTL_DONE)
		return exit_code;
	if (has_range)
		return diff_revisions(c, a->operands[0], first, pointer);
	if (a->n_operands > 2)
		return ctl_fail(CTL_USAGE, "%s: not a revision N or a range N..M", first);
	return diff_overrides(c, a->operands[0], pointer);
}

int cmd_settings_diff(struct ctl *c, const struct args *a)
{
	return watch_session(c, a, a->operands[0], diff_run);
}

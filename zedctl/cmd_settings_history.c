/* settings history and rollback: revisions, and going back to one. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "zedctl/cmds.h"
#include "zedctl/delta.h"
#include "zedctl/given.h"
#include "zedctl/render.h"
#include "zedctl/settings_trail.h"
#include "zedctl/watch.h"

enum {
	HISTORY_PAGE = 200,
	HISTORY_PATHS = 3,     /* named in a row */
	HISTORY_COLUMNS = 40,  /* of a value */
	HISTORY_TEXT_MAX_BYTES = 1 << 20,
};

/* ---- pages */

struct history_page {
	struct ctl *c;
	const char *session;
	char cursor[1024]; /* of the next page; "": there is none, or this is the first */
	int64_t newest, oldest; /* revisions of the last page, 0: it was empty */
};

static int history_fetch(
    struct history_page *p, int64_t limit, struct web_answer *answer)
{
	struct buf tail = BUF_NULL(SETTINGS_PATH_MAX_BYTES);
	const struct jsn *list;
	const char *next;
	int exit_code;

	buf_addf(&tail, "/zed-config/history?limit=%" PRId64,
	    limit > 0 && limit < HISTORY_PAGE ? limit : HISTORY_PAGE);
	exit_code = settings_fetch_query(p->c, p->session, buf_cstr(&tail),
	    p->cursor[0] ? "cursor" : NULL, p->cursor, answer);
	list = jsn_get(answer->json, "history");
	next = jsn_get_string(answer->json, "next_cursor");
	snprintf(p->cursor, sizeof p->cursor, "%s", next ? next : "");
	p->newest = jsn_get_int(jsn_first(list), "revision", 0);
	p->oldest = p->newest - (int64_t)jsn_count(list) + 1; /* numbers are dense */
	buf_deinit(&tail);
	return exit_code;
}

int settings_trail_load(struct ctl *c, const char *session, struct settings_span *span,
    struct trail *out)
{
	struct history_page p = {.c = c, .session = session};
	int64_t newest = -1;
	int exit_code;

	do {
		struct web_answer answer = WEB_ANSWER_NULL;

		exit_code = history_fetch(&p, 0, &answer);
		if (newest < 0)
			newest = p.newest;
		if (exit_code == CTL_DONE)
			trail_add_page(out, &answer.body, span->from, span->pointer);
		web_answer_deinit(&answer);
	} while (exit_code == CTL_DONE && p.cursor[0] && p.oldest > span->from + 1);
	if (span->to < 0)
		span->to = newest;
	if (exit_code == CTL_DONE && (span->from > newest || span->to > newest))
		exit_code = ctl_fail(CTL_REFUSED,
		    "there is no revision %" PRId64 "; the newest is %" PRId64,
		    span->from > newest ? span->from : span->to, newest);
	return exit_code;
}

int settings_trail_newest(struct ctl *c, const char *session, int64_t limit,
    const char *pointer, struct trail *out)
{
	struct history_page p = {.c = c, .session = session};
	int exit_code;

	do {
		struct web_answer answer = WEB_ANSWER_NULL;
		int64_t left = limit > 0 && !*pointer ? limit - (int64_t)out->n_entries : 0;

		exit_code = history_fetch(&p, left, &answer);
		if (exit_code == CTL_DONE)
			trail_add_page(out, &answer.body, 0, pointer);
		web_answer_deinit(&answer);
	} while (exit_code == CTL_DONE && p.cursor[0] &&
		 (limit <= 0 || (int64_t)out->n_entries < limit));
	return exit_code;
}

/* ---- history */

static const char *history_sign(const struct trail_change *ch)
{
	if (!ch->old.p)
		return "+";
	return ch->fresh.p ? "~" : "-";
}

static void history_kind(struct table *t, const struct trail_entry *e)
{
	if (e->restored >= 0)
		table_addf(t, "%s to %" PRId64, e->kind, e->restored);
	else
		table_add(t, e->kind);
}

static void history_head(struct table *t, const struct trail_entry *e)
{
	table_addf(t, "%" PRId64, e->revision);
	table_add(t, e->at);
	table_add(t, e->actor);
	history_kind(t, e);
}

/* A row a revision: "+/a ~/b -/c and 2 more". */
static void history_row(struct table *t, const struct trail_entry *e)
{
	struct buf text = BUF_NULL(HISTORY_TEXT_MAX_BYTES);

	history_head(t, e);
	for (size_t i = 0; i < e->n_changes && i < HISTORY_PATHS; i++)
		buf_addf(&text, "%s%s%s%s", i ? " " : "", history_sign(&e->changes[i]),
		    e->changes[i].part, e->changes[i].path);
	if (e->n_changes > HISTORY_PATHS)
		buf_addf(&text, " and %zu more", e->n_changes - HISTORY_PATHS);
	table_add(t, buf_cstr(&text));
	buf_deinit(&text);
}

static void history_value(struct table *t, struct slice json)
{
	struct buf text = BUF_NULL(HISTORY_TEXT_MAX_BYTES);

	if (json.p)
		render_value(json, HISTORY_COLUMNS, &text);
	table_add(t, buf_cstr(&text));
	buf_deinit(&text);
}

/* A row a change. */
static void history_rows(
    struct table *t, const struct trail_entry *e, const char *pointer)
{
	struct buf path = BUF_NULL(HISTORY_TEXT_MAX_BYTES);

	for (size_t i = 0; i < e->n_changes; i++) {
		const struct trail_change *ch = &e->changes[i];

		if (!trail_touches(ch, pointer))
			continue;
		history_head(t, e);
		buf_reset(&path);
		buf_addf(&path, "%s%s", ch->part, ch->path);
		table_add(t, buf_cstr(&path));
		history_value(t, ch->old);
		history_value(t, ch->fresh);
	}
	buf_deinit(&path);
}

static void history_json(const struct ctl *c, const struct trail *t, size_t n)
{
	struct buf text = BUF_NULL(256 << 20);

	buf_adds(&text, "{\"history\":[");
	for (size_t i = 0; i < n; i++) {
		buf_adds(&text, i ? "," : "");
		buf_add_slice(&text, t->entries[i].raw);
	}
	buf_adds(&text, "]}");
	settings_print(c, buf_slice(&text));
	buf_deinit(&text);
}

static int history_show(struct ctl *c, const struct args *a)
{
	int64_t limit = args_int(a, "limit", 0);
	struct trail trail = TRAIL_NULL;
	const char *pointer;
	struct table t;
	size_t n;
	int exit_code = settings_pointer(a, 1, &pointer);
	bool by_change = c->output == CTL_WIDE || *pointer;

	if (exit_code == CTL_DONE)
		exit_code = settings_trail_newest(
		    c, a->operands[0], limit, pointer, &trail);
	n = limit > 0 && trail.n_entries > (size_t)limit ? (size_t)limit
							 : trail.n_entries;
	if (exit_code == CTL_DONE && c->output == CTL_JSON) {
		history_json(c, &trail, n);
	} else if (exit_code == CTL_DONE) {
		table_init(&t, by_change ? "REVISION AT ACTOR KIND PATH OLD NEW"
					 : "REVISION AT ACTOR KIND CHANGES");
		for (size_t i = 0; i < n; i++) {
			if (by_change)
				history_rows(&t, &trail.entries[i], pointer);
			else
				history_row(&t, &trail.entries[i]);
		}
		table_print(&t, c->is_tty);
	}
	trail_deinit(&trail);
	return exit_code;
}

int cmd_settings_history(struct ctl *c, const struct args *a)
{
	return watch_session(c, a, a->operands[0], history_show);
}

/* ---- rollback */

static int rollback_preview(
    struct ctl *c, const char *session, int64_t revision, const char *pointer)
{
	struct settings_span span = {revision, GIVEN_NOW, pointer};
	struct trail t = TRAIL_NULL;
	int exit_code = settings_trail_load(c, session, &span, &t);

	if (exit_code == CTL_DONE)
		settings_trail_show(c, &t, &span, true);
	trail_deinit(&t);
	return exit_code;
}

static int rollback_newest(struct ctl *c, const char *session, int64_t *out)
{
	struct trail t = TRAIL_NULL;
	int exit_code = settings_trail_newest(c, session, 1, "", &t);

	*out = t.n_entries ? t.entries[0].revision : 0;
	trail_deinit(&t);
	return exit_code;
}

static int rollback_post(struct ctl *c, const char *session, int64_t revision,
    const char *pointer, struct web_answer *answer)
{
	struct buf body = BUF_NULL(SETTINGS_PATH_MAX_BYTES);
	int exit_code;

	buf_addf(&body, "{\"revision\":%" PRId64, revision);
	if (*pointer) {
		buf_adds(&body, ",\"path\":");
		buf_add_json_string(&body, pointer, strlen(pointer));
	}
	buf_addc(&body, '}');
	exit_code = settings_send(c, "POST", session, "/zed-config/rollback",
	    buf_slice(&body), NULL, answer);
	if (exit_code == CTL_DONE)
		exit_code = settings_check(answer);
	buf_deinit(&body);
	return exit_code;
}

/* What the rollback itself changed, as it is in the trail. */
static int rollback_report(struct ctl *c, const char *session, int64_t made)
{
	struct settings_span span = {made - 1, made, ""};
	struct trail t = TRAIL_NULL;
	int exit_code = settings_trail_load(c, session, &span, &t);

	if (exit_code == CTL_DONE)
		settings_trail_show(c, &t, &span, false);
	trail_deinit(&t);
	return exit_code;
}

static int rollback_run(
    struct ctl *c, const char *session, int64_t revision, const char *pointer)
{
	struct web_answer answer = WEB_ANSWER_NULL;
	int64_t before = 0, made;
	int exit_code = rollback_newest(c, session, &before);

	if (exit_code == CTL_DONE)
		exit_code = rollback_post(c, session, revision, pointer, &answer);
	made = jsn_get_int(answer.json, "revision", 0);
	if (exit_code == CTL_DONE && c->output == CTL_JSON)
		ctl_print_json(c, answer.json);
	else if (exit_code == CTL_DONE)
		printf("revision %" PRId64 "%s\n", made,
		    made <= before ? ": nothing was to be changed" : "");
	if (exit_code == CTL_DONE && c->output != CTL_JSON && made > before)
		exit_code = rollback_report(c, session, made);
	web_answer_deinit(&answer);
	return exit_code;
}

int cmd_settings_rollback(struct ctl *c, const struct args *a)
{
	struct err e = ERR_NULL;
	int64_t revision, to;
	const char *pointer;
	int exit_code = settings_pointer(a, 2, &pointer);

	if (exit_code != CTL_DONE)
		return exit_code;
	if (strstr(a->operands[1], "..") ||
	    given_range(a->operands[1], &revision, &to, &e) != 0)
		return ctl_fail(CTL_USAGE, "%s: not a revision", a->operands[1]);
	if (args_has(a, "dry-run"))
		return rollback_preview(c, a->operands[0], revision, pointer);
	return rollback_run(c, a->operands[0], revision, pointer);
}

#include "tests/unit/sessiond_sidecar/settings_world.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/must.h"
#include "sessiond/core/json_edit.h"
#include "sessiond/core/jval_print.h"
#include "sessiond/core/settings_plan.h"

enum {
	SETTLE_ROUNDS = 14,
	SETTLE_WRITES = 4, /* of one box: held deletions are confirmed on the way */
};

_Noreturn void world_broken(const struct world *w, enum prop prop, const char *detail)
{
	fprintf(stderr, "property broken: %s: %s (event %u: %s)\nZEDBUS_SEED=%llu\n",
	    prop_name(prop), detail, w->n_events, w->did, (unsigned long long)w->seed);
	for (size_t i = 0; i < WORLD_BOXES; i++) {
		const struct box *b = &w->boxes[i];

		fprintf(stderr, "box %zu file:\n%.*s\noverrides: %s\n", i, (int)b->file.n,
		    b->file.p, record_str(&b->mem, RECORD_OVERRIDES));
	}
	fprintf(stderr, "base: %.*s\n", (int)w->server.base.n, w->server.base.p);
	abort();
}

struct jval *world_parse(struct world *w, struct slice text)
{
	struct json_doc d;

	return json_doc_parse_object(&w->a, text, &d) == JSON_DOC_OK ? d.root
								    : jval_new(&w->a, JVAL_OBJECT);
}

static struct slice printed(struct world *w, const struct jval *v)
{
	AUTO(buf_deinit) struct buf b = BUF_NULL(SIZE_MAX);

	jval_print(&b, v);
	return arena_copy(&w->a, buf_slice(&b));
}

static struct slice printed_overrides(struct world *w, const struct overrides *o)
{
	AUTO(buf_deinit) struct buf b = BUF_NULL(SIZE_MAX);

	overrides_print(&b, o);
	return arena_copy(&w->a, buf_slice(&b));
}

static struct slice numbered(struct world *w, const char *what, unsigned n)
{
	char text[32];

	snprintf(text, sizeof(text), "%s%u", what, n);
	return arena_copy(&w->a, slice_of(text));
}

/* ---- the server ---- */

static void server_remember(struct world *w)
{
	struct server *s = &w->server;

	s->revision++;
	if (s->n_history < WORLD_VERSIONS)
		s->history[s->n_history++] = (struct version){s->base, s->u};
}

static void server_put_base(struct world *w, struct slice base)
{
	w->server.base = base;
	w->server.base_rev = w->server.revision + 1;
	server_remember(w);
}

static void server_set_u(struct world *w, struct overrides u)
{
	w->server.u = u;
	w->server.u_rev = w->server.revision + 1;
	server_remember(w);
}

void world_rollback(struct world *w, size_t version)
{
	struct version v = w->server.history[version];

	server_put_base(w, v.base);
	server_set_u(w, overrides_copy(&w->a, &v.u));
}

enum {
	POST_STALE = 0,      /* If-Match */
	POST_REFUSED = ~0u, /* 422 */
};

/* One of the above, or the revision it has because of it. */
static unsigned server_post(struct world *w, struct slice body, struct slice if_match)
{
	struct server *s = &w->server;
	struct jval *doc = world_parse(w, body);
	const struct jval *id = jval_get_str(&w->a, doc, "op_id");
	struct settings_verdict verdict = {0};
	struct overrides_ops ops;
	struct overrides u;

	for (size_t i = 0; i < s->n_ops; i++)
		if (slice_eq(s->ops[i].op_id, id->str))
			return s->ops[i].u_rev;
	if (!slice_eq(if_match, numbered(w, "", s->u_rev)))
		return POST_STALE;
	must(!overrides_ops_parse(&w->a, jval_get_str(&w->a, doc, "ops"), &ops));
	if (settings_accept_ops(
		&w->a, world_parse(w, s->base), &w->policy, &s->u, &ops, &u, &verdict))
		return POST_REFUSED;
	server_set_u(w, u);
	if (s->n_ops < ARRAY_LEN(s->ops))
		s->ops[s->n_ops++] = (struct accepted){id->str, s->u_rev};
	return s->u_rev;
}

static struct answer server_answer(struct world *w)
{
	return (struct answer){true, w->server.base, printed_overrides(w, &w->server.u),
	    w->server.base_rev, w->server.u_rev};
}

/* ---- the user ---- */

static void user_saves(struct world *w, struct box *b)
{
	struct slice from = b->exists ? b->file : record_get(&b->last, RECORD_TEXT), text;
	struct json_doc d = {0};
	struct jval *says;

	/* an editor that loaded the file while it was whole has that text */
	if (json_doc_parse_object(&w->a, from, &d) != JSON_DOC_OK) {
		from = record_get(&b->note, RECORD_BEFORE);
		if (!from.p || json_doc_parse_object(
				   &w->a, arena_copy(&w->a, from), &d) != JSON_DOC_OK)
			from = SLICE_NULL;
	}
	says = from.p ? jval_copy(&w->a, d.root) : jval_new(&w->a, JVAL_OBJECT);
	for (unsigned n = 1 + gen_below(&w->g, 2); n > 0; n--)
		gen_change_file(&w->g, says);
	text = gen_text(&w->g, says);
	if (from.p && gen_chance(&w->g, 60))
		must(json_edit_to(&w->a, &d, says, &text, NULL) != JSON_EDIT_FAILED);
	if (b->exists && slice_eq(b->file, text))
		return; /* nobody can tell, and nothing can be lost */
	b->file = arena_copy(&w->a, text);
	b->exists = b->unread = true;
	b->saved_after_crash |= !b->running;
}

/* ---- a write ---- */

static void crash(struct box *b)
{
	record_deinit(&b->mem);
	b->running = false;
	b->late.given = false;
	b->saved_after_crash = false;
}

/* What a write that was broken off leaves: blocks of either text, some length between. */
static struct slice torn(struct world *w, struct slice from, struct slice to)
{
	size_t n_max = from.n > to.n ? from.n : to.n, n_min = from.n + to.n - n_max;
	size_t n = gen_chance(&w->g, 50) ? n_max : n_min;
	char *p = arena_alloc(&w->a, n_max + 1);
	bool is_new = false;

	for (size_t i = 0; i < n; i++) {
		struct slice first, other;

		if (i % 512 == 0)
			is_new = gen_chance(&w->g, 50);
		first = is_new ? to : from;
		other = is_new ? from : to;
		p[i] = i < first.n ? first.p[i] : i < other.n && is_new ? other.p[i] : ' ';
	}
	return (struct slice){p, n};
}

static void take_note(struct box *b)
{
	record_copy(&b->last, &b->note);
	record_set(&b->last, RECORD_BEFORE, SLICE_NULL);
	record_deinit(&b->note);
	b->has_note = false;
}

/* False: it did not come to its end. */
static bool box_write(struct world *w, struct box *b, const struct record *next, bool calm)
{
	struct slice before = b->file;
	bool existed = b->exists;
	unsigned fate = calm ? 100 : gen_below(&w->g, 100);

	record_copy(&b->note, next);
	if (existed)
		record_set(&b->note, RECORD_BEFORE, before);
	b->has_note = true;
	if (fate < 5)
		return crash(b), false;
	if (fate < 15)
		user_saves(w, b);
	if (b->exists != existed || (existed && !slice_eq(b->file, before))) {
		record_deinit(&b->note);
		b->has_note = false;
		return false;
	}
	if (b->unread)
		world_broken(w, PROP_LINEARIZABLE, "a save nobody read is written over");
	b->file = arena_copy(&w->a, record_get(next, RECORD_TEXT));
	b->exists = true;
	b->n_writes++;
	if (fate >= 15 && fate < 22 && existed) {
		b->file = torn(w, before, b->file);
		return crash(b), false;
	}
	if (fate >= 22 && fate < 27)
		return crash(b), false;
	if (fate >= 27 && fate < 33)
		user_saves(w, b);
	take_note(b);
	return true;
}

/* ---- a step ---- */

static const struct jval *same_path(
    struct world *w, struct jval *root, const struct jval *leaf)
{
	struct json_pointer ptr;

	must(json_pointer_parse(&w->a, json_pointer_of(&w->a, leaf), &ptr));
	return json_pointer_get(&w->a, root, ptr.tokens, ptr.n);
}

static bool told(const struct settings_output *out, struct slice path)
{
	for (const struct settings_event *e = out->events; e; e = e->next)
		if (e->path.n <= path.n && slice_starts(path, e->path))
			return true;
	return false;
}

/* What the save changed is in the file, or in the overrides, or was answered. */
static void check_save_counts(
    struct world *w, const struct decide_output *out, struct slice file, struct slice last)
{
	struct overrides leaves = {world_parse(w, file)};
	struct jval *was = world_parse(w, last);
	struct jval *base = world_parse(w, record_get(&out->next, RECORD_BASE));

	overrides_for_each (l, &leaves) {
		const struct jval *before = same_path(w, was, l), *now;

		if (l->parent == NULL || (before && jval_equal(&w->a, before, l)))
			continue;
		now = same_path(w, base, l);
		if (now && jval_equal(&w->a, now, l))
			continue; /* as Helix has it: no opinion of its own */
		now = same_path(w, out->plan.merged, l);
		if (now && (jval_equal(&w->a, now, l) || l->type == JVAL_OBJECT))
			continue;
		if (!same_path(w, out->plan.overrides.root, l) &&
		    !told(&out->plan, json_pointer_of(&w->a, l)))
			world_broken(w, PROP_NO_LOST_KEY, json_pointer_of(&w->a, l).p);
	}
	prop_checked(PROP_NO_LOST_KEY);
	prop_checked(PROP_LINEARIZABLE);
}

static void check_revisions(struct world *w, const struct box *b)
{
	if (strtoul(record_str(&b->last, RECORD_BASE_TAG), NULL, 10) > w->server.base_rev ||
	    strtoul(record_str(&b->last, RECORD_SERVER_TAG), NULL, 10) > w->server.u_rev)
		world_broken(w, PROP_MONOTONE, "a revision that was never given");
}

static unsigned tag_of(const struct record *r, enum record_field f)
{
	return (unsigned)strtoul(record_str(r, f), NULL, 10);
}

static void check_monotone(
    struct world *w, const struct record *was, const struct record *is)
{
	if (tag_of(is, RECORD_BASE_TAG) < tag_of(was, RECORD_BASE_TAG) ||
	    tag_of(is, RECORD_SERVER_TAG) < tag_of(was, RECORD_SERVER_TAG))
		world_broken(w, PROP_MONOTONE, "older than what was applied");
	prop_checked(PROP_MONOTONE);
}

/* An answer older than what was heard since is dropped, whatever made it late. */
static void hear(struct box *b, const struct answer *an, struct decide_input *in)
{
	if (!an->given || an->base_rev < b->base_rev || an->u_rev < b->u_rev)
		return;
	b->base_rev = an->base_rev;
	b->u_rev = an->u_rev;
	in->base = an->base;
	in->server = an->u;
}

static struct answer pick_answer(struct world *w, struct box *b, bool calm)
{
	struct answer now = server_answer(w), an = now;

	if (calm)
		return now;
	if (gen_chance(&w->g, 20))
		an.given = false; /* cut off */
	else if (b->late.given && gen_chance(&w->g, 40))
		an = b->late;
	if (gen_chance(&w->g, 40))
		b->late = now;
	return an;
}

/* True if something came of it. */
static bool box_step(struct world *w, struct box *b, bool calm)
{
	struct answer an = pick_answer(w, b, calm);
	struct slice base_tag = numbered(w, "", an.base_rev), u_tag = numbered(w, "", an.u_rev);
	struct slice seen = b->file, last = record_get(&b->mem, RECORD_TEXT);
	struct decide_input in = {.last = &b->mem,
	    .file = b->exists ? &seen : NULL,
	    .policy = w->policy_text,
	    .base_tag = base_tag,
	    .server_tag = u_tag,
	    .bulk = calm || gen_chance(&w->g, 10) ? DECIDE_CONFIRM : DECIDE_NOTHING,
	    .op_id = numbered(w, "op", ++w->n_names).p,
	    .wait_id = numbered(w, "w", w->n_names).p,
	    .now_unix_ms = w->n_names};
	struct decide_output out;
	struct err e = ERR_NULL;
	bool any;

	hear(b, &an, &in);
	if (!in.base.p && !record_get(&b->mem, RECORD_BASE).p)
		return false; /* never heard of anything: nothing to write yet */
	if (decide(&in, &out, &e))
		world_broken(w, PROP_VALIDITY, e.text);
	if (out.plan.state != SETTINGS_OK || out.plan.edit_failed)
		world_broken(w, PROP_VALIDITY, "no step");
	if (b->unread && b->exists && last.p && out.plan.merged)
		check_save_counts(w, &out, seen, last);
	b->unread = false;
	any = out.write || out.remember;
	check_monotone(w, &b->last, &out.next);
	if (out.write && !box_write(w, b, &out.next, calm)) {
		decide_output_deinit(&out);
		return true;
	}
	if (any) {
		record_copy(&b->last, &out.next);
		record_copy(&b->mem, &out.next);
	}
	check_revisions(w, b);
	decide_output_deinit(&out);
	return any;
}

/* The upload under way, through a network that loses either direction. */
static bool box_post(struct world *w, struct box *b, bool calm)
{
	struct slice body = record_get(&b->mem, RECORD_POST);
	unsigned fate = calm ? 100 : gen_below(&w->g, 100), rev;
	struct slice match = record_get(&b->mem, RECORD_SERVER_TAG);

	if (!body.p || fate < 15)
		return false;
	rev = server_post(w, arena_copy(&w->a, body), match);
	if (fate < 30)
		return true; /* the answer is lost */
	if (fate < 40 && rev != POST_STALE && rev != POST_REFUSED &&
	    server_post(w, arena_copy(&w->a, body), match) != rev)
		world_broken(w, PROP_REPLAY, "a repeated upload has another answer");
	if (rev == POST_REFUSED)
		decide_refused(&b->mem);
	else if (rev == POST_STALE)
		decide_stale(&b->mem);
	else
		decide_posted(&b->mem, numbered(w, "", rev));
	if (rev != POST_REFUSED && rev > b->u_rev)
		b->u_rev = rev;
	check_monotone(w, &b->last, &b->mem);
	record_copy(&b->last, &b->mem);
	return true;
}

/* ---- starting again ---- */

/* A save that says what one of the texts said may pass for what was left of them. */
static bool says_nothing_new(struct world *w, const struct box *b)
{
	struct jval *is = world_parse(w, b->file);

	return jval_equal(&w->a, is, world_parse(w, record_get(&b->note, RECORD_BEFORE))) ||
	       jval_equal(&w->a, is, world_parse(w, record_get(&b->note, RECORD_TEXT)));
}

static void box_start(struct world *w, struct box *b)
{
	struct slice is = b->file;

	if (b->has_note) {
		enum recovery what = recover_classify(b->exists, is, &b->note);
		struct slice before = record_get(&b->note, RECORD_BEFORE);

		prop_checked(PROP_CRASH);
		if (b->saved_after_crash && what == RECOVERY_TORN && !says_nothing_new(w, b))
			world_broken(w, PROP_CRASH, "a later save is taken for ours");
		if (!b->saved_after_crash && what == RECOVERY_EDITED)
			world_broken(w, PROP_CRASH, "our own write is taken for a save");
		if (what == RECOVERY_TORN)
			b->file = arena_copy(&w->a, record_get(&b->note, RECORD_TEXT));
		if (what == RECOVERY_EDITED)
			recover_take_edited(&b->last, &b->note);
		if (what == RECOVERY_NEW || what == RECOVERY_TORN)
			take_note(b);
		else if (!b->saved_after_crash && before.p && !slice_eq(b->file, before))
			world_broken(w, PROP_CRASH, "neither old nor new");
		record_deinit(&b->note);
		b->has_note = false;
	}
	record_copy(&b->mem, &b->last);
	b->base_rev = tag_of(&b->mem, RECORD_BASE_TAG);
	b->u_rev = tag_of(&b->mem, RECORD_SERVER_TAG);
	b->running = true;
}

/* ---- the world ---- */

static void base_changes(struct world *w)
{
	struct jval *base = jval_copy(&w->a, world_parse(w, w->server.base));

	gen_change_base(&w->g, base);
	server_put_base(w, printed(w, base));
}

static void box_event(struct world *w, struct box *b)
{
	unsigned what = gen_below(&w->g, 100);

	if (what < 30) {
		w->did = "a save";
		user_saves(w, b);
	} else if (what < 34) {
		w->did = "the file is lost";
		b->exists = b->unread = false;
		b->file = SLICE_NULL;
		b->saved_after_crash |= !b->running;
	} else if (!b->running) {
		w->did = "a start";
		box_start(w, b);
	} else if (what < 70) {
		w->did = "a step";
		box_step(w, b, false);
	} else if (what < 92) {
		w->did = "an upload";
		box_post(w, b, false);
	} else {
		w->did = "a crash";
		crash(b);
	}
}

void world_event(struct world *w)
{
	unsigned what = gen_below(&w->g, 100);

	w->n_events++;
	if (what < 12) {
		w->did = "a change of the base";
		base_changes(w);
	} else if (what < 14 && w->server.n_history > 0) {
		w->did = "a rollback";
		world_rollback(w, gen_below(&w->g, (unsigned)w->server.n_history));
	} else {
		box_event(w, &w->boxes[gen_below(&w->g, WORLD_BOXES)]);
	}
}

void world_settle(struct world *w)
{
	bool any = true;

	w->did = "settling";
	for (size_t i = 0; i < WORLD_BOXES; i++) {
		if (!w->boxes[i].running)
			box_start(w, &w->boxes[i]);
		w->boxes[i].n_writes = 0;
	}
	for (unsigned round = 0; any; round++) {
		any = false;
		if (round == SETTLE_ROUNDS)
			world_broken(w, PROP_QUIESCENCE, "it does not end");
		for (size_t i = 0; i < WORLD_BOXES; i++) {
			any |= box_step(w, &w->boxes[i], true);
			any |= box_post(w, &w->boxes[i], true);
			if (w->boxes[i].n_writes > SETTLE_WRITES)
				world_broken(w, PROP_QUIESCENCE, "too many writes");
		}
	}
	prop_checked(PROP_QUIESCENCE);
}

void world_init(struct world *w, uint64_t seed)
{
	static const char disable[] = "{\"rules\":[{\"path\":\"/agent/default_model\","
				      "\"class\":\"helix-owned\"},{\"path\":\"/telemetry\","
				      "\"class\":\"protected\"},{\"path\":"
				      "\"/context_servers/helix-*\",\"class\":\"no-delete\"}],"
				      "\"on_delete\":\"disable\"}";
	struct err e = ERR_NULL;

	*w = (struct world){.seed = seed, .did = "the start"};
	w->g = (struct gen){.state = seed * 0x9e3779b97f4a7c15u | 1, .a = &w->a};
	w->policy_text = SLICE_LIT("");
	if (gen_chance(&w->g, 30)) {
		w->policy_text = slice_of(disable);
		must(!policy_parse(&w->a, world_parse(w, w->policy_text), &w->policy, &e));
	} else {
		policy_builtin(&w->a, &w->policy);
	}
	w->walk = policy_walk_new(&w->a, &w->policy);
	w->server.u = overrides_new(&w->a);
	server_put_base(w, printed(w, gen_base(&w->g)));
	server_set_u(w, overrides_new(&w->a));
	for (size_t i = 0; i < WORLD_BOXES; i++) {
		if (gen_chance(&w->g, 30))
			user_saves(w, &w->boxes[i]);
		box_start(w, &w->boxes[i]);
	}
}

void world_deinit(struct world *w)
{
	for (size_t i = 0; i < WORLD_BOXES; i++) {
		record_deinit(&w->boxes[i].last);
		record_deinit(&w->boxes[i].note);
		record_deinit(&w->boxes[i].mem);
	}
	arena_deinit(&w->a);
}

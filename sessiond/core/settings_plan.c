/* The order of a step: read, extract, merge, edit. */
#include "sessiond/core/settings_plan.h"

#include <stdio.h>

#include "base/must.h"
#include "sessiond/core/json_edit.h"
#include "sessiond/core/json_string.h"
#include "sessiond/core/jval_print.h"
#include "sessiond/core/settings_step.h"

const char *settings_state_name(enum settings_state s)
{
	static const char *const names[] = {"ok", "invalid", "too_large"};

	return names[s];
}

static bool clear_held_leaf(struct settings_step *s, const struct jval *leaf, void *data)
{
	size_t n;
	const struct slice *path = policy_path(s->walk, &n);

	const struct jval *v = s->held.root;

	(void)leaf;
	(void)data;
	/* what is held may have been a leaf where there is an object now */
	for (size_t i = 0; i < n && v; i++) {
		v = jval_get(s->a, v, path[i]);
		if (v && (v->type == JVAL_TOMB || i + 1 == n)) {
			overrides_clear(s->a, &s->held, path, i + 1);
			break;
		}
	}
	return false;
}

/* A leaf that is in the file again is not missing. */
static void unhold_present(struct settings_step *s)
{
	if (s->file && !overrides_empty(&s->held))
		settings_any_leaf(s, s->file, clear_held_leaf, NULL);
}

/* Overrides nobody gave: what differs between the base and what was applied. */
static void derive_overrides(struct settings_step *s)
{
	const struct jval *file = s->file, *last = s->last;
	struct settings_event **mark = s->events_end;

	s->u = overrides_new(s->a);
	s->given = overrides_new(s->a);
	if (!last)
		return;
	s->last = s->base;
	s->file = last;
	settings_extract_plain(s);
	s->last = last;
	s->file = file;
	/* what came of it is no news of this step */
	*mark = NULL;
	s->events_end = mark;
}

static void decide(struct settings_step *s, const struct overrides *given)
{
	bool moved;

	if (given) {
		s->given = *given;
		s->u = overrides_copy(s->a, given);
		moved = settings_spread_tombs(s, &s->u);
		if (settings_gather_tombs(s) || moved)
			s->given = overrides_copy(s->a, &s->u);
	} else {
		derive_overrides(s);
		s->given = overrides_copy(s->a, &s->u);
	}
	settings_spread_tombs(s, &s->held);
	if (s->file && s->last)
		settings_extract(s);
	else if (s->file)
		settings_first_contact(s);
	settings_spread_tombs(s, &s->held);
	unhold_present(s);
	if (s->last) {
		settings_transfer(s);
		settings_drop_tombs(s);
	}
	settings_gather_tombs(s);
	settings_note_shadowed(s);
}

/* The first member that a later one of the same key makes unseen. */
static const struct jval *first_duplicate(const struct jval *root)
{
	const struct jval *v = root;

	while (v && !v->shadowed) {
		if (v->first) {
			v = v->first;
			continue;
		}
		while (v && !v->next)
			v = v->parent;
		v = v ? v->next : NULL;
	}
	return v;
}

/* Where it stands, as near as a pointer comes: none leads into an array. */
static struct slice reachable(struct arena *a, const struct jval *v)
{
	for (const struct jval *p = v->parent; p; p = p->parent)
		if (p->type == JVAL_ARRAY)
			v = p;
	return json_pointer_of(a, v);
}

/* What Zed may stumble over, and nobody here repairs. */
static void note_text(struct settings_step *s, const struct json_doc *d)
{
	const struct jval *twice = d->duplicate_keys ? first_duplicate(d->root) : NULL;

	if (d->bom)
		settings_event_add(s, "warning", SLICE_LIT(""), "bom");
	if (twice)
		settings_event_add(s, "warning", reachable(s->a, twice), "duplicate_key");
}

/* What there is to write could not be read again: the file stays. */
static void refuse_size(struct settings_output *out, const struct overrides *given)
{
	struct json_doc *d = &out->doc;

	out->state = SETTINGS_TOO_LARGE;
	out->merged = NULL;
	out->overrides = *given;
	d->error.line = d->error.column = 1;
	snprintf(d->error.message, sizeof(d->error.message),
	    "the new text would pass the limits (1 MiB, 100 levels, 100000 tokens)");
}

/* The text that says @merged. */
static void edit(struct arena *a, const struct settings_input *in,
    const struct overrides *given, struct settings_output *out)
{
	struct slice text = SLICE_NULL;
	struct json_edit_stats stats = {0};

	switch (json_edit_to(a, &out->doc, out->merged, &text, &stats)) {
	case JSON_EDIT_NONE:
		out->changed = !in->file;
		break;
	case JSON_EDIT_DONE:
		out->changed = true;
		break;
	case JSON_EDIT_TOO_LARGE:
		refuse_size(out, given);
		text = out->doc.text;
		break;
	case JSON_EDIT_FAILED:
		out->edit_failed = true;
		text = out->doc.text;
		break;
	}
	out->text = text;
	out->stats = ARENA_NEW(a, struct json_edit_stats);
	*out->stats = stats;
}

static bool read_file(
    struct arena *a, const struct settings_input *in, struct settings_output *out)
{
	struct slice none = {"", 0};

	switch (json_doc_parse_object(a, in->file ? *in->file : none, &out->doc)) {
	case JSON_DOC_OK:
	case JSON_DOC_BLANK:
		return true;
	case JSON_DOC_INVALID:
		out->state = SETTINGS_INVALID;
		return false;
	case JSON_DOC_TOO_LARGE:
		out->state = SETTINGS_TOO_LARGE;
		return false;
	}
	return false;
}

int settings_plan(struct arena *a, const struct settings_input *in,
    struct settings_output *out, struct err *e)
{
	struct settings_step s = {
	    .a = a, .policy = in->policy, .base0 = in->base0, .seen = in->seen};
	struct json_doc last = {0};
	struct overrides given;
	bool same; /* the user did nothing */

	*out = (struct settings_output){0};
	s.events_end = &s.events;
	s.walk = policy_walk_new(a, in->policy);
	out->overrides = given = in->overrides ? *in->overrides : overrides_new(a);
	out->held = s.held = in->held ? overrides_copy(a, in->held) : overrides_new(a);
	same = in->last && in->file && slice_eq(*in->last, *in->file);
	if (in->last && !same &&
	    json_doc_parse_object(a, *in->last, &last) > JSON_DOC_BLANK)
		return err_set(e, ERROR_INVALID, "last: line %u, column %u: %s",
		    last.error.line, last.error.column, last.error.message);
	if (!read_file(a, in, out))
		return same
			   ? err_set(e, ERROR_INVALID, "last: %s", out->doc.error.message)
			   : 0;
	s.last = same ? out->doc.root : last.root;
	s.base_raw = in->base ? in->base : s.last ? s.last : jval_new(a, JVAL_OBJECT);
	settings_prepare_base(&s);
	/* a missing or blank file says nothing about what the user wants: it is made
	 * again */
	s.file = out->doc.root ? out->doc.root : s.last;
	note_text(&s, &out->doc);
	settings_apply_migrated(&s, in->migrated);
	if (in->migrating && s.file && s.last)
		settings_find_migrated(&s);
	decide(&s, in->overrides);
	out->merged = settings_merge(&s);
	out->overrides = s.u;
	out->held = s.held;
	out->migrated = s.migrated;
	out->sound_base = s.base_sound != s.base_raw ? s.base_sound : NULL;
	edit(a, in, &given, out);
	out->events = s.events;
	return 0;
}

struct jval *settings_merged(struct arena *a, const struct jval *base,
    const struct overrides *u, const struct policy *p, struct settings_event **events_out)
{
	struct settings_step s = {.a = a, .policy = p};
	struct overrides none = overrides_new(a);
	struct jval *merged;

	s.events_end = &s.events;
	s.walk = policy_walk_new(a, p);
	s.base_raw = base ? base : none.root;
	s.u = u ? *u : none;
	s.given = none;
	s.held = none;
	settings_prepare_base(&s);
	settings_spread_tombs(&s, &s.u);
	merged = settings_merge(&s);
	if (events_out)
		*events_out = s.events;
	return merged;
}

void settings_confirm(struct arena *a, struct overrides *u, const struct overrides *held,
    const struct jval *base)
{
	overrides_for_each (v, held) {
		struct json_pointer ptr;
		const struct jval *b = base;

		must(json_pointer_parse(a, json_pointer_of(a, v), &ptr));
		for (size_t i = 0; i < ptr.n && b; i++)
			b = jval_get(a, b, ptr.tokens[i]);
		overrides_clear(a, u, ptr.tokens, ptr.n);
		if (b)
			overrides_del(a, u, ptr.tokens, ptr.n);
	}
}

static void print_side(struct buf *out, const char *name, const struct jval *v)
{
	if (!v)
		return;
	buf_addf(out, ",\"%s\":", name);
	jval_print(out, v);
}

void settings_event_print(struct buf *out, const struct settings_event *e)
{
	buf_addf(out, "{\"type\":\"%s\",\"path\":", e->type);
	json_string_print(out, e->path);
	buf_adds(out, ",\"rule\":");
	json_string_print(out, slice_of(e->rule));
	if (e->message) {
		buf_adds(out, ",\"message\":");
		json_string_print(out, slice_of(e->message));
	}
	print_side(out, "base", e->base);
	print_side(out, "helix", e->helix);
	print_side(out, "user", e->user);
	buf_addc(out, '}');
}

/* One step of settings sync, as a pure function: what the file says, what was last
 * applied, the base, the overrides and the policy go in; the file's new text, the new
 * overrides and what happened come out. */
#pragma once

#include "sessiond/core/overrides.h"
#include "sessiond/core/policy.h"

struct settings_event {
	const char
	    *type; /* conflict restored rejected shadowed held invalid base_invalid ... */
	struct slice path;
	const char *rule;    /* class or reason */
	const char *message; /* what Zed would say; migrated: the new path; NULL: nothing */
	const struct jval *base, *helix,
	    *user; /* conflict: before, now, theirs; NULL: absent, or secret */
	struct settings_event *next;
};

enum settings_state { SETTINGS_OK, SETTINGS_INVALID, SETTINGS_TOO_LARGE };

struct settings_input {
	const struct slice *file; /* bytes of the file; NULL: there is none */
	const struct slice *last; /* text as last applied; NULL: first contact */
	const struct jval *base;  /* NULL: what was last applied (or nothing) */
	const struct jval *base0; /* the base @last was made with; NULL: not known */
	const struct overrides *overrides; /* NULL: not known */
	/* What of @overrides the server has. On what it has not, a base that moved is no
	 * answer: both were changed at once. NULL: all. */
	const struct overrides *seen;
	const struct policy *policy;
	/* tombs at leaves that are held: missing from the file, though neither confirmed
	 * nor undone; may be NULL */
	const struct overrides *held;
	/* The editor has just migrated its settings: a key of @last that is gone from
	 * @file while an equal value came under another name was renamed, not removed. */
	bool migrating;
	/* @migrated of the step before: {"/old":"/new"}; NULL: none */
	const struct jval *migrated;
};

struct settings_output {
	enum settings_state state;
	bool changed;        /* @text differs from the file (or there was none) */
	struct slice text;   /* the file's text from now on, what it was when !changed */
	struct jval *merged; /* what @text says; NULL when state is not ok */
	struct overrides overrides; /* the complete set; as given when state is not ok */
	struct overrides held;      /* what is held from now on */
	struct jval *migrated;      /* names to be remembered for the next step: the base
				       still says the old ones; never NULL when OK */
	/* The base as it counted, last good values in it; the next step's @base0. NULL: as
	 * given. */
	const struct jval *sound_base;
	struct settings_event *events;
	struct json_doc doc; /* the file as parsed; its error when state is not ok */
	struct json_edit_stats *stats;
	bool edit_failed; /* the new text did not verify: nothing may be written */
};

/**
 * settings_plan() - what one sync step does
 *
 * All trees of @in live in @a; @out borrows from both. @in->last must be a text that
 * parses (it was written or accepted before).
 *
 * Return: 0; ERROR_INVALID: @in->last is no document
 */
int settings_plan(struct arena *a, const struct settings_input *in,
    struct settings_output *out, struct err *e) MUST_CHECK;

/* Base and overrides merged without a file: what a server shows, and what a new file
 * would say. Entries that cannot stand are left out; why is in *@events_out (may be
 * NULL). @base and @u may be NULL. */
struct jval *settings_merged(struct arena *a, const struct jval *base,
    const struct overrides *u, const struct policy *p,
    struct settings_event **events_out);
/* The overrides with what is held applied: tombs where the base has a value, cleared
 * elsewhere. */
void settings_confirm(struct arena *a, struct overrides *u, const struct overrides *held,
    const struct jval *base);
const char *settings_state_name(enum settings_state s);
/* {"type","path","rule"} and, for conflicts, base, helix, user. */
void settings_event_print(struct buf *out, const struct settings_event *e);

/* What a server takes: overrides as a client sends them, freed of what no user may set;
 * and two bases as one. */
#pragma once

#include "sessiond/core/overrides.h"
#include "sessiond/core/policy.h"

struct settings_note {
	struct slice path;
	const char *text; /* rule or message */
	struct settings_note *next;
};

struct settings_verdict {
	struct settings_note *rejected; /* paths not taken, and the rule */
	struct settings_note *invalid;  /* units Zed would choke on */
};

/* @over laid over @under: objects recursively, everything else replaced. Either may be
 * NULL. */
struct jval *settings_join(
    struct arena *a, const struct jval *under, const struct jval *over);

/**
 * settings_accept_plain() - a whole document of overrides, replacing what was there
 *
 * Leaves that equal @base, and ones that are protected or owned, are left out.
 */
struct overrides settings_accept_plain(struct arena *a, const struct jval *base,
    const struct policy *p, const struct jval *doc, struct settings_verdict *v);

/**
 * settings_accept_ops() - operations on @current
 *
 * A del of what the base lacks, and a set that equals the base, are clears; a del of an
 * object removes its leaves. A set where the base has an array replaces all that was
 * below.
 *
 * Return: NULL, or pointers that lead into arrays (nothing was done)
 */
struct overrides_problem *settings_accept_ops(struct arena *a, const struct jval *base,
    const struct policy *p, const struct overrides *current,
    const struct overrides_ops *ops, struct overrides *out, struct settings_verdict *v);

/* Units of the merged document that cannot stand because of @u. */
struct settings_note *settings_find_invalid(struct arena *a, const struct jval *base,
    const struct overrides *u, const struct policy *p);

/* A request body is operations: "ops" is an object of set, del and clear. NULL if it is a
 * plain document. */
const struct jval *settings_ops_body(struct arena *a, const struct jval *body);

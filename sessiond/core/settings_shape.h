/* What Zed would choke on. Most settings are optional and a bad one is dropped alone; in
 * the maps named here one bad entry makes Zed reject the whole file, so each of their
 * entries is checked as a unit before anything is written. */
#pragma once

#include "base/buf.h"
#include "sessiond/core/jval.h"

enum shape_verdict {
	SHAPE_OK,
	SHAPE_WARN,   /* Zed takes it, but not as it may have been meant */
	SHAPE_REJECT, /* Zed would not take it */
};

struct shape_finding {
	enum shape_verdict verdict;
	struct slice path; /* of the member that is wrong, as a pointer */
	struct slice unit; /* of the unit it is in */
	const char *message;
	struct shape_finding *next;
};

enum shape_unit {
	SHAPE_NONE,           /* not checked as a unit */
	SHAPE_MAP,            /* one of the maps itself: it must be an object */
	SHAPE_CONTEXT_SERVER, /* its parts do not stand alone */
	SHAPE_AGENT_SERVER,
	SHAPE_OBJECT,
	SHAPE_BOOL,
	SHAPE_COMMAND_ALIAS,
	SHAPE_THEME,
};

/* What is checked at @path; override blocks in front (the first @n_block tokens) are not
 * counted. */
enum shape_unit shape_unit_at(const struct slice *path, size_t n, size_t n_block);
/* Check one unit; @path names it in findings. The worst finding, or SHAPE_OK. */
struct shape_finding shape_check(struct arena *a, enum shape_unit unit,
    const struct slice *path, size_t n, const struct jval *v);
/* All units of a document, override blocks included, in document order; those that are
 * not SHAPE_OK. */
struct shape_finding *shape_check_document(struct arena *a, const struct jval *root);

/* Variants of a context server exclude each other. */
enum shape_variant { SHAPE_STDIO, SHAPE_HTTP, SHAPE_EXTENSION, SHAPE_VARIANT_N_ };

/* The variant a member belongs to, SHAPE_VARIANT_N_ for members all have (enabled). */
enum shape_variant shape_variant_of(struct slice key);
/* The variant a context server says it is (command, url, settings: the first that is
 * there), SHAPE_VARIANT_N_ if none. */
enum shape_variant shape_variant(struct arena *a, const struct jval *entry);
/* A member that makes the entry that variant. */
bool shape_names_variant(struct slice key);

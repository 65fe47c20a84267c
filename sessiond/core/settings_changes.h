/* What changed between two states of settings, path by path, fit to be shown: secrets
 * only as hashes. */
#pragma once

#include "base/buf.h"
#include "sessiond/core/overrides.h"
#include "sessiond/core/policy.h"

enum {
	SETTINGS_HASH_MAX = 64,
	SETTINGS_MASK_POLICIES = 4,
};

/* Equal values give equal text, and the text does not give the value. */
typedef void settings_hash_cb(
    void *data, struct slice value, char out[static SETTINGS_HASH_MAX]);

struct settings_mask {
	const struct policy
	    *policies[SETTINGS_MASK_POLICIES]; /* secret by any of them; NULL: none */
	settings_hash_cb *hash;
	void *hash_data;
};

/* @v at @path with every secret in it, also inside of arrays, replaced by the string
 * "secret:<hash>". */
struct jval *settings_masked(struct arena *a, const struct settings_mask *m,
    const struct slice *path, size_t n, const struct jval *v);

/**
 * settings_changes_print() - {"path","old","new"} for each leaf that differs, separated
 * by commas
 * @part: NULL, or printed as "part"
 * @old, @fresh: objects; NULL counts as empty
 *
 * An absent value is null; "nulls" names the sides, old or new, whose value is null
 * itself. Leaves count as different when their text does.
 *
 * Return: how many were printed
 */
size_t settings_changes_print(struct arena *a, struct buf *out,
    const struct settings_mask *m, const char *part, const struct jval *old,
    const struct jval *fresh);
/* Likewise for paths whose override changed: with the values in force before and after.
 */
size_t settings_changes_print_user(struct arena *a, struct buf *out,
    const struct settings_mask *m, const struct jval *old_base,
    const struct overrides *old_u, const struct jval *base, const struct overrides *u);

/* What is in force at one path: the override, a tomb, or the base's value. */
const struct jval *settings_effective(struct arena *a, const struct jval *base,
    const struct overrides *u, const struct slice *path, size_t n);

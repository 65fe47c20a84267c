/* The profile folder: which files may be trusted, and what they offer. Small local files,
 * read on the loop. */
#pragma once

#include "lifecycle/core/profile.h"

struct profiles {
	struct offer *offers; /* owned: of every file that can be run */
	size_t n_offers;
	char **problems; /* owned: "profile NAME: why it cannot be run" */
	size_t n_problems;
};

#define PROFILES_NULL ((struct profiles){0})

/* What the runner can do with a profile's user. */
struct profiles_env {
	const char *dir;
	bool has_uid_range;
};

void profiles_deinit(struct profiles *p); /* legal twice */
/* Read every NAME.json of the folder; an unreadable folder is a problem too. Logs what is
 * refused. */
void profiles_load(const struct profiles_env *env, struct profiles *out);

/**
 * profile_read() - one profile, now
 * @out: PROFILE_NULL; to be deinitialised also on failure. Its offer.hash is set.
 *
 * The file (symlinks followed) must be regular, owned by root or the runner's user, and
 * not writable by group or others; so must its folder, unless that is on a read-only
 * mount.
 *
 * Return: 0; ERROR_NOT_FOUND; ERROR_FORBIDDEN (owner, mode, user); ERROR_INVALID
 * (content); -errno
 */
int profile_read(const struct profiles_env *env, const struct id *name,
    struct profile *out, struct err *e) MUST_CHECK;

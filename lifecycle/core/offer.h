/* What a runner offers: profiles by name, with the environment and the parameters each
 * admits. The rules are checked here for lifecycled (against what live runners tell) and
 * for zed-runner (against the file) alike. */
#pragma once

#include "lifecycle/core/spec.h"

struct offer_param {
	char *name, *pattern; /* owned; POSIX extended, over the whole value */
	int64_t max;          /* bytes */
};

struct offer {
	struct id name;
	struct hash hash; /* of the profile file */
	char **env_allow; /* owned strings; "*" alone, or a trailing "*", stands for any
			     rest */
	size_t n_env_allow;
	struct offer_param *params;
	size_t n_params;
	struct restart_rule
	    restart; /* defaults of the profile, unset where it says nothing */
	struct stop_rule stop;
};

#define OFFER_NULL                                                                       \
	((struct offer){                                                                 \
	    .restart = {.max = -1, .window_ms = -1}, .stop = {.grace_ms = -1}})

void offer_deinit(struct offer *o); /* legal twice */
void offer_copy(struct offer *out, const struct offer *o);

/* Names that no profile can admit, even by "*" (HELIX_API_TOKEN, ZED_*, PATH, LD_*, ...).
 */
bool env_name_forbidden(const char *name);
/* [A-Za-z_][A-Za-z0-9_]{0,127} */
bool env_name_valid(struct slice name);
/* Not forbidden, and in @o's env_allow. */
bool offer_admits_env(const struct offer *o, const char *name);
/**
 * offer_check() - may this spec be run with this profile?
 *
 * Environment names, parameters known, present and matching their patterns, no control
 * characters. Compiles the patterns: not for hot loops (results per profile hash may be
 * kept by the caller).
 *
 * Return: 0; ERROR_INVALID with @e naming the entry
 */
int offer_check(const struct offer *o, const struct spec *s, struct err *e) MUST_CHECK;

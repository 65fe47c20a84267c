/* What an instance shall run: the wish of a Start command, checked and completed. */
#pragma once

#include "base/digest.h"
#include "base/err.h"
#include "base/ids.h"
#include "lifecycle/core/strmap.h"
#include "lifecycle/core/vocab.h"

enum {
	HASH_HEX_LEN = DIGEST_HEX_LEN,
	COMMAND_ID_MAX = 64,
	SPEC_ENV_MAX = 64,
	SPEC_ENV_VALUE_MAX = 16 * 1024,
	SPEC_ENV_NAME_MAX = 128,
	SPEC_PARAMS_MAX = 64,
	SPEC_LABELS_MAX = 64,
	SPEC_LABEL_BYTES_MAX = 256,
	SPEC_TEXT_MAX = 4096, /* workspace, helix ids, stop reason */
	GRACE_MS_MAX = 600000,
	RESTART_MAX_MAX = 100,
};

struct hash {
	char hex[HASH_HEX_LEN + 1]; /* "" for none */
};

/* How often it may be started again by its runner. */
struct restart_rule {
	enum restart_policy policy; /* RESTART_UNSET: the profile's, else on_failure */
	int64_t max;                /* -1: unset: the profile's, else 5 */
	int64_t window_ms;          /* -1: unset: the profile's, else 600000 */
};

/* How it is stopped. */
struct stop_rule {
	int signal;       /* 0: unset: the profile's, else SIGTERM */
	int64_t grace_ms; /* -1: unset: the profile's, else 10000 */
};

#define RESTART_RULE_NULL ((struct restart_rule){.max = -1, .window_ms = -1})
#define STOP_RULE_NULL    ((struct stop_rule){.grace_ms = -1})

/* lifecycle_spec/<tenant>.<instance>. What a profile may also say (restart, stop) stays
 * unset here and is completed by the runner with the profile it reads at that moment; all
 * else is filled in. */
struct spec {
	struct id tenant, instance_id;
	struct id session_id; /* "" for none */
	struct id profile;
	struct strmap params, env, labels;
	char *workspace; /* owned; NULL for none */
	struct restart_rule restart;
	int64_t ready_timeout_ms;
	struct stop_rule stop;
	enum on_lost on_lost;
	int64_t lost_after_ms;
	int64_t idle_timeout_ms;                  /* 0: never */
	char *helix_user_id, *helix_spec_task_id; /* owned; NULL for none */
	struct hash hash; /* over all of the above; names this spec */
	uint64_t order;   /* revision of the record that this spec was stored for; a lower
			     one never replaces a higher */
};

#define SPEC_NULL                                                                        \
	((struct spec){.restart = {.max = -1, .window_ms = -1},                          \
	    .stop = {.grace_ms = -1},                                                    \
	    .ready_timeout_ms = -1,                                                      \
	    .lost_after_ms = -1,                                                         \
	    .idle_timeout_ms = -1})

void spec_deinit(struct spec *s); /* legal twice */
void spec_copy(struct spec *out, const struct spec *s);

/**
 * spec_check() - the format rules that need no profile
 * @e: names the field and what is wrong with it
 *
 * Ids are tokens by construction; here: presence of instance_id and profile, counts and
 * lengths, environment names, characters, caps. Which names and parameters a profile
 * admits is offer_check's business.
 *
 * Return: 0; ERROR_INVALID
 */
int spec_check(const struct spec *s, struct err *e) MUST_CHECK;
/* Fill what is unset and no profile can say (ready timeout, on_lost, lost_after,
 * idle_timeout). */
void spec_fill(struct spec *s);
/* Complete @s with what the profile says (either may be unset there), then with the
 * defaults. */
void restart_rule_complete(struct restart_rule *r, const struct restart_rule *profile);
void stop_rule_complete(struct stop_rule *r, const struct stop_rule *profile);

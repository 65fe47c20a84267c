/* Verbs of the lifecycle plane: JSON over NATS. */
#pragma once

#include "zedctl/ctl.h"

enum {
	LC_TIMEOUT_MS = 10000,
};

/* Ask lifecycled for @verb; takes @body. CTL_DONE and *reply_out (caller frees); else the
 * exit code, said on stderr. */
int lc_request(struct ctl *c, const char *verb, struct jsn *body, int64_t timeout_ms,
    struct jsn **reply_out);
/* The same; *reply_out is set too when lifecycled refused, and nothing is printed then:
 * ctl_check_error does. */
int lc_ask(struct ctl *c, const char *verb, struct jsn *body, int64_t timeout_ms,
    struct jsn **reply_out);
/* "K=V" of a repeated flag as an object under @key; CTL_USAGE if one is not of that form.
 */
int lc_set_map(const struct ctl *c, const char *flag, struct jsn *body, const char *key);
struct lc_wait {
	const char *instance_id;
	const char *good;   /* states separated by commas: what is wanted */
	const char *bad;    /* likewise: what ends the waiting too, or NULL */
	int64_t generation; /* records of earlier ones do not count */
	int64_t timeout_ms;
};
/* Wait until the instance is in one of these states; its record (caller frees). */
int lc_wait(struct ctl *c, const struct lc_wait *w, struct jsn **record_out);
/* {"instance_id": @id}; NULL after saying that @id is not one. */
struct jsn *lc_body(const char *id);

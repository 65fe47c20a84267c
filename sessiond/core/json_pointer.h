/* JSON pointers (RFC 6901) as lists of decoded tokens. */
#pragma once

#include "base/buf.h"
#include "sessiond/core/jval.h"

enum {
	POINTER_TOKENS_MAX = JVAL_DEPTH_MAX,
	POINTER_TEXT_MAX = 16 * 1024,
};

struct json_pointer {
	struct slice *tokens;
	size_t n;
};

/* "" is the whole document. False if malformed (no leading /, ~ not followed by 0 or 1)
 * or too long or deep. */
bool json_pointer_parse(struct arena *a, struct slice text, struct json_pointer *out);
void json_pointer_print(struct buf *out, const struct slice *tokens, size_t n);
struct slice json_pointer_text(struct arena *a, const struct slice *tokens, size_t n);
/* One token with ~ and / escaped. */
void json_pointer_add_token(struct buf *out, struct slice token);
/* What stands there, or NULL. Arrays are leaves of settings: no pointer goes into one. */
struct jval *json_pointer_get(
    struct arena *a, struct jval *root, const struct slice *tokens, size_t n);
/* The path of @v from its root, as text. */
struct slice json_pointer_of(struct arena *a, const struct jval *v);

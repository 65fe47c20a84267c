/* JSON strings to decoded bytes and back. Decoded text is UTF-8, with a lone surrogate as
 * the three bytes UTF-8 would give it, so that equal strings are equal bytes and nothing
 * is lost on the way back. */
#pragma once

#include "base/buf.h"
#include "sessiond/core/arena.h"

/* @inner: what stands between the quotes, already checked. Without escapes the result
 * borrows @inner. */
struct slice json_string_decode(struct arena *a, struct slice inner);
/* With quotes and as few escapes as JSON allows. */
void json_string_print(struct buf *out, struct slice decoded);
/* Length of the escape at @p (a backslash) or 0 if it is none. */
size_t json_string_escape_len(const char *p, size_t n);

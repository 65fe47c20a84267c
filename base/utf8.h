/* UTF-8: validation, counting in UTF-16 units, and the clean-up texts get before they are
 * stored. */
#pragma once

#include "base/buf.h"
#include "base/slice.h"

#include <stdint.h>

/* Whole and well formed (no surrogates, no overlong forms, <= U+10FFFF). */
bool utf8_valid(const char *p, size_t n);
/* Bytes of the well-formed sequence that starts at @p: 1 to 4, or 0 if there is none. */
size_t utf8_seq_len(const char *p, size_t n);
/* Bytes at the start that are ASCII from space on, but no quote and no backslash: what a
 * JSON string holds as it is. */
size_t utf8_plain_len(const char *p, size_t n);
/* One code point at @p (valid UTF-8, @n > 0): its value; *len_out its bytes. */
uint32_t utf8_decode(const char *p, size_t n, size_t *len_out);
/* Length in UTF-16 code units of valid UTF-8. */
size_t utf8_utf16_len(const char *p, size_t n);
/* Append @p with NUL, C0 controls except TAB LF CR, C1 controls and non-characters
 * removed, invalid bytes as U+FFFD. */
void utf8_add_clean(struct buf *out, const char *p, size_t n);

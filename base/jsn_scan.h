/* Is this text strict JSON (RFC 8259) within our limits? Private to base/jsn.c and apart
 * from it because it knows no tree: one pass over the bytes, no allocation, no recursion.
 */
#pragma once

#include "base/err.h"

/**
 * jsn_scan() - check one JSON text
 * @rewrite_out: set when a string holds "\u0000" or the escape of a lone surrogate, which
 * jsn_scan_rewrite() replaces
 *
 * Return: 0; ERROR_INVALID with what is wrong and the byte offset
 */
int jsn_scan(const char *text, size_t n, bool *rewrite_out, struct err *e) MUST_CHECK;

/* Replace those escapes in place by "\ufffd", which has the same length. @text has passed
 * jsn_scan(). */
void jsn_scan_rewrite(char *text, size_t n);

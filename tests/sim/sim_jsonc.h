/* Settings text as Zed's lenient parser takes it: JSON with line and block comments and
 * trailing commas, nothing more. The real sidecar has a parser of its own; this one is
 * another on purpose, so that the two do not share a mistake. */
#pragma once

#include "base/err.h"
#include "base/jsn.h"

/* The value of @text; an empty, blank or comment-only text is {} (with *empty_out set).
 * Return: 0 and *out (caller frees); ERROR_INVALID with what is wrong. */
int sim_jsonc_parse(
    struct slice text, struct jsn **out, bool *empty_out, struct err *e) MUST_CHECK;

/* Pointers, values and revisions as people give them on the command line. */
#pragma once

#include "base/buf.h"
#include "base/err.h"

#include <stdint.h>

/* *@out: @given as a JSON pointer; "/" is "", everything. ERROR_INVALID with what is
 * wrong and what may be meant. */
int given_pointer(const char *given, const char **out, struct err *e) MUST_CHECK;
/* @path is at @pointer or below it. */
bool given_is_below(const char *path, const char *pointer);

enum given_form {
	GIVEN_AUTO,   /* JSON; what is none is a string, if it does not begin like { [ " */
	GIVEN_STRING, /* a string, whatever it says */
	GIVEN_JSON,   /* JSON or nothing */
};

/* Append @given as JSON text. ERROR_INVALID with a sentence that shows no value. */
int given_value(
    struct slice given, enum given_form form, struct buf *out, struct err *e) MUST_CHECK;
/* "string", "number", "object"... of JSON text. */
const char *given_type(struct slice json);

enum { GIVEN_NOW = -1 };

/* "7": from 7 to GIVEN_NOW; "3..7"; "3..". ERROR_INVALID */
int given_range(
    const char *given, int64_t *from_out, int64_t *to_out, struct err *e) MUST_CHECK;

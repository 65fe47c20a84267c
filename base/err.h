/* Outcomes and their detail text. Functions that can fail return int: 0 is success; a
 * negative value is -errno, a failure of the machinery that is passed on; a positive
 * value is an enum error_code, an answer for whoever asked. Detail goes into a
 * caller-owned struct err; nothing is global or thread-local. */
#pragma once

#include "base/must.h"

#include <stdbool.h>

enum error_code {
	ERROR_NONE,
#define ERROR(name, http_status, retryable, sentence) ERROR_##name,
#include "base/errors.tbl.h"
#undef ERROR
	ERROR_N_
};

struct err {
	int code;       /* as returned: 0, -errno or enum error_code */
	char text[256]; /* one line, no secret, no trailing newline */
};

#define ERR_NULL ((struct err){0})

/**
 * err_set() - record a failure and return its code
 * @e: may be NULL; overwritten
 *
 * Return: @code, so that `return err_set(e, ERROR_INVALID, "...")` reads as one step.
 */
int err_set(struct err *e, int code, const char *fmt, ...) PRINTF_LIKE(3, 4);

/* Put "text: " before what @e already says, as it rises through a layer. Returns
 * e->code. */
int err_prefix(struct err *e, const char *fmt, ...) PRINTF_LIKE(2, 3);

/* Name on the wire ("INVALID"). Negative codes are INTERNAL, except -ENOMEM and -EAGAIN:
 * UNAVAILABLE. */
const char *error_name(int code);
int error_http_status(int code);
bool error_retryable(int code);
const char *error_sentence(int code);

/* The code whose wire name is @name, or ERROR_NONE. */
enum error_code error_from_name(const char *name);

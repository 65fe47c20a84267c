/* Placeholders in profile texts: {instance} {session} {workspace} {home} {data} {port}
 * {param.NAME}. A brace that opens no word is plain text. */
#pragma once

#include "base/err.h"
#include "base/slice.h"

enum placeholder {
	PLACEHOLDER_NONE,
	PLACEHOLDER_INSTANCE,
	PLACEHOLDER_SESSION,
	PLACEHOLDER_WORKSPACE,
	PLACEHOLDER_HOME,
	PLACEHOLDER_DATA,
	PLACEHOLDER_PORT,
	PLACEHOLDER_PARAM,
	PLACEHOLDER_UNKNOWN,
};

/* A piece of a text: plain bytes, or one placeholder. */
struct text_piece {
	enum placeholder kind;
	struct slice bytes; /* plain: the bytes; placeholder: with its braces */
	struct slice param; /* PLACEHOLDER_PARAM: NAME */
};

/* The next piece of *@rest, which moves behind it; false at the end. */
bool text_next_piece(struct slice *rest, struct text_piece *out);
/* True if @text has any placeholder, known or not. */
bool text_has_placeholder(const char *text);
bool text_uses(const char *text, enum placeholder kind);

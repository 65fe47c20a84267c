/* Tokens of JSON with comments: kind and span, nothing lost in between but white space.
 */
#pragma once

#include "sessiond/core/arena.h"

enum json_tok_kind {
	TOK_OBJECT_OPEN,
	TOK_OBJECT_CLOSE,
	TOK_ARRAY_OPEN,
	TOK_ARRAY_CLOSE,
	TOK_COLON,
	TOK_COMMA,
	TOK_STRING,
	TOK_NUMBER,
	TOK_TRUE,
	TOK_FALSE,
	TOK_NULL,
	TOK_LINE_COMMENT, /* without its end of line */
	TOK_BLOCK_COMMENT,
	TOK_END,
	TOK_BAD,
};

struct json_tok {
	uint32_t start, end; /* bytes, end exclusive */
	enum json_tok_kind kind;
};

static inline bool json_tok_is_comment(const struct json_tok *t)
{
	return t->kind == TOK_LINE_COMMENT || t->kind == TOK_BLOCK_COMMENT;
}

struct json_lex {
	struct slice text; /* valid UTF-8 without NUL */
	uint32_t pos;
	const char *why; /* with TOK_BAD: what is wrong at @pos */
};

/* The next token; TOK_END for ever at the end. After TOK_BAD, @pos is where it went
 * wrong. */
struct json_tok json_lex_next(struct json_lex *lx);

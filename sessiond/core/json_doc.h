/* A settings text and what it says: all tokens with their place, and the tree over them.
 * The text is never printed again from the tree; edits are made in the text
 * (json_edit.h). */
#pragma once

#include "base/must.h"
#include "sessiond/core/json_lex.h"
#include "sessiond/core/jval.h"

enum {
	JSON_DOC_BYTES_MAX = 1024 * 1024,
	JSON_DOC_TOKENS_MAX = 100 * 1000,
	JSON_DOC_KEY_MAX = 4096, /* bytes as written */
	JSON_DOC_MESSAGE_TIMES = 8, /* so much more fits a message about settings */
};

enum json_doc_state {
	JSON_DOC_OK,
	JSON_DOC_BLANK, /* nothing but white space and comments: no document, root is NULL
			 */
	JSON_DOC_INVALID,
	JSON_DOC_TOO_LARGE, /* a limit of this file or JVAL_DEPTH_MAX */
};

struct json_doc {
	enum json_doc_state state;
	struct slice text; /* whole, with the byte order mark */
	bool bom;
	struct json_tok *toks; /* without an end token */
	uint32_t n_toks;
	uint32_t
	    *lines; /* offsets of line starts, the first is 0; only when OK or BLANK */
	uint32_t n_lines;
	struct jval *root;
	bool duplicate_keys;
	/* when not OK or BLANK */
	struct {
		size_t offset;
		uint32_t line, column; /* from 1; columns are code points */
		char message[96];
	} error;
};

/**
 * json_doc_parse() - read one settings text
 * @text: borrowed as long as @out is used
 *
 * The root may be any value. No recursion; work and memory are linear in the text.
 */
enum json_doc_state json_doc_parse(
    struct arena *a, struct slice text, struct json_doc *out);
/* Likewise, and a root that is no object is JSON_DOC_INVALID. */
enum json_doc_state json_doc_parse_object(
    struct arena *a, struct slice text, struct json_doc *out);

/* Likewise, what is said or stored about settings: several of them, or many leaves with
 * their pointers. */
enum json_doc_state json_doc_parse_message(
    struct arena *a, struct slice text, struct json_doc *out);

/* Index in d->lines of the line @offset is on. */
uint32_t json_doc_line(const struct json_doc *d, size_t offset);
/* The text of a value of @d: key not included. */
struct slice json_doc_span(const struct json_doc *d, const struct jval *v);

/* Values as text: compact with every number and string as it came, or laid out like the
 * file they go into. */
#pragma once

#include "base/buf.h"
#include "sessiond/core/jval.h"

/* Compact, scalars verbatim. Overrides' tombs must not be in it. */
void jval_print(struct buf *out, const struct jval *v);
/* Printed the same: a number written in another way is not. */
bool jval_same_text(const struct jval *x, const struct jval *y);

struct jval_style {
	bool multi_line;
	struct slice indent; /* of the line the value begins on */
	struct slice unit;   /* one step further */
	struct slice eol;
	bool colon_space, comma_space; /* where it stays on one line */
};

/* Numbers verbatim, strings with as few escapes as possible. A multi-line style breaks
 * objects, and arrays that are long or hold containers. */
void jval_render(struct buf *out, const struct jval *v, const struct jval_style *st);
void jval_render_key(struct buf *out, struct slice key, const struct jval_style *st);

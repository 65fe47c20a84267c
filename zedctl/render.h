/* What people see: tables, colours, JSON that is laid out. */
#pragma once

#include "base/buf.h"
#include "base/slice.h"

#include <stdint.h>

enum {
	RENDER_COLUMNS_MAX = 16,
};

enum render_colour { RENDER_PLAIN, RENDER_GOOD, RENDER_BUSY, RENDER_BAD, RENDER_DIM };

/* Rows of text under a head; column widths come from the content. */
struct table {
	size_t n_columns;
	char **cells; /* row by row, the head first; owned */
	size_t n_cells, cap_cells;
};

/* @head: column names separated by spaces. */
void table_init(struct table *t, const char *head);
/* The next cell; NULL and "" show as "-". */
void table_add(struct table *t, const char *text);
void table_addf(struct table *t, const char *fmt, ...) PRINTF_LIKE(2, 3);
/* Print to stdout and forget. */
void table_print(struct table *t, bool colours);

/* "3s", "12m", "5h", "2d" from a wall time until now; "-" for 0. */
void render_age(int64_t since_unix_ms, char out[static 16]);
/* Append @json laid out over lines. Any valid JSON; number text and key order stay.
 * Characters that could drive a terminal become \uXXXX, which says the same. */
void render_json_add(struct slice json, struct buf *out);
/* Likewise, to stdout. */
void render_json(struct slice json);
/* Append @json on one line, likewise; of more than @max_columns only the beginning, with
 * "..." (0: all of it). */
void render_value(struct slice json, size_t max_columns, struct buf *out);
/* Escape sequences that begin and end a colour; "" when @on is false. */
const char *render_colour(enum render_colour c, bool on);
const char *render_reset(bool on);
/* How a state of an instance or a session is coloured. */
enum render_colour render_state_colour(const char *state);
/* Text from elsewhere on a terminal: control characters but newline and tab, and those
 * that turn the direction of text, become U+FFFD. */
void render_safe(struct slice text, struct buf *out);

#include "zedctl/render.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/utf8.h"

enum {
	RENDER_CELL_MAX_BYTES = 4096,
	RENDER_GAP = 2,
};

/* ---- colours */

const char *render_colour(enum render_colour c, bool on)
{
	static const char *const codes[] = {
	    [RENDER_PLAIN] = "",
	    [RENDER_GOOD] = "\033[32m",
	    [RENDER_BUSY] = "\033[33m",
	    [RENDER_BAD] = "\033[31m",
	    [RENDER_DIM] = "\033[2m",
	};

	return on ? codes[c] : "";
}

const char *render_reset(bool on)
{
	return on ? "\033[0m" : "";
}

enum render_colour render_state_colour(const char *state)
{
	static const struct {
		const char *state;
		enum render_colour colour;
	} known[] = {
	    {"RUNNING", RENDER_GOOD},
	    {"ready", RENDER_GOOD},
	    {"PENDING", RENDER_BUSY},
	    {"ASSIGNED", RENDER_BUSY},
	    {"STARTING", RENDER_BUSY},
	    {"STOPPING", RENDER_BUSY},
	    {"BACKOFF", RENDER_BUSY},
	    {"busy", RENDER_BUSY},
	    {"waiting", RENDER_BUSY},
	    {"draining", RENDER_BUSY},
	    {"cordoned", RENDER_BUSY},
	    {"FAILED", RENDER_BAD},
	    {"LOST", RENDER_BAD},
	    {"UNKNOWN", RENDER_BAD},
	    {"STOP_STUCK", RENDER_BAD},
	    {"gone", RENDER_BAD},
	};

	for (size_t i = 0; i < ARRAY_LEN(known); i++) {
		if (strcmp(known[i].state, state) == 0)
			return known[i].colour;
	}
	return RENDER_PLAIN;
}

/* ---- text */

static bool render_is_control(const char *p, size_t n)
{
	size_t len;
	uint32_t cp;

	if ((unsigned char)*p < 0x80)
		return ((unsigned char)*p < 0x20 && *p != '\n' && *p != '\t') ||
		       *p == 0x7F;
	cp = utf8_decode(p, n, &len);
	return cp >= 0x80 && cp < 0xA0;
}

void render_safe(struct slice text, struct buf *out)
{
	for (size_t i = 0; i < text.n;) {
		size_t n = utf8_seq_len(text.p + i, text.n - i);

		if (n == 0 || render_is_control(text.p + i, text.n - i))
			buf_adds(out, "\xEF\xBF\xBD");
		else
			buf_add(out, text.p + i, n);
		i += n ? n : 1;
	}
}

void render_age(int64_t since_unix_ms, char out[static 16])
{
	int64_t s = (clock_unix_ms() - since_unix_ms) / 1000;

	if (s < 0)
		s = 0;
	if (since_unix_ms <= 0)
		snprintf(out, 16, "-");
	else if (s < 120)
		snprintf(out, 16, "%" PRId64 "s", s);
	else if (s < 7200)
		snprintf(out, 16, "%" PRId64 "m", s / 60);
	else if (s < 172800)
		snprintf(out, 16, "%" PRId64 "h", s / 3600);
	else
		snprintf(out, 16, "%" PRId64 "d", s / 86400 % 1000000);
}

/* ---- tables */

void table_add(struct table *t, const char *text)
{
	struct buf b = BUF_NULL(RENDER_CELL_MAX_BYTES);

	if (t->n_cells == t->cap_cells) {
		t->cap_cells = t->cap_cells ? 2 * t->cap_cells : 64;
		t->cells = reallocarray(t->cells, t->cap_cells, sizeof *t->cells);
		must(t->cells);
	}
	render_safe(slice_of(text && *text ? text : "-"), &b);
	for (size_t i = 0; i < b.n; i++) {
		if (b.data[i] == '\n' || b.data[i] == '\t')
			b.data[i] = ' ';
	}
	t->cells[t->n_cells] = buf_steal(&b, NULL);
	must(t->cells[t->n_cells]);
	t->n_cells++;
}

void table_addf(struct table *t, const char *fmt, ...)
{
	char text[RENDER_CELL_MAX_BYTES / 4];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	table_add(t, text);
}

void table_init(struct table *t, const char *head)
{
	char name[64];

	*t = (struct table){0};
	while (*head) {
		size_t n = strcspn(head, " ");

		must(n < sizeof name && t->n_columns < RENDER_COLUMNS_MAX);
		snprintf(name, sizeof name, "%.*s", (int)n, head);
		table_add(t, name);
		t->n_columns++;
		head += n + strspn(head + n, " ");
	}
}

/* Columns a text takes: one a code point is near enough for ids and sentences. */
static size_t table_width(const char *s)
{
	size_t n = 0;

	for (; *s; s++)
		n += ((unsigned char)*s & 0xC0) != 0x80;
	return n;
}

static void table_print_row(
    const struct table *t, size_t i_row, const size_t *widths, bool colours)
{
	char **row = &t->cells[i_row * t->n_columns];

	for (size_t i = 0; i < t->n_columns; i++) {
		enum render_colour c =
		    i_row == 0 ? RENDER_DIM : render_state_colour(row[i]);
		bool last = i + 1 == t->n_columns;
		size_t pad = last ? 0 : widths[i] - table_width(row[i]) + RENDER_GAP;

		printf("%s%s%s%*s", render_colour(c, colours), row[i],
		    c != RENDER_PLAIN ? render_reset(colours) : "", (int)pad, "");
	}
	putchar('\n');
}

void table_print(struct table *t, bool colours)
{
	size_t widths[RENDER_COLUMNS_MAX] = {0};
	size_t n_rows = t->n_cells / t->n_columns;

	must(t->n_cells % t->n_columns == 0);
	for (size_t i = 0; i < t->n_cells; i++) {
		size_t w = table_width(t->cells[i]);

		if (w > widths[i % t->n_columns])
			widths[i % t->n_columns] = w;
	}
	for (size_t i = 0; i < n_rows; i++)
		table_print_row(t, i, widths, colours);
	for (size_t i = 0; i < t->n_cells; i++)
		free(t->cells[i]);
	free(t->cells);
	*t = (struct table){0};
}

/* ---- JSON */

static void render_newline(int depth)
{
	printf("\n%*s", depth * 2, "");
}

/* Outside strings only brackets, commas and colons matter; inside, only quotes and
 * backslashes. */
void render_json(struct slice json)
{
	bool in_string = false;
	int depth = 0;

	for (size_t i = 0; i < json.n; i++) {
		char c = json.p[i];
		char next = i + 1 < json.n ? json.p[i + 1] : '\0';

		if (in_string) {
			putchar(c);
			if (c == '\\' && next)
				putchar(json.p[++i]);
			in_string = c != '"';
		} else if ((c == '{' && next == '}') || (c == '[' && next == ']')) {
			printf("%c%c", c, json.p[++i]);
		} else if (c == '{' || c == '[') {
			putchar(c);
			render_newline(++depth);
		} else if (c == '}' || c == ']') {
			render_newline(--depth);
			putchar(c);
		} else if (c == ',') {
			putchar(c);
			render_newline(depth);
		} else if (!strchr(" \t\r\n", c)) {
			printf(c == ':' ? "%c " : "%c", c);
			in_string = c == '"';
		}
	}
	putchar('\n');
}

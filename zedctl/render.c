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
	RENDER_JSON_MAX_BYTES = 256 << 20,
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

/* Moves the cursor, or shows text in another order than it has. */
static bool render_is_control(const char *p, size_t n)
{
	size_t len;
	uint32_t cp = utf8_decode(p, n, &len);

	return (cp < 0x20 && cp != '\n' && cp != '\t') || (cp >= 0x7F && cp < 0xA0) ||
	       cp == 0x061C || cp == 0x200E || cp == 0x200F ||
	       (cp >= 0x2028 && cp <= 0x202E) || (cp >= 0x2066 && cp <= 0x2069);
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

static void render_newline(int depth, struct buf *out)
{
	buf_addf(out, "\n%*s", depth * 2, "");
}

/* The string that begins at @i; returns what is past it. */
static size_t render_string(struct slice json, size_t i, struct buf *out)
{
	bool open = true;

	buf_addc(out, json.p[i++]);
	while (i < json.n && open) {
		size_t n = json.p[i] == '\\' ? 2 : utf8_seq_len(json.p + i, json.n - i), len;

		if (n == 0 || i + n > json.n) {
			buf_adds(out, "\xEF\xBF\xBD");
			n = 1;
		} else if (render_is_control(json.p + i, json.n - i) || json.p[i] == '\t') {
			buf_addf(out, "\\u%04x", utf8_decode(json.p + i, json.n - i, &len));
		} else {
			buf_add(out, json.p + i, n);
		}
		open = json.p[i] != '"';
		i += n;
	}
	return i;
}

/* Outside strings only brackets, commas and colons matter. */
void render_json_add(struct slice json, struct buf *out)
{
	int depth = 0;

	for (size_t i = 0; i < json.n;) {
		char c = json.p[i];
		char next = i + 1 < json.n ? json.p[i + 1] : '\0';

		if (c == '"') {
			i = render_string(json, i, out);
			continue;
		}
		if ((c == '{' && next == '}') || (c == '[' && next == ']')) {
			buf_addf(out, "%c%c", c, next);
			i++;
		} else if (c == '{' || c == '[') {
			buf_addc(out, c);
			render_newline(++depth, out);
		} else if (c == '}' || c == ']') {
			render_newline(--depth, out);
			buf_addc(out, c);
		} else if (c == ',') {
			buf_addc(out, c);
			render_newline(depth, out);
		} else if (!strchr(" \t\r\n", c)) {
			buf_addf(out, c == ':' ? "%c " : "%c", c);
		}
		i++;
	}
}

void render_json(struct slice json)
{
	struct buf text = BUF_NULL(RENDER_JSON_MAX_BYTES);

	render_json_add(json, &text);
	puts(buf_cstr(&text));
	buf_deinit(&text);
}

/* Bytes of the first @columns code points. */
static size_t render_cut(struct slice text, size_t columns)
{
	size_t i = 0;

	while (i < text.n && columns-- > 0)
		i += utf8_seq_len(text.p + i, text.n - i);
	return i;
}

void render_value(struct slice json, size_t max_columns, struct buf *out)
{
	struct buf text = BUF_NULL(RENDER_JSON_MAX_BYTES);

	for (size_t i = 0; i < json.n;) {
		if (json.p[i] == '"')
			i = render_string(json, i, &text);
		else if (strchr(" \t\r\n", json.p[i]))
			i++;
		else
			buf_addc(&text, json.p[i++]);
	}
	if (max_columns && table_width(buf_cstr(&text)) > max_columns) {
		buf_add(out, text.data, render_cut(buf_slice(&text), max_columns - 3));
		buf_adds(out, "...");
	} else {
		buf_add_slice(out, buf_slice(&text));
	}
	buf_deinit(&text);
}

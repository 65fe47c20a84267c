/* Text that has been printed cannot be taken back: where an entry was rewritten, it is
 * printed again. Tool calls show as a line for each status on a terminal, and not at all
 * elsewhere. */
#include "zedctl/answer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/utf8.h"
#include "zedctl/render.h"

enum {
	ANSWER_ENTRY_MAX_BYTES = 64 << 20,
};

void answer_init(struct answer *a, bool is_tty)
{
	*a = (struct answer){.is_tty = is_tty};
}

void answer_deinit(struct answer *a)
{
	for (size_t i = 0; i < a->n_entries; i++) {
		free(a->entries[i].message_id);
		buf_deinit(&a->entries[i].text);
		buf_deinit(&a->entries[i].shown);
	}
	free(a->entries);
	*a = (struct answer){0};
}

/* ---- content */

static struct answer_entry *answer_entry(struct answer *a, const char *message_id)
{
	struct answer_entry *en;

	for (size_t i = 0; i < a->n_entries; i++) {
		if (strcmp(a->entries[i].message_id, message_id) == 0)
			return &a->entries[i];
	}
	if (a->n_entries == a->cap_entries) {
		a->cap_entries = a->cap_entries ? 2 * a->cap_entries : 8;
		a->entries = reallocarray(a->entries, a->cap_entries, sizeof *a->entries);
		must(a->entries);
	}
	en = &a->entries[a->n_entries++];
	*en = (struct answer_entry){.message_id = strdup(message_id)};
	must(en->message_id);
	en->text = BUF_NULL(ANSWER_ENTRY_MAX_BYTES);
	en->shown = BUF_NULL(ANSWER_ENTRY_MAX_BYTES);
	return en;
}

/* Bytes of the first @units UTF-16 units of @text, all of it if it is shorter. */
static size_t answer_bytes(struct slice text, int64_t units)
{
	size_t i = 0;

	while (i < text.n && units > 0) {
		size_t n = utf8_seq_len(text.p + i, text.n - i);

		if (n == 0)
			n = 1;
		units -= n == 4 ? 2 : 1;
		i += n;
	}
	return i;
}

static void answer_cut(struct buf *b, size_t n)
{
	if (n < b->n) {
		b->n = n;
		b->data[n] = '\0';
	}
}

void answer_delta(struct answer *a, const struct jsn *delta)
{
	const char *id = jsn_get_string(delta, "message_id");
	const char *type = jsn_get_string(delta, "type");
	const char *append = jsn_get_string(delta, "append");
	struct answer_entry *en;

	if (!id)
		return;
	en = answer_entry(a, id);
	en->is_tool = type ? strcmp(type, "tool_call") == 0 : en->is_tool;
	answer_cut(&en->text,
	    answer_bytes(buf_slice(&en->text), jsn_get_int(delta, "offset_utf16", 0)));
	buf_adds(&en->text, append ? append : "");
	answer_cut(&en->text, answer_bytes(buf_slice(&en->text),
				  jsn_get_int(delta, "total_utf16", INT64_MAX)));
}

void answer_snapshot(struct answer *a, const struct jsn *entries)
{
	jsn_for_each (e, entries) {
		const char *id = jsn_get_string(e, "message_id");
		const char *type = jsn_get_string(e, "type");
		const char *content = jsn_get_string(e, "content");
		struct answer_entry *en;

		if (!id || !content)
			continue;
		en = answer_entry(a, id);
		en->is_tool = type && strcmp(type, "tool_call") == 0;
		buf_reset(&en->text);
		buf_adds(&en->text, content);
	}
}

/* ---- showing */

static void answer_print(struct answer *a, struct slice text)
{
	struct buf safe = BUF_NULL(4 * ANSWER_ENTRY_MAX_BYTES);

	if (a->is_tty)
		render_safe(text, &safe);
	else
		buf_add_slice(&safe, text);
	fwrite(buf_cstr(&safe), 1, safe.n, stdout);
	buf_deinit(&safe);
}

/* Begin entry @i on the screen, a blank line after what stands there. */
static void answer_turn_to(struct answer *a, size_t i)
{
	if (a->any_shown && a->i_shown != i)
		fputs("\n\n", stdout);
	a->any_shown = true;
	a->i_shown = i;
}

/* "**Tool Call: name**\nStatus: status\n\n..." */
static void answer_show_tool(struct answer *a, size_t i)
{
	struct answer_entry *en = &a->entries[i];
	const char *text = buf_cstr(&en->text);
	const char *name = strncmp(text, "**Tool Call: ", 13) == 0 ? text + 13 : text;
	const char *status = strstr(text, "\nStatus: ");
	size_t n_name = strcspn(name, "\n");
	char now[sizeof en->shown_status];

	if (!a->is_tty)
		return;
	snprintf(now, sizeof now, "%.*s", status ? (int)strcspn(status + 9, "\n") : 0,
	    status ? status + 9 : "");
	if (strcmp(now, en->shown_status) == 0 && en->shown.n > 0)
		return;
	snprintf(en->shown_status, sizeof en->shown_status, "%s", now);
	if (n_name > 2 && strncmp(name + n_name - 2, "**", 2) == 0)
		n_name -= 2;
	answer_turn_to(a, i);
	printf("%s%s[", en->shown.n ? "\n" : "", render_colour(RENDER_DIM, true));
	answer_print(a, (struct slice){name, n_name});
	printf("] %s%s", now, render_reset(true));
	buf_reset(&en->shown);
	buf_adds(&en->shown, "x");
}

/* Blanks at the end wait for what follows them: most are trimmed later. */
static struct slice answer_trimmed(struct slice text)
{
	while (text.n > 0 && strchr(" \n\t", text.p[text.n - 1]))
		text.n--;
	return text;
}

static void answer_show_text(struct answer *a, size_t i)
{
	struct answer_entry *en = &a->entries[i];
	struct slice text = answer_trimmed(buf_slice(&en->text));
	struct slice shown = buf_slice(&en->shown);
	struct slice tail;

	if (slice_starts(shown, text))
		return; /* nothing new, or the end was trimmed */
	answer_turn_to(a, i);
	if (slice_starts(text, shown)) {
		tail = (struct slice){text.p + shown.n, text.n - shown.n};
	} else {
		tail = text;
		putchar('\n');
	}
	answer_print(a, tail);
	buf_reset(&en->shown);
	buf_add_slice(&en->shown, text);
}

void answer_show(struct answer *a)
{
	for (size_t i = 0; i < a->n_entries; i++) {
		if (a->entries[i].is_tool)
			answer_show_tool(a, i);
		else
			answer_show_text(a, i);
	}
	fflush(stdout);
}

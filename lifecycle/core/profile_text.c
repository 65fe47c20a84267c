/* Placeholders in profile texts: see the header. */
#include "lifecycle/core/profile_text.h"

static const struct {
	const char *name;
	enum placeholder kind;
} text_names[] = {
    {"instance", PLACEHOLDER_INSTANCE},
    {"session", PLACEHOLDER_SESSION},
    {"workspace", PLACEHOLDER_WORKSPACE},
    {"home", PLACEHOLDER_HOME},
    {"data", PLACEHOLDER_DATA},
    {"port", PLACEHOLDER_PORT},
};

static bool text_is_word_char(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
	       (c >= '0' && c <= '9') || c == '_' || c == '-' || c == '.';
}

/* Bytes of the placeholder that @s starts with, braces too; 0 if it is none. */
static size_t text_placeholder_len(struct slice s)
{
	size_t i = 1;

	if (s.n < 3 || s.p[0] != '{')
		return 0;
	while (i < s.n && text_is_word_char(s.p[i]))
		i++;
	return i > 1 && i < s.n && s.p[i] == '}' ? i + 1 : 0;
}

static void text_classify(struct text_piece *piece)
{
	struct slice word = {piece->bytes.p + 1, piece->bytes.n - 2};
	struct slice prefix = SLICE_LIT("param.");

	piece->kind = PLACEHOLDER_UNKNOWN;
	if (slice_starts(word, prefix) && word.n > prefix.n) {
		piece->kind = PLACEHOLDER_PARAM;
		piece->param = (struct slice){word.p + prefix.n, word.n - prefix.n};
		return;
	}
	for (size_t i = 0; i < sizeof text_names / sizeof text_names[0]; i++) {
		if (slice_is(word, text_names[i].name))
			piece->kind = text_names[i].kind;
	}
}

bool text_next_piece(struct slice *rest, struct text_piece *out)
{
	struct slice s = *rest;
	size_t n = text_placeholder_len(s);

	if (s.n == 0)
		return false;
	*out = (struct text_piece){.bytes = {s.p, n}};
	if (n) {
		text_classify(out);
	} else {
		n = 1;
		while (n < s.n && !text_placeholder_len((struct slice){s.p + n, s.n - n}))
			n++;
		out->bytes.n = n;
	}
	*rest = (struct slice){s.p + n, s.n - n};
	return true;
}

bool text_has_placeholder(const char *text)
{
	struct slice rest = slice_of(text);
	struct text_piece piece;

	while (text_next_piece(&rest, &piece)) {
		if (piece.kind != PLACEHOLDER_NONE)
			return true;
	}
	return false;
}

bool text_uses(const char *text, enum placeholder kind)
{
	struct slice rest = slice_of(text);
	struct text_piece piece;

	while (text_next_piece(&rest, &piece)) {
		if (piece.kind == kind)
			return true;
	}
	return false;
}

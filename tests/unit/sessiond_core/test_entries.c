/* Entries fed with snapshots, read as patches: the wire's vectors, order, limits. */
#include "tests/lib/test.h"

#include "base/utf8.h"
#include "sessiond/core/entries.h"
#include "sessiond/core/seen.h"

static enum entries_outcome put(struct entries *e, const char *id, const char *text)
{
	struct entry_update u = {.message_id = id, .content = slice_of(text)};

	return entries_put(e, &u);
}

/* Old and new text, and the one patch that leads from one to the other. */
static void check_patch(
    const char *old, const char *fresh, size_t offset, const char *patch, size_t total)
{
	struct entries e = ENTRIES_NULL;
	struct entry_patch p;

	put(&e, "1", old);
	entries_catch_up(&e, ENTRIES_TOLD);
	put(&e, "1", fresh);
	if (strcmp(old, fresh) == 0) {
		assert_false(entries_next_patch(&e, ENTRIES_TOLD, SIZE_MAX, &p));
		entries_deinit(&e);
		return;
	}
	assert_true(entries_next_patch(&e, ENTRIES_TOLD, SIZE_MAX, &p));
	assert_int_equal(p.offset_utf16, offset);
	assert_int_equal(p.append.n, strlen(patch));
	assert_memory_equal(p.append.p, patch, p.append.n);
	assert_int_equal(p.entry->n_utf16, total);
	assert_false(entries_next_patch(&e, ENTRIES_TOLD, SIZE_MAX, &p));
	entries_deinit(&e);
}

static void patches_are_those_of_the_protocol(void **s)
{
	(void)s;
	check_patch("", "Hi", 0, "Hi", 2);
	check_patch("Hel", "Hello", 3, "lo", 5);
	check_patch("abc", "abc", 3, "", 3);
	check_patch("abcdef", "abc", 3, "", 3);
	check_patch("\u2705 Hello", "\u2705 Hello world", 7, " world", 13);
	check_patch("\u2705 Tool: Running", "\u2705 Tool: Finished", 8, "Finished", 16);
	check_patch("\U0001F4E4 desktop/Status: Pending",
	    "\U0001F4E4 desktop/Status: Complete", 19, "Complete", 27);
	check_patch("a\U0001F600b", "a\U0001F601b", 1, "\U0001F601b", 4);
	check_patch("a\U0001F600", "a", 1, "", 1);
	check_patch("Hel", "Jello", 0, "Jello", 5);
}

static void the_same_text_again_is_nothing(void **s)
{
	struct entries e = ENTRIES_NULL;
	struct entry_patch p;

	(void)s;
	assert_int_equal(put(&e, "1", "one"), ENTRIES_ADDED);
	assert_int_equal(put(&e, "1", "one"), ENTRIES_SAME);
	entries_catch_up(&e, ENTRIES_TOLD);
	assert_int_equal(put(&e, "1", "one"), ENTRIES_SAME);
	assert_false(entries_next_patch(&e, ENTRIES_TOLD, SIZE_MAX, &p));
	entries_deinit(&e);
}

static void order_is_of_first_appearance(void **s)
{
	struct entries e = ENTRIES_NULL;
	struct buf text = BUF_NULL(1000);

	(void)s;
	put(&e, "10", "ten");
	put(&e, "2", "two");
	put(&e, "7", "");
	put(&e, "10", "TEN");
	entries_text(&e, &text);
	assert_string_equal(buf_cstr(&text), "TEN\n\ntwo");
	assert_int_equal(entries_n_shown(&e), 2);
	buf_deinit(&text);
	entries_deinit(&e);
}

static void types_and_tools_are_sticky(void **s)
{
	struct entries e = ENTRIES_NULL;
	struct entry_update u = {.message_id = "1",
	    .type = "tool_call",
	    .tool_name = "make",
	    .tool_status = "In Progress",
	    .content = SLICE_LIT("x")};

	(void)s;
	entries_put(&e, &u);
	assert_true(entries_tool_running(&e));
	u.type = u.tool_name = "";
	u.tool_status = "Completed";
	assert_int_equal(entries_put(&e, &u), ENTRIES_CHANGED);
	assert_int_equal(e.v[0].type, ENTRY_TOOL_CALL);
	assert_string_equal(e.v[0].tool_name, "make");
	assert_false(entries_tool_running(&e));
	put(&e, "2", "**Tool Call: Read**\nStatus: Pending");
	assert_int_equal(e.v[1].type, ENTRY_TOOL_CALL);
	put(&e, "3", "no tool");
	assert_int_equal(e.v[2].type, ENTRY_TEXT);
	entries_deinit(&e);
}

static void control_characters_never_get_in(void **s)
{
	struct entries e = ENTRIES_NULL;

	(void)s;
	put(&e, "1",
	    "a\x01"
	    "b");
	assert_string_equal(e.v[0].content, "ab");
	put(&e, "1",
	    "a\x01"
	    "b\tc\xC2\x80");
	assert_string_equal(e.v[0].content, "ab\tc");
	put(&e, "1", "plain");
	put(&e, "1", "plain \x02tail");
	assert_string_equal(e.v[0].content, "plain tail");
	assert_int_equal(put(&e, "1", "plain \x02tail"), ENTRIES_SAME);
	entries_deinit(&e);
}

static void each_reader_has_its_own_news(void **s)
{
	struct entries e = ENTRIES_NULL;
	struct entry_patch p;

	(void)s;
	put(&e, "1", "ab");
	assert_true(entries_next_patch(&e, ENTRIES_TOLD, SIZE_MAX, &p));
	put(&e, "1", "abcd");
	assert_true(entries_next_patch(&e, ENTRIES_TOLD, SIZE_MAX, &p));
	assert_int_equal(p.offset, 2);
	assert_true(entries_next_patch(&e, ENTRIES_STORED, SIZE_MAX, &p));
	assert_int_equal(p.offset, 0);
	assert_int_equal(p.append.n, 4);
	entries_rewind(&e, ENTRIES_TOLD);
	assert_true(entries_next_patch(&e, ENTRIES_TOLD, SIZE_MAX, &p));
	assert_int_equal(p.offset, 0);
	entries_deinit(&e);
}

static void big_news_come_in_pieces_of_whole_characters(void **s)
{
	struct entries e = ENTRIES_NULL;
	struct entry_patch p;
	size_t n = 0;

	(void)s;
	put(&e, "1", "\u2705\u2705\u2705\u2705");
	while (entries_next_patch(&e, ENTRIES_TOLD, 4, &p)) {
		assert_int_equal(p.append.n, 3);
		assert_int_equal(p.offset_utf16, n);
		n++;
	}
	assert_int_equal(n, 4);
	entries_deinit(&e);
}

static void limits_refuse_and_say_so(void **s)
{
	struct entries e = ENTRIES_NULL;
	char *big = malloc(ENTRIES_BYTES_MAX + 2);
	struct entry_update u = {.message_id = "1"};
	char id[16];

	(void)s;
	assert_non_null(big);
	memset(big, 'x', ENTRIES_BYTES_MAX + 1);
	u.content = (struct slice){big, ENTRIES_BYTES_MAX};
	assert_int_equal(entries_put(&e, &u), ENTRIES_ADDED);
	assert_false(e.truncated);
	u.content.n++;
	assert_int_equal(entries_put(&e, &u), ENTRIES_REFUSED);
	assert_true(e.truncated);
	assert_int_equal(e.n_bytes, ENTRIES_BYTES_MAX);
	entries_deinit(&e);
	for (int i = 0; i < ENTRIES_MAX; i++) {
		snprintf(id, sizeof(id), "%d", i);
		assert_int_equal(put(&e, id, "x"), ENTRIES_ADDED);
	}
	assert_int_equal(put(&e, "one more", "x"), ENTRIES_REFUSED);
	entries_deinit(&e);
	free(big);
}

/* ---- what is stored leads back ---- */

static uint32_t draw(uint64_t *state, uint32_t below)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return (uint32_t)(*state >> 33) % below;
}

static void random_text(uint64_t *seed, const char *old, struct buf *out)
{
	static const char *const pieces[] = {
	    "a", "bc", "\u00e9", "\u2705", "\U0001F600", " ", "\n", "\x01", "word "};
	size_t n = strlen(old), keep = draw(seed, 3) ? n : draw(seed, (uint32_t)n + 1);

	while (keep > 0 && ((unsigned char)old[keep] & 0xC0) == 0x80)
		keep--;
	buf_add(out, old, keep);
	for (uint32_t i = draw(seed, 6); i > 0; i--)
		buf_adds(out, pieces[draw(seed, ARRAY_LEN(pieces))]);
}

static void store_news(
    struct entries *from, struct entries *to, enum entries_reader r, size_t max)
{
	struct entry_patch p;

	while (entries_next_patch(from, r, max, &p)) {
		struct entry_stored st = {.index = p.index,
		    .message_id = p.entry->message_id,
		    .type = p.entry->type,
		    .offset = p.offset,
		    .append = p.append};

		assert_true(entries_apply(to, &st));
	}
}

static void patches_rebuild_the_text_whatever_came(void **s)
{
	uint64_t seed = 0x9E3779B97F4A7C15u;

	(void)s;
	for (int round = 0; round < 300; round++) {
		struct entries e = ENTRIES_NULL, back = ENTRIES_NULL;

		for (int i = 0; i < 40; i++) {
			char id[8];
			const struct entry *en;
			struct buf text = BUF_NULL(4096);

			snprintf(id, sizeof(id), "%u", draw(&seed, 4));
			en = entries_find(&e, id);
			random_text(&seed, en ? en->content : "", &text);
			put(&e, id, buf_cstr(&text));
			buf_deinit(&text);
			if (draw(&seed, 2))
				store_news(&e, &back, ENTRIES_STORED,
				    draw(&seed, 2) ? 5 : SIZE_MAX);
		}
		store_news(&e, &back, ENTRIES_STORED, SIZE_MAX);
		assert_int_equal(back.n, e.n);
		for (size_t i = 0; i < e.n; i++) {
			assert_string_equal(back.v[i].content, e.v[i].content);
			assert_int_equal(back.v[i].n_utf16, e.v[i].n_utf16);
			assert_int_equal(e.v[i].n_utf16,
			    utf8_utf16_len(e.v[i].content, e.v[i].n_content));
			assert_true(utf8_valid(e.v[i].content, e.v[i].n_content));
		}
		entries_deinit(&e);
		entries_deinit(&back);
	}
}

static void a_patch_that_does_not_fit_is_refused(void **s)
{
	struct entries e = ENTRIES_NULL;
	struct entry_stored p = {.index = 1, .message_id = "1", .append = SLICE_LIT("x")};

	(void)s;
	assert_false(entries_apply(&e, &p));
	p.index = 0;
	p.offset = 1;
	assert_false(entries_apply(&e, &p));
	entries_deinit(&e);
	p.offset = 0;
	assert_true(entries_apply(&e, &p));
	p.message_id = "2";
	assert_false(entries_apply(&e, &p));
	entries_deinit(&e);
}

static void what_was_seen_is_known_by_id_and_content(void **s)
{
	struct seen *seen = seen_new();
	struct entries e = ENTRIES_NULL;

	(void)s;
	put(&e, "1", "hello");
	seen_add_entries(seen, &e);
	assert_true(seen_has(seen, "1", SLICE_LIT("hello")));
	assert_false(seen_has(seen, "2", SLICE_LIT("hello")));
	assert_false(seen_has(seen, "1", SLICE_LIT("hello!")));
	assert_true(seen_has_id(seen, "1"));
	for (int i = 0; i < SEEN_MAX; i++)
		seen_add(seen, (struct seen_pair){(uint64_t)i, 1});
	assert_false(seen_has(seen, "1", SLICE_LIT("hello")));
	entries_deinit(&e);
	seen_free(seen);
}

static void hashes_of_what_was_seen_never_change(void **s)
{
	(void)s;
	/* They are stored: other values would make replayed history look new. */
	assert_true(seen_hash(SLICE_LIT("")) == seen_hash(SLICE_NULL));
	assert_false(seen_hash(SLICE_LIT("a")) == seen_hash(SLICE_LIT("b")));
	assert_true(
	    seen_hash(SLICE_LIT("The quick brown fox")) == UINT64_C(0xe186549783853ca1));
}

TEST_MAIN(cmocka_unit_test(patches_are_those_of_the_protocol),
    cmocka_unit_test(the_same_text_again_is_nothing),
    cmocka_unit_test(order_is_of_first_appearance),
    cmocka_unit_test(types_and_tools_are_sticky),
    cmocka_unit_test(control_characters_never_get_in),
    cmocka_unit_test(each_reader_has_its_own_news),
    cmocka_unit_test(big_news_come_in_pieces_of_whole_characters),
    cmocka_unit_test(limits_refuse_and_say_so),
    cmocka_unit_test(patches_rebuild_the_text_whatever_came),
    cmocka_unit_test(a_patch_that_does_not_fit_is_refused),
    cmocka_unit_test(what_was_seen_is_known_by_id_and_content),
    cmocka_unit_test(hashes_of_what_was_seen_never_change))

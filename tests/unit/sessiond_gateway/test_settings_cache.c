#include "sessiond/gateway/settings_internal.h"
#include "tests/lib/test.h"

#include <stdlib.h>
#include <string.h>

static int setup(void **state)
{
	*state = settings_cache_new();
	return 0;
}

static int teardown(void **state)
{
	settings_cache_free(*state);
	return 0;
}

static void document_is(const struct settings_cache *c, uint64_t seq, const char *text)
{
	struct slice s = settings_cache_document(c, seq);

	if (text)
		assert_true(slice_is(s, text));
	else
		assert_null(s.p);
}

static void a_document_is_found_by_its_sequence_alone(void **state)
{
	struct settings_cache *c = *state;

	document_is(c, 7, NULL);
	document_is(c, 0, NULL);
	settings_cache_put_document(c, 7, SLICE_LIT("seven"), true);
	settings_cache_put_document(c, 3, SLICE_LIT("three"), false);
	document_is(c, 7, "seven");
	document_is(c, 3, "three");
	for (uint64_t seq = 8; seq < 1000; seq++)
		document_is(c, seq, NULL);
	settings_cache_clear(c);
	document_is(c, 7, NULL);
	settings_cache_put_document(c, 7, SLICE_LIT("again"), true);
	document_is(c, 7, "again");
}

static void it_does_not_grow(void **state)
{
	struct settings_cache *c = *state;
	char text[24];
	size_t n = 0;

	for (uint64_t seq = 1; seq <= 1000; seq++) {
		snprintf(text, sizeof(text), "%llu", (unsigned long long)seq);
		settings_cache_put_document(c, seq, slice_of(text), true);
	}
	for (uint64_t seq = 1; seq <= 1000; seq++)
		n += settings_cache_document(c, seq).p != NULL;
	assert_in_range(n, 1, 64);
	document_is(c, 1000, "1000");
}

static void a_large_document_is_not_kept(void **state)
{
	struct settings_cache *c = *state;
	char *large = calloc(1, 1 << 20);

	settings_cache_put_document(c, 5, (struct slice){large, 1 << 20}, true);
	assert_null(settings_cache_document(c, 5).p);
	free(large);
}

/* The broker lost what it had: sequences begin anew, and mean something else. */
static void a_sequence_that_does_not_grow_is_of_another_stream(void **state)
{
	struct settings_cache *c = *state;

	settings_cache_put_document(c, 10, SLICE_LIT("of old"), true);
	settings_cache_put_document(c, 11, SLICE_LIT("of old too"), true);
	settings_cache_put_document(c, 10, SLICE_LIT("new"), true);
	document_is(c, 10, "new");
	document_is(c, 11, NULL);
}

static void put_head(struct settings_cache *c, const char *kind, const char *id,
    uint64_t seq, uint64_t revision)
{
	AUTO(buf_deinit) struct buf b = BUF_NULL(4096);
	struct settings_head h = {.revision = revision, .kind = "base"};
	struct id name;

	assert_true(id_parse(slice_of(id), &name));
	settings_head_print(&h, &b);
	settings_cache_put_head(c, kind, &name, seq, buf_slice(&b));
}

static uint64_t head_of(struct settings_cache *c, const char *kind, const char *id)
{
	struct settings_head h = {0};
	struct id name;
	uint64_t revision;

	assert_true(id_parse(slice_of(id), &name));
	if (!settings_cache_head(c, kind, &name, &h))
		return 0;
	revision = h.revision;
	assert_int_equal(h.seq, revision + 100);
	return revision;
}

static void a_revision_is_found_by_whose_it_is(void **state)
{
	struct settings_cache *c = *state;

	assert_int_equal(head_of(c, "ses", "a"), 0);
	put_head(c, "ses", "a", 101, 1);
	put_head(c, "app", "a", 102, 2);
	put_head(c, "ses", "b", 103, 3);
	assert_int_equal(head_of(c, "ses", "a"), 1);
	assert_int_equal(head_of(c, "app", "a"), 2);
	assert_int_equal(head_of(c, "ses", "b"), 3);
	assert_int_equal(head_of(c, "app", "b"), 0);
	put_head(c, "ses", "a", 104, 4);
	assert_int_equal(head_of(c, "ses", "a"), 4);
	settings_cache_clear(c);
	assert_int_equal(head_of(c, "ses", "a"), 0);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

TEST_MAIN(T(a_document_is_found_by_its_sequence_alone), T(it_does_not_grow),
    T(a_large_document_is_not_kept),
    T(a_sequence_that_does_not_grow_is_of_another_stream),
    T(a_revision_is_found_by_whose_it_is))

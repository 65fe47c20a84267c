/* A store on a bus on a broker of its own. Its calls wait for their result. */
#pragma once

#include "base/io/store.h"
#include "tests/lib/bus_fixture.h"

struct store_fixture {
	struct bus_fixture bus; /* first: its setup and teardown serve */
	struct store *store;
	/* the last result */
	bool done;
	size_t n_done;
	int code;
	char detail[160], key[128], value[256];
	size_t n_value;
	uint64_t revision;
	bool duplicate;
	int64_t at_unix_ms;
	char header[128]; /* of the name in @want_header */
	const char *want_header;
};

int store_fixture_setup(void **state);
int store_fixture_setup_started(void **state); /* connected, bucket "b" made */
int store_fixture_teardown(void **state);
void store_fixture_open(struct store_fixture *f);
void store_fixture_close(struct store_fixture *f);
/* Keeps @r in the fixture. */
void store_fixture_on_result(void *data, const struct store_result *r);
/* Until the result of the call before; returns its code. */
int store_fixture_wait(struct store_fixture *f);

int store_fixture_put(struct store_fixture *f, const char *bucket, const char *key,
    const char *value, int64_t expected);
int store_fixture_delete(
    struct store_fixture *f, const char *bucket, const char *key, int64_t expected);
int store_fixture_get(struct store_fixture *f, const char *bucket, const char *key);
int store_fixture_ensure_bucket(
    struct store_fixture *f, const char *name, const char *feed);
int store_fixture_ensure_stream(struct store_fixture *f, const struct store_stream *st);

#define STORE_TEST(test)                                                                 \
	cmocka_unit_test_setup_teardown(                                                 \
	    test, store_fixture_setup_started, store_fixture_teardown)

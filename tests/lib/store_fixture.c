/* A store on a bus on a broker of its own. */
#include "tests/lib/store_fixture.h"

#include <stdlib.h>
#include <string.h>

int store_fixture_setup(void **state)
{
	struct store_fixture *f = calloc(1, sizeof(*f));

	nats_fixture_init(&f->bus.broker, NULL);
	*state = f;
	return 0;
}

void store_fixture_open(struct store_fixture *f)
{
	bus_fixture_open(&f->bus);
	f->store = store_new(f->bus.loop, f->bus.bus);
	bus_fixture_start(&f->bus);
}

int store_fixture_setup_started(void **state)
{
	struct store_fixture *f;

	store_fixture_setup(state);
	f = *state;
	nats_fixture_start(&f->bus.broker);
	store_fixture_open(f);
	bus_fixture_wait(&f->bus);
	return store_fixture_ensure_bucket(f, "b", "feed.b");
}

void store_fixture_close(struct store_fixture *f)
{
	f->store = store_free(f->store);
	if (f->bus.loop)
		bus_fixture_close(&f->bus);
}

int store_fixture_teardown(void **state)
{
	struct store_fixture *f = *state;

	store_fixture_close(f);
	return bus_fixture_teardown(state);
}

void store_fixture_on_result(void *data, const struct store_result *r)
{
	struct store_fixture *f = data;
	const struct bus_msg m = {.headers = r->headers, .n_headers = r->n_headers};
	const char *h = f->want_header ? bus_msg_header(&m, f->want_header) : NULL;

	f->done = true;
	f->n_done++;
	f->code = r->code;
	f->revision = r->revision;
	f->duplicate = r->duplicate;
	f->at_unix_ms = r->at_unix_ms;
	f->n_value = r->value.n;
	snprintf(f->detail, sizeof(f->detail), "%s", r->detail);
	snprintf(f->key, sizeof(f->key), "%s", r->key ? r->key : "");
	snprintf(f->value, sizeof(f->value), SLICE_FMT, SLICE_ARG(r->value));
	snprintf(f->header, sizeof(f->header), "%s", h ? h : "");
	assert_true((r->code == 0) == (*r->detail == '\0'));
}

int store_fixture_wait(struct store_fixture *f)
{
	assert_true(run_until(f->bus.loop, &f->done, LIMIT_MS));
	f->done = false;
	return f->code;
}

int store_fixture_put(struct store_fixture *f, const char *bucket, const char *key,
    const char *value, int64_t expected)
{
	store_put(
	    f->store, bucket, key, slice_of(value), expected, store_fixture_on_result, f);
	assert_false(f->done);
	return store_fixture_wait(f);
}

int store_fixture_delete(
    struct store_fixture *f, const char *bucket, const char *key, int64_t expected)
{
	store_delete(f->store, bucket, key, expected, store_fixture_on_result, f);
	return store_fixture_wait(f);
}

int store_fixture_get(struct store_fixture *f, const char *bucket, const char *key)
{
	store_get(f->store, bucket, key, store_fixture_on_result, f);
	return store_fixture_wait(f);
}

int store_fixture_ensure_bucket(
    struct store_fixture *f, const char *name, const char *feed)
{
	const struct store_bucket b = {
	    .name = name, .max_value_bytes = 1024 * 1024, .feed = feed};

	store_ensure_bucket(f->store, &b, store_fixture_on_result, f);
	return store_fixture_wait(f);
}

int store_fixture_ensure_stream(struct store_fixture *f, const struct store_stream *st)
{
	store_ensure_stream(f->store, st, store_fixture_on_result, f);
	return store_fixture_wait(f);
}

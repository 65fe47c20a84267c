/* Reads of streams that another connection is just making. */
#include "tests/lib/store_fixture.h"

#include <errno.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"

enum {
	GATE_STREAMS = 60,
};

static void on_made(void *data, int code, const struct bus_msg *m)
{
	(void)m;
	*(int *)data = code;
}

/* Over a connection of its own: the broker handles what comes over one in order. */
static void make_stream(struct bus *other, const char *name, int *code_out)
{
	char subject[64], body[256];
	struct bus_request r = {
	    .subject = subject, .timeout_ms = 5000, .cb = on_made, .cb_data = code_out};

	snprintf(subject, sizeof subject, "$JS.API.STREAM.CREATE.KV_%s", name);
	snprintf(body, sizeof body, "{\"name\":\"KV_%s\",\"subjects\":[\"$KV.%s.>\"]}",
	    name, name);
	r.data = slice_of(body);
	*code_out = -1;
	bus_request(other, &r);
}

static void ignore_state(void *data, enum bus_event ev)
{
	(void)data;
	(void)ev;
}

static void note_closed(void *data)
{
	*(bool *)data = true;
}

struct reader {
	struct store *store;
	char name[16];
	bool there;
	int code;
};

static void on_read(void *data, const struct store_result *r)
{
	struct reader *rd = data;

	rd->code = r->code;
	rd->there = strstr(r->detail, "(10037)") != NULL;
	if (!rd->there && r->code == ERROR_NOT_FOUND)
		store_get(rd->store, rd->name, "k", on_read, rd);
}

static bool all_there(const struct reader *readers)
{
	for (int i = 0; i < GATE_STREAMS; i++) {
		if (readers[i].code != ERROR_NOT_FOUND)
			fail_msg("read %d: %d", i, readers[i].code);
		if (!readers[i].there)
			return false;
	}
	return true;
}

/* A broker that dies of it answers nothing of this. */
static void reads_race_the_making_of_their_streams(void **state)
{
	static struct reader readers[GATE_STREAMS];
	static int made[GATE_STREAMS];
	struct store_fixture *f = *state;
	const struct bus_conf conf = {.name = "other", .url = f->bus.broker.url};
	struct bus *other;
	struct err e = ERR_NULL;
	bool closed = false;

	assert_int_equal(bus_new(f->bus.loop, &conf, ignore_state, NULL, &other, &e), 0);
	assert_int_equal(bus_start(other, &e), 0);
	while (!bus_connected(other))
		uv_run(loop_uv(f->bus.loop), UV_RUN_ONCE);
	for (int i = 0; i < GATE_STREAMS; i++) {
		readers[i] = (struct reader){.store = f->store, .code = ERROR_NOT_FOUND};
		snprintf(readers[i].name, sizeof readers[i].name, "n%d", i);
		make_stream(other, readers[i].name, &made[i]);
		store_get(f->store, readers[i].name, "k", on_read, &readers[i]);
	}
	while (!all_there(readers))
		uv_run(loop_uv(f->bus.loop), UV_RUN_ONCE);
	for (int i = 0; i < GATE_STREAMS; i++)
		assert_int_equal(made[i], 0);
	bus_close(other, note_closed, &closed);
	while (!closed)
		uv_run(loop_uv(f->bus.loop), UV_RUN_ONCE);
}

static void what_we_made_ourselves_is_read_at_once(void **state)
{
	struct store_fixture *f = *state;
	int64_t began_ms;

	assert_int_equal(store_fixture_ensure_bucket(f, "own", NULL), 0);
	began_ms = clock_mono_ms();
	assert_int_equal(store_fixture_get(f, "own", "k"), ERROR_NOT_FOUND);
	assert_true(clock_mono_ms() - began_ms < 400);
}

static void reads_held_end_when_the_store_goes(void **state)
{
	struct store_fixture *f = *state;

	f->n_done = 0;
	store_get(f->store, "absent", "a", store_fixture_on_result, f);
	store_get(f->store, "absent", "b", store_fixture_on_result, f);
	f->store = store_free(f->store);
	assert_int_equal(f->n_done, 2);
	assert_int_equal(f->code, -ECANCELED);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    STORE_TEST(reads_race_the_making_of_their_streams),
	    STORE_TEST(what_we_made_ourselves_is_read_at_once),
	    STORE_TEST(reads_held_end_when_the_store_goes),
	};

	log_init("test_store_gate", LOG_ERROR, true);
	return cmocka_run_group_tests(tests, NULL, NULL);
}

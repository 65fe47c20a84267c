/* A bus on a broker of its own. */
#include "tests/lib/bus_fixture.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"

void bus_fixture_on_state(void *data, enum bus_event ev)
{
	struct bus_fixture *f = data;

	f->connected = ev == BUS_GAP ? f->connected : ev == BUS_CONNECTED;
	f->n_connected += ev == BUS_CONNECTED;
	f->disconnected = f->disconnected || ev == BUS_DISCONNECTED;
	f->gap = f->gap || ev == BUS_GAP;
}

void bus_fixture_on_closed(void *data)
{
	struct bus_fixture *f = data;

	f->closed = true;
	f->bus = NULL;
}

void bus_fixture_on_message(void *data, const struct bus_msg *m)
{
	struct bus_fixture *f = data;
	const char *h = bus_msg_header(m, "x-one");

	f->n_messages++;
	if (m->data.n && m->data.p[0] >= '0' && m->data.p[0] <= '9') {
		uint64_t number = strtoull(m->data.p, NULL, 10);

		f->n_out_of_order += f->last_number && number != f->last_number + 1;
		f->last_number = number;
	}
	snprintf(f->last_subject, sizeof(f->last_subject), "%s", m->subject);
	snprintf(f->last_reply, sizeof(f->last_reply), "%s", m->reply);
	snprintf(f->last_data, sizeof(f->last_data), SLICE_FMT, SLICE_ARG(m->data));
	snprintf(f->last_header, sizeof(f->last_header), "%s", h ? h : "");
	assert_true(m->received_mono_us <= clock_mono_us());
}

void bus_fixture_on_reply(void *data, int code, const struct bus_msg *m)
{
	struct bus_fixture *f = data;

	assert_true(f->n_outcomes < N_OUTCOMES_MAX);
	assert_true((code == 0) == (m != NULL));
	f->outcomes[f->n_outcomes++] = code;
	f->answered = true;
	if (m)
		snprintf(
		    f->last_data, sizeof(f->last_data), SLICE_FMT, SLICE_ARG(m->data));
}

void bus_fixture_open_conf(struct bus_fixture *f, const struct bus_conf *conf)
{
	struct err e = ERR_NULL;

	f->loop = loop_new();
	if (bus_new(f->loop, conf, bus_fixture_on_state, f, &f->bus, &e))
		fail_msg("%s", e.text);
}

void bus_fixture_open(struct bus_fixture *f)
{
	const struct bus_conf conf = {.name = "test", .url = f->broker.url};

	bus_fixture_open_conf(f, &conf);
}

void bus_fixture_start(struct bus_fixture *f)
{
	struct err e = ERR_NULL;

	assert_int_equal(bus_start(f->bus, &e), 0);
}

void bus_fixture_wait(struct bus_fixture *f)
{
	assert_true(run_until(f->loop, &f->connected, LIMIT_MS));
	assert_true(bus_connected(f->bus));
}

void bus_fixture_close(struct bus_fixture *f)
{
	if (f->bus)
		bus_close(f->bus, bus_fixture_on_closed, f);
	assert_true(run_until(f->loop, &f->closed, LIMIT_MS));
	f->loop = loop_free(f->loop);
}

void bus_fixture_subscribe(struct bus_fixture *f, const char *subject, const char *queue)
{
	struct err e = ERR_NULL;

	assert_int_equal(
	    bus_subscribe(f->bus, subject, queue, bus_fixture_on_message, f, &e), 0);
}

int bus_fixture_publish(struct bus_fixture *f, const char *subject, const char *data)
{
	return bus_publish(f->bus, subject, NULL, NULL, 0, slice_of(data));
}

void bus_fixture_publish_waiting(struct bus_fixture *f, const char *subject)
{
	for (int i = 0; i < LIMIT_MS && bus_fixture_publish(f, subject, "x") != 0; i++)
		usleep(1000);
}

uint64_t bus_fixture_request(
    struct bus_fixture *f, const char *subject, int64_t timeout_ms)
{
	const struct bus_request r = {
	    .subject = subject,
	    .data = SLICE_LIT("question"),
	    .timeout_ms = timeout_ms,
	    .cb = bus_fixture_on_reply,
	    .cb_data = f,
	};

	f->answered = false;
	return bus_request(f->bus, &r);
}

int bus_fixture_setup(void **state)
{
	struct bus_fixture *f = calloc(1, sizeof(*f));

	nats_fixture_init(&f->broker, NULL);
	*state = f;
	return 0;
}

int bus_fixture_setup_started(void **state)
{
	bus_fixture_setup(state);
	nats_fixture_start(&((struct bus_fixture *)*state)->broker);
	return 0;
}

int bus_fixture_teardown(void **state)
{
	struct bus_fixture *f = *state;

	nats_fixture_deinit(&f->broker);
	free(f);
	return 0;
}

/* A bus on a broker of its own, with what its callbacks were told. For tests of the bus
 * and of what stands on it. */
#pragma once

#include "base/io/bus.h"
#include "tests/lib/nats_fixture.h"
#include "tests/lib/run.h"
#include "tests/lib/test.h"

enum {
	LIMIT_MS = 10000,
	N_OUTCOMES_MAX = 64,
};

struct bus_fixture {
	struct nats_fixture broker;
	struct loop *loop;
	struct bus *bus;
	bool connected, disconnected, gap, closed;
	size_t n_connected, n_messages, n_outcomes;
	uint64_t last_number; /* of the last message that was one */
	size_t n_out_of_order;
	int outcomes[N_OUTCOMES_MAX];
	char last_subject[128], last_data[128], last_reply[128], last_header[128];
	uint64_t ticket;
	bool answered;
};

void bus_fixture_on_state(void *data, enum bus_event ev);
void bus_fixture_on_closed(void *data);
void bus_fixture_on_message(void *data, const struct bus_msg *m);
void bus_fixture_on_reply(void *data, int code, const struct bus_msg *m);
void bus_fixture_open_conf(struct bus_fixture *f, const struct bus_conf *conf);
void bus_fixture_open(struct bus_fixture *f);
void bus_fixture_start(struct bus_fixture *f);
void bus_fixture_wait(struct bus_fixture *f);
void bus_fixture_close(struct bus_fixture *f);
void bus_fixture_subscribe(struct bus_fixture *f, const char *subject, const char *queue);
int bus_fixture_publish(struct bus_fixture *f, const char *subject, const char *data);
/* The same without turning the loop, however long the sender takes. */
void bus_fixture_publish_waiting(struct bus_fixture *f, const char *subject);
uint64_t bus_fixture_request(
    struct bus_fixture *f, const char *subject, int64_t timeout_ms);
int bus_fixture_setup(void **state);
int bus_fixture_setup_started(void **state);
int bus_fixture_teardown(void **state);

#define WITH_BROKER(test)                                                                \
	cmocka_unit_test_setup_teardown(                                                 \
	    test, bus_fixture_setup_started, bus_fixture_teardown)
#define WITHOUT_BROKER(test)                                                             \
	cmocka_unit_test_setup_teardown(test, bus_fixture_setup, bus_fixture_teardown)

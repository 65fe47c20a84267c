/* The bus as its two files see it: bus.c and bus_request.c. Private to them. */
#pragma once

#include "base/io/bus.h"
#include "base/io/bus_link.h"
#include "base/wheel.h"

enum {
	BUS_TICKET_LEN = 16,
	BUS_INBOX_MAX = 128,
	BUS_TICK_MS = 20,
};

struct bus_handler {
	bus_msg_cb *cb; /* NULL: the inbox, or muted */
	void *data;
};

/* A request under way. Its ticket is generation and index, so that a late reply to an
 * earlier request in the same slot is recognised. */
struct bus_slot {
	struct bus *bus;
	struct wheel_timer deadline;
	struct list_link link; /* bus.failing */
	uint32_t i, generation;
	bool used, many;
	int fail_code; /* while on bus.failing */
	bus_reply_cb *cb;
	void *cb_data;
	int64_t timeout_ms;
	uint64_t sent; /* outbound bytes up to the request */
	uint64_t subject_hash;
	char *reply_part;
};

struct bus {
	struct loop *loop;
	struct bus_link *link;
	bus_state_cb *cb;
	void *data;
	struct list observers; /* struct bus_observer.link */

	bool connected, started;
	char server[sizeof(((struct bus_note *)0)->server)];
	char version[sizeof(((struct bus_note *)0)->version)];
	char problem[sizeof(((struct bus_note *)0)->text)];
	size_t max_payload;
	int64_t gap_logged_ms, refused_logged_ms;

	struct bus_handler *handlers; /* by subscription */
	size_t n_handlers, i_inbox;
	struct bus_item *ready; /* taken from the link, not handled yet */

	char inbox[BUS_INBOX_MAX]; /* "PREFIX.RANDOM." */
	size_t n_inbox;
	struct bus_slot **slots;
	size_t n_slots, n_used, n_parts;
	uint32_t *free_slots;
	size_t n_free;
	struct list failing; /* struct bus_slot.link */
	bool failing_deferred, drain_deferred;
	struct wheel wheel;
	struct loop_timer *tick; /* armed while the wheel is */

	bool closing, released, link_closed;
	struct loop_timer *grace;
	loop_task_cb *closed_cb;
	void *closed_data;
	struct bus_stats stats;
};

/* bus.c */
bool bus_subject_valid(const char *s);
int bus_send(struct bus *b, const struct bus_out *m) MUST_CHECK;
/* If @b is closing and nothing of it is open any more. */
void bus_maybe_free(struct bus *b);

/* bus_request.c */
void bus_requests_init(struct bus *b);
void bus_requests_deinit(struct bus *b);
/* A message on our inbox. */
void bus_on_inbox(struct bus *b, const struct bus_msg *m);
/* Every request under way ends with @code, later. */
void bus_requests_fail(struct bus *b, int code);
void bus_requests_fail_on(struct bus *b, struct slice subject, int code);

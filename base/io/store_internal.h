/* What the parts of the store share: one request to JetStream and its decoded answer.
 * Private to store*.c. */
#pragma once

#include "base/buf.h"
#include "base/io/store.h"
#include "base/jsn.h"

enum {
	STORE_SUBJECT_MAX = 512,
	STORE_REQUEST_MAX = 64 * 1024, /* bytes of a JetStream API request */
};

struct store_watch;

struct store {
	struct loop *loop;
	struct bus *bus;
	struct bus_observer observer;
	struct list ops;          /* struct store_op.link */
	struct list failing;      /* likewise: refused without asking the broker */
	struct loop_timer *later; /* ends what is on failing */
	struct list listings;     /* struct store_listing.link */
	struct list watches;      /* struct store_watch.link */
	struct list gates;        /* struct store_gate.link */
	bool closing;
	bool dead; /* store_free was called from inside a callback of store_on_later,
		      which frees */
	bool calling;
};

struct store_op;

/* Fill @r from the answer, which is no error; a code set there is the outcome. What @r
 * borrows must live in the op. */
typedef void store_decode_fn(
    struct store_op *op, struct store_result *r, const struct jsn *reply);

struct store_op {
	struct list_link link; /* @on */
	struct list *on;       /* store.ops, store.failing or held by a gate */
	struct store *store;
	uint64_t ticket;
	store_decode_fn *decode;
	store_cb *cb;
	void *data;
	char *name; /* key or subject a result names */
	int fail_code;
	const char *fail_text;
	/* while a gate holds it */
	char *subject, *body;
	size_t n_body;
	/* what a result borrows */
	char *value;
	char *header_text;
	struct bus_header *headers;
};

struct store_call {
	const char *subject;
	const struct bus_header *headers;
	size_t n_headers;
	struct slice body;
	store_decode_fn *decode;
	const char *name; /* NULL or copied */
	store_cb *cb;
	void *data;
};

/* Ends in exactly one c->cb, later. The op lives until then. */
struct store_op *store_call(struct store *s, const struct store_call *c);
/* The same for a call that is refused here. @text is static. */
struct store_op *store_call_fail(
    struct store *s, const struct store_call *c, int code, const char *text);
/* No callback will come. Takes NULL. */
void store_call_drop(struct store_op *op);
/* Send what @r says; @op is on no list. */
void store_op_send(struct store_op *op, const struct bus_request *r);
/* It ends with @code, later; @op is on no list. @text is static. */
void store_op_fail_later(struct store_op *op, int code, const char *text);
/* The usual words for a code of the bus. */
const char *store_words(int code);

/* $JS.API.<what, printf>; false if a name in it does not fit. */
bool store_subject(char out[static STORE_SUBJECT_MAX], const char *fmt, ...)
    PRINTF_LIKE(2, 3);
/* One token of a subject: a stream, bucket or consumer. */
bool store_name_valid(const char *name);
bool store_key_valid(const char *key);

/* Stands in the detail of a result when the stream is there and the message is not. */
#define STORE_NO_MESSAGE "(10037)"

/* The outcome of an error in a JetStream answer, and its words in @detail. */
int store_error_code(const struct jsn *error, char *detail, size_t cap);

/* "NATS/1.0\r\nName: value\r\n..." in place into @out; returns how many. */
size_t store_headers_parse(char *text, struct bus_header *out, size_t cap);
/* Each ends with -ECANCELED, now. */
void store_cancel_all(struct store *s, struct list *ops);
bool store_is_deletion(const struct bus_header *h, size_t n);
/* Standard base64, strict; malloc'ed with a NUL after the bytes, NULL if malformed. */
char *store_base64_decode(const char *text, size_t *n_out);

/* store_gate.c */
struct store_gate;
/* The gate that must open before a request to @subject may be sent, or NULL. */
struct store_gate *store_gate_before(struct store *s, const char *subject);
/* Keep @op, which is on no list, and what it asks until the gate opens. */
void store_gate_hold(
    struct store_gate *g, struct store_op *op, const struct bus_request *r);
/* We have made this stream, or the broker has long had it. */
void store_gate_open(struct store *s, const char *stream);
/* Ops held end with -ECANCELED. */
void store_gates_free(struct store *s);

/* store_list.c */
struct store_listing;
/* As store_list; the listing lives until DONE or FAILED. */
struct store_listing *store_listing_new(struct store *s, const struct store_list *l);
/* No callback will come. Takes NULL. */
void store_listing_drop(struct store_listing *l);
/* Each ends with -ECANCELED. */
void store_listings_cancel(struct store *s);

/* store_watch.c */
void store_watches_on_bus(struct store *s, enum bus_event ev);
void store_watches_free(struct store *s);

/* An HTTP server with simple routes on a loop of its own, and a client of raw bytes for
 * what no proper client would send. */
#pragma once

#include "base/buf.h"
#include "base/io/http.h"
#include "tests/lib/test.h"

enum {
	HTTP_FIXTURE_LIMIT_MS = 10000,
	HTTP_FIXTURE_BODY_MAX = 64 * 1024,
};

/* Routes: /echo (the body), /late (kept in late_req), /stream (kept in stream), /ws (a
 * WebSocket that sends back what it gets), /late-ws (kept), /roomy (body limit 32 MiB),
 * any path ending in /refused: 401 before the body is read; the rest: the path. */
struct http_fixture {
	struct loop *loop;
	struct http_server *server;
	struct http_conf conf; /* for http_fixture_open */
	struct http_ws_conf ws_conf;
	uint16_t port;
	bool closed;

	size_t n_headers, n_requests, n_aborted;
	char method[16], path[256], query_a[256], header_x[256];
	bool has_query_a, has_header_x;
	size_t n_body;
	struct http_req *late;

	struct http_stream *stream;
	size_t n_stream_closed, n_stream_drained;

	struct http_ws *ws; /* the last one opened, NULL when closed */
	bool ws_holds;      /* do not send back */
	size_t n_ws_opened, n_ws_closed, n_ws_messages, n_ws_drained, n_ws_bytes;
	int ws_code;
	char ws_text[256];
	bool ws_was_text;
};

void http_fixture_init(struct http_fixture *f);  /* loop and defaults */
void http_fixture_open(struct http_fixture *f);  /* the server */
void http_fixture_close(struct http_fixture *f); /* if open; waits until it is gone */
void http_fixture_deinit(struct http_fixture *f);
int http_fixture_setup(void **state); /* init and open */
int http_fixture_teardown(void **state);

#define WITH_SERVER(test)                                                                \
	cmocka_unit_test_setup_teardown(test, http_fixture_setup, http_fixture_teardown)

struct raw {
	struct http_fixture *f;
	int fd;
	struct buf in;
	bool ended; /* the server has ended or reset the connection */
	bool reset;
};

void raw_open(struct raw *r, struct http_fixture *f);
void raw_open_at(struct raw *r, struct http_fixture *f, const char *address);
void raw_close(struct raw *r);
/* Turn the loop once, waiting a little if nothing is to be done, and read. */
void raw_turn(struct raw *r);
void raw_send(struct raw *r, const void *p, size_t n);
void raw_sends(struct raw *r, const char *text);
/* Until that many bytes, that text, or the end is there. False after the limit. */
bool raw_wait_n(struct raw *r, size_t n);
bool raw_wait_text(struct raw *r, const char *text);
bool raw_wait_end(struct raw *r);
/* The next answer with Content-Length, off the input: its status, body in @body. Aborts
 * the test if none comes. */
int raw_answer(struct raw *r, char *head, size_t n_head, char *body, size_t n_body);
/* Send a request and take its answer's status. */
int raw_status(struct raw *r, const char *request);

/* A server that says what the test writes: for answers no proper server would give. */
struct raw_listener {
	struct http_fixture *f;
	int fd;
	uint16_t port;
};
void raw_listen(struct raw_listener *l, struct http_fixture *f);
void raw_accept(struct raw_listener *l, struct raw *out);
void raw_unlisten(struct raw_listener *l);

/* Valid until the fourth call after this one. */
const char *http_fixture_url(
    const char *scheme, const char *host, uint16_t port, const char *path);

bool http_fixture_run(struct http_fixture *f, const bool *flag);
bool http_fixture_run_n(struct http_fixture *f, const size_t *counter, size_t n);

/* A WebSocket client and a server to try it on, with what the callbacks were told. */
#pragma once

#include "base/io/ws_client.h"
#include "tests/lib/http_fixture.h"
#include "tests/lib/tls_fixture.h"

struct ws_client_fixture {
	struct http_fixture http; /* first: a server to connect to */
	struct ws_client_ctx *ctx;
	struct ws_client *client;
	struct ws_client_conf conf;
	bool ctx_closed;
	size_t n_opened, n_messages, n_bytes, n_drained, n_closed;
	int code, status;
	char why[160], text[256];
	bool was_text;
	bool close_when_opened;
	int drop_at_message; /* close with this code when one comes; -1: not */
};

int ws_client_fixture_setup(void **state);
int ws_client_fixture_teardown(void **state);
void ws_client_fixture_open_ctx(
    struct ws_client_fixture *f, const char *ca_file, bool skip_verify);
void ws_client_fixture_close_ctx(struct ws_client_fixture *f); /* if open */
/* Connect with f->conf; never called back from inside. */
void ws_client_fixture_start(struct ws_client_fixture *f, const char *url);
/* Connect to the fixture's server and wait until it is open. */
void ws_client_fixture_open(struct ws_client_fixture *f);
/* Until closed() was called, once. */
void ws_client_fixture_wait_closed(struct ws_client_fixture *f);

#define WITH_CLIENT(test)                                                                \
	cmocka_unit_test_setup_teardown(                                                 \
	    test, ws_client_fixture_setup, ws_client_fixture_teardown)

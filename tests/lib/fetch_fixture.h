/* A client of HTTP and a server to try it on, with what the callbacks were told. */
#pragma once

#include "base/io/fetch.h"
#include "tests/lib/http_fixture.h"
#include "tests/lib/tls_fixture.h"

struct fetch_fixture {
	struct http_fixture http; /* first: a server to fetch from */
	struct fetch *fetch;
	bool closed;
	/* what callbacks were told last */
	size_t n_ended, n_chunks, n_chunk_bytes;
	int code, status;
	char detail[160], body[1024], etag[64], content_type[64];
	size_t n_body;
	int64_t retry_after_s;
	/* what they shall do */
	bool stop_at_chunk;
	uint64_t cancel_at_chunk;
	const char *then_url; /* fetch this next */
};

int fetch_fixture_setup(void **state);
int fetch_fixture_teardown(void **state);
void fetch_fixture_close(struct fetch_fixture *f); /* the client, if open */
/* On the fixture's server. */
const char *fetch_fixture_url(const struct fetch_fixture *f, const char *path);
/* Fill in the callback and start; never called back from inside. */
uint64_t fetch_fixture_start(struct fetch_fixture *f, struct fetch_request r);
/* Start and wait for the end. */
void fetch_fixture_run(struct fetch_fixture *f, struct fetch_request r);
bool fetch_fixture_on_chunk(void *data, int status, struct slice chunk);

#define WITH_FETCH(test)                                                                 \
	cmocka_unit_test_setup_teardown(test, fetch_fixture_setup, fetch_fixture_teardown)

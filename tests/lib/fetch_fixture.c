#include "tests/lib/fetch_fixture.h"

#include <stdlib.h>

#include "base/must.h"

static void on_end(void *data, const struct fetch_response *r)
{
	struct fetch_fixture *f = data;

	f->n_ended++;
	f->code = r->code;
	f->status = r->status;
	f->n_body = r->body.n;
	f->retry_after_s = r->retry_after_s;
	assert_int_equal(r->body.p[r->body.n], '\0');
	snprintf(f->detail, sizeof(f->detail), "%s", r->detail);
	memcpy(f->body, r->body.p,
	    r->body.n < sizeof(f->body) ? r->body.n + 1 : sizeof(f->body));
	snprintf(f->etag, sizeof(f->etag), "%s", r->etag);
	snprintf(f->content_type, sizeof(f->content_type), "%s", r->content_type);
	if (f->then_url) {
		const struct fetch_request next = {
		    .url = f->then_url, .cb = on_end, .data = f};

		f->then_url = NULL;
		fetch_start(f->fetch, &next);
	}
}

bool fetch_fixture_on_chunk(void *data, int status, struct slice chunk)
{
	struct fetch_fixture *f = data;

	f->n_chunks++;
	f->n_chunk_bytes += chunk.n;
	f->status = status;
	snprintf(f->body, sizeof(f->body), SLICE_FMT, SLICE_ARG(chunk));
	if (f->cancel_at_chunk)
		fetch_cancel(f->fetch, f->cancel_at_chunk);
	return !f->stop_at_chunk;
}

static void on_closed(void *data)
{
	((struct fetch_fixture *)data)->closed = true;
}

int fetch_fixture_setup(void **state)
{
	struct fetch_fixture *f = calloc(1, sizeof(*f));

	must(f);
	http_fixture_init(&f->http);
	http_fixture_open(&f->http);
	f->fetch = fetch_new(f->http.loop, NULL, false);
	*state = f;
	return 0;
}

void fetch_fixture_close(struct fetch_fixture *f)
{
	if (f->fetch) {
		fetch_close(f->fetch, on_closed, f);
		assert_true(http_fixture_run(&f->http, &f->closed));
	}
	f->fetch = NULL;
	f->closed = false;
}

int fetch_fixture_teardown(void **state)
{
	struct fetch_fixture *f = *state;

	fetch_fixture_close(f);
	http_fixture_deinit(&f->http);
	free(f);
	return 0;
}

const char *fetch_fixture_url(const struct fetch_fixture *f, const char *path)
{
	return http_fixture_url("http", "127.0.0.1", f->http.port, path);
}

uint64_t fetch_fixture_start(struct fetch_fixture *f, struct fetch_request r)
{
	size_t n_ended = f->n_ended;
	uint64_t ticket;

	r.cb = on_end;
	r.data = f;
	ticket = fetch_start(f->fetch, &r);
	assert_int_equal(f->n_ended, n_ended); /* never from inside */
	return ticket;
}

void fetch_fixture_run(struct fetch_fixture *f, struct fetch_request r)
{
	size_t n_ended = f->n_ended;

	fetch_fixture_start(f, r);
	assert_true(http_fixture_run_n(&f->http, &f->n_ended, n_ended + 1));
}

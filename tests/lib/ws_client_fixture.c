#include "tests/lib/ws_client_fixture.h"

#include <stdlib.h>

#include "base/must.h"
#include "tests/lib/run.h"

static void on_opened(void *data)
{
	struct ws_client_fixture *f = data;

	f->n_opened++;
	if (f->close_when_opened)
		ws_client_close(f->client, 1000, "enough");
}

static void on_message(void *data, struct slice msg, bool is_text)
{
	struct ws_client_fixture *f = data;

	f->n_messages++;
	f->n_bytes += msg.n;
	f->was_text = is_text;
	snprintf(f->text, sizeof(f->text), SLICE_FMT, SLICE_ARG(msg));
	if (f->drop_at_message >= 0)
		ws_client_close(f->client, f->drop_at_message, NULL);
}

static void on_drained(void *data)
{
	((struct ws_client_fixture *)data)->n_drained++;
}

static void on_client_closed(void *data, int code, int status, const char *why)
{
	struct ws_client_fixture *f = data;

	f->client = NULL;
	f->n_closed++;
	f->code = code;
	f->status = status;
	snprintf(f->why, sizeof(f->why), "%s", why);
}

static void on_ctx_closed(void *data)
{
	((struct ws_client_fixture *)data)->ctx_closed = true;
}

void ws_client_fixture_open_ctx(
    struct ws_client_fixture *f, const char *ca_file, bool skip_verify)
{
	struct err e;

	if (ws_client_ctx_new(f->http.loop, ca_file, skip_verify, &f->ctx, &e))
		fail_msg("%s", e.text);
	f->ctx_closed = false;
}

void ws_client_fixture_close_ctx(struct ws_client_fixture *f)
{
	if (f->ctx) {
		ws_client_ctx_close(f->ctx, on_ctx_closed, f);
		assert_true(http_fixture_run(&f->http, &f->ctx_closed));
	}
	f->ctx = NULL;
}

int ws_client_fixture_setup(void **state)
{
	struct ws_client_fixture *f = calloc(1, sizeof(*f));

	must(f);
	http_fixture_init(&f->http);
	http_fixture_open(&f->http);
	ws_client_fixture_open_ctx(f, NULL, false);
	f->drop_at_message = -1;
	f->conf = (struct ws_client_conf){.opened = on_opened,
	    .message = on_message,
	    .drained = on_drained,
	    .closed = on_client_closed,
	    .message_max_bytes = 64 * 1024 * 1024,
	    .queue_max_bytes = 64 * 1024 * 1024,
	    .data = f};
	*state = f;
	return 0;
}

int ws_client_fixture_teardown(void **state)
{
	struct ws_client_fixture *f = *state;

	ws_client_fixture_close_ctx(f);
	http_fixture_deinit(&f->http);
	free(f);
	return 0;
}

void ws_client_fixture_start(struct ws_client_fixture *f, const char *url)
{
	size_t n_told = f->n_opened + f->n_closed;
	struct err e;

	f->conf.url = url;
	if (ws_client_connect(f->ctx, &f->conf, &f->client, &e))
		fail_msg("%s", e.text);
	assert_int_equal(f->n_opened + f->n_closed, n_told); /* never from inside */
}

void ws_client_fixture_open(struct ws_client_fixture *f)
{
	ws_client_fixture_start(
	    f, http_fixture_url("ws", "127.0.0.1", f->http.port, "/ws"));
	assert_true(http_fixture_run_n(&f->http, &f->n_opened, 1));
	assert_true(http_fixture_run_n(&f->http, &f->http.n_ws_opened, 1));
}

void ws_client_fixture_wait_closed(struct ws_client_fixture *f)
{
	assert_true(http_fixture_run_n(&f->http, &f->n_closed, 1));
	run_for(f->http.loop, 20);
	assert_int_equal(f->n_closed, 1);
	assert_null(f->client);
}

#include "zedctl/watch.h"

#include <string.h>

#include "zedctl/sse.h"
#include "zedctl/web.h"

enum {
	WATCH_PERIOD_MS =
	    2000, /* ages grow, and not everything that changes is published */
	WATCH_SETTLE_MS = 100,
	WATCH_SILENCE_MS = 45000, /* three of the stream's comment lines */
	WATCH_PATH_MAX_BYTES = 4096,
};

static void watch_on_message(void *data, const struct bus_msg *m)
{
	(void)m;
	*(bool *)data = true;
}

static void watch_clear(const struct ctl *c)
{
	if (c->is_tty)
		fputs("\033[H\033[2J", stdout);
}

int watch_run(struct ctl *c, const struct args *a, const char *subject, watch_show *show)
{
	static bool changed; /* subscriptions live as long as the connection */
	const bool never = false;
	struct err e = ERR_NULL;
	int exit_code = CTL_DONE;

	if (!args_has(a, "watch"))
		return show(c, a);
	if (subject)
		exit_code = ctl_connect(c);
	if (subject && exit_code == CTL_DONE &&
	    bus_subscribe(c->bus, subject, NULL, watch_on_message, &changed, &e) != 0)
		exit_code = ctl_fail(CTL_REFUSED, "%s", e.text);
	while (exit_code == CTL_DONE) {
		watch_clear(c);
		exit_code = show(c, a);
		fflush(stdout);
		changed = false;
		ctl_wait(c, &changed, WATCH_PERIOD_MS);
		ctl_wait(c, &never, WATCH_SETTLE_MS);
	}
	return exit_code;
}

/* ---- a session's settings, by its stream of events */

struct watch_stream {
	struct ctl *c;
	const char *session;
	struct sse sse;
	uint64_t ticket; /* 0: not open */
	bool changed;
};

static void watch_on_event(void *data, const char *name, struct slice json)
{
	struct watch_stream *w = data;

	(void)json;
	if (strcmp(name, "overrides") == 0 || strcmp(name, "config_changed") == 0)
		w->changed = true;
}

static bool watch_on_chunk(void *data, int status, struct slice chunk)
{
	struct watch_stream *w = data;

	(void)status;
	return sse_feed(&w->sse, chunk);
}

static void watch_on_end(void *data, const struct fetch_response *r)
{
	struct watch_stream *w = data;

	(void)r;
	w->ticket = 0;
	sse_reset(&w->sse);
}

static void watch_open(struct watch_stream *w)
{
	static const char *const headers[] = {"Accept: text/event-stream", NULL};
	struct buf path = BUF_NULL(WATCH_PATH_MAX_BYTES),
		   url = BUF_NULL(2 * WATCH_PATH_MAX_BYTES);
	struct fetch_request r = {
	    .method = "GET",
	    .bearer = w->c->token,
	    .headers = headers,
	    .timeout_ms = w->c->connect_timeout_ms,
	    .idle_timeout_ms = WATCH_SILENCE_MS,
	    .chunk_cb = watch_on_chunk,
	    .cb = watch_on_end,
	    .data = w,
	};

	buf_addf(
	    &url, "%s%s", w->c->server, web_session_path(&path, w->session, "/events"));
	r.url = buf_cstr(&url);
	w->ticket = fetch_start(ctl_fetch(w->c), &r);
	buf_deinit(&path);
	buf_deinit(&url);
}

int watch_session(
    struct ctl *c, const struct args *a, const char *session, watch_show *show)
{
	struct watch_stream w = {.c = c, .session = session};
	const bool never = false;
	int exit_code = CTL_DONE;

	if (!args_has(a, "watch"))
		return show(c, a);
	sse_init(&w.sse, watch_on_event, &w);
	while (exit_code == CTL_DONE) {
		if (!w.ticket)
			watch_open(&w);
		w.changed = false;
		watch_clear(c);
		exit_code = show(c, a);
		fflush(stdout);
		/* ages grow, and the stream may be away */
		ctl_wait(c, &w.changed, WATCH_PERIOD_MS);
		ctl_wait(c, &never, WATCH_SETTLE_MS);
	}
	if (w.ticket)
		fetch_cancel(ctl_fetch(c), w.ticket);
	sse_deinit(&w.sse);
	return exit_code;
}

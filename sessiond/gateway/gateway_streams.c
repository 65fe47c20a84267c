/* The streams and buckets of chat, made one after the other at each connect; then the
 * settings' own.
 *
 * failure modes: broker without JetStream, a field that cannot be changed: said in
 * /readyz, tried again
 */
#include "sessiond/gateway/gateway.h"

#include "base/must.h"
#include "proto/subjects.h"
#include "sessiond/events.h"
#include "sessiond/gateway/settings.h"
#include "sessiond/gateway/turn_store.h"

#include <errno.h>

enum {
	STREAMS_RETRY_MS = 2000,
	RECORD_VALUE_MAX = 64 * 1024,
	TURN_VALUE_MAX = 600 * 1000, /* prompt (256 KiB) and error text */
	REQUEST_VALUE_MAX = 64 * 1024,
	REQUEST_TTL_MS = 7 * 24 * 3600 * 1000,
	LIVE_TTL_DAYS = 14,
	DAY_MS = 24 * 3600 * 1000,
	TRANSCRIPT_WINDOW_MS = 10 * 60 * 1000,
};

static void streams_on_made(void *data, const struct store_result *r);

static void streams_make_bucket(struct gateway *g, const char *name, int64_t value_max,
    int64_t ttl_ms, const char *feed_token)
{
	struct subject feed = SUBJECT_OF(session_feed, feed_token ? feed_token : "none");
	struct store_bucket b = {.name = name,
	    .history = 1,
	    .max_value_bytes = value_max,
	    .ttl_ms = ttl_ms,
	    .replicas = g->conf->replicas,
	    .feed = feed_token ? feed.s : NULL};

	store_ensure_bucket(g->store, &b, streams_on_made, g);
}

static void streams_make_live(struct gateway *g)
{
	struct store_stream st = {.name = STREAM_session_live,
	    .subjects = SUBJ_session_live_all,
	    .max_age_ms = (int64_t)LIVE_TTL_DAYS * DAY_MS,
	    .replicas = g->conf->replicas};

	store_ensure_stream(g->store, &st, streams_on_made, g);
}

static void streams_make_transcript(struct gateway *g)
{
	struct store_stream st = {.name = STREAM_session_transcript,
	    .subjects = SUBJ_session_transcript_all,
	    .duplicate_window_ms = TRANSCRIPT_WINDOW_MS,
	    .replicas = g->conf->replicas};

	store_ensure_stream(g->store, &st, streams_on_made, g);
}

static void streams_on_settings(void *data, const struct store_result *r)
{
	struct gateway *g = data;

	g->streams_making = false;
	if (r->code && r->code != -ECANCELED) {
		log_event(
		    EV_streams_failed, LF("stream", "settings"), LF("detail", r->detail));
		loop_timer_start(g->streams_retry, STREAMS_RETRY_MS, 0);
		return;
	}
	g->settings_ensured = r->code == 0;
}

static void streams_next(struct gateway *g)
{
	switch (g->next_stream) {
	case 0:
		streams_make_bucket(
		    g, BUCKET_session_record, RECORD_VALUE_MAX, 0, "record");
		break;
	case 1:
		streams_make_bucket(g, BUCKET_session_turn, TURN_VALUE_MAX, 0, "turn");
		break;
	case 2:
		streams_make_bucket(
		    g, BUCKET_session_request, REQUEST_VALUE_MAX, REQUEST_TTL_MS, NULL);
		break;
	case 3:
		streams_make_live(g);
		break;
	case 4:
		streams_make_transcript(g);
		break;
	default:
		g->streams_ready = true;
		g->streams_problem[0] = '\0';
		turns_on_connected(g->turns);
		settings_ensure(g->settings, streams_on_settings, g);
		break;
	}
}

static void streams_on_made(void *data, const struct store_result *r)
{
	struct gateway *g = data;

	if (r->code == 0) {
		g->next_stream++;
		streams_next(g);
		return;
	}
	g->streams_making = false;
	if (r->code == -ECANCELED)
		return;
	snprintf(g->streams_problem, sizeof(g->streams_problem), "%s", r->detail);
	log_event(
	    EV_streams_failed, LF_I("stream", g->next_stream), LF("detail", r->detail));
	loop_timer_start(g->streams_retry, STREAMS_RETRY_MS, 0);
}

static void streams_on_retry(struct loop_timer *t, void *data)
{
	(void)t;
	gateway_streams_ensure(data);
}

void gateway_streams_ensure(struct gateway *g)
{
	if (!g->streams_retry)
		g->streams_retry = loop_timer_new(g->loop, streams_on_retry, g);
	if (g->streams_making || !g->broker_up)
		return;
	g->streams_making = true;
	g->next_stream = 0;
	streams_next(g);
}

void gateway_streams_stop(struct gateway *g)
{
	g->streams_retry = loop_timer_free(g->streams_retry);
}

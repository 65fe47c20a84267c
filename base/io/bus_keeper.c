/* The threads behind the bus: the keeper, which connects again and again, and the
 * callbacks that come on threads of nats.c. Nothing of the program runs on them: they
 * queue items and wake the loop.
 *
 * happy path: start, the keeper connects, subscribes all, CONNECTED, messages, stop,
 * flush, close, ENDED
 *
 * failure modes: no broker or refused: FAILED, wait, again; connection lost:
 * DISCONNECTED, torn down by the keeper, again (subscriptions die with their connection,
 * when nothing can be delivered any more, and are made anew); a write that fails or
 * takes too long leaves half a frame on the wire: the connection is given up; queue
 * full: dropped, one GAP */
#include <errno.h>
#include <string.h>

#include "base/backoff.h"
#include "base/clock.h"
#include "base/ids.h"
#include "base/io/bus_conf.h"
#include "base/io/bus_link_internal.h"
#include "base/io/bus_probe.h"

enum {
	LINK_RETRY_MS = 100,
	LINK_RETRY_CAP_MS = 500,
	LINK_RETRY_AUTH_CAP_MS = 5000,
	LINK_TEARDOWN_MS = 5000,
	LINK_MSG_OVERHEAD = 256, /* bytes a waiting message costs besides its data */
};

static void link_on_message(
    natsConnection *nc, natsSubscription *nats, natsMsg *msg, void *closure)
{
	struct link_sub *s = closure;
	struct bus_link *k = s->link;
	struct link_queue_use *used = &k->used[s->is_inbox];
	size_t n_bytes = (size_t)natsMsg_GetDataLength(msg) + LINK_MSG_OVERHEAD;
	struct bus_item *i = bus_item_new(BUS_ITEM_MESSAGE);

	(void)nc;
	(void)nats;
	i->msg = msg;
	i->i_sub = s->i;
	i->n_bytes = n_bytes;
	i->received_mono_us = clock_mono_us();
	pthread_mutex_lock(&k->mu);
	if (!k->stop && used->n < BUS_QUEUE_MAX &&
	    used->n_bytes + n_bytes <= BUS_QUEUE_BYTES_MAX) {
		used->n++;
		used->n_bytes += n_bytes;
		link_push_locked(k, i);
		i = NULL; /* taken by the queue */
	} else if (!k->stop) {
		k->n_dropped++;
		link_gap_locked(k);
	}
	pthread_mutex_unlock(&k->mu);
	bus_item_free(i);
}

void link_on_complete(void *closure)
{
	struct link_sub *s = closure;
	struct bus_link *k = s->link;

	pthread_mutex_lock(&k->mu);
	k->n_open--;
	pthread_cond_broadcast(&k->cond);
	link_unref_locked(k);
}

static const char *link_last_words(natsConnection *nc, natsStatus fallback)
{
	const char *words = NULL;
	natsStatus s = natsConnection_GetLastError(nc, &words);

	if (words && *words)
		return words;
	return natsStatus_GetText(s == NATS_OK ? fallback : s);
}

static void link_on_closed(natsConnection *nc, void *closure)
{
	struct bus_link *k = closure;

	pthread_mutex_lock(&k->mu);
	k->lost = true;
	link_out_clear_locked(k);
	link_push_note_locked(k, k->announced ? BUS_ITEM_DISCONNECTED : BUS_ITEM_FAILED,
	    k->broken ? "a write failed or took too long"
		      : link_last_words(nc, NATS_CONNECTION_CLOSED),
	    false);
	pthread_cond_broadcast(&k->cond);
	pthread_mutex_unlock(&k->mu);
}

static void link_on_error(
    natsConnection *nc, natsSubscription *nats, natsStatus s, void *closure)
{
	struct bus_link *k = closure;

	(void)nats;
	pthread_mutex_lock(&k->mu);
	if (s == NATS_SLOW_CONSUMER) {
		k->n_dropped++;
		link_gap_locked(k);
	} else {
		link_push_note_locked(k, BUS_ITEM_REFUSED, link_last_words(nc, s), false);
	}
	pthread_mutex_unlock(&k->mu);
}

static void link_push_note(
    struct bus_link *k, enum bus_item_kind kind, const char *text, bool auth)
{
	pthread_mutex_lock(&k->mu);
	link_push_note_locked(k, kind, text, auth);
	pthread_mutex_unlock(&k->mu);
}

/* the keeper */

/* False when told to stop. */
static bool link_pause(struct bus_link *k, int64_t ms)
{
	int64_t due_ms = clock_mono_ms() + ms;
	bool go_on;

	pthread_mutex_lock(&k->mu);
	while (!k->stop && link_cond_wait(k, &k->cond, due_ms))
		;
	go_on = !k->stop;
	pthread_mutex_unlock(&k->mu);
	return go_on;
}

/* The next subscription that @nc does not have; NULL when all are made. */
struct link_sub *link_claim_locked(struct bus_link *k)
{
	for (size_t i = 0; i < k->n_subs; i++) {
		struct link_sub *s = k->subs[i];

		if (s->claimed_by == k->n_connects)
			continue;
		s->claimed_by = k->n_connects;
		k->n_open++;
		k->n_refs++;
		return s;
	}
	return NULL;
}

void link_sub_make(struct link_sub *s, natsConnection *nc)
{
	struct bus_link *k = s->link;
	natsSubscription *nats = NULL;

	if (s->queue)
		natsConnection_QueueSubscribe(
		    &nats, nc, s->subject, s->queue, link_on_message, s);
	else
		natsConnection_Subscribe(&nats, nc, s->subject, link_on_message, s);
	pthread_mutex_lock(&k->mu);
	s->nats = nats;
	pthread_mutex_unlock(&k->mu);
	if (!nats ||
	    natsSubscription_SetOnCompleteCB(nats, link_on_complete, s) != NATS_OK)
		link_on_complete(
		    s); /* the connection is lost already: nobody else will say it */
}

/* Connected means that what others send from now on arrives: the broker has seen the
 * subscriptions when it answers the flush. Should it not, we will hear of that soon
 * enough. */
static void link_sub_all(struct bus_link *k, natsConnection *nc)
{
	bool flushed = false;

	pthread_mutex_lock(&k->mu);
	for (;;) {
		struct link_sub *s = link_claim_locked(k);

		if (!s && flushed)
			break;
		pthread_mutex_unlock(&k->mu);
		if (s)
			link_sub_make(s, nc);
		else
			(void)natsConnection_FlushTimeout(nc, BUS_FLUSH_TIMEOUT_MS);
		flushed = !s;
		pthread_mutex_lock(&k->mu);
	}
	k->holding = false;
	link_wake_locked(k);
	pthread_mutex_unlock(&k->mu);
}

/* CONNECTED goes into the queue before any message can, and out of it when every
 * subscription is made. */
static void link_announce(struct bus_link *k, natsConnection *nc)
{
	struct bus_item *i = bus_item_new(BUS_ITEM_CONNECTED);
	char url[512] = "";
	bool lost;

	i->note = calloc(1, sizeof(*i->note));
	must(i->note);
	natsConnection_GetConnectedUrl(nc, url, sizeof(url));
	bus_probe(url, i->note->server, sizeof(i->note->server), i->note->version,
	    sizeof(i->note->version));
	i->note->max_payload = (size_t)natsConnection_GetMaxPayload(nc);
	pthread_mutex_lock(&k->nc_mu);
	pthread_mutex_lock(&k->mu);
	lost = k->lost;
	if (!lost) {
		k->nc = nc;
		k->max_payload = i->note->max_payload;
		k->i_connect = ++k->n_connects;
		k->announced = k->holding = true;
		link_push_locked(k, i);
		i = NULL; /* taken by the queue */
	}
	pthread_mutex_unlock(&k->mu);
	pthread_mutex_unlock(&k->nc_mu);
	bus_item_free(i);
	if (!lost)
		link_sub_all(k, nc);
}

/* While the connection lives: learn what the broker has read, when that is wanted. */
static void link_attend(struct bus_link *k, natsConnection *nc)
{
	pthread_mutex_lock(&k->mu);
	while (!k->stop && !k->lost && !k->broken) {
		uint64_t n_wanted = k->n_sync_wanted;
		natsStatus s;

		if (n_wanted <= k->n_synced) {
			pthread_cond_wait(&k->cond, &k->mu);
			continue;
		}
		pthread_mutex_unlock(&k->mu);
		s = natsConnection_FlushTimeout(nc, BUS_FLUSH_TIMEOUT_MS);
		pthread_mutex_lock(&k->mu);
		if (s == NATS_OK)
			k->n_synced = n_wanted;
		else if (!k->stop && !k->lost)
			link_cond_wait(k, &k->cond, clock_mono_ms() + LINK_RETRY_MS);
	}
	pthread_mutex_unlock(&k->mu);
}

static void link_wait_quiet_locked(struct bus_link *k)
{
	int64_t due_ms = clock_mono_ms() + LINK_TEARDOWN_MS;

	while (!k->lost || k->n_open > 0)
		if (!link_cond_wait(k, &k->cond, due_ms))
			return;
}

/* Subscriptions are destroyed only when nats.c has said that it is done with each: 3.4.1
 * may abort otherwise. Should it never say so, they are left behind. */
static void link_tear_down(struct bus_link *k, natsConnection *nc)
{
	bool flush;

	pthread_mutex_lock(&k->mu);
	if (k->stop)
		link_out_drain_locked(k, BUS_FLUSH_TIMEOUT_MS);
	flush = k->stop && !k->lost && !k->broken;
	pthread_mutex_unlock(&k->mu);
	pthread_mutex_lock(&k->nc_mu);
	k->nc = NULL;
	pthread_mutex_unlock(&k->nc_mu);
	if (flush)
		natsConnection_FlushTimeout(nc, BUS_FLUSH_TIMEOUT_MS);
	natsConnection_Close(nc);
	pthread_mutex_lock(&k->mu);
	link_wait_quiet_locked(k);
	for (size_t i = 0; i < k->n_subs; i++) {
		if (k->n_open == 0)
			natsSubscription_Destroy(k->subs[i]->nats);
		k->subs[i]->nats = NULL;
	}
	k->broken = k->announced = false;
	pthread_mutex_unlock(&k->mu);
	natsConnection_Destroy(nc);
}

/* One try to connect. NULL: it failed and has been told; *auth_out if because of the
 * credentials. */
static natsConnection *link_connect(struct bus_link *k, bool *auth_out)
{
	natsConnection *nc = NULL;
	natsOptions *o = NULL;
	struct err e = ERR_NULL;
	natsStatus s;
	const char *words;

	*auth_out = true;
	if (bus_settings_options(k->settings, &o, &e)) {
		link_push_note(k, BUS_ITEM_FAILED, e.text, true);
		return NULL;
	}
	pthread_mutex_lock(&k->mu);
	k->lost = false;
	pthread_mutex_unlock(&k->mu);
	must(natsOptions_SetClosedCB(o, link_on_closed, k) == NATS_OK);
	must(natsOptions_SetErrorHandler(o, link_on_error, k) == NATS_OK);
	s = natsConnection_Connect(&nc, o);
	natsOptions_Destroy(o);
	if (s == NATS_OK)
		return nc;
	words = nats_GetLastError(NULL);
	*auth_out = s == NATS_CONNECTION_AUTH_FAILED;
	link_push_note(k, BUS_ITEM_FAILED,
	    words && *words ? words : natsStatus_GetText(s), *auth_out);
	return NULL;
}

static uint32_t link_random(void)
{
	uint32_t r;

	random_bytes(&r, sizeof(r));
	return r;
}

static void link_keep(struct bus_link *k)
{
	struct backoff retry = BACKOFF_INIT(LINK_RETRY_MS, LINK_RETRY_CAP_MS);
	bool go_on = true, auth;

	while (go_on) {
		natsConnection *nc = link_connect(k, &auth);

		if (nc) {
			link_announce(k, nc);
			backoff_reset(&retry);
			link_attend(k, nc);
			link_tear_down(k, nc);
		}
		retry.cap_ms = !nc && auth ? LINK_RETRY_AUTH_CAP_MS : LINK_RETRY_CAP_MS;
		go_on = link_pause(k, backoff_next_ms(&retry, link_random()));
	}
}

void *link_main(void *arg)
{
	struct bus_link *k = arg;

	must(pthread_create(&k->sender, NULL, link_sender_main, k) == 0);
	link_keep(k);
	nats_ReleaseThreadMemory();
	pthread_mutex_lock(&k->mu);
	k->sender_stop = true;
	pthread_cond_signal(&k->out_cond);
	pthread_mutex_unlock(&k->mu);
	pthread_join(k->sender, NULL);
	pthread_mutex_lock(&k->mu);
	k->ended = true;
	link_push_locked(k, bus_item_new(BUS_ITEM_ENDED));
	link_unref_locked(k);
	return NULL;
}

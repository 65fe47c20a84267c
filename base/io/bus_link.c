/* The threads behind the bus: the keeper, which connects again and again, and the
 * callbacks that come on threads of nats.c. Nothing of the program runs on them: they
 * queue items and wake the loop.
 *
 * happy path: start, the keeper connects, subscribes all, CONNECTED, messages, stop,
 * flush, close, ENDED failure modes: no broker or refused: FAILED, wait, again;
 * connection lost: DISCONNECTED, torn down by the keeper, again (subscriptions die with
 * their connection, when nothing can be delivered any more, and are made anew); a write
 * that fails or takes too long leaves half a frame on the wire: the connection is given
 * up; queue full: dropped, one GAP */
#include "base/io/bus_link.h"

#include <errno.h>
#include <nats/nats.h>
#include <pthread.h>
#include <string.h>
#include <time.h>

#include "base/backoff.h"
#include "base/clock.h"
#include "base/ids.h"
#include "base/io/bus_conf.h"
#include "base/io/bus_probe.h"

enum {
	LINK_RETRY_MS = 100,
	LINK_RETRY_CAP_MS = 500,
	LINK_RETRY_AUTH_CAP_MS = 5000,
	LINK_TEARDOWN_MS = 5000,
	LINK_MSG_OVERHEAD = 256, /* bytes a waiting message costs besides its data */
};

struct link_sub {
	struct bus_link *link;
	size_t i;
	char *subject, *queue;
	bool is_inbox;
	/* of the connection it is subscribed on */
	uint64_t claimed_by; /* n_connects at the time, 0: none */
	natsSubscription *nats;
};

struct link_queue_use {
	size_t n, n_bytes;
};

struct bus_link {
	struct bus_settings *settings;
	loop_task_cb *wake_cb;
	loop_task_cb *closed_cb;
	void *data;
	uv_async_t async;
	pthread_t keeper;
	bool started;

	pthread_mutex_t mu; /* guards all below but nc */
	pthread_cond_t cond;
	unsigned n_refs; /* loop, keeper, each open subscription */
	bool may_wake, stop, ended;
	bool announced; /* CONNECTED was queued for the connection there is */
	bool lost;      /* nats.c has closed it */
	bool broken;    /* a write failed: the keeper must close it */
	bool holding;   /* CONNECTED is queued, subscriptions are still being made */
	uint64_t n_connects;
	size_t n_open; /* subscriptions nats.c may still call back for */
	struct link_sub **subs;
	size_t n_subs;
	struct bus_item *head, **tail;
	struct link_queue_use used[2]; /* by is_inbox */
	bool gap_queued;
	uint64_t n_dropped;

	pthread_mutex_t nc_mu; /* guards nc and what is done with it on the loop thread */
	natsConnection *nc;    /* NULL unless usable */
	size_t max_payload;
};

static void link_unref_locked(struct bus_link *k)
{
	bool last = --k->n_refs == 0;

	pthread_mutex_unlock(&k->mu);
	if (!last)
		return;
	for (size_t i = 0; i < k->n_subs; i++) {
		free(k->subs[i]->subject);
		free(k->subs[i]->queue);
		free(k->subs[i]);
	}
	while (k->head) {
		struct bus_item *next = k->head->next;

		bus_item_free(k->head);
		k->head = next;
	}
	free(k->subs);
	bus_settings_free(k->settings);
	pthread_cond_destroy(&k->cond);
	pthread_mutex_destroy(&k->mu);
	pthread_mutex_destroy(&k->nc_mu);
	free(k);
}

/* items */

struct bus_item *bus_item_free(struct bus_item *i)
{
	if (!i)
		return NULL;
	if (i->msg)
		natsMsg_Destroy(i->msg);
	free(i->note);
	free(i);
	return NULL;
}

static struct bus_item *item_new(enum bus_item_kind kind)
{
	struct bus_item *i = calloc(1, sizeof(*i));

	must(i);
	i->kind = kind;
	return i;
}

static void link_wake_locked(struct bus_link *k)
{
	if (k->may_wake && !k->holding && k->head)
		uv_async_send(&k->async);
}

static void link_push_locked(struct bus_link *k, struct bus_item *i)
{
	bool was_empty = k->head == NULL;

	*k->tail = i;
	k->tail = &i->next;
	if (was_empty)
		link_wake_locked(k);
}

/* "(conn.c:2088): No server available" without where in nats.c that was. */
static const char *link_words(const char *s)
{
	const char *end = *s == '(' ? strstr(s, "): ") : NULL;

	return end ? end + 3 : s;
}

static void link_push_note_locked(
    struct bus_link *k, enum bus_item_kind kind, const char *text, bool auth)
{
	struct bus_item *i = item_new(kind);

	i->note = calloc(1, sizeof(*i->note));
	must(i->note);
	snprintf(i->note->text, sizeof(i->note->text), "%s", link_words(text));
	i->note->auth = auth;
	link_push_locked(k, i);
}

static void link_push_note(
    struct bus_link *k, enum bus_item_kind kind, const char *text, bool auth)
{
	pthread_mutex_lock(&k->mu);
	link_push_note_locked(k, kind, text, auth);
	pthread_mutex_unlock(&k->mu);
}

struct bus_item *bus_link_take(struct bus_link *k)
{
	struct bus_item *i = NULL;

	pthread_mutex_lock(&k->mu);
	if (!k->holding) {
		i = k->head;
		k->head = NULL;
		k->tail = &k->head;
		memset(k->used, 0, sizeof(k->used));
		k->gap_queued = false;
	}
	pthread_mutex_unlock(&k->mu);
	return i;
}

uint64_t bus_link_n_dropped(struct bus_link *k)
{
	uint64_t n;

	pthread_mutex_lock(&k->mu);
	n = k->n_dropped;
	pthread_mutex_unlock(&k->mu);
	return n;
}

void bus_item_message(
    struct bus_item *i, struct bus_msg *out, struct bus_header *headers, size_t cap)
{
	natsMsg *m = i->msg;
	const char **names = NULL, *reply = natsMsg_GetReply(m);
	int n_names = 0;

	*out = (struct bus_msg){
	    .subject = natsMsg_GetSubject(m),
	    .reply = reply ? reply : "",
	    .data = {natsMsg_GetData(m), (size_t)natsMsg_GetDataLength(m)},
	    .headers = headers,
	    .received_mono_us = i->received_mono_us,
	};
	if (natsMsgHeader_Keys(m, &names, &n_names) != NATS_OK)
		return; /* none */
	for (int k = 0; k < n_names && out->n_headers < cap; k++) {
		struct bus_header *h = &headers[out->n_headers];

		h->name = names[k];
		if (natsMsgHeader_Get(m, names[k], &h->value) == NATS_OK)
			out->n_headers++;
	}
	free(names);
}

/* on threads of nats.c */

static void link_gap_locked(struct bus_link *k)
{
	if (!k->gap_queued)
		link_push_locked(k, item_new(BUS_ITEM_GAP));
	k->gap_queued = true;
}

static void link_on_message(
    natsConnection *nc, natsSubscription *nats, natsMsg *msg, void *closure)
{
	struct link_sub *s = closure;
	struct bus_link *k = s->link;
	struct link_queue_use *used = &k->used[s->is_inbox];
	size_t n_bytes = (size_t)natsMsg_GetDataLength(msg) + LINK_MSG_OVERHEAD;
	struct bus_item *i = item_new(BUS_ITEM_MESSAGE);

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

static void link_on_complete(void *closure)
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

/* the keeper */

/* Wait until @flag, stop or a deadline (no deadline: -1). False when told to stop. */
static bool link_wait_locked(struct bus_link *k, const bool *flag, int64_t timeout_ms)
{
	int64_t due_ms = clock_mono_ms() + timeout_ms;
	struct timespec due = {
	    .tv_sec = due_ms / 1000, .tv_nsec = (long)(due_ms % 1000) * 1000000};

	while (!k->stop && !(flag && *flag) && !(flag && k->broken)) {
		if (timeout_ms < 0)
			pthread_cond_wait(&k->cond, &k->mu);
		else if (pthread_cond_timedwait(&k->cond, &k->mu, &due) == ETIMEDOUT)
			break;
	}
	return !k->stop;
}

/* The next subscription that @nc does not have; NULL when all are made. */
static struct link_sub *link_claim_locked(struct bus_link *k)
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

static void link_sub_make(struct bus_link *k, struct link_sub *s, natsConnection *nc)
{
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

static void link_sub_all(struct bus_link *k, natsConnection *nc)
{
	struct link_sub *s;

	pthread_mutex_lock(&k->mu);
	while ((s = link_claim_locked(k))) {
		pthread_mutex_unlock(&k->mu);
		link_sub_make(k, s, nc);
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
	struct bus_item *i = item_new(BUS_ITEM_CONNECTED);
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
		k->n_connects++;
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

static void link_wait_quiet_locked(struct bus_link *k)
{
	struct timespec due;

	clock_gettime(CLOCK_MONOTONIC, &due);
	due.tv_sec += LINK_TEARDOWN_MS / 1000;
	while (!k->lost || k->n_open > 0)
		if (pthread_cond_timedwait(&k->cond, &k->mu, &due) == ETIMEDOUT)
			return;
}

/* Subscriptions are destroyed only when nats.c has said that it is done with each: 3.4.1
 * may abort otherwise. Should it never say so, they are left behind. */
static void link_tear_down(struct bus_link *k, natsConnection *nc)
{
	bool flush;

	pthread_mutex_lock(&k->nc_mu);
	k->nc = NULL;
	pthread_mutex_unlock(&k->nc_mu);
	pthread_mutex_lock(&k->mu);
	flush = k->stop && !k->lost && !k->broken;
	pthread_mutex_unlock(&k->mu);
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
			pthread_mutex_lock(&k->mu);
			link_wait_locked(k, &k->lost, -1);
			pthread_mutex_unlock(&k->mu);
			link_tear_down(k, nc);
		}
		retry.cap_ms = !nc && auth ? LINK_RETRY_AUTH_CAP_MS : LINK_RETRY_CAP_MS;
		pthread_mutex_lock(&k->mu);
		go_on = link_wait_locked(k, NULL, backoff_next_ms(&retry, link_random()));
		pthread_mutex_unlock(&k->mu);
	}
}

static void *link_main(void *arg)
{
	struct bus_link *k = arg;

	link_keep(k);
	nats_ReleaseThreadMemory();
	pthread_mutex_lock(&k->mu);
	k->ended = true;
	link_push_locked(k, item_new(BUS_ITEM_ENDED));
	link_unref_locked(k);
	return NULL;
}

/* loop thread */

static void link_on_async(uv_async_t *h)
{
	struct bus_link *k = h->data;

	k->wake_cb(k->data);
}

int bus_link_new(struct loop *l, const struct bus_conf *conf, loop_task_cb *wake_cb,
    void *data, struct bus_link **out, struct err *e)
{
	struct bus_settings *settings = bus_settings_new(conf);
	natsOptions *o = NULL;
	pthread_condattr_t attr;
	struct bus_link *k;
	int r = bus_settings_options(settings, &o, e);

	if (r) {
		bus_settings_free(settings);
		return r;
	}
	natsOptions_Destroy(o);
	k = calloc(1, sizeof(*k));
	must(k);
	k->settings = settings;
	k->wake_cb = wake_cb;
	k->data = data;
	k->n_refs = 1;
	k->may_wake = true;
	k->tail = &k->head;
	pthread_mutex_init(&k->mu, NULL);
	pthread_mutex_init(&k->nc_mu, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&k->cond, &attr);
	pthread_condattr_destroy(&attr);
	must(uv_async_init(loop_uv(l), &k->async, link_on_async) == 0);
	k->async.data = k;
	*out = k;
	return 0;
}

int bus_link_start(struct bus_link *k, struct err *e)
{
	int r;

	must(!k->started);
	k->n_refs++;
	r = pthread_create(&k->keeper, NULL, link_main, k);
	if (r) {
		k->n_refs--;
		return err_set(e, -r, "thread for the broker: %s", strerror(r));
	}
	k->started = true;
	return 0;
}

void bus_link_stop(struct bus_link *k)
{
	pthread_mutex_lock(&k->mu);
	k->stop = true;
	pthread_cond_broadcast(&k->cond);
	if (!k->started) {
		k->ended = true;
		link_push_locked(k, item_new(BUS_ITEM_ENDED));
	}
	pthread_mutex_unlock(&k->mu);
}

static void link_on_async_closed(uv_handle_t *h)
{
	struct bus_link *k = h->data;
	loop_task_cb *closed_cb = k->closed_cb;
	void *data = k->data;

	pthread_mutex_lock(&k->mu);
	link_unref_locked(k);
	closed_cb(data);
}

void bus_link_release(struct bus_link *k, loop_task_cb *closed_cb, void *data)
{
	bool ended;

	pthread_mutex_lock(&k->mu);
	k->may_wake = false;
	ended = k->ended;
	pthread_mutex_unlock(&k->mu);
	if (k->started && ended)
		pthread_join(k->keeper, NULL);
	else if (k->started)
		pthread_detach(k->keeper); /* hangs in a name lookup or a handshake; it
					      frees what is left */
	nats_ReleaseThreadMemory();
	k->closed_cb = closed_cb;
	k->data = data;
	uv_close((uv_handle_t *)&k->async, link_on_async_closed);
}

int bus_link_subscribe(struct bus_link *k, const char *subject, const char *queue,
    bool is_inbox, size_t *i_sub_out, struct err *e)
{
	struct link_sub *s = calloc(1, sizeof(*s)), **subs;
	bool make;

	(void)e;
	must(s);
	s->link = k;
	s->subject = strdup(subject);
	s->queue = queue ? strdup(queue) : NULL;
	s->is_inbox = is_inbox;
	must(s->subject && (s->queue || !queue));
	pthread_mutex_lock(&k->nc_mu);
	pthread_mutex_lock(&k->mu);
	subs = reallocarray(k->subs, k->n_subs + 1, sizeof(struct link_sub *));
	must(subs);
	k->subs = subs;
	s->i = *i_sub_out = k->n_subs;
	k->subs[k->n_subs++] = s;
	/* while holding, the keeper is about to find it */
	make = k->nc && !k->holding;
	if (make)
		must(link_claim_locked(k) == s);
	pthread_mutex_unlock(&k->mu);
	if (make)
		link_sub_make(k, s, k->nc);
	pthread_mutex_unlock(&k->nc_mu);
	return 0;
}

static natsStatus link_publish_headers(natsConnection *nc, const struct bus_out *m)
{
	natsMsg *msg = NULL;
	natsStatus s =
	    natsMsg_Create(&msg, m->subject, m->reply, m->data.p, (int)m->data.n);

	for (size_t i = 0; s == NATS_OK && i < m->n_headers; i++)
		s = natsMsgHeader_Set(msg, m->headers[i].name, m->headers[i].value);
	if (s == NATS_OK)
		s = natsConnection_PublishMsg(nc, msg);
	natsMsg_Destroy(msg);
	return s;
}

static natsStatus link_publish(natsConnection *nc, const struct bus_out *m)
{
	if (m->n_headers)
		return link_publish_headers(nc, m);
	if (m->reply)
		return natsConnection_PublishRequest(
		    nc, m->subject, m->reply, m->data.p, (int)m->data.n);
	return natsConnection_Publish(nc, m->subject, m->data.p, (int)m->data.n);
}

static size_t link_wire_bytes(const struct bus_out *m)
{
	size_t n = m->data.n;

	if (m->n_headers)
		n += sizeof("NATS/1.0\r\n\r\n") - 1;
	for (size_t i = 0; i < m->n_headers; i++)
		n += strlen(m->headers[i].name) + strlen(m->headers[i].value) + 4;
	return n;
}

static void link_break(struct bus_link *k)
{
	pthread_mutex_lock(&k->mu);
	k->broken = true;
	pthread_cond_broadcast(&k->cond);
	pthread_mutex_unlock(&k->mu);
}

int bus_link_publish(struct bus_link *k, const struct bus_out *m)
{
	natsStatus s = NATS_OK;
	int r = 0;

	pthread_mutex_lock(&k->nc_mu);
	if (!k->nc) {
		r = ERROR_UNAVAILABLE;
	} else if (link_wire_bytes(m) > k->max_payload) {
		r = ERROR_TOO_LARGE;
	} else {
		s = link_publish(k->nc, m);
		if (s == NATS_MAX_PAYLOAD) {
			r = ERROR_TOO_LARGE;
		} else if (s != NATS_OK) {
			k->nc = NULL; /* the keeper has it too, and closes it */
			r = ERROR_UNAVAILABLE;
		}
	}
	pthread_mutex_unlock(&k->nc_mu);
	if (r == ERROR_UNAVAILABLE && s != NATS_OK)
		link_break(k);
	return r;
}

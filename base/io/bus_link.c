/* The queue between the threads of nats.c and the loop, and the loop's side of the link:
 * start, stop, publish. The other threads' side is bus_keeper.c. */
#include "base/io/bus_link.h"

#include <errno.h>
#include <string.h>

#include "base/io/bus_conf.h"
#include "base/io/bus_link_internal.h"

void link_unref_locked(struct bus_link *k)
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

struct bus_item *bus_item_new(enum bus_item_kind kind)
{
	struct bus_item *i = calloc(1, sizeof(*i));

	must(i);
	i->kind = kind;
	return i;
}

void link_wake_locked(struct bus_link *k)
{
	if (k->may_wake && !k->holding && k->head)
		uv_async_send(&k->async);
}

void link_push_locked(struct bus_link *k, struct bus_item *i)
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

void link_push_note_locked(
    struct bus_link *k, enum bus_item_kind kind, const char *text, bool auth)
{
	struct bus_item *i = bus_item_new(kind);

	i->note = calloc(1, sizeof(*i->note));
	must(i->note);
	snprintf(i->note->text, sizeof(i->note->text), "%s", link_words(text));
	i->note->auth = auth;
	link_push_locked(k, i);
}

void link_gap_locked(struct bus_link *k)
{
	if (!k->gap_queued)
		link_push_locked(k, bus_item_new(BUS_ITEM_GAP));
	k->gap_queued = true;
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
		link_push_locked(k, bus_item_new(BUS_ITEM_ENDED));
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
		link_sub_make(s, k->nc);
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

/* Connection number @i_connect must be given up, unless the keeper has done so already.
 */
static void link_break(struct bus_link *k, uint64_t i_connect)
{
	pthread_mutex_lock(&k->mu);
	if (k->announced && k->n_connects == i_connect) {
		k->broken = true;
		pthread_cond_broadcast(&k->cond);
	}
	pthread_mutex_unlock(&k->mu);
}

int bus_link_publish(struct bus_link *k, const struct bus_out *m)
{
	natsStatus s = NATS_OK;
	uint64_t i_connect;
	int r = 0;

	pthread_mutex_lock(&k->nc_mu);
	i_connect = k->i_connect;
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
		link_break(k, i_connect);
	return r;
}

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
	pthread_cond_destroy(&k->out_cond);
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
	k->out_tail = &k->out_head;
	pthread_mutex_init(&k->mu, NULL);
	pthread_mutex_init(&k->nc_mu, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&k->cond, &attr);
	pthread_cond_init(&k->out_cond, &attr);
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
	r = pthread_create(&k->keeper, NULL, link_main, k); /* makes the sender */
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

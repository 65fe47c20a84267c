/* What goes out. The loop writes to the socket itself as long as that cannot block, which
 * saves a change of threads; what might block goes through a queue to the sender's
 * thread, and everything after it too, so that order is kept.
 *
 * Whether a write might block is known by counting: bytes that the broker has surely read
 * are no longer in any buffer. A reply proves that all before its request was read;
 * without replies the keeper asks for a PONG now and then.
 *
 * happy path: small messages and replies to them: all written by the loop; a burst:
 * queued, sent, a PONG, the loop again
 *
 * failure modes: the broker does not read: the queue fills, then publishing fails with
 * UNAVAILABLE; a write fails or takes too long: half a frame may be on the wire, the
 * connection is given up; connection lost: what waits is dropped */
#include <errno.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/io/bus_link_internal.h"

bool link_cond_wait(struct bus_link *k, pthread_cond_t *c, int64_t due_ms)
{
	const struct timespec due = {
	    .tv_sec = due_ms / 1000, .tv_nsec = (long)(due_ms % 1000) * 1000000};

	return pthread_cond_timedwait(c, &k->mu, &due) != ETIMEDOUT;
}

/* the queue */

static void link_out_free(struct link_out *o)
{
	if (o->msg)
		natsMsg_Destroy(o->msg);
	free(o);
}

static struct link_out *link_out_pop_locked(struct bus_link *k)
{
	struct link_out *o = k->out_head;

	k->out_head = o->next;
	if (!k->out_head)
		k->out_tail = &k->out_head;
	k->n_out--;
	k->n_out_bytes -= o->n_bytes;
	return o;
}

static void link_out_push_locked(struct bus_link *k, struct link_out *o)
{
	*k->out_tail = o;
	k->out_tail = &o->next;
	k->n_out++;
	k->n_out_bytes += o->n_bytes;
	pthread_cond_signal(&k->out_cond);
}

void link_out_clear_locked(struct bus_link *k)
{
	while (k->out_head) {
		struct link_out *o = link_out_pop_locked(k);

		/* of a claimed subscription nothing was made; the claim's reference
		 * cannot be the last one */
		if (o->sub) {
			k->n_open--;
			k->n_refs--;
		}
		link_out_free(o);
	}
}

void link_out_drain_locked(struct bus_link *k, int64_t timeout_ms)
{
	int64_t due_ms = clock_mono_ms() + timeout_ms;

	while (!k->lost && !k->broken && (k->out_head || k->out_busy))
		if (!link_cond_wait(k, &k->cond, due_ms))
			break;
	link_out_clear_locked(k);
}

/* Connection number @i_connect must be given up, unless the keeper has done so already.
 */
static void link_break(struct bus_link *k, uint64_t i_connect)
{
	pthread_mutex_lock(&k->mu);
	if (k->announced && k->n_connects == i_connect) {
		k->broken = true;
		link_out_clear_locked(k);
		pthread_cond_broadcast(&k->cond);
	}
	pthread_mutex_unlock(&k->mu);
}

/* the sender */

static void link_out_do(struct bus_link *k, struct link_out *o)
{
	natsStatus s = NATS_OK;

	pthread_mutex_lock(&k->nc_mu);
	if (!k->nc || k->i_connect != o->i_connect) {
		if (o->sub)
			link_on_complete(o->sub);
	} else if (o->sub) {
		link_sub_make(o->sub, k->nc);
	} else {
		s = natsConnection_PublishMsg(k->nc, o->msg);
		if (s != NATS_OK && s != NATS_MAX_PAYLOAD)
			k->nc = NULL; /* the keeper has it too, and closes it */
		else
			s = NATS_OK;
	}
	pthread_mutex_unlock(&k->nc_mu);
	if (s != NATS_OK)
		link_break(k, o->i_connect);
}

void *link_sender_main(void *arg)
{
	struct bus_link *k = arg;

	pthread_mutex_lock(&k->mu);
	while (!k->sender_stop) {
		struct link_out *o;

		if (!k->out_head) {
			pthread_cond_wait(&k->out_cond, &k->mu);
			continue;
		}
		o = link_out_pop_locked(k);
		k->out_busy = true;
		pthread_mutex_unlock(&k->mu);
		link_out_do(k, o);
		pthread_mutex_lock(&k->mu);
		k->out_busy = false;
		if (!k->out_head) {
			k->n_sync_wanted = o->end;
			pthread_cond_broadcast(&k->cond);
		}
		link_out_free(o);
	}
	pthread_mutex_unlock(&k->mu);
	nats_ReleaseThreadMemory();
	return NULL;
}

/* loop thread */

static size_t link_wire_bytes(const struct bus_out *m)
{
	size_t n = m->data.n;

	if (m->n_headers)
		n += sizeof("NATS/1.0\r\n\r\n") - 1;
	for (size_t i = 0; i < m->n_headers; i++)
		n += strlen(m->headers[i].name) + strlen(m->headers[i].value) + 4;
	return n;
}

static natsMsg *link_out_msg(const struct bus_out *m)
{
	natsMsg *msg = NULL;
	natsStatus s =
	    natsMsg_Create(&msg, m->subject, m->reply, m->data.p, (int)m->data.n);

	for (size_t i = 0; s == NATS_OK && i < m->n_headers; i++)
		s = natsMsgHeader_Set(msg, m->headers[i].name, m->headers[i].value);
	must(s == NATS_OK);
	return msg;
}

static natsStatus link_write(natsConnection *nc, const struct bus_out *m)
{
	natsMsg *msg;
	natsStatus s;

	if (!m->n_headers && m->reply)
		return natsConnection_PublishRequest(
		    nc, m->subject, m->reply, m->data.p, (int)m->data.n);
	if (!m->n_headers)
		return natsConnection_Publish(nc, m->subject, m->data.p, (int)m->data.n);
	msg = link_out_msg(m);
	s = natsConnection_PublishMsg(nc, msg);
	natsMsg_Destroy(msg);
	return s;
}

static int link_publish_direct(struct bus_link *k, const struct bus_out *m)
{
	natsStatus s = NATS_OK;
	uint64_t i_connect;
	bool gone;

	pthread_mutex_lock(
	    &k->nc_mu); /* the sender is idle, the keeper takes it for moments */
	i_connect = k->i_connect;
	gone = !k->nc;
	if (!gone)
		s = link_write(k->nc, m);
	if (s != NATS_OK && s != NATS_MAX_PAYLOAD)
		k->nc = NULL; /* the keeper has it too, and closes it */
	pthread_mutex_unlock(&k->nc_mu);
	if (s == NATS_MAX_PAYLOAD)
		return ERROR_TOO_LARGE;
	if (s != NATS_OK)
		link_break(k, i_connect);
	return gone || s != NATS_OK ? ERROR_UNAVAILABLE : 0;
}

static int link_publish_queued(
    struct bus_link *k, const struct bus_out *m, size_t n_bytes)
{
	struct link_out *o = calloc(1, sizeof(*o));
	bool ok;

	must(o);
	o->msg = link_out_msg(m);
	o->n_bytes = n_bytes;
	o->end = k->n_sent + n_bytes;
	pthread_mutex_lock(&k->mu);
	ok = k->announced && !k->lost && !k->broken && k->n_out < BUS_OUT_MAX &&
	     k->n_out_bytes + n_bytes <= BUS_OUT_BYTES_MAX;
	if (ok) {
		o->i_connect = k->n_connects;
		link_out_push_locked(k, o);
		k->queued = true;
	}
	pthread_mutex_unlock(&k->mu);
	if (!ok)
		link_out_free(o);
	return ok ? 0 : ERROR_UNAVAILABLE;
}

/* May the loop write @n_bytes itself? Looks at what the other threads have told only when
 * it must. */
static bool link_may_write(struct bus_link *k, size_t n_bytes)
{
	if (n_bytes > BUS_DIRECT_MESSAGE_MAX)
		return false;
	if (!k->queued && k->n_sent + n_bytes - k->n_heard <= BUS_SYNC_BYTES)
		return true;
	pthread_mutex_lock(&k->mu);
	if (k->n_synced > k->n_heard)
		k->n_heard = k->n_synced;
	k->queued = k->out_head || k->out_busy;
	if (!k->queued && k->n_sent - k->n_heard > BUS_SYNC_BYTES / 2 &&
	    k->n_sync_wanted <= k->n_synced) {
		k->n_sync_wanted = k->n_sent;
		pthread_cond_broadcast(&k->cond);
	}
	pthread_mutex_unlock(&k->mu);
	return !k->queued && k->n_sent + n_bytes - k->n_heard <= BUS_DIRECT_BYTES_MAX;
}

int bus_link_publish(struct bus_link *k, const struct bus_out *m)
{
	size_t n_bytes = link_wire_bytes(m);
	int r;

	if (n_bytes > k->max_payload)
		return ERROR_TOO_LARGE;
	n_bytes += strlen(m->subject) + (m->reply ? strlen(m->reply) : 0) + 32;
	if (link_may_write(k, n_bytes))
		r = link_publish_direct(k, m);
	else
		r = link_publish_queued(k, m, n_bytes);
	if (r == 0)
		k->n_sent += n_bytes;
	return r;
}

void bus_link_connected(struct bus_link *k, size_t max_payload)
{
	k->max_payload = max_payload;
	k->n_heard = k->n_sent;
	pthread_mutex_lock(&k->mu);
	k->n_synced = k->n_sync_wanted = k->n_sent;
	pthread_mutex_unlock(&k->mu);
}

uint64_t bus_link_sent(const struct bus_link *k)
{
	return k->n_sent;
}

void bus_link_heard(struct bus_link *k, uint64_t n_sent)
{
	if (n_sent > k->n_heard)
		k->n_heard = n_sent;
}

static struct link_sub *link_sub_new(
    struct bus_link *k, const char *subject, const char *queue, bool is_inbox)
{
	struct link_sub *s = calloc(1, sizeof(*s));

	must(s);
	s->link = k;
	s->subject = strdup(subject);
	s->queue = queue ? strdup(queue) : NULL;
	s->is_inbox = is_inbox;
	must(s->subject && (s->queue || !queue));
	return s;
}

/* Make @s, which is claimed, in its turn among what is sent. */
static void link_sub_send(struct bus_link *k, struct link_sub *s, uint64_t i_connect)
{
	struct link_out *o = calloc(1, sizeof(*o));

	must(o);
	*o = (struct link_out){.sub = s, .i_connect = i_connect, .end = k->n_sent};
	if (link_may_write(k, 0)) {
		link_out_do(k, o);
		link_out_free(o);
		return;
	}
	pthread_mutex_lock(&k->mu);
	link_out_push_locked(k, o);
	k->queued = true;
	pthread_mutex_unlock(&k->mu);
}

void bus_link_subscribe(struct bus_link *k, const char *subject, const char *queue,
    bool is_inbox, size_t *i_sub_out)
{
	struct link_sub *s = link_sub_new(k, subject, queue, is_inbox), **subs;
	uint64_t i_connect;
	bool make;

	pthread_mutex_lock(&k->mu);
	subs = reallocarray(k->subs, k->n_subs + 1, sizeof(struct link_sub *));
	must(subs);
	k->subs = subs;
	s->i = *i_sub_out = k->n_subs;
	k->subs[k->n_subs++] = s;
	/* while holding, the keeper is about to find it */
	make = k->announced && !k->holding && !k->lost && !k->broken;
	if (make)
		must(link_claim_locked(k) == s);
	i_connect = k->n_connects;
	pthread_mutex_unlock(&k->mu);
	if (make)
		link_sub_send(k, s, i_connect);
}

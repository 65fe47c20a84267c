/* Keys of requests in the bucket session_request.
 *
 * happy path: make the key's record (create only), carry the request out, write the
 * answer into the record
 *
 * failure modes: the record is there: compare the body, give the
 * stored answer, or carry on with the stored ids; the store is away: REQUEST_FAILED,
 * nothing is carried out; the answer cannot be written: a repeat carries on and finds it
 * done
 */
#include "sessiond/gateway/requests.h"

#include <errno.h>

#include "base/map.h"
#include "base/must.h"
#include "proto/subjects.h"
#include "sessiond/gateway/gateway.h"

enum {
	REQUEST_VALUE_MAX = 64 * 1024,
	REQUEST_BODY_MAX = 48 * 1024, /* of a kept answer; a bigger one is made anew */
};

struct requests {
	struct gateway *g;
	struct map *active; /* key -> struct request */
};

struct request_wait {
	struct list_link link;
	char body_hash[TURN_HASH_LEN + 1];
	char *session_id, *turn_id;
	request_cb *cb;
	void *data;
};

/* One call of the store. */
struct request_op {
	struct request *r;
	request_cb *cb;
	void *data;
};

void request_hash(struct slice text, char out[static TURN_HASH_LEN + 1])
{
	digest_hex(text, out);
}

void request_key(char out[static TURN_HASH_LEN + 1], const char *const *parts)
{
	struct buf b = BUF_NULL(REQUEST_VALUE_MAX);

	for (; *parts; parts++)
		buf_addf(&b, "%zu:%s", strlen(*parts), *parts);
	request_hash(buf_slice(&b), out);
	buf_deinit(&b);
}

static void request_free(struct request *r)
{
	request_rec_deinit(&r->rec);
	free(r);
}

/* Out of the active ones; who waited begins anew. */
static void request_leave(struct request *r)
{
	struct list waiting;
	struct list_link *l;
	struct gateway *g = r->g;
	char key[TURN_HASH_LEN + 1];

	memcpy(key, r->key, sizeof(key));
	list_init(&waiting);
	while ((l = list_pop(&r->waiting)))
		list_push(&waiting, l);
	map_del(&g->requests->active, slice_of(r->key));
	request_free(r);
	while ((l = list_pop(&waiting))) {
		struct request_wait *w = list_entry(l, struct request_wait, link);
		struct request_new n = {key, w->body_hash, w->session_id, w->turn_id};

		request_begin(g, &n, w->cb, w->data);
		free(w->session_id);
		free(w->turn_id);
		free(w);
	}
}

static void request_end(struct request_op *op, enum request_outcome o)
{
	struct request *r = op->r;
	request_cb *cb = op->cb;
	void *data = op->data;

	free(op);
	cb(data, o == REQUEST_OTHER || o == REQUEST_FAILED ? NULL : r, o);
	if (o != REQUEST_NEW && o != REQUEST_AGAIN)
		request_leave(r);
}

/* ---- beginning ---- */

static void request_on_made(void *data, const struct store_result *res);

static void request_put(struct request *r, int64_t expected, store_cb *cb, void *data)
{
	struct buf b = BUF_NULL(REQUEST_VALUE_MAX);

	wire_pack_request(&r->rec, &b);
	must(buf_check(&b) == 0);
	store_put(r->g->store, BUCKET_session_request, r->key, buf_slice(&b), expected,
	    cb, data);
	buf_deinit(&b);
}

static void request_on_existing(void *data, const struct store_result *res)
{
	struct request_op *op = data;
	struct request *r = op->r;
	struct request_rec rec;

	if (res->code == ERROR_NOT_FOUND && res->revision > r->revision) {
		/* Only the marker of a deletion is there. */
		r->revision = res->revision;
		request_put(r, (int64_t)r->revision, request_on_made, op);
		return;
	}
	if (res->code || wire_unpack_request(res->value, &rec, NULL)) {
		request_end(op, REQUEST_FAILED);
		return;
	}
	if (strcmp(rec.body_hash, r->rec.body_hash) != 0) {
		request_rec_deinit(&rec);
		request_end(op, REQUEST_OTHER);
		return;
	}
	request_rec_deinit(&r->rec);
	r->rec = rec;
	r->revision = res->revision;
	r->again = true;
	request_end(op, rec.status && rec.body ? REQUEST_ANSWERED : REQUEST_AGAIN);
}

static void request_on_made(void *data, const struct store_result *res)
{
	struct request_op *op = data;

	if (res->code == ERROR_CONFLICT) {
		store_get(op->r->g->store, BUCKET_session_request, op->r->key,
		    request_on_existing, op);
		return;
	}
	op->r->revision = res->revision;
	request_end(op, res->code ? REQUEST_FAILED : REQUEST_NEW);
}

static void request_wait(
    struct request *r, const struct request_new *n, request_cb *cb, void *data)
{
	struct request_wait *w = calloc(1, sizeof(*w));

	must(w);
	memcpy(w->body_hash, n->body_hash, sizeof(w->body_hash));
	str_set(&w->session_id, n->session_id);
	str_set(&w->turn_id, n->turn_id);
	w->cb = cb;
	w->data = data;
	list_push(&r->waiting, &w->link);
}

void request_begin(
    struct gateway *g, const struct request_new *n, request_cb *cb, void *data)
{
	struct request *r = map_get(g->requests->active, slice_of(n->key));
	struct request_op *op;

	if (r) {
		request_wait(r, n, cb, data);
		return;
	}
	r = calloc(1, sizeof(*r));
	op = calloc(1, sizeof(*op));
	must(r && op);
	r->g = g;
	memcpy(r->key, n->key, sizeof(r->key));
	memcpy(r->rec.body_hash, n->body_hash, sizeof(r->rec.body_hash));
	str_set(&r->rec.session_id, n->session_id);
	str_set(&r->rec.turn_id, n->turn_id);
	list_init(&r->waiting);
	map_put(&g->requests->active, slice_of(r->key), r);
	*op = (struct request_op){r, cb, data};
	request_put(r, 0, request_on_made, op);
}

/* ---- ending ---- */

static void request_on_answered(void *data, const struct store_result *res)
{
	(void)
	    res; /* without it a repeat carries on with the same ids, and finds it done */
	request_leave(data);
}

void request_done(struct request *r, int status, const char *body)
{
	if (status == 0) {
		store_delete(r->g->store, BUCKET_session_request, r->key,
		    (int64_t)r->revision, request_on_answered, r);
		return;
	}
	r->rec.status = status;
	str_set(&r->rec.body, body && strlen(body) <= REQUEST_BODY_MAX ? body : NULL);
	request_put(r, (int64_t)r->revision, request_on_answered, r);
}

struct requests *requests_new(struct gateway *g)
{
	struct requests *rs = calloc(1, sizeof(*rs));

	must(rs);
	rs->g = g;
	return rs;
}

struct requests *requests_free(struct requests *rs)
{
	if (!rs)
		return NULL;
	map_for_each (it, rs->active)
		request_free(map_value(it));
	map_clear(&rs->active);
	free(rs);
	return NULL;
}

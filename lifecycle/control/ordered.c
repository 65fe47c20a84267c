/* happy path, put: create (1 round trip), or read, compare orders, put at that revision
 * (2); delete: read, compare, delete
 *
 * failure modes: somebody wrote in between: read
 * again, a few times; the broker does not answer: the caller tries again later. A
 * deletion marker has no order, and what was deleted there may have followed from a
 * record newer than ours: so the record is read, and only if it still is the one we
 * follow from, the value is put in the marker's place. */
#include "lifecycle/control/ordered.h"

#include <stdlib.h>

#include "proto/subjects.h"

enum {
	ORDERED_TRIES_MAX = 8,
};

struct ordered_op {
	struct store *store;
	struct ordered o;
	char key[SUBJECT_MAX], record[SUBJECT_MAX];
	uint64_t marker; /* revision of the deletion we would replace */
	unsigned n_tries;
	char value[]; /* a copy */
};

static void ordered_finish(
    struct ordered_op *op, int code, bool newer, const char *detail)
{
	ordered_cb *cb = op->o.cb;
	void *data = op->o.data;
	char text[160];

	snprintf(text, sizeof(text), "%s", detail);
	free(op);
	cb(data, code, newer, text);
}

static void ordered_look(struct ordered_op *op);

static void on_written(void *data, const struct store_result *r)
{
	struct ordered_op *op = data;

	if (r->code == ERROR_CONFLICT && op->n_tries < ORDERED_TRIES_MAX)
		ordered_look(op);
	else
		ordered_finish(op, r->code, false, r->detail);
}

static void ordered_put_at(struct ordered_op *op, uint64_t revision)
{
	op->n_tries++;
	if (op->o.value.p)
		store_put(op->store, op->o.bucket, op->key, op->o.value,
		    (int64_t)revision, on_written, op);
	else
		store_delete(
		    op->store, op->o.bucket, op->key, (int64_t)revision, on_written, op);
}

static void on_record(void *data, const struct store_result *r)
{
	struct ordered_op *op = data;

	if (r->code && r->code != ERROR_NOT_FOUND)
		ordered_finish(op, r->code, false, r->detail);
	else if (r->revision != op->o.order)
		ordered_finish(op, 0, true, "");
	else
		ordered_put_at(op, op->marker);
}

static void on_nothing_there(struct ordered_op *op, uint64_t marker)
{
	op->marker = marker;
	if (!op->o.value.p)
		ordered_finish(op, 0, false, "");
	else if (marker == 0)
		ordered_put_at(op, 0);
	else
		store_get(
		    op->store, BUCKET_lifecycle_instance, op->record, on_record, op);
}

static void on_read(void *data, const struct store_result *r)
{
	struct ordered_op *op = data;
	uint64_t order = 0;

	if (r->code == ERROR_NOT_FOUND)
		on_nothing_there(op, r->revision);
	else if (r->code)
		ordered_finish(op, r->code, false, r->detail);
	else if (op->o.read(r->value, &order) && order > op->o.order)
		ordered_finish(op, 0, true, "");
	else if (order == op->o.order && op->o.value.p)
		ordered_finish(op, 0, false, "");
	else
		ordered_put_at(op, r->revision);
}

static void ordered_look(struct ordered_op *op)
{
	store_get(op->store, op->o.bucket, op->key, on_read, op);
}

void ordered_write(struct store *s, const struct ordered *o)
{
	struct ordered_op *op = calloc(1, sizeof(*op) + o->value.n + 1);

	must(op);
	op->store = s;
	op->o = *o;
	snprintf(op->key, sizeof(op->key), "%s", o->key);
	snprintf(op->record, sizeof(op->record), "%s", o->record);
	op->o.key = op->key;
	op->o.record = op->record;
	if (o->value.p) {
		memcpy(op->value, o->value.p, o->value.n);
		op->o.value.p = op->value;
	}
	if (o->absent && o->value.p)
		ordered_put_at(op, 0);
	else
		ordered_look(op);
}

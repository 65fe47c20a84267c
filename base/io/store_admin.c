/* Making streams, buckets and consumers, or seeing that those there are the ones wanted.
 * Nothing is ever updated: what an operator changed stays, and a difference is told by
 * its field.
 *
 * happy path: INFO, not found, CREATE, compare what was made (old brokers ignore fields
 * they do not know), cb(0)
 *
 * failure modes: there with other fields: CONFLICT; another process creates it in
 * between: INFO once more */
#include <string.h>

#include "base/io/store_internal.h"

struct store_ensure {
	struct store *store;
	struct jsn *want; /* the configuration */
	char info[STORE_SUBJECT_MAX], create[STORE_SUBJECT_MAX];
	struct buf body; /* of the create request */
	bool created;
	bool did_create; /* not another process, a moment earlier */
	store_cb *cb;
	void *data;
};

/* comparing */

static bool admin_is_default(const struct jsn *v)
{
	double d;
	bool b;

	switch (jsn_type(v)) {
	case JSN_BOOL:
		return jsn_bool(v, &b) && !b;
	case JSN_NUMBER:
		return jsn_number(v, &d) && d == 0;
	case JSN_STRING:
		return *jsn_string(v) == '\0';
	default:
		return jsn_type(v) == JSN_NULL;
	}
}

static bool admin_has_string(const struct jsn *arr, const char *s)
{
	jsn_for_each (it, arr)
		if (jsn_string(it) && strcmp(jsn_string(it), s) == 0)
			return true;
	return false;
}

static bool admin_same_set(const struct jsn *a, const struct jsn *b)
{
	if (jsn_count(a) != jsn_count(b))
		return false;
	jsn_for_each (it, a)
		if (!jsn_string(it) || !admin_has_string(b, jsn_string(it)))
			return false;
	return true;
}

static bool admin_same_string(const struct jsn *a, const struct jsn *b, const char *key)
{
	const char *x = jsn_get_string(a, key), *y = jsn_get_string(b, key);

	return x && y && strcmp(x, y) == 0;
}

static bool admin_field_ok(const char *key, const struct jsn *want, const struct jsn *got)
{
	int64_t w, g;
	double x, y;

	if (strcmp(key, "num_replicas") == 0) /* an operator may have raised it */
		return jsn_int(want, &w) && jsn_int(got, &g) && g >= w;
	if (strcmp(key, "subjects") == 0)
		return admin_same_set(want, got);
	if (strcmp(key, "republish") == 0)
		return admin_same_string(want, got, "src") &&
		       admin_same_string(want, got, "dest");
	if (!got)
		return admin_is_default(want);
	/* Nanoseconds of more than 104 days are over 2^53; our own are whole milliseconds
	 * and so still exact doubles. */
	if (jsn_number(want, &x) && jsn_number(got, &y))
		return x == y;
	return jsn_equal(want, got);
}

/* Names of the fields that differ, separated by blanks. */
static void admin_compare(const struct jsn *want, const struct jsn *got, struct buf *out)
{
	static const char *const unasked[] = {"republish", "mirror", "sources", "sealed"};

	jsn_for_each (it, want)
		if (!admin_field_ok(jsn_key(it), it, jsn_get(got, jsn_key(it))))
			buf_addf(out, " %s", jsn_key(it));
	for (size_t i = 0; i < ARRAY_LEN(unasked); i++)
		if (!jsn_get(want, unasked[i]) &&
		    !admin_is_default(jsn_get(got, unasked[i])))
			buf_addf(out, " %s", unasked[i]);
}

/* steps */

static void admin_decode(
    struct store_op *op, struct store_result *r, const struct jsn *reply)
{
	struct store_ensure *x = op->data;
	AUTO(buf_deinit) struct buf diff = BUF_NULL(sizeof(r->detail) - 1);

	x->did_create = jsn_get_bool(reply, "did_create", false);
	admin_compare(x->want, jsn_get(reply, "config"), &diff);
	if (diff.n == 0 && !diff.failed)
		return;
	r->code = ERROR_CONFLICT;
	snprintf(r->detail, sizeof(r->detail), "differs in%.140s",
	    diff.failed ? " many fields" : buf_cstr(&diff));
}

static void admin_end(struct store_ensure *x, const struct store_result *r)
{
	store_cb *cb = x->cb;
	void *data = x->data;

	jsn_free(x->want);
	buf_deinit(&x->body);
	free(x);
	cb(data, r);
}

static void admin_ask(struct store_ensure *x, bool create);

/* Somebody else made it since we looked. */
static bool admin_name_was_taken(const struct store_result *r)
{
	return r->code == ERROR_CONFLICT &&
	       (strstr(r->detail, "(10058)") || strstr(r->detail, "(10013)") ||
		   strstr(r->detail, "(10148)"));
}

static void admin_on_created(void *data, const struct store_result *r)
{
	struct store_ensure *x = data;

	if (!x->created && admin_name_was_taken(r)) {
		x->created = true;
		admin_ask(x, false);
		return;
	}
	if (r->code == 0 && x->did_create && jsn_get(x->want, "subjects"))
		store_gate_open(x->store, jsn_get_string(x->want, "name"));
	admin_end(x, r);
}

static void admin_on_info(void *data, const struct store_result *r)
{
	struct store_ensure *x = data;

	if (r->code == ERROR_NOT_FOUND && !x->created)
		admin_ask(x, true);
	else
		admin_end(x, r);
}

static void admin_ask(struct store_ensure *x, bool create)
{
	const struct store_call c = {
	    .subject = create ? x->create : x->info,
	    .body = create ? buf_slice(&x->body) : SLICE_NULL,
	    .decode = admin_decode,
	    .cb = create ? admin_on_created : admin_on_info,
	    .data = x,
	};

	if (buf_check(&x->body) != 0 || !*x->create || !*x->info)
		store_call_fail(
		    x->store, &c, ERROR_INVALID, "not a name the broker allows");
	else
		store_call(x->store, &c);
}

static struct store_ensure *admin_new(struct store *s, store_cb *cb, void *data)
{
	struct store_ensure *x = calloc(1, sizeof(*x));

	must(x);
	x->store = s;
	x->want = jsn_new_object();
	x->body = BUF_NULL(STORE_REQUEST_MAX);
	x->cb = cb;
	x->data = data;
	return x;
}

/* what is wanted */

static void admin_set_limit(struct jsn *o, const char *key, int64_t v)
{
	jsn_set_int(o, key, v > 0 ? v : -1);
}

static void admin_set_subjects(struct jsn *o, const char *subjects)
{
	struct jsn *a = jsn_new_array();

	while (*subjects) {
		size_t n = strcspn(subjects, " ");

		if (n > 0)
			jsn_push(a, jsn_new_string_n(subjects, n));
		subjects += n + (subjects[n] == ' ');
	}
	jsn_set(o, "subjects", a);
}

static void admin_set_republish(struct jsn *o, const struct store_stream *st)
{
	struct jsn *r;

	if (!st->republish_dest)
		return;
	r = jsn_new_object();
	jsn_set_string(r, "src", st->republish_src);
	jsn_set_string(r, "dest", st->republish_dest);
	jsn_set(o, "republish", r);
}

void store_ensure_stream(
    struct store *s, const struct store_stream *st, store_cb *cb, void *data)
{
	struct store_ensure *x = admin_new(s, cb, data);
	struct jsn *o = x->want;

	jsn_set_string(o, "name", st->name);
	admin_set_subjects(o, st->subjects);
	jsn_set_string(o, "retention", st->work_queue ? "workqueue" : "limits");
	jsn_set_string(o, "discard", st->discard_new ? "new" : "old");
	jsn_set_string(o, "storage", st->memory ? "memory" : "file");
	jsn_set_int(o, "num_replicas", st->replicas > 0 ? st->replicas : 1);
	jsn_set_int(o, "max_age", st->max_age_ms * 1000000);
	admin_set_limit(o, "max_bytes", st->max_bytes);
	admin_set_limit(o, "max_msgs", st->max_msgs);
	admin_set_limit(o, "max_msgs_per_subject", st->max_msgs_per_subject);
	admin_set_limit(o, "max_msg_size", st->max_msg_size);
	if (st->duplicate_window_ms > 0)
		jsn_set_int(o, "duplicate_window", st->duplicate_window_ms * 1000000);
	jsn_set_bool(o, "allow_direct", st->allow_direct);
	jsn_set_bool(o, "deny_delete", st->deny_delete);
	jsn_set_bool(o, "deny_purge", st->deny_purge);
	jsn_set_bool(o, "allow_rollup_hdrs", st->allow_rollup);
	admin_set_republish(o, st);
	jsn_print(o, &x->body);
	if (!store_name_valid(st->name) ||
	    !store_subject(x->info, "$JS.API.STREAM.INFO.%s", st->name) ||
	    !store_subject(x->create, "$JS.API.STREAM.CREATE.%s", st->name))
		*x->info = '\0';
	admin_ask(x, false);
}

void store_ensure_bucket(
    struct store *s, const struct store_bucket *b, store_cb *cb, void *data)
{
	char name[STORE_SUBJECT_MAX], subjects[STORE_SUBJECT_MAX],
	    dest[STORE_SUBJECT_MAX];
	struct store_stream st = {
	    .name = name,
	    .subjects = subjects,
	    .discard_new = true,
	    .allow_direct = b->allow_direct,
	    .deny_delete = true,
	    .allow_rollup = true,
	    .max_age_ms = b->ttl_ms,
	    .max_msgs_per_subject = b->history > 0 ? b->history : 1,
	    .max_msg_size = b->max_value_bytes,
	    .republish_src = subjects,
	    .republish_dest = b->feed ? dest : NULL,
	    .replicas = b->replicas,
	};

	if (!store_subject(name, "KV_%s", b->name) ||
	    !store_subject(subjects, "$KV.%s.>", b->name) ||
	    !store_subject(dest, "%s.>", b->feed ? b->feed : ""))
		*name = '\0';
	store_ensure_stream(s, &st, cb, data);
}

void store_ensure_consumer(
    struct store *s, const struct store_consumer *c, store_cb *cb, void *data)
{
	struct store_ensure *x = admin_new(s, cb, data);
	struct jsn *o = x->want, *request;

	jsn_set_string(o, "durable_name", c->name);
	jsn_set_string(o, "deliver_subject", c->deliver_subject);
	if (c->deliver_group)
		jsn_set_string(o, "deliver_group", c->deliver_group);
	if (c->filter)
		jsn_set_string(o, "filter_subject", c->filter);
	jsn_set_string(o, "deliver_policy", "all");
	jsn_set_string(o, "ack_policy", "explicit");
	jsn_set_string(o, "replay_policy", "instant");
	jsn_set_int(
	    o, "ack_wait", (c->ack_wait_ms > 0 ? c->ack_wait_ms : 30000) * 1000000);
	jsn_set_int(o, "max_deliver", -1);
	jsn_set_int(
	    o, "max_ack_pending", c->max_ack_pending > 0 ? c->max_ack_pending : 1000);
	request = jsn_new_object();
	jsn_set_string(request, "stream_name", c->stream);
	jsn_set(request, "config", jsn_copy(o));
	jsn_print(request, &x->body);
	jsn_free(request);
	if (!store_name_valid(c->stream) || !store_name_valid(c->name) ||
	    !store_subject(x->info, "$JS.API.CONSUMER.INFO.%s.%s", c->stream, c->name) ||
	    !store_subject(
		x->create, "$JS.API.CONSUMER.DURABLE.CREATE.%s.%s", c->stream, c->name))
		*x->info = '\0';
	admin_ask(x, false);
}

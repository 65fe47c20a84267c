/* The record of a revision, to and from JSON. */
#include "sessiond/gateway/settings_internal.h"

void settings_head_free(struct settings_head *h)
{
	free(h->ops);
	*h = (struct settings_head){0};
}

static void copy_string(const struct jsn *o, const char *key, char *out, size_t n)
{
	const char *s = jsn_get_string(o, key);

	snprintf(out, n, "%s", s ? s : "");
}

static void parse_ops(const struct jsn *ops, struct settings_head *h)
{
	size_t n = jsn_count(ops);

	if (n == 0)
		return;
	h->ops = calloc(n, sizeof(*h->ops));
	must(h->ops);
	jsn_for_each (o, ops) {
		struct settings_op *op = &h->ops[h->n_ops++];

		copy_string(o, "id", op->id, sizeof(op->id));
		op->revision = (uint64_t)jsn_get_int(o, "rev", 0);
	}
}

bool settings_head_parse(struct slice text, uint64_t seq, struct settings_head *out)
{
	AUTO(jsn_freep) struct jsn *o = NULL;
	struct err e;

	*out = (struct settings_head){.seq = seq};
	if (jsn_parse(text.p, text.n, &o, &e))
		return false;
	out->revision = (uint64_t)jsn_get_int(o, "revision", 0);
	out->base_seq = (uint64_t)jsn_get_int(o, "base_seq", 0);
	out->user_seq = (uint64_t)jsn_get_int(o, "user_seq", 0);
	out->base_rev = (uint64_t)jsn_get_int(o, "base_rev", 0);
	out->user_rev = (uint64_t)jsn_get_int(o, "user_rev", 0);
	out->at_unix_ms = jsn_get_int(o, "at", 0);
	out->user_at_unix_ms = jsn_get_int(o, "user_at", 0);
	out->prev_seq = (uint64_t)jsn_get_int(o, "prev_seq", 0);
	out->restored = (uint64_t)jsn_get_int(o, "restored", 0);
	copy_string(o, "kind", out->kind, sizeof(out->kind));
	copy_string(o, "actor", out->actor, sizeof(out->actor));
	copy_string(o, "field", out->field, sizeof(out->field));
	copy_string(o, "color_scheme", out->color_scheme, sizeof(out->color_scheme));
	copy_string(o, "op_id", out->op_id, sizeof(out->op_id));
	copy_string(o, "prev", out->prev_hash, sizeof(out->prev_hash));
	parse_ops(jsn_get(o, "ops"), out);
	auth_hash(text.p, text.n, out->hash);
	return out->revision > 0;
}

static void set_if(struct jsn *o, const char *key, const char *value)
{
	if (value[0])
		jsn_set_string(o, key, value);
}

void settings_head_print(const struct settings_head *h, struct buf *out)
{
	struct jsn *o = jsn_new_object(), *ops = jsn_new_array();

	jsn_set_int(o, "revision", (int64_t)h->revision);
	jsn_set_string(o, "kind", h->kind);
	jsn_set_string(o, "actor", h->actor);
	jsn_set_int(o, "at", h->at_unix_ms);
	jsn_set_int(o, "base_seq", (int64_t)h->base_seq);
	jsn_set_int(o, "base_rev", (int64_t)h->base_rev);
	jsn_set_int(o, "user_seq", (int64_t)h->user_seq);
	jsn_set_int(o, "user_rev", (int64_t)h->user_rev);
	jsn_set_int(o, "user_at", h->user_at_unix_ms);
	if (h->prev_seq)
		jsn_set_int(o, "prev_seq", (int64_t)h->prev_seq);
	if (h->restored)
		jsn_set_int(o, "restored", (int64_t)h->restored);
	set_if(o, "field", h->field);
	set_if(o, "color_scheme", h->color_scheme);
	set_if(o, "op_id", h->op_id);
	set_if(o, "prev", h->prev_hash);
	for (size_t i = 0; i < h->n_ops; i++) {
		struct jsn *op = jsn_new_object();

		jsn_set_string(op, "id", h->ops[i].id);
		jsn_set_int(op, "rev", (int64_t)h->ops[i].revision);
		jsn_push(ops, op);
	}
	jsn_set(o, "ops", ops);
	jsn_print(o, out);
	jsn_free(o);
}

uint64_t settings_head_op(const struct settings_head *h, const char *op_id)
{
	for (size_t i = h->n_ops; i-- > 0;)
		if (strcmp(h->ops[i].id, op_id) == 0)
			return h->ops[i].revision;
	return 0;
}

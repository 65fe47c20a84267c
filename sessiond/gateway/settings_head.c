/* The record of a revision, to and from JSON. */
#include "sessiond/gateway/settings_internal.h"

static void copy_string(const struct jsn *o, const char *key, char *out, size_t n)
{
	const char *s = jsn_get_string(o, key);

	snprintf(out, n, "%s", s ? s : "");
}

/* [revision, sequence, ...] */
static void parse_back(const struct jsn *list, struct settings_head *h)
{
	struct settings_step step = {0};
	bool second = false;

	jsn_for_each (v, list) {
		int64_t n = 0;

		if (!jsn_int(v, &n) || n < 0 || h->n_back == SETTINGS_BACK_MAX)
			return;
		if (second) {
			step.seq = (uint64_t)n;
			h->back[h->n_back++] = step;
		}
		step.revision = (uint64_t)n;
		second = !second;
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
	copy_string(o, "client", out->client, sizeof(out->client));
	copy_string(o, "base_hash", out->base_hash, sizeof(out->base_hash));
	copy_string(o, "user_hash", out->user_hash, sizeof(out->user_hash));
	parse_back(jsn_get(o, "back"), out);
	digest_hex(text, out->hash);
	return out->revision > 0;
}

static void set_if(struct jsn *o, const char *key, const char *value)
{
	if (value[0])
		jsn_set_string(o, key, value);
}

void settings_head_print(const struct settings_head *h, struct buf *out)
{
	struct jsn *o = jsn_new_object(), *back = jsn_new_array();

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
	set_if(o, "client", h->client);
	set_if(o, "base_hash", h->base_hash);
	set_if(o, "user_hash", h->user_hash);
	for (size_t i = 0; i < h->n_back; i++) {
		jsn_push(back, jsn_new_int((int64_t)h->back[i].revision));
		jsn_push(back, jsn_new_int((int64_t)h->back[i].seq));
	}
	jsn_set(o, "back", back);
	jsn_print(o, out);
	jsn_free(o);
}

void settings_head_follow(struct settings_head *next, const struct settings_head *head)
{
	uint64_t revision = head->revision + 1;

	next->revision = revision;
	next->prev_seq = head->seq;
	memcpy(next->prev_hash, head->hash, sizeof(next->prev_hash));
	/* what can be reached by dropping bits is the one before, or among its own */
	for (uint64_t r = revision & (revision - 1); r; r &= r - 1) {
		struct settings_step step = {head->revision, head->seq};

		for (size_t i = 0; i < head->n_back && step.revision != r; i++)
			step = head->back[i];
		if (step.revision != r || next->n_back == SETTINGS_BACK_MAX)
			return;
		next->back[next->n_back++] = step;
	}
}

uint64_t settings_head_toward(const struct settings_head *h, uint64_t revision)
{
	struct settings_step best = {h->revision - 1, h->prev_seq};

	if (h->revision <= revision)
		return h->seq;
	for (size_t i = 0; i < h->n_back; i++)
		if (h->back[i].revision >= revision && h->back[i].revision < best.revision)
			best = h->back[i];
	return best.seq;
}

/* Who changed what last: of the leaves changed most recently, kept in the document of
 * overrides beside "set" and "del". It tells a client whose change its own replaced.
 *
 * "recent":[{"path","revision","actor","client"}], newest last
 */
#include "base/must.h"
#include "sessiond/core/json_string.h"
#include "sessiond/core/jval_print.h"
#include "sessiond/gateway/settings_internal.h"

enum {
	RECENT_MAX = 256,
	RECENT_BYTES_MAX = 32 * 1024,
};

struct recent {
	struct settings_changed items[RECENT_MAX];
	size_t n;
	/* of the change at hand; more than fit drop the first of them */
	struct settings_changed fresh[RECENT_MAX];
	size_t n_fresh;
};

static struct slice member_string(struct arena *a, const struct jval *o, const char *key)
{
	const struct jval *v = jval_get_str(a, o, key);

	return v && v->type == JVAL_STRING ? v->str : SLICE_LIT("");
}

static void recent_read(struct settings_job *j, struct recent *out)
{
	struct json_doc d;
	const struct jval *list = NULL;

	out->n = 0;
	if (j->own.user.n &&
	    json_doc_parse_message(&j->a, buf_slice(&j->own.user), &d) == JSON_DOC_OK)
		list = jval_get_str(&j->a, d.root, "recent");
	if (!list || list->type != JVAL_ARRAY)
		return;
	jval_for_each (v, list) {
		const struct jval *n = jval_get_str(&j->a, v, "revision");
		uint64_t revision =
		    n && n->type == JVAL_NUMBER
			? strtoull(arena_copy(&j->a, n->text).p, NULL, 10)
			: 0;

		if (out->n == RECENT_MAX)
			return;
		out->items[out->n++] =
		    (struct settings_changed){.path = member_string(&j->a, v, "path"),
			.actor = member_string(&j->a, v, "actor"),
			.client = member_string(&j->a, v, "client"),
			.revision = revision};
	}
}

/* @leaf, of one side, is the same at the other: a number written in another way is not. */
static bool unchanged(
    struct settings_job *j, const struct jval *leaf, const struct overrides *other)
{
	struct json_pointer ptr;
	const struct jval *v;

	must(json_pointer_parse(&j->a, json_pointer_of(&j->a, leaf), &ptr));
	v = overrides_at(&j->a, other, ptr.tokens, ptr.n);
	if (!v || jval_is_tree(v) || v->type != leaf->type)
		return false;
	return leaf->type == JVAL_TOMB || jval_same_text(leaf, v);
}

bool settings_user_unchanged(struct settings_job *j, const struct overrides *result)
{
	if (!overrides_equal(&j->a, result, &j->user))
		return false;
	overrides_for_each (v, result)
		if (!unchanged(j, v, &j->user))
			return false;
	return true;
}

static void recent_drop(struct recent *r, struct slice path)
{
	for (size_t i = 0; i < r->n; i++) {
		if (!slice_eq(r->items[i].path, path))
			continue;
		memmove(&r->items[i], &r->items[i + 1],
		    (r->n - i - 1) * sizeof(r->items[0]));
		r->n--;
		return;
	}
}

static void recent_put(struct recent *r, const struct settings_changed *c)
{
	recent_drop(r, c->path);
	r->fresh[r->n_fresh++ % RECENT_MAX] = *c;
}

/* The newest is number 0; NULL: there are no more. */
static const struct settings_changed *recent_at(const struct recent *r, size_t i)
{
	size_t n_fresh = r->n_fresh < RECENT_MAX ? r->n_fresh : RECENT_MAX;

	if (i < n_fresh)
		return &r->fresh[(r->n_fresh - 1 - i) % RECENT_MAX];
	i -= n_fresh;
	return i < r->n && i + n_fresh < RECENT_MAX ? &r->items[r->n - 1 - i] : NULL;
}

static void print_changed(
    struct buf *b, const struct settings_changed *c, bool with_client)
{
	buf_adds(b, "{\"path\":");
	json_string_print(b, c->path);
	buf_addf(
	    b, ",\"revision\":%llu,\"actor\":", (unsigned long long)c->revision);
	json_string_print(b, c->actor);
	if (with_client && c->client.n) {
		buf_adds(b, ",\"client\":");
		json_string_print(b, c->client);
	}
	buf_addc(b, '}');
}

static size_t bytes_of(const struct settings_changed *c)
{
	return 2 * (c->path.n + c->actor.n + c->client.n) + 64;
}

void settings_recent_print(struct settings_job *j, const struct overrides *result,
    const char *client, struct buf *out)
{
	struct recent *r = ARENA_NEW(&j->a, struct recent);
	struct settings_changed c = {.actor = slice_of(j->c->who.sub),
	    .client = slice_of(client ? client : ""),
	    .revision = j->own.head.revision + 1};
	size_t n = 0, bytes = 0;

	recent_read(j, r);
	overrides_for_each (v, result) {
		c.path = json_pointer_of(&j->a, v);
		if (!unchanged(j, v, &j->user))
			recent_put(r, &c);
	}
	while (recent_at(r, n) &&
	       (bytes += bytes_of(recent_at(r, n))) <= RECENT_BYTES_MAX)
		n++;
	buf_addc(out, '[');
	for (size_t i = n; i-- > 0;) {
		print_changed(out, recent_at(r, i), true);
		if (i)
			buf_addc(out, ',');
	}
	buf_addc(out, ']');
}

size_t settings_superseded_print(struct settings_job *j, const struct overrides *result,
    const char *client, struct buf *out)
{
	struct recent *r = ARENA_NEW(&j->a, struct recent);
	size_t n = 0;

	recent_read(j, r);
	for (size_t i = 0; i < r->n; i++) {
		const struct settings_changed *c = &r->items[i];
		struct json_pointer ptr;
		const struct jval *leaf;

		if (c->client.n && client && slice_is(c->client, client))
			continue;
		if (!json_pointer_parse(&j->a, c->path, &ptr))
			continue;
		leaf = overrides_at(&j->a, &j->user, ptr.tokens, ptr.n);
		if (!leaf || jval_is_tree(leaf) || unchanged(j, leaf, result))
			continue;
		if (n++)
			buf_addc(out, ',');
		print_changed(out, c, false);
	}
	return n;
}

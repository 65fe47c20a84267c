/* Uploads: what the server does not have yet, as operations or, for a server that takes
 * nothing else, as a whole object; and what becomes of them. */
#include "sessiond/sidecar/decide_internal.h"

#include "sessiond/core/json_string.h"
#include "sessiond/core/jval_print.h"
#include "sessiond/sidecar/helix_rules.h"

/* What turns the server's overrides into ours; false if they are the same. */
static bool post_ops(struct decision *d, const struct overrides *server,
    const struct overrides *mine, struct buf *body)
{
	struct jval *base;

	if (decision_read_doc(d, "base", record_get(&d->out->next, RECORD_BASE), &base))
		base = NULL;
	buf_adds(body, "{\"ops\":");
	if (!overrides_print_delta_over(d->a, server, mine, base, body))
		return false;
	buf_adds(body, ",\"op_id\":");
	json_string_print(body, slice_of(d->in->op_id));
	if (d->in->client) {
		buf_adds(body, ",\"client\":");
		json_string_print(body, slice_of(d->in->client));
	}
	buf_addc(body, '}');
	return true;
}

/* The whole of ours; false if that says what was told before. */
static bool post_plain(struct decision *d, const struct overrides *server,
    const struct overrides *mine, struct buf *body)
{
	struct jval *all = helix_upload(d->a, mine);

	jval_print(body, all);
	return !jval_equal(d->a, all, helix_upload(d->a, server));
}

int decision_make_post(struct decision *d)
{
	struct record *next = &d->out->next;
	struct slice mine_text = record_get(next, RECORD_OVERRIDES);
	AUTO(buf_deinit) struct buf body = BUF_NULL(SIZE_MAX);
	struct overrides server, mine;
	int r;

	if (!d->in->op_id || record_get(next, RECORD_POST).p || !mine_text.p ||
	    slice_eq(mine_text, record_get(next, RECORD_REFUSED)))
		return 0;
	r = decision_read_overrides(d, "overrides", mine_text, &mine);
	if (!r)
		r = decision_read_overrides(d, "server", record_get(next, RECORD_SERVER), &server);
	if (r || overrides_equal(d->a, &server, &mine))
		return r;
	if (d->in->plain ? !post_plain(d, &server, &mine, &body)
			 : !post_ops(d, &server, &mine, &body)) {
		if (d->in->plain)
			record_set(next, RECORD_SERVER, mine_text);
		return 0;
	}
	record_set(next, RECORD_POST, buf_slice(&body));
	record_set(next, RECORD_POST_AS, mine_text);
	record_set(next, RECORD_REFUSED, SLICE_NULL);
	return 0;
}

/* The revision a tag names; -1: it is not one of numbers. */
int64_t decide_tag_revision(struct slice tag)
{
	int64_t n = 0;

	if (tag.n >= 2 && tag.p[0] == '"' && tag.p[tag.n - 1] == '"')
		tag = (struct slice){tag.p + 1, tag.n - 2};
	if (tag.n == 0 || tag.n > 18)
		return -1;
	for (size_t i = 0; i < tag.n; i++) {
		if (tag.p[i] < '0' || tag.p[i] > '9')
			return -1;
		n = n * 10 + (tag.p[i] - '0');
	}
	return n;
}

/* What we know of the server is newer than the answer (its first copy was lost, and the
 * upload repeated): the upload is in it already. */
static bool is_old_answer(const struct record *r, struct slice server_tag)
{
	int64_t is = decide_tag_revision(server_tag);

	return is >= 0 && is <= decide_tag_revision(record_get(r, RECORD_SERVER_TAG));
}

void decide_posted(struct record *r, struct slice server_tag)
{
	struct slice had = record_get(r, RECORD_SERVER);

	if (is_old_answer(r, server_tag)) {
		decide_stale(r);
		return;
	}
	if (!record_get(r, RECORD_SERVER_THEN).p)
		record_set(r, RECORD_SERVER_THEN, had.p ? had : SLICE_LIT(DECIDE_NO_OVERRIDES));
	record_set(r, RECORD_SERVER, record_get(r, RECORD_POST_AS));
	record_set(r, RECORD_SERVER_TAG, server_tag);
	decide_stale(r);
}

/* What was refused would be made otherwise now: base or server moved since. */
static bool is_outdated(const struct record *r)
{
	AUTO(arena_deinit) struct arena arena = ARENA_NULL;
	AUTO(buf_deinit) struct buf body = BUF_NULL(SIZE_MAX);
	struct err e = ERR_NULL;
	struct decision d = {.a = &arena, .e = &e};
	struct overrides server, mine;
	struct jval *base;

	if (!slice_starts(record_get(r, RECORD_POST), SLICE_LIT("{\"ops\":")) ||
	    decision_read_overrides(&d, "upload", record_get(r, RECORD_POST_AS), &mine) ||
	    decision_read_overrides(&d, "server", record_get(r, RECORD_SERVER), &server) ||
	    decision_read_doc(&d, "base", record_get(r, RECORD_BASE), &base))
		return false;
	buf_adds(&body, "{\"ops\":");
	overrides_print_delta_over(&arena, &server, &mine, base, &body);
	return !slice_starts(record_get(r, RECORD_POST), buf_slice(&body));
}

void decide_refused(struct record *r)
{
	if (is_outdated(r)) {
		decide_stale(r);
		return;
	}
	record_set(r, RECORD_REFUSED, record_get(r, RECORD_POST_AS));
	decide_stale(r);
}

void decide_stale(struct record *r)
{
	record_set(r, RECORD_POST, SLICE_NULL);
	record_set(r, RECORD_POST_AS, SLICE_NULL);
}

/* The operations that turn @server into @mine, but for what is only to be forgotten, as
 * overrides of their own. */
static struct overrides changes_alone(
    struct arena *a, const struct overrides *server, const struct overrides *mine)
{
	AUTO(buf_deinit) struct buf text = BUF_NULL(SIZE_MAX);
	struct overrides_ops ops;
	struct json_doc doc;

	if (!overrides_print_delta(a, server, mine, &text))
		return overrides_new(a);
	must(json_doc_parse_object(a, arena_copy(a, buf_slice(&text)), &doc) ==
		 JSON_DOC_OK &&
	     !overrides_ops_parse(a, doc.root, &ops));
	return ops.changes;
}

void decide_change_session(struct record *r)
{
	static const enum record_field kept[] = {RECORD_TEXT, RECORD_BASE, RECORD_SOUND,
	    RECORD_POLICY, RECORD_MIGRATED, RECORD_FIRST, RECORD_FIRST_ID};
	AUTO(arena_deinit) struct arena arena = ARENA_NULL;
	AUTO(buf_deinit) struct buf text = BUF_NULL(SIZE_MAX);
	struct err e = ERR_NULL;
	struct decision d = {.a = &arena, .e = &e};
	struct record was = *r;
	struct overrides server, mine;
	int rc = decision_read_overrides(
	    &d, "server", record_get(&was, RECORD_SERVER), &server);

	if (!rc)
		rc = decision_read_overrides(
		    &d, "overrides", record_get(&was, RECORD_OVERRIDES), &mine);
	*r = RECORD_NULL;
	for (size_t i = 0; i < ARRAY_LEN(kept); i++)
		record_set(r, kept[i], record_get(&was, kept[i]));
	if (!rc) {
		mine = changes_alone(&arena, &server, &mine);
		overrides_print(&text, &mine);
		record_set(r, RECORD_OVERRIDES, buf_slice(&text));
		record_set(r, RECORD_SERVER, SLICE_LIT(DECIDE_NO_OVERRIDES));
	}
	record_deinit(&was);
}

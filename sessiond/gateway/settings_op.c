/* Operations that carry an op_id are done once, however often and wherever they are asked
 * for. Each attempt leaves a note before it commits: the revision it means to follow, and
 * the answer it would give. The one revision that did follow says whether that attempt
 * was the one. Notes of an op_id are appended compare-and-set, so that nobody decides on
 * an older note; they are kept as long as the session.
 */
#include "sessiond/gateway/settings_internal.h"

#include "base/must.h"
#include "proto/subjects.h"

enum {
	NOTE_MAX = 512 * 1024,
	TOKEN_HASH_LEN = 32,
};

static struct subject op_subject(const struct settings_job *j)
{
	char hash[DIGEST_HEX_LEN + 1], token[TOKEN_HASH_LEN + 4];

	digest_hex(slice_of(j->op.id), hash);
	snprintf(token, sizeof(token), "op_%.*s", TOKEN_HASH_LEN, hash);
	return SUBJECT_OF(session_settings_op, token, j->own.kind, j->own.id.s);
}

void settings_op_read(struct settings_job *j, store_cb *cb)
{
	struct subject subject = op_subject(j);
	struct store_read r = {
	    .stream = STREAM_session_settings, .last_subject = subject.s};

	store_read(j->s->g->store, &r, cb, j);
}

void settings_op_take(struct settings_job *j, const struct store_result *r)
{
	struct settings_op *op = &j->op;
	AUTO(jsn_freep) struct jsn *o = NULL;
	const char *end, *body;
	struct err e;

	op->seq = op->after = 0;
	op->done = op->known = false;
	if (op->answer.max == 0)
		op->answer = BUF_NULL(NOTE_MAX);
	buf_reset(&op->answer);
	if (r->code)
		return;
	op->seq = r->revision;
	end = r->value.n ? memchr(r->value.p, '\n', r->value.n) : NULL;
	if (!end || jsn_parse(r->value.p, (size_t)(end - r->value.p), &o, &e))
		return; /* not ours: nothing is known, and it is superseded */
	body = jsn_get_string(o, "body");
	snprintf(op->noted_body, sizeof(op->noted_body), "%s", body ? body : "");
	op->after = (uint64_t)jsn_get_int(o, "after", 0);
	op->done = jsn_get_bool(o, "done", false);
	buf_add_slice(&op->answer,
	    (struct slice){end + 1, r->value.n - (size_t)(end + 1 - r->value.p)});
}

/* The revision that followed the one the noted attempt was made from. */
static void op_on_followed(void *data, const struct store_result *r)
{
	struct settings_job *j = data;
	struct settings_op *op = &j->op;

	if (r->code && r->code != ERROR_NOT_FOUND) {
		settings_job_store_failed(j, r->code, r->detail);
		return;
	}
	if (r->code == 0 && settings_head_parse(r->value, r->revision, &op->made))
		op->known = strcmp(op->made.op_id, op->id) == 0;
	j->reading.cb(j);
}

void settings_op_settle(struct settings_job *j, settings_step_cb *cb)
{
	struct settings_op *op = &j->op;
	struct subject commits =
	    SUBJECT_OF(session_settings_commit, j->own.kind, j->own.id.s);
	struct store_read r = {.stream = STREAM_session_settings,
	    .seq = op->after + 1,
	    .next_subject = commits.s};

	op->known = op->done;
	if (!op->seq || op->done || op->after == j->own.head.seq) {
		/* no attempt, or one that has not succeeded as of what was read */
		cb(j);
	} else if (op->after > j->own.head.seq && !op->doubted) {
		op->doubted = true; /* noted after what was read: read again */
		settings_job_retry(j);
	} else if (op->after > j->own.head.seq) {
		cb(j); /* of a session that was deleted meanwhile */
	} else {
		j->reading.cb = cb;
		store_read(j->s->g->store, &r, op_on_followed, j);
	}
}

void settings_op_note(
    struct settings_job *j, bool done, struct slice answer, store_cb *cb)
{
	struct settings_op *op = &j->op;
	struct subject subject = op_subject(j);
	struct store_append a = {
	    .subject = subject.s, .expected_last_subject_seq = (int64_t)op->seq};
	struct jsn *o = jsn_new_object();

	jsn_set_string(o, "op_id", op->id);
	jsn_set_string(o, "body", op->body);
	jsn_set_int(o, "after", (int64_t)j->own.head.seq);
	if (done)
		jsn_set_bool(o, "done", true);
	buf_deinit(&op->note);
	op->note = BUF_NULL(NOTE_MAX);
	jsn_print(o, &op->note);
	jsn_free(o);
	buf_addc(&op->note, '\n');
	buf_add_slice(&op->note, answer);
	a.value = buf_slice(&op->note);
	store_append(j->s->g->store, &a, cb, j);
}

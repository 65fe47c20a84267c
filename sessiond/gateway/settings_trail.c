/* Going back: the records of earlier revisions, each of which names the one before, and
 * the documents they were about. */
#include "sessiond/gateway/settings_internal.h"

#include "base/must.h"
#include "proto/subjects.h"

static void trail_on_record(void *data, const struct store_result *r)
{
	struct settings_job *j = data;
	struct settings_head *h = j->reading.head;
	struct subject subject = SUBJECT_OF(
	    session_settings_commit, j->reading.side->kind, j->reading.side->id.s);

	if (r->code && r->code != ERROR_NOT_FOUND) {
		settings_job_store_failed(j, r->code, r->detail);
		return;
	}
	/* a sequence may come from outside: only a record of this very trail counts */
	if (r->code || strcmp(r->key, subject.s) != 0 ||
	    !settings_head_parse(r->value, r->revision, h))
		*h = (struct settings_head){0};
	j->reading.cb(j);
}

void settings_job_read_head(struct settings_job *j, struct settings_side *side,
    uint64_t seq, struct settings_head *h, settings_step_cb *cb)
{
	struct store_read r = {.stream = STREAM_session_settings, .seq = seq};

	*h = (struct settings_head){0};
	j->reading.side = side;
	j->reading.head = h;
	j->reading.cb = cb;
	store_read(j->s->g->store, &r, trail_on_record, j);
}

void settings_job_back(struct settings_job *j, struct settings_side *side,
    struct settings_head *h, settings_step_cb *cb)
{
	uint64_t seq = h->prev_seq;

	*h = (struct settings_head){0};
	if (seq)
		settings_job_read_head(j, side, seq, h, cb);
	else
		cb(j);
}

static void find_step(struct settings_job *j);

static void find_on_record(void *data, const struct store_result *r)
{
	struct settings_job *j = data;

	if (r->code) {
		settings_job_store_failed(j, r->code, r->detail);
		return;
	}
	if (!settings_head_parse(r->value, r->revision, j->reading.head)) {
		settings_job_error(j, ERROR_INTERNAL, "a stored revision cannot be read");
		return;
	}
	find_step(j);
}

static void find_step(struct settings_job *j)
{
	struct settings_head *h = j->reading.head;
	struct store_read r = {.stream = STREAM_session_settings,
	    .seq = settings_head_toward(h, j->reading.revision)};

	if (h->revision == j->reading.revision) {
		j->reading.cb(j);
	} else if (h->revision < j->reading.revision || !r.seq) {
		*h = (struct settings_head){0};
		j->reading.cb(j);
	} else {
		store_read(j->s->g->store, &r, find_on_record, j);
	}
}

void settings_job_find(struct settings_job *j, struct settings_side *side,
    uint64_t revision, struct settings_head *h, settings_step_cb *cb)
{
	j->reading.side = side;
	j->reading.head = h;
	j->reading.cb = cb;
	j->reading.revision = revision;
	*h = side->head;
	find_step(j);
}

static void trail_on_document(void *data, const struct store_result *r)
{
	struct settings_job *j = data;

	if (r->code)
		settings_job_store_failed(j, r->code, r->detail);
	else if (!settings_open_blob(j->s, j->reading.side, r->value, j->reading.out))
		settings_job_error(j, ERROR_INTERNAL, "a stored document does not open");
	else
		j->reading.cb(j);
}

void settings_job_read(struct settings_job *j, struct settings_side *side, uint64_t seq,
    struct buf *out, settings_step_cb *cb)
{
	struct store_read r = {.stream = STREAM_session_settings, .seq = seq};

	buf_reset(out);
	if (!seq) {
		cb(j);
		return;
	}
	j->reading.side = side;
	j->reading.out = out;
	j->reading.cb = cb;
	store_read(j->s->g->store, &r, trail_on_document, j);
}

static struct jval *document(struct arena *a, struct slice text)
{
	struct json_doc d;

	if (!text.n || json_doc_parse_message(a, text, &d) != JSON_DOC_OK)
		return NULL;
	return d.root;
}

struct jval *settings_doc_part(struct arena *a, struct slice base, const char *part)
{
	struct jval *v = jval_get_str(a, document(a, base), part);

	return v && v->type == JVAL_OBJECT ? v : NULL;
}

struct overrides settings_doc_user(struct arena *a, struct slice user)
{
	struct overrides u = overrides_new(a);
	struct jval *doc = document(a, user);

	if (doc)
		overrides_parse(a, doc, &u);
	return u;
}

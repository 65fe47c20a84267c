/* GET zed-config/history: revisions from the newest back, each with what it changed. The
 * changes are not stored: they are the difference of the documents before and after.
 *
 * happy path: loaded, then for each entry: the record before it, the documents that
 * differ, its line; at the end of the page or of the trail the answer
 */
#include "base/clock.h"
#include "base/must.h"
#include "sessiond/core/json_string.h"
#include "sessiond/core/settings_changes.h"
#include "sessiond/gateway/cursor.h"
#include "sessiond/gateway/fields.h"
#include "sessiond/gateway/settings_internal.h"

enum {
	LIMIT_DEFAULT = 50,
	LIMIT_MAX = 200,
	ANSWER_MAX = 16 * 1024 * 1024,
	ANSWER_ENOUGH = 4 * 1024 * 1024, /* the page ends early */
	N_SLOTS = 4,                     /* base and overrides, before and after */
};

struct doc_slot {
	uint64_t seq; /* 0: free */
	struct buf text;
};

struct history {
	struct settings_head at, before;
	struct doc_slot slots[N_SLOTS];
	struct buf out;
	int64_t limit, n;
};

static void history_free(struct history *h)
{
	for (size_t i = 0; i < N_SLOTS; i++)
		buf_deinit(&h->slots[i].text);
	buf_deinit(&h->out);
	free(h);
}

static void on_job_end(struct settings_job *j)
{
	history_free(j->data);
}

/* ---- documents ---- */

static struct doc_slot *slot_of(struct history *h, uint64_t seq)
{
	for (size_t i = 0; i < N_SLOTS; i++)
		if (h->slots[i].seq == seq)
			return &h->slots[i];
	return NULL;
}

/* What an entry needs, 0 where it needs nothing. */
static void needed(const struct history *h, uint64_t out[static N_SLOTS])
{
	const struct settings_head *x = &h->at, *y = &h->before;
	bool user = x->user_seq != y->user_seq, base = x->base_seq != y->base_seq || user;

	out[0] = base ? x->base_seq : 0;
	out[1] = base ? y->base_seq : 0;
	out[2] = user ? x->user_seq : 0;
	out[3] = user ? y->user_seq : 0;
}

static struct doc_slot *free_slot(struct history *h, const uint64_t *wanted)
{
	for (size_t i = 0; i < N_SLOTS; i++) {
		bool used = false;

		for (size_t k = 0; k < N_SLOTS && h->slots[i].seq; k++)
			used |= wanted[k] == h->slots[i].seq;
		if (!used)
			return &h->slots[i];
	}
	must(!"four documents fit in four slots");
	return NULL;
}

static struct slice text_of(struct history *h, uint64_t seq)
{
	struct doc_slot *s = seq ? slot_of(h, seq) : NULL;

	return s ? buf_slice(&s->text) : SLICE_NULL;
}

/* ---- one entry ---- */

static void hash_cb(void *data, struct slice value, char out[static SETTINGS_HASH_MAX])
{
	const struct settings *s = data;
	char hash[SEAL_HASH_LEN + 1];

	seal_hash(&s->key, value, hash);
	memcpy(out, hash, sizeof(hash));
}

static void read_policy(struct arena *a, struct slice base, struct policy *out)
{
	struct jval *doc = settings_doc_part(a, base, "policy");
	struct err e;

	if (!doc || policy_parse(a, doc, out, &e))
		policy_builtin(a, out);
}

/* Secret is what was so under any of the policies that may have been in force. */
static void print_changes(struct settings_job *j, struct arena *a, struct history *h)
{
	struct slice base = text_of(h, h->at.base_seq),
		     old = text_of(h, h->before.base_seq);
	struct overrides u = settings_doc_user(a, text_of(h, h->at.user_seq));
	struct overrides old_u = settings_doc_user(a, text_of(h, h->before.user_seq));
	struct policy then[3];
	struct settings_mask m = {.policies = {&j->policy, &then[0], &then[1], &then[2]},
	    .hash = hash_cb,
	    .hash_data = j->s};
	static const char *const parts[] = {"settings", "policy", "helix"};
	bool any = false;

	policy_builtin(a, &then[0]);
	read_policy(a, base, &then[1]);
	read_policy(a, old, &then[2]);
	for (size_t i = 0; h->at.base_seq != h->before.base_seq && i < ARRAY_LEN(parts);
	     i++) {
		size_t mark = h->out.n;

		if (any)
			buf_addc(&h->out, ',');
		if (settings_changes_print(a, &h->out, &m, i ? parts[i] : NULL,
			settings_doc_part(a, old, parts[i]),
			settings_doc_part(a, base, parts[i])))
			any = true;
		else if (!h->out.failed)
			h->out.data[h->out.n = mark] = '\0';
	}
	if (h->at.user_seq == h->before.user_seq)
		return;
	if (any)
		buf_addc(&h->out, ',');
	settings_changes_print_user(a, &h->out, &m, settings_doc_part(a, old, "settings"),
	    &old_u, settings_doc_part(a, base, "settings"), &u);
}

static void print_entry(struct settings_job *j, struct history *h)
{
	struct arena a = ARENA_NULL;
	char at[CLOCK_RFC3339_LEN + 1];

	clock_rfc3339(h->at.at_unix_ms, at);
	buf_addf(&h->out,
	    "%s{\"revision\":%llu,\"kind\":\"%s\",\"actor\":", h->n ? "," : "",
	    (unsigned long long)h->at.revision, h->at.kind);
	json_string_print(&h->out, slice_of(h->at.actor));
	buf_addf(&h->out, ",\"at\":\"%s\"", at);
	if (h->at.restored || strcmp(h->at.kind, "rollback") == 0)
		buf_addf(
		    &h->out, ",\"restored\":%llu", (unsigned long long)h->at.restored);
	if (h->at.op_id[0]) {
		buf_adds(&h->out, ",\"op_id\":");
		json_string_print(&h->out, slice_of(h->at.op_id));
	}
	if (h->at.client[0]) {
		buf_adds(&h->out, ",\"client\":");
		json_string_print(&h->out, slice_of(h->at.client));
	}
	buf_addf(&h->out, ",\"prev_hash\":\"%s\",\"hash\":\"%s\",\"changes\":[",
	    h->at.prev_hash, h->at.hash);
	print_changes(j, &a, h);
	buf_adds(&h->out, "]}");
	h->n++;
	arena_deinit(&a);
}

/* ---- the page ---- */

static void history_scope(const struct settings_job *j, char out[static 2 * ID_MAX])
{
	snprintf(out, 2 * ID_MAX, "history.%s", j->own.id.s);
}

static void history_answer(struct settings_job *j)
{
	struct history *h = j->data;
	struct buf out = h->out;
	char scope[2 * ID_MAX], cursor[CURSOR_MAX];

	h->out = BUF_NULL(1);
	buf_adds(&out, "],\"next_cursor\":");
	if (h->at.revision) {
		struct cursor c = {.a = h->at.revision, .b = h->at.seq};

		history_scope(j, scope);
		cursor_print(&c, scope, cursor);
		json_string_print(&out, slice_of(cursor));
	} else {
		buf_adds(&out, "null");
	}
	buf_addc(&out, '}');
	settings_job_reply(j, 200, NULL, &out);
}

static void history_next(struct settings_job *j);

static void history_on_documents(struct settings_job *j)
{
	struct history *h = j->data;
	uint64_t wanted[N_SLOTS];

	needed(h, wanted);
	for (size_t i = 0; i < N_SLOTS; i++) {
		struct doc_slot *slot;

		if (!wanted[i] || slot_of(h, wanted[i]))
			continue;
		slot = free_slot(h, wanted);
		slot->seq = wanted[i];
		settings_job_read(
		    j, &j->own, wanted[i], &slot->text, history_on_documents);
		return;
	}
	print_entry(j, h);
	h->at = h->before;
	h->before = (struct settings_head){0};
	history_next(j);
}

static void history_next(struct settings_job *j)
{
	struct history *h = j->data;

	if (!h->at.revision || h->n == h->limit || h->out.n > ANSWER_ENOUGH) {
		history_answer(j);
		return;
	}
	h->before = (struct settings_head){.prev_seq = h->at.prev_seq};
	settings_job_back(j, &j->own, &h->before, history_on_documents);
}

static void history_on_cursor(struct settings_job *j)
{
	struct history *h = j->data;

	if (!h->at.revision)
		settings_job_error(j, ERROR_INVALID, "cursor: unknown");
	else
		history_next(j);
}

static void history_loaded(struct settings_job *j)
{
	struct history *h = j->data;
	const char *text = j->c->req ? http_req_query(j->c->req, "cursor") : NULL;
	char scope[2 * ID_MAX];
	struct cursor c;

	buf_adds(&h->out, "{\"history\":[");
	if (!text) {
		/* the newest, as a record of its own */
		if (j->own.head.seq)
			settings_job_read_head(
			    j, &j->own, j->own.head.seq, &h->at, history_next);
		else
			history_next(j);
		return;
	}
	history_scope(j, scope);
	if (!cursor_parse(text, scope, &c) || !c.b)
		settings_job_error(j, ERROR_INVALID, "cursor: unknown");
	else
		settings_job_read_head(j, &j->own, c.b, &h->at, history_on_cursor);
}

void settings_on_history(struct call *c)
{
	struct settings_job *j;
	struct history *h;
	int64_t limit = LIMIT_DEFAULT;

	if (!query_int(c, "limit", 1, LIMIT_MAX, &limit))
		return;
	j = settings_job_new(c);
	if (!j)
		return;
	h = calloc(1, sizeof(*h));
	must(h);
	h->limit = limit;
	h->out = BUF_NULL(ANSWER_MAX);
	for (size_t i = 0; i < N_SLOTS; i++)
		h->slots[i].text = BUF_NULL(STORE_VALUE_MAX);
	j->data = h;
	j->ended = on_job_end;
	j->loaded = history_loaded;
	settings_job_load(j, SETTINGS_BASE);
}

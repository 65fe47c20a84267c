/* Turns, finished turns, live patches and answered requests to protobuf and back. */
#include "base/must.h"
#include "proto/session.pb-c.h"
#include "sessiond/wire.h"
#include "sessiond/wire_internal.h"

/* ---- turns ---- */

static void turn_fill(const struct turn *t, Session__V1__Turn *m)
{
	session__v1__turn__init(m);
	m->id = wire_string(t->id);
	m->prompt = t->prompt;
	m->agent_name = t->agent_name;
	m->thread_id = t->thread_id;
	m->error = t->error;
	m->cause = wire_string(t->cause);
	m->usage = t->usage;
	m->body_hash = t->body_hash[0] ? wire_string(t->body_hash) : NULL;
#define SET(field, value)                                                                \
	do {                                                                             \
		m->has_##field = true;                                                   \
		m->field = (value);                                                      \
	} while (0)
	SET(order, t->order);
	SET(rank, t->rank);
	SET(state, (uint32_t)t->state);
	SET(origin, (uint32_t)t->origin);
	SET(interrupt, t->interrupt);
	SET(n_sent, t->n_sent);
	SET(n_fresh, t->n_fresh);
	SET(sent_unix_ms, t->sent_unix_ms);
	SET(cancel_unix_ms, t->cancel_unix_ms);
	SET(inferred, t->inferred);
	SET(created_unix_ms, t->created_unix_ms);
	SET(completed_unix_ms, t->completed_unix_ms);
#undef SET
}

void wire_pack_turn(const struct turn *t, const char *writer, struct buf *out)
{
	Session__V1__Turn m;

	turn_fill(t, &m);
	m.writer = wire_string(writer);
	wire_pack(&m.base, out);
}

static struct turn *turn_take(const Session__V1__Turn *m, struct err *e)
{
	struct turn *t;

	if (!m->id || strlen(m->id) > TURN_ID_MAX || m->state >= TURN_STATE_N_) {
		err_set(
		    e, ERROR_INVALID, "turn record without id or with an unknown state");
		return NULL;
	}
	t = turn_new(m->id);
	t->order = m->order;
	t->rank = m->rank;
	t->state = (enum turn_state)m->state;
	t->origin = m->origin == TURN_FROM_ZED ? TURN_FROM_ZED : TURN_FROM_PROMPT;
	t->interrupt = m->interrupt;
	str_set(&t->prompt, m->prompt ? m->prompt : "");
	t->n_prompt = strlen(t->prompt);
	str_set(&t->agent_name, m->agent_name);
	if (m->body_hash && strlen(m->body_hash) == TURN_HASH_LEN)
		memcpy(t->body_hash, m->body_hash, TURN_HASH_LEN + 1);
	t->n_sent = m->n_sent;
	t->n_fresh = m->n_fresh;
	t->sent_unix_ms = m->sent_unix_ms;
	t->cancel_unix_ms = m->cancel_unix_ms;
	str_set(&t->thread_id, m->thread_id);
	str_set(&t->error, m->error);
	str_set(&t->usage, m->usage);
	t->inferred = m->inferred;
	t->created_unix_ms = m->created_unix_ms;
	t->completed_unix_ms = m->completed_unix_ms;
	t->end_stored = turn_state_terminal(t->state);
	return t;
}

struct turn *wire_unpack_turn(struct slice value, struct err *e)
{
	Session__V1__Turn *m =
	    session__v1__turn__unpack(NULL, value.n, (const uint8_t *)value.p);
	struct turn *t;

	if (!m) {
		err_set(e, ERROR_INVALID, "turn record is not protobuf");
		return NULL;
	}
	t = turn_take(m, e);
	session__v1__turn__free_unpacked(m, NULL);
	return t;
}

bool wire_turn_writer_is(struct slice value, const char *writer)
{
	Session__V1__Turn *m =
	    session__v1__turn__unpack(NULL, value.n, (const uint8_t *)value.p);
	bool same = m && str_eq(m->writer, writer);

	if (m)
		session__v1__turn__free_unpacked(m, NULL);
	return same;
}

/* ---- finished turns ---- */

static void entry_fill(const struct entry *en, Session__V1__Entry *m)
{
	session__v1__entry__init(m);
	m->message_id = en->message_id;
	m->has_type = true;
	m->type = en->type;
	m->tool_name = en->tool_name;
	m->tool_status = en->tool_status;
	m->content = en->content;
}

static void *must_calloc(size_t n, size_t size)
{
	void *p = calloc(n ? n : 1, size);

	must(p);
	return p;
}

static void seen_fill(const struct seen *seen, Session__V1__Finished *m)
{
	struct seen_pair *pairs = must_calloc(SEEN_MAX, sizeof(*pairs));
	size_t n = seen ? seen_list(seen, pairs) : 0;

	m->seen_id = must_calloc(n, sizeof(uint64_t));
	m->seen_content = must_calloc(n, sizeof(uint64_t));
	m->n_seen_id = m->n_seen_content = n;
	for (size_t i = 0; i < n; i++) {
		m->seen_id[i] = pairs[i].id;
		m->seen_content[i] = pairs[i].content;
	}
	free(pairs);
}

void wire_pack_finished(const struct turn *t, const struct seen *seen, struct buf *out)
{
	Session__V1__Finished m = SESSION__V1__FINISHED__INIT;
	Session__V1__Turn turn;
	Session__V1__Entry *entries = must_calloc(t->entries.n, sizeof(*entries));
	Session__V1__Entry **ptrs = must_calloc(t->entries.n, sizeof(*ptrs));

	turn_fill(t, &turn);
	m.turn = &turn;
	for (size_t i = 0; i < t->entries.n; i++) {
		entry_fill(&t->entries.v[i], &entries[i]);
		ptrs[i] = &entries[i];
	}
	m.n_entries = t->entries.n;
	m.entries = ptrs;
	seen_fill(seen, &m);
	wire_pack(&m.base, out);
	free(m.seen_id);
	free(m.seen_content);
	free(ptrs);
	free(entries);
}

static void entries_take(const Session__V1__Finished *m, struct entries *out)
{
	for (size_t i = 0; i < m->n_entries; i++) {
		const Session__V1__Entry *en = m->entries[i];
		struct entry_stored p = {.index = out->n,
		    .message_id = en->message_id ? en->message_id : "",
		    .type = en->type == ENTRY_TOOL_CALL ? ENTRY_TOOL_CALL : ENTRY_TEXT,
		    .tool_name = en->tool_name,
		    .tool_status = en->tool_status,
		    .append = slice_of(en->content ? en->content : "")};

		(void)entries_apply(out, &p); /* beyond limits: it was never stored */
	}
}

struct turn *wire_unpack_finished(struct slice value, struct seen *seen, struct err *e)
{
	Session__V1__Finished *m =
	    session__v1__finished__unpack(NULL, value.n, (const uint8_t *)value.p);
	struct turn *t = NULL;

	if (!m || !m->turn)
		err_set(e, ERROR_INVALID, "transcript record is not understood");
	else
		t = turn_take(m->turn, e);
	if (t) {
		t->archived = true;
		entries_take(m, &t->entries);
		for (size_t i = 0; seen && i < m->n_seen_id && i < m->n_seen_content; i++)
			seen_add(
			    seen, (struct seen_pair){m->seen_id[i], m->seen_content[i]});
	}
	if (m)
		session__v1__finished__free_unpacked(m, NULL);
	return t;
}

/* ---- the live log ---- */

enum {
	LIVE_PATCHES_MAX = 64,
};

static void patch_fill(const struct entry_patch *p, Session__V1__Live__Patch *m)
{
	union {
		const char *in;
		uint8_t *out;
	} u = {.in = p->append.p};

	session__v1__live__patch__init(m);
	m->has_index = true;
	m->index = (uint32_t)p->index;
	m->message_id = p->entry->message_id;
	m->has_type = true;
	m->type = p->entry->type;
	m->tool_name = p->entry->tool_name;
	m->tool_status = p->entry->tool_status;
	m->has_offset = true;
	m->offset = p->offset;
	m->has_append = true;
	m->append.data = u.out;
	m->append.len = p->append.n;
}

size_t wire_pack_live(
    struct entries *e, enum entries_reader reader, size_t max, struct buf *out)
{
	Session__V1__Live m = SESSION__V1__LIVE__INIT;
	Session__V1__Live__Patch patches[LIVE_PATCHES_MAX], *ptrs[LIVE_PATCHES_MAX];
	struct entry_patch p;
	size_t n = 0, used = 0;

	while (n < LIVE_PATCHES_MAX && used < max &&
	       entries_next_patch(e, reader, max - used, &p)) {
		patch_fill(&p, &patches[n]);
		ptrs[n] = &patches[n];
		n++;
		/* names and framing count too, or many small ones would grow over it */
		used += p.append.n + 64 + strlen(p.entry->tool_name) +
			strlen(p.entry->tool_status);
	}
	m.n_patches = n;
	m.patches = ptrs;
	if (n)
		wire_pack(&m.base, out);
	return n;
}

int wire_apply_live(struct slice value, struct entries *e, struct err *err)
{
	Session__V1__Live *m =
	    session__v1__live__unpack(NULL, value.n, (const uint8_t *)value.p);
	int r = 0;

	if (!m)
		return err_set(err, ERROR_INVALID, "live record is not protobuf");
	for (size_t i = 0; i < m->n_patches && !r; i++) {
		const Session__V1__Live__Patch *p = m->patches[i];
		struct entry_stored s = {.index = p->index,
		    .message_id = p->message_id ? p->message_id : "",
		    .type = p->type == ENTRY_TOOL_CALL ? ENTRY_TOOL_CALL : ENTRY_TEXT,
		    .tool_name = p->tool_name,
		    .tool_status = p->tool_status,
		    .offset = p->offset,
		    .append = {(const char *)p->append.data, p->append.len}};

		if (!entries_apply(e, &s))
			r = err_set(
			    err, ERROR_INVALID, "patch %u does not fit", p->index);
	}
	session__v1__live__free_unpacked(m, NULL);
	return r;
}

/* ---- requests ---- */

void request_rec_deinit(struct request_rec *r)
{
	free(r->session_id);
	free(r->turn_id);
	free(r->body);
	*r = (struct request_rec){0};
}

void wire_pack_request(const struct request_rec *r, struct buf *out)
{
	Session__V1__Request m = SESSION__V1__REQUEST__INIT;

	m.body_hash = wire_string(r->body_hash);
	m.session_id = r->session_id;
	m.turn_id = r->turn_id;
	m.has_status = true;
	m.status = (uint32_t)r->status;
	m.body = r->body;
	wire_pack(&m.base, out);
}

int wire_unpack_request(struct slice value, struct request_rec *out, struct err *e)
{
	Session__V1__Request *m =
	    session__v1__request__unpack(NULL, value.n, (const uint8_t *)value.p);

	*out = (struct request_rec){0};
	if (!m || !m->body_hash || strlen(m->body_hash) != TURN_HASH_LEN) {
		if (m)
			session__v1__request__free_unpacked(m, NULL);
		return err_set(e, ERROR_INVALID, "request record is not understood");
	}
	memcpy(out->body_hash, m->body_hash, TURN_HASH_LEN + 1);
	str_set(&out->session_id, m->session_id);
	str_set(&out->turn_id, m->turn_id);
	str_set(&out->body, m->body);
	out->status = (int)m->status;
	session__v1__request__free_unpacked(m, NULL);
	return 0;
}

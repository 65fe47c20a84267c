/* GET interactions: finished turns from the transcript and the others from memory as one
 * list by order of creation.
 *
 * happy path: desc: memory, then records backwards along their links; asc: records
 * forwards, then memory
 *
 * failure modes: the store fails: 503; the list grows meanwhile:
 * cursors name a turn's order and a record, both stay
 */
#include "base/must.h"
#include "sessiond/gateway/cursor.h"
#include "sessiond/gateway/fields.h"
#include "sessiond/gateway/history.h"
#include "sessiond/gateway/message_calls.h"
#include "sessiond/gateway/session_json.h"

enum {
	PAGE_LIMIT = 50,
	PAGE_LIMIT_MAX = 200,
	PAGE_BYTES = 16 * 1024 * 1024, /* text of one page: then it ends early */
	FIND_MAX = 64,
};

struct page {
	struct call *c;
	bool asc;
	bool bounded;   /* after or before order: a cursor was given */
	uint64_t order; /* of the last turn given */
	uint64_t seq;   /* desc: the next record to read; asc: the last one read */
	size_t limit, n_bytes;
	struct jsn *list;
	char scope[ID_MAX + 32];
};

static struct session *page_session(const struct page *p)
{
	return sessions_find(p->c->g->sessions, p->c->session_id.s);
}

static void page_end(struct page *p, bool more)
{
	struct jsn *o = jsn_new_object();
	struct cursor cur = {.a = p->order, .b = p->seq};
	char text[CURSOR_MAX];
	struct call *c = p->c;

	jsn_set(o, "interactions", p->list);
	if (more) {
		cursor_print(&cur, p->scope, text);
		jsn_set_string(o, "next_cursor", text);
	} else {
		jsn_set_null(o, "next_cursor");
	}
	free(p);
	call_reply_json(c, 200, o);
}

static void page_fail(struct page *p)
{
	struct call *c = p->c;

	jsn_free(p->list);
	free(p);
	call_reply_error(
	    c, ERROR_UNAVAILABLE, "the transcript cannot be read now: try again");
}

static bool page_full(const struct page *p)
{
	return jsn_count(p->list) >= p->limit || p->n_bytes >= PAGE_BYTES;
}

/* It comes after what the cursor named. */
static bool page_wants(const struct page *p, const struct turn *t)
{
	if (!p->bounded)
		return true;
	return p->asc ? t->order > p->order : t->order < p->order;
}

static void page_add(struct page *p, const struct turn *t)
{
	jsn_push(p->list, interaction_json(t, true));
	p->n_bytes += t->n_prompt + t->entries.n_bytes;
	p->bounded = true;
	p->order = t->order;
}

/* What is in the transcript is read there. */
static bool turn_in_memory(const struct turn *t)
{
	return !t->storing_create && !t->archived;
}

/* True: the page is full and more remains. */
static bool page_add_memory(struct page *p, const struct session *s)
{
	const struct list *turns = &s->chat.turns;
	struct list_link *it = p->asc ? turns->head.next : turns->head.prev;

	for (; it != &turns->head; it = p->asc ? it->next : it->prev) {
		const struct turn *t = list_entry(it, struct turn, link);

		if (!turn_in_memory(t) || !page_wants(p, t))
			continue;
		if (page_full(p))
			return true;
		page_add(p, t);
	}
	return false;
}

/* ---- newest first ---- */

static void page_read_back(struct page *p);

static void page_on_back(void *data, const struct history_record *r)
{
	struct page *p = data;

	if (r->code == ERROR_NOT_FOUND) {
		page_end(p, false);
	} else if (r->code) {
		page_fail(p);
	} else {
		if (page_wants(p, r->t))
			page_add(p, r->t);
		p->seq = r->prev;
		page_read_back(p);
	}
	turn_free(r->t);
}

static void page_read_back(struct page *p)
{
	if (p->seq == 0)
		page_end(p, false);
	else if (page_full(p))
		page_end(p, true);
	else
		history_read_back(
		    p->c->g, p->c->session_id.s, p->seq, NULL, page_on_back, p);
}

static void page_begin_desc(struct page *p)
{
	struct session *s = page_session(p);

	if (!s) {
		page_fail(p);
		return;
	}
	if (p->seq == 0) {
		p->seq = s->history->last_seq;
		if (page_add_memory(p, s)) {
			p->seq = 0; /* go on in memory */
			page_end(p, true);
			return;
		}
	}
	page_read_back(p);
}

/* ---- oldest first ---- */

static void page_read_forward(struct page *p);

static void page_on_forward(void *data, const struct history_record *r)
{
	struct page *p = data;
	struct session *s = page_session(p);

	if (r->code == ERROR_NOT_FOUND && s) {
		/* What was moved there while we read is read next. */
		if (s->history->loaded && s->history->last_seq > p->seq)
			page_read_forward(p);
		else
			page_end(p, page_add_memory(p, s));
	} else if (r->code) {
		page_fail(p);
	} else if (page_wants(p, r->t) && page_full(p)) {
		page_end(p, true);
	} else {
		if (page_wants(p, r->t))
			page_add(p, r->t);
		p->seq = r->seq;
		page_read_forward(p);
	}
	turn_free(r->t);
}

static void page_read_forward(struct page *p)
{
	history_read_forward(p->c->g, p->c->session_id.s, p->seq, page_on_forward, p);
}

/* ---- the call ---- */

static void page_on_history(void *data, int code)
{
	struct page *p = data;

	if (code)
		page_fail(p);
	else if (p->asc)
		page_read_forward(p);
	else
		page_begin_desc(p);
}

/* False: answered. */
static bool page_read_query(struct page *p)
{
	struct call *c = p->c;
	const char *order = http_req_query(c->req, "order");
	const char *cursor = http_req_query(c->req, "cursor");
	int64_t limit = PAGE_LIMIT;
	struct cursor cur;

	if (!query_int(c, "limit", 1, PAGE_LIMIT_MAX, &limit))
		return false;
	p->limit = (size_t)limit;
	p->asc = order && strcmp(order, "asc") == 0;
	if (order && !p->asc && strcmp(order, "desc") != 0) {
		call_reply_error(c, ERROR_INVALID, "order: must be asc or desc");
		return false;
	}
	snprintf(p->scope, sizeof(p->scope), "interactions %s %s", c->session_id.s,
	    p->asc ? "asc" : "desc");
	if (!cursor)
		return true;
	if (!cursor_parse(cursor, p->scope, &cur)) {
		call_reply_error(c, ERROR_INVALID, "cursor: not one of this list");
		return false;
	}
	p->bounded = true;
	p->order = cur.a;
	p->seq = cur.b;
	return true;
}

void message_on_interactions(struct call *c)
{
	struct page *p = calloc(1, sizeof(*p));

	must(p);
	p->c = c;
	if (!page_read_query(p)) {
		free(p);
		return;
	}
	p->list = jsn_new_array();
	if (!c->g->broker_up)
		page_fail(p);
	else
		history_load(page_session(p), page_on_history, p);
}

/* ---- finding one ---- */

struct find {
	struct gateway *g;
	struct id session;
	char turn_id[TURN_ID_MAX + 1];
	unsigned n_read;
	history_read_cb *cb;
	void *data;
};

static void find_on_record(void *data, const struct history_record *r)
{
	struct find *f = data;
	struct history_record none = {.code = ERROR_NOT_FOUND};
	history_read_cb *cb = f->cb;
	void *cb_data = f->data;

	if (r->code || strcmp(r->t->id, f->turn_id) == 0) {
		free(f);
		cb(cb_data, r);
		return;
	}
	turn_free(r->t);
	if (r->prev && ++f->n_read < FIND_MAX) {
		history_read_back(f->g, f->session.s, r->prev, NULL, find_on_record, f);
		return;
	}
	free(f);
	cb(cb_data, &none);
}

void history_find(struct gateway *g, const char *session, const char *turn_id,
    history_read_cb *cb, void *data)
{
	struct find *f = calloc(1, sizeof(*f));

	must(f && id_parse(slice_of(session), &f->session));
	f->g = g;
	snprintf(f->turn_id, sizeof(f->turn_id), "%s", turn_id);
	f->cb = cb;
	f->data = data;
	history_read_back(g, session, 0, NULL, find_on_record, f);
}

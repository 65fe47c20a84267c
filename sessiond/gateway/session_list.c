/* GET /api/v1/sessions: newest first, a page at a time. The cost of a page does not grow
 * with the number of sessions. */
#include "base/must.h"
#include "sessiond/gateway/cursor.h"
#include "sessiond/gateway/fields.h"
#include "sessiond/gateway/session.h"
#include "sessiond/gateway/session_calls.h"
#include "sessiond/gateway/session_json.h"

enum {
	LIST_LIMIT = 50,
	LIST_LIMIT_MAX = 200,
	LIST_SCAN_MAX = 20000, /* looked at for one page when a filter passes few */
};

struct listing {
	struct call *c;
	const char *owner;      /* NULL: all */
	const char *blocked_by; /* NULL: all */
	size_t limit;
	char scope[AUTH_SUB_MAX + 64];
	const struct list *sessions; /* NULL: none */
};

static struct session *listing_session(const struct listing *l, struct list_link *it)
{
	return l->owner ? list_entry(it, struct session, owner_link)
			: list_entry(it, struct session, all_link);
}

static struct list_link *listing_link(const struct listing *l, struct session *s)
{
	return l->owner ? &s->owner_link : &s->all_link;
}

static bool session_before(const struct session *s, const struct cursor *cur)
{
	if ((uint64_t)s->rec.created_unix_ms != cur->a)
		return (uint64_t)s->rec.created_unix_ms < cur->a;
	return strcmp(s->rec.id.s, cur->key) < 0;
}

/* Where to go on, newest first: behind the cursor's session, or where it was if it is
 * gone. */
static struct list_link *listing_start(const struct listing *l, const struct cursor *cur)
{
	struct session *s = cur ? sessions_find(l->c->g->sessions, cur->key) : NULL;
	struct list_link *it = l->sessions->head.prev;

	if (!cur)
		return it;
	if (s && list_linked(listing_link(l, s)) &&
	    (!l->owner || str_eq(s->rec.owner, l->owner)))
		return listing_link(l, s)->prev;
	while (it != &l->sessions->head && !session_before(listing_session(l, it), cur))
		it = it->prev;
	return it;
}

static bool listing_wants(const struct listing *l, const struct session *s)
{
	int64_t since;
	const char *by;

	if (s->deleting || !caller_may_see(&l->c->who, s))
		return false;
	if (!l->blocked_by)
		return true;
	by = session_blocked_by(s, &since);
	return by && strcmp(by, l->blocked_by) == 0;
}

static void listing_answer(const struct listing *l, const struct cursor *from)
{
	struct jsn *o = jsn_new_object(), *array = jsn_new_array();
	struct cursor cur = {0};
	char text[CURSOR_MAX];
	size_t n_scanned = 0;
	bool more = false;

	for (struct list_link *it = l->sessions ? listing_start(l, from) : NULL;
	     it && it != &l->sessions->head; it = it->prev) {
		struct session *s = listing_session(l, it);

		if (jsn_count(array) == l->limit || n_scanned++ == LIST_SCAN_MAX) {
			more = true;
			break;
		}
		cur.a = (uint64_t)s->rec.created_unix_ms;
		snprintf(cur.key, sizeof(cur.key), "%s", s->rec.id.s);
		if (listing_wants(l, s))
			jsn_push(array, session_json(s));
	}
	if (more)
		cursor_print(&cur, l->scope, text);
	jsn_set(o, "sessions", array);
	jsn_set_string(o, "next_cursor", more ? text : NULL);
	call_reply_json(l->c, 200, o);
}

/* False: answered. */
static bool listing_read_filters(struct listing *l)
{
	static const char *const known[] = {
	    "no_agent", "agent_not_ready", "busy", "broker", "paused"};
	struct call *c = l->c;
	const char *owner = http_req_query(c->req, "owner");
	bool ok = false;

	l->blocked_by = http_req_query(c->req, "blocked_by");
	for (size_t i = 0; l->blocked_by && i < ARRAY_LEN(known); i++)
		ok = ok || strcmp(known[i], l->blocked_by) == 0;
	if (l->blocked_by && !ok) {
		call_reply_error(c, ERROR_INVALID, "blocked_by: not a reason");
		return false;
	}
	l->owner = c->who.role == AUTH_USER ? c->who.sub : owner;
	if (c->who.role == AUTH_USER && owner && strcmp(owner, c->who.sub) != 0) {
		call_reply_error(
		    c, ERROR_FORBIDDEN, "owner: these sessions are not yours");
		return false;
	}
	if (l->owner && strlen(l->owner) > AUTH_SUB_MAX) {
		call_reply_error(c, ERROR_INVALID, "owner: too long");
		return false;
	}
	return true;
}

void session_on_list(struct call *c)
{
	struct listing l = {.c = c};
	const char *text = http_req_query(c->req, "cursor");
	struct cursor cur;
	int64_t limit = LIST_LIMIT;

	if (!query_int(c, "limit", 1, LIST_LIMIT_MAX, &limit) ||
	    !listing_read_filters(&l))
		return;
	if (!gateway_warm(c->g)) {
		call_reply_error(
		    c, ERROR_UNAVAILABLE, "the sessions are not read yet: try again");
		return;
	}
	l.limit = (size_t)limit;
	snprintf(l.scope, sizeof(l.scope), "sessions %s %s", l.owner ? l.owner : "*",
	    l.blocked_by ? l.blocked_by : "*");
	if (text && !cursor_parse(text, l.scope, &cur)) {
		call_reply_error(c, ERROR_INVALID, "cursor: not one of this list");
		return;
	}
	l.sessions =
	    l.owner ? sessions_of(c->g->sessions, l.owner) : &c->g->sessions->all;
	listing_answer(&l, text ? &cur : NULL);
}

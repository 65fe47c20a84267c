/* Which turn an event of Zed is about. The thread led to the session; request ids only
 * help, because agents tag late and unasked words with the last id they saw. */
#include "sessiond/core/chat.h"

#include "base/jsn.h"
#include "sessiond/core/session_rec.h"

/* Replayed history: known by id and content. Once the turn has words of its own, nothing
 * is history any more, and an id the turn already uses never is. */
static bool entry_is_history(
    const struct chat *c, const struct turn *t, const struct entry_update *u)
{
	return c->seen && t->entries.n == 0 &&
	       seen_has(c->seen, u->message_id, u->content);
}

static enum chat_route route_to(
    const struct chat *c, struct turn *t, const struct entry_update *u, struct turn **out)
{
	if (entry_is_history(c, t, u)) {
		*out = t;
		return CHAT_ROUTE_REPLAY;
	}
	*out = t;
	return CHAT_ROUTE_TURN;
}

/* Its end was concluded, not told: words for it bring it back, unless another is under
 * way. */
static bool turn_revivable(const struct chat *c, const struct turn *t)
{
	return !c->active && (t->state == TURN_LOST || t->inferred);
}

enum chat_route chat_route_entry(const struct chat *c, const char *request_id,
    const struct entry_update *u, struct turn **out)
{
	struct turn *named = request_id && *request_id ? chat_find(c, request_id) : NULL;
	struct turn *active = c->active;

	*out = NULL;
	if (active && active->hand != HAND_SENT)
		active = NULL;
	if (named && turn_state_terminal(named->state) && !turn_revivable(c, named))
		named = NULL;
	else if (named && turn_open(named) && named != active)
		named = NULL; /* Zed cannot know it yet */
	else if (named)
		return route_to(c, named, u, out);
	if (!active)
		return request_id && *request_id &&
			       (chat_find(c, request_id) || chat_has_ended(c, request_id))
			   ? CHAT_ROUTE_STALE
			   : CHAT_ROUTE_NONE;
	/* Another turn's late correction is no part of this one. */
	if (request_id && *request_id && !entries_find(&active->entries, u->message_id) &&
	    c->seen && seen_has_id(c->seen, u->message_id))
		return CHAT_ROUTE_STALE;
	return route_to(c, active, u, out);
}

enum chat_route chat_route_end(
    const struct chat *c, const char *request_id, struct turn **out)
{
	struct turn *named = request_id && *request_id ? chat_find(c, request_id) : NULL;
	struct turn *active = c->active;

	*out = NULL;
	if (named && (named == active || turn_revivable(c, named))) {
		*out = named;
		return named->hand == HAND_SENT || turn_revivable(c, named)
			   ? CHAT_ROUTE_TURN
			   : CHAT_ROUTE_NONE;
	}
	if (named)
		return CHAT_ROUTE_STALE;
	if (!active || active->hand != HAND_SENT)
		return CHAT_ROUTE_NONE;
	/* What was sent from here is answered under its own id; what was typed in Zed is
	 * not. */
	if (request_id && *request_id && active->origin == TURN_FROM_PROMPT)
		return CHAT_ROUTE_STALE;
	*out = active;
	return CHAT_ROUTE_TURN;
}

/* "Failed to load thread: Resource not found: <id>: {"uri":"<id>"}", and nothing that
 * only looks like it: a missing file is no missing thread. */
static bool error_is_missing_resource(const char *error, const char *thread_id)
{
	static const char prefix[] = "Failed to load thread: Resource not found: ";
	const char *id = error + sizeof(prefix) - 1;
	size_t n = strlen(thread_id);
	struct jsn *v = NULL;
	bool same;

	if (strncmp(error, prefix, sizeof(prefix) - 1) != 0 ||
	    strncmp(id, thread_id, n) != 0 || strncmp(id + n, ": ", 2) != 0 ||
	    jsn_parse(id + n + 2, strlen(id + n + 2), &v, NULL))
		return false;
	same = jsn_type(v) == JSN_OBJECT && jsn_count(v) == 1 &&
	       str_eq(jsn_get_string(v, "uri"), thread_id);
	jsn_free(v);
	return same;
}

/* @mark is in the error, and the thread's id right behind it. */
static bool error_names(const char *error, const char *mark, const char *thread_id)
{
	const char *at = strstr(error, mark);

	if (!at)
		return false;
	at += strlen(mark);
	at += strspn(at, " :\"'");
	return strncmp(at, thread_id, strlen(thread_id)) == 0;
}

bool chat_error_is_no_thread(const char *error, const char *thread_id)
{
	return thread_id && *thread_id &&
	       (error_names(error, "no rollout found for thread id", thread_id) ||
		   error_names(
		       error, "no thread found with ID: SessionId(\"", thread_id) ||
		   error_is_missing_resource(error, thread_id));
}

/* Older clients: answers by chat_response, its chunks and its end. What message_added
 * tells wins over them. */
#include "base/must.h"
#include "sessiond/gateway/agent_internal.h"
#include "sessiond/gateway/talk.h"

static const char legacy_placeholder[] =
    "\xF0\x9F\xA4\x96 Processing your request with AI... (Real response will follow via "
    "async system)";

/* By request id, else what is under way in the session the envelope names, else in the
 * connection's own. */
static struct turn *agent_legacy_turn(const struct agent *a, const struct zed_event *ev)
{
	struct turn *t = agent_turn(a, ev->request_id);
	struct session *s = agent_envelope_session(a, ev);

	if (t || (ev->request_id && *ev->request_id && !ev->session_id))
		return t;
	if (!s)
		return NULL;
	return s->chat.active && s->chat.active->hand == HAND_SENT ? s->chat.active
								   : NULL;
}

static bool turn_has_today_entries(const struct turn *t)
{
	return t->entries.n > 1 ||
	       (t->entries.n == 1 &&
		   strcmp(t->entries.v[0].message_id, AGENT_LEGACY_ENTRY) != 0);
}

void agent_on_legacy_text(struct agent *a, const struct zed_event *ev)
{
	struct turn *t = agent_legacy_turn(a, ev);
	struct entry_update u = {
	    .message_id = AGENT_LEGACY_ENTRY, .content = slice_of(ev->content)};
	struct buf whole = BUF_NULL(ENTRIES_BYTES_MAX);
	const struct entry *en;

	if (!t || !turn_open(t) || strcmp(ev->content, legacy_placeholder) == 0)
		return;
	if (turn_has_today_entries(t))
		return;
	en = entries_find(&t->entries, AGENT_LEGACY_ENTRY);
	if (ev->kind == ZED_RESPONSE_CHUNK && en)
		buf_add(&whole, en->content, en->n_content);
	buf_add_slice(&whole, u.content);
	u.content = buf_slice(&whole);
	if (buf_check(&whole) == 0)
		agent_take_entry(turn_session(t), t, &u);
	buf_deinit(&whole);
	t->said_whole = ev->kind == ZED_RESPONSE;
	TALK(turn_session(t), .kind = CHAT_HEARD, .turn = t);
}

void agent_on_legacy_done(struct agent *a, const struct zed_event *ev)
{
	struct turn *t = agent_legacy_turn(a, ev);

	if (t)
		agent_complete(turn_session(t), ev, t->id);
}

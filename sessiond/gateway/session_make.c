/* POST /api/v1/sessions and POST /api/v1/external-agents: a session, and its first
 * message if there is one. A session is there at once, whether a Zed is or not. */
#include "sessiond/gateway/session_make.h"
#include "base/must.h"
#include "sessiond/gateway/agents.h"
#include "sessiond/gateway/fields.h"
#include "sessiond/gateway/history.h"
#include "sessiond/gateway/messages.h"
#include "sessiond/gateway/requests.h"
#include "sessiond/gateway/session_calls.h"
#include "sessiond/gateway/session_json.h"

struct make {
	struct call *c;
	struct prompt p;
	struct id id;
	bool existed;
	bool for_agents; /* the answer of external-agents */
	void (*answer)(struct make *m, struct session *s, const struct turn *t);
};

static void make_fail(struct make *m, int code, const char *why)
{
	struct call *c = m->c;

	free(m);
	call_reply_error(c, code, "%s", why);
}

static void make_answer(struct make *m, struct session *s, const struct turn *t)
{
	struct call *c = m->c;
	struct jsn *o;
	int status = m->existed && !(c->request && c->request->again) ? 200 : 201;

	if (m->for_agents) {
		o = jsn_new_object();
		jsn_set_string(o, "session_id", s->rec.id.s);
		jsn_set_string(o, "request_id", t->id);
		jsn_set(o, "agent", s->agent ? agent_json(s->agent) : jsn_new_null());
		status = 201;
	} else {
		o = session_json(s);
		if (t)
			jsn_set_string(o, "request_id", t->id);
	}
	free(m);
	call_reply_json(c, status, o);
}

/* ---- the message ---- */

static void make_on_message(void *data, struct turn *t, int code)
{
	struct make *m = data;
	struct session *s = sessions_find(m->c->g->sessions, m->id.s);

	if (code == 0 && s)
		make_answer(m, s, t);
	else if (code == ERROR_CONFLICT)
		make_fail(m, code, "request_id was used with another message");
	else
		make_fail(
		    m, ERROR_UNAVAILABLE, "the message could not be stored: try again");
}

static void make_store_message(struct make *m, struct session *s)
{
	struct call *c = m->c;

	if (!prompt_admit(c, s, &m->p)) {
		free(m);
		return;
	}
	prompt_store(s, &m->p, make_on_message, m);
}

static void make_on_found(void *data, const struct history_record *r)
{
	struct make *m = data;
	struct session *s = sessions_find(m->c->g->sessions, m->id.s);

	if (!s)
		make_fail(m, ERROR_NOT_FOUND, "the session is gone");
	else if (r->code == 0)
		make_answer(m, s, r->t);
	else if (r->code == ERROR_NOT_FOUND)
		make_store_message(m, s);
	else
		make_fail(
		    m, ERROR_UNAVAILABLE, "the message could not be stored: try again");
	turn_free(r->t);
}

static void make_message(struct make *m, struct session *s)
{
	struct call *c = m->c;
	const char *id = m->p.id ? m->p.id : m->p.made_id;
	struct turn *t = id ? chat_find(&s->chat, id) : NULL;

	if (t && !t->storing_create && c->request && c->request->again)
		make_answer(m, s, t);
	else if (c->request && c->request->again)
		history_find(c->g, s->rec.id.s, id, make_on_found, m);
	else
		make_store_message(m, s);
}

/* ---- the session ---- */

static void make_on_session(void *data, struct session *s, int code)
{
	struct make *m = data;

	if (code) {
		make_fail(
		    m, ERROR_UNAVAILABLE, "the session could not be stored: try again");
		return;
	}
	agents_attach_session(s);
	if (m->p.message)
		make_message(m, s);
	else
		make_answer(m, s, NULL);
}

/* Whom the session will belong to. False: answered. */
static bool make_read_owner(struct call *c, const char **owner)
{
	if (!field_string(c, "owner", AUTH_SUB_MAX, owner))
		return false;
	if (!*owner || !**owner)
		*owner = c->who.sub;
	if (c->who.role == AUTH_USER && strcmp(*owner, c->who.sub) != 0) {
		call_reply_error(
		    c, ERROR_FORBIDDEN, "owner: a user makes sessions of its own only");
		return false;
	}
	return true;
}

static bool make_read_id(struct make *m)
{
	const char *id;

	if (!field_string(m->c, "id", SIZE_MAX, &id))
		return false;
	if (!id && m->c->request)
		id = m->c->request->rec.session_id;
	if (!id) {
		m->id = id_make("ses_");
		return true;
	}
	if (id_parse(slice_of(id), &m->id))
		return true;
	call_reply_error(m->c, ERROR_INVALID, "id: must match [A-Za-z0-9_-]{1,64}");
	return false;
}

bool metadata_read(struct call *c, struct buf *out)
{
	const struct jsn *v;

	if (!field_object(c, "metadata", &v))
		return false;
	if (v)
		jsn_print(v, out);
	if (buf_check(out) == 0)
		return true;
	call_reply_error(
	    c, ERROR_TOO_LARGE, "metadata: longer than %d bytes", SESSION_METADATA_MAX);
	return false;
}

bool agent_id_may_be(struct call *c, const char *agent_id)
{
	const struct session *s =
	    agent_id ? sessions_find(c->g->sessions, agent_id) : NULL;

	if (!s || caller_may_see(&c->who, s))
		return true;
	call_reply_error(
	    c, ERROR_FORBIDDEN, "agent_id: session %s is not yours", agent_id);
	return false;
}

static bool make_read_new(struct call *c, struct session_new *n, struct buf *metadata)
{
	return field_string(c, "name", SESSION_NAME_MAX, &n->name) &&
	       make_read_owner(c, &n->owner) &&
	       field_string(c, "app_id", SESSION_LABEL_MAX, &n->app_id) &&
	       field_string(c, "agent_id", SESSION_LABEL_MAX, &n->agent_id) &&
	       field_string(c, "agent_name", SESSION_LABEL_MAX, &n->agent_name) &&
	       agent_id_may_be(c, n->agent_id) && metadata_read(c, metadata);
}

/* One that exists already: the same for its owner, a conflict for others. False:
 * answered. */
static bool make_check_existing(struct make *m, const struct session_new *n)
{
	const struct session *s = sessions_find(m->c->g->sessions, m->id.s);

	m->existed = s != NULL;
	if (!s || strcmp(session_owner(s), n->owner) == 0)
		return true;
	call_reply_error(
	    m->c, ERROR_CONFLICT, "session %s belongs to somebody else", m->id.s);
	return false;
}

static bool make_read(
    struct make *m, bool message_needed, struct session_new *n, struct buf *metadata)
{
	struct call *c = m->c;

	if (!make_read_id(m) || !prompt_read(c, message_needed, &m->p) ||
	    !make_read_new(c, n, metadata) || !make_check_existing(m, n))
		return false;
	n->id = m->id.s;
	n->metadata = metadata->n ? buf_cstr(metadata) : NULL;
	if (c->request && !m->p.id)
		m->p.made_id = c->request->rec.turn_id;
	if (!gateway_can_store(c->g)) {
		call_reply_error(
		    c, ERROR_UNAVAILABLE, "sessions cannot be stored now: try again");
		return false;
	}
	/* Refused before anything is stored. */
	return !m->p.message || (c->request && c->request->again) ||
	       prompt_admit(c, sessions_find(c->g->sessions, m->id.s), &m->p);
}

static void make_begin(struct call *c, bool for_agents)
{
	struct session_new n = {0};
	struct buf metadata = BUF_NULL(SESSION_METADATA_MAX);
	struct make *m = calloc(1, sizeof(*m));

	must(m);
	m->c = c;
	m->for_agents = for_agents;
	if (make_read(m, for_agents, &n, &metadata))
		sessions_create(c->g, &n, make_on_session, m);
	else
		free(m);
	buf_deinit(&metadata);
}

void session_on_post(struct call *c)
{
	make_begin(c, false);
}

/* Its body names the session session_id. */
void agent_on_post(struct call *c)
{
	const char *id;

	if (!field_string(c, "session_id", SIZE_MAX, &id))
		return;
	if (id)
		jsn_set_string(c->body, "id", id);
	else
		jsn_del(c->body, "id");
	make_begin(c, true);
}

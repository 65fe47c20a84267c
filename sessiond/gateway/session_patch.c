/* PATCH /api/v1/sessions/{id}: all members are checked before the first is changed. */
#include "base/must.h"
#include "sessiond/gateway/agents.h"
#include "sessiond/gateway/fanout.h"
#include "sessiond/gateway/fields.h"
#include "sessiond/gateway/session_calls.h"
#include "sessiond/gateway/session_json.h"
#include "sessiond/gateway/session_switch.h"
#include "sessiond/gateway/session_make.h"
#include "sessiond/gateway/talk.h"

#include <errno.h>

struct patch {
	struct call *c;
	const char *name, *agent_name, *agent_id, *owner;
	bool paused;
	struct buf metadata;
};

static bool patch_has(const struct patch *p, const char *member)
{
	return jsn_get(p->c->body, member) != NULL;
}

static bool patch_read(struct patch *p)
{
	struct call *c = p->c;

	if (!field_string(c, "name", SESSION_NAME_MAX, &p->name) ||
	    !field_string(c, "agent_name", SESSION_LABEL_MAX, &p->agent_name) ||
	    !field_string(c, "agent_id", SESSION_LABEL_MAX, &p->agent_id) ||
	    !field_string(c, "owner", AUTH_SUB_MAX, &p->owner) ||
	    !field_bool(c, "paused", &p->paused) || !agent_id_may_be(c, p->agent_id) ||
	    !metadata_read(c, &p->metadata))
		return false;
	if (patch_has(p, "owner") && c->who.role == AUTH_USER) {
		call_reply_error(
		    c, ERROR_FORBIDDEN, "owner: only a service may change it");
		return false;
	}
	if (patch_has(p, "owner") && !p->owner) {
		call_reply_error(c, ERROR_INVALID, "owner: must be a string");
		return false;
	}
	return true;
}

/* Another agent answers from now on: it has threads of its own. */
static void patch_switch_agent(struct session *s, const char *agent_name)
{
	if (str_eq(s->rec.agent_name, agent_name))
		return;
	str_set(&s->rec.agent_name, agent_name);
	session_set_thread(s, NULL);
	TALK(s, .kind = CHAT_THREAD, .text = NULL);
	fanout_config_changed(s->g, &s->rec.id, "agent", NULL);
	switch_begin(s);
}

static void patch_apply(struct patch *p, struct session *s)
{
	if (patch_has(p, "name"))
		str_set(&s->rec.name, p->name);
	if (patch_has(p, "metadata"))
		str_set(&s->rec.metadata, p->metadata.n ? buf_cstr(&p->metadata) : NULL);
	if (patch_has(p, "owner"))
		session_set_owner(s, p->owner);
	if (patch_has(p, "agent_name"))
		patch_switch_agent(s, p->agent_name);
	if (patch_has(p, "agent_id")) {
		session_set_agent_id(s, p->agent_id);
		agents_attach_session(s);
	}
	if (patch_has(p, "paused")) {
		s->rec.paused = s->chat.paused = p->paused;
		TALK(s, .kind = CHAT_LOOK);
	}
	session_touch(s);
	fanout_session(s);
}

static void patch_on_stored(void *data, int code)
{
	struct call *c = data;
	struct session *s = sessions_find(c->g->sessions, c->session_id.s);

	if (code || !s)
		call_reply_error(c, ERROR_NOT_FOUND, "the session is gone");
	else
		call_reply_json(c, 200, session_json(s));
}

void session_on_patch(struct call *c)
{
	struct session *s = sessions_find(c->g->sessions, c->session_id.s);
	struct patch p = {
	    .c = c, .paused = s->rec.paused, .metadata = BUF_NULL(SESSION_METADATA_MAX)};

	if (!patch_read(&p)) {
		buf_deinit(&p.metadata);
		return;
	}
	if (!gateway_can_store(c->g)) {
		buf_deinit(&p.metadata);
		call_reply_error(
		    c, ERROR_UNAVAILABLE, "nothing can be stored now: try again");
		return;
	}
	patch_apply(&p, s);
	buf_deinit(&p.metadata);
	durable_wait(&s->cell, patch_on_stored, c);
}

#include "tests/sim/sim_wire.h"

#include <string.h>

static int sim_wire_required(
    const struct jsn *data, const char *key, const char **out, struct err *e)
{
	*out = jsn_get_string(data, key);
	return *out ? 0 : err_set(e, ERROR_INVALID, "%s is not a string", key);
}

/* Option<String>: absent and null are none; anything else that is no string spoils the
 * command. */
static int sim_wire_optional(
    const struct jsn *data, const char *key, const char **out, struct err *e)
{
	const struct jsn *v = jsn_get(data, key);

	*out = jsn_string(v);
	if (v && jsn_type(v) != JSN_NULL && !*out)
		return err_set(e, ERROR_INVALID, "%s is neither a string nor null", key);
	return 0;
}

static int sim_wire_chat(const struct jsn *data, struct sim_command *c, struct err *e)
{
	const struct jsn *interrupt = jsn_get(data, "interrupt");
	const char *role, *agent = NULL;
	int r;

	r = sim_wire_required(data, "message", &c->message, e);
	if (r == 0)
		r = sim_wire_required(data, "request_id", &c->request_id, e);
	if (r == 0)
		r = sim_wire_optional(data, "acp_thread_id", &c->thread_id, e);
	if (r == 0)
		r = sim_wire_optional(data, "agent_name", &agent, e);
	if (r == 0)
		r = sim_wire_optional(data, "role", &role, e);
	if (r == 0 && interrupt && !jsn_bool(interrupt, &c->interrupt))
		r = err_set(e, ERROR_INVALID, "interrupt is not a bool");
	if (r != 0)
		return r;
	c->agent_name = agent ? agent : "";
	if (c->thread_id && !*c->thread_id)
		c->thread_id = NULL;
	if (c->kind == SIM_CHAT_MESSAGE && role && strcmp(role, "user") == 0)
		c->kind = SIM_ROLE_USER;
	return 0;
}

static int sim_wire_open(const struct jsn *data, struct sim_command *c, struct err *e)
{
	const char *agent = NULL;
	int r = sim_wire_required(data, "acp_thread_id", &c->thread_id, e);

	if (r == 0)
		r = sim_wire_optional(data, "request_id", &c->request_id, e);
	if (r == 0)
		r = sim_wire_optional(data, "agent_name", &agent, e);
	c->agent_name = agent ? agent : "";
	return r;
}

static int sim_wire_data(const struct jsn *data, struct sim_command *c, struct err *e)
{
	switch (c->kind) {
	case SIM_CHAT_MESSAGE:
	case SIM_USER_INPUT:
		return sim_wire_chat(data, c, e);
	case SIM_OPEN_THREAD:
		return sim_wire_open(data, c, e);
	case SIM_CANCEL:
		c->request_id = jsn_get_string(data, "request_id");
		if (!c->request_id)
			c->request_id = "unknown";
		return 0;
	case SIM_QUERY_UI:
		return sim_wire_required(data, "query_id", &c->query_id, e);
	case SIM_UNKNOWN:
	case SIM_ROLE_USER:
		return 0;
	}
	return 0;
}

static const struct sim_wire_type {
	const char *name;
	enum sim_command_kind kind;
} sim_wire_types[] = {
    {"chat_message", SIM_CHAT_MESSAGE},
    {"simulate_user_input", SIM_USER_INPUT},
    {"open_thread", SIM_OPEN_THREAD},
    {"cancel_current_turn", SIM_CANCEL},
    {"query_ui_state", SIM_QUERY_UI},
};

static int sim_wire_envelope(struct sim_command *c, struct err *e)
{
	const char *type = jsn_get_string(c->root, "type");
	const struct jsn *data = jsn_get(c->root, "data");

	if (!type)
		return err_set(e, ERROR_INVALID, "type is not a string");
	if (!data)
		return err_set(e, ERROR_INVALID, "data is missing");
	c->kind = SIM_UNKNOWN;
	for (size_t i = 0; i < ARRAY_LEN(sim_wire_types); i++) {
		if (strcmp(type, sim_wire_types[i].name) == 0)
			c->kind = sim_wire_types[i].kind;
	}
	return sim_wire_data(data, c, e);
}

int sim_command_parse(struct slice text, struct sim_command *out, struct err *e)
{
	int r;

	*out = (struct sim_command){.agent_name = ""};
	r = jsn_parse(text.p, text.n, &out->root, e);
	if (r == 0)
		r = sim_wire_envelope(out, e);
	if (r != 0)
		sim_command_free(out);
	return r;
}

void sim_command_free(struct sim_command *c)
{
	jsn_free(c->root);
	c->root = NULL;
}

bool sim_command_is_open(struct slice text)
{
	struct jsn *root = NULL;
	const char *type;
	bool is_open;

	if (jsn_parse(text.p, text.n, &root, NULL) != 0)
		return false;
	type = jsn_get_string(root, "type");
	is_open = type && strcmp(type, "open_thread") == 0;
	jsn_free(root);
	return is_open;
}

void sim_event_print(const char *type, struct jsn *data, struct buf *out)
{
	struct jsn *o = jsn_new_object();

	jsn_set_string(o, "event_type", type);
	jsn_set(o, "data", data);
	jsn_print(o, out);
	jsn_free(o);
}

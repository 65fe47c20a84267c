#include "tests/sim/sim_tell.h"

#include "tests/sim/sim_turn.h"
#include "tests/sim/sim_wire.h"

enum {
	SIM_EVENT_MAX_BYTES = 1 << 20,
	SIM_ENTRY_EVENT_MAX_BYTES = 256 << 20,
};

void sim_tell(struct sim_agent *a, const char *type, struct jsn *data)
{
	struct buf event = BUF_NULL(SIM_EVENT_MAX_BYTES);

	sim_event_print(type, data, &event);
	sim_socket_push(&a->socket, buf_slice(&event));
	buf_deinit(&event);
}

void sim_tell_ready(struct sim_agent *a, const char *agent_name, const char *thread_id)
{
	struct jsn *data;

	if (a->sim->conf.no_ready)
		return;
	data = jsn_new_object();
	jsn_set_string(data, "agent_name", *agent_name ? agent_name : "zed-agent");
	jsn_set_string(data, "thread_id", thread_id);
	sim_tell(a, "agent_ready", data);
}

void sim_tell_created(
    struct sim_agent *a, const struct sim_thread *t, const char *request_id)
{
	struct jsn *data = jsn_new_object();

	jsn_set_string(data, "acp_thread_id", t->id);
	jsn_set_string(data, "request_id", request_id);
	sim_tell(a, "thread_created", data);
}

void sim_tell_load_error(
    struct sim_agent *a, const char *thread_id, const char *request_id, const char *why)
{
	struct jsn *data = jsn_new_object();
	char text[512];

	snprintf(text, sizeof text, "Failed to load thread: %s", why);
	jsn_set_string(data, "acp_thread_id", thread_id);
	jsn_set_string(data, "request_id", request_id);
	jsn_set_string(data, "error", text);
	sim_tell(a, "thread_load_error", data);
}

void sim_tell_cancelled(struct sim_agent *a, const char *request_id, const char *status)
{
	struct jsn *data = jsn_new_object();

	jsn_set_string(data, "request_id", request_id);
	jsn_set_string(data, "status", status);
	sim_tell(a, "turn_cancelled", data);
}

void sim_tell_entry(
    struct sim_agent *a, const struct sim_thread *t, size_t i, const char *request_id)
{
	struct buf event = BUF_NULL(SIM_ENTRY_EVENT_MAX_BYTES);

	sim_turn_print_entry(t, i, request_id, &event);
	sim_socket_push(&a->socket, buf_slice(&event));
	buf_deinit(&event);
}

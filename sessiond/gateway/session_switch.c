/* An editor that runs learns of another agent from its settings. Some it only finds when
 * it starts; that shows in a prompt that it has and makes no thread for. */
#include "sessiond/gateway/session_switch.h"

#include "sessiond/gateway/fanout.h"
#include "sessiond/gateway/session.h"

enum {
	SWITCH_PATIENCE_MS = 9 * 1000, /* as Helix has */
};

/* Zed has a prompt for the new agent, and has not begun with it. */
static bool switch_waits(const struct session *s)
{
	const struct turn *t = s->chat.active;

	return !s->chat.thread_id && !s->chat.paused && s->agent && t &&
	       t->state == TURN_WAITING && t->hand == HAND_SENT;
}

static void switch_on_time(struct wheel_timer *timer)
{
	struct session *s = container_of(timer, struct session, switched);
	bool waits = switch_waits(s);

	if (waits || s->chat.thread_id)
		s->switching = false;
	if (waits)
		fanout_config_changed(s->g, &s->rec.id, "agent_restart", NULL);
}

void switch_init(struct session *s)
{
	s->switched.fire = switch_on_time;
}

void switch_deinit(struct session *s)
{
	gateway_disarm(s->g, &s->switched);
}

void switch_begin(struct session *s)
{
	s->switching = true;
	gateway_arm(s->g, &s->switched, SWITCH_PATIENCE_MS);
}

void switch_on_prompt(struct session *s)
{
	if (s->switching)
		gateway_arm(s->g, &s->switched, SWITCH_PATIENCE_MS);
}

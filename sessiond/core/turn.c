/* A turn and its states. */
#include "sessiond/core/turn.h"

#include "base/must.h"
#include "sessiond/core/session_rec.h"

#define S(name) (1u << TURN_##name)

static const struct {
	const char *wire;
	unsigned next;
	const char *sentence;
} turn_states[TURN_STATE_N_] = {
#define STATE(name, wire, next, sentence) [TURN_##name] = {wire, next, sentence},
#include "sessiond/core/turn_states.tbl.h"
#undef STATE
};

struct turn *turn_new(const char *id)
{
	struct turn *t = calloc(1, sizeof(*t));

	must(t && strlen(id) <= TURN_ID_MAX);
	memcpy(t->id, id, strlen(id) + 1);
	return t;
}

void turn_free(struct turn *t)
{
	if (!t)
		return;
	free(t->prompt);
	free(t->agent_name);
	free(t->thread_id);
	free(t->error);
	free(t->usage);
	free(t->held_id);
	free(t->held_content);
	entries_deinit(&t->entries);
	free(t);
}

void turn_hold(struct turn *t, const char *message_id, struct slice content)
{
	if (!str_eq(t->held_id, message_id))
		t->n_held++;
	str_set(&t->held_id, message_id);
	str_set_n(&t->held_content, content.n ? content.p : "", content.n);
}

void turn_release_held(struct turn *t)
{
	struct entry_update u = {
	    .message_id = t->held_id, .content = slice_of(t->held_content)};

	(void)entries_put(&t->entries, &u);
	str_set(&t->held_id, NULL);
	str_set(&t->held_content, NULL);
	t->n_held = 0;
}

const char *turn_state_name(enum turn_state s)
{
	return turn_states[s].wire;
}

bool turn_state_parse(const char *name, enum turn_state *out)
{
	for (int s = 0; s < TURN_STATE_N_; s++) {
		if (strcmp(turn_states[s].wire, name) != 0)
			continue;
		*out = (enum turn_state)s;
		return true;
	}
	return false;
}

const char *turn_state_sentence(enum turn_state s)
{
	return turn_states[s].sentence;
}

bool turn_state_may_follow(enum turn_state from, enum turn_state to)
{
	return (turn_states[from].next >> to) & 1u;
}

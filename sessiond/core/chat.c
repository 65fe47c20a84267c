/* The state machine of a conversation. See chat.h for its rules. */
#include "sessiond/core/chat.h"

#include "base/must.h"
#include "sessiond/core/chat_internal.h"
#include "sessiond/core/session_rec.h"

/* ---- links ---- */

void zed_link_deinit(struct zed_link *l)
{
	for (size_t i = 0; i < l->n_turns; i++)
		free(l->turns[i]);
	free(l->turns);
	*l = (struct zed_link){0};
}

void zed_link_set_turns(struct zed_link *l, const char *const *ids, size_t n)
{
	char **turns = calloc(n ? n : 1, sizeof(*turns));

	must(turns);
	for (size_t i = 0; i < n; i++)
		str_set(&turns[i], ids[i]);
	for (size_t i = 0; i < l->n_turns; i++)
		free(l->turns[i]);
	free(l->turns);
	l->turns = turns;
	l->n_turns = n;
	l->knows_turns = true;
}

bool zed_link_has_turn(const struct zed_link *l, const char *id)
{
	for (size_t i = 0; i < l->n_turns; i++)
		if (strcmp(l->turns[i], id) == 0)
			return true;
	return false;
}

/* ---- turns ---- */

void chat_init(struct chat *c)
{
	*c = (struct chat){0};
	list_init(&c->turns);
}

void chat_deinit(struct chat *c)
{
	struct list_link *l;

	if (!c->turns.head.next)
		return;
	while ((l = list_pop(&c->turns)))
		turn_free(list_entry(l, struct turn, link));
	free(c->thread_id);
	seen_free(c->seen);
	*c = (struct chat){0};
}

void chat_effects_deinit(struct chat_effects *fx)
{
	free(fx->v);
	*fx = (struct chat_effects){0};
}

void chat_add(struct chat *c, struct turn *t)
{
	struct list_link *at = &c->turns.head;

	while (at->prev != &c->turns.head &&
	       list_entry(at->prev, struct turn, link)->order > t->order)
		at = at->prev;
	list_insert_before(&c->turns, at, &t->link);
}

void chat_remove(struct chat *c, struct turn *t)
{
	must(c->active != t);
	list_del(&c->turns, &t->link);
}

struct turn *chat_find(const struct chat *c, const char *turn_id)
{
	list_for_each (it, &c->turns) {
		struct turn *t = list_entry(it, struct turn, link);

		if (strcmp(t->id, turn_id) == 0)
			return t;
	}
	return NULL;
}

bool chat_turn_queued(const struct turn *t)
{
	return turn_open(t) && t->hand == HAND_NONE && t->origin == TURN_FROM_PROMPT &&
	       !t->storing_create;
}

/* A prompt that interrupts goes before others, but not before the first has made a
 * thread. */
static bool turn_goes_before(
    const struct chat *c, const struct turn *a, const struct turn *b)
{
	if (c->thread_id && a->interrupt != b->interrupt)
		return a->interrupt;
	if (a->rank != b->rank)
		return a->rank < b->rank;
	return a->order < b->order;
}

struct turn *chat_next(const struct chat *c)
{
	struct turn *best = NULL;

	list_for_each (it, &c->turns) {
		struct turn *t = list_entry(it, struct turn, link);

		if (chat_turn_queued(t) && (!best || turn_goes_before(c, t, best)))
			best = t;
	}
	return best;
}

size_t chat_n_queued(const struct chat *c)
{
	size_t n = 0;

	list_for_each (it, &c->turns) {
		struct turn *t = list_entry(it, struct turn, link);

		n +=
		    turn_open(t) && t->hand == HAND_NONE && t->origin == TURN_FROM_PROMPT;
	}
	return n;
}

size_t chat_position(const struct chat *c, const struct turn *t)
{
	size_t n = c->active && c->active != t;

	if (t == c->active || !turn_open(t))
		return 0;
	list_for_each (it, &c->turns) {
		struct turn *other = list_entry(it, struct turn, link);

		n += other != t && chat_turn_queued(other) &&
		     turn_goes_before(c, other, t);
	}
	return n;
}

void chat_remember(struct chat *c, const char *turn_id)
{
	c->ended[c->next_ended] = seen_hash(slice_of(turn_id));
	c->next_ended = (c->next_ended + 1) % CHAT_ENDED_MAX;
}

bool chat_has_ended(const struct chat *c, const char *turn_id)
{
	uint64_t h = seen_hash(slice_of(turn_id));

	for (size_t i = 0; i < CHAT_ENDED_MAX; i++)
		if (c->ended[i] == h)
			return true;
	return false;
}

enum chat_block chat_blocked_by(const struct chat *c, int64_t *since_unix_ms_out)
{
	const struct turn *next = chat_next(c);

	*since_unix_ms_out = 0;
	if (!next)
		return CHAT_BLOCK_NONE;
	*since_unix_ms_out = next->created_unix_ms;
	if (c->paused)
		return CHAT_BLOCK_PAUSED;
	if (!c->link || !c->link->ready) {
		if (c->link_unix_ms > *since_unix_ms_out)
			*since_unix_ms_out = c->link_unix_ms;
		return c->link ? CHAT_BLOCK_NOT_READY : CHAT_BLOCK_NO_AGENT;
	}
	if (c->active || c->n_ending ||
	    (c->thread_id && c->link->follow_up && c->link->follow_up != c))
		return CHAT_BLOCK_BUSY;
	return CHAT_BLOCK_NONE;
}

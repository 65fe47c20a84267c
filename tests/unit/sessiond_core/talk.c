/* Driving a conversation and writing down what it does. */
#include "tests/unit/sessiond_core/talk.h"

#include <stdarg.h>

#include "base/must.h"
#include "sessiond/core/session_rec.h"

static void talk_run(struct talk *t);

void talk_init(struct talk *t)
{
	*t = (struct talk){
	    .now = {1000, 1000000}, .trace = BUF_NULL(1 << 20), .next_order = 1};
	chat_init(&t->chat);
}

void talk_deinit(struct talk *t)
{
	t->chat.active = NULL;
	chat_deinit(&t->chat);
	zed_link_deinit(&t->link);
	chat_effects_deinit(&t->fx);
	buf_deinit(&t->trace);
}

const char *talk_trace(struct talk *t)
{
	static char copy[16384];

	must(buf_check(&t->trace) == 0);
	snprintf(copy, sizeof(copy), "%s", buf_cstr(&t->trace));
	buf_reset(&t->trace);
	return copy;
}

struct turn *talk_turn(struct talk *t, const char *id)
{
	struct turn *turn = chat_find(&t->chat, id);

	must(turn);
	return turn;
}

/* ---- effects ---- */

static void talk_write(struct talk *t, const struct chat_effect *fx)
{
	const struct turn *turn = fx->turn;

	switch (fx->kind) {
	case CHAT_STORE_HAND:
		buf_addf(&t->trace, "store-hand %s\n", turn->id);
		break;
	case CHAT_SEND_PROMPT:
		buf_addf(&t->trace, "send %s into %s\n", turn->id,
		    t->chat.thread_id ? t->chat.thread_id : "a new thread");
		break;
	case CHAT_SEND_CANCEL:
		buf_addf(&t->trace, "send-cancel %s\n", turn->id);
		break;
	case CHAT_STORE:
		buf_addf(&t->trace, "store %s\n", turn->id);
		break;
	case CHAT_CHANGED:
		buf_addf(
		    &t->trace, "changed %s %s\n", turn->id, turn_state_name(turn->state));
		break;
	case CHAT_ENDED:
		buf_addf(&t->trace, "ended %s %s (%s)%s%s\n", turn->id,
		    turn_state_name(turn->state), turn->cause, turn->error ? ": " : "",
		    turn->error ? turn->error : "");
		break;
	case CHAT_BIND:
		buf_addf(&t->trace, "bind %s\n",
		    t->chat.thread_id ? t->chat.thread_id : "none");
		break;
	case CHAT_ANSWER_NOOP:
		buf_addf(&t->trace, "answer-noop %s\n", turn->id);
		break;
	case CHAT_WANTED:
		buf_adds(&t->trace, "wanted\n");
		break;
	case CHAT_LINK_FREED:
		buf_adds(&t->trace, "link-freed\n");
		break;
	}
}

static void talk_apply(struct talk *t, const struct chat_input *in)
{
	chat_apply(&t->chat, in, &t->now, &t->fx);
}

static void talk_acknowledge(struct talk *t, const struct chat_effect *fx)
{
	if (fx->kind == CHAT_STORE_HAND)
		talk_apply(
		    t, &(struct chat_input){.kind = CHAT_HAND_STORED, .turn = fx->turn});
	if (fx->kind == CHAT_ENDED) {
		if (t->chat.seen)
			seen_add_entries(t->chat.seen, &fx->turn->entries);
		fx->turn->end_stored = true;
		talk_apply(t, &(struct chat_input){.kind = CHAT_END_STORED});
	}
}

/* Effects held back stay in the list's front. */
static size_t talk_n_held(const struct talk *t)
{
	return t->hold_stores ? t->fx.n : 0;
}

static void talk_run(struct talk *t)
{
	for (size_t i = 0; i < t->fx.n; i++) {
		struct chat_effect fx = t->fx.v[i];

		talk_write(t, &fx);
		if (!t->hold_stores)
			talk_acknowledge(t, &fx);
	}
	if (!t->hold_stores)
		t->fx.n = 0;
}

void talk_stored(struct talk *t)
{
	size_t n = talk_n_held(t);

	t->hold_stores = false;
	for (size_t i = 0; i < n; i++) {
		struct chat_effect fx = t->fx.v[i];

		talk_acknowledge(t, &fx);
	}
	memmove(t->fx.v, t->fx.v + n, (t->fx.n - n) * sizeof(*t->fx.v));
	t->fx.n -= n;
	talk_run(t);
}

/* ---- inputs ---- */

void talk_input(
    struct talk *t, enum chat_input_kind kind, const char *id, const char *text)
{
	talk_apply(
	    t, &(struct chat_input){
		   .kind = kind, .turn = id ? talk_turn(t, id) : NULL, .text = text});
	talk_run(t);
}

static struct turn *talk_add(struct talk *t, const char *id)
{
	struct turn *turn = turn_new(id);

	turn->order = turn->rank = t->next_order++;
	str_set(&turn->prompt, id);
	turn->n_prompt = strlen(id);
	turn->created_unix_ms = t->now.unix_ms;
	turn->storing_create = true;
	chat_add(&t->chat, turn);
	return turn;
}

void talk_prompt(struct talk *t, const char *id)
{
	talk_add(t, id);
	talk_input(t, CHAT_PROMPT, id, NULL);
}

void talk_interrupt(struct talk *t, const char *id)
{
	talk_add(t, id)->interrupt = true;
	talk_input(t, CHAT_PROMPT, id, NULL);
}

void talk_up(struct talk *t)
{
	talk_apply(t, &(struct chat_input){.kind = CHAT_LINK_UP, .link = &t->link});
	talk_run(t);
}

void talk_ready(struct talk *t)
{
	t->link.ready = true;
	talk_input(t, CHAT_LINK_READY, NULL, NULL);
}

void talk_ready_knowing(struct talk *t, ...)
{
	const char *ids[8];
	size_t n = 0;
	va_list ap;

	va_start(ap, t);
	while ((ids[n] = va_arg(ap, const char *)))
		n++;
	va_end(ap);
	zed_link_set_turns(&t->link, ids, n);
	talk_ready(t);
}

void talk_down(struct talk *t)
{
	talk_input(t, CHAT_LINK_DOWN, NULL, NULL);
	zed_link_deinit(&t->link);
}

void talk_begun(struct talk *t)
{
	t->chat.seen = seen_new();
	talk_up(t);
	talk_ready(t);
	talk_prompt(t, "first");
	talk_input(t, CHAT_THREAD, "first", "T1");
	talk_say(t, "first", "1", "hello");
	talk_input(t, CHAT_COMPLETED, "first", NULL);
	talk_trace(t);
}

void talk_say(
    struct talk *t, const char *request_id, const char *message_id, const char *text)
{
	struct entry_update u = {.message_id = message_id, .content = slice_of(text)};
	struct turn *turn;

	switch (chat_route_entry(&t->chat, request_id, &u, &turn)) {
	case CHAT_ROUTE_TURN:
		(void)entries_put(&turn->entries, &u);
		talk_input(t, CHAT_OUTPUT, turn->id, NULL);
		break;
	case CHAT_ROUTE_REPLAY:
		turn_hold(turn, message_id, u.content);
		buf_addf(&t->trace, "replayed %s\n", message_id);
		break;
	case CHAT_ROUTE_STALE:
		buf_addf(&t->trace, "stale %s\n", message_id);
		break;
	case CHAT_ROUTE_NONE:
		buf_addf(&t->trace, "nobody's %s\n", message_id);
		break;
	}
}

void talk_wait(struct talk *t, int64_t ms)
{
	int64_t end = t->now.mono_ms + ms;

	for (;;) {
		int64_t at = chat_deadline(&t->chat);

		if (!at || at > end)
			break;
		if (at > t->now.mono_ms) {
			t->now.unix_ms += at - t->now.mono_ms;
			t->now.mono_ms = at;
		}
		talk_input(t, CHAT_TIME, NULL, NULL);
	}
	t->now.unix_ms += end - t->now.mono_ms;
	t->now.mono_ms = end;
}

/* ---- restart ---- */

/* What of a turn does not survive. */
static void turn_forget_process(struct turn *turn)
{
	turn->hand = turn->n_sent ? HAND_SENT : HAND_NONE;
	turn->storing_create = turn->spoken_of = turn->resumed = turn->away = false;
	turn->cancel_mono_ms = turn->drain_until_mono_ms = turn->noop_until_mono_ms = 0;
	if (turn_open(turn) && turn->hand == HAND_NONE)
		turn->state = TURN_QUEUED;
}

void talk_restart(struct talk *t)
{
	struct turn *turns[64];
	struct list_link *l;
	char *thread_id = t->chat.thread_id;
	struct seen *seen = t->chat.seen;
	size_t n = 0;

	while ((l = list_pop(&t->chat.turns)))
		turns[n++] = list_entry(l, struct turn, link);
	chat_init(&t->chat);
	t->chat.recovering = true;
	t->chat.thread_id = thread_id;
	t->chat.seen = seen;
	zed_link_deinit(&t->link);
	t->fx.n = 0;
	t->hold_stores = false;
	for (size_t i = 0; i < n; i++) {
		turn_forget_process(turns[i]);
		chat_add(&t->chat, turns[i]);
	}
	chat_recover(&t->chat, &t->now, &t->fx);
	talk_run(t);
}

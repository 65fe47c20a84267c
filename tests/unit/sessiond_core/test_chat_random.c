/* A conversation with a simulated Zed that crashes, disconnects, loses an event, forgets;
 * with restarts of our own in between. Whatever the order: nothing that answered is sent
 * again, one turn at a time, and in the end every prompt has an ending. ZEDBUS_SEED and
 * ZEDBUS_STEPS override. */
#include "tests/lib/test.h"

#include <inttypes.h>
#include <stdlib.h>

#include "base/must.h"
#include "tests/unit/sessiond_core/talk.h"

enum {
	STEPS_DEFAULT = 60000,
	STEPS_OF_ONE = 400,
	TURNS_MAX = 40,
	BACKLOG_MAX = 256,
	SETTLE_STEPS = 4000,
};

struct told {
	char kind; /* t thread, o output, c completed, e error, x cancelled, n noop */
	int turn;
};

/* What a living Zed holds. */
struct model {
	struct talk t;
	uint64_t state;
	bool alive, connected, knows;
	int n_turns;
	struct {
		bool running, has, answered,
		    heard; /* heard: output of it has reached the conversation */
		int n_sends, n_outputs;
	} turn[TURNS_MAX];
	struct told backlog[BACKLOG_MAX];
	int n_backlog;
};

static uint32_t draw(struct model *m, uint32_t below)
{
	m->state ^= m->state << 13;
	m->state ^= m->state >> 7;
	m->state ^= m->state << 17;
	return (uint32_t)(m->state >> 33) % below;
}

static const char *name_of(int i)
{
	static char name[8][16];
	static int next;

	next = (next + 1) % 8;
	snprintf(name[next], sizeof(name[next]), "t%d", i);
	return name[next];
}

/* ---- what the conversation does ---- */

static void on_sent(struct model *m, int i)
{
	must(m->connected);
	must(!m->turn[i].heard);
	must(!m->knows || !m->turn[i].has);
	must(++m->turn[i].n_sends <= 1 + CHAT_RESENDS_MAX + 1);
	list_for_each (it, &m->t.chat.turns) {
		struct turn *other = list_entry(it, struct turn, link);

		must(strcmp(other->id, name_of(i)) == 0 || !turn_open(other) ||
		     other->hand == HAND_NONE);
	}
	m->turn[i].has = true;
}

static void tell(struct model *m, char kind, int turn);

static void on_cancel(struct model *m, int i)
{
	bool had = m->turn[i].has;

	m->turn[i].has = m->turn[i].running = false;
	tell(m, had ? 'x' : 'n', i);
	if (had)
		tell(m, 'c', i);
}

static void look_at_trace(struct model *m)
{
	char trace[8192], verb[32], rest[64];
	const char *p = trace;
	int i;

	/* A copy: what is done about one line makes more. */
	snprintf(trace, sizeof(trace), "%s", talk_trace(&m->t));
	while (*p) {
		if (sscanf(p, "%31s %63s", verb, rest) == 2 &&
		    sscanf(rest, "t%d", &i) == 1) {
			if (strcmp(verb, "send") == 0)
				on_sent(m, i);
			if (strcmp(verb, "send-cancel") == 0)
				on_cancel(m, i);
		}
		p += strcspn(p, "\n") + 1;
	}
}

/* ---- what Zed says ---- */

static void deliver(struct model *m, struct told e)
{
	const char *id = name_of(e.turn);
	struct turn *t = chat_find(&m->t.chat, id);
	char text[32];

	if (!t || t->hand != HAND_SENT)
		return;
	switch (e.kind) {
	case 't':
		talk_input(&m->t, CHAT_THREAD, id, "T1");
		break;
	case 'o':
		m->turn[e.turn].heard = m->turn[e.turn].heard || turn_open(t);
		snprintf(text, sizeof(text), "word %d", m->turn[e.turn].n_outputs);
		talk_say(&m->t, id, id, text);
		break;
	case 'c':
		if (chat_route_end(&m->t.chat, id, &t) == CHAT_ROUTE_TURN)
			talk_input(&m->t, CHAT_COMPLETED, id, NULL);
		break;
	case 'e':
		talk_input(&m->t, CHAT_FAILED, id, "bad luck");
		break;
	case 'x':
		talk_input(&m->t, CHAT_CANCELLED, id, NULL);
		break;
	default:
		talk_input(&m->t, CHAT_CANCEL_NOOP, id, NULL);
		break;
	}
	look_at_trace(m);
}

static void tell(struct model *m, char kind, int turn)
{
	if (m->connected && m->n_backlog == 0)
		deliver(m, (struct told){kind, turn});
	else if (m->n_backlog < BACKLOG_MAX)
		m->backlog[m->n_backlog++] = (struct told){kind, turn};
}

static void work(struct model *m)
{
	for (int i = 0; m->alive && i < m->n_turns; i++) {
		if (!m->turn[i].has)
			continue;
		if (!m->turn[i].running) {
			m->turn[i].running = true;
			tell(m, 't', i);
			return;
		}
		if (draw(m, 4) == 0) {
			m->turn[i].has = m->turn[i].running = false;
			tell(m, draw(m, 6) ? 'c' : 'e', i);
			return;
		}
		m->turn[i].n_outputs++;
		tell(m, 'o', i);
		return;
	}
}

static void ready(struct model *m)
{
	const char *ids[TURNS_MAX];
	size_t n = 0;

	for (int i = 0; i < m->n_turns; i++)
		if (m->turn[i].has)
			ids[n++] = chat_find(&m->t.chat, name_of(i))->id;
	if (m->knows)
		zed_link_set_turns(&m->t.link, ids, n);
	talk_ready(&m->t);
	look_at_trace(m);
}

static void connect_zed(struct model *m)
{
	int lost = m->n_backlog && draw(m, 2) ? 1 : 0, n;
	struct told backlog[BACKLOG_MAX];

	m->connected = m->alive = true;
	talk_up(&m->t);
	look_at_trace(m);
	n = m->n_backlog - lost;
	memcpy(backlog, m->backlog + lost, (size_t)n * sizeof(*backlog));
	m->n_backlog = 0;
	for (int i = 0; i < n; i++)
		deliver(m, backlog[i]);
	ready(m);
}

static void disconnect_zed(struct model *m)
{
	m->connected = false;
	talk_down(&m->t);
	look_at_trace(m);
}

static void crash_zed(struct model *m)
{
	if (m->connected)
		disconnect_zed(m);
	m->alive = false;
	m->n_backlog = 0;
	for (int i = 0; i < m->n_turns; i++)
		m->turn[i].has = m->turn[i].running = false;
}

static void restart_us(struct model *m)
{
	m->connected = false;
	talk_restart(&m->t);
	look_at_trace(m);
}

/* One deadline at a time, so that each send is looked at when it is made. */
static void wait_for(struct model *m, int64_t ms)
{
	int64_t end = m->t.now.mono_ms + ms;

	while (m->t.now.mono_ms < end) {
		int64_t at = chat_deadline(&m->t.chat);
		int64_t to = at && at < end ? at : end;

		talk_wait(&m->t, to > m->t.now.mono_ms ? to - m->t.now.mono_ms : 0);
		look_at_trace(m);
	}
}

/* ---- the run ---- */

static void prompt(struct model *m)
{
	int i = m->n_turns;

	if (i == TURNS_MAX)
		return;
	m->n_turns++;
	if (draw(m, 5))
		talk_prompt(&m->t, name_of(i));
	else
		talk_interrupt(&m->t, name_of(i));
	look_at_trace(m);
}

static void step(struct model *m)
{
	switch (draw(m, 16)) {
	case 0:
	case 1:
		prompt(m);
		break;
	case 2:
		if (!m->connected)
			connect_zed(m);
		else if (draw(m, 3) == 0)
			disconnect_zed(m);
		break;
	case 3:
		if (draw(m, 6) == 0)
			crash_zed(m);
		break;
	case 4:
		if (draw(m, 8) == 0)
			restart_us(m);
		break;
	case 5:
		if (m->n_turns) {
			talk_input(&m->t, CHAT_CANCEL,
			    name_of((int)draw(m, (uint32_t)m->n_turns)), NULL);
			look_at_trace(m);
		}
		break;
	case 6:
		wait_for(m, draw(m, 5000));
		break;
	default:
		work(m);
		break;
	}
}

static bool all_ended(struct model *m)
{
	list_for_each (it, &m->t.chat.turns)
		if (turn_open(list_entry(it, struct turn, link)))
			return false;
	return true;
}

static void run(uint64_t seed)
{
	struct model m = {.state = seed | 1};
	int n = 0;

	talk_init(&m.t);
	m.t.chat.seen = seen_new();
	m.knows = draw(&m, 2);
	for (int i = 0; i < STEPS_OF_ONE; i++)
		step(&m);
	/* Left alone with a Zed that works, all of it comes to an end. */
	while (!all_ended(&m) && n++ < SETTLE_STEPS) {
		if (!m.connected)
			connect_zed(&m);
		work(&m);
		wait_for(&m, 1000);
	}
	must(all_ended(&m));
	must(!m.t.chat.active && m.t.chat.n_ending == 0 && !m.t.link.follow_up);
	talk_deinit(&m.t);
	zed_link_deinit(&m.t.link);
}

static void every_prompt_ends_and_none_is_answered_twice(void **s)
{
	const char *seed_text = getenv("ZEDBUS_SEED"),
		   *steps_text = getenv("ZEDBUS_STEPS");
	uint64_t seed = seed_text ? strtoull(seed_text, NULL, 10) : 20260801;
	uint64_t steps = steps_text ? strtoull(steps_text, NULL, 10) : STEPS_DEFAULT;

	(void)s;
	print_message("ZEDBUS_SEED=%" PRIu64 " ZEDBUS_STEPS=%" PRIu64 "\n", seed, steps);
	for (uint64_t i = 0; i < steps / STEPS_OF_ONE; i++)
		run(seed + i * 7919);
}

TEST_MAIN(cmocka_unit_test(every_prompt_ends_and_none_is_answered_twice))

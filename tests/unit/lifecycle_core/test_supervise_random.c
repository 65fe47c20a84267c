/* Supervision under whatever order of events a seed gives: never two of one process, only
 * legal states, and an end with nothing left. SUP_SEED in the environment repeats a run.
 */
#include "lifecycle/core/supervise.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "tests/lib/test.h"

static unsigned first_seed_of_all(void)
{
	const char *text = getenv("SUP_SEED");
	unsigned seed = text ? (unsigned)strtoul(text, NULL, 10) : 1;

	printf("SUP_SEED=%u\n", seed);
	return seed;
}

static void start(struct sup *s, struct sup_rules *r)
{
	struct sup_event ev = {.type = SUP_EV_START, .now_ms = 1000};
	struct sup_effects fx = {.n = 0};

	restart_rule_complete(&r->restart, &RESTART_RULE_NULL);
	stop_rule_complete(&r->stop, &STOP_RULE_NULL);
	sup_init(s, r);
	sup_step(s, &ev, &fx);
}

struct world {
	bool preparing, up[SUP_TASKS_MAX], spawning[SUP_TASKS_MAX], swept, leftovers;
};

static void world_apply(struct world *w, const struct sup_effects *fx)
{
	for (size_t i = 0; i < fx->n; i++) {
		const struct sup_effect *f = &fx->v[i];

		switch (f->type) {
		case SUP_DO_PREPARE:
			w->preparing = true;
			break;
		case SUP_DO_CANCEL:
			w->preparing = false;
			break;
		case SUP_DO_SPAWN:
			/* Never two of one kind. */
			assert_false(w->up[f->task] || w->spawning[f->task]);
			w->spawning[f->task] = true;
			break;
		case SUP_DO_LEFTOVERS:
			w->leftovers = true;
			break;
		case SUP_DO_TERM:
		case SUP_DO_KILL:
			w->swept = true;
			break;
		default:
			break;
		}
	}
}

static bool world_is_empty(const struct world *w)
{
	for (int i = 0; i < SUP_TASKS_MAX; i++) {
		if (w->up[i] || w->spawning[i])
			return false;
	}
	return true;
}

/* One event that could happen now. */
static struct sup_event world_event(struct world *w, const struct sup *s, unsigned *seed)
{
	static struct stop_request stop_now;
	struct sup_event ev = {.type = SUP_EV_TICK, .detail = "because"};
	int task = rand_r(seed) % (SUP_COMPANION + (int)s->rules.n_companions);

	switch (rand_r(seed) % 9) {
	case 0:
	case 1:
		if (!w->preparing)
			break;
		w->preparing = false;
		ev.type = rand_r(seed) % 5 ? SUP_EV_PREPARED : SUP_EV_REFUSED;
		ev.reason = ev.type == SUP_EV_REFUSED ? REASON_DISK : REASON_NONE;
		break;
	case 2:
	case 3:
		if (!w->spawning[task])
			break;
		w->spawning[task] = false;
		ev.task = task;
		ev.type = rand_r(seed) % 6 ? SUP_EV_SPAWNED : SUP_EV_SPAWN_FAILED;
		ev.error = rand_r(seed) % 2 ? EAGAIN : ENOENT;
		w->up[task] = ev.type == SUP_EV_SPAWNED;
		break;
	case 4:
		if (!w->up[task])
			break;
		w->up[task] = false;
		ev = (struct sup_event){
		    .type = SUP_EV_EXITED, .task = task, .exit_code = rand_r(seed) % 2};
		break;
	case 5:
		ev = (struct sup_event){.type = SUP_EV_READY, .task = task};
		break;
	case 6:
		if (w->leftovers)
			ev.type = SUP_EV_LEFTOVERS_GONE;
		w->leftovers = false;
		break;
	case 7:
		if (rand_r(seed) % 8)
			break;
		stop_now = (struct stop_request){
		    .grace_ms = rand_r(seed) % 3000, .force = rand_r(seed) % 4 == 0};
		ev.type = SUP_EV_STOP;
		ev.stop = &stop_now;
		ev.reason = REASON_STOP;
		break;
	default:
		if (w->swept && world_is_empty(w))
			ev.type = SUP_EV_EMPTY;
		break;
	}
	return ev;
}

static void whatever_happens_it_ends_with_nothing_left_and_never_doubles(void **state)
{
	unsigned seed = first_seed_of_all(), n_done = 0;

	(void)state;
	for (int round = 0; round < 3000; round++) {
		struct sup_rules r = {.restart = RESTART_RULE_NULL,
		    .stop = STOP_RULE_NULL,
		    .ready_timeout_ms = 5000};
		struct world w = {.preparing = false};
		struct sup s;
		int64_t now_ms = 1000;
		unsigned first_seed = seed;

		r.n_companions = (size_t)(rand_r(&seed) % 3);
		r.companion_probed[0] = rand_r(&seed) % 2;
		r.probed = rand_r(&seed) % 2;
		r.has_hook = rand_r(&seed) % 2;
		r.alive_ms = rand_r(&seed) % 2 ? 100 : 0;
		start(&s, &r);
		w.preparing = true;
		for (int i = 0; i < 400 && s.phase != SUP_DONE; i++) {
			struct sup_event ev = world_event(&w, &s, &seed);
			struct sup_effects fx = {.n = 0};
			enum instance_state before = s.state;

			if (ev.type == SUP_EV_TICK)
				now_ms += rand_r(&seed) % 1500;
			ev.now_ms = now_ms;
			ev.random = (uint32_t)rand_r(&seed);
			sup_step(&s, &ev, &fx);
			world_apply(&w, &fx);
			/* Once a minute at the latest something is due, or an answer is
			 * waited for. */
			if (before && s.state != before &&
			    !(state_successors(before) & (1U << s.state)))
				fail_msg("seed %u: %s to %s", first_seed,
				    state_name(before), state_name(s.state));
		}
		if (s.phase == SUP_DONE) {
			n_done++;
			if (!world_is_empty(&w))
				fail_msg("seed %u: done with something left", first_seed);
		}
	}
	assert_true(n_done > 1000);
}

TEST_MAIN(cmocka_unit_test(whatever_happens_it_ends_with_nothing_left_and_never_doubles))

/* Random sequences of everything that can happen to a record, with their seed: whatever
 * comes, the invariants hold. The driver itself insists on event numbers without gaps.
 * ZEDBUS_SEED and ZEDBUS_STEPS override. */
#include "tests/lib/test.h"

#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>

#include "tests/unit/lifecycle_core/life.h"

enum {
	STEPS_DEFAULT = 1000000,
	LIFE_STEPS = 60,
};

struct chance {
	uint64_t state;
};

static uint32_t draw(struct chance *c, uint32_t below)
{
	c->state ^= c->state << 13;
	c->state ^= c->state >> 7;
	c->state ^= c->state << 17;
	return (uint32_t)(c->state >> 33) % below;
}

/* What must never go back. */
struct before {
	uint64_t generation, fence, cmd_order;
};

static void check(const struct life *l, struct before *b)
{
	const struct instance *i = &l->rec;
	struct assignment a;

	must(i->generation >= b->generation && i->fence >= b->fence);
	must(i->cmd_order >= b->cmd_order);
	must(i->n_last <= LAST_COMMANDS_MAX && i->n_excluded <= EXCLUDED_MAX);
	must(i->n_signals <= SIGNALS_MAX);
	must(!state_is_terminal(i->state) || i->desired == DESIRED_STOP);
	must(!state_is_terminal(i->state) || (i->pid == 0 && !i->start_again));
	must(i->state != STATE_RUNNING || i->reason == REASON_NONE);
	must(i->state != STATE_PENDING ||
	     (i->desired == DESIRED_RUN && id_empty(&i->runner)));
	must(instance_is_placed(i) == instance_assignment(i, &a));
	must(!instance_is_placed(i) || (!id_empty(&i->runner) && i->fence > 0));
	must(!instance_may_exec(i, &i->runner, i->generation, i->fence) ||
	     (a.desired == DESIRED_RUN && instance_is_placed(i)));
	must(!instance_may_exec(i, &i->runner, i->generation, i->fence - 1));
	*b = (struct before){i->generation, i->fence, i->cmd_order};
}

static void by_itself(struct life *l, struct chance *c)
{
	static const enum instance_state states[] = {STATE_STARTING, STATE_RUNNING,
	    STATE_BACKOFF, STATE_STOPPING, STATE_STOP_STUCK, STATE_STOPPED, STATE_EXITED,
	    STATE_FAILED, STATE_UNKNOWN, STATE_NONE};
	char runner[8];

	switch (draw(c, 8)) {
	case 0:
		snprintf(runner, sizeof(runner), "r%u", draw(c, 5));
		if (l->rec.state == STATE_PENDING)
			life_place(l, runner);
		break;
	case 1:
		life_refuse(l, (enum reason)draw(c, REASON_N_));
		break;
	case 2:
		step_runner_silent(&l->rec, l->now_ms);
		break;
	case 3:
		step_lost(&l->rec, l->now_ms);
		break;
	case 4:
		step_runner_back(&l->rec, l->now_ms);
		break;
	case 5:
		step_expire(&l->rec, l->now_ms);
		break;
	case 6:
		step_force_lost(&l->rec, l->now_ms);
		break;
	default:
		life_report_why(l, states[draw(c, ARRAY_LEN(states))],
		    (enum reason)draw(c, REASON_N_), "x");
	}
}

static void by_command(struct life *l, struct chance *c)
{
	static const char *const ids[] = {"", "", "c1", "c2", "c3"};

	switch (draw(c, 7)) {
	case 0:
	case 1:
		life_start(l, (char)('a' + draw(c, 2)), ids[draw(c, ARRAY_LEN(ids))]);
		break;
	case 2:
		life_start_with(
		    l, 'a', draw(c, 2) ? 0 : 1000, (enum on_lost)(1 + draw(c, 2)));
		break;
	case 3:
		life_stop(l, draw(c, 3) == 0);
		break;
	case 4:
		life_restart(l);
		break;
	case 5:
		life_signal(l, SIGUSR1);
		break;
	default:
		if (draw(c, 4) == 0)
			life_malformed(l);
		else
			life_purge(l);
	}
}

static void one_life(struct chance *c)
{
	struct life l;
	struct before b = {0};

	life_init(&l);
	for (int n = 0; n < LIFE_STEPS; n++) {
		l.now_ms += draw(c, 2000);
		if (draw(c, 3) == 0)
			by_command(&l, c);
		else
			by_itself(&l, c);
		life_report(&l, STATE_NONE); /* nothing, but events are collected */
		if (l.rec.state != STATE_NONE)
			check(&l, &b);
		life_trace(&l);
	}
	life_deinit(&l);
}

static void no_sequence_breaks_an_invariant(void **s)
{
	const char *seed = getenv("ZEDBUS_SEED"), *steps = getenv("ZEDBUS_STEPS");
	long n = (steps ? strtol(steps, NULL, 10) : STEPS_DEFAULT) / LIFE_STEPS;
	struct chance c;

	(void)s;
	random_bytes(&c.state, sizeof(c.state));
	c.state |= 1;
	if (seed)
		c.state = strtoull(seed, NULL, 10);
	print_message("ZEDBUS_SEED=%" PRIu64 "\n", c.state);
	while (n-- > 0)
		one_life(&c);
}

TEST_MAIN(cmocka_unit_test(no_sequence_breaks_an_invariant))

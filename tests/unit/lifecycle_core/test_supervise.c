/* Supervision as golden traces: events in, effects and states out, on a clock of the
 * test. */
#include "lifecycle/core/supervise.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>

#include "base/buf.h"
#include "tests/lib/test.h"

struct trace {
	struct sup s;
	int64_t now_ms;
	struct buf text;
};

static const char *const task_names[] = {"main", "hook", "side0", "side1"};

static void trace_effect(struct trace *t, const struct sup_effect *f)
{
	static const char *const names[] = {"prepare", "cancel", "spawn", "signal",
	    "probe", "unprobe", "leftovers", "term", "kill", "report"};

	if (f->type == SUP_DO_UNPROBE || f->type == SUP_DO_CANCEL)
		return; /* housekeeping; asked for by its own test */
	buf_addf(&t->text, " %s", names[f->type]);
	if (f->type == SUP_DO_SPAWN)
		buf_addf(&t->text, "(%s,%u)", task_names[f->task], f->run);
	else if (f->type == SUP_DO_SIGNAL)
		buf_addf(&t->text, "(%s,%d)", task_names[f->task], f->signo);
	else if (f->type == SUP_DO_PROBE)
		buf_addf(&t->text, "(%s)", task_names[f->task]);
	else if (f->type == SUP_DO_REPORT)
		buf_addf(&t->text, "(%s%s%s)", state_name(t->s.state),
		    t->s.reason ? " " : "", reason_name(t->s.reason));
}

static void trace_effects(struct trace *t, const struct sup_effects *fx)
{
	buf_addf(&t->text, "%lld", (long long)t->now_ms);
	for (size_t i = 0; i < fx->n; i++)
		trace_effect(t, &fx->v[i]);
	buf_addf(&t->text, " [%s]\n", sup_phase_name(t->s.phase));
}

static void step(struct trace *t, struct sup_event ev)
{
	struct sup_effects fx = {.n = 0};

	ev.now_ms = t->now_ms;
	ev.random = UINT32_MAX / 2;
	sup_step(&t->s, &ev, &fx);
	trace_effects(t, &fx);
}

/* To the next moment something is due. */
static void tick(struct trace *t)
{
	assert_true(sup_next_ms(&t->s) > 0);
	t->now_ms = sup_next_ms(&t->s);
	step(t, (struct sup_event){.type = SUP_EV_TICK});
}

static void begin(struct trace *t, const struct sup_rules *r)
{
	struct sup_rules rules = *r;

	restart_rule_complete(&rules.restart, &RESTART_RULE_NULL);
	stop_rule_complete(&rules.stop, &STOP_RULE_NULL);
	*t = (struct trace){.now_ms = 1000, .text = BUF_NULL(64 * 1024)};
	sup_init(&t->s, &rules);
	step(t, (struct sup_event){.type = SUP_EV_START});
}

#define RULES                                                                            \
	((struct sup_rules){.restart = {.max = -1, .window_ms = -1},                     \
	    .stop = {.grace_ms = -1},                                                    \
	    .ready_timeout_ms = 5000})

static void spawned(struct trace *t, int task)
{
	step(t,
	    (struct sup_event){.type = SUP_EV_SPAWNED, .task = task, .pid = 100 + task});
}

static void exited(struct trace *t, int task, int code)
{
	step(t,
	    (struct sup_event){.type = SUP_EV_EXITED, .task = task, .exit_code = code});
}

static void stop(struct trace *t, int64_t grace_ms, bool force)
{
	struct stop_request s = {.grace_ms = grace_ms, .force = force};

	step(t,
	    (struct sup_event){.type = SUP_EV_STOP, .stop = &s, .reason = REASON_STOP});
}

static void simple(struct trace *t, enum sup_event_type type)
{
	step(t, (struct sup_event){.type = type});
}

static void expect(struct trace *t, const char *text)
{
	assert_string_equal(buf_cstr(&t->text), text);
	buf_deinit(&t->text);
}

static void companions_come_before_main_and_all_end_in_order(void **state)
{
	struct sup_rules r = RULES;
	struct trace t;

	(void)state;
	r.n_companions = 2;
	r.companion_probed[0] = true;
	r.probed = true;
	begin(&t, &r);
	simple(&t, SUP_EV_PREPARED);
	spawned(&t, SUP_COMPANION + 1);
	spawned(&t, SUP_COMPANION);
	step(&t, (struct sup_event){.type = SUP_EV_READY, .task = SUP_COMPANION});
	spawned(&t, SUP_MAIN);
	step(&t, (struct sup_event){.type = SUP_EV_READY, .task = SUP_MAIN});
	t.now_ms = 2000;
	stop(&t, -1, false);
	exited(&t, SUP_MAIN, 0);
	exited(&t, SUP_COMPANION, 0);
	exited(&t, SUP_COMPANION + 1, 0);
	simple(&t, SUP_EV_EMPTY);
	assert_string_equal(t.s.detail, "ended within its grace");
	expect(&t, "1000 prepare [preparing]\n"
		   "1000 report(STARTING) spawn(side0,1) spawn(side1,1) [companions]\n"
		   "1000 [companions]\n"
		   "1000 probe(side0) [companions]\n"
		   "1000 spawn(main,1) [starting]\n"
		   "1000 probe(main) report(STARTING) [starting]\n"
		   "1000 report(RUNNING) [running]\n"
		   "2000 signal(main,15) report(STOPPING STOP) [grace]\n"
		   "2000 term [term]\n"
		   "2000 [term]\n"
		   "2000 [term]\n"
		   "2000 report(STOPPED STOP) [done]\n");
}

static void process_kind_is_ready_when_it_lived_long_enough(void **state)
{
	struct sup_rules r = RULES;
	struct trace t;

	(void)state;
	r.alive_ms = 700;
	begin(&t, &r);
	simple(&t, SUP_EV_PREPARED);
	spawned(&t, SUP_MAIN);
	tick(&t);
	expect(&t, "1000 prepare [preparing]\n"
		   "1000 report(STARTING) spawn(main,1) [starting]\n"
		   "1000 report(STARTING) [starting]\n"
		   "1700 report(RUNNING) [running]\n");
}

static void delays_double_and_the_budget_ends_them(void **state)
{
	struct sup_rules r = RULES;
	struct trace t;

	(void)state;
	r.restart.max = 2;
	begin(&t, &r);
	for (int i = 0; i < 3; i++) {
		simple(&t, SUP_EV_PREPARED);
		spawned(&t, SUP_MAIN);
		exited(&t, SUP_MAIN, 3);
		if (i == 2)
			break;
		simple(&t, SUP_EV_LEFTOVERS_GONE);
		tick(&t);
	}
	simple(&t, SUP_EV_EMPTY);
	assert_string_equal(
	    t.s.detail, "ended more than 2 times in 600000 ms; last: exit code 3");
	assert_int_equal(t.s.restarts, 2);
	expect(&t, "1000 prepare [preparing]\n"
		   "1000 report(STARTING) spawn(main,1) [starting]\n"
		   "1000 report(RUNNING) [running]\n"
		   "1000 report(BACKOFF) leftovers [backoff]\n"
		   "1000 [backoff]\n"
		   "1999 prepare [preparing]\n"
		   "1999 report(STARTING) spawn(main,2) [starting]\n"
		   "1999 report(RUNNING) [running]\n"
		   "1999 report(BACKOFF) leftovers [backoff]\n"
		   "1999 [backoff]\n"
		   "3998 prepare [preparing]\n"
		   "3998 report(STARTING) spawn(main,3) [starting]\n"
		   "3998 report(RUNNING) [running]\n"
		   "3998 term [term]\n"
		   "3998 report(FAILED CRASH_LOOP) [done]\n");
}

static void it_is_not_started_again_while_leftovers_live(void **state)
{
	struct sup_rules r = RULES;
	struct trace t;

	(void)state;
	begin(&t, &r);
	simple(&t, SUP_EV_PREPARED);
	spawned(&t, SUP_MAIN);
	exited(&t, SUP_MAIN, 1);
	tick(&t);
	assert_int_equal(sup_next_ms(&t.s), 0);
	simple(&t, SUP_EV_LEFTOVERS_GONE);
	expect(&t, "1000 prepare [preparing]\n"
		   "1000 report(STARTING) spawn(main,1) [starting]\n"
		   "1000 report(RUNNING) [running]\n"
		   "1000 report(BACKOFF) leftovers [backoff]\n"
		   "1999 [backoff]\n"
		   "1999 prepare [preparing]\n");
}

static void not_ready_in_time_is_signalled_then_killed_then_tried_again(void **state)
{
	struct sup_rules r = RULES;
	struct trace t;

	(void)state;
	r.probed = true;
	r.stop.grace_ms = 300;
	begin(&t, &r);
	simple(&t, SUP_EV_PREPARED);
	spawned(&t, SUP_MAIN);
	tick(&t);
	/* Too late to count. */
	step(&t, (struct sup_event){.type = SUP_EV_READY, .task = SUP_MAIN});
	tick(&t);
	step(&t,
	    (struct sup_event){
		.type = SUP_EV_EXITED, .task = SUP_MAIN, .exit_code = -1, .signal = 9});
	expect(&t, "1000 prepare [preparing]\n"
		   "1000 report(STARTING) spawn(main,1) [starting]\n"
		   "1000 probe(main) report(STARTING) [starting]\n"
		   "6000 report(STARTING READY_TIMEOUT) signal(main,15) [abort]\n"
		   "6000 [abort]\n"
		   "6300 signal(main,9) [abort]\n"
		   "6300 report(BACKOFF READY_TIMEOUT) leftovers [backoff]\n");
}

static void a_stop_goes_through_every_phase_when_nothing_listens(void **state)
{
	struct sup_rules r = RULES;
	struct trace t;

	(void)state;
	r.has_hook = true;
	begin(&t, &r);
	simple(&t, SUP_EV_PREPARED);
	spawned(&t, SUP_MAIN);
	stop(&t, 1000, false);
	spawned(&t, SUP_HOOK);
	t.now_ms = 1400;
	exited(&t, SUP_HOOK, 0);
	tick(&t);
	tick(&t);
	tick(&t);
	step(&t,
	    (struct sup_event){
		.type = SUP_EV_EXITED, .task = SUP_MAIN, .exit_code = -1, .signal = 9});
	simple(&t, SUP_EV_EMPTY);
	assert_string_equal(t.s.detail, "killed");
	expect(&t, "1000 prepare [preparing]\n"
		   "1000 report(STARTING) spawn(main,1) [starting]\n"
		   "1000 report(RUNNING) [running]\n"
		   "1000 spawn(hook,1) report(STOPPING STOP) [hook]\n"
		   "1000 [hook]\n"
		   "1400 signal(main,15) [grace]\n"
		   "2000 term [term]\n"
		   "4000 kill [kill]\n"
		   "9000 kill [kill]\n"
		   "9000 [kill]\n"
		   "9000 report(STOPPED STOP) [done]\n");
}

static void what_survives_kill_for_a_minute_is_stop_stuck_and_still_tried(void **state)
{
	struct sup_rules r = RULES;
	struct trace t;
	int n = 0;

	(void)state;
	begin(&t, &r);
	simple(&t, SUP_EV_PREPARED);
	spawned(&t, SUP_MAIN);
	stop(&t, 0, true);
	while (t.s.state != STATE_STOP_STUCK && n++ < 100)
		tick(&t);
	assert_int_equal(t.now_ms, 1000 + SUP_STUCK_MS);
	buf_reset(&t.text);
	tick(&t);
	exited(&t, SUP_MAIN, 0);
	simple(&t, SUP_EV_EMPTY);
	expect(&t, "66000 kill [kill]\n"
		   "66000 [kill]\n"
		   "66000 report(STOPPED STOP) [done]\n");
}

static void a_stop_before_anything_runs_needs_an_empty_tree_only(void **state)
{
	struct sup_rules r = RULES;
	struct trace t;

	(void)state;
	begin(&t, &r);
	stop(&t, -1, false);
	simple(&t, SUP_EV_PREPARED); /* came too late */
	simple(&t, SUP_EV_EMPTY);
	assert_string_equal(t.s.detail, "it was not running");
	expect(&t, "1000 prepare [preparing]\n"
		   "1000 term report(STOPPING STOP) [term]\n"
		   "1000 [term]\n"
		   "1000 report(STOPPED STOP) [done]\n");
}

static void a_stop_during_the_spawn_ends_what_was_spawned(void **state)
{
	struct sup_rules r = RULES;
	struct trace t;

	(void)state;
	begin(&t, &r);
	simple(&t, SUP_EV_PREPARED);
	stop(&t, -1, false);
	spawned(&t, SUP_MAIN);
	exited(&t, SUP_MAIN, 0);
	simple(&t, SUP_EV_EMPTY);
	expect(&t, "1000 prepare [preparing]\n"
		   "1000 report(STARTING) spawn(main,1) [starting]\n"
		   "1000 term report(STOPPING STOP) [term]\n"
		   "1000 term [term]\n"
		   "1000 [term]\n"
		   "1000 report(STOPPED STOP) [done]\n");
}

static void another_stop_shortens_the_grace_or_forces(void **state)
{
	struct sup_rules r = RULES;
	struct trace t;

	(void)state;
	begin(&t, &r);
	simple(&t, SUP_EV_PREPARED);
	spawned(&t, SUP_MAIN);
	stop(&t, 60000, false);
	stop(&t, 500, false);
	assert_int_equal(sup_next_ms(&t.s), 1500);
	stop(&t, 500, true);
	expect(&t, "1000 prepare [preparing]\n"
		   "1000 report(STARTING) spawn(main,1) [starting]\n"
		   "1000 report(RUNNING) [running]\n"
		   "1000 signal(main,15) report(STOPPING STOP) [grace]\n"
		   "1000 [grace]\n"
		   "1000 kill [kill]\n");
}

static void a_companion_is_started_again_alone(void **state)
{
	struct sup_rules r = RULES;
	struct trace t;

	(void)state;
	r.n_companions = 1;
	begin(&t, &r);
	simple(&t, SUP_EV_PREPARED);
	spawned(&t, SUP_COMPANION);
	spawned(&t, SUP_MAIN);
	exited(&t, SUP_COMPANION, 1);
	tick(&t);
	step(&t, (struct sup_event){.type = SUP_EV_SPAWN_FAILED,
		     .task = SUP_COMPANION,
		     .error = EAGAIN,
		     .detail = ""});
	tick(&t);
	spawned(&t, SUP_COMPANION);
	expect(&t, "1000 prepare [preparing]\n"
		   "1000 report(STARTING) spawn(side0,1) [companions]\n"
		   "1000 spawn(main,1) [starting]\n"
		   "1000 report(RUNNING) [running]\n"
		   "1000 [running]\n"
		   "1999 spawn(side0,2) [running]\n"
		   "1999 [running]\n"
		   "3998 spawn(side0,3) [running]\n"
		   "3998 [running]\n");
}

static void exec_errors_end_it_or_are_tried_again_by_their_kind(void **state)
{
	struct sup_rules r = RULES;
	struct trace t;

	(void)state;
	begin(&t, &r);
	simple(&t, SUP_EV_PREPARED);
	step(&t, (struct sup_event){
		     .type = SUP_EV_SPAWN_FAILED, .error = ENOMEM, .detail = "ENOMEM"});
	simple(&t, SUP_EV_LEFTOVERS_GONE);
	tick(&t);
	simple(&t, SUP_EV_PREPARED);
	step(&t, (struct sup_event){
		     .type = SUP_EV_SPAWN_FAILED, .error = ENOENT, .detail = "ENOENT"});
	simple(&t, SUP_EV_EMPTY);
	assert_string_equal(t.s.detail, "ENOENT");
	expect(&t, "1000 prepare [preparing]\n"
		   "1000 report(STARTING) spawn(main,1) [starting]\n"
		   "1000 report(BACKOFF EXEC) leftovers [backoff]\n"
		   "1000 [backoff]\n"
		   "1999 prepare [preparing]\n"
		   "1999 report(STARTING) spawn(main,2) [starting]\n"
		   "1999 term [term]\n"
		   "1999 report(FAILED EXEC) [done]\n");
}

static void policies_decide_what_an_exit_means(void **state)
{
	static const struct {
		enum restart_policy policy;
		int code;
		bool ready;
		enum sup_phase phase;
		enum reason reason;
	} cases[] = {
	    {RESTART_NEVER, 0, true, SUP_STOP_TERM, REASON_NONE},
	    {RESTART_NEVER, 1, true, SUP_STOP_TERM, REASON_NONE},
	    {RESTART_NEVER, 0, false, SUP_STOP_TERM, REASON_EARLY_EXIT},
	    {RESTART_ON_FAILURE, 0, true, SUP_STOP_TERM, REASON_NONE},
	    {RESTART_ON_FAILURE, 1, true, SUP_BACKOFF, REASON_NONE},
	    {RESTART_ON_FAILURE, 0, false, SUP_BACKOFF, REASON_EARLY_EXIT},
	    {RESTART_ALWAYS, 0, true, SUP_BACKOFF, REASON_NONE},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct sup_rules r = RULES;
		struct trace t;

		r.restart.policy = cases[i].policy;
		r.probed = true;
		begin(&t, &r);
		simple(&t, SUP_EV_PREPARED);
		spawned(&t, SUP_MAIN);
		if (cases[i].ready)
			step(&t,
			    (struct sup_event){.type = SUP_EV_READY, .task = SUP_MAIN});
		exited(&t, SUP_MAIN, cases[i].code);
		assert_int_equal(t.s.phase, cases[i].phase);
		simple(&t, SUP_EV_EMPTY);
		if (cases[i].phase == SUP_STOP_TERM)
			assert_int_equal(t.s.state, STATE_EXITED);
		assert_int_equal(t.s.reason, cases[i].reason);
		buf_deinit(&t.text);
	}
}

static void a_refusal_is_told_only_if_it_never_ran(void **state)
{
	struct sup_rules r = RULES;
	struct trace t;

	(void)state;
	begin(&t, &r);
	step(&t, (struct sup_event){
		     .type = SUP_EV_REFUSED, .reason = REASON_DISK, .detail = "full"});
	simple(&t, SUP_EV_EMPTY);
	assert_true(t.s.refused);
	expect(&t, "1000 prepare [preparing]\n"
		   "1000 term [term]\n"
		   "1000 report(ASSIGNED DISK) [done]\n");
	begin(&t, &r);
	simple(&t, SUP_EV_PREPARED);
	spawned(&t, SUP_MAIN);
	exited(&t, SUP_MAIN, 1);
	simple(&t, SUP_EV_LEFTOVERS_GONE);
	tick(&t);
	step(&t, (struct sup_event){
		     .type = SUP_EV_REFUSED, .reason = REASON_DISK, .detail = "full"});
	assert_false(t.s.refused);
	assert_int_equal(t.s.state, STATE_BACKOFF);
	assert_int_equal(t.s.reason, REASON_DISK);
	buf_deinit(&t.text);
}

static void resuming_goes_on_where_it_was(void **state)
{
	struct sup_rules r = RULES;
	struct sup_effects fx = {.n = 0};
	struct trace t;

	(void)state;
	r.probed = true;
	begin(&t, &r);
	simple(&t, SUP_EV_PREPARED);
	spawned(&t, SUP_MAIN);
	buf_reset(&t.text);
	t.now_ms = 50000;
	sup_resume(&t.s, t.now_ms, &fx);
	trace_effects(&t, &fx);
	assert_int_equal(
	    sup_next_ms(&t.s), 55000); /* its time to become ready begins anew */
	step(&t, (struct sup_event){.type = SUP_EV_READY, .task = SUP_MAIN});
	stop(&t, 10000, false);
	t.now_ms = 51000;
	fx.n = 0;
	sup_resume(&t.s, t.now_ms, &fx);
	trace_effects(&t, &fx);
	assert_int_equal(sup_next_ms(&t.s), 60000); /* its grace does not */
	expect(&t, "50000 probe(main) [starting]\n"
		   "50000 report(RUNNING) [running]\n"
		   "50000 signal(main,15) report(STOPPING STOP) [grace]\n"
		   "51000 signal(main,15) [grace]\n");
}

TEST_MAIN(cmocka_unit_test(companions_come_before_main_and_all_end_in_order),
    cmocka_unit_test(process_kind_is_ready_when_it_lived_long_enough),
    cmocka_unit_test(delays_double_and_the_budget_ends_them),
    cmocka_unit_test(it_is_not_started_again_while_leftovers_live),
    cmocka_unit_test(not_ready_in_time_is_signalled_then_killed_then_tried_again),
    cmocka_unit_test(a_stop_goes_through_every_phase_when_nothing_listens),
    cmocka_unit_test(what_survives_kill_for_a_minute_is_stop_stuck_and_still_tried),
    cmocka_unit_test(a_stop_before_anything_runs_needs_an_empty_tree_only),
    cmocka_unit_test(a_stop_during_the_spawn_ends_what_was_spawned),
    cmocka_unit_test(another_stop_shortens_the_grace_or_forces),
    cmocka_unit_test(a_companion_is_started_again_alone),
    cmocka_unit_test(exec_errors_end_it_or_are_tried_again_by_their_kind),
    cmocka_unit_test(policies_decide_what_an_exit_means),
    cmocka_unit_test(a_refusal_is_told_only_if_it_never_ran),
    cmocka_unit_test(resuming_goes_on_where_it_was))

/* The phases of a stop, and the end of an instance that ended by itself (what it left
 * behind is stopped too): hook, signal and grace for the main program, SIGTERM to the
 * tree, KILL until nothing is left. Only an empty tree ends it. */
#include "lifecycle/core/supervise.h"

#include <stdio.h>

#include "base/buf.h"

static void stop_enter_kill(struct sup *s, int64_t now_ms, struct sup_effects *out)
{
	s->phase = SUP_STOP_KILL;
	s->kill_at_ms = now_ms;
	s->due_ms = now_ms + SUP_KILL_AGAIN_MS;
	sup_add_effect(out, SUP_DO_KILL, SUP_MAIN);
}

static void stop_enter_term(struct sup *s, int64_t now_ms, struct sup_effects *out)
{
	s->phase = SUP_STOP_TERM;
	s->due_ms = now_ms + SUP_TERM_MS;
	sup_add_effect(out, SUP_DO_TERM, SUP_MAIN);
}

static void stop_signal_main(struct sup *s, struct sup_effects *out)
{
	s->phase = SUP_STOP_GRACE;
	sup_add_effect(out, SUP_DO_SIGNAL, SUP_MAIN);
	out->v[out->n - 1].signo = s->rules.stop.signal;
}

static int64_t stop_grace_ms(const struct sup *s)
{
	return s->stop.grace_ms >= 0 ? s->stop.grace_ms : s->rules.stop.grace_ms;
}

/* The first thing a stop does, from whatever was going on. */
static void stop_begin(struct sup *s, int64_t now_ms, struct sup_effects *out)
{
	struct sup_task *hook = &s->tasks[SUP_HOOK];
	bool main_up = s->tasks[SUP_MAIN].state == SUP_TASK_UP;

	s->due_ms = s->stop_at_ms + stop_grace_ms(s);
	if (s->stop.force) {
		stop_enter_kill(s, now_ms, out);
	} else if (!main_up) {
		stop_enter_term(s, now_ms, out);
	} else if (s->rules.has_hook && s->phase != SUP_ABORT) {
		s->phase = SUP_STOP_HOOK;
		hook->state = SUP_TASK_SPAWNING;
		hook->run++;
		sup_add_effect(out, SUP_DO_SPAWN, SUP_HOOK);
		out->v[out->n - 1].run = hook->run;
	} else {
		stop_signal_main(s, out);
	}
}

static void stop_quiet(struct sup *s, struct sup_effects *out)
{
	sup_add_effect(out, SUP_DO_CANCEL, SUP_MAIN);
	s->alive_due_ms = 0;
	for (int i = 0; i < SUP_COMPANION + (int)s->rules.n_companions; i++) {
		if (s->tasks[i].state == SUP_TASK_UP && !s->tasks[i].ready)
			sup_add_effect(out, SUP_DO_UNPROBE, i);
	}
}

void sup_on_stop(struct sup *s, const struct sup_event *ev, struct sup_effects *out)
{
	s->stop_asked = true;
	s->stop = *ev->stop;
	s->stop_reason = ev->reason;
	s->stop_at_ms = ev->now_ms;
	s->final_state = STATE_STOPPED;
	s->final_reason = ev->reason;
	stop_quiet(s, out);
	stop_begin(s, ev->now_ms, out);
	sup_set_state(s, STATE_STOPPING, ev->reason, ev->stop->reason, out);
}

void sup_finish(struct sup *s, enum instance_state final, enum reason reason,
    const char *detail, int64_t now_ms, struct sup_effects *out)
{
	s->final_state = final;
	s->final_reason = reason;
	snprintf(s->final_detail, sizeof s->final_detail, "%s", detail ? detail : "");
	s->stop_at_ms = now_ms;
	stop_quiet(s, out);
	stop_enter_term(s, now_ms, out);
}

/* Another stop while one is in force: more force, or another grace. */
static void stop_on_stop(
    struct sup *s, const struct sup_event *ev, struct sup_effects *out)
{
	if (!s->stop_asked) {
		/* It is ending by itself: that it was also asked to changes only what is
		 * said. */
		s->stop_asked = true;
		s->stop_reason = ev->reason;
		s->stop = *ev->stop;
		if (s->final_state != STATE_EXITED && s->final_state != STATE_FAILED)
			s->final_state = STATE_STOPPED;
		sup_set_state(s, STATE_STOPPING, ev->reason, ev->stop->reason, out);
	}
	s->stop = *ev->stop;
	if (ev->stop->force && s->phase != SUP_STOP_KILL)
		stop_enter_kill(s, ev->now_ms, out);
	else if (s->phase == SUP_STOP_HOOK || s->phase == SUP_STOP_GRACE)
		s->due_ms = s->stop_at_ms + stop_grace_ms(s);
}

static void stop_on_exited(
    struct sup *s, const struct sup_event *ev, struct sup_effects *out)
{
	struct sup_task *t = &s->tasks[ev->task];

	t->state = SUP_TASK_DOWN;
	t->pid = 0;
	if (ev->task == SUP_MAIN) {
		s->has_exit_code = ev->exit_code >= 0;
		s->exit_code = ev->exit_code;
		s->has_signal = ev->signal > 0;
		s->signal = ev->signal;
		s->main_ended_in = s->phase;
		if (s->phase == SUP_STOP_HOOK || s->phase == SUP_STOP_GRACE)
			stop_enter_term(s, ev->now_ms, out);
	} else if (ev->task == SUP_HOOK && s->phase == SUP_STOP_HOOK) {
		stop_signal_main(s, out);
	}
}

static void stop_on_spawned(
    struct sup *s, const struct sup_event *ev, struct sup_effects *out)
{
	struct sup_task *t = &s->tasks[ev->task];

	if (ev->type == SUP_EV_SPAWN_FAILED) {
		t->state = SUP_TASK_DOWN;
		if (ev->task == SUP_HOOK && s->phase == SUP_STOP_HOOK)
			stop_signal_main(s, out);
		return;
	}
	/* Begun before the stop came: it lives, and ends with the rest. */
	t->state = SUP_TASK_UP;
	t->pid = ev->pid;
	if (ev->task == SUP_HOOK)
		return;
	if (s->phase == SUP_STOP_TERM)
		sup_add_effect(out, SUP_DO_TERM, SUP_MAIN);
	else if (s->phase == SUP_STOP_KILL)
		sup_add_effect(out, SUP_DO_KILL, SUP_MAIN);
}

static void stop_on_due(
    struct sup *s, const struct sup_event *ev, struct sup_effects *out)
{
	switch (s->phase) {
	case SUP_STOP_HOOK:
	case SUP_STOP_GRACE:
		stop_enter_term(s, ev->now_ms, out);
		break;
	case SUP_STOP_TERM:
		stop_enter_kill(s, ev->now_ms, out);
		break;
	case SUP_STOP_KILL:
		s->due_ms = ev->now_ms + SUP_KILL_AGAIN_MS;
		sup_add_effect(out, SUP_DO_KILL, SUP_MAIN);
		if (s->state != STATE_STOP_STUCK &&
		    ev->now_ms - s->kill_at_ms >= SUP_STUCK_MS)
			sup_set_state(s, STATE_STOP_STUCK, s->final_reason, "", out);
		break;
	default:
		break;
	}
}

static const char *stop_sentence(const struct sup *s)
{
	if (s->phase == SUP_STOP_KILL)
		return "killed";
	switch (s->main_ended_in) {
	case SUP_STOP_HOOK:
		return "ended by its hook";
	case SUP_STOP_GRACE:
		return "ended within its grace";
	case SUP_STOP_TERM:
		return "ended by SIGTERM after its grace";
	default:
		return "it was not running";
	}
}

static void stop_on_empty(struct sup *s, struct sup_effects *out)
{
	struct buf text = BUF_NULL(DETAIL_MAX);

	if (s->final_state == STATE_STOPPED) {
		buf_adds(&text, stop_sentence(s));
		if (s->stop.reason[0])
			buf_addf(&text, "; asked for: %.180s", s->stop.reason);
	} else {
		buf_adds(&text, s->final_detail);
	}
	s->phase = SUP_DONE;
	s->due_ms = 0;
	for (int i = 0; i < SUP_TASKS_MAX; i++) {
		s->tasks[i].state = SUP_TASK_DOWN;
		s->tasks[i].pid = 0;
	}
	sup_set_state(s, s->final_state, s->final_reason, buf_cstr(&text), out);
	buf_deinit(&text);
}

void sup_stop_step(struct sup *s, const struct sup_event *ev, struct sup_effects *out)
{
	switch (ev->type) {
	case SUP_EV_STOP:
		stop_on_stop(s, ev, out);
		break;
	case SUP_EV_EXITED:
		stop_on_exited(s, ev, out);
		break;
	case SUP_EV_SPAWNED:
	case SUP_EV_SPAWN_FAILED:
		stop_on_spawned(s, ev, out);
		break;
	case SUP_EV_EMPTY:
		stop_on_empty(s, out);
		break;
	case SUP_EV_TICK:
		if (s->due_ms && ev->now_ms >= s->due_ms)
			stop_on_due(s, ev, out);
		break;
	default:
		break;
	}
}

void sup_stop_resume(struct sup *s, int64_t now_ms, struct sup_effects *out)
{
	s->tasks[SUP_HOOK].state = SUP_TASK_DOWN;
	if (s->phase == SUP_STOP_KILL)
		stop_enter_kill(s, now_ms, out);
	else if (s->phase == SUP_STOP_TERM || s->tasks[SUP_MAIN].state != SUP_TASK_UP)
		stop_enter_term(s, now_ms, out);
	else
		stop_signal_main(s, out); /* the deadline stays the one of before */
}

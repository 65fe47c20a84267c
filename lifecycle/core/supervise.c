/* Starting, watching, starting again. The phases of a stop are supervise_stop.c. */
#include "lifecycle/core/supervise.h"

#include <errno.h>
#include <stdio.h>

/* ---- effects and state */

void sup_add_effect(struct sup_effects *out, enum sup_effect_type type, int task)
{
	must(out->n < SUP_EFFECTS_MAX);
	out->v[out->n++] = (struct sup_effect){.type = type, .task = task};
}

void sup_set_state(struct sup *s, enum instance_state state, enum reason reason,
    const char *detail, struct sup_effects *out)
{
	s->state = state;
	s->reason = reason;
	snprintf(s->detail, sizeof s->detail, "%s", detail ? detail : "");
	sup_add_effect(out, SUP_DO_REPORT, SUP_MAIN);
}

bool sup_set_detail(struct sup *s, const char *detail)
{
	char old[DETAIL_MAX + 1];

	memcpy(old, s->detail, sizeof old);
	snprintf(s->detail, sizeof s->detail, "%s", detail);
	return strcmp(old, s->detail) != 0;
}

const char *sup_phase_name(enum sup_phase p)
{
	static const char *const names[] = {"preparing", "companions", "starting",
	    "running", "abort", "backoff", "hook", "grace", "term", "kill", "done"};

	return names[p];
}

bool sup_is_stopping(const struct sup *s)
{
	return s->phase >= SUP_STOP_HOOK && s->phase != SUP_DONE;
}

bool sup_is_starting(const struct sup *s)
{
	return s->phase <= SUP_STARTING;
}

void sup_init(struct sup *s, const struct sup_rules *rules)
{
	*s = (struct sup){.rules = *rules, .phase = SUP_PREPARING};
	must(rules->n_companions <= SUP_COMPANIONS_MAX);
}

/* ---- spawning */

static void sup_spawn(struct sup *s, int task, struct sup_effects *out)
{
	struct sup_task *t = &s->tasks[task];

	t->state = SUP_TASK_SPAWNING;
	t->ready = false;
	t->retry_ms = 0;
	t->run++;
	sup_add_effect(out, SUP_DO_SPAWN, task);
	out->v[out->n - 1].run = t->run;
}

static void sup_prepare(struct sup *s, struct sup_effects *out)
{
	s->phase = SUP_PREPARING;
	s->due_ms = 0;
	sup_add_effect(out, SUP_DO_PREPARE, SUP_MAIN);
}

/* Main's turn comes when every companion is ready. */
static void sup_continue_start(struct sup *s, struct sup_effects *out)
{
	if (s->phase != SUP_COMPANIONS)
		return;
	for (size_t i = 0; i < s->rules.n_companions; i++) {
		if (!s->tasks[SUP_COMPANION + i].ready)
			return;
	}
	s->phase = SUP_STARTING;
	sup_spawn(s, SUP_MAIN, out);
}

static void sup_on_prepared(
    struct sup *s, const struct sup_event *ev, struct sup_effects *out)
{
	if (s->phase != SUP_PREPARING)
		return;
	s->phase = SUP_COMPANIONS;
	s->due_ms = ev->now_ms + s->rules.ready_timeout_ms;
	if (s->state != STATE_STARTING || s->detail[0])
		sup_set_state(s, STATE_STARTING, REASON_NONE, NULL, out);
	for (size_t i = 0; i < s->rules.n_companions; i++) {
		int task = SUP_COMPANION + (int)i;

		if (s->tasks[task].state == SUP_TASK_DOWN)
			sup_spawn(s, task, out);
	}
	sup_continue_start(s, out);
}

static void sup_running(struct sup *s, int64_t now_ms, struct sup_effects *out)
{
	s->phase = SUP_RUNNING;
	s->due_ms = s->alive_due_ms = 0;
	s->tasks[SUP_MAIN].ready = true;
	s->tasks[SUP_MAIN].up_since_ms = now_ms;
	sup_set_state(s, STATE_RUNNING, REASON_NONE, NULL, out);
}

static void sup_main_spawned(
    struct sup *s, const struct sup_event *ev, struct sup_effects *out)
{
	if (s->tasks[SUP_MAIN].run > 1)
		s->restarts++;
	if (s->rules.probed) {
		sup_add_effect(out, SUP_DO_PROBE, SUP_MAIN);
		sup_add_effect(out, SUP_DO_REPORT, SUP_MAIN); /* the pid */
	} else if (s->rules.alive_ms > 0) {
		s->alive_due_ms = ev->now_ms + s->rules.alive_ms;
		sup_add_effect(out, SUP_DO_REPORT, SUP_MAIN);
	} else {
		sup_running(s, ev->now_ms, out);
	}
}

static void sup_on_spawned(
    struct sup *s, const struct sup_event *ev, struct sup_effects *out)
{
	struct sup_task *t = &s->tasks[ev->task];

	if (t->state != SUP_TASK_SPAWNING)
		return;
	t->state = SUP_TASK_UP;
	t->pid = ev->pid;
	t->up_since_ms = ev->now_ms;
	if (ev->task == SUP_MAIN) {
		sup_main_spawned(s, ev, out);
	} else if (s->rules.companion_probed[ev->task - SUP_COMPANION]) {
		sup_add_effect(out, SUP_DO_PROBE, ev->task);
	} else {
		t->ready = true;
		sup_continue_start(s, out);
	}
}

/* ---- failing and starting again */

static int64_t sup_delay_ms(unsigned n_fails, uint32_t random)
{
	int64_t d =
	    n_fails < 16 ? (int64_t)SUP_BACKOFF_BASE_MS << n_fails : SUP_BACKOFF_CAP_MS;

	if (d > SUP_BACKOFF_CAP_MS)
		d = SUP_BACKOFF_CAP_MS;
	return d - d / 5 + (int64_t)((uint64_t)(2 * d / 5) * random / UINT32_MAX);
}

static int64_t sup_restarts_in_window(const struct sup *s, int64_t now_ms)
{
	int64_t n = 0;

	for (size_t i = 0; i < s->n_restart_at && i < RESTART_MAX_MAX; i++) {
		if (s->restart_at_ms[i] > now_ms - s->rules.restart.window_ms)
			n++;
	}
	return n;
}

/* A run, or the attempt at one, came to nothing: again after a delay, unless policy or
 * budget say no. */
static void sup_again(struct sup *s, const struct sup_event *ev, enum reason reason,
    const char *detail, struct sup_effects *out)
{
	char text[DETAIL_MAX + 1];

	if (sup_restarts_in_window(s, ev->now_ms) >= s->rules.restart.max) {
		snprintf(text, sizeof text,
		    "ended more than %lld times in %lld ms; last: %s",
		    (long long)s->rules.restart.max,
		    (long long)s->rules.restart.window_ms, detail);
		sup_finish(s, STATE_FAILED, REASON_CRASH_LOOP, text, ev->now_ms, out);
		return;
	}
	s->restart_at_ms[s->n_restart_at++ % RESTART_MAX_MAX] = ev->now_ms;
	s->phase = SUP_BACKOFF;
	s->due_ms = ev->now_ms + sup_delay_ms(s->n_fails, ev->random);
	s->n_fails++;
	s->leftovers = true;
	sup_set_state(s, STATE_BACKOFF, reason, detail, out);
	sup_add_effect(out, SUP_DO_LEFTOVERS, SUP_MAIN);
}

static void sup_failed(struct sup *s, const struct sup_event *ev, enum reason reason,
    const char *detail, struct sup_effects *out)
{
	if (s->rules.restart.policy == RESTART_NEVER)
		sup_finish(s, STATE_FAILED, reason, detail, ev->now_ms, out);
	else
		sup_again(s, ev, reason, detail, out);
}

/* What another attempt may well not run into. */
static bool sup_errno_is_transient(int error)
{
	return error == EAGAIN || error == ENOMEM || error == EMFILE || error == ENFILE ||
	       error == ETXTBSY || error == ENOSPC || error == EIO || error == EINTR;
}

static void sup_companion_later(struct sup *s, const struct sup_event *ev)
{
	struct sup_task *t = &s->tasks[ev->task];

	t->retry_ms = ev->now_ms + sup_delay_ms(t->n_fails, ev->random);
	t->n_fails++;
}

static void sup_on_spawn_failed(
    struct sup *s, const struct sup_event *ev, struct sup_effects *out)
{
	struct sup_task *t = &s->tasks[ev->task];
	bool transient = sup_errno_is_transient(ev->error);

	if (t->state != SUP_TASK_SPAWNING)
		return;
	t->state = SUP_TASK_DOWN;
	if (ev->task != SUP_MAIN &&
	    (transient || s->tasks[SUP_MAIN].state == SUP_TASK_UP))
		sup_companion_later(s, ev);
	else if (transient)
		sup_failed(s, ev, REASON_EXEC, ev->detail, out);
	else
		sup_finish(s, STATE_FAILED, REASON_EXEC, ev->detail, ev->now_ms, out);
}

/* ---- ends of processes */

static void sup_exit_text(const struct sup_event *ev, char *out, size_t n)
{
	if (ev->reason == REASON_UNKNOWN_EXIT)
		snprintf(out, n, "it ended while nobody could see how");
	else if (ev->reason == REASON_HOST_REBOOT)
		snprintf(out, n, "the host rebooted");
	else if (ev->signal)
		snprintf(out, n, "ended by signal %d%s", ev->signal,
		    ev->reason == REASON_OOM ? ": out of memory" : "");
	else
		snprintf(out, n, "exit code %d", ev->exit_code);
}

static void sup_main_exited(
    struct sup *s, const struct sup_event *ev, struct sup_effects *out)
{
	bool was_ready = s->phase == SUP_RUNNING, clean = ev->exit_code == 0 && was_ready;
	enum restart_policy policy = s->rules.restart.policy;
	enum reason reason = ev->reason;
	char text[DETAIL_MAX + 1];

	sup_exit_text(ev, text, sizeof text);
	if (s->phase == SUP_ABORT) {
		snprintf(text, sizeof text, "not ready within %lld ms",
		    (long long)s->rules.ready_timeout_ms);
		sup_failed(s, ev, REASON_READY_TIMEOUT, text, out);
		return;
	}
	if (reason == REASON_NONE && !was_ready)
		reason = REASON_EARLY_EXIT;
	if (was_ready && ev->now_ms - s->tasks[SUP_MAIN].up_since_ms >= SUP_HEALTHY_MS)
		s->n_fails = 0;
	if (policy == RESTART_NEVER || (policy == RESTART_ON_FAILURE && clean))
		sup_finish(s, STATE_EXITED, reason, text, ev->now_ms, out);
	else
		sup_again(s, ev, reason, text, out);
}

static void sup_on_exited(
    struct sup *s, const struct sup_event *ev, struct sup_effects *out)
{
	struct sup_task *t = &s->tasks[ev->task];

	if (t->state == SUP_TASK_DOWN)
		return;
	t->state = SUP_TASK_DOWN;
	t->pid = 0;
	sup_add_effect(out, SUP_DO_UNPROBE, ev->task);
	if (ev->task == SUP_MAIN) {
		s->alive_due_ms = 0;
		s->has_exit_code = ev->exit_code >= 0;
		s->exit_code = ev->exit_code;
		s->has_signal = ev->signal > 0;
		s->signal = ev->signal;
		sup_main_exited(s, ev, out);
		return;
	}
	if (ev->now_ms - t->up_since_ms >= SUP_HEALTHY_MS)
		t->n_fails = 0;
	t->ready = false;
	sup_companion_later(s, ev);
}

/* ---- time */

static void sup_on_phase_due(
    struct sup *s, const struct sup_event *ev, struct sup_effects *out)
{
	char text[DETAIL_MAX + 1];

	s->due_ms = 0;
	switch (s->phase) {
	case SUP_COMPANIONS:
	case SUP_STARTING:
		snprintf(text, sizeof text, "%s not ready within %lld ms%s%.180s",
		    s->phase == SUP_COMPANIONS ? "companions" : "it was",
		    (long long)s->rules.ready_timeout_ms, s->detail[0] ? "; " : "",
		    s->detail);
		if (s->tasks[SUP_MAIN].state == SUP_TASK_DOWN) {
			sup_failed(s, ev, REASON_READY_TIMEOUT, text, out);
			return;
		}
		s->phase = SUP_ABORT;
		s->due_ms = ev->now_ms + s->rules.stop.grace_ms;
		sup_set_state(s, STATE_STARTING, REASON_READY_TIMEOUT, text, out);
		sup_add_effect(out, SUP_DO_UNPROBE, SUP_MAIN);
		sup_add_effect(out, SUP_DO_SIGNAL, SUP_MAIN);
		out->v[out->n - 1].signo = s->rules.stop.signal;
		return;
	case SUP_ABORT:
		s->due_ms = ev->now_ms + SUP_KILL_AGAIN_MS;
		sup_add_effect(out, SUP_DO_SIGNAL, SUP_MAIN);
		out->v[out->n - 1].signo = 9;
		return;
	case SUP_BACKOFF:
		if (!s->leftovers)
			sup_prepare(s, out);
		return; /* else LEFTOVERS_GONE goes on */
	default:
		return;
	}
}

static void sup_on_tick(
    struct sup *s, const struct sup_event *ev, struct sup_effects *out)
{
	if (s->alive_due_ms && ev->now_ms >= s->alive_due_ms && s->phase == SUP_STARTING)
		sup_running(s, ev->now_ms, out);
	if (s->due_ms && ev->now_ms >= s->due_ms)
		sup_on_phase_due(s, ev, out);
	for (size_t i = 0; i < s->rules.n_companions && !sup_is_stopping(s); i++) {
		struct sup_task *t = &s->tasks[SUP_COMPANION + i];

		if (t->retry_ms && ev->now_ms >= t->retry_ms && s->phase != SUP_PREPARING)
			sup_spawn(s, SUP_COMPANION + (int)i, out);
	}
}

static int64_t sup_earlier(int64_t a, int64_t b)
{
	return !a || (b && b < a) ? b : a;
}

int64_t sup_next_ms(const struct sup *s)
{
	int64_t due = sup_earlier(s->due_ms, s->alive_due_ms);

	if (s->phase == SUP_DONE)
		return 0;
	for (size_t i = 0; i < s->rules.n_companions; i++) {
		if (!sup_is_stopping(s) && s->phase != SUP_PREPARING)
			due = sup_earlier(due, s->tasks[SUP_COMPANION + i].retry_ms);
	}
	return due;
}

/* ---- the rest */

static void sup_on_ready(
    struct sup *s, const struct sup_event *ev, struct sup_effects *out)
{
	struct sup_task *t = &s->tasks[ev->task];

	if (t->state != SUP_TASK_UP || t->ready)
		return;
	if (ev->task == SUP_MAIN) {
		if (s->phase == SUP_STARTING)
			sup_running(s, ev->now_ms, out);
		return;
	}
	t->ready = true;
	sup_continue_start(s, out);
}

static void sup_on_refused(
    struct sup *s, const struct sup_event *ev, struct sup_effects *out)
{
	if (s->phase != SUP_PREPARING)
		return;
	if (s->tasks[SUP_MAIN].run > 0 || s->n_restart_at > 0) {
		/* It was begun before: not refused, but one more start that came to
		 * nothing. */
		sup_failed(s, ev, ev->reason, ev->detail ? ev->detail : "", out);
		return;
	}
	s->refused = true;
	sup_finish(s, STATE_ASSIGNED, ev->reason, ev->detail, ev->now_ms, out);
}

static void sup_run_step(
    struct sup *s, const struct sup_event *ev, struct sup_effects *out)
{
	switch (ev->type) {
	case SUP_EV_START:
		sup_prepare(s, out);
		break;
	case SUP_EV_PREPARED:
		sup_on_prepared(s, ev, out);
		break;
	case SUP_EV_REFUSED:
		sup_on_refused(s, ev, out);
		break;
	case SUP_EV_SPAWNED:
		sup_on_spawned(s, ev, out);
		break;
	case SUP_EV_SPAWN_FAILED:
		sup_on_spawn_failed(s, ev, out);
		break;
	case SUP_EV_EXITED:
		sup_on_exited(s, ev, out);
		break;
	case SUP_EV_READY:
		sup_on_ready(s, ev, out);
		break;
	case SUP_EV_LEFTOVERS_GONE:
		s->leftovers = false;
		if (s->phase == SUP_BACKOFF && !s->due_ms)
			sup_prepare(s, out);
		break;
	case SUP_EV_STOP:
		sup_on_stop(s, ev, out);
		break;
	case SUP_EV_TICK:
		sup_on_tick(s, ev, out);
		break;
	case SUP_EV_EMPTY:
		break; /* every end was told one by one */
	}
}

void sup_step(struct sup *s, const struct sup_event *ev, struct sup_effects *out)
{
	if (s->phase == SUP_DONE)
		return;
	if (sup_is_stopping(s))
		sup_stop_step(s, ev, out);
	else
		sup_run_step(s, ev, out);
}

void sup_resume(struct sup *s, int64_t now_ms, struct sup_effects *out)
{
	bool main_up = s->tasks[SUP_MAIN].state == SUP_TASK_UP;

	if (sup_is_stopping(s)) {
		sup_stop_resume(s, now_ms, out);
		return;
	}
	for (size_t i = 0; i < s->rules.n_companions; i++) {
		struct sup_task *t = &s->tasks[SUP_COMPANION + i];

		if (t->state == SUP_TASK_UP && !t->ready)
			sup_add_effect(out, SUP_DO_PROBE, SUP_COMPANION + (int)i);
	}
	if (s->phase == SUP_DONE || s->phase == SUP_RUNNING || s->phase == SUP_ABORT)
		return;
	if (s->phase == SUP_BACKOFF) {
		sup_add_effect(out, SUP_DO_LEFTOVERS, SUP_MAIN);
		return;
	}
	if (!main_up) {
		sup_prepare(s, out);
		return;
	}
	s->phase = SUP_STARTING;
	s->due_ms = now_ms + s->rules.ready_timeout_ms;
	if (s->rules.probed)
		sup_add_effect(out, SUP_DO_PROBE, SUP_MAIN);
	else if (!s->alive_due_ms)
		s->alive_due_ms = now_ms + s->rules.alive_ms;
}

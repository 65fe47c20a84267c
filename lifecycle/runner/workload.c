/* The life of one instance: events to the supervisor, its effects done, timers, the end.
 */
#include "lifecycle/runner/workload.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "lifecycle/runner/agent.h"
#include "lifecycle/runner/events.h"
#include "lifecycle/runner/launch.h"
#include "proto/subjects.h"

enum {
	WORKLOAD_QUEUE_MAX = 32,
	WORKLOAD_IDLE_ASK_MS = 30 * 1000,
};

/* An event that came while another was being worked off. */
struct workload_event {
	struct list_link link;
	struct sup_event ev;
	char detail[DETAIL_MAX + 1];
	struct stop_request stop;
};

/* ---- saving and telling */

void workload_save(struct workload *w)
{
	struct err e = ERR_NULL;

	if (w->dir_fd < 0)
		return; /* nothing was begun that would have to survive */
	if (workload_state_write(w, &e))
		log_event(
		    EV_state_not_written, LF("instance", w->key), LF("detail", e.text));
}

void workload_report(struct workload *w)
{
	char text[DETAIL_MAX + 1];

	/* The end is told when nothing is held any more. */
	if (w->sup.phase == SUP_DONE && !w->released)
		return;
	if (w->sup.state == STATE_STOP_STUCK) {
		workload_describe_strays(w, text, sizeof text);
		(void)sup_set_detail(&w->sup, text);
		log_event(EV_stop_stuck, LF("instance", w->key), LF("detail", text));
	}
	w->report_dirty = true;
	agent_flush(w->runner->agent, w);
}

void workload_fill_report(const struct workload *w, struct report *out)
{
	const struct sup *s = &w->sup;

	*out = (struct report){.tenant = w->tenant,
	    .instance_id = w->instance_id,
	    .runner = w->runner->id,
	    .generation = w->generation,
	    .fence = w->fence,
	    .state = s->state,
	    .reason = s->reason,
	    .pid = s->tasks[SUP_MAIN].pid,
	    .has_exit_code = s->has_exit_code,
	    .has_signal = s->has_signal,
	    .exit_code = s->exit_code,
	    .signal = s->signal,
	    .restarts = s->restarts,
	    .refused = s->refused,
	    .boot_id = w->runner->boot_id,
	    .runner_epoch = w->runner->epoch,
	    .at_unix_ms = clock_unix_ms(),
	    .signal_no = w->signal_no};
	snprintf(out->detail, sizeof out->detail, "%s", s->detail);
}

bool workload_is_live(const struct workload *w)
{
	return w->fence && !w->denied && w->sup.phase != SUP_DONE;
}

struct plan_local workload_local(const struct workload *w)
{
	return (struct plan_local){.exists = w->fence != 0 && !w->denied,
	    .generation = w->generation,
	    .fence = w->fence,
	    .ended = w->sup.phase == SUP_DONE && w->released,
	    .stopping = w->sup.stop_asked || w->sup.phase == SUP_DONE,
	    .stop_force = w->sup.stop.force,
	    .stop_grace_ms = w->sup.stop.grace_ms,
	    .signal_no = w->signal_no};
}

/* ---- idle */

static void workload_on_updated(void *data, int64_t updated_unix_ms)
{
	struct workload *w = data;
	struct stop_request stop = {.grace_ms = -1};

	w->idle_ticket = 0;
	if (!updated_unix_ms || w->sup.phase != SUP_RUNNING ||
	    clock_unix_ms() - updated_unix_ms < w->idle_timeout_ms)
		return;
	snprintf(stop.reason, sizeof stop.reason, "idle for %lld ms",
	    (long long)w->idle_timeout_ms);
	workload_stop(w, &stop, REASON_IDLE);
}

static void workload_ask_idle(struct loop_timer *t, void *data)
{
	struct workload *w = data;

	(void)t;
	if (!w->idle_ticket && w->sup.phase == SUP_RUNNING)
		w->idle_ticket = sessions_ask_updated(
		    w->runner->sessions, &w->session_id, workload_on_updated, w);
}

static void workload_watch_idle(struct workload *w)
{
	if (w->idle_timeout_ms > 0 && !id_empty(&w->session_id) &&
	    !loop_timer_armed(w->idle_timer))
		loop_timer_start(
		    w->idle_timer, WORKLOAD_IDLE_ASK_MS, WORKLOAD_IDLE_ASK_MS);
}

/* ---- effects */

static void workload_cancel(struct workload *w)
{
	workload_prepare_cancel(w);
	for (int i = 0; i < SUP_TASKS_MAX; i++) {
		if (!w->tasks[i].spawn_wanted)
			continue;
		w->tasks[i].spawn_wanted = false; /* it was never sent */
		w->sup.tasks[i].state = SUP_TASK_DOWN;
	}
}

static void workload_do(struct workload *w, const struct sup_effect *f)
{
	switch (f->type) {
	case SUP_DO_PREPARE:
		w->fresh_tasks = 0;
		workload_prepare(w);
		break;
	case SUP_DO_CANCEL:
		workload_cancel(w);
		break;
	case SUP_DO_SPAWN:
		workload_spawn(w, f->task, f->run);
		break;
	case SUP_DO_SIGNAL:
		workload_signal(w, f->task, f->signo);
		break;
	case SUP_DO_PROBE:
		workload_probe(w, f->task);
		break;
	case SUP_DO_UNPROBE:
		workload_unprobe(w, f->task);
		break;
	case SUP_DO_LEFTOVERS:
		workload_sweep(w, SIGKILL, true);
		break;
	case SUP_DO_TERM:
		workload_sweep(w, SIGTERM, false);
		break;
	case SUP_DO_KILL:
		workload_kill(w);
		break;
	case SUP_DO_REPORT:
		workload_report(w);
		break;
	}
}

static void workload_arm(struct workload *w)
{
	int64_t due = sup_next_ms(&w->sup), delay;

	if (!due) {
		loop_timer_stop(w->timer);
		return;
	}
	delay = due - clock_boot_ms();
	loop_timer_start(w->timer, delay > 0 ? delay : 0, 0);
}

static void workload_on_timer(struct loop_timer *t, void *data)
{
	(void)t;
	workload_step(data, (struct sup_event){.type = SUP_EV_TICK});
}

/* Nothing lives: let the shim go, then give back what was held. */
static void workload_end(struct workload *w)
{
	if (w->released || w->shim_quitting)
		return;
	loop_timer_stop(w->idle_timer);
	for (int i = 0; i < SUP_TASKS_MAX; i++)
		workload_unprobe(w, i);
	if (w->shim) {
		w->shim_quitting = true;
		shim_link_send(w->shim, SHIM_QUIT, NULL, 0, NULL, 0);
		return;
	}
	workload_released(w);
}

void workload_released(struct workload *w)
{
	workload_release(w);
	workload_save(w);
	workload_report(w);
	runner_on_change(w->runner);
}

static void workload_after(
    struct workload *w, const struct sup_effects *fx, enum instance_state before)
{
	/* Saved before anything is done or told, so that a runner that takes over in the
	 * middle of it knows what to look for; and after it, for what it changed. */
	if (fx->n)
		workload_save(w);
	for (size_t i = 0; i < fx->n; i++)
		workload_do(w, &fx->v[i]);
	if (w->sup.state != before) {
		log_event(EV_instance_state, LF("instance", w->key),
		    LF("state", state_name(w->sup.state)),
		    LF("reason", reason_name(w->sup.reason)), LF("detail", w->sup.detail),
		    LF_I("generation", (int64_t)w->generation));
		runner_on_change(w->runner);
	}
	if (w->sup.phase == SUP_RUNNING)
		workload_watch_idle(w);
	workload_arm(w);
	workload_save(w);
	if (w->sup.phase == SUP_DONE)
		workload_end(w);
}

static void workload_step_one(struct workload *w, struct sup_event *ev)
{
	enum instance_state before = w->sup.state;
	struct sup_effects fx = {.n = 0};

	ev->now_ms = clock_boot_ms();
	random_bytes(&ev->random, sizeof ev->random);
	sup_step(&w->sup, ev, &fx);
	workload_after(w, &fx, before);
}

/* What effects cause at once waits until they are all done. */
static void workload_enqueue(struct workload *w, const struct sup_event *ev)
{
	struct workload_event *q = calloc(1, sizeof *q);

	must(q && w->queue.n < WORKLOAD_QUEUE_MAX);
	q->ev = *ev;
	if (ev->detail) {
		snprintf(q->detail, sizeof q->detail, "%s", ev->detail);
		q->ev.detail = q->detail;
	}
	if (ev->stop) {
		q->stop = *ev->stop;
		q->ev.stop = &q->stop;
	}
	list_push(&w->queue, &q->link);
}

void workload_step(struct workload *w, struct sup_event ev)
{
	struct list_link *e;

	if (w->stepping) {
		workload_enqueue(w, &ev);
		return;
	}
	w->stepping = true;
	workload_step_one(w, &ev);
	while ((e = list_pop(&w->queue))) {
		struct workload_event *q = list_entry(e, struct workload_event, link);

		workload_step_one(w, &q->ev);
		free(q);
	}
	w->stepping = false;
}

void workload_resume(struct workload *w)
{
	enum instance_state before = w->sup.state;
	struct sup_effects fx = {.n = 0};

	w->stepping = true;
	sup_resume(&w->sup, clock_boot_ms(), &fx);
	workload_after(w, &fx, before);
	w->stepping = false;
	if (w->queue.n)
		workload_step(w, (struct sup_event){.type = SUP_EV_TICK});
}

/* ---- what comes from outside */

void workload_on_prepared(struct workload *w)
{
	workload_prepare_cancel(w);
	w->fresh_tasks = UINT32_MAX;
	if (w->sup.phase == SUP_PREPARING)
		workload_step(w, (struct sup_event){.type = SUP_EV_PREPARED});
	for (int i = 0; i < SUP_TASKS_MAX; i++) {
		if (w->tasks[i].spawn_wanted)
			workload_send_spawn(w, i);
	}
	if (w->sup.tasks[SUP_MAIN].state == SUP_TASK_UP)
		w->fresh_tasks = 0;
}

void workload_note_starting(struct workload *w)
{
	w->sup.state = STATE_STARTING;
	w->sup.reason = REASON_NONE;
	w->sup.detail[0] = '\0';
	log_event(EV_instance_state, LF("instance", w->key),
	    LF("state", state_name(STATE_STARTING)),
	    LF_I("generation", (int64_t)w->generation));
	workload_report(w);
}

void workload_name_identity(struct workload *w)
{
	must(snprintf(w->identity, sizeof w->identity, "%s:%llu:%llu", w->key,
		 (unsigned long long)w->generation,
		 (unsigned long long)w->fence) < (int)sizeof w->identity);
}

static void workload_take_numbers(struct workload *w)
{
	const struct assignment *a = &w->assignment;

	w->generation = a->generation;
	w->fence = a->fence;
	w->spec_hash = a->spec_hash;
	/* What was asked of an earlier placement is not carried out on this one. */
	w->signal_no = a->n_signals ? a->signals[a->n_signals - 1].no : 0;
	workload_name_identity(w);
}

void workload_start(struct workload *w)
{
	struct sup_rules none = {.restart = RESTART_RULE_NULL, .stop = STOP_RULE_NULL};

	restart_rule_complete(&none.restart, &none.restart);
	stop_rule_complete(&none.stop, &none.stop);
	workload_take_numbers(w);
	sup_init(&w->sup, &none);
	workload_step(w, (struct sup_event){.type = SUP_EV_START});
}

void workload_end_unstarted(
    struct workload *w, enum instance_state state, enum reason reason, const char *detail)
{
	struct sup_rules none = {.restart = RESTART_RULE_NULL, .stop = STOP_RULE_NULL};

	workload_take_numbers(w);
	sup_init(&w->sup, &none);
	w->sup.phase = SUP_DONE;
	w->sup.state = state;
	w->sup.reason = reason;
	w->sup.refused = state == STATE_ASSIGNED;
	snprintf(w->sup.detail, sizeof w->sup.detail, "%s", detail);
	w->released = true;
	workload_report(w);
}

void workload_stop(struct workload *w, const struct stop_request *s, enum reason reason)
{
	workload_step(
	    w, (struct sup_event){.type = SUP_EV_STOP, .stop = s, .reason = reason});
}

void workload_signals(struct workload *w)
{
	const struct assignment *a = &w->assignment;

	for (size_t i = 0; i < a->n_signals; i++) {
		if (a->signals[i].no <= w->signal_no)
			continue;
		w->signal_no = a->signals[i].no;
		workload_signal(w, SUP_MAIN, a->signals[i].signal);
	}
	workload_save(w);
	workload_report(w);
}

/* ---- making and freeing */

/* Short whatever the ids are: sockets of the instance lie below it. */
static void workload_name_dir(struct workload *w)
{
	uint64_t h = UINT64_C(14695981039346656037);
	char digits[12];

	if (strlen(w->key) <= WORKLOAD_DIR_NAME_MAX) {
		snprintf(w->dir_name, sizeof w->dir_name, "%.*s", WORKLOAD_DIR_NAME_MAX, w->key);
	} else {
		/* FNV-1a; two ids that collide find each other's name in the folder and
		 * are refused. */
		for (const char *p = w->key; *p; p++)
			h = (h ^ (unsigned char)*p) * UINT64_C(1099511628211);
		for (int i = 0; i < 11; i++, h /= 32)
			digits[i] = "0123456789abcdefghjkmnpqrstvwxyz"[h % 32];
		snprintf(w->dir_name, sizeof w->dir_name, "%.12s~%.11s", w->instance_id.s,
		    digits);
	}
	must(snprintf(w->dir, sizeof w->dir, "%s/i/%s", w->runner->state_dir,
		 w->dir_name) < (int)sizeof w->dir - 64);
	snprintf(w->home, sizeof w->home, "%.*s/home", (int)sizeof w->dir - 64, w->dir);
	snprintf(w->data, sizeof w->data, "%.*s/home/.local/share",
	    (int)sizeof w->dir - 64, w->dir);
}

struct workload *workload_new(
    struct runner *r, const struct id *tenant, const struct id *instance)
{
	struct workload *w = calloc(1, sizeof *w);

	must(w);
	w->runner = r;
	w->tenant = *tenant;
	w->instance_id = *instance;
	snprintf(w->key, sizeof w->key, "%s.%s", tenant->s, instance->s);
	workload_name_dir(w);
	w->dir_fd = w->lock_fd = w->workspace_lock_fd = -1;
	w->group = LIMITS_GROUP_NULL;
	w->seen_us = clock_mono_us();
	w->serial = ++r->last_serial;
	for (int i = 0; i < SUP_TASKS_MAX; i++)
		w->tasks[i].owner = w;
	snprintf(w->tasks[SUP_MAIN].name, sizeof w->tasks[0].name, "main");
	snprintf(w->tasks[SUP_HOOK].name, sizeof w->tasks[0].name, "hook");
	list_init(&w->queue);
	w->timer = loop_timer_new(r->loop, workload_on_timer, w);
	w->idle_timer = loop_timer_new(r->loop, workload_ask_idle, w);
	w->strays_timer = workload_new_strays_timer(w);
	w->adopt_timer = workload_new_adopt_timer(w);
	list_push(&r->workloads, &w->link);
	must(!map_put(&r->by_key, slice_of(w->key), w));
	return w;
}

static void workload_free_tasks(struct workload *w)
{
	for (int i = 0; i < SUP_TASKS_MAX; i++) {
		workload_unprobe(w, i);
		if (w->tasks[i].proc)
			proc_abandon(w->tasks[i].proc);
		free(w->tasks[i].ready_url);
	}
}

void workload_free(struct workload *w)
{
	struct list_link *e;

	map_del(&w->runner->by_key, slice_of(w->key));
	list_del(&w->runner->workloads, &w->link);
	workload_prepare_cancel(w);
	sessions_cancel(w->runner->sessions, w->idle_ticket);
	workload_free_tasks(w);
	w->shim = shim_link_close(w->shim);
	while ((e = list_pop(&w->queue)))
		free(list_entry(e, struct workload_event, link));
	loop_timer_free(w->timer);
	loop_timer_free(w->idle_timer);
	loop_timer_free(w->strays_timer);
	loop_timer_free(w->adopt_timer);
	if (w->dir_fd >= 0)
		close(w->dir_fd);
	if (w->lock_fd >= 0)
		close(w->lock_fd);
	if (w->workspace_lock_fd >= 0)
		close(w->workspace_lock_fd);
	limits_group_deinit(&w->group);
	launch_free(w->launch);
	profile_argv_free(w->hook_argv);
	free(w->ready_target);
	free(w->token);
	buf_deinit(&w->saved);
	free(w);
}

/* The report is gone: nothing is left to remember but the home. */
void workload_forget(struct workload *w)
{
	static const char *const files[] = {"state.json", SHIM_LOCK, SHIM_SOCKET};

	log_event(EV_instance_forgotten, LF("instance", w->key));
	for (size_t i = 0; w->dir_fd >= 0 && i < ARRAY_LEN(files); i++)
		(void)unlinkat(w->dir_fd, files[i], 0);
	workload_free(w);
}

/* The processes of an instance: by its shim's socket, or, when the shim is gone, by
 * pidfds and by the mark that every process of it carries in its environment. */
#include "lifecycle/runner/workload.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/proctree.h"
#include "lifecycle/runner/events.h"
#include "lifecycle/runner/launch.h"

enum {
	STRAYS_MAX = 1024,
	STRAYS_LOOK_MS = 50,
	EMPTY_LOOK_MS = 20,
};

/* ---- starting */

void workload_send_spawn(struct workload *w, int task)
{
	struct workload_task *t = &w->tasks[task];
	struct buf frame = BUF_NULL(SHIM_PAYLOAD_MAX);

	t->spawn_wanted = false;
	w->fresh_tasks &= ~(1U << task);
	if (!w->shim) {
		workload_task_failed(w, task, EAGAIN, "shim");
		return;
	}
	launch_frame(w->launch, w, task, t->run, &frame);
	if (buf_check(&frame))
		workload_task_failed(w, task, E2BIG, "exec");
	else
		shim_link_send(w->shim, SHIM_SPAWN, frame.data, frame.n, NULL, 0);
	buf_deinit(&frame);
}

void workload_spawn(struct workload *w, int task, uint32_t run)
{
	struct workload_task *t = &w->tasks[task];

	t->run = run;
	t->spawn_wanted = true;
	/* A hook is part of a stop: it needs no record that wants the instance run. */
	if (task == SUP_HOOK ||
	    ((w->fresh_tasks & (1U << task)) && w->shim && w->shim_said_hello))
		workload_send_spawn(w, task);
	else
		workload_prepare(w);
}

static const char *task_errno_name(int error)
{
	const char *name = strerrorname_np(error);

	return name ? name : "errno";
}

void workload_task_failed(struct workload *w, int task, int error, const char *stage)
{
	char text[DETAIL_MAX + 1];

	snprintf(text, sizeof text, "%s: %s (%s of %s)", task_errno_name(error),
	    strerror(error), stage, w->tasks[task].name);
	metric_inc(M_runner_spawn_failures);
	log_event(EV_task_failed, LF("instance", w->key), LF("task", w->tasks[task].name),
	    LF("detail", text));
	workload_step(w, (struct sup_event){.type = SUP_EV_SPAWN_FAILED,
			     .task = task,
			     .error = error,
			     .detail = text});
}

void workload_spawns_failed(struct workload *w, const char *stage)
{
	for (int i = 0; i < SUP_TASKS_MAX; i++) {
		if (!w->tasks[i].spawn_wanted)
			continue;
		w->tasks[i].spawn_wanted = false;
		workload_task_failed(w, i, EAGAIN, stage);
	}
}

static void task_on_spawned(struct workload *w, const struct shim_spawned *m)
{
	struct workload_task *t = &w->tasks[m->task];

	if (m->run != t->run)
		return;
	if (m->error) {
		workload_task_failed(w, (int)m->task, m->error, m->stage);
		return;
	}
	t->pid = m->pid;
	t->start_ticks = m->start_ticks;
	metric_inc(M_runner_spawns);
	if (m->task == SUP_MAIN && w->seen_us) {
		metric_observe_us(M_runner_exec_seconds, clock_mono_us() - w->seen_us);
		w->seen_us = 0;
	}
	if (m->task == SUP_MAIN && t->run > 1)
		metric_inc(M_runner_restarts);
	log_event(EV_task_spawned, LF("instance", w->key), LF("task", t->name),
	    LF_I("pid", m->pid), LF_I("run", m->run));
	workload_step(
	    w, (struct sup_event){
		   .type = SUP_EV_SPAWNED, .task = (int)m->task, .pid = m->pid});
	/* From here on a restart of a companion asks the record again. */
	if (m->task == SUP_MAIN)
		w->fresh_tasks = 0;
}

/* ---- ending */

/* Why a start takes so long: a companion that does not stay. */
static void task_note_companion(struct workload *w, int task, int exit_code, int signal)
{
	char text[DETAIL_MAX + 1];

	if (task < SUP_COMPANION || w->sup.phase != SUP_COMPANIONS)
		return;
	snprintf(text, sizeof text, "companion %s ended with %s %d", w->tasks[task].name,
	    signal ? "signal" : "exit code", signal ? signal : exit_code);
	if (sup_set_detail(&w->sup, text))
		workload_report(w);
}

void workload_task_exited(
    struct workload *w, int task, int exit_code, int signal, enum reason reason)
{
	struct workload_task *t = &w->tasks[task];
	uint64_t oom_kills = limits_group_oom_kills(&w->group);

	if (reason == REASON_NONE && signal == SIGKILL && oom_kills > w->oom_kills)
		reason = REASON_OOM;
	w->oom_kills = oom_kills;
	t->pid = 0;
	t->start_ticks = 0;
	log_event(EV_task_exited, LF("instance", w->key), LF("task", t->name),
	    LF_I("exit_code", exit_code), LF_I("signal", signal));
	workload_step(w, (struct sup_event){.type = SUP_EV_EXITED,
			     .task = task,
			     .exit_code = exit_code,
			     .signal = signal,
			     .reason = reason});
	task_note_companion(w, task, exit_code, signal);
}

static void task_on_exited(struct workload *w, const struct shim_exited *m)
{
	struct shim_forget forget = {.task = m->task, .run = m->run};

	if (m->run != w->tasks[m->task].run)
		return;
	workload_task_exited(w, (int)m->task, m->exit_code, m->signal, REASON_NONE);
	workload_save(w);
	if (w->shim)
		shim_link_send(w->shim, SHIM_FORGET, &forget, sizeof forget, NULL, 0);
}

/* The shim has no child left. Something may have slipped into the cgroup from elsewhere:
 * that is ended too. */
static void task_on_empty(struct workload *w)
{
	if (!w->has_strays && !limits_group_populated(&w->group)) {
		loop_timer_stop(w->strays_timer);
		workload_step(w, (struct sup_event){.type = SUP_EV_EMPTY});
		return;
	}
	if (sup_is_stopping(&w->sup))
		limits_group_kill(&w->group);
	w->strays_leftovers = false;
	loop_timer_start(w->strays_timer, EMPTY_LOOK_MS, 0);
}

/* ---- without a shim */

static size_t task_find_strays(
    const struct workload *w, bool leftovers, struct proctree_stat *out)
{
	size_t n = proctree_marked(SHIM_MARK_INSTANCE, w->identity, out, STRAYS_MAX),
	       kept = 0;

	for (size_t i = 0; i < n; i++) {
		if (!leftovers || proctree_has_mark(out[i].pid, SHIM_MARK_TASK,
				      w->tasks[SUP_MAIN].name))
			out[kept++] = out[i];
	}
	return kept;
}

static void task_look_for_strays(struct loop_timer *t, void *data)
{
	static struct proctree_stat
	    strays[STRAYS_MAX]; /* the loop thread's scratch space */
	struct workload *w = data;
	size_t n;

	if (w->shim && !w->has_strays) {
		task_on_empty(w);
		return;
	}
	n = task_find_strays(w, w->strays_leftovers, strays);
	if (n == 0 && !limits_group_populated(&w->group)) {
		loop_timer_stop(t);
		workload_step(w,
		    (struct sup_event){.type = w->strays_leftovers ? SUP_EV_LEFTOVERS_GONE
								   : SUP_EV_EMPTY});
		return;
	}
	if (w->strays_signo == SIGKILL && !w->strays_leftovers)
		limits_group_kill(&w->group);
	for (size_t i = 0; i < n && w->strays_signo; i++)
		(void)proctree_signal(&strays[i], w->strays_signo);
	/* KILL is said again to whoever was born meanwhile; TERM once. */
	if (w->strays_signo != SIGKILL)
		w->strays_signo = 0;
	loop_timer_start(t, STRAYS_LOOK_MS, 0);
}

static void task_sweep_strays(struct workload *w, int signo, bool leftovers)
{
	w->strays_signo = signo;
	w->strays_leftovers = leftovers;
	loop_timer_start(w->strays_timer, 0, 0);
}

static void task_on_direct_exit(void *data, struct proc *p, int exit_code, int signal)
{
	struct workload *w = data;

	(void)exit_code;
	(void)signal;
	for (int i = 0; i < SUP_TASKS_MAX; i++) {
		if (w->tasks[i].proc != p)
			continue;
		w->tasks[i].proc = NULL;
		workload_task_exited(w, i, -1, 0, REASON_UNKNOWN_EXIT);
		return;
	}
}

void workload_hold_directly(struct workload *w)
{
	for (int i = 0; i < SUP_TASKS_MAX; i++) {
		struct workload_task *t = &w->tasks[i];

		if (w->sup.tasks[i].state != SUP_TASK_UP || t->proc)
			continue;
		if (!t->pid || proc_adopt(w->runner->loop, (pid_t)t->pid, t->start_ticks,
				   task_on_direct_exit, w, &t->proc))
			workload_task_exited(w, i, -1, 0, REASON_UNKNOWN_EXIT);
	}
}

void workload_describe_strays(struct workload *w, char *out, size_t n)
{
	static struct proctree_stat strays[STRAYS_MAX];
	size_t n_strays = task_find_strays(w, false, strays), at = 0;

	out[0] = '\0';
	for (size_t i = 0; i < n_strays && at + 48 < n; i++)
		at += (size_t)snprintf(out + at, n - at, "%s%d %s %c", i ? ", " : "",
		    (int)strays[i].pid, strays[i].comm, strays[i].state);
}

/* ---- what the supervisor asks for */

void workload_signal(struct workload *w, int task, int signo)
{
	struct shim_signal m = {.task = (uint32_t)task, .signo = signo};

	if (w->tasks[task].proc)
		(void)proc_signal(w->tasks[task].proc, signo);
	else if (w->shim)
		shim_link_send(w->shim, SHIM_SIGNAL, &m, sizeof m, NULL, 0);
}

void workload_sweep(struct workload *w, int signo, bool leftovers)
{
	struct shim_sweep m = {.leftovers_of = leftovers ? SUP_MAIN : SHIM_SWEEP_ALL,
	    .signo = signo,
	    .until_empty = leftovers || signo == SIGKILL};

	if (w->shim)
		shim_link_send(w->shim, SHIM_SWEEP, &m, sizeof m, NULL, 0);
	if (!w->shim || w->has_strays)
		task_sweep_strays(w, signo, leftovers);
}

void workload_kill(struct workload *w)
{
	(void)limits_group_kill(
	    &w->group); /* at a stroke where that works; the sweep sees to the rest */
	workload_sweep(w, SIGKILL, false);
}

static void task_on_ready(struct workload *w, struct workload_task *t)
{
	t->probe = NULL; /* freed itself */
	workload_step(
	    w, (struct sup_event){.type = SUP_EV_READY, .task = (int)(t - w->tasks)});
}

static void task_on_probe(void *data)
{
	struct workload_task *t = data;

	task_on_ready(t->owner, t);
}

void workload_probe(struct workload *w, int task)
{
	static const enum probe_kind kinds[] = {[READY_FILE] = PROBE_FILE,
	    [READY_HTTP] = PROBE_HTTP,
	    [READY_AGENT] = PROBE_AGENT};
	struct workload_task *t = &w->tasks[task];
	AUTO_FREE char *bearer = NULL;
	enum probe_kind kind = PROBE_HTTP;
	const char *target = t->ready_url;
	struct err e = ERR_NULL;

	workload_unprobe(w, task);
	if (task == SUP_MAIN) {
		kind = kinds[w->ready];
		target = w->ready_target;
	}
	if (kind == PROBE_AGENT)
		bearer = sessions_service_token(w->runner->sessions, &e);
	if (target)
		t->probe = probe_new(w->runner->loop, w->runner->fetch, kind, target,
		    bearer, task_on_probe, t);
}

void workload_unprobe(struct workload *w, int task)
{
	w->tasks[task].probe = probe_free(w->tasks[task].probe);
}

/* ---- the shim's words */

static void task_on_frame(void *data, enum shim_type type, const char *p, size_t n)
{
	struct workload *w = data;
	struct shim_spawned spawned;
	struct shim_exited exited;
	struct shim_empty empty;

	if (type == SHIM_HELLO) {
		workload_on_hello(w, p, n);
	} else if (type == SHIM_SPAWNED && n >= sizeof spawned) {
		memcpy(&spawned, p, sizeof spawned);
		spawned.stage[sizeof spawned.stage - 1] = '\0';
		if (spawned.task < SUP_TASKS_MAX)
			task_on_spawned(w, &spawned);
	} else if (type == SHIM_EXITED && n >= sizeof exited) {
		memcpy(&exited, p, sizeof exited);
		if (exited.task < SUP_TASKS_MAX)
			task_on_exited(w, &exited);
	} else if (type == SHIM_OUTPUT) {
		workload_output(w, p, n);
	} else if (type == SHIM_EMPTY && n >= sizeof empty) {
		memcpy(&empty, p, sizeof empty);
		if (empty.leftovers_of == SHIM_SWEEP_ALL)
			task_on_empty(w);
		/* An empty tree has no leftovers either. */
		if (!w->has_strays)
			workload_step(
			    w, (struct sup_event){.type = SUP_EV_LEFTOVERS_GONE});
	}
}

static void task_on_shim_closed(void *data)
{
	struct workload *w = data;

	w->shim = NULL;
	w->shim_said_hello = false;
	if (w->shim_quitting) {
		w->shim_quitting = false;
		workload_released(w);
		return;
	}
	log_event(EV_instance_lost_shim, LF("instance", w->key));
	w->has_strays = true;
	if (w->adopting) { /* it left while we came: look again */
		loop_timer_start(w->adopt_timer, 0, 0);
		return;
	}
	if (w->prepare) { /* it died before it said a word: prepared anew */
		workload_prepare_cancel(w);
		workload_prepare(w);
	}
	for (int i = 0; i < SUP_TASKS_MAX; i++) {
		if (w->sup.tasks[i].state == SUP_TASK_SPAWNING &&
		    !w->tasks[i].spawn_wanted)
			workload_task_failed(w, i, EAGAIN, "shim");
	}
	workload_hold_directly(w);
	if (sup_is_stopping(&w->sup))
		task_sweep_strays(w, w->sup.phase == SUP_STOP_KILL ? SIGKILL : 0, false);
	else if (w->sup.phase == SUP_BACKOFF && w->sup.leftovers)
		task_sweep_strays(w, SIGKILL, true);
}

const struct shim_link_cb *workload_shim_cb(struct workload *w, struct shim_link_cb *out)
{
	*out = (struct shim_link_cb){
	    .frame = task_on_frame, .closed = task_on_shim_closed, .data = w};
	return out;
}

struct loop_timer *workload_new_strays_timer(struct workload *w)
{
	return loop_timer_new(w->runner->loop, task_look_for_strays, w);
}

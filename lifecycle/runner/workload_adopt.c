/* After a restart of the runner: what became of the instances that were left running. A
 * held lock means that the shim lives, and it will be asked; a free one that it is gone,
 * and its processes are looked for one by one. Nothing is killed and nothing started
 * before that is known. */
#include "lifecycle/runner/workload.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/proctree.h"
#include "lifecycle/runner/events.h"

enum {
	ADOPT_CONNECT_MS = 50,
	ADOPT_PROCESSES_MAX = 1024,
};

static void adopt_finish(struct workload *w, const char *how)
{
	w->adopting = false;
	metric_inc(M_runner_adopted);
	log_event(EV_instance_adopted, LF("instance", w->key), LF("how", how),
	    LF("phase", sup_phase_name(w->sup.phase)));
	workload_resume(w);
	workload_report(w);
	runner_on_change(w->runner);
}

/* ---- the shim lives: by its HELLO */

static void adopt_living_task(struct workload *w, const struct shim_task_info *t)
{
	struct sup_task *s = &w->sup.tasks[t->task];

	w->tasks[t->task].run = s->run = t->run;
	w->tasks[t->task].pid = s->pid = t->pid;
	w->tasks[t->task].start_ticks = t->start_ticks;
	if (s->state == SUP_TASK_UP)
		return;
	/* Started in the moment before we ended. */
	s->state = SUP_TASK_UP;
	s->up_since_ms = clock_boot_ms();
	s->ready = t->task != SUP_MAIN && t->task >= SUP_COMPANION &&
		   !w->sup.rules.companion_probed[t->task - SUP_COMPANION];
}

static void adopt_exited_task(struct workload *w, const struct shim_task_info *t)
{
	struct shim_forget forget = {.task = t->task, .run = t->run};

	workload_task_exited(w, (int)t->task, t->exit_code, t->signal, REASON_NONE);
	workload_save(w);
	if (w->shim)
		shim_link_send(w->shim, SHIM_FORGET, &forget, sizeof forget, NULL, 0);
}

/* Its end is in what was stored: it was told before we ended, but not acknowledged. */
static bool adopt_exit_is_known(const struct workload *w, const struct shim_task_info *t)
{
	const struct sup_task *s = &w->sup.tasks[t->task];

	return t->state == SHIM_TASK_EXITED && s->state == SUP_TASK_DOWN &&
	       s->run >= t->run;
}

static const struct shim_task_info *adopt_info(
    const struct shim_task_info *v, size_t n, uint32_t task)
{
	for (size_t i = 0; i < n; i++) {
		if (v[i].task == task)
			return &v[i];
	}
	return NULL;
}

static void adopt_by_hello(struct workload *w, const struct shim_task_info *v, size_t n)
{
	bool was_up[SUP_TASKS_MAX];

	for (uint32_t i = 0; i < SUP_TASKS_MAX; i++) {
		const struct shim_task_info *t = adopt_info(v, n, i);

		was_up[i] = w->sup.tasks[i].state == SUP_TASK_UP;
		if (t && !adopt_exit_is_known(w, t))
			adopt_living_task(w, t);
		else if (w->sup.tasks[i].state == SUP_TASK_SPAWNING)
			w->sup.tasks[i].state = SUP_TASK_DOWN; /* it never heard of it */
	}
	adopt_finish(w, "shim");
	for (uint32_t i = 0; i < SUP_TASKS_MAX; i++) {
		const struct shim_task_info *t = adopt_info(v, n, i);

		if (t && t->state == SHIM_TASK_EXITED &&
		    w->sup.tasks[i].state == SUP_TASK_UP)
			adopt_exited_task(w, t);
		else if (!t && was_up[i])
			workload_task_exited(w, (int)i, -1, 0, REASON_UNKNOWN_EXIT);
	}
}

void workload_on_hello(struct workload *w, const char *p, size_t n)
{
	struct shim_task_info v[SHIM_TASKS_MAX];
	struct shim_hello h;
	size_t n_tasks;

	if (n < sizeof h)
		return;
	memcpy(&h, p, sizeof h);
	n_tasks = (n - sizeof h) / sizeof v[0];
	n_tasks = n_tasks < h.n_tasks ? n_tasks : h.n_tasks;
	n_tasks = n_tasks < SHIM_TASKS_MAX ? n_tasks : SHIM_TASKS_MAX;
	memcpy(v, p + sizeof h, n_tasks * sizeof v[0]);
	h.identity[sizeof h.identity - 1] = '\0';
	if (strcmp(h.identity, w->identity) != 0)
		return; /* of another placement: it says so to nobody who acts on it */
	w->shim_said_hello = true;
	w->shim_pid = h.pid;
	if (w->adopting)
		adopt_by_hello(w, v, n_tasks);
	else if (w->prepare)
		workload_on_prepared(w);
}

/* True when the shim is gone: its lock is free. */
static bool adopt_lock_is_free(struct workload *w)
{
	int fd = openat(w->dir_fd, SHIM_LOCK, O_RDWR | O_NOFOLLOW | O_CLOEXEC);
	bool is_free;

	if (fd < 0)
		return errno == ENOENT;
	is_free = flock(fd, LOCK_EX | LOCK_NB) == 0;
	close(fd);
	return is_free;
}

/* ---- the shim is gone */

/* What it wrote down when a task ended. */
static bool adopt_read_exit(struct workload *w, int task, int *exit_code, int *signal)
{
	char name[32], text[128];
	unsigned run = 0;
	ssize_t n;
	int fd;

	snprintf(name, sizeof name, SHIM_EXIT_FILE "%d", task);
	fd = openat(w->dir_fd, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	n = fd < 0 ? -1 : read(fd, text, sizeof text - 1);
	if (fd >= 0)
		close(fd);
	text[n > 0 ? n : 0] = '\0';
	return sscanf(text, "%u %d %d", &run, exit_code, signal) == 3 &&
	       run == w->tasks[task].run;
}

/* The process that was exec'd for @task: it leads a session, and is older than what it
 * started. False if none lives. */
static bool adopt_find(const struct workload *w, int task, struct proctree_stat *out)
{
	static struct proctree_stat marked[ADOPT_PROCESSES_MAX]; /* scratch space */
	size_t n = proctree_marked(
	    SHIM_MARK_INSTANCE, w->identity, marked, ADOPT_PROCESSES_MAX);
	bool found = false;

	for (size_t i = 0; i < n; i++) {
		const struct proctree_stat *p = &marked[i];

		if ((found && p->start_ticks >= out->start_ticks) ||
		    getsid(p->pid) != p->pid ||
		    !proctree_has_mark(p->pid, SHIM_MARK_TASK, w->tasks[task].name))
			continue;
		*out = *p;
		found = true;
	}
	return found;
}

/* It was to be exec'd when we ended, and who could say whether it was is gone: what runs
 * is held, what has ended is read from its file, and without either it never ran. */
static void adopt_unheard_task(struct workload *w, int task)
{
	struct shim_task_info info = {.task = (uint32_t)task, .run = w->tasks[task].run};
	struct proctree_stat process = {0};
	int exit_code, signal;

	if (adopt_find(w, task, &process)) {
		info.pid = process.pid;
		info.start_ticks = process.start_ticks;
		adopt_living_task(w, &info);
	} else if (adopt_read_exit(w, task, &exit_code, &signal)) {
		adopt_living_task(w, &info);
	} else {
		w->sup.tasks[task].state = SUP_TASK_DOWN;
	}
}

static void adopt_without_shim(struct workload *w)
{
	int exit_code, signal;

	w->has_strays = true;
	for (int i = 0; i < SUP_TASKS_MAX; i++) {
		if (w->sup.tasks[i].state == SUP_TASK_SPAWNING)
			adopt_unheard_task(w, i);
	}
	adopt_finish(w, "processes");
	for (int i = 0; i < SUP_TASKS_MAX; i++) {
		if (w->sup.tasks[i].state == SUP_TASK_UP &&
		    adopt_read_exit(w, i, &exit_code, &signal))
			workload_task_exited(w, i, exit_code, signal, REASON_NONE);
	}
	workload_hold_directly(w);
}

/* Another boot: nothing of it lives, and its clock is gone. */
static void adopt_after_reboot(struct workload *w)
{
	w->sup.n_restart_at = 0;
	w->sup.due_ms = w->sup.alive_due_ms = 0;
	if (w->sup.phase == SUP_BACKOFF || sup_is_stopping(&w->sup))
		w->sup.due_ms = clock_boot_ms();
	limits_group_deinit(&w->group);
	for (int i = 0; i < SUP_TASKS_MAX; i++) {
		if (w->sup.tasks[i].state == SUP_TASK_SPAWNING)
			w->sup.tasks[i].state = SUP_TASK_UP; /* it may have run */
		w->sup.tasks[i].retry_ms = 0;
	}
	adopt_finish(w, "reboot");
	for (int i = SUP_TASKS_MAX - 1; i >= 0; i--) {
		if (w->sup.tasks[i].state == SUP_TASK_UP)
			workload_task_exited(w, i, -1, 0, REASON_HOST_REBOOT);
	}
}

static void adopt_connect(struct loop_timer *t, void *data)
{
	struct workload *w = data;
	struct shim_link_cb cb;

	if (adopt_lock_is_free(w)) {
		adopt_without_shim(w);
		return;
	}
	/* Alive, but perhaps not listening yet. */
	if (shim_link_connect(
		w->runner->loop, w->dir_fd, workload_shim_cb(w, &cb), &w->shim))
		loop_timer_start(t, ADOPT_CONNECT_MS, 0);
}

void workload_adopt(struct workload *w, const struct id *boot_id)
{
	if (w->sup.phase == SUP_DONE) {
		w->adopting = false;
		workload_release(w); /* what a sudden end left undone */
		workload_report(w);
		return;
	}
	if (!id_eq(boot_id, &w->runner->boot_id))
		adopt_after_reboot(w);
	else
		loop_timer_start(w->adopt_timer, 0, 0);
}

struct loop_timer *workload_new_adopt_timer(struct workload *w)
{
	return loop_timer_new(w->runner->loop, adopt_connect, w);
}

/* Ending whole trees where no cgroup does it at a stroke: signal everything below the
 * shim, look again, until nothing is found. As subreaper the shim inherits every orphan,
 * so nothing escapes below it, whatever session it made. */
#include "lifecycle/shim/shim.h"

#include "base/proctree.h"

#include <errno.h>
#include <signal.h>
#include <unistd.h>

enum {
	SWEEP_PROCESSES_MAX = 4096, /* at a turn; a larger tree takes more turns */
};

static const struct shim_task *sweep_task_of(const struct shim *s, pid_t pid)
{
	for (int i = 0; i < SHIM_TASKS_MAX; i++) {
		if (s->tasks[i].state == SHIM_TASK_RUNNING && s->tasks[i].pid == pid)
			return &s->tasks[i];
	}
	return NULL;
}

/* Does the orphan @pid, a child of the shim that no task is, belong to a task that runs?
 */
static bool sweep_is_of_running_task(const struct shim *s, pid_t pid)
{
	for (int i = 0; i < SHIM_TASKS_MAX; i++) {
		const struct shim_task *t = &s->tasks[i];

		if (t->state == SHIM_TASK_RUNNING &&
		    proctree_has_mark(pid, SHIM_MARK_TASK, t->name))
			return true;
	}
	return false;
}

/* Parents come before children in @v: each entry's fate is known when its children's is
 * asked. */
static bool sweep_is_leftover(
    const struct shim *s, const struct proctree_stat *v, const bool *leftover, size_t i)
{
	if (v[i].ppid == getpid())
		return !sweep_task_of(s, v[i].pid) &&
		       !sweep_is_of_running_task(s, v[i].pid);
	for (size_t k = 0; k < i; k++) {
		if (v[k].pid == v[i].ppid)
			return leftover[k];
	}
	return false;
}

/* Signals what the sweep is about; returns how many there were. */
static size_t sweep_signal(struct shim *s)
{
	static struct proctree_stat v[SWEEP_PROCESSES_MAX];
	static bool hit[SWEEP_PROCESSES_MAX];
	size_t n = proctree_descendants(getpid(), v, SWEEP_PROCESSES_MAX), n_hit = 0;

	for (size_t i = 0; i < n; i++)
		hit[i] = s->sweep.leftovers_of == SHIM_SWEEP_ALL ||
			 sweep_is_leftover(s, v, hit, i);
	for (size_t i = 0; i < n; i++) {
		if (!hit[i])
			continue;
		n_hit++;
		(void)proctree_signal(&v[i], s->sweep.signo);
	}
	return n_hit;
}

void shim_sweep_turn(struct shim *s)
{
	struct shim_empty m = {.leftovers_of = s->sweep.leftovers_of};
	size_t n = sweep_signal(s);

	if (s->sweep.leftovers_of != SHIM_SWEEP_ALL && n == 0) {
		s->sweeping = false;
		if (s->sweep.until_empty)
			shim_send(s, SHIM_EMPTY, &m, sizeof m, NULL, 0);
		return;
	}
	/* Of the whole tree only waitpid says that it is empty (shim_reap). */
	if (!s->sweep.until_empty) {
		s->sweeping = false;
		return;
	}
	s->sweep_due_ms = shim_now_ms() + s->sweep_wait_ms;
	s->sweep_wait_ms *= 2;
	if (s->sweep_wait_ms > SHIM_SWEEP_LONGEST_MS)
		s->sweep_wait_ms = SHIM_SWEEP_LONGEST_MS;
}

void shim_sweep_start(struct shim *s, const struct shim_sweep *w)
{
	struct shim_empty empty = {.leftovers_of = SHIM_SWEEP_ALL};

	if (w->leftovers_of == SHIM_SWEEP_ALL && !s->has_children) {
		shim_send(s, SHIM_EMPTY, &empty, sizeof empty, NULL, 0);
		return;
	}
	s->sweep = *w;
	s->sweeping = true;
	s->sweep_wait_ms = SHIM_SWEEP_FIRST_MS;
	shim_sweep_turn(s);
}

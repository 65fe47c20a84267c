#include "tests/lib/test.h"

#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/must.h"
#include "tests/lib/run.h"

struct trace {
	struct loop *loop;
	struct loop_timer *timer;
	char text[64];
	size_t n;
	bool done;
};

static void trace_add(struct trace *t, char c)
{
	assert_true(strlen(t->text) + 1 < sizeof(t->text));
	t->text[strlen(t->text)] = c;
	t->n++;
}

static void on_timer(struct loop_timer *timer, void *data)
{
	struct trace *t = data;

	assert_ptr_equal(timer, t->timer);
	trace_add(t, 't');
	t->done = true;
}

static void a_timer_fires_once_and_not_early(void **state)
{
	struct trace t = {.loop = loop_new()};
	int64_t begin_us;

	(void)state;
	t.timer = loop_timer_new(t.loop, on_timer, &t);
	assert_false(loop_timer_armed(t.timer));
	begin_us = clock_mono_us();
	loop_timer_start(t.timer, 20, 0);
	assert_true(loop_timer_armed(t.timer));
	assert_true(run_until(t.loop, &t.done, 2000));
	assert_true(clock_mono_us() - begin_us >= 19000);
	assert_false(loop_timer_armed(t.timer));
	run_for(t.loop, 60);
	assert_string_equal(t.text, "t");
	loop_timer_free(t.timer);
	loop_free(t.loop);
}

static void on_timer_free(struct loop_timer *timer, void *data)
{
	struct trace *t = data;

	t->timer = loop_timer_free(timer);
	trace_add(t, 'f');
	t->done = true;
}

static void a_timer_may_free_itself_while_it_repeats(void **state)
{
	struct trace t = {.loop = loop_new()};

	(void)state;
	t.timer = loop_timer_new(t.loop, on_timer_free, &t);
	loop_timer_start(t.timer, 1, 1);
	assert_true(run_until(t.loop, &t.done, 2000));
	run_for(t.loop, 20);
	assert_string_equal(t.text, "f");
	assert_null(t.timer);
	assert_null(loop_timer_free(NULL));
	loop_free(t.loop);
}

static void a_stopped_timer_does_not_fire(void **state)
{
	struct trace t = {.loop = loop_new()};

	(void)state;
	t.timer = loop_timer_new(t.loop, on_timer, &t);
	loop_timer_start(t.timer, 5, 5);
	loop_timer_stop(t.timer);
	run_for(t.loop, 30);
	assert_string_equal(t.text, "");
	loop_timer_free(t.timer);
	loop_free(t.loop);
}

static void on_task_b(void *data)
{
	trace_add(data, 'b');
}

static void on_task_a(void *data)
{
	struct trace *t = data;

	trace_add(t, 'a');
	loop_defer(t->loop, on_task_b, t);
	trace_add(t, '-');
}

static void deferred_tasks_run_later_and_in_order(void **state)
{
	struct trace t = {.loop = loop_new()};

	(void)state;
	loop_defer(t.loop, on_task_a, &t);
	loop_defer(t.loop, on_task_b, &t);
	assert_string_equal(t.text, "");
	assert_true(loop_turn(t.loop));
	assert_string_equal(t.text, "a-b");
	assert_false(loop_turn(t.loop));
	assert_string_equal(t.text, "a-bb");
	loop_free(t.loop);
}

static void on_task_again(void *data)
{
	struct trace *t = data;

	t->n++;
	if (!t->done)
		loop_defer(t->loop, on_task_again, t);
}

static void a_task_that_defers_itself_does_not_starve_timers(void **state)
{
	struct trace t = {.loop = loop_new()};

	(void)state;
	t.timer = loop_timer_new(t.loop, on_timer, &t);
	loop_timer_start(t.timer, 5, 0);
	loop_defer(t.loop, on_task_again, &t);
	assert_true(run_until(t.loop, &t.done, 2000));
	assert_true(t.n > 2);
	loop_timer_free(t.timer);
	run_for(t.loop, 5);
	loop_free(t.loop);
}

struct job {
	pthread_t worked_on;
	int steps;
	bool done;
};

static void on_work(void *data)
{
	struct job *j = data;

	j->worked_on = pthread_self();
	j->steps = 1;
}

static void on_work_done(void *data)
{
	struct job *j = data;

	j->steps += j->steps == 1 ? 1 : 100;
	j->done = true;
}

static void work_runs_on_another_thread_and_ends_on_the_loop(void **state)
{
	struct loop *l = loop_new();
	struct job j = {0};

	(void)state;
	loop_work(l, on_work, on_work_done, &j);
	assert_int_equal(j.done, false);
	assert_true(run_until(l, &j.done, 5000));
	assert_int_equal(j.steps, 2);
	assert_false(pthread_equal(j.worked_on, pthread_self()));
	loop_free(l);
}

static void on_timer_stop_loop(struct loop_timer *timer, void *data)
{
	struct trace *t = data;

	(void)timer;
	trace_add(t, 's');
	loop_stop(t->loop);
	t->timer = loop_timer_free(t->timer);
}

static void unref_timer(uv_handle_t *h, void *data)
{
	(void)data;
	if (h->type == UV_TIMER)
		uv_unref(h);
}

/* The timer is not referenced: for libuv the loop is empty while it waits. */
static void an_empty_loop_waits_until_it_is_stopped(void **state)
{
	struct trace t = {.loop = loop_new()};
	int64_t begin_ms = clock_mono_ms();

	(void)state;
	t.timer = loop_timer_new(t.loop, on_timer_stop_loop, &t);
	loop_timer_start(t.timer, 30, 0);
	uv_walk(loop_uv(t.loop), unref_timer, NULL);
	loop_run(t.loop);
	assert_true(clock_mono_ms() - begin_ms >= 29);
	assert_string_equal(t.text, "s");
	loop_free(t.loop);
}

static void a_loop_stopped_before_it_runs_returns_at_once(void **state)
{
	struct loop *l = loop_new();

	(void)state;
	loop_stop(l);
	loop_run(l);
	loop_free(l);
}

/* What needs a process of its own: signals and aborts. Returns its wait status. */
static int in_child(void (*fn)(void), int signum)
{
	int ready[2], status = 0;
	pid_t pid;
	char c;

	assert_int_equal(pipe(ready), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		if (!freopen("/dev/null", "w", stderr))
			_exit(41);
		dup2(ready[1], STDOUT_FILENO);
		fn();
		_exit(42);
	}
	close(ready[1]);
	while (signum && read(ready[0], &c, 1) == 1)
		kill(pid, signum);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	close(ready[0]);
	return status;
}

static void child_leaves_a_handle_open(void)
{
	struct loop *l = loop_new();
	struct trace t = {.loop = l};

	signal(SIGABRT, SIG_DFL);
	t.timer = loop_timer_new(l, on_timer, &t);
	loop_free(l);
}

static void a_handle_left_open_aborts(void **state)
{
	int status = in_child(child_leaves_a_handle_open, 0);

	(void)state;
	assert_true(WIFSIGNALED(status));
	assert_int_equal(WTERMSIG(status), SIGABRT);
}

static struct loop *child_loop;

static void child_say_ready(struct loop_timer *t, void *data)
{
	(void)data;
	loop_timer_free(t);
	must(write(STDOUT_FILENO, "r", 1) == 1);
}

static void child_on_stop(void *data)
{
	(void)data;
	loop_stop(child_loop);
}

static void child_on_stop_slowly(void *data)
{
	(void)data;
	must(write(STDOUT_FILENO, "r", 1) == 1); /* the next signal, please */
}

static void child_on_reload(void *data)
{
	(void)data;
	_exit(7);
}

static void child_run(void (*stop_cb)(void *data))
{
	const struct loop_signals s = {.stop_cb = stop_cb, .reload_cb = child_on_reload};

	child_loop = loop_new();
	loop_watch_signals(child_loop, &s);
	loop_timer_start(loop_timer_new(child_loop, child_say_ready, NULL), 0, 0);
	loop_run(child_loop);
	loop_free(child_loop);
}

static void child_stops_orderly(void)
{
	child_run(child_on_stop);
}

static void child_stops_slowly(void)
{
	child_run(child_on_stop_slowly);
}

static void sigterm_and_sigint_ask_for_a_stop(void **state)
{
	int status = in_child(child_stops_orderly, SIGTERM);

	(void)state;
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 42);
	status = in_child(child_stops_orderly, SIGINT);
	assert_int_equal(WEXITSTATUS(status), 42);
}

static void a_second_sigterm_ends_the_process_with_1(void **state)
{
	int status = in_child(child_stops_slowly, SIGTERM);

	(void)state;
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 1);
}

static void sighup_asks_for_a_reload(void **state)
{
	int status = in_child(child_stops_orderly, SIGHUP);

	(void)state;
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 7);
}

static void child_writes_to_a_closed_pipe(void)
{
	struct loop *l = loop_new();
	int p[2];

	must(pipe(p) == 0);
	close(p[0]);
	if (write(p[1], "x", 1) != -1)
		_exit(1);
	loop_free(l);
}

static void sigpipe_is_ignored(void **state)
{
	int status = in_child(child_writes_to_a_closed_pipe, 0);

	(void)state;
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 42);
}

TEST_MAIN(cmocka_unit_test(a_timer_fires_once_and_not_early),
    cmocka_unit_test(a_timer_may_free_itself_while_it_repeats),
    cmocka_unit_test(a_stopped_timer_does_not_fire),
    cmocka_unit_test(deferred_tasks_run_later_and_in_order),
    cmocka_unit_test(a_task_that_defers_itself_does_not_starve_timers),
    cmocka_unit_test(work_runs_on_another_thread_and_ends_on_the_loop),
    cmocka_unit_test(an_empty_loop_waits_until_it_is_stopped),
    cmocka_unit_test(a_loop_stopped_before_it_runs_returns_at_once),
    cmocka_unit_test(a_handle_left_open_aborts),
    cmocka_unit_test(sigterm_and_sigint_ask_for_a_stop),
    cmocka_unit_test(a_second_sigterm_ends_the_process_with_1),
    cmocka_unit_test(sighup_asks_for_a_reload), cmocka_unit_test(sigpipe_is_ignored))

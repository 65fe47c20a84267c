/* Processes on the loop. */
#include "base/io/proc.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/lib/run.h"
#include "tests/lib/test.h"

struct fixture {
	struct loop *loop;
	bool ended;
	int exit_code, signal;
	struct proc *proc;
};

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof *f);

	f->loop = loop_new();
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	loop_stop(f->loop);
	loop_run(f->loop);
	loop_free(f->loop);
	free(f);
	return 0;
}

static void on_exit_cb(void *data, struct proc *p, int exit_code, int signal)
{
	struct fixture *f = data;

	assert_ptr_equal(p, f->proc);
	assert_int_equal(proc_signal(p, 0), -ESRCH);
	f->ended = true;
	f->exit_code = exit_code;
	f->signal = signal;
}

static struct proc_spec sh(char **argv, const char *script)
{
	static char *env[] = {"X=1", NULL};

	argv[0] = "sh";
	argv[1] = "-c";
	argv[2] = (char *)(uintptr_t)script;
	argv[3] = NULL;
	return (struct proc_spec){.path = "/bin/sh",
	    .argv = argv,
	    .envp = env,
	    .in = PROC_NULL,
	    .out = PROC_NULL,
	    .err = PROC_INHERIT};
}

static void spawn(struct fixture *f, const struct proc_spec *s)
{
	struct err e = ERR_NULL;

	f->ended = false;
	if (proc_spawn(f->loop, s, on_exit_cb, f, &f->proc, &e))
		fail_msg("%s", e.text);
}

static void run(struct fixture *f, const char *script)
{
	char *argv[4];
	struct proc_spec s = sh(argv, script);

	spawn(f, &s);
	assert_true(run_until(f->loop, &f->ended, 10000));
}

static void exit_codes_and_signals_are_told(void **state)
{
	struct fixture *f = *state;

	run(f, "exit 7");
	assert_int_equal(f->exit_code, 7);
	assert_int_equal(f->signal, 0);
	run(f, "kill -USR1 $$");
	assert_int_equal(f->exit_code, -1);
	assert_int_equal(f->signal, SIGUSR1);
}

static void exec_errors_are_told_at_once_and_leave_no_child(void **state)
{
	struct fixture *f = *state;
	char *argv[4];
	struct proc_spec s = sh(argv, "");
	struct err e = ERR_NULL;

	s.path = "/no/such/program";
	assert_int_equal(proc_spawn(f->loop, &s, on_exit_cb, f, &f->proc, &e), -ENOENT);
	assert_non_null(strstr(e.text, "/no/such/program"));
	s.path = "/etc/passwd";
	assert_int_equal(proc_spawn(f->loop, &s, on_exit_cb, f, &f->proc, &e), -EACCES);
	s.path = "/bin/sh";
	s.cwd = "/no/such/folder";
	assert_int_equal(proc_spawn(f->loop, &s, on_exit_cb, f, &f->proc, &e), -ENOENT);
	assert_non_null(strstr(e.text, "/no/such/folder"));
	assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
	assert_int_equal(errno, ECHILD);
}

static void without_a_descriptor_left_nothing_is_started(void **state)
{
	struct fixture *f = *state;
	struct rlimit old, none;
	char *argv[4];
	struct proc_spec s = sh(argv, "exit 0");
	struct err e = ERR_NULL;
	int next = dup(0), r;

	close(next);
	getrlimit(RLIMIT_NOFILE, &old);
	none = (struct rlimit){(rlim_t)next, old.rlim_max};
	setrlimit(RLIMIT_NOFILE, &none);
	r = proc_spawn(f->loop, &s, on_exit_cb, f, &f->proc, &e);
	setrlimit(RLIMIT_NOFILE, &old);
	assert_int_equal(r, -EMFILE);
}

static void the_child_has_just_the_descriptors_it_was_given(void **state)
{
	struct fixture *f = *state;
	int leak = open("/dev/null", O_RDONLY), high = fcntl(0, F_DUPFD, 50),
	    keep[] = {high, -1}, p[2];
	char *argv[4], text[256], expect[32];
	/* The listing itself has one descriptor open: ls is given the list by a glob of
	 * the shell. */
	struct proc_spec s =
	    sh(argv, "for n in 0 1 2 3 4 5 6 7 8 9 49 50 51 52; do "
		     "[ -e /proc/$$/fd/$n ] && printf '%s ' $n; done; exit 0");
	ssize_t n;

	assert_int_equal(pipe2(p, O_CLOEXEC), 0);
	s.out = p[1];
	s.keep = keep;
	spawn(f, &s);
	close(p[1]);
	assert_true(run_until(f->loop, &f->ended, 10000));
	n = read(p[0], text, sizeof text - 1);
	text[n > 0 ? n : 0] = '\0';
	snprintf(expect, sizeof expect, "0 1 2 %d ", high);
	assert_string_equal(text, expect);
	close(p[0]);
	close(leak);
	close(high);
}

static void signal_mask_and_dispositions_are_reset(void **state)
{
	struct fixture *f = *state;
	sigset_t set, old;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigprocmask(SIG_BLOCK, &set, &old);
	signal(SIGUSR1, SIG_IGN);
	run(f, "kill -TERM $$; exit 3");
	assert_int_equal(f->signal, SIGTERM);
	run(f, "kill -USR1 $$; exit 3");
	assert_int_equal(f->signal, SIGUSR1);
	signal(SIGUSR1, SIG_DFL);
	sigprocmask(SIG_SETMASK, &old, NULL);
}

static void standard_descriptors_may_be_swapped(void **state)
{
	struct fixture *f = *state;
	char *argv[4], text[64];
	struct proc_spec s = sh(argv, "echo to-out; echo to-err >&2");
	int saved_out = dup(1), saved_err = dup(2), p[2], q[2];
	ssize_t n;

	assert_int_equal(pipe2(p, O_CLOEXEC), 0);
	assert_int_equal(pipe2(q, O_CLOEXEC), 0);
	dup2(p[1], 1);
	dup2(q[1], 2);
	s.out = 2;
	s.err = 1;
	spawn(f, &s);
	dup2(saved_out, 1);
	dup2(saved_err, 2);
	close(saved_out);
	close(saved_err);
	close(p[1]);
	close(q[1]);
	assert_true(run_until(f->loop, &f->ended, 10000));
	n = read(q[0], text, sizeof text);
	assert_memory_equal(text, "to-out\n", (size_t)n);
	n = read(p[0], text, sizeof text);
	assert_memory_equal(text, "to-err\n", (size_t)n);
	close(p[0]);
	close(q[0]);
}

static void a_session_of_its_own_if_asked(void **state)
{
	struct fixture *f = *state;
	char *argv[4];
	struct proc_spec s = sh(argv, "[ \"$(cut -d' ' -f6 /proc/$$/stat)\" = $$ ]");

	s.new_session = true;
	spawn(f, &s);
	assert_true(run_until(f->loop, &f->ended, 10000));
	assert_int_equal(f->exit_code, 0);
}

static void an_abandoned_process_goes_on_without_a_word(void **state)
{
	struct fixture *f = *state;
	char *argv[4];
	struct proc_spec s = sh(argv, "sleep 0.2; exit 5");
	int status;
	pid_t pid;

	spawn(f, &s);
	pid = proc_pid(f->proc);
	proc_abandon(f->proc);
	run_for(f->loop, 50);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(WEXITSTATUS(status), 5);
	assert_false(f->ended);
}

static void a_strange_process_is_adopted_if_it_is_the_one_meant(void **state)
{
	struct fixture *f = *state;
	pid_t pid = fork();
	uint64_t ticks;

	if (pid == 0)
		for (;;)
			pause();
	ticks = proc_start_ticks(pid);
	assert_true(ticks > 0);
	assert_int_equal(
	    proc_adopt(f->loop, pid, ticks + 1, on_exit_cb, f, &f->proc), -ESRCH);
	assert_int_equal(proc_adopt(f->loop, pid, 0, on_exit_cb, f, &f->proc), -ESRCH);
	assert_int_equal(proc_adopt(f->loop, pid, ticks, on_exit_cb, f, &f->proc), 0);
	assert_int_equal(proc_signal(f->proc, SIGKILL), 0);
	assert_true(run_until(f->loop, &f->ended, 10000));
	assert_int_equal(f->exit_code, -1);
	assert_int_equal(f->signal, 0);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	assert_int_equal(proc_start_ticks(pid), 0);
	assert_int_equal(
	    proc_adopt(f->loop, pid, ticks, on_exit_cb, f, &f->proc), -ESRCH);
}

#define PROC_TEST(t) cmocka_unit_test_setup_teardown(t, setup, teardown)
TEST_MAIN(PROC_TEST(exit_codes_and_signals_are_told),
    PROC_TEST(exec_errors_are_told_at_once_and_leave_no_child),
    PROC_TEST(without_a_descriptor_left_nothing_is_started),
    PROC_TEST(the_child_has_just_the_descriptors_it_was_given),
    PROC_TEST(signal_mask_and_dispositions_are_reset),
    PROC_TEST(standard_descriptors_may_be_swapped),
    PROC_TEST(a_session_of_its_own_if_asked),
    PROC_TEST(an_abandoned_process_goes_on_without_a_word),
    PROC_TEST(a_strange_process_is_adopted_if_it_is_the_one_meant))

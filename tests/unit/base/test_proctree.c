/* /proc: who is below whom, who carries a mark, and signals that hit only who was meant.
 */
#include "base/proctree.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/lib/test.h"

/* A child with an environment of its own; exec makes it what /proc shows. */
static pid_t sleeper(const char *mark)
{
	char *argv[] = {"sleep", "1000", NULL},
	     *envp[] = {"A=1", (char *)(uintptr_t)mark, NULL};
	int p[2];
	char c;
	pid_t pid;

	assert_int_equal(pipe2(p, 02000000 /* O_CLOEXEC */), 0);
	pid = fork();
	if (pid == 0) {
		execve("/bin/sleep", argv, envp);
		_exit(127);
	}
	close(p[1]);
	assert_int_equal(read(p[0], &c, 1), 0); /* closed by exec */
	close(p[0]);
	return pid;
}

static void reap(pid_t pid)
{
	kill(pid, SIGKILL);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
}

static void a_process_is_known_by_its_start(void **state)
{
	struct proctree_stat st;

	(void)state;
	assert_true(proctree_read_stat(getpid(), &st));
	assert_int_equal(st.pid, getpid());
	assert_int_equal(st.ppid, getppid());
	assert_true(st.start_ticks > 0);
	assert_false(proctree_read_stat(0x3fffffff, &st));
}

static void a_name_that_looks_like_a_stat_line_misleads_nobody(void **state)
{
	struct proctree_stat before, st;
	char old[16];

	(void)state;
	assert_true(proctree_read_stat(getpid(), &before));
	prctl(PR_GET_NAME, old);
	prctl(PR_SET_NAME, "x) R 1 (y 7");
	assert_true(proctree_read_stat(getpid(), &st));
	prctl(PR_SET_NAME, old);
	assert_int_equal(st.ppid, getppid());
	assert_int_equal(st.start_ticks, before.start_ticks);
	assert_string_equal(st.comm, "x) R 1 (y 7");
}

static void marks_are_found_whole_and_only_whole(void **state)
{
	struct proctree_stat found[8];
	pid_t pid = sleeper("ZED_TEST_MARK=one");

	(void)state;
	assert_true(proctree_has_mark(pid, "ZED_TEST_MARK", "one"));
	assert_true(proctree_has_mark(pid, "A", "1"));
	assert_false(proctree_has_mark(pid, "ZED_TEST_MARK", "on"));
	assert_false(proctree_has_mark(pid, "ZED_TEST_MARK", "one2"));
	assert_false(proctree_has_mark(pid, "TEST_MARK", "one"));
	assert_int_equal(proctree_marked("ZED_TEST_MARK", "one", found, 8), 1);
	assert_int_equal(found[0].pid, pid);
	reap(pid);
	assert_int_equal(proctree_marked("ZED_TEST_MARK", "one", found, 8), 0);
}

static void descendants_are_all_below_and_parents_come_first(void **state)
{
	struct proctree_stat found[16];
	int p[2], n_seen = 0;
	char c;
	pid_t child;
	size_t n;

	(void)state;
	assert_int_equal(pipe(p), 0);
	child = fork();
	if (child == 0) {
		if (fork() == 0) {
			assert_true(setsid() > 0);
			assert_int_equal(write(p[1], "g", 1), 1);
		}
		for (;;)
			pause();
	}
	assert_int_equal(read(p[0], &c, 1), 1);
	n = proctree_descendants(getpid(), found, 16);
	assert_int_equal(n, 2);
	for (size_t i = 0; i < n; i++)
		n_seen += found[i].pid == child ? (assert_int_equal(i, 0), 1)
						: found[i].ppid == child;
	assert_int_equal(n_seen, 2);
	assert_int_equal(proctree_descendants(getpid(), found, 1), 1);
	assert_int_equal(proctree_signal(&found[0], SIGKILL), 0);
	kill(found[1].pid, SIGKILL);
	assert_int_equal(waitpid(child, NULL, 0), child);
	close(p[0]);
	close(p[1]);
}

static void a_signal_is_refused_when_another_has_the_pid(void **state)
{
	struct proctree_stat st;
	pid_t pid = sleeper("X=1");

	(void)state;
	assert_true(proctree_read_stat(pid, &st));
	st.start_ticks--;
	assert_int_equal(proctree_signal(&st, SIGKILL), -ESRCH);
	assert_int_equal(kill(pid, 0), 0);
	st.start_ticks++;
	assert_int_equal(proctree_signal(&st, SIGKILL), 0);
	reap(pid);
	assert_int_equal(proctree_signal(&st, SIGKILL), -ESRCH);
}

TEST_MAIN(cmocka_unit_test(a_process_is_known_by_its_start),
    cmocka_unit_test(a_name_that_looks_like_a_stat_line_misleads_nobody),
    cmocka_unit_test(marks_are_found_whole_and_only_whole),
    cmocka_unit_test(descendants_are_all_below_and_parents_come_first),
    cmocka_unit_test(a_signal_is_refused_when_another_has_the_pid))

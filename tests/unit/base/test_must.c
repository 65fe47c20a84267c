/* base/must.h and base/slice.h */
#include "tests/lib/test.h"

#include <sys/wait.h>
#include <unistd.h>

#include "base/must.h"
#include "base/slice.h"

struct outer {
	int before;
	int member;
};

static void a_failed_must_aborts_and_names_the_place(void **state)
{
	int status, fds[2];
	char text[512] = "";
	pid_t pid;

	(void)state;
	assert_int_equal(pipe(fds), 0);
	pid = fork();
	if (pid == 0) {
		int two = 2;

		dup2(fds[1], STDERR_FILENO);
		signal(SIGABRT, SIG_DFL);
		must(two == 3);
		_exit(0);
	}
	close(fds[1]);
	assert_true(read(fds[0], text, sizeof(text) - 1) > 0);
	close(fds[0]);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
	assert_non_null(strstr(text, "must failed: two == 3"));
	assert_non_null(strstr(text, "test_must.c:"));
}

static void container_of_finds_the_struct(void **state)
{
	struct outer o = {1, 2};
	int *p = &o.member;

	(void)state;
	assert_ptr_equal(container_of(p, struct outer, member), &o);
}

static void slices_compare_by_bytes(void **state)
{
	(void)state;
	assert_true(slice_eq(SLICE_LIT("abc"), slice_of("abc")));
	assert_false(slice_eq(SLICE_LIT("abc"), slice_of("abd")));
	assert_false(slice_eq(SLICE_LIT("abc"), slice_of("ab")));
	assert_true(slice_eq(SLICE_NULL, slice_of("")));
	assert_true(slice_eq(slice_of(NULL), SLICE_NULL));
	assert_true(slice_is(SLICE_LIT("x\0y"), "x") == false);
	assert_true(slice_starts(SLICE_LIT("lifecycle.v1"), SLICE_LIT("lifecycle.")));
	assert_false(slice_starts(SLICE_LIT("life"), SLICE_LIT("lifecycle.")));
	assert_true(slice_starts(SLICE_LIT("life"), SLICE_NULL));
}

TEST_MAIN(cmocka_unit_test(a_failed_must_aborts_and_names_the_place),
    cmocka_unit_test(container_of_finds_the_struct),
    cmocka_unit_test(slices_compare_by_bytes))

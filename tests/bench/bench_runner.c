/* Assignment put -> main() of the instance, through a real broker, zed-runner and
 * zed-shim; beside it, from the same run, what starting the same program by vfork and
 * exec takes by itself. One line each, in microseconds. */
#include "tests/unit/lifecycle_runner/runner_fixture.h"

#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"

enum {
	BENCH_ROUNDS = 200,
};

static int compare(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

	return x < y ? -1 : x > y;
}

static void tell(const char *what, int64_t *v, size_t n)
{
	qsort(v, n, sizeof v[0], compare);
	printf("%s: p50 %lld us, p99 %lld us, min %lld us (%zu rounds)\n", what,
	    (long long)v[n / 2], (long long)v[n * 99 / 100], (long long)v[0], n);
}

/* The stamp its main() left, and the file gone. */
static int64_t take_stamp(struct runner_fixture *f, const char *path)
{
	char *text = NULL;
	int64_t at;

	while (!text || !strchr(text, '\n')) {
		free(text);
		run_for(f->store.bus.loop, 2);
		text = rf_read(path);
	}
	at = strtoll(text, NULL, 10);
	free(text);
	unlink(path);
	return at;
}

static int64_t bare_spawn(struct runner_fixture *f, const char *path)
{
	char program[256];
	int64_t begun = clock_mono_us(), at;
	pid_t pid;

	snprintf(program, sizeof program, "%s/../tests/runner_child",
	    getenv("ZEDBUS_BIN_DIR"));
	begun = clock_mono_us();
	pid = vfork();
	if (pid == 0) {
		execl(program, program, "--stamp", path, "--exit", "0", (char *)NULL);
		_exit(127);
	}
	at = take_stamp(f, path);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	return at - begun;
}

static void assignment_to_main(void **state)
{
	static int64_t through[BENCH_ROUNDS], bare[BENCH_ROUNDS];
	struct runner_fixture *f = *state;
	char args[200], path[128];

	snprintf(path, sizeof path, "%s", rf_path(f, "t/stamp"));
	snprintf(args, sizeof args, "\"--stamp\",\"%s\"", path);
	rf_profile(f, "stamp", args, "");
	rf_runner_start(f);
	for (int i = 0; i < BENCH_ROUNDS; i++) {
		/* The same id each time: a new placement, its folder is there. */
		rf_start_simple(f, "zi1", "stamp");
		through[i] = take_stamp(f, path) - f->put_us;
		rf_wait(f, "zi1", STATE_RUNNING);
		rf_stop(f, "zi1", 1000, true);
		rf_wait(f, "zi1", STATE_STOPPED);
		bare[i] = bare_spawn(f, path);
	}
	tell("assignment put -> main(), with shim", through, BENCH_ROUNDS);
	tell("vfork and exec -> main(), floor    ", bare, BENCH_ROUNDS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {RUNNER_TEST(assignment_to_main)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

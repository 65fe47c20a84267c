/* A broker, a real zed-runner on it, and the test in lifecycled's place: it writes
 * records, specs and assignments and sees reports. Every process an instance started is
 * found by its mark; teardown fails if one is left. */
#pragma once

#include "lifecycle/core/assignment.h"
#include "lifecycle/core/instance.h"
#include "lifecycle/core/runner_info.h"
#include "lifecycle/core/spec.h"
#include "tests/lib/store_fixture.h"

enum {
	RF_INSTANCES_MAX = 64,
	RF_LIMIT_MS = 20000,
};

struct rf_seen {
	char instance[ID_MAX + 1];
	uint64_t placed;      /* fence of its last placement; 0: none */
	struct report report; /* the last one */
	bool gone;            /* its key was deleted */
	uint32_t states;      /* every state ever reported of it, as bits */
};

struct runner_fixture {
	struct store_fixture store; /* first */
	char dir[64];               /* state, profiles, work, runner's log */
	pid_t pid;                  /* of the runner; 0: none */
	const char *flags[16];      /* further ones, NULL ends */
	struct rf_seen seen[RF_INSTANCES_MAX];
	size_t n_seen;
	struct runner_info info; /* the last record of the runner */
	size_t n_info;
	uint64_t fence; /* of the last placement of all */
	int64_t put_us; /* monotonic, when the last assignment was put */
	bool poke;      /* something was seen */
	void (*cleanup)(struct runner_fixture
		*f); /* before the loop is closed, also after a failure */
	void *cleanup_data;
};

extern char rf_tenant[];

int rf_setup(void **state);
int rf_teardown(void **state);
#define RUNNER_TEST(test) cmocka_unit_test_setup_teardown(test, rf_setup, rf_teardown)

/* Path below the fixture's folder; borrowed until 8 further calls. */
const char *rf_path(struct runner_fixture *f, const char *below);
/* A profile running runner_child with these arguments (a JSON array's inside, e.g.
 * "\"--exit\",\"3\"") and further members of the profile (",\"ready\":{...}" or ""). */
void rf_profile(
    struct runner_fixture *f, const char *name, const char *args, const char *more);
void rf_profile_text(struct runner_fixture *f, const char *name, const char *text);
void rf_runner_start(struct runner_fixture *f);
/* Signal it and wait for its end; returns the exit code, or -signal. */
int rf_runner_end(struct runner_fixture *f, int signo);
/* Start a second one with the same folder and wait: its exit code. */
int rf_runner_second(struct runner_fixture *f);

/* A spec with defaults for @profile; to be changed and then given to rf_start. */
struct spec rf_spec(const char *instance, const char *profile);
/* Place it: record ASSIGNED to the runner, spec, assignment, with a new fence.
 * Deinitialises @s. */
void rf_start(struct runner_fixture *f, struct spec *s);
/* Place it in a record that wants something else: @fence_off is added to the record's
 * fence. */
void rf_start_fenced(struct runner_fixture *f, struct spec *s, uint64_t fence_off);
void rf_start_simple(struct runner_fixture *f, const char *instance, const char *profile);
void rf_stop(
    struct runner_fixture *f, const char *instance, int64_t grace_ms, bool force);
void rf_signal(struct runner_fixture *f, const char *instance, uint64_t no, int signo);
void rf_unassign(struct runner_fixture *f, const char *instance);
/* The last report once it says @state; fails the test after a while. */
const struct report *rf_wait(
    struct runner_fixture *f, const char *instance, enum instance_state state);
const struct report *rf_report(
    struct runner_fixture *f, const char *instance); /* NULL: none of this placement */
void rf_wait_gone(struct runner_fixture *f, const char *instance);
/* Until @path exists. */
void rf_wait_file(struct runner_fixture *f, const char *path);
/* Until there are @n processes of the instance. */
void rf_wait_processes(struct runner_fixture *f, const char *instance, size_t n);
size_t rf_processes(struct runner_fixture *f, const char *instance);
/* @signo to every process of it, 0: none; how many there are. */
size_t rf_signal_all(const char *instance, int signo);
void rf_fail(struct runner_fixture *f, const char *instance, const char *what);
/* The shim of the instance: its pid, 0 if there is none. */
pid_t rf_shim(const char *instance);
/* Whole file, owned, or NULL. */
char *rf_read(const char *path);
/* The instance's folder in the state folder. */
const char *rf_instance_dir(struct runner_fixture *f, const char *instance);

/* A broker, a runner, and lifecycled's part played by the test. */
#include "tests/unit/lifecycle_runner/runner_fixture.h"

#include <fcntl.h>
#include <ftw.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "lifecycle/wire.h"
#include "proto/subjects.h"

#define RF_RUNNER "r1"

/* Another one for each test: its marks are nobody else's, whatever runs beside it. */
char rf_tenant[16];

const char *rf_path(struct runner_fixture *f, const char *below)
{
	static char paths[8][256];
	static unsigned i;
	char *out = paths[i++ % 8];

	snprintf(out, sizeof paths[0], "%s/%s", f->dir, below);
	return out;
}

char *rf_read(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct buf b = BUF_NULL(1024 * 1024);
	char chunk[4096];
	ssize_t n;

	if (fd < 0)
		return NULL;
	while ((n = read(fd, chunk, sizeof chunk)) > 0)
		buf_add(&b, chunk, (size_t)n);
	close(fd);
	return buf_steal(&b, NULL);
}

static void rf_write(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	close(fd);
}

void rf_profile_text(struct runner_fixture *f, const char *name, const char *text)
{
	char below[96];

	snprintf(below, sizeof below, "p/%s.json", name);
	rf_write(rf_path(f, below), text);
}

void rf_profile(
    struct runner_fixture *f, const char *name, const char *args, const char *more)
{
	char text[4096];

	snprintf(text, sizeof text, "{\"command\":[\"%s/../tests/runner_child\"%s%s]%s}",
	    getenv("ZEDBUS_BIN_DIR"), *args ? "," : "", args, more);
	rf_profile_text(f, name, text);
}

/* ---- what the runner tells */

static struct rf_seen *rf_seen_of(struct runner_fixture *f, const char *instance)
{
	struct rf_seen *s;

	for (size_t i = 0; i < f->n_seen; i++) {
		if (strcmp(f->seen[i].instance, instance) == 0)
			return &f->seen[i];
	}
	assert_true(f->n_seen < RF_INSTANCES_MAX);
	s = &f->seen[f->n_seen++];
	snprintf(s->instance, sizeof s->instance, "%s", instance);
	return s;
}

static void rf_on_report(
    void *data, enum store_feed_event ev, const struct store_item *item)
{
	struct runner_fixture *f = data;
	struct slice tokens[4];
	struct err e = ERR_NULL;
	char instance[ID_MAX + 1];
	struct rf_seen *s;

	f->poke = true;
	if (ev != STORE_FEED_PUT && ev != STORE_FEED_DELETE)
		return;
	assert_int_equal(subject_split(item->key, tokens, 4), 3);
	snprintf(instance, sizeof instance, SLICE_FMT, SLICE_ARG(tokens[2]));
	s = rf_seen_of(f, instance);
	s->gone = ev == STORE_FEED_DELETE;
	if (s->gone)
		return;
	if (wire_report_decode(item->value, &s->report, &e))
		fail_msg("report: %s", e.text);
	s->states |= 1U << s->report.state;
}

static void rf_on_info(
    void *data, enum store_feed_event ev, const struct store_item *item)
{
	struct runner_fixture *f = data;
	struct err e = ERR_NULL;

	f->poke = true;
	if (ev != STORE_FEED_PUT)
		return;
	runner_info_deinit(&f->info);
	if (wire_runner_decode(item->value, &f->info, &e))
		fail_msg("runner record: %s", e.text);
	f->n_info++;
}

/* ---- setting up */

static void rf_watch(struct runner_fixture *f, const char *bucket, store_feed_cb *cb)
{
	struct subject feed = SUBJECT_OF(lifecycle_feed, bucket);
	struct err e = ERR_NULL;

	assert_int_equal(store_watch(f->store.store, bucket, feed.s, cb, f, &e), 0);
	store_watch_resync(f->store.store, bucket);
}

static void rf_bucket(struct runner_fixture *f, const char *name)
{
	struct subject feed = SUBJECT_OF(lifecycle_feed, name);

	assert_int_equal(store_fixture_ensure_bucket(&f->store, name, feed.s), 0);
}

static void rf_open(struct runner_fixture *f)
{
	static const char *const folders[] = {"s", "p", "w", "t"};

	static unsigned n_fixtures;

	snprintf(rf_tenant, sizeof rf_tenant, "t%d-%u", (int)getpid(), ++n_fixtures);
	snprintf(f->dir, sizeof f->dir, "/tmp/zr-XXXXXX");
	assert_non_null(mkdtemp(f->dir));
	for (size_t i = 0; i < ARRAY_LEN(folders); i++)
		assert_int_equal(mkdir(rf_path(f, folders[i]), 0755), 0);
	nats_fixture_init(&f->store.bus.broker, NULL);
	nats_fixture_start(&f->store.bus.broker);
	bus_fixture_open(&f->store.bus);
	f->store.store = store_new(f->store.bus.loop, f->store.bus.bus);
	bus_fixture_start(&f->store.bus);
	bus_fixture_wait(&f->store.bus);
	rf_bucket(f, BUCKET_lifecycle_instance);
	rf_bucket(f, BUCKET_lifecycle_spec);
	rf_bucket(f, BUCKET_lifecycle_assignment);
	rf_bucket(f, BUCKET_lifecycle_report);
	rf_bucket(f, BUCKET_lifecycle_runner);
	rf_watch(f, BUCKET_lifecycle_report, rf_on_report);
	rf_watch(f, BUCKET_lifecycle_runner, rf_on_info);
}

int rf_setup(void **state)
{
	struct runner_fixture *f = calloc(1, sizeof *f);

	assert_non_null(f);
	/* What a test leaves behind comes to us, and is seen. */
	prctl(PR_SET_CHILD_SUBREAPER, 1L, 0L, 0L, 0L);
	f->info = RUNNER_INFO_NULL;
	rf_open(f);
	*state = f;
	return 0;
}

static void rf_exec_runner(struct runner_fixture *f)
{
	const char *argv[48], *log = rf_path(f, "runner.log");
	char program[256];
	size_t n = 0;
	int fd;

	snprintf(program, sizeof program, "%s/zed-runner", getenv("ZEDBUS_BIN_DIR"));
	argv[n++] = program;
	const char *fixed[] = {"--id", RF_RUNNER, "--nats", f->store.bus.broker.url,
	    "--listen", "127.0.0.1:0", "--state-dir", rf_path(f, "s"), "--profiles",
	    rf_path(f, "p"), "--workspace-root", rf_path(f, "w"), "--log-format", "json",
	    "--log-level", "debug", "--min-free-pct", "0"};
	for (size_t i = 0; i < ARRAY_LEN(fixed); i++)
		argv[n++] = fixed[i];
	for (size_t i = 0; f->flags[i]; i++)
		argv[n++] = f->flags[i];
	argv[n] = NULL;
	fd = open(log, O_WRONLY | O_CREAT | O_APPEND, 0600);
	dup2(fd, 1);
	dup2(fd, 2);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	execv(program, (char *const *)(uintptr_t)argv);
	_exit(127);
}

void rf_runner_start(struct runner_fixture *f)
{
	assert_int_equal(f->pid, 0);
	f->pid = fork();
	assert_true(f->pid >= 0);
	if (f->pid == 0)
		rf_exec_runner(f);
}

static int rf_wait_end(struct runner_fixture *f, pid_t pid)
{
	int64_t limit = clock_mono_ms() + RF_LIMIT_MS;
	int status;

	while (waitpid(pid, &status, WNOHANG) != pid) {
		assert_true(clock_mono_ms() < limit);
		run_for(f->store.bus.loop, 5);
	}
	return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

int rf_runner_end(struct runner_fixture *f, int signo)
{
	pid_t pid = f->pid;

	f->pid = 0;
	kill(pid, signo);
	return rf_wait_end(f, pid);
}

int rf_runner_second(struct runner_fixture *f)
{
	pid_t pid = fork();

	if (pid == 0)
		rf_exec_runner(f);
	return rf_wait_end(f, pid);
}

/* ---- lifecycled's part */

struct spec rf_spec(const char *instance, const char *profile)
{
	struct spec s = SPEC_NULL;

	assert_true(id_parse(slice_of(rf_tenant), &s.tenant));
	assert_true(id_parse(slice_of(instance), &s.instance_id));
	assert_true(id_parse(slice_of(profile), &s.profile));
	spec_fill(&s);
	return s;
}

static void rf_put(
    struct runner_fixture *f, const char *bucket, const char *key, struct buf *value)
{
	store_put(f->store.store, bucket, key, buf_slice(value), STORE_ANY_REVISION,
	    store_fixture_on_result, &f->store);
	assert_int_equal(store_fixture_wait(&f->store), 0);
	buf_deinit(value);
}

static void rf_put_record(
    struct runner_fixture *f, const char *instance, uint64_t fence, enum desired desired)
{
	struct subject key = KEY_OF(rf_tenant, instance);
	struct instance i = INSTANCE_NULL;
	struct buf value = BUF_NULL(WIRE_RECORD_MAX);

	assert_true(id_parse(slice_of(rf_tenant), &i.tenant));
	assert_true(id_parse(slice_of(instance), &i.instance_id));
	assert_true(id_parse(slice_of(RF_RUNNER), &i.runner));
	i.generation = 1;
	i.fence = fence;
	i.desired = desired;
	i.state = desired == DESIRED_RUN ? STATE_ASSIGNED : STATE_STOPPING;
	i.known = true;
	i.stop.grace_ms = -1;
	wire_instance_encode(&i, &value);
	rf_put(f, BUCKET_lifecycle_instance, key.s, &value);
	instance_deinit(&i);
}

static void rf_put_assignment(
    struct runner_fixture *f, struct assignment *a, const char *instance)
{
	struct subject key = KEY_OF(RF_RUNNER, rf_tenant, instance),
		       bell = SUBJECT_OF(bell, RF_RUNNER);
	struct buf value = BUF_NULL(WIRE_RECORD_MAX);

	assert_true(id_parse(slice_of(rf_tenant), &a->tenant));
	assert_true(id_parse(slice_of(instance), &a->instance_id));
	a->generation = 1;
	wire_assignment_encode(a, &value);
	f->put_us = clock_mono_us();
	rf_put(f, BUCKET_lifecycle_assignment, key.s, &value);
	assert_int_equal(bus_fixture_publish(&f->store.bus, bell.s, instance), 0);
}

void rf_start_fenced(struct runner_fixture *f, struct spec *s, uint64_t fence_off)
{
	struct subject key = KEY_OF(rf_tenant, s->instance_id.s);
	struct assignment a = {
	    .fence = ++f->fence, .desired = DESIRED_RUN, .stop = {.grace_ms = -1}};
	struct buf value = BUF_NULL(WIRE_SPEC_MAX);

	rf_seen_of(f, s->instance_id.s)->placed = a.fence;
	s->hash = wire_spec_hash(s);
	a.spec_hash = s->hash;
	wire_spec_encode(s, &value);
	rf_put(f, BUCKET_lifecycle_spec, key.s, &value);
	rf_put_record(f, s->instance_id.s, a.fence + fence_off, DESIRED_RUN);
	rf_put_assignment(f, &a, s->instance_id.s);
	spec_deinit(s);
}

void rf_start(struct runner_fixture *f, struct spec *s)
{
	rf_start_fenced(f, s, 0);
}

void rf_start_simple(struct runner_fixture *f, const char *instance, const char *profile)
{
	struct spec s = rf_spec(instance, profile);

	rf_start(f, &s);
}

static uint64_t rf_fence_of(struct runner_fixture *f, const char *instance)
{
	return rf_seen_of(f, instance)->placed;
}

void rf_stop(struct runner_fixture *f, const char *instance, int64_t grace_ms, bool force)
{
	struct assignment a = {.fence = rf_fence_of(f, instance),
	    .desired = DESIRED_STOP,
	    .stop = {.grace_ms = grace_ms, .force = force, .reason = "the test says so"}};

	rf_put_record(f, instance, a.fence, DESIRED_STOP);
	rf_put_assignment(f, &a, instance);
}

void rf_signal(struct runner_fixture *f, const char *instance, uint64_t no, int signo)
{
	struct assignment a = {.fence = rf_fence_of(f, instance),
	    .desired = DESIRED_RUN,
	    .stop = {.grace_ms = -1},
	    .signals = {{no, signo}},
	    .n_signals = 1};

	rf_put_assignment(f, &a, instance);
}

void rf_unassign(struct runner_fixture *f, const char *instance)
{
	struct subject key = KEY_OF(RF_RUNNER, rf_tenant, instance),
		       bell = SUBJECT_OF(bell, RF_RUNNER);

	assert_int_equal(store_fixture_delete(&f->store, BUCKET_lifecycle_assignment,
			     key.s, STORE_ANY_REVISION),
	    0);
	assert_int_equal(bus_fixture_publish(&f->store.bus, bell.s, instance), 0);
}

/* ---- waiting */

const struct report *rf_report(struct runner_fixture *f, const char *instance)
{
	struct rf_seen *s = rf_seen_of(f, instance);

	return s->placed && s->report.fence == s->placed ? &s->report : NULL;
}

void rf_fail(struct runner_fixture *f, const char *instance, const char *what)
{
	struct rf_seen *s = rf_seen_of(f, instance);
	char *log = rf_read(rf_path(f, "runner.log"));

	fprintf(stderr, "%s\n", log ? log : "");
	free(log);
	fail_msg("%s: %s; last report: %s %s %s", instance, what,
	    state_name(s->report.state), reason_name(s->report.reason), s->report.detail);
}

const struct report *rf_wait(
    struct runner_fixture *f, const char *instance, enum instance_state state)
{
	int64_t limit = clock_mono_ms() + RF_LIMIT_MS;

	for (;;) {
		const struct report *r = rf_report(f, instance);

		if (r && r->state == state)
			return r;
		if (clock_mono_ms() > limit)
			rf_fail(f, instance, state_name(state));
		f->poke = false;
		run_until(f->store.bus.loop, &f->poke, 1000);
	}
}

void rf_wait_gone(struct runner_fixture *f, const char *instance)
{
	int64_t limit = clock_mono_ms() + RF_LIMIT_MS;

	while (!rf_seen_of(f, instance)->gone) {
		if (clock_mono_ms() > limit)
			rf_fail(f, instance, "its report is still there");
		f->poke = false;
		run_until(f->store.bus.loop, &f->poke, 1000);
	}
}

void rf_wait_file(struct runner_fixture *f, const char *path)
{
	int64_t limit = clock_mono_ms() + RF_LIMIT_MS;

	while (access(path, F_OK) != 0) {
		if (clock_mono_ms() > limit)
			rf_fail(f, path, "no such file");
		run_for(f->store.bus.loop, 10);
	}
}

const char *rf_instance_dir(struct runner_fixture *f, const char *instance)
{
	char below[128];

	snprintf(below, sizeof below, "s/i/%s.%s", rf_tenant, instance);
	return rf_path(f, below);
}

/* ---- teardown */

static int rf_remove(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

static void rf_check_log(struct runner_fixture *f)
{
	char *log = rf_read(rf_path(f, "runner.log"));

	if (log && (strstr(log, "Sanitizer") || strstr(log, "must failed") ||
		       strstr(log, "runtime error")))
		fail_msg("the runner's log:\n%s", log);
	free(log);
}

static size_t rf_leftovers(struct runner_fixture *f)
{
	size_t n = 0;

	for (size_t i = 0; i < f->n_seen; i++)
		n += rf_processes(f, f->seen[i].instance) +
		     (rf_shim(f->seen[i].instance) != 0);
	return n;
}

/* A failed test ends what it started, too. */
static void rf_kill_leftovers(struct runner_fixture *f)
{
	for (size_t i = 0; i < f->n_seen; i++) {
		pid_t shim = rf_shim(f->seen[i].instance);

		if (shim)
			kill(shim, SIGKILL);
		(void)rf_signal_all(f->seen[i].instance, SIGKILL);
	}
}

int rf_teardown(void **state)
{
	struct runner_fixture *f = *state;
	int64_t limit = clock_mono_ms() + 2000;
	size_t left;

	if (f->pid)
		assert_int_equal(rf_runner_end(f, SIGTERM), 0);
	/* A shim told to go needs a moment for it. */
	while ((left = rf_leftovers(f)) && clock_mono_ms() < limit)
		run_for(f->store.bus.loop, 20);
	rf_kill_leftovers(f);
	if (getenv("RF_KEEP"))
		printf("kept %s\n", f->dir);
	rf_check_log(f);
	runner_info_deinit(&f->info);
	if (f->cleanup)
		f->cleanup(f);
	store_fixture_close(&f->store);
	nats_fixture_deinit(&f->store.bus.broker);
	if (!getenv("RF_KEEP"))
		nftw(f->dir, rf_remove, 16, FTW_DEPTH | FTW_PHYS);
	free(f);
	while (waitpid(-1, NULL, WNOHANG) > 0)
		;
	assert_int_equal(left, 0);
	return 0;
}

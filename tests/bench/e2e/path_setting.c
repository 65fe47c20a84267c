/* PUT of a setting -> bytes in settings.json. */
#include "tests/bench/e2e/paths.h"
#include "tests/bench/e2e/samples.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/io/watch.h"

static const char session_id[] = "ses_bench_setting";

/* Waits until the file holds a text. */
struct seen {
	char path[200];
	char wanted[32];
	bool arrived;
	int64_t at_us;
};

static void on_change(void *data, unsigned events, const char *name)
{
	struct seen *s = data;
	char text[8192];
	int fd = open(s->path, O_RDONLY | O_CLOEXEC);
	ssize_t n;

	(void)events, (void)name;
	if (fd < 0)
		return;
	n = read(fd, text, sizeof(text));
	close(fd);
	if (n > 0 && s->wanted[0] && !s->arrived &&
	    memmem(text, (size_t)n, s->wanted, strlen(s->wanted))) {
		s->at_us = clock_mono_us();
		s->arrived = true;
	}
}

static struct watcher *watch_dir(struct rig *r, struct seen *s, const char *dir)
{
	struct watcher *wr = NULL;
	struct watch *w = NULL;
	struct err e = ERR_NULL;

	if (watcher_new(r->loop, &wr, &e) ||
	    watch_new(wr, dir, WATCH_WRITTEN | WATCH_MOVED_IN | WATCH_MODIFIED, on_change,
		s, &w, &e))
		rig_die("%s", e.text);
	return wr;
}

static void measure_floor(struct rig *r, size_t n, struct samples *out)
{
	struct seen s = {0};
	struct watcher *w = watch_dir(r, &s, r->dir);

	snprintf(s.path, sizeof(s.path), "%s/floor.json", r->dir);
	for (size_t i = 0; i < n; i++) {
		int64_t t0 = clock_mono_us();
		int fd = open(s.path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

		snprintf(s.wanted, sizeof(s.wanted), "mark-%zu-", i);
		s.arrived = false;
		if (fd < 0 || write(fd, s.wanted, strlen(s.wanted)) < 0 || fdatasync(fd))
			rig_die("%s: %m", s.path);
		close(fd);
		rig_await(r, &s.arrived, "the floor's write");
		samples_add(out, s.at_us - t0);
	}
	watcher_free(w);
}

static void start_sidecar(
    struct rig *r, char *dir, size_t n_dir, char *path, size_t n_path)
{
	char listen[32], state[200], url[64], url_env[96], id_env[64];

	snprintf(dir, n_dir, "%s/zed", r->dir);
	mkdir(dir, 0700);
	snprintf(path, n_path, "%s/settings.json", dir);
	snprintf(state, sizeof(state), "%s/sync", r->dir);
	snprintf(listen, sizeof(listen), "127.0.0.1:%u", r->sidecar_port);
	snprintf(url, sizeof(url), "http://127.0.0.1:%u", r->sessiond_port);
	snprintf(url_env, sizeof(url_env), "HELIX_API_URL=%s", url);
	snprintf(id_env, sizeof(id_env), "HELIX_SESSION_ID=%s", session_id);
	rig_spawn(r,
	    (const char *[]){"settings-sync-daemon", "--listen", listen, "--settings",
		path, "--state-dir", state, NULL},
	    (const char *[]){url_env, id_env, NULL});
	rig_await_http(r, r->sidecar_port, "/health");
	/* The push connection must stand before it is measured: the status says so. */
	rig_await_http(r, r->sidecar_port, "/readyz");
}

void bench_setting(struct rig *r, size_t n)
{
	static struct samples written, floor;
	struct seen s = {0};
	char dir[128], answer[512], body[128], api[128];
	struct watcher *w;

	written.n = floor.n = 0;
	measure_floor(r, n, &floor);
	snprintf(body, sizeof(body), "{\"id\":\"%s\"}", session_id);
	rig_call(r, "POST", "/api/v1/sessions", body, answer, sizeof(answer));
	start_sidecar(r, dir, sizeof(dir), s.path, sizeof(s.path));
	w = watch_dir(r, &s, dir);
	snprintf(api, sizeof(api), "/api/v1/sessions/%s/zed-config", session_id);
	for (size_t i = 0; i < n; i++) {
		int64_t t0;
		int status;

		snprintf(s.wanted, sizeof(s.wanted), "mark-%zu-", i);
		snprintf(
		    body, sizeof(body), "{\"settings\":{\"theme\":\"%s\"}}", s.wanted);
		s.arrived = false;
		t0 = clock_mono_us();
		status = rig_call(r, "PUT", api, body, answer, sizeof(answer));
		if (status != 200)
			rig_die("zed-config: HTTP %d %s", status, answer);
		rig_await(r, &s.arrived, "the setting on disk");
		samples_add(&written, s.at_us - t0);
	}
	watcher_free(w);
	samples_print_row("setting changed -> on disk", &written,
	    "bare write + fdatasync, seen", &floor);
}

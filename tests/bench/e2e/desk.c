/* The base is of the size a session's is: context servers, models, a few dozen keys. */
#include "tests/bench/e2e/desk.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/io/watch.h"

enum {
	DESK_KEYS = 48,
	DESK_SERVERS = 6,
};

/* file */

static void on_change(void *data, unsigned events, const char *name)
{
	struct desk *d = data;
	char text[32 * 1024];
	ssize_t n;
	int fd;

	(void)events;
	if (!d->wanted[0] || d->arrived || strcmp(name, "settings.json") != 0)
		return;
	fd = open(d->settings, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return;
	n = read(fd, text, sizeof(text));
	close(fd);
	if (n <= 0 || !memmem(text, (size_t)n, d->wanted, strlen(d->wanted)))
		return;
	d->arrived_us = clock_mono_us();
	d->arrived = true;
}

static void watch_file(struct desk *d)
{
	struct watch *w = NULL;
	struct err e = ERR_NULL;

	if (watcher_new(d->r->loop, &d->watcher, &e) ||
	    watch_new(d->watcher, d->folder,
		WATCH_WRITTEN | WATCH_MOVED_IN | WATCH_MODIFIED, on_change, d, &w, &e))
		rig_die("%s", e.text);
}

/* log */

static void on_log(uv_poll_t *h, int status, int events)
{
	struct desk *d = h->data;
	char text[16 * 1024];
	ssize_t n = read(d->log_fd, text, sizeof(text));

	(void)status, (void)events;
	if (n <= 0 && errno != EAGAIN)
		uv_poll_stop(h);
	if (n <= 0 || d->uploaded || !memmem(text, (size_t)n, "overrides_uploaded", 18))
		return;
	d->uploaded_us = clock_mono_us();
	d->uploaded = true;
}

static void on_log_closed(uv_handle_t *h)
{
	((struct desk *)h->data)->log_closed = true;
}

/* server */

void desk_put(struct desk *d, const char *mark)
{
	char path[128], answer[512], body[16 * 1024];
	int status, n;

	n = snprintf(body, sizeof(body), "{\"settings\":{\"theme\":\"%s\"", mark);
	for (unsigned i = 0; i < DESK_KEYS; i++)
		n += snprintf(body + n, sizeof(body) - (size_t)n,
		    ",\"bench_key_%u\":{\"on\":true,\"level\":%u}", i, i);
	n += snprintf(body + n, sizeof(body) - (size_t)n, ",\"context_servers\":{");
	for (unsigned i = 0; i < DESK_SERVERS; i++)
		n += snprintf(body + n, sizeof(body) - (size_t)n,
		    "%s\"helix-%u\":{\"url\":\"http://127.0.0.1:1/mcp/%u\",\"headers\":{"
		    "\"Authorization\":\"Bearer 0123456789abcdef0123456789\"}}",
		    i ? "," : "", i, i);
	snprintf(body + n, sizeof(body) - (size_t)n, "}}}");
	snprintf(path, sizeof(path), "/api/v1/sessions/%s/zed-config", d->session_id);
	status = rig_call(d->r, "PUT", path, body, answer, sizeof(answer));
	if (status != 200)
		rig_die("zed-config: HTTP %d %s", status, answer);
}

/* life */

void desk_init(struct desk *d, struct rig *r, unsigned no)
{
	char body[64], answer[512];

	*d = (struct desk){.r = r, .port = rig_free_port()};
	snprintf(d->session_id, sizeof(d->session_id), "ses_bench_desk_%u", no);
	snprintf(d->folder, sizeof(d->folder), "%s/zed.%u", r->dir, no);
	snprintf(d->settings, sizeof(d->settings), "%s/settings.json", d->folder);
	snprintf(d->state, sizeof(d->state), "%s/sync.%u", r->dir, no);
	mkdir(d->folder, 0700);
	snprintf(body, sizeof(body), "{\"id\":\"%s\"}", d->session_id);
	rig_call(r, "POST", "/api/v1/sessions", body, answer, sizeof(answer));
	desk_put(d, "mark-start");
}

void desk_command(const struct desk *d, struct desk_command *c)
{
	snprintf(c->listen, sizeof(c->listen), "127.0.0.1:%u", d->port);
	snprintf(
	    c->url, sizeof(c->url), "HELIX_API_URL=http://127.0.0.1:%u", d->r->sessiond_port);
	snprintf(c->id, sizeof(c->id), "HELIX_SESSION_ID=%s", d->session_id);
	memcpy(c->argv,
	    (const char *[]){"settings-sync-daemon", "--listen", c->listen, "--settings",
		d->settings, "--state-dir", d->state, NULL},
	    sizeof(c->argv));
	memcpy(
	    c->env, (const char *[]){c->url, c->id, "LC_ALL=C", NULL}, sizeof(c->env));
}

void desk_start(struct desk *d)
{
	struct desk_command c;
	int log[2];

	if (pipe2(log, O_CLOEXEC) || fcntl(log[0], F_SETFL, O_NONBLOCK) < 0)
		rig_die("pipe: %m");
	d->log_fd = log[0];
	must(uv_poll_init(loop_uv(d->r->loop), &d->log, d->log_fd) == 0);
	d->log.data = d;
	uv_poll_start(&d->log, UV_READABLE, on_log);
	desk_command(d, &c);
	d->pid = rig_spawn(d->r, c.argv, c.env, log[1]);
	close(log[1]);
	rig_await_http(d->r, d->port, "/readyz");
	watch_file(d);
}

void desk_stop_listening(struct desk *d)
{
	watcher_free(d->watcher);
	uv_close((uv_handle_t *)&d->log, on_log_closed);
	rig_await(d->r, &d->log_closed, "a handle's end");
	close(d->log_fd);
}

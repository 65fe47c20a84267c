/* happy path: read, watch, event, 100 ms, read again
 * failure modes: no file (looked for every 2 s, as Zed does), the inode goes away (the
 * watch is dead for good), the text is rejected (what was in force stays; at start:
 * defaults) */
#include "tests/sim/sim_settings.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/sim/sim_events.h"
#include "tests/sim/sim_jsonc.h"
#include "tests/sim/sim_shape.h"

enum {
	SIM_SETTINGS_MAX_BYTES = 16 << 20,
	SIM_SETTINGS_DELAY_MS = 100,
	SIM_SETTINGS_MISSING_MS = 2000,
};

/* What Zed's notify crate asks for on a file, and what makes it drop the watch. */
#define SIM_SETTINGS_MASK                                                                \
	(IN_CREATE | IN_DELETE | IN_MODIFY | IN_MOVE | IN_MOVE_SELF | IN_DELETE_SELF |   \
	    IN_ATTRIB)
#define SIM_SETTINGS_DEATH (IN_DELETE_SELF | IN_IGNORED | IN_UNMOUNT)

enum sim_watch { SIM_WATCH_MISSING, SIM_WATCH_ALIVE, SIM_WATCH_DEAD };

struct sim_settings {
	struct loop *loop;
	struct sim_stats *stats;
	struct loop_timer
	    *timer; /* the delay before a read, or the look for a missing file */
	uv_poll_t poll;
	int inotify_fd;
	enum sim_watch watch;
	bool polling, started;
	char path[PATH_MAX];
	struct buf text; /* as last read */
	struct jsn *value;
	char last_error[256];
};

static const char *const sim_watch_names[] = {"missing", "alive", "dead"};

/* ---- reading */

static int sim_settings_read(const char *path, struct buf *out)
{
	char chunk[16384];
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n;

	if (fd < 0)
		return -errno;
	while ((n = read(fd, chunk, sizeof chunk)) > 0)
		buf_add(out, chunk, (size_t)n);
	n = n < 0 ? -errno : 0;
	close(fd);
	return n ? (int)n : buf_check(out);
}

static void sim_settings_reject(struct sim_settings *s, const struct err *e)
{
	s->stats->settings_errors++;
	snprintf(s->last_error, sizeof s->last_error, "%s", e->text);
	log_event(EV_sim_settings_rejected, LF("path", s->path), LF("detail", e->text));
}

/* Take @text if Zed would. */
static int sim_settings_parse(struct slice text, struct jsn **out, bool *empty,
    struct sim_shape *shape, struct err *e)
{
	int r = sim_jsonc_parse(text, out, empty, e);

	if (r == 0)
		r = sim_shape_check(*out, shape, e);
	if (r != 0) {
		jsn_free(*out);
		*out = NULL;
	}
	return r;
}

static void sim_settings_take(struct sim_settings *s, struct slice text)
{
	struct jsn *value = NULL;
	struct sim_shape shape;
	struct err e = ERR_NULL;
	bool empty = false;

	if (sim_settings_parse(text, &value, &empty, &shape, &e) != 0) {
		sim_settings_reject(s, &e);
		return;
	}
	jsn_free(s->value);
	s->value = value;
	s->stats->settings_reloads++;
	s->stats->settings_empty_reads += empty;
	s->stats->settings_stubs += shape.n_stubs;
	s->stats->settings_dropped += shape.n_dropped;
	s->last_error[0] = '\0';
	log_event(EV_sim_settings_loaded, LF("path", s->path), LF_I("bytes", text.n));
}

/* Blocking, on the loop: a local file, as in Zed. */
static void sim_settings_load(struct sim_settings *s)
{
	struct buf text = BUF_NULL(SIM_SETTINGS_MAX_BYTES);
	struct err e = ERR_NULL;
	int r = sim_settings_read(s->path, &text);

	if (r != 0) {
		if (r != -ENOENT) {
			err_set(&e, r, "%s", strerror(-r));
			sim_settings_reject(s, &e);
		}
		buf_deinit(&text);
		return;
	}
	if (s->started && slice_eq(buf_slice(&text), buf_slice(&s->text))) {
		s->stats->settings_unchanged++;
		buf_deinit(&text);
		return;
	}
	buf_deinit(&s->text);
	s->text = text;
	s->started = true;
	sim_settings_take(s, buf_slice(&s->text));
}

/* ---- watching */

static void sim_settings_die(struct sim_settings *s)
{
	if (s->watch == SIM_WATCH_DEAD)
		return;
	s->watch = SIM_WATCH_DEAD;
	log_event(EV_sim_settings_deaf, LF("path", s->path));
}

static void sim_settings_on_inotify(uv_poll_t *poll, int status, int events)
{
	struct sim_settings *s = poll->data;
	_Alignas(struct inotify_event) char chunk[4096];
	ssize_t n;

	(void)status;
	(void)events;
	while ((n = read(s->inotify_fd, chunk, sizeof chunk)) > 0) {
		for (char *p = chunk; p < chunk + n;) {
			const struct inotify_event *ev = (const void *)p;

			if (ev->mask & SIM_SETTINGS_DEATH)
				sim_settings_die(s);
			p += sizeof *ev + ev->len;
		}
		/* The first sign starts the delay, later ones do not prolong it. */
		if (!loop_timer_armed(s->timer))
			loop_timer_start(s->timer, SIM_SETTINGS_DELAY_MS, 0);
	}
}

/* On the file itself, by its real name. False while there is none. */
static bool sim_settings_watch(struct sim_settings *s)
{
	char real[PATH_MAX];

	if (!realpath(s->path, real) ||
	    inotify_add_watch(s->inotify_fd, real, SIM_SETTINGS_MASK) < 0)
		return false;
	s->watch = SIM_WATCH_ALIVE;
	return true;
}

static void sim_settings_on_timer(struct loop_timer *t, void *data)
{
	struct sim_settings *s = data;

	if (s->watch == SIM_WATCH_MISSING && !sim_settings_watch(s)) {
		loop_timer_start(t, SIM_SETTINGS_MISSING_MS, 0);
		return;
	}
	sim_settings_load(s);
}

/* ---- saving */

static int sim_settings_write(int fd, struct slice text)
{
	while (text.n > 0) {
		ssize_t n = write(fd, text.p, text.n);

		if (n < 0 && errno != EINTR)
			return -errno;
		if (n > 0) {
			text.p += n;
			text.n -= (size_t)n;
		}
	}
	return 0;
}

/* A temporary file in the same folder, renamed over the real name: Zed's atomic_write. */
static int sim_settings_replace(const char *path, struct slice text)
{
	char real[PATH_MAX], temp[PATH_MAX + 16];
	int fd, r;

	if (!realpath(path, real))
		snprintf(real, sizeof real, "%s", path);
	snprintf(
	    temp, sizeof temp, "%.*s/.tmpXXXXXX", (int)(strrchr(real, '/') - real), real);
	fd = mkostemp(temp, O_CLOEXEC);
	if (fd < 0)
		return -errno;
	r = sim_settings_write(fd, text);
	if (close(fd) < 0 && r == 0)
		r = -errno;
	if (r == 0 && rename(temp, real) < 0)
		r = -errno;
	if (r != 0)
		unlink(temp);
	return r;
}

int sim_settings_save(struct sim_settings *s, struct slice text, struct err *e)
{
	struct sim_shape shape;
	struct jsn *value = NULL;
	bool empty;
	int r;

	if (!s->path[0])
		return err_set(
		    e, ERROR_INVALID, "no configuration folder: HOME is not set");
	r = sim_settings_parse(text, &value, &empty, &shape, e);
	if (r != 0)
		return r;
	jsn_free(value);
	r = sim_settings_replace(s->path, text);
	if (r != 0)
		return err_set(e, r, "%s: %s", s->path, strerror(-r));
	s->stats->settings_saves++;
	/* Zed has its own change in memory at once, whatever becomes of its watch. */
	buf_reset(&s->text);
	buf_add_slice(&s->text, text);
	s->started = true;
	sim_settings_take(s, text);
	return 0;
}

/* ---- life */

static void sim_settings_start(struct sim_settings *s)
{
	s->inotify_fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
	must(s->inotify_fd >= 0);
	must(uv_poll_init(loop_uv(s->loop), &s->poll, s->inotify_fd) == 0);
	s->poll.data = s;
	s->polling = true;
	must(uv_poll_start(&s->poll, UV_READABLE, sim_settings_on_inotify) == 0);
	if (!sim_settings_watch(s))
		loop_timer_start(s->timer, SIM_SETTINGS_MISSING_MS, 0);
	sim_settings_load(s);
}

/* Zed makes its configuration folder at start; one that cannot be made is a missing file.
 */
static void sim_settings_make_dir(const char *dir)
{
	char path[PATH_MAX];

	snprintf(path, sizeof path, "%s", dir);
	for (char *p = path + 1; *p; p++) {
		if (*p != '/')
			continue;
		*p = '\0';
		(void)mkdir(path, 0700);
		*p = '/';
	}
	(void)mkdir(path, 0700);
}

struct sim_settings *sim_settings_new(
    struct loop *l, const char *dir, struct sim_stats *stats)
{
	struct sim_settings *s = calloc(1, sizeof *s);

	must(s);
	s->loop = l;
	s->stats = stats;
	s->inotify_fd = -1;
	s->text = BUF_NULL(SIM_SETTINGS_MAX_BYTES);
	s->value = jsn_new_object();
	s->timer = loop_timer_new(l, sim_settings_on_timer, s);
	if (dir[0] && strlen(dir) < sizeof s->path - sizeof "/settings.json") {
		sim_settings_make_dir(dir);
		snprintf(s->path, sizeof s->path, "%s/settings.json", dir);
		sim_settings_start(s);
	}
	return s;
}

static void sim_settings_on_closed(uv_handle_t *h)
{
	struct sim_settings *s = h->data;

	close(s->inotify_fd);
	free(s);
}

struct sim_settings *sim_settings_free(struct sim_settings *s)
{
	if (!s)
		return NULL;
	loop_timer_free(s->timer);
	jsn_free(s->value);
	buf_deinit(&s->text);
	if (s->polling)
		uv_close((uv_handle_t *)&s->poll, sim_settings_on_closed);
	else
		free(s);
	return NULL;
}

const struct jsn *sim_settings_value(const struct sim_settings *s)
{
	return s->value;
}

struct jsn *sim_settings_describe(const struct sim_settings *s)
{
	struct jsn *o = jsn_new_object();

	jsn_set_string(o, "path", s->path[0] ? s->path : NULL);
	jsn_set_string(o, "watch", sim_watch_names[s->watch]);
	jsn_set_string(o, "last_error", s->last_error[0] ? s->last_error : NULL);
	jsn_set(o, "value", jsn_copy(s->value));
	return o;
}

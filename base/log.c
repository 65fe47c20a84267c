/* One record, one line, one write(2): records of several threads and of children that
 * share stderr do not mix. */
#include "base/log.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdatomic.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"

enum {
	LOG_RECORD_MAX_BYTES = 64 << 10,
	LOG_VALUE_MAX_BYTES = 4 << 10,
	LOG_STALL_MS = 100, /* how long a full non-blocking stderr may hold us up */
};

static const char *const log_level_names[LOG_LEVEL_N_] = {
    "error", "warn", "info", "debug"};

/* Atomic because threads of libraries log as well; log_init() is the loop thread's. */
static struct {
	const char *_Atomic program;
	_Atomic enum log_level level;
	atomic_bool json;
	_Atomic uint64_t n_lost; /* records stderr did not take; told in the next one */
	atomic_bool torn;        /* the last one was taken in part: begin a new line */
} log_sink = {.program = "", .level = LOG_INFO, .json = true};

void log_init(const char *program, enum log_level level, bool json)
{
	log_sink.program = program;
	log_sink.level = level;
	log_sink.json = json;
}

bool log_enabled(enum log_level level)
{
	return level <= log_sink.level;
}

bool log_level_parse(const char *s, enum log_level *out)
{
	for (int i = 0; i < LOG_LEVEL_N_; i++) {
		if (strcmp(s, log_level_names[i]) == 0) {
			*out = (enum log_level)i;
			return true;
		}
	}
	return false;
}

static void log_add_string(struct buf *b, const char *s)
{
	size_t n = strnlen(s, LOG_VALUE_MAX_BYTES + 1);

	if (n <= LOG_VALUE_MAX_BYTES) {
		buf_add_json_string(b, s, n);
		return;
	}
	n = LOG_VALUE_MAX_BYTES;
	while (n > 0 && ((unsigned char)s[n] & 0xC0) == 0x80)
		n--; /* not in the middle of a character */
	buf_add_json_string(b, s, n);
	b->n--; /* over the closing quote */
	buf_adds(b, "...\"");
}

/* In text form a plain word stands without quotes; anything else is quoted as in JSON, so
 * it stays one line. */
static bool log_is_word(const char *s)
{
	size_t n = 0;

	for (; s[n]; n++)
		if (n == LOG_VALUE_MAX_BYTES || s[n] <= ' ' || s[n] == 0x7F ||
		    strchr("=\"\\", s[n]))
			return false;
	return n > 0;
}

static void log_add_value(struct buf *b, const struct log_field *f, bool json)
{
	if (f->is_num)
		buf_addf(b, "%" PRId64, f->num);
	else if (!f->str)
		buf_adds(b, json ? "null" : "-");
	else if (!json && log_is_word(f->str))
		buf_adds(b, f->str);
	else
		log_add_string(b, f->str);
}

static void log_render_json(struct buf *b, const struct log_event *ev,
    const struct log_field *fields, const char *ts, uint64_t n_lost)
{
	buf_addf(b, "{\"ts\":\"%s\",\"level\":\"%s\",\"program\":\"%s\",\"event\":\"%s\"",
	    ts, log_level_names[ev->level], log_sink.program, ev->name);
	for (const struct log_field *f = fields; f->key; f++) {
		buf_addf(b, ",\"%s\":", f->key);
		log_add_value(b, f, true);
	}
	if (n_lost)
		buf_addf(b, ",\"records_lost\":%" PRIu64, n_lost);
	buf_adds(b, "}\n");
}

static void log_render_text(struct buf *b, const struct log_event *ev,
    const struct log_field *fields, const char *ts, uint64_t n_lost)
{
	buf_addf(b, "%s %-5s %s %s", ts, log_level_names[ev->level], log_sink.program,
	    ev->name);
	for (const struct log_field *f = fields; f->key; f++) {
		buf_addf(b, " %s=", f->key);
		log_add_value(b, f, false);
	}
	if (n_lost)
		buf_addf(b, " records_lost=%" PRIu64, n_lost);
	buf_addc(b, '\n');
}

/* False if stderr did not take all of it. @patient: a full one is given LOG_STALL_MS,
 * once. */
static bool log_write(const char *p, size_t n, bool patient)
{
	size_t i = 0;

	while (i < n) {
		ssize_t done = write(STDERR_FILENO, p + i, n - i);

		if (done > 0) {
			i += (size_t)done;
		} else if (done < 0 && errno == EAGAIN && patient) {
			struct pollfd fd = {.fd = STDERR_FILENO, .events = POLLOUT};

			patient = false;
			poll(&fd, 1, LOG_STALL_MS);
		} else if (!(done < 0 && errno == EINTR)) {
			break;
		}
	}
	if (i > 0)
		log_sink.torn = i < n;
	return i == n;
}

void log_emit(const struct log_event *ev, const struct log_field *fields)
{
	AUTO(buf_deinit) struct buf b = BUF_NULL(LOG_RECORD_MAX_BYTES);
	char ts[CLOCK_RFC3339_LEN + 1];
	uint64_t n_lost = log_sink.n_lost;
	int saved_errno = errno;

	if (!log_enabled(ev->level))
		return;
	clock_rfc3339(clock_unix_ms(), ts);
	if (log_sink.torn)
		buf_addc(&b, '\n');
	if (log_sink.json)
		log_render_json(&b, ev, fields, ts, n_lost);
	else
		log_render_text(&b, ev, fields, ts, n_lost);
	/* While stderr is stuck nothing waits for it: the loop has other work. */
	if (buf_check(&b) == 0 && log_write(b.data, b.n, n_lost == 0))
		atomic_fetch_sub(&log_sink.n_lost, n_lost);
	else
		atomic_fetch_add(&log_sink.n_lost, 1);
	errno = saved_errno;
}

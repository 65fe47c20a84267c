/* A file is "WORD ORDER LENGTH SUM", padded, then the record, then what was left of longer
 * ones. The sum is the record's own: of a write that was cut off, line and record do not
 * go together, and it counts as free. */
#include "sessiond/sidecar/slots.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "sessiond/sidecar/file_io.h"

enum {
	SLOT_LINE_BYTES = 128, /* well within what a disk writes at once */
	SLOT_STEP_BYTES = 16 * 1024,
	SLOT_NAME_MAX = 16,
};

static const char *const slot_words[] = {"free", "last", "next"};

static void slot_name(size_t i, const char *suffix, char out[static SLOT_NAME_MAX])
{
	snprintf(out, SLOT_NAME_MAX, "record.%zu%s", i, suffix);
}

static int slots_fail(const struct slots *s, size_t i, struct err *e)
{
	int error = errno;

	return err_set(e, -error, "%s/record.%zu: %s", s->path, i, strerror(error));
}

/* the line in front */

static void slot_print_line(const struct slot *t, char out[static SLOT_LINE_BYTES])
{
	int n;

	memset(out, ' ', SLOT_LINE_BYTES);
	n = snprintf(out, SLOT_LINE_BYTES, "%s %llu %zu %s", slot_words[t->word],
	    (unsigned long long)t->order, t->n, t->sum);
	out[n] = ' ';
	out[SLOT_LINE_BYTES - 1] = '\n';
}

static void slot_parse_line(struct slot *t, char line[static SLOT_LINE_BYTES])
{
	char word[8];
	unsigned long long order;

	line[SLOT_LINE_BYTES - 1] = '\0';
	t->word = SLOT_BAD;
	if (sscanf(line, "%7s %llu %zu %64s", word, &order, &t->n, t->sum) != 4 ||
	    t->n > RECORD_BYTES_MAX)
		return;
	t->order = order;
	for (enum slot_word w = SLOT_FREE; w < SLOT_BAD; w++) {
		if (strcmp(word, slot_words[w]) == 0)
			t->word = w;
	}
}

/* opening and looking */

static int slot_open(struct slots *s, size_t i, bool *made, struct err *e)
{
	char name[SLOT_NAME_MAX];

	slot_name(i, "", name);
	s->s[i].fd = openat(s->dir_fd, name, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
	if (s->s[i].fd < 0 && errno == ENOENT) {
		s->s[i].fd = openat(s->dir_fd, name,
		    O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
		*made = true;
	}
	return s->s[i].fd < 0 ? slots_fail(s, i, e) : 0;
}

/* Kept under another name; an empty one takes its place. */
static int slot_put_aside(struct slots *s, size_t i, struct err *e)
{
	char name[SLOT_NAME_MAX], aside[SLOT_NAME_MAX];
	bool made = false;
	int r;

	slot_name(i, "", name);
	slot_name(i, ".bad", aside);
	if (renameat(s->dir_fd, name, s->dir_fd, aside) < 0)
		return slots_fail(s, i, e);
	close(s->s[i].fd);
	s->s[i] = (struct slot){.fd = -1};
	r = slot_open(s, i, &made, e);
	return !r && fsync(s->dir_fd) < 0 ? slots_fail(s, i, e) : r;
}

static int slot_look(struct slots *s, size_t i, struct err *e)
{
	struct slot *t = &s->s[i];
	char line[SLOT_LINE_BYTES];
	struct stat st;
	ssize_t n;

	t->word = SLOT_FREE;
	t->order = 0;
	memset(line, 0, sizeof(line));
	n = pread(t->fd, line, sizeof(line), 0);
	if (n < 0 || fstat(t->fd, &st) < 0)
		return slots_fail(s, i, e);
	t->n_room = (size_t)st.st_size;
	if (line[0] == '\0') /* made, or grown, and then the power went */
		return 0;
	slot_parse_line(t, line);
	if (t->word == SLOT_BAD)
		return slot_put_aside(s, i, e);
	if (t->order > s->order)
		s->order = t->order;
	return 0;
}

static int slots_look(struct slots *s, struct err *e)
{
	int r = 0;

	for (size_t i = 0; !r && i < SLOTS_N; i++)
		r = slot_look(s, i, e);
	return r;
}

int slots_open(struct slots *s, int dir_fd, const char *path, struct err *e)
{
	bool made = false;
	int r = 0;

	*s = (struct slots){.dir_fd = dir_fd, .path = path};
	for (size_t i = 0; i < SLOTS_N; i++)
		s->s[i].fd = -1;
	for (size_t i = 0; !r && i < SLOTS_N; i++)
		r = slot_open(s, i, &made, e);
	if (!r && made && fsync(dir_fd) < 0)
		r = slots_fail(s, 0, e);
	return r ? r : slots_look(s, e);
}

void slots_close(struct slots *s)
{
	for (size_t i = 0; i < SLOTS_N; i++) {
		if (s->s[i].fd >= 0)
			close(s->s[i].fd);
		s->s[i].fd = -1;
	}
}

static struct slot *slots_newest(struct slots *s, enum slot_word word)
{
	struct slot *newest = NULL;

	for (size_t i = 0; i < SLOTS_N; i++) {
		struct slot *t = &s->s[i];

		if (t->word == word && (!newest || t->order > newest->order))
			newest = t;
	}
	return newest;
}

/* reading */

/* The record's bytes, if line and record go together. */
static int slot_read(const struct slot *t, struct buf *out)
{
	struct slice sum = {t->sum, SLOTS_SUM_LEN};
	int r;

	if (lseek(t->fd, SLOT_LINE_BYTES, SEEK_SET) < 0)
		return -errno;
	r = file_read_fd(t->fd, t->n, out);
	if (r)
		return r;
	if (out->n < SLOTS_SUM_LEN + 1 ||
	    !slice_eq((struct slice){out->data + out->n - SLOTS_SUM_LEN - 1, SLOTS_SUM_LEN},
		sum))
		return ERROR_INVALID;
	return 0;
}

/* ERROR_INVALID: cut off, or not ours; moved aside. */
static int slot_load(struct slots *s, size_t i, struct record *out, struct err *e)
{
	AUTO(buf_deinit) struct buf bytes = BUF_NULL(RECORD_BYTES_MAX);
	struct err why = ERR_NULL;
	int r = slot_read(&s->s[i], &bytes);

	if (r && r != ERROR_INVALID)
		return err_set(e, r, "%s/record.%zu: %s", s->path, i, strerror(-r));
	if (!r)
		r = record_decode(buf_slice(&bytes), out, &why);
	if (!r)
		return 0;
	r = slot_put_aside(s, i, e);
	return r ? r
		 : err_set(e, ERROR_INVALID, "%s/record.%zu: cut off or changed %s", s->path,
		       i, why.text);
}

int slots_load(struct slots *s, enum slot_word word, struct record *out, struct err *e)
{
	bool bad = false;
	int r = slots_look(s, e); /* not what was known: what is there */

	while (!r) {
		const struct slot *t = slots_newest(s, word);

		if (!t && !bad)
			err_set(e, -ENOENT, "%s: no record of that kind", s->path);
		if (!t)
			return bad ? ERROR_INVALID : -ENOENT;
		r = slot_load(s, (size_t)(t - s->s), out, e);
		if (r == 0)
			return 0;
		/* The one before it is what counts, then. */
		bad = bad || r == ERROR_INVALID;
		r = r == ERROR_INVALID ? 0 : r;
	}
	return r;
}

/* writing */

/* Neither the newest LAST nor the newest NEXT. */
static struct slot *slots_spare(struct slots *s)
{
	const struct slot *last = slots_newest(s, SLOT_LAST),
			  *next = slots_newest(s, SLOT_NEXT);
	struct slot *t = s->s;

	while (t == last || t == next)
		t++;
	return t;
}

/* What shall be in the file: line, record, and room for a somewhat longer one, so that
 * the next write changes nothing but bytes. */
static void slot_compose(struct slot *t, const struct record *r, struct buf *out)
{
	char line[SLOT_LINE_BYTES] = "";
	size_t n_room = t->n_room;

	buf_add(out, line, sizeof(line));
	record_encode(r, out);
	if (buf_check(out))
		return;
	t->n = out->n - sizeof(line);
	snprintf(t->sum, sizeof(t->sum), "%.*s", SLOTS_SUM_LEN,
	    out->data + out->n - SLOTS_SUM_LEN - 1);
	slot_print_line(t, line);
	memcpy(out->data, line, sizeof(line));
	while (n_room < out->n)
		n_room += SLOT_STEP_BYTES;
	while (n_room > t->n_room && out->n < n_room)
		buf_addc(out, '\n');
}

int slots_save(
    struct slots *s, enum slot_word word, const struct record *r, struct err *e)
{
	AUTO(buf_deinit) struct buf bytes = BUF_NULL(2 * (size_t)RECORD_BYTES_MAX);
	struct slot *t = slots_spare(s);
	size_t i = (size_t)(t - s->s);
	int rc;

	t->word = word;
	t->order = ++s->order;
	slot_compose(t, r, &bytes);
	rc = buf_check(&bytes);
	if (!rc)
		rc = file_write_at(t->fd, buf_slice(&bytes), 0);
	if (!rc && fdatasync(t->fd) < 0)
		rc = -errno;
	if (rc) {
		t->word = SLOT_FREE;
		return err_set(e, rc, "%s/record.%zu: %s", s->path, i, strerror(-rc));
	}
	if (bytes.n > t->n_room)
		t->n_room = bytes.n;
	return 0;
}

int slots_turn(struct slots *s, enum slot_word word, enum slot_word to, struct err *e)
{
	struct slot *t = slots_newest(s, word);
	char line[SLOT_LINE_BYTES];

	if (!t)
		return 0;
	t->word = to;
	t->order = ++s->order;
	slot_print_line(t, line);
	if (file_write_at(t->fd, (struct slice){line, sizeof(line)}, 0) ||
	    fdatasync(t->fd) < 0)
		return slots_fail(s, (size_t)(t - s->s), e);
	return 0;
}

/* Reading records of the transcript. A record is one message, or several parts that
 * follow each other on the session's subject; headers tell which part, where the first
 * is, and which record came before. A writer that died between parts leaves an incomplete
 * record: readers pass over it.
 *
 * happy path: back: newest part, then (if several) the parts from the first on. forward:
 * part after part
 *
 * failure modes: the store fails: the callback says so; a record that
 * cannot be understood is passed over and logged
 */
#include "base/must.h"
#include "proto/subjects.h"
#include "sessiond/events.h"
#include "sessiond/gateway/history.h"
#include "sessiond/gateway/history_parts.h"
#include "sessiond/wire.h"

#include <errno.h>

enum {
	RECORD_BYTES_MAX = 96 * 1024 * 1024, /* entries' limit, and what packing adds */
};

struct history_reader {
	struct gateway *g;
	struct id session;
	bool forward;
	bool collecting; /* parts of the record whose last part is target */
	uint64_t target; /* back: last part's sequence while collecting */
	uint64_t after;  /* forward: next message is after this one */
	uint64_t prev, tail;
	uint64_t n_parts, next_part;
	struct buf bytes;
	struct seen *seen;
	history_read_cb *cb;
	void *data;
};

static void reader_on_message(void *data, const struct store_result *r);

static uint64_t header_number(const struct store_result *r, const char *name)
{
	uint64_t n = 0;

	for (size_t i = 0; i < r->n_headers; i++) {
		if (strcmp(r->headers[i].name, name) != 0)
			continue;
		for (const char *p = r->headers[i].value; *p >= '0' && *p <= '9'; p++)
			n = n * 10 + (uint64_t)(*p - '0');
	}
	return n;
}

static void reader_end(struct history_reader *rd, const struct history_record *rec)
{
	history_read_cb *cb = rd->cb;
	void *data = rd->data;

	buf_deinit(&rd->bytes);
	free(rd);
	cb(data, rec);
}

static void reader_fail(struct history_reader *rd, int code)
{
	struct history_record rec = {.code = code, .tail = rd->tail};

	reader_end(rd, &rec);
}

static void reader_get(struct history_reader *rd, uint64_t seq)
{
	struct store_read r = {.stream = STREAM_session_transcript, .seq = seq};

	store_read(rd->g->store, &r, reader_on_message, rd);
}

static void reader_get_last(struct history_reader *rd)
{
	struct subject subject = SUBJECT_OF(session_transcript, rd->session.s);
	struct store_read r = {
	    .stream = STREAM_session_transcript, .last_subject = subject.s};

	store_read(rd->g->store, &r, reader_on_message, rd);
}

static void reader_get_next(struct history_reader *rd)
{
	struct subject subject = SUBJECT_OF(session_transcript, rd->session.s);
	struct store_read r = {.stream = STREAM_session_transcript,
	    .seq = rd->after + 1,
	    .next_subject = subject.s};

	store_read(rd->g->store, &r, reader_on_message, rd);
}

/* The bytes are whole. */
static void reader_deliver(struct history_reader *rd, uint64_t seq)
{
	struct err e = ERR_NULL;
	struct history_record rec = {.seq = seq, .prev = rd->prev, .tail = rd->tail};

	rec.t = wire_unpack_finished(buf_slice(&rd->bytes), rd->seen, &e);
	if (rec.t) {
		reader_end(rd, &rec);
		return;
	}
	log_event(
	    EV_record_unreadable, LF("session", rd->session.s), LF("detail", e.text));
	buf_reset(&rd->bytes);
	rd->collecting = false;
	rd->next_part = 0;
	if (rd->forward)
		reader_get_next(rd);
	else if (rd->prev)
		reader_get(rd, rd->prev);
	else
		reader_fail(rd, ERROR_NOT_FOUND);
}

/* ---- back ---- */

static void reader_back_first(struct history_reader *rd, const struct store_result *r)
{
	uint64_t part = header_number(r, HISTORY_PART),
		 parts = header_number(r, HISTORY_PARTS);

	rd->prev = header_number(r, HISTORY_PREV);
	if (!rd->tail)
		rd->tail = r->revision;
	if (parts <= 1) {
		buf_add_slice(&rd->bytes, r->value);
		reader_deliver(rd, r->revision);
	} else if (part == parts) {
		rd->collecting = true;
		rd->target = r->revision;
		rd->after = header_number(r, HISTORY_FIRST) - 1;
		reader_get_next(rd);
	} else if (rd->prev) {
		reader_get(rd, rd->prev);
	} else {
		reader_fail(rd, ERROR_NOT_FOUND);
	}
}

static void reader_back_part(struct history_reader *rd, const struct store_result *r)
{
	buf_add_slice(&rd->bytes, r->value);
	rd->after = r->revision;
	if (buf_check(&rd->bytes) || r->revision > rd->target)
		reader_fail(rd, ERROR_INTERNAL);
	else if (r->revision == rd->target)
		reader_deliver(rd, r->revision);
	else
		reader_get_next(rd);
}

/* ---- forward ---- */

static void reader_forward_part(struct history_reader *rd, const struct store_result *r)
{
	uint64_t part = header_number(r, HISTORY_PART),
		 parts = header_number(r, HISTORY_PARTS);

	rd->after = r->revision;
	if (parts <= 1)
		part = parts = 1;
	if (part == 1) {
		buf_reset(&rd->bytes);
		rd->next_part = 1;
		rd->prev = header_number(r, HISTORY_PREV);
	}
	if (part != rd->next_part) {
		rd->next_part = 0; /* of a record without its beginning */
		reader_get_next(rd);
		return;
	}
	buf_add_slice(&rd->bytes, r->value);
	rd->next_part++;
	if (buf_check(&rd->bytes))
		reader_fail(rd, ERROR_INTERNAL);
	else if (part == parts)
		reader_deliver(rd, r->revision);
	else
		reader_get_next(rd);
}

static void reader_on_message(void *data, const struct store_result *r)
{
	struct history_reader *rd = data;

	if (r->code)
		reader_fail(rd, r->code);
	else if (rd->forward)
		reader_forward_part(rd, r);
	else if (rd->collecting)
		reader_back_part(rd, r);
	else
		reader_back_first(rd, r);
}

static struct history_reader *reader_new(
    struct gateway *g, const char *session, history_read_cb *cb, void *data)
{
	struct history_reader *rd = calloc(1, sizeof(*rd));

	must(rd && id_parse(slice_of(session), &rd->session));
	rd->g = g;
	rd->bytes = BUF_NULL(RECORD_BYTES_MAX);
	rd->cb = cb;
	rd->data = data;
	return rd;
}

void history_read_back(struct gateway *g, const char *session, uint64_t seq,
    struct seen *seen, history_read_cb *cb, void *data)
{
	struct history_reader *rd = reader_new(g, session, cb, data);

	rd->seen = seen;
	if (seq)
		reader_get(rd, seq);
	else
		reader_get_last(rd);
}

void history_read_forward(
    struct gateway *g, const char *session, uint64_t seq, history_read_cb *cb, void *data)
{
	struct history_reader *rd = reader_new(g, session, cb, data);

	rd->forward = true;
	rd->after = seq;
	reader_get_next(rd);
}

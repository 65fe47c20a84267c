/* What is stored, packed and unpacked: the only part of sessiond that sees the generated
 * protobuf code. */
#pragma once

#include "base/buf.h"
#include "base/err.h"
#include "sessiond/core/seen.h"
#include "sessiond/core/session_rec.h"
#include "sessiond/core/turn.h"

/* @writer names the process that writes, see wire_*_writer_is. */
void wire_pack_session(const struct session_rec *r, const char *writer, struct buf *out);
/* @out is overwritten (SESSION_REC_NULL before). Return: 0; ERROR_INVALID (then @out is
 * SESSION_REC_NULL). */
int wire_unpack_session(
    struct slice value, struct session_rec *out, struct err *e) MUST_CHECK;
bool wire_session_writer_is(struct slice value, const char *writer);

/* A turn without its entries. */
void wire_pack_turn(const struct turn *t, const char *writer, struct buf *out);
/* Returns the turn (caller frees), hand and output not set; NULL with @e. */
struct turn *wire_unpack_turn(struct slice value, struct err *e);
bool wire_turn_writer_is(struct slice value, const char *writer);

/* A finished turn with its entries, and what the session has seen so far (NULL: nothing).
 */
void wire_pack_finished(const struct turn *t, const struct seen *seen, struct buf *out);
/* Returns the turn (caller frees); what was seen is added to @seen unless NULL. NULL with
 * @e. */
struct turn *wire_unpack_finished(struct slice value, struct seen *seen, struct err *e);

/* Patches of the live log: as many as @reader has news of and fit @max bytes of text; how
 * many. */
size_t wire_pack_live(
    struct entries *e, enum entries_reader reader, size_t max, struct buf *out);
/* Apply one record. Return: 0; ERROR_INVALID (it does not fit: what came before stays).
 */
int wire_apply_live(struct slice value, struct entries *e, struct err *err) MUST_CHECK;

/* What was answered to an idempotency key or a caller's request id. */
struct request_rec {
	char body_hash[TURN_HASH_LEN + 1];
	char *session_id, *turn_id; /* owned */
	int status;                 /* 0: not answered yet */
	char *body;                 /* owned JSON text, NULL while not answered */
};
void request_rec_deinit(struct request_rec *r);
void wire_pack_request(const struct request_rec *r, struct buf *out);
int wire_unpack_request(
    struct slice value, struct request_rec *out, struct err *e) MUST_CHECK;

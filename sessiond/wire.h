/* What is stored, packed and unpacked: the only part of sessiond that sees the generated
 * protobuf code. */
#pragma once

#include "base/buf.h"
#include "base/err.h"
#include "sessiond/core/session_rec.h"
#include "sessiond/core/turn.h"

/* @writer names the process, see wire_*_writer_is. */
void wire_pack_session(const struct session_rec *r, const char *writer, struct buf *out);
/* @out is overwritten (SESSION_REC_NULL before). Return: 0; ERROR_INVALID (then @out is
 * SESSION_REC_NULL). */
int wire_unpack_session(
    struct slice value, struct session_rec *out, struct err *e) MUST_CHECK;
bool wire_session_writer_is(struct slice value, const char *writer);

/* Records to protobuf and back. Unpacked strings are copied, so that protobuf-c's memory
 * ends here. */
#include "sessiond/wire.h"

#include <inttypes.h>

#include "base/must.h"
#include "proto/session.pb-c.h"
#include "sessiond/wire_internal.h"

void wire_pack(const ProtobufCMessage *m, struct buf *out)
{
	size_t n = protobuf_c_message_get_packed_size(m);
	uint8_t *bytes = malloc(n ? n : 1);

	must(bytes);
	protobuf_c_message_pack(m, bytes);
	buf_add(out, bytes, n);
	free(bytes);
}

/* ---- sessions ---- */

void wire_pack_session(const struct session_rec *r, const char *writer, struct buf *out)
{
	Session__V1__Session m = SESSION__V1__SESSION__INIT;
	Session__V1__AgentToken tokens[SESSION_TOKENS_MAX];
	Session__V1__AgentToken *token_ptrs[SESSION_TOKENS_MAX];

	m.id = wire_string(r->id.s);
	m.name = r->name;
	m.owner = r->owner;
	m.app_id = r->app_id;
	m.agent_id = r->agent_id;
	m.agent_name = r->agent_name;
	m.metadata = r->metadata;
	m.thread_id = r->thread_id;
	m.has_paused = r->paused;
	m.paused = r->paused;
	m.has_created_unix_ms = m.has_updated_unix_ms = true;
	m.created_unix_ms = r->created_unix_ms;
	m.updated_unix_ms = r->updated_unix_ms;
	for (size_t i = 0; i < r->n_tokens; i++) {
		session__v1__agent_token__init(&tokens[i]);
		tokens[i].sha256 = wire_string(r->tokens[i].sha256);
		tokens[i].has_expires_unix_ms = true;
		tokens[i].expires_unix_ms = r->tokens[i].expires_unix_ms;
		token_ptrs[i] = &tokens[i];
	}
	m.n_tokens = r->n_tokens;
	m.tokens = token_ptrs;
	m.writer = wire_string(writer);
	wire_pack(&m.base, out);
}

static void wire_take_tokens(const Session__V1__Session *m, struct session_rec *out)
{
	for (size_t i = 0; i < m->n_tokens && out->n_tokens < SESSION_TOKENS_MAX; i++) {
		struct session_token *t = &out->tokens[out->n_tokens];

		if (!m->tokens[i]->sha256 ||
		    strlen(m->tokens[i]->sha256) != SESSION_HASH_LEN)
			continue;
		memcpy(t->sha256, m->tokens[i]->sha256, SESSION_HASH_LEN + 1);
		t->expires_unix_ms = m->tokens[i]->expires_unix_ms;
		out->n_tokens++;
	}
}

int wire_unpack_session(struct slice value, struct session_rec *out, struct err *e)
{
	Session__V1__Session *m =
	    session__v1__session__unpack(NULL, value.n, (const uint8_t *)value.p);

	*out = SESSION_REC_NULL;
	if (!m)
		return err_set(e, ERROR_INVALID, "session record is not protobuf");
	if (!m->id || !id_parse(slice_of(m->id), &out->id)) {
		session__v1__session__free_unpacked(m, NULL);
		return err_set(e, ERROR_INVALID, "session record has no id");
	}
	str_set(&out->name, m->name);
	str_set(&out->owner, m->owner);
	str_set(&out->app_id, m->app_id);
	str_set(&out->agent_id, m->agent_id);
	str_set(&out->agent_name, m->agent_name);
	str_set(&out->metadata, m->metadata);
	str_set(&out->thread_id, m->thread_id);
	out->paused = m->paused;
	out->created_unix_ms = m->created_unix_ms;
	out->updated_unix_ms = m->updated_unix_ms;
	wire_take_tokens(m, out);
	session__v1__session__free_unpacked(m, NULL);
	return 0;
}

bool wire_session_writer_is(struct slice value, const char *writer)
{
	Session__V1__Session *m =
	    session__v1__session__unpack(NULL, value.n, (const uint8_t *)value.p);
	bool same = m && str_eq(m->writer, writer);

	if (m)
		session__v1__session__free_unpacked(m, NULL);
	return same;
}

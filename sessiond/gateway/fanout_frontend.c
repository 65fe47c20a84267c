/* Helix's frontend events as text: envelope, session, interaction, patches with offsets
 * in UTF-16 units. All three numbers of a patch are always there: an absent one means
 * something else to the web client. */
#include "base/clock.h"
#include "base/jsn.h"
#include "base/must.h"
#include "sessiond/gateway/fanout_internal.h"

static void add_string(struct buf *out, const char *key, const char *value)
{
	buf_addf(out, "\"%s\":", key);
	buf_add_json_string(out, value ? value : "", value ? strlen(value) : 0);
}

static void add_time(struct buf *out, const char *key, int64_t unix_ms)
{
	char text[CLOCK_RFC3339_LEN + 1];

	clock_rfc3339(unix_ms, text);
	buf_addf(out, "\"%s\":\"%s\"", key, unix_ms ? text : "0001-01-01T00:00:00Z");
}

static void begin_envelope(const struct session *s, const char *type,
    const char *interaction_id, struct buf *out)
{
	buf_addf(out, "{\"type\":\"%s\",\"session_id\":\"%s\",", type, s->rec.id.s);
	add_string(out, "interaction_id", interaction_id);
	buf_addc(out, ',');
	add_string(out, "owner", s->rec.owner);
	buf_adds(out, ",\"worker_task_response\":null,\"inference_response\":null,"
		      "\"step_info\":null");
}

/* ---- session_update ---- */

static void add_config(const struct session *s, struct buf *out)
{
	buf_adds(out, "\"config\":{\"agent_type\":\"zed_external\",");
	add_string(out, "zed_thread_id", s->rec.thread_id);
	buf_addc(out, ',');
	add_string(out, "zed_agent_name", s->rec.agent_name);
	buf_addc(out, '}');
}

void frontend_add_session(const struct session *s, struct buf *out)
{
	begin_envelope(s, "session_update", NULL, out);
	buf_adds(out, ",\"session\":{");
	add_string(out, "id", s->rec.id.s);
	buf_addc(out, ',');
	add_string(out, "name", s->rec.name);
	buf_addc(out, ',');
	add_time(out, "created", s->rec.created_unix_ms);
	buf_addc(out, ',');
	add_time(out, "updated", s->rec.updated_unix_ms);
	buf_addc(out, ',');
	add_string(out, "parent_app", s->rec.app_id);
	buf_adds(out, ",\"organization_id\":\"\",\"project_id\":\"\",");
	add_string(out, "owner", s->rec.owner);
	buf_adds(out, ",\"owner_type\":\"user\",\"type\":\"text\",\"mode\":\"inference\","
		      "\"model_name\":\"\",\"generation_id\":0,\"interactions\":[],");
	add_config(s, out);
	buf_adds(out, "}}");
}

/* ---- interaction_update ---- */

static const char *frontend_state(enum turn_state s)
{
	switch (s) {
	case TURN_COMPLETE:
		return "complete";
	case TURN_INTERRUPTED:
		return "interrupted";
	case TURN_ERROR:
	case TURN_LOST:
		return "error";
	default:
		return "waiting";
	}
}

static void add_entries(const struct entries *e, struct buf *out)
{
	bool first = true;

	buf_adds(out, "\"response_entries\":[");
	for (size_t i = 0; i < e->n; i++) {
		const struct entry *en = &e->v[i];

		if (en->n_content == 0)
			continue;
		buf_addf(out, "%s{\"type\":\"%s\",\"content\":", first ? "" : ",",
		    entry_type_name(en->type));
		buf_add_json_string(out, en->content, en->n_content);
		buf_addc(out, ',');
		add_string(out, "message_id", en->message_id);
		buf_addc(out, ',');
		add_string(out, "tool_name", en->tool_name);
		buf_addc(out, ',');
		add_string(out, "tool_status", en->tool_status);
		buf_addc(out, '}');
		first = false;
	}
	buf_addc(out, ']');
}

static void add_response(const struct entries *e, struct buf *out)
{
	struct buf text = BUF_NULL(FANOUT_TEXT_MAX);
	const struct entry *last = e->n ? &e->v[e->n - 1] : NULL;

	entries_text(e, &text);
	buf_adds(out, "\"response_message\":");
	buf_add_json_string(out, buf_cstr(&text), text.n);
	buf_addc(out, ',');
	add_entries(e, out);
	if (last) {
		buf_addc(out, ',');
		add_string(out, "last_zed_message_id", last->message_id);
		buf_addf(out, ",\"last_zed_message_offset\":%zu",
		    text.n > last->n_content ? text.n - last->n_content : 0);
	}
	buf_deinit(&text);
}

void frontend_add_interaction(
    const struct session *s, const struct turn *t, struct buf *out)
{
	int64_t completed_unix_ms = turn_told_open(t) ? 0 : t->completed_unix_ms;

	begin_envelope(s, "interaction_update", t->id, out);
	buf_adds(out, ",\"interaction\":{");
	add_string(out, "id", t->id);
	buf_adds(out, ",\"generation_id\":0,");
	add_time(out, "created", t->created_unix_ms);
	buf_addc(out, ',');
	add_time(out, "updated",
	    completed_unix_ms ? completed_unix_ms : t->created_unix_ms);
	buf_addc(out, ',');
	add_time(out, "completed", completed_unix_ms);
	buf_addc(out, ',');
	add_string(out, "session_id", s->rec.id.s);
	buf_addc(out, ',');
	add_string(out, "user_id", s->rec.owner);
	buf_adds(out, ",\"system_prompt\":\"\",\"prompt_message\":");
	buf_add_json_string(out, t->prompt, t->n_prompt);
	buf_addc(out, ',');
	add_response(&t->entries, out);
	buf_addf(out, ",\"state\":\"%s\",\"status\":\"\",", frontend_state(turn_told_state(t)));
	add_string(out, "error", turn_told_open(t) ? NULL : t->error);
	buf_adds(out, ",\"trigger\":\"\"}}");
}

/* ---- interaction_patch ---- */

void frontend_begin_patch(const struct session *s, const struct turn *t, struct buf *out)
{
	begin_envelope(s, "interaction_patch", t->id, out);
	buf_adds(out, ",\"entry_patches\":[");
}

void frontend_add_patch(struct buf *out, size_t index, const struct entry_patch *p)
{
	const struct entry *en = p->entry;

	if (out->n && out->data[out->n - 1] == '}')
		buf_addc(out, ',');
	buf_addf(out, "{\"index\":%zu,", index);
	add_string(out, "message_id", en->message_id);
	buf_addf(out, ",\"type\":\"%s\",\"patch\":", entry_type_name(en->type));
	buf_add_json_string(out, p->append.p, p->append.n);
	buf_addf(out, ",\"patch_offset\":%zu,\"total_length\":%zu", p->offset_utf16,
	    en->n_utf16);
	if (en->type == ENTRY_TOOL_CALL) {
		buf_addc(out, ',');
		add_string(out, "tool_name", en->tool_name);
		buf_addc(out, ',');
		add_string(out, "tool_status", en->tool_status);
	}
	buf_addc(out, '}');
}

void frontend_end_patch(const struct turn *t, struct buf *out)
{
	buf_addf(out, "],\"entry_count\":%zu}", entries_n_shown(&t->entries));
}

void frontend_add_full_patch(
    const struct session *s, const struct turn *t, size_t from, struct buf *out)
{
	size_t index = 0;

	frontend_begin_patch(s, t, out);
	for (size_t i = 0; i < t->entries.n; i++) {
		const struct entry *en = &t->entries.v[i];
		struct entry_patch p = {
		    .index = i, .entry = en, .append = {en->content, en->n_content}};

		if (en->n_content == 0)
			continue;
		if (index >= from)
			frontend_add_patch(out, index, &p);
		index++;
	}
	frontend_end_patch(t, out);
}

/* Claude's is handed on as it is, whatever else is in it; of codex's the fields that the
 * API knows. */
#include "sessiond/sidecar/helix_credentials.h"

#include <stdlib.h>

#include "base/clock.h"
#include "base/must.h"
#include "sessiond/core/json_doc.h"
#include "sessiond/core/jval_print.h"
#include "sessiond/sidecar/helix_answer.h"

/* What Go writes for a time that was never set. */
#define CREDENTIAL_NEVER_MS INT64_C(-62135596800000)

static const struct {
	const char *name, *path;
} kinds[HELIX_CREDENTIAL_N_] = {
    {"claude-credentials", "/.claude/.credentials.json"},
    {"codex-credentials", "/.codex/auth.json"}};

const char *helix_credential_path(enum helix_credential_kind k)
{
	return kinds[k].path;
}

const char *helix_credential_name(enum helix_credential_kind k)
{
	return kinds[k].name;
}

/* For people too: the agent's file is laid out in lines. */
static struct slice credential_text(struct arena *a, const struct jval *v)
{
	static const struct jval_style style = {.multi_line = true,
	    .unit = {"  ", 2},
	    .eol = {"\n", 1},
	    .colon_space = true,
	    .comma_space = true};
	AUTO(buf_deinit) struct buf text = BUF_NULL(SIZE_MAX);

	jval_render(&text, v, &style);
	buf_addc(&text, '\n');
	return arena_copy(a, buf_slice(&text));
}

static struct slice credential_compact(struct arena *a, const struct jval *v)
{
	AUTO(buf_deinit) struct buf text = BUF_NULL(SIZE_MAX);

	jval_print(&text, v);
	return arena_copy(a, buf_slice(&text));
}

/* claude */

static bool claude_stamp(struct arena *a, const struct jval *oauth, int64_t *out)
{
	const struct jval *v = jval_get_str(a, oauth, "expiresAt");
	char text[20], *end;

	if (!v || v->type != JVAL_NUMBER || v->text.n >= sizeof(text))
		return false;
	memcpy(text, v->text.p, v->text.n);
	text[v->text.n] = '\0';
	*out = strtoll(text, &end, 10);
	return *end == '\0';
}

static void claude_read(
    struct arena *a, const struct jval *oauth, struct helix_credential *out)
{
	struct jval *file;

	if (!jval_is_object(oauth) || !claude_stamp(a, oauth, &out->stamp) ||
	    !helix_string(a, oauth, "accessToken").n ||
	    !helix_string(a, oauth, "refreshToken").n)
		return;
	out->usable = true;
	out->told = credential_compact(a, oauth);
	file = jval_new(a, JVAL_OBJECT);
	jval_put(a, file, SLICE_LIT("claudeAiOauth"), jval_copy(a, oauth));
	out->filed = credential_text(a, file);
}

static int claude_answer(struct arena *a, const struct jval *doc,
    struct helix_credential *out, struct err *e)
{
	const struct jval *oauth = jval_get_str(a, doc, "oauth_credentials");

	if (slice_is(helix_string(a, doc, "credential_type"), "setup_token"))
		out->setup_token = helix_string(a, doc, "setup_token");
	if (out->setup_token.n || !oauth || oauth->type == JVAL_NULL)
		return 0;
	claude_read(a, oauth, out);
	return out->usable ? 0
			   : err_set(e, ERROR_INVALID,
				 "oauth_credentials: accessToken, refreshToken and "
				 "expiresAt are expected");
}

/* codex */

static void codex_put(struct arena *a, struct jval *to, const struct jval *from,
    const char *const *keys, size_t n_keys)
{
	for (size_t i = 0; i < n_keys; i++) {
		const struct jval *v = jval_get_str(a, from, keys[i]);

		jval_put(a, to, slice_of(keys[i]),
		    v && (v->type == JVAL_STRING || v->type == JVAL_NULL)
			? jval_copy(a, v)
			: jval_new(a, JVAL_NULL));
	}
}

/* The fields that count, in the order in which the API gives them. */
static struct jval *codex_fields(struct arena *a, const struct jval *doc)
{
	static const char *const head[] = {"auth_mode", "OPENAI_API_KEY"};
	static const char *const keys[] = {
	    "id_token", "access_token", "refresh_token", "account_id"};
	static const char *const tail[] = {"last_refresh"};
	struct jval *v = jval_new(a, JVAL_OBJECT), *tokens = jval_new(a, JVAL_OBJECT);

	codex_put(a, v, doc, head, ARRAY_LEN(head));
	codex_put(a, tokens, jval_get_str(a, doc, "tokens"), keys, ARRAY_LEN(keys));
	jval_put(a, v, SLICE_LIT("tokens"), tokens);
	codex_put(a, v, doc, tail, ARRAY_LEN(tail));
	return v;
}

static void codex_read(
    struct arena *a, const struct jval *doc, struct helix_credential *out)
{
	const struct jval *tokens = jval_get_str(a, doc, "tokens");
	struct slice refreshed = helix_string(a, doc, "last_refresh");
	struct jval *v;

	if (!slice_is(helix_string(a, doc, "auth_mode"), "chatgpt") ||
	    !helix_string(a, tokens, "refresh_token").n ||
	    !clock_parse_rfc3339(arena_copy(a, refreshed).p, &out->stamp) ||
	    out->stamp <= CREDENTIAL_NEVER_MS)
		return;
	v = codex_fields(a, doc);
	out->usable = true;
	out->told = credential_compact(a, v);
	out->filed = credential_text(a, v);
}

static int codex_answer(struct arena *a, const struct jval *doc,
    struct helix_credential *out, struct err *e)
{
	codex_read(a, doc, out);
	return out->usable ? 0
			   : err_set(e, ERROR_INVALID,
				 "auth_mode chatgpt, tokens and last_refresh are "
				 "expected");
}

/* either */

int helix_credential_answer(struct arena *a, enum helix_credential_kind k,
    struct slice body, struct helix_credential *out, struct err *e)
{
	struct json_doc doc;

	*out = (struct helix_credential){0};
	if (json_doc_parse_object(a, body, &doc) != JSON_DOC_OK)
		return err_set(e, ERROR_INVALID, "the answer is no JSON object");
	return k == HELIX_CLAUDE ? claude_answer(a, doc.root, out, e)
				 : codex_answer(a, doc.root, out, e);
}

void helix_credential_file(struct arena *a, enum helix_credential_kind k,
    struct slice text, struct helix_credential *out)
{
	struct json_doc doc;

	*out = (struct helix_credential){0};
	if (json_doc_parse_object(a, text, &doc) != JSON_DOC_OK)
		return;
	if (k == HELIX_CLAUDE)
		claude_read(a, jval_get_str(a, doc.root, "claudeAiOauth"), out);
	else
		codex_read(a, doc.root, out);
}

enum helix_credential_step helix_credential_decide(
    const struct helix_credential *api, const struct helix_credential *file)
{
	if (!api->usable)
		return HELIX_CREDENTIAL_KEEP;
	if (!file->usable || file->stamp < api->stamp)
		return HELIX_CREDENTIAL_WRITE;
	if (file->stamp > api->stamp)
		return HELIX_CREDENTIAL_TELL;
	return slice_eq(api->told, file->told) ? HELIX_CREDENTIAL_KEEP
					       : HELIX_CREDENTIAL_WRITE;
}

bool helix_credential_is_stale(struct slice body)
{
	AUTO(arena_deinit) struct arena a = ARENA_NULL;
	struct json_doc doc;

	return json_doc_parse_object(&a, body, &doc) == JSON_DOC_OK &&
	       slice_is(helix_string(&a, doc.root, "status"), "stale");
}

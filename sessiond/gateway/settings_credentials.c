/* Credentials of coding agents, as Helix's settings daemon exchanges them: newest wins,
 * and they are stored sealed. And its word that a configuration has been applied. */
#include "base/clock.h"
#include "base/must.h"
#include "proto/subjects.h"
#include "sessiond/gateway/sessions.h"
#include "sessiond/gateway/settings_internal.h"

enum {
	CREDENTIALS_MAX = 64 * 1024,
	CREDENTIALS_TRIES_MAX = 8,
};

struct credentials_kind {
	const char *key;
	/* Wrong: says why. */
	const char *(*check)(const struct jsn *body);
	/* Grows with each refresh. */
	int64_t (*age)(const struct jsn *body);
	/* Somebody chose another way to sign in; NULL: there is one way only. */
	bool (*chosen)(const struct jsn *stored, const struct jsn *body);
};

struct credentials_job {
	struct call *c;
	const struct credentials_kind *kind;
	struct subject key;
	size_t n_tries;
};

static void credentials_start(
    struct call *c, const struct credentials_kind *kind, store_cb *cb)
{
	struct settings *s = c->g->settings;
	struct credentials_job *j;

	if (!s->ready) {
		call_reply_error(
		    c, ERROR_UNAVAILABLE, "the settings cannot be read yet: try again");
		return;
	}
	j = calloc(1, sizeof(*j));
	must(j);
	j->c = c;
	j->kind = kind;
	j->key = KEY_OF(c->session_id.s, kind->key);
	store_get(s->g->store, BUCKET_session_settings, j->key.s, cb, j);
}

static void credentials_error(struct credentials_job *j, int code, const char *message)
{
	struct call *c = j->c;

	free(j);
	call_reply_error(c, code, "%s", message);
}

static bool credentials_open(
    struct credentials_job *j, const struct store_result *r, struct buf *out)
{
	return unseal(&j->c->g->settings->key, slice_of(j->key.s), r->value, out);
}

static void on_got(void *data, const struct store_result *r)
{
	struct credentials_job *j = data;
	struct call *c = j->c;
	AUTO(buf_deinit) struct buf text = BUF_NULL(CREDENTIALS_MAX);

	if (r->code == ERROR_NOT_FOUND) {
		credentials_error(j, ERROR_NOT_FOUND, "no credentials are stored");
	} else if (r->code) {
		credentials_error(j, ERROR_UNAVAILABLE, r->detail);
	} else if (!credentials_open(j, r, &text)) {
		credentials_error(
		    j, ERROR_INTERNAL, "the stored credentials do not open");
	} else {
		free(j);
		call_reply(c, 200, "application/json", NULL, 0, buf_slice(&text));
	}
}

static void credentials_status(struct credentials_job *j, const char *status)
{
	struct call *c = j->c;
	struct jsn *body = jsn_new_object();

	free(j);
	jsn_set_string(body, "status", status);
	call_reply_json(c, 200, body);
}

static void on_current(void *data, const struct store_result *r);

static void on_put(void *data, const struct store_result *r)
{
	struct credentials_job *j = data;

	if (r->code == ERROR_CONFLICT && ++j->n_tries < CREDENTIALS_TRIES_MAX)
		store_get(
		    j->c->g->store, BUCKET_session_settings, j->key.s, on_current, j);
	else if (r->code)
		credentials_error(j, ERROR_UNAVAILABLE, r->detail);
	else
		credentials_status(j, "ok");
}

/* What is stored, if it is newer than the body. */
static bool is_stale(struct credentials_job *j, const struct store_result *r)
{
	AUTO(buf_deinit) struct buf text = BUF_NULL(CREDENTIALS_MAX);
	AUTO(jsn_freep) struct jsn *stored = NULL;
	struct err e;

	if (r->code || !credentials_open(j, r, &text) ||
	    jsn_parse(text.data, text.n, &stored, &e))
		return false;
	if (j->kind->chosen && j->kind->chosen(stored, j->c->body))
		return false;
	return j->kind->age(stored) > j->kind->age(j->c->body);
}

static void on_current(void *data, const struct store_result *r)
{
	struct credentials_job *j = data;
	struct settings *s = j->c->g->settings;
	AUTO(buf_deinit) struct buf sealed = BUF_NULL(CREDENTIALS_MAX + SEAL_OVERHEAD);

	if (r->code && r->code != ERROR_NOT_FOUND) {
		credentials_error(j, ERROR_UNAVAILABLE, r->detail);
		return;
	}
	if (is_stale(j, r)) {
		credentials_status(j, "stale");
		return;
	}
	seal(&s->key, slice_of(j->key.s), buf_slice(&j->c->raw_body), &sealed);
	store_put(s->g->store, BUCKET_session_settings, j->key.s, buf_slice(&sealed),
	    (int64_t)r->revision, on_put, j);
}

static void credentials_put(struct call *c, const struct credentials_kind *kind)
{
	const char *why = kind->check(c->body);

	if (why)
		call_reply_error(c, ERROR_INVALID, "%s", why);
	else if (c->raw_body.n > CREDENTIALS_MAX - 256)
		call_reply_error(
		    c, ERROR_TOO_LARGE, "credentials are larger than 64 KiB");
	else
		credentials_start(c, kind, on_current);
}

static bool has_text(const struct jsn *o, const char *key)
{
	const char *s = jsn_get_string(o, key);

	return s && *s;
}

/* ---- Claude: the inner object comes in, the whole one goes out ---- */

static const struct jsn *claude_oauth(const struct jsn *body)
{
	const struct jsn *inner = jsn_get(body, "oauth_credentials");

	return inner ? inner : body;
}

static bool claude_is_token(const struct jsn *body)
{
	const char *type = jsn_get_string(body, "credential_type");

	return type && strcmp(type, "setup_token") == 0;
}

static const char *claude_check(const struct jsn *body)
{
	const struct jsn *oauth = claude_oauth(body);

	if (claude_is_token(body))
		return has_text(body, "setup_token") ? NULL : "setup_token is missing";
	if (!has_text(oauth, "accessToken") || !has_text(oauth, "refreshToken"))
		return "accessToken and refreshToken are needed";
	return NULL;
}

/* What an agent refreshed does not take the place of a token that it was given. */
static int64_t claude_age(const struct jsn *body)
{
	if (claude_is_token(body))
		return INT64_MAX;
	return jsn_get_int(claude_oauth(body), "expiresAt", 0);
}

static bool claude_chosen(const struct jsn *stored, const struct jsn *body)
{
	return jsn_get(body, "credential_type") &&
	       claude_is_token(stored) != claude_is_token(body);
}

static const struct credentials_kind claude = {
    "claude", claude_check, claude_age, claude_chosen};

void settings_on_claude_get(struct call *c)
{
	credentials_start(c, &claude, on_got);
}

void settings_on_claude_put(struct call *c)
{
	const char *type = jsn_get_string(c->body, "credential_type");

	if (!type && !claude_check(c->body)) {
		/* stored as it will be asked for */
		struct buf whole = BUF_NULL(SIZE_MAX / 2);

		buf_adds(&whole, "{\"credential_type\":\"oauth\",\"oauth_credentials\":");
		buf_add_slice(&whole, buf_slice(&c->raw_body));
		buf_addc(&whole, '}');
		buf_deinit(&c->raw_body);
		c->raw_body = whole;
	}
	credentials_put(c, &claude);
}

/* ---- Codex ---- */

static const char *codex_check(const struct jsn *body)
{
	const struct jsn *tokens = jsn_get(body, "tokens");
	int64_t at;
	const char *refreshed = jsn_get_string(body, "last_refresh");

	if (refreshed && !clock_parse_rfc3339(refreshed, &at))
		return "last_refresh is no RFC 3339 time";
	if (has_text(body, "OPENAI_API_KEY") || has_text(tokens, "access_token"))
		return NULL;
	return "tokens.access_token or OPENAI_API_KEY is needed";
}

static int64_t codex_age(const struct jsn *body)
{
	const char *refreshed = jsn_get_string(body, "last_refresh");
	int64_t at = 0;

	return refreshed && clock_parse_rfc3339(refreshed, &at) ? at : 0;
}

static const struct credentials_kind codex = {"codex", codex_check, codex_age, NULL};

void settings_on_codex_get(struct call *c)
{
	credentials_start(c, &codex, on_got);
}

void settings_on_codex_put(struct call *c)
{
	credentials_put(c, &codex);
}

/* ---- POST agent-config-applied ---- */

void settings_on_applied(struct call *c)
{
	struct jsn *body = jsn_new_object();

	sessions_settings_applied(c->g, &c->session_id);
	jsn_set_string(body, "status", "ok");
	call_reply_json(c, 200, body);
}

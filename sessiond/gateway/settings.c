/* Settings of sessiond: the stream and bucket, the sealing key, the routes. */
#include "sessiond/gateway/settings.h"

#include <errno.h>
#include <stdlib.h>

#include "base/must.h"
#include "proto/subjects.h"
#include "sessiond/events.h"
#include "sessiond/gateway/settings_internal.h"

enum {
	BUCKET_VALUE_MAX = 256 * 1024,
};

static const char key_name[] = "seal.key";

/* ---- start ---- */

struct settings *settings_new(struct gateway *g)
{
	struct settings *s = calloc(1, sizeof(*s));

	must(s);
	s->g = g;
	s->cache = settings_cache_new();
	list_init(&s->writers);
	s->feed = settings_feed_new(s);
	return s;
}

void settings_stop(struct settings *s)
{
	settings_feed_stop(s);
}

struct settings *settings_free(struct settings *s)
{
	settings_feed_free(s->feed);
	settings_cache_free(s->cache);
	free(s);
	return NULL;
}

void settings_cut_off(struct settings *s)
{
	/* what comes back may be another: its sealing key must be read before anything is
	 * stored */
	s->ready = false;
	settings_feed_lost(s);
}

void settings_missed(struct settings *s)
{
	if (s->ready)
		settings_feed_catch_up(s);
}

bool settings_ready(const struct settings *s)
{
	return s->ready;
}

static void ensure_done(struct settings *s, const struct store_result *r)
{
	store_cb *done = s->done;

	s->done = NULL;
	s->ready = r->code == 0;
	done(s->done_data, r);
}

static bool hex_bytes(struct slice hex, unsigned char *out, size_t n)
{
	static const char digits[] = "0123456789abcdef";

	if (hex.n != 2 * n)
		return false;
	for (size_t i = 0; i < hex.n; i++) {
		const char *d = hex.p[i] ? strchr(digits, hex.p[i]) : NULL;

		if (!d)
			return false;
		out[i / 2] = (unsigned char)(out[i / 2] << 4 | (d - digits));
	}
	return true;
}

static void ensure_on_key(void *data, const struct store_result *r);

static void ensure_on_key_made(void *data, const struct store_result *r)
{
	struct settings *s = data;

	/* whether ours was stored or another replica's: the one that is there counts */
	if (r->code && r->code != ERROR_CONFLICT)
		ensure_done(s, r);
	else
		store_get(
		    s->g->store, BUCKET_session_settings, key_name, ensure_on_key, s);
}

static void ensure_make_key(struct settings *s, uint64_t revision)
{
	static const char digits[] = "0123456789abcdef";
	unsigned char bytes[SEAL_KEY_BYTES];
	char hex[2 * SEAL_KEY_BYTES];

	random_bytes(bytes, sizeof(bytes));
	for (size_t i = 0; i < sizeof(bytes); i++) {
		hex[2 * i] = digits[bytes[i] >> 4];
		hex[2 * i + 1] = digits[bytes[i] & 15];
	}
	store_put(s->g->store, BUCKET_session_settings, key_name,
	    (struct slice){hex, sizeof(hex)}, (int64_t)revision, ensure_on_key_made, s);
}

/* From here on subscribers are told of what comes; what came before they have read. */
static void ensure_on_newest(void *data, const struct store_result *r)
{
	struct settings *s = data;
	struct store_result none = {0};

	if (r->code && r->code != ERROR_NOT_FOUND) {
		ensure_done(s, r);
		return;
	}
	if (!settings_feed_begin(s, r->code ? 0 : r->revision))
		settings_feed_catch_up(s);
	ensure_done(s, &none);
}

static void ensure_on_key(void *data, const struct store_result *r)
{
	struct settings *s = data;
	struct store_read newest = {.stream = STREAM_session_settings,
	    .last_subject = SUBJ_session_settings_commits};
	struct store_result bad = {
	    .code = ERROR_INTERNAL, .detail = "the sealing key cannot be read"};

	if (r->code == ERROR_NOT_FOUND)
		ensure_make_key(s, r->revision);
	else if (r->code)
		ensure_done(s, r);
	else if (!hex_bytes(r->value, s->key.bytes, SEAL_KEY_BYTES))
		ensure_done(s, &bad);
	else
		store_read(s->g->store, &newest, ensure_on_newest, s);
}

static void ensure_on_bucket(void *data, const struct store_result *r)
{
	struct settings *s = data;

	if (r->code)
		ensure_done(s, r);
	else
		store_get(
		    s->g->store, BUCKET_session_settings, key_name, ensure_on_key, s);
}

static void ensure_on_stream(void *data, const struct store_result *r)
{
	struct settings *s = data;
	struct store_bucket b = {.name = BUCKET_session_settings,
	    .history = 1,
	    .max_value_bytes = BUCKET_VALUE_MAX,
	    .replicas = s->g->conf->replicas};

	if (r->code)
		ensure_done(s, r);
	else
		store_ensure_bucket(s->g->store, &b, ensure_on_bucket, s);
}

void settings_ensure(struct settings *s, store_cb *done, void *data)
{
	struct store_stream st = {.name = STREAM_session_settings,
	    .subjects = SUBJ_session_settings_all,
	    .republish_src = SUBJ_session_settings_commits,
	    .republish_dest = SUBJ_session_settings_feed,
	    .replicas = s->g->conf->replicas};

	must(!s->done);
	s->done = done;
	s->done_data = data;
	store_ensure_stream(s->g->store, &st, ensure_on_stream, s);
}

/* ---- end of a session ---- */

static void forget_on_result(void *data, const struct store_result *r)
{
	(void)data;
	if (r->code && r->code != ERROR_NOT_FOUND && r->code != -ECANCELED)
		log_event(EV_settings_not_forgotten, LF("detail", r->detail));
}

void settings_forget(struct settings *s, const struct id *session)
{
	static const char *const keys[] = {"claude", "codex", "held"};
	struct subject all = SUBJECT_OF(session_settings_of, "ses", session->s);

	store_purge(s->g->store, STREAM_session_settings, all.s, forget_on_result, s);
	for (size_t i = 0; i < ARRAY_LEN(keys); i++) {
		struct subject key = KEY_OF(session->s, keys[i]);

		store_delete(s->g->store, BUCKET_session_settings, key.s,
		    STORE_ANY_REVISION, forget_on_result, s);
	}
}

/* ---- routes ---- */

#define ROLES_ALL (ROLES_ALL_USERS | ROLE(AGENT))
#define CONFIG    "/api/v1/sessions/{id}/zed-config"
#define CONTACT   (ROUTE_SESSION | ROUTE_FIRST_CONTACT)

const struct route settings_routes[] = {
    {"GET", CONFIG, ROLES_ALL, CONTACT, 0, settings_on_config_get},
    {"PUT", CONFIG, ROLE(ADMIN) | ROLE(SERVICE), CONTACT | ROUTE_JSON | ROUTE_SETTINGS, 0,
	settings_on_config_put},
    {"GET", CONFIG "/user", ROLES_ALL, CONTACT, 0, settings_on_user_get},
    {"POST", CONFIG "/user", ROLES_ALL, CONTACT | ROUTE_JSON | ROUTE_SETTINGS | ROUTE_HELIX_BODY, 0,
	settings_on_user_post},
    {"GET", CONFIG "/history", ROLES_ALL_USERS, ROUTE_SESSION, 0, settings_on_history},
    {"POST", CONFIG "/rollback", ROLES_ALL_USERS, ROUTE_SESSION | ROUTE_JSON, 0,
	settings_on_rollback},
    {"GET", CONFIG "/pending", ROLES_ALL_USERS, ROUTE_SESSION, 0, settings_on_pending_get},
    {"POST", CONFIG "/pending", ROLES_ALL, ROUTE_SESSION | ROUTE_JSON, 0,
	settings_on_pending_report},
    {"POST", CONFIG "/pending/{held}", ROLES_ALL_USERS, ROUTE_SESSION | ROUTE_JSON, 0,
	settings_on_pending_post},
    {"GET", "/api/v1/sessions/{id}/zed-settings", ROLES_ALL, ROUTE_SESSION, 0,
	settings_on_merged_get},
    {"POST", "/api/v1/sessions/{id}/agent-config-applied", ROLES_ALL,
	ROUTE_SESSION | ROUTE_JSON | ROUTE_BODY_OPTIONAL, 0, settings_on_applied},
    {"GET", "/api/v1/sessions/{id}/claude-credentials", ROLES_ALL, ROUTE_SESSION, 0,
	settings_on_claude_get},
    {"PUT", "/api/v1/sessions/{id}/claude-credentials", ROLES_ALL,
	ROUTE_SESSION | ROUTE_JSON, 0, settings_on_claude_put},
    {"GET", "/api/v1/sessions/{id}/codex-credentials", ROLES_ALL, ROUTE_SESSION, 0,
	settings_on_codex_get},
    {"PUT", "/api/v1/sessions/{id}/codex-credentials", ROLES_ALL,
	ROUTE_SESSION | ROUTE_JSON, 0, settings_on_codex_put},
    {"GET", "/api/v1/apps/{id}/zed-settings", ROLE(ADMIN) | ROLE(SERVICE), 0, 0,
	settings_on_app_get},
    {"PUT", "/api/v1/apps/{id}/zed-settings", ROLE(ADMIN) | ROLE(SERVICE),
	ROUTE_JSON | ROUTE_SETTINGS, 0, settings_on_app_put},
    {0},
};

/* Settings of sessiond: the stream and bucket, the sealing key, the routes, and telling
 * every replica's subscribers of a new revision. */
#include "sessiond/gateway/settings.h"

#include <errno.h>
#include <stdlib.h>

#include "base/must.h"
#include "proto/subjects.h"
#include "sessiond/events.h"
#include "sessiond/gateway/fanout.h"
#include "sessiond/gateway/session.h"
#include "sessiond/gateway/settings_internal.h"

enum {
	BUCKET_VALUE_MAX = 256 * 1024,
};

static const char key_name[] = "seal.key";

/* ---- revisions as they happen, here or at another replica ---- */

static void tell_session(
    struct settings *s, const struct id *id, const struct settings_head *h)
{
	if (h->base_rev == h->revision) {
		struct jsn *extra = jsn_new_object();

		jsn_set_int(extra, "revision", (int64_t)h->revision);
		if (strcmp(h->field, "color_scheme") == 0)
			jsn_set_string(extra, "color_scheme", h->color_scheme);
		fanout_config_changed(s->g, id, h->field[0] ? h->field : NULL, extra);
	}
	if (h->user_rev == h->revision)
		fanout_user_settings_changed(s->g, id, h->revision);
}

static void tell_app(
    struct settings *s, const struct id *app, const struct settings_head *h)
{
	list_for_each (it, &s->g->sessions->all) {
		struct session *session = list_entry(it, struct session, all_link);

		if (strcmp(session_app_id(session), app->s) == 0)
			tell_session(s, &session->rec.id, h);
	}
}

/* ....<ses|app>.<id>: tell whom it concerns. */
static void tell(struct settings *s, const char *subject, struct slice record)
{
	struct slice tokens[SUBJECT_TOKENS_MAX];
	struct settings_head h;
	struct id id;

	if (subject_split(subject, tokens, SUBJECT_TOKENS_MAX) != 6 ||
	    !id_parse(tokens[5], &id) || !settings_head_parse(record, 0, &h))
		return;
	if (slice_is(tokens[4], "ses"))
		tell_session(s, &id, &h);
	else
		tell_app(s, &id, &h);
	settings_head_free(&h);
}

static void settings_on_feed(void *data, const struct bus_msg *m)
{
	struct settings *s = data;
	const char *seq = bus_msg_header(m, "Nats-Sequence");
	uint64_t n = seq ? strtoull(seq, NULL, 10) : 0;

	if (n > s->heard_seq)
		s->heard_seq = n;
	tell(s, m->subject, m->data);
}

/* Revisions made while the broker was out of reach from here. */
static void catch_up_on_item(void *data, enum store_list_event ev,
    const struct store_item *item, const struct store_result *r)
{
	struct settings *s = data;

	if (ev == STORE_LIST_FAILED && r->code != -ECANCELED)
		log_event(EV_settings_not_told, LF("detail", r->detail));
	if (ev != STORE_LIST_ITEM || item->revision <= s->heard_seq)
		return;
	s->heard_seq = item->revision;
	tell(s, item->subject, item->value);
}

static void catch_up_on_first(void *data, const struct store_result *r)
{
	struct settings *s = data;

	if (r->code == 0 && r->revision > s->heard_seq)
		s->heard_seq = r->revision;
}

static void settings_catch_up(struct settings *s)
{
	struct store_read newest = {.stream = STREAM_session_settings,
	    .last_subject = SUBJ_session_settings_commits};
	struct store_list since = {.stream = STREAM_session_settings,
	    .filter = SUBJ_session_settings_commits,
	    .all = true,
	    .start_seq = s->heard_seq + 1,
	    .cb = catch_up_on_item,
	    .data = s};

	if (s->ready && s->heard_seq)
		store_list(s->g->store, &since);
	else
		store_read(s->g->store, &newest, catch_up_on_first, s);
}

/* ---- start ---- */

struct settings *settings_new(struct gateway *g)
{
	struct settings *s = calloc(1, sizeof(*s));
	struct err e = ERR_NULL;

	must(s);
	s->g = g;
	must(bus_subscribe(daemon_bus(g->daemon), SUBJ_session_settings_feed, NULL,
		 settings_on_feed, s, &e) == 0);
	return s;
}

struct settings *settings_free(struct settings *s)
{
	free(s);
	return NULL;
}

bool settings_ready(const struct settings *s)
{
	return s->ready;
}

static void ensure_done(struct settings *s, const struct store_result *r)
{
	store_cb *done = s->done;

	s->done = NULL;
	if (r->code == 0) {
		settings_catch_up(s);
		s->ready = true;
	}
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

static void ensure_on_key(void *data, const struct store_result *r)
{
	struct settings *s = data;
	struct store_result bad = {
	    .code = ERROR_INTERNAL, .detail = "the sealing key cannot be read"};

	if (r->code == ERROR_NOT_FOUND)
		ensure_make_key(s, r->revision);
	else if (r->code)
		ensure_done(s, r);
	else
		ensure_done(
		    s, hex_bytes(r->value, s->key.bytes, SEAL_KEY_BYTES) ? r : &bad);
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
    {"PUT", CONFIG, ROLE(ADMIN) | ROLE(SERVICE), CONTACT | ROUTE_JSON, 0,
	settings_on_config_put},
    {"GET", CONFIG "/user", ROLES_ALL, CONTACT, 0, settings_on_user_get},
    {"POST", CONFIG "/user", ROLES_ALL, CONTACT | ROUTE_JSON, 0, settings_on_user_post},
    {"GET", CONFIG "/history", ROLES_ALL_USERS, ROUTE_SESSION, 0, settings_on_history},
    {"POST", CONFIG "/rollback", ROLES_ALL_USERS, ROUTE_SESSION | ROUTE_JSON, 0,
	settings_on_rollback},
    {"GET", CONFIG "/pending", ROLES_ALL, ROUTE_SESSION, 0, settings_on_pending_get},
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
    {"PUT", "/api/v1/apps/{id}/zed-settings", ROLE(ADMIN) | ROLE(SERVICE), ROUTE_JSON, 0,
	settings_on_app_put},
    {0},
};

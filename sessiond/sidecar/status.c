/* State as JSON for people. Paths and rules are shown, values only in /settings. */
#include "sessiond/sidecar/status.h"

#include <stdlib.h>
#include <string.h>

#include "base/jsn.h"
#include "sessiond/core/jval_print.h"
#include "sessiond/core/settings_plan.h"
#include "sessiond/sidecar/desktop.h"
#include "sessiond/sidecar/metrics.h"
#include "sessiond/sidecar/pin.h"
#include "sessiond/sidecar/sidecar.h"

static void status_text(struct jsn *o, const char *key, const char *text)
{
	jsn_set_string(o, key, text && text[0] ? text : NULL);
}

static void status_number(struct jsn *o, const char *key, int64_t n)
{
	if (n < 0)
		jsn_set_null(o, key);
	else
		jsn_set_int(o, key, n);
}

static struct jsn *status_server(struct sidecar *s, const struct server_status *st)
{
	struct jsn *o = jsn_new_object(), *push = jsn_new_object();
	AUTO(buf_deinit) struct buf url = BUF_NULL(4096);

	buf_add_masked(&url, s->conf->api_url);
	jsn_set_string(o, "url", buf_cstr(&url));
	jsn_set_string(o, "state", server_state_name(st->state));
	jsn_set_time(o, "since", st->since_unix_ms);
	jsn_set_string(o, "kind",
	    st->n_answered == 0 ? NULL
	    : st->plain         ? "helix"
				: "sessiond");
	status_text(o, "problem", st->problem);
	jsn_set_bool(push, "connected", st->pushed);
	status_text(push, "problem", st->push_problem);
	jsn_set(o, "push", push);
	return o;
}

static struct jsn *status_file(const struct sync_status *st)
{
	struct jsn *o = jsn_new_object();

	jsn_set_string(o, "path", st->path);
	jsn_set_bool(o, "exists", st->exists);
	jsn_set_string(o, "state", sync_file_state_name(st->file));
	jsn_set_time(o, "since", st->file_since_unix_ms);
	status_text(o, "problem", st->problem);
	jsn_set_string(o, "watch", st->watch);
	jsn_set_string(o, "state_dir", st->state_dir);
	status_text(o, "state_problem", st->state_problem);
	jsn_set_string(o, "recovery", st->recovery);
	return o;
}

/* Where and since when the file is no document; null when it is one. */
static void status_invalid(struct jsn *o, const struct sync_status *st)
{
	struct jsn *where;

	if (!st->invalid_since_unix_ms) {
		jsn_set_null(o, "invalid");
		return;
	}
	where = jsn_new_object();
	jsn_set_int(where, "line", st->line);
	jsn_set_int(where, "column", st->column);
	jsn_set_string(where, "message", st->invalid);
	jsn_set_time(where, "since", st->invalid_since_unix_ms);
	jsn_set(o, "invalid", where);
}

static void status_pin(struct jsn *o, const struct pin *p)
{
	static const char *const states[] = {"none", "in_place", "apart"};
	struct jsn *pin = jsn_new_object();

	jsn_set_string(pin, "state", states[p->is]);
	status_text(pin, "why", p->why);
	jsn_set_string(o, "zed_watch", pin_hearing_name(p->hearing));
	jsn_set(o, "pin", pin);
}

static struct jsn *status_write(const struct sidecar *s, const struct sync_status *st)
{
	struct jsn *o = jsn_new_object();
	const char *why = st->write_why;

	jsn_set_string(o, "configured", s->conf->write_mode);
	jsn_set_string(o, "mode", file_write_mode_name(st->write_mode));
	if (!why[0] && strcmp(s->conf->write_mode, "auto") != 0)
		why = "configured";
	else if (!why[0] && st->write_mode == FILE_WRITE_LEASE)
		why = "others can be kept out while it is written";
	status_text(o, "why", why);
	return o;
}

/* Pointers of the operations in @text. */
static struct jsn *status_paths(struct slice text)
{
	AUTO(arena_deinit) struct arena a = ARENA_NULL;
	struct jsn *list = jsn_new_array();
	struct json_doc doc;
	struct overrides o;

	if (json_doc_parse_object(&a, text, &doc) != JSON_DOC_OK ||
	    overrides_parse(&a, doc.root, &o))
		return list;
	overrides_for_each (v, &o) {
		struct slice path = json_pointer_of(&a, v);

		jsn_push(list, jsn_new_string_n(path.p, path.n));
	}
	return list;
}

static struct jsn *status_wait(struct slice id, const char *kind, int64_t since_unix_ms)
{
	struct jsn *o = jsn_new_object();

	jsn_set(o, "id", jsn_new_string_n(id.p, id.n));
	jsn_set_string(o, "kind", kind);
	jsn_set_time(o, "since", since_unix_ms);
	return o;
}

struct jsn *status_held(const struct record *r)
{
	static const enum record_field fields[DECIDE_WAIT_N_] = {
	    RECORD_HELD, RECORD_FIRST};
	struct jsn *list = jsn_new_array(), *o;

	for (enum decide_wait w = 0; w < DECIDE_WAIT_N_; w++) {
		struct decide_waiting it;

		if (!decide_waits(r, w, &it))
			continue;
		o = status_wait(it.id, decide_wait_name(w), it.since_unix_ms);
		jsn_set(o, "paths", status_paths(record_get(r, fields[w])));
		jsn_push(list, o);
	}
	return list;
}

static struct jsn *status_pending(const struct sync_status *st)
{
	struct jsn *list = status_held(st->record);

	if (st->offer_id)
		jsn_push(list, status_wait(slice_of(st->offer_id), "last_good",
				   st->offered_unix_ms));
	return list;
}

static struct jsn *status_events(const struct sync_status *st)
{
	struct jsn *list = jsn_new_array();
	size_t n = st->n_events < SYNC_EVENTS_KEPT ? st->n_events : SYNC_EVENTS_KEPT;

	for (size_t i = 0; i < n; i++) {
		const struct sync_event *ev =
		    &st->events[(st->n_events - 1 - i) % SYNC_EVENTS_KEPT];
		struct jsn *o = jsn_new_object();

		jsn_set_string(o, "type", ev->type);
		jsn_set_string(o, "path", ev->path);
		jsn_set_string(o, "rule", ev->rule);
		jsn_set_time(o, "at", ev->at_unix_ms);
		jsn_push(list, o);
	}
	return list;
}

static struct jsn *status_latencies(void)
{
	const struct {
		const char *name;
		const struct metric *m;
	} rows[] = {{"event_to_read", M_event_to_read},
	    {"read_to_planned", M_read_to_planned},
	    {"planned_to_visible", M_planned_to_visible},
	    {"visible_to_synced", M_visible_to_synced},
	    {"visible_to_read", M_visible_to_read},
	    {"server_to_visible", M_server_to_visible},
	    {"save_to_posted", M_save_to_posted}, {"posted_to_acked", M_posted_to_acked}};
	struct jsn *o = jsn_new_object();

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const struct metric *m = rows[i].m;
		struct jsn *l = jsn_new_object();

		jsn_set_int(l, "count", (int64_t)m->n_observed);
		if (m->n_observed)
			jsn_set(l, "mean_ms",
			    jsn_new_number(m->sum * 1000 / (double)m->n_observed));
		jsn_set(o, rows[i].name, l);
	}
	return o;
}

/* The overrides in @text; a record's always parse. */
static struct overrides status_overrides(struct arena *a, struct slice text)
{
	struct overrides o = overrides_new(a);
	struct json_doc doc;

	if (json_doc_parse_object(a, text, &doc) == JSON_DOC_OK)
		(void)overrides_parse(a, doc.root, &o);
	return o;
}

/* The server lacks something of ours; in which order it names them does not matter. */
static bool status_waits(const struct record *r)
{
	AUTO(arena_deinit) struct arena a = ARENA_NULL;
	struct slice mine = record_get(r, RECORD_OVERRIDES),
		     known = record_get(r, RECORD_SERVER);
	struct overrides x, y;

	if (slice_eq(mine, known))
		return false;
	x = status_overrides(&a, mine);
	y = status_overrides(&a, known);
	return !overrides_equal(&a, &x, &y);
}

static struct jsn *status_upload(
    const struct sidecar *s, const struct sync_status *st, const char *problem)
{
	struct jsn *o = jsn_new_object();
	const struct record *r = st->record;

	jsn_set_bool(o, "under_way", server_uploading(s->server));
	jsn_set_bool(o, "waiting", status_waits(r));
	jsn_set_bool(o, "refused",
	    record_get(r, RECORD_REFUSED).n > 0 &&
		slice_eq(record_get(r, RECORD_REFUSED), record_get(r, RECORD_OVERRIDES)));
	status_text(o, "problem", problem);
	return o;
}

static const char *status_word(
    const struct server_status *server, const struct sync_status *sync)
{
	if (sync->file != SYNC_FILE_OK)
		return sync_file_state_name(sync->file);
	return server->state == SERVER_ONLINE ? "ok" : "offline";
}

/* What the server's side of the file is: as the server says now, as it said when it could
 * last be asked, or nothing yet. */
static const char *status_settings(const struct server_status *server)
{
	if (server->state == SERVER_ONLINE)
		return "current";
	return server->version >= 0 ? "last_known" : "none";
}

void status_print(struct sidecar *s, struct buf *out)
{
	struct server_status server;
	struct sync_status sync;
	struct jsn *o = jsn_new_object(), *revisions = jsn_new_object();

	server_get_status(s->server, &server);
	sync_get_status(s->sync, &sync);
	jsn_set_string(o, "state", status_word(&server, &sync));
	jsn_set_string(o, "session_id", s->conf->session_id);
	jsn_set_string(o, "settings", status_settings(&server));
	status_number(revisions, "base", server.version);
	status_number(revisions, "overrides", server.revision);
	jsn_set(o, "revisions", revisions);
	status_text(o, "last_error", sync.problem[0] ? sync.problem : server.problem);
	jsn_set(o, "pending", status_pending(&sync));
	jsn_set(o, "file", status_file(&sync));
	status_invalid(o, &sync);
	status_pin(o, sync.pin);
	jsn_set(o, "server", status_server(s, &server));
	jsn_set(o, "upload", status_upload(s, &sync, server.upload_problem));
	jsn_set(o, "write", status_write(s, &sync));
	if (s->desktop)
		jsn_set(o, "desktop", desktop_status(s->desktop));
	jsn_set(o, "latencies", status_latencies());
	jsn_set(o, "events", status_events(&sync));
	jsn_print(o, out);
	jsn_free(o);
}

/* /settings */

/* The token this program was given is in it: in the environment of an agent, say. */
static bool status_has_token(const struct jval *leaf, const char *token)
{
	AUTO(buf_deinit) struct buf text = BUF_NULL(SIZE_MAX);

	if (!token || !token[0])
		return false;
	jval_print(&text, leaf);
	return text.n && memmem(text.data, text.n, token, strlen(token)) != NULL;
}

/* Leaves under secret paths give way to stars. */
static void status_mask(
    struct arena *a, struct jval *root, const struct policy *p, const char *token)
{
	struct policy_walk *w = policy_walk_new(a, p);
	struct jval *v = root, *next;

	while (v) {
		if (jval_is_tree(v)) {
			v = jval_first(v);
			policy_push(w, v->key);
			continue;
		}
		if (v != root &&
		    (policy_here(w)->secret || status_has_token(v, token))) {
			struct jval *stars = jval_new_string(a, SLICE_LIT("***"));

			jval_replace(a, v, stars);
			v = stars;
		}
		while (v != root && !jval_next(v)) {
			v = v->parent;
			policy_pop(w);
		}
		next = v == root ? NULL : jval_next(v);
		if (next) {
			policy_pop(w);
			policy_push(w, next->key);
		}
		v = next;
	}
}

static void status_policy(struct arena *a, struct slice text, struct policy *out)
{
	struct json_doc doc;
	struct err e;

	if (!text.n || json_doc_parse_object(a, text, &doc) != JSON_DOC_OK ||
	    policy_parse(a, doc.root, out, &e))
		policy_builtin(a, out);
}

void status_settings_print(
    const struct record *r, const char *token, bool secrets, struct buf *out)
{
	AUTO(arena_deinit) struct arena a = ARENA_NULL;
	struct policy policy;
	struct json_doc doc;
	struct jval *root;

	if (json_doc_parse_object(&a, record_get(r, RECORD_TEXT), &doc) != JSON_DOC_OK) {
		buf_adds(out, "{}");
		return;
	}
	status_policy(&a, record_get(r, RECORD_POLICY), &policy);
	root = jval_copy(&a, doc.root);
	if (!secrets)
		status_mask(&a, root, &policy, token);
	jval_print(out, root);
}

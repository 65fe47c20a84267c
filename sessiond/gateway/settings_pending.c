/* What instances hold back until somebody decides: deletions in bulk, values met at first
 * contact. The instance reports its list, a user answers here, the instance hears of it
 * and carries it out.
 *
 * One key per session: {"held":[{"id","kind","paths","since","action"}]},
 * compare-and-set.
 */
#include "base/clock.h"
#include "base/must.h"
#include "proto/subjects.h"
#include "sessiond/events.h"
#include "sessiond/gateway/settings_internal.h"

enum {
	PENDING_VALUE_MAX = 200 * 1024,
	PENDING_MAX = 64, /* entries */
	PENDING_TRIES_MAX = 8,
};

struct pending_job {
	struct call *c;
	struct subject key;
	/* Change the list (owned by the caller of it); false: answered, @p is gone. */
	bool (*change)(struct pending_job *p, struct jsn **list);
	struct jsn *list;
	uint64_t revision;
	size_t n_tries;
};

static struct gateway *pending_gateway(const struct pending_job *p)
{
	return p->c->g;
}

static void pending_end(struct pending_job *p)
{
	jsn_free(p->list);
	free(p);
}

static void pending_error(struct pending_job *p, int code, const char *text)
{
	struct call *c = p->c;

	pending_end(p);
	call_reply_error(c, code, "%s", text);
}

/* An instance hears what was decided of its entries with the answer to its report. */
static void pending_ok(struct pending_job *p)
{
	struct call *c = p->c;
	struct jsn *body = jsn_new_object(), *own = jsn_new_array();
	const char *client = jsn_get_string(c->body, "client");

	jsn_for_each (h, p->list) {
		const char *whose = jsn_get_string(h, "client");

		if (whose && client && strcmp(whose, client) == 0)
			jsn_push(own, jsn_copy(h));
	}
	pending_end(p);
	jsn_set_string(body, "status", "ok");
	if (client)
		jsn_set(body, "pending", own);
	else
		jsn_free(own);
	call_reply_json(c, 200, body);
}

static void pending_read(struct pending_job *p);

/* Every replica's subscribers are told as of a revision of overrides, by the number they
 * have: that nothing is new there says that something was decided. */
static void pending_on_head(void *data, const struct store_result *r)
{
	struct pending_job *p = data;
	struct subject subject =
	    SUBJECT_OF(session_settings_told, "ses", p->c->session_id.s);
	struct settings_head h = {0};
	AUTO(buf_deinit) struct buf text = BUF_NULL(256);

	if (r->code == 0 && settings_head_parse(r->value, r->revision, &h))
		buf_addf(&text,
		    "{\"revision\":%llu,\"user_rev\":%llu,\"kind\":\"pending\"}",
		    (unsigned long long)h.user_rev, (unsigned long long)h.user_rev);
	/* an instance that does not hear it looks when it next connects */
	if (text.n && bus_publish(daemon_bus(pending_gateway(p)->daemon), subject.s, NULL,
			  NULL, 0, buf_slice(&text)))
		log_event(EV_settings_not_told, LF("session", p->c->session_id.s));
	pending_ok(p);
}

static void pending_on_put(void *data, const struct store_result *r)
{
	struct pending_job *p = data;
	struct subject subject =
	    SUBJECT_OF(session_settings_commit, "ses", p->c->session_id.s);
	struct store_read read = {
	    .stream = STREAM_session_settings, .last_subject = subject.s};

	if (r->code == ERROR_CONFLICT && ++p->n_tries < PENDING_TRIES_MAX)
		pending_read(p);
	else if (r->code)
		pending_error(p, ERROR_UNAVAILABLE, r->detail);
	else
		store_read(pending_gateway(p)->store, &read, pending_on_head, p);
}

static void pending_show(struct pending_job *p)
{
	struct call *c = p->c;
	struct jsn *body = jsn_new_object();

	jsn_set(body, "pending", p->list);
	p->list = NULL;
	pending_end(p);
	call_reply_json(c, 200, body);
}

static void pending_on_list(void *data, const struct store_result *r)
{
	struct pending_job *p = data;
	struct jsn *doc = NULL;
	struct err e;
	AUTO(buf_deinit) struct buf text = BUF_NULL(PENDING_VALUE_MAX);

	if (r->code && r->code != ERROR_NOT_FOUND) {
		pending_error(p, ERROR_UNAVAILABLE, r->detail);
		return;
	}
	p->revision = r->revision;
	jsn_free(p->list);
	if (!r->code && jsn_parse(r->value.p, r->value.n, &doc, &e) == 0 &&
	    jsn_type(jsn_get(doc, "held")) == JSN_ARRAY)
		p->list = jsn_copy(jsn_get(doc, "held"));
	else
		p->list = jsn_new_array();
	jsn_free(doc);
	if (!p->change) {
		pending_show(p);
		return;
	}
	if (!p->change(p, &p->list))
		return;
	buf_adds(&text, "{\"held\":");
	jsn_print(p->list, &text);
	buf_addc(&text, '}');
	if (buf_check(&text)) {
		pending_error(p, ERROR_TOO_LARGE, "more is held than can be kept");
		return;
	}
	store_put(pending_gateway(p)->store, BUCKET_session_settings, p->key.s,
	    buf_slice(&text), (int64_t)p->revision, pending_on_put, p);
}

static void pending_read(struct pending_job *p)
{
	store_get(pending_gateway(p)->store, BUCKET_session_settings, p->key.s,
	    pending_on_list, p);
}

static void pending_start(
    struct call *c, bool (*change)(struct pending_job *p, struct jsn **list))
{
	struct pending_job *p;

	if (!c->g->settings->ready) {
		call_reply_error(
		    c, ERROR_UNAVAILABLE, "the settings cannot be read yet: try again");
		return;
	}
	p = calloc(1, sizeof(*p));
	must(p);
	p->c = c;
	p->key = KEY_OF(c->session_id.s, "held");
	p->change = change;
	pending_read(p);
}

/* ---- GET ---- */

void settings_on_pending_get(struct call *c)
{
	pending_start(c, NULL);
}

/* ---- an instance's report ---- */

static const char *report_problem(const struct jsn *held)
{
	if (jsn_type(held) != JSN_ARRAY)
		return "held must be an array";
	if (jsn_count(held) > PENDING_MAX)
		return "held has too many entries";
	jsn_for_each (h, held) {
		const char *id = jsn_get_string(h, "id"),
			   *kind = jsn_get_string(h, "kind");

		if (!id || !id_token_valid(slice_of(id)))
			return "each entry of held needs an id of 1 to 64 of "
			       "[A-Za-z0-9_-]";
		if (!kind || (strcmp(kind, "bulk_delete") != 0 &&
				 strcmp(kind, "first_contact") != 0))
			return "kind must be bulk_delete or first_contact";
		if (jsn_type(jsn_get(h, "paths")) != JSN_ARRAY)
			return "paths must be an array";
	}
	return NULL;
}

static const struct jsn *find(const struct jsn *list, const char *id)
{
	jsn_for_each (h, list) {
		const char *other = jsn_get_string(h, "id");

		if (other && strcmp(other, id) == 0)
			return h;
	}
	return NULL;
}

/* The instance's entries, each with what was decided of it meanwhile; other instances'
 * stay. */
static bool report_change(struct pending_job *p, struct jsn **list)
{
	const struct jsn *held = jsn_get(p->c->body, "held");
	const char *client = jsn_get_string(p->c->body, "client");
	struct jsn *fresh = jsn_new_array();

	jsn_for_each (h, *list) {
		const char *other = jsn_get_string(h, "client");

		if (strcmp(other ? other : "", client ? client : "") != 0)
			jsn_push(fresh, jsn_copy(h));
	}
	jsn_for_each (h, held) {
		struct jsn *e = jsn_new_object();
		const struct jsn *known = find(*list, jsn_get_string(h, "id"));
		int64_t since = clock_unix_ms(), was;

		if (jsn_int(jsn_get(known, "since_unix_ms"), &was))
			since = was;
		jsn_set_string(e, "id", jsn_get_string(h, "id"));
		jsn_set_string(e, "kind", jsn_get_string(h, "kind"));
		jsn_set(e, "paths", jsn_copy(jsn_get(h, "paths")));
		jsn_set_time(e, "since", since);
		jsn_set_int(e, "since_unix_ms", since);
		jsn_set_string(e, "action", jsn_get_string(known, "action"));
		if (client)
			jsn_set_string(e, "client", client);
		jsn_push(fresh, e);
	}
	if (jsn_equal(fresh, *list)) {
		jsn_free(fresh);
		pending_ok(p);
		return false;
	}
	jsn_free(*list);
	*list = fresh;
	return true;
}

void settings_on_pending_report(struct call *c)
{
	const char *problem = report_problem(jsn_get(c->body, "held"));

	if (problem)
		call_reply_error(c, ERROR_INVALID, "%s", problem);
	else
		pending_start(c, report_change);
}

/* ---- a decision ---- */

static bool decide_change(struct pending_job *p, struct jsn **list)
{
	const char *id = p->c->params[1], *action = jsn_get_string(p->c->body, "action");
	struct jsn *fresh;
	bool found = false;

	fresh = jsn_new_array();
	jsn_for_each (h, *list) {
		struct jsn *e = jsn_copy(h);
		const char *other = jsn_get_string(h, "id");

		if (other && strcmp(other, id) == 0) {
			jsn_set_string(e, "action", action);
			found = true;
		}
		jsn_push(fresh, e);
	}
	jsn_free(*list);
	*list = fresh;
	if (!found)
		pending_error(p, ERROR_NOT_FOUND, "nothing of that id is held");
	return found;
}

void settings_on_pending_post(struct call *c)
{
	const char *action = jsn_get_string(c->body, "action");

	if (!action || (strcmp(action, "confirm") != 0 && strcmp(action, "undo") != 0 &&
			   strcmp(action, "restore") != 0))
		call_reply_error(
		    c, ERROR_INVALID, "action must be confirm, undo or restore");
	else
		pending_start(c, decide_change);
}

/* happy path: decode, check, then by verb: store the command and await its decision
 * (api_write.c), or read (api_read.c)
 *
 * failure modes: malformed: an error at once, nothing
 * stored; nobody to answer (no reply subject): ignored; too many calls under way:
 * UNAVAILABLE; not decided in time: UNAVAILABLE with accepted and seq */
#include "lifecycle/control/api.h"

#include <stdlib.h>

#include "base/clock.h"
#include "lifecycle/control/api_internal.h"
#include "lifecycle/control/desk.h"
#include "lifecycle/control/events.h"
#include "lifecycle/control/metrics.h"
#include "proto/subjects.h"

static const struct verb_row {
	const char *name;
	enum verb command; /* VERB_NONE: a query */
	void (*run)(struct call *call);
	bool needs_instance;
} verb_rows[] = {
    {"start", VERB_START, call_command, true},
    {"stop", VERB_STOP, call_command, true},
    {"restart", VERB_RESTART, call_command, true},
    {"signal", VERB_SIGNAL, call_command, true},
    {"purge", VERB_PURGE, call_command, true},
    {"get", VERB_NONE, call_get, true},
    {"wait", VERB_NONE, call_wait, true},
    {"list", VERB_NONE, call_list, false},
    {"runners", VERB_NONE, call_runners, false},
    {"scale", VERB_NONE, call_scale, false},
    {"force_lost", VERB_NONE, call_force_lost, true},
};

/* --- a call's end --- */

static void call_free(struct call *call)
{
	must(call->n_under_way == 0 && !list_linked(&call->by_entry));
	wheel_cancel(&call->api->c->wheel, &call->timer);
	list_del(&call->api->calls, &call->link);
	command_deinit(&call->cmd);
	query_deinit(&call->query);
	free(call);
}

static void call_leave_entry(struct call *call)
{
	struct entry *e = call->e;

	if (!e)
		return;
	call->e = NULL;
	if (!list_linked(&call->by_entry))
		return;
	list_del(&e->waiters, &call->by_entry);
	mirror_release(&call->api->c->mirror, e);
}

static void call_answer(struct call *call, const struct buf *body, int code)
{
	must(!call->answered);
	control_count(
	    call->api->c, ENDPOINT_API, clock_mono_us() - call->arrived_mono_us, code);
	call->answered = true;
	if (bus_publish(call->api->c->bus, call->reply, NULL, NULL, 0, buf_slice(body)))
		metric_inc(M_requests_failed); /* not connected: the asker times out */
	wheel_cancel(&call->api->c->wheel, &call->timer);
	call_leave_entry(call);
	if (call->n_under_way == 0)
		call_free(call);
}

void call_reply(struct call *call, const struct buf *body)
{
	call_answer(call, body, 0);
}

bool call_arrived(struct call *call)
{
	must(call->n_under_way > 0);
	call->n_under_way--;
	if (!call->answered)
		return true;
	if (call->n_under_way == 0)
		call_free(call);
	return false;
}

void call_reply_record(struct call *call, const struct instance *rec, bool duplicate)
{
	AUTO(buf_deinit) struct buf body = BUF_NULL(REPLY_BYTES_MAX);

	wire_record_encode(rec, duplicate, call->enc, &body);
	call_reply(call, &body);
}

void call_reply_error(struct call *call, int code, const char *message)
{
	AUTO(buf_deinit) struct buf body = BUF_NULL(REPLY_BYTES_MAX);
	bool accepted = code == ERROR_UNAVAILABLE && call->seq > 0;

	metric_inc(M_requests_failed);
	if (control_may_log(call->api->c))
		log_event(EV_request_bad, LF("verb", call->verb),
		    LF("code", error_name(code)), LF("detail", message));
	wire_error_encode(code, message, accepted ? call->seq : 0, call->enc, &body);
	call_answer(call, &body, code);
}

/* --- a call's beginning --- */

int call_tenant(struct id *body, const struct id *subject, struct err *e)
{
	if (id_empty(body))
		*body = *subject;
	else if (!id_empty(subject) && !id_eq(body, subject))
		return err_set(e, ERROR_INVALID,
		    "tenant: \"%s\" differs from the subject's \"%s\"", body->s,
		    subject->s);
	if (id_empty(body))
		*body = (struct id){"default"};
	return 0;
}

static const struct verb_row *find_verb(struct slice name)
{
	for (size_t i = 0; i < ARRAY_LEN(verb_rows); i++)
		if (slice_is(name, verb_rows[i].name))
			return &verb_rows[i];
	return NULL;
}

/* lifecycle.v1.api.<verb>[.<tenant>] */
static int parse_subject(
    const char *subject, const struct verb_row **row, struct id *tenant, struct err *e)
{
	struct slice t[SUBJECT_TOKENS_MAX];
	size_t n = subject_split(subject, t, ARRAY_LEN(t));

	*tenant = ID_NULL;
	*row = n >= 4 ? find_verb(t[3]) : NULL;
	if (!*row)
		return err_set(e, ERROR_INVALID, "%.100s: no such verb", subject);
	if (n > 5 || (n == 5 && !id_parse(t[4], tenant)))
		return err_set(e, ERROR_INVALID,
		    "%.100s: not lifecycle.v1.api.<verb>[.<tenant>]", subject);
	return 0;
}

static int decode(struct call *call, const struct verb_row *row, struct slice body,
    const struct id *tenant, struct err *e)
{
	const struct id any = ID_NULL;
	int r;

	if (row->command != VERB_NONE) {
		r = wire_command_decode(row->command, call->enc, body, &call->cmd, e);
		return r ? r : command_check(&call->cmd, tenant, &any, e);
	}
	r = wire_query_decode(row->name, call->enc, body, &call->query, e);
	if (!r)
		r = call_tenant(&call->query.tenant, tenant, e);
	if (!r && row->needs_instance && id_empty(&call->query.instance_id))
		r = err_set(e, ERROR_INVALID, "instance_id: missing");
	return r;
}

static struct call *call_new(struct api *a, const struct bus_msg *msg)
{
	struct call *call = calloc(1, sizeof(*call));

	must(call);
	call->api = a;
	call->arrived_mono_us = msg->received_mono_us;
	call->enc = codec_detect(msg->data, bus_msg_header(msg, "Content-Type"));
	call->verb = "";
	call->cmd = COMMAND_NULL;
	call->query = QUERY_NULL;
	snprintf(call->reply, sizeof(call->reply), "%s", msg->reply);
	list_push(&a->calls, &call->link);
	return call;
}

static void on_request(void *data, const struct bus_msg *msg)
{
	struct api *a = data;
	const struct verb_row *row;
	struct err e = ERR_NULL;
	struct call *call;
	struct id tenant;
	int r;

	if (!*msg->reply || strlen(msg->reply) >= REPLY_SUBJECT_MAX)
		return; /* nobody could be told */
	metric_inc(M_requests);
	call = call_new(a, msg);
	r = parse_subject(msg->subject, &row, &tenant, &e);
	if (!r) {
		call->verb = row->name;
		r = decode(call, row, msg->data, &tenant, &e);
	}
	if (!r && (a->calls.n > API_CALLS_MAX || a->c->stopping))
		r = err_set(&e, ERROR_UNAVAILABLE, "%s",
		    a->c->stopping ? "this replica is stopping"
				   : "too many requests are under way");
	if (r)
		call_reply_error(call, r, e.text);
	else
		row->run(call);
}

int api_new(struct control *c, struct api **out, struct err *e)
{
	struct api *a = calloc(1, sizeof(*a));

	must(a);
	a->c = c;
	list_init(&a->calls);
	*out = a;
	return bus_subscribe(c->bus, SUBJ_api, "lifecycled", on_request, a, e);
}

void api_entry_changed(struct api *a, struct entry *e)
{
	(void)a;
	if (e->rec.revision == 0 || !e->rec.known)
		return;
	list_for_each_safe (it, &e->waiters) {
		struct call *call = list_entry(it, struct call, by_entry);

		if (call->query.states & (1u << e->rec.state))
			call_reply_record(call, &e->rec, false);
	}
}

void api_close(struct api *a)
{
	list_for_each_safe (it, &a->calls) {
		struct call *call = list_entry(it, struct call, link);

		if (!call->answered)
			call_reply_error(
			    call, ERROR_UNAVAILABLE, "this replica is stopping");
	}
}

struct api *api_free(struct api *a)
{
	if (!a)
		return NULL;
	list_for_each_safe (it, &a->calls) {
		struct call *call = list_entry(it, struct call, link);

		if (list_linked(&call->by_entry))
			list_del(&call->e->waiters, &call->by_entry);
		call->n_under_way = 0;
		call_free(call);
	}
	free(a);
	return NULL;
}

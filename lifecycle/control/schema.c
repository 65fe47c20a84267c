/* happy path: streams, buckets, then the consumer, one after the other; done
 *
 * failure modes: no answer or no JetStream: again with a growing pause, said in
 * schema_problem; a setting that differs: reported once, nothing is changed */
#include "lifecycle/control/schema.h"

#include <stdlib.h>

#include "base/backoff.h"
#include "base/clock.h"
#include "base/ids.h"
#include "base/jsn.h"
#include "lifecycle/control/events.h"
#include "lifecycle/wire.h"
#include "proto/subjects.h"

enum {
	MIB = 1024 * 1024,
	MINUTE_MS = 60 * 1000,
	CMD_ACK_WAIT_MS = 10000,
	CMD_MAX_ACK_PENDING = 256,
	SPEC_VALUE_MAX = WIRE_SPEC_MAX + 1024, /* hash and order */
};

static const int64_t day_ms = INT64_C(24) * 3600 * 1000;

struct schema {
	struct store *store;
	struct bus *bus;
	int64_t replicas;
	schema_cb *cb;
	void *data;
	unsigned i_step;
	uint64_t look; /* answers to an earlier look are ignored */
	bool ready, looking;
	int64_t cmd_stream_ms;
	char problem[256];
	struct loop_timer *retry;
	struct backoff backoff;
};

/* An answer belongs to the look it was asked in. */
struct schema_call {
	struct schema *schema;
	uint64_t look;
};

static void schema_step(struct schema *s);

static void on_step(void *data, const struct store_result *r);

static void make_cmd(struct schema *s, struct schema_call *call)
{
	store_ensure_stream(s->store,
	    &(struct store_stream){.name = STREAM_lifecycle_cmd,
		.subjects = SUBJ_cmd_all,
		.work_queue = true,
		.discard_new = true,
		.deny_delete = true,
		.max_msgs = 100000,
		.max_bytes = 256 * MIB,
		.max_msg_size = WIRE_SPEC_MAX,
		.duplicate_window_ms = 10 * MINUTE_MS,
		.replicas = s->replicas},
	    on_step, call);
}

static void make_evt(struct schema *s, struct schema_call *call)
{
	store_ensure_stream(s->store,
	    &(struct store_stream){.name = STREAM_lifecycle_evt,
		.subjects = SUBJ_evt_all,
		.deny_delete = true,
		.deny_purge = true,
		.max_age_ms = 7 * day_ms,
		.max_bytes = INT64_C(2048) * MIB,
		.max_msgs_per_subject = 1000,
		.duplicate_window_ms = 10 * MINUTE_MS,
		.replicas = s->replicas},
	    on_step, call);
}

static void make_dlq(struct schema *s, struct schema_call *call)
{
	store_ensure_stream(s->store,
	    &(struct store_stream){.name = STREAM_lifecycle_dlq,
		.subjects = SUBJ_dlq,
		.max_age_ms = 30 * day_ms,
		.max_bytes = 64 * MIB,
		.replicas = s->replicas},
	    on_step, call);
}

static void make_bucket(struct schema *s, struct schema_call *call, const char *name,
    int64_t history, int64_t max_value_bytes, bool feed)
{
	struct subject prefix = SUBJECT_OF(lifecycle_feed, name);

	store_ensure_bucket(s->store,
	    &(struct store_bucket){.name = name,
		.history = history,
		.max_value_bytes = max_value_bytes,
		.replicas = s->replicas,
		.feed = feed ? prefix.s : NULL},
	    on_step, call);
}

static void make_instance(struct schema *s, struct schema_call *call)
{
	make_bucket(s, call, BUCKET_lifecycle_instance, 5, WIRE_RECORD_MAX, true);
}

/* Not republished: it holds environments. */
static void make_spec(struct schema *s, struct schema_call *call)
{
	make_bucket(s, call, BUCKET_lifecycle_spec, 1, SPEC_VALUE_MAX, false);
}

static void make_assignment(struct schema *s, struct schema_call *call)
{
	make_bucket(s, call, BUCKET_lifecycle_assignment, 1, WIRE_RECORD_MAX, true);
}

static void make_report(struct schema *s, struct schema_call *call)
{
	make_bucket(s, call, BUCKET_lifecycle_report, 1, WIRE_RECORD_MAX, true);
}

static void make_runner(struct schema *s, struct schema_call *call)
{
	make_bucket(s, call, BUCKET_lifecycle_runner, 1, 4 * WIRE_RECORD_MAX, true);
}

static void make_consumer(struct schema *s, struct schema_call *call)
{
	store_ensure_consumer(s->store,
	    &(struct store_consumer){.stream = STREAM_lifecycle_cmd,
		.name = "lifecycled",
		.deliver_subject = SUBJ_cmd_delivery,
		.deliver_group = "lifecycled",
		.ack_wait_ms = CMD_ACK_WAIT_MS,
		.max_ack_pending = CMD_MAX_ACK_PENDING},
	    on_step, call);
}

static void on_cmd_info(void *data, int code, const struct bus_msg *m)
{
	struct schema_call *call = data;
	struct schema *s = call->schema;
	AUTO(jsn_freep) struct jsn *info = NULL;
	struct store_result r = {.code = code};
	const char *created;

	if (code == 0 && jsn_parse(m->data.p, m->data.n, &info, NULL) == 0) {
		created = jsn_get_string(info, "created");
		if (!created || !clock_parse_rfc3339(created, &s->cmd_stream_ms))
			r.code = ERROR_INTERNAL;
	} else if (code == 0) {
		r.code = ERROR_INTERNAL;
	}
	on_step(call, &r);
}

static void ask_cmd(struct schema *s, struct schema_call *call)
{
	char subject[64];

	snprintf(
	    subject, sizeof(subject), "$JS.API.STREAM.INFO.%s", STREAM_lifecycle_cmd);
	bus_request(s->bus, &(struct bus_request){.subject = subject,
				.timeout_ms = STORE_TIMEOUT_MS,
				.cb = on_cmd_info,
				.cb_data = call});
}

static const struct {
	const char *what;
	void (*make)(struct schema *s, struct schema_call *call);
} steps[] = {
    {"stream LIFECYCLE_EVT", make_evt},
    {"stream LIFECYCLE_DLQ", make_dlq},
    {"bucket lifecycle_instance", make_instance},
    {"bucket lifecycle_spec", make_spec},
    {"bucket lifecycle_assignment", make_assignment},
    {"bucket lifecycle_report", make_report},
    {"bucket lifecycle_runner", make_runner},
    {"stream LIFECYCLE_CMD", make_cmd},
    {"age of LIFECYCLE_CMD", ask_cmd},
    {"consumer lifecycled", make_consumer},
};

/* Limits an operator may have changed to suit the machine: "differs in max_bytes
 * max_age". */
static bool differs_in_limits_only(const char *detail)
{
	static const char *const limits[] = {"max_bytes", "max_msgs", "max_age",
	    "max_msg_size", "max_msgs_per_subject", "duplicate_window", "ack_wait",
	    "max_ack_pending"};
	const char *p = strstr(detail, "differs in ");

	if (!p)
		return false;
	for (p += strlen("differs in "); *p; p += *p == ' ') {
		size_t n = strcspn(p, " ");
		bool known = false;

		for (size_t i = 0; i < ARRAY_LEN(limits); i++)
			known |= slice_is((struct slice){p, n}, limits[i]);
		if (!known)
			return false;
		p += n;
	}
	return true;
}

static void schema_fail(struct schema *s, const struct store_result *r)
{
	uint32_t random;

	s->ready = false;
	snprintf(s->problem, sizeof(s->problem), "%s: %s", steps[s->i_step].what,
	    *r->detail ? r->detail : error_sentence(r->code));
	if (r->code == ERROR_CONFLICT) {
		s->looking = false;
		log_event(EV_schema_differs, LF("detail", s->problem));
		s->cb(s->data, ERROR_CONFLICT, s->problem);
		return;
	}
	log_event(EV_schema_failed, LF("detail", s->problem));
	random_bytes(&random, sizeof(random));
	loop_timer_start(s->retry, backoff_next_ms(&s->backoff, random), 0);
}

static void on_step(void *data, const struct store_result *r)
{
	struct schema_call *call = data;
	struct schema *s = call->schema;
	bool current = call->look == s->look;

	free(call);
	if (!current || r->code == -ECANCELED)
		return;
	if (r->code == ERROR_CONFLICT && differs_in_limits_only(r->detail)) {
		log_event(EV_schema_kept, LF("what", steps[s->i_step].what),
		    LF("detail", r->detail));
	} else if (r->code) {
		schema_fail(s, r);
		return;
	}
	s->i_step++;
	schema_step(s);
}

static void schema_step(struct schema *s)
{
	struct schema_call *call;

	if (s->i_step == ARRAY_LEN(steps)) {
		s->ready = true;
		s->looking = false;
		s->problem[0] = '\0';
		backoff_reset(&s->backoff);
		s->cb(s->data, 0, "");
		return;
	}
	call = malloc(sizeof(*call));
	must(call);
	*call = (struct schema_call){.schema = s, .look = s->look};
	steps[s->i_step].make(s, call);
}

/* "2.9.21" at least? */
static bool version_at_least(const char *version, int major, int minor, int patch)
{
	int v[3] = {0};

	if (sscanf(version, "%d.%d.%d", &v[0], &v[1], &v[2]) < 2)
		return true; /* a name we do not know: a newer one */
	if (v[0] != major)
		return v[0] > major;
	if (v[1] != minor)
		return v[1] > minor;
	return v[2] >= patch;
}

void schema_check(struct schema *s)
{
	const char *version = bus_server_version(s->bus);

	schema_stop(s);
	s->looking = true;
	s->i_step = 0;
	/* Before 2.9.21 two compare-and-set writes with the same revision could both
	 * succeed in a cluster. */
	if (s->replicas > 1 && !version_at_least(version, 2, 9, 21)) {
		snprintf(s->problem, sizeof(s->problem),
		    "--replicas %lld needs nats-server 2.9.21 or newer, this is %s",
		    (long long)s->replicas, version);
		log_event(EV_schema_differs, LF("detail", s->problem));
		s->cb(s->data, ERROR_INVALID, s->problem);
		return;
	}
	schema_step(s);
}

void schema_recheck(struct schema *s)
{
	if (s->looking)
		return;
	s->looking = true;
	s->i_step = 0;
	schema_step(s);
}

int64_t schema_cmd_stream_ms(const struct schema *s)
{
	return s->cmd_stream_ms;
}

void schema_stop(struct schema *s)
{
	s->look++;
	s->ready = s->looking = false;
	snprintf(s->problem, sizeof(s->problem),
	    "streams and buckets have not been looked at yet");
	if (s->retry)
		loop_timer_stop(s->retry);
}

static void on_retry(struct loop_timer *t, void *data)
{
	(void)t;
	schema_step(data);
}

struct schema *schema_new(struct loop *l, struct bus *b, struct store *st,
    int64_t replicas, schema_cb *cb, void *data)
{
	struct schema *s = calloc(1, sizeof(*s));

	must(s);
	*s = (struct schema){.store = st,
	    .bus = b,
	    .replicas = replicas,
	    .cb = cb,
	    .data = data,
	    .backoff = BACKOFF_INIT(200, 5000)};
	s->retry = loop_timer_new(l, on_retry, s);
	schema_stop(s);
	return s;
}

void schema_close(struct schema *s)
{
	schema_stop(s);
	s->retry = loop_timer_free(s->retry);
}

struct schema *schema_free(struct schema *s)
{
	free(s);
	return NULL;
}

bool schema_is_ready(const struct schema *s)
{
	return s->ready;
}

const char *schema_problem(const struct schema *s)
{
	return s->problem;
}

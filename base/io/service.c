/* Discovery of this program by other NATS clients. Its own file because it only uses the
 * bus: nothing in the program depends on being found.
 *
 * happy path: service_new subscribes, a question comes, the answer goes to its reply
 * subject
 *
 * failure modes: the broker does not permit $SRV: logged by the bus, nobody finds us; an
 * answer cannot be sent: the asker times out */
#include "base/io/service.h"

#include <string.h>

#include "base/clock.h"
#include "base/ids.h"
#include "base/jsn.h"

enum {
	SERVICE_ANSWER_MAX = 256 * 1024,
	SERVICE_ERROR_MAX = 128,
	SERVICE_SUBJECT_MAX = 192,
};

enum service_verb { SERVICE_PING, SERVICE_INFO, SERVICE_STATS, SERVICE_VERB_N_ };

struct service_stats {
	int64_t n_requests, n_errors, took_ns;
	char last_error[SERVICE_ERROR_MAX];
};

struct service;

/* What a subscription is for. */
struct service_ear {
	struct service *service;
	enum service_verb verb;
};

struct service {
	struct bus *bus;
	char *name, *version, *description;
	struct id id;
	int64_t started_unix_ms;
	const struct service_endpoint *endpoints;
	struct service_stats *stats; /* of each */
	size_t n_endpoints;
	struct service_ear ears[SERVICE_VERB_N_];
};

static const struct {
	const char *verb, *type;
} service_verbs[SERVICE_VERB_N_] = {
    [SERVICE_PING] = {"PING", "io.nats.micro.v1.ping_response"},
    [SERVICE_INFO] = {"INFO", "io.nats.micro.v1.info_response"},
    [SERVICE_STATS] = {"STATS", "io.nats.micro.v1.stats_response"},
};

static struct jsn *service_answer_endpoint(const struct service *s, size_t i)
{
	const struct service_endpoint *e = &s->endpoints[i];
	struct jsn *o = jsn_new_object();

	jsn_set_string(o, "name", e->name);
	jsn_set_string(o, "subject", e->subject);
	jsn_set_string(o, "queue_group", e->queue_group ? e->queue_group : "");
	return o;
}

static void service_add_stats(const struct service *s, size_t i, struct jsn *o)
{
	const struct service_stats *st = &s->stats[i];

	jsn_set_int(o, "num_requests", st->n_requests);
	jsn_set_int(o, "num_errors", st->n_errors);
	jsn_set_string(o, "last_error", st->last_error);
	jsn_set_int(o, "processing_time", st->took_ns);
	jsn_set_int(o, "average_processing_time",
	    st->n_requests ? st->took_ns / st->n_requests : 0);
}

static struct jsn *service_answer_endpoints(const struct service *s, bool with_stats)
{
	struct jsn *a = jsn_new_array();

	for (size_t i = 0; i < s->n_endpoints; i++) {
		struct jsn *o = service_answer_endpoint(s, i);

		if (with_stats)
			service_add_stats(s, i, o);
		jsn_push(a, o);
	}
	return a;
}

static struct jsn *service_answer(const struct service *s, enum service_verb verb)
{
	struct jsn *o = jsn_new_object();

	jsn_set_string(o, "type", service_verbs[verb].type);
	jsn_set_string(o, "name", s->name);
	jsn_set_string(o, "id", s->id.s);
	jsn_set_string(o, "version", s->version);
	jsn_set(o, "metadata", jsn_new_object());
	if (verb == SERVICE_INFO)
		jsn_set_string(o, "description", s->description);
	if (verb == SERVICE_STATS)
		jsn_set_time(o, "started", s->started_unix_ms);
	if (verb != SERVICE_PING)
		jsn_set(
		    o, "endpoints", service_answer_endpoints(s, verb == SERVICE_STATS));
	return o;
}

static void service_on_question(void *data, const struct bus_msg *m)
{
	const struct service_ear *ear = data;
	AUTO(buf_deinit) struct buf text = BUF_NULL(SERVICE_ANSWER_MAX);
	AUTO(jsn_freep) struct jsn *answer = NULL;

	if (!*m->reply)
		return;
	answer = service_answer(ear->service, ear->verb);
	jsn_print(answer, &text);
	if (buf_check(&text) == 0 && bus_publish(ear->service->bus, m->reply, NULL, NULL,
					 0, buf_slice(&text)) != 0)
		return; /* whoever asked asks again */
}

static int service_listen(struct service *s, enum service_verb verb, struct err *e)
{
	const char *name = service_verbs[verb].verb;
	char subjects[3][SERVICE_SUBJECT_MAX];
	int r = 0;

	s->ears[verb] = (struct service_ear){s, verb};
	snprintf(subjects[0], sizeof(subjects[0]), "$SRV.%s", name);
	snprintf(subjects[1], sizeof(subjects[1]), "$SRV.%s.%s", name, s->name);
	snprintf(
	    subjects[2], sizeof(subjects[2]), "$SRV.%s.%s.%s", name, s->name, s->id.s);
	for (size_t i = 0; r == 0 && i < ARRAY_LEN(subjects); i++)
		r = bus_subscribe(
		    s->bus, subjects[i], NULL, service_on_question, &s->ears[verb], e);
	return r;
}

static char *service_copy(const char *text)
{
	char *copy = strdup(text ? text : "");

	must(copy);
	return copy;
}

int service_new(
    struct bus *b, const struct service_conf *conf, struct service **out, struct err *e)
{
	struct service *s = calloc(1, sizeof(*s));
	int r = 0;

	must(s);
	s->bus = b;
	s->name = service_copy(conf->name);
	s->version = service_copy(conf->version);
	s->description = service_copy(conf->description);
	s->started_unix_ms = clock_unix_ms();
	s->endpoints = conf->endpoints;
	s->n_endpoints = conf->n_endpoints;
	s->stats = calloc(conf->n_endpoints + 1, sizeof(*s->stats));
	must(s->stats);
	if (!conf->id)
		s->id = id_make("");
	else if (!id_parse(slice_of(conf->id), &s->id))
		r = err_set(e, ERROR_INVALID, "service id '%s' is no token", conf->id);
	if (r == 0 && !id_token_valid(slice_of(s->name)))
		r = err_set(e, ERROR_INVALID, "service name '%s' is no token", s->name);
	for (int v = 0; r == 0 && v < SERVICE_VERB_N_; v++)
		r = service_listen(s, (enum service_verb)v, e);
	if (r)
		service_free(s);
	else
		*out = s;
	return r;
}

struct service *service_free(struct service *s)
{
	if (!s)
		return NULL;
	for (size_t v = 0; v < SERVICE_VERB_N_; v++)
		bus_mute(s->bus, &s->ears[v]);
	free(s->name);
	free(s->version);
	free(s->description);
	free(s->stats);
	free(s);
	return NULL;
}

const char *service_id(const struct service *s)
{
	return s->id.s;
}

void service_count(
    struct service *s, size_t i_endpoint, int64_t took_ns, const char *error)
{
	struct service_stats *st;

	must(i_endpoint < s->n_endpoints);
	st = &s->stats[i_endpoint];
	st->n_requests++;
	st->took_ns += took_ns;
	if (!error)
		return;
	st->n_errors++;
	snprintf(st->last_error, sizeof(st->last_error), "%s", error);
}

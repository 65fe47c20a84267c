/* happy path: delivery, decode, to the desk of its instance; acknowledged there
 *
 * failure modes: subject of another form: to LIFECYCLE_DLQ, terminated; body that cannot
 * be understood: to LIFECYCLE_DLQ, then decided as refused (a "rejected" event),
 * terminated */
#include "lifecycle/control/commands.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

#include "base/clock.h"
#include "lifecycle/control/events.h"
#include "lifecycle/control/metrics.h"
#include "lifecycle/wire.h"
#include "proto/subjects.h"

enum {
	NOT_NOW_MS = 200,
};

/* A message, delivered or read. */
struct raw {
	const char *subject;
	struct slice data;
	const char *content_type; /* NULL for none */
	const char *msg_id;       /* header Nats-Msg-Id, or NULL */
	uint64_t seq;
	int64_t at_unix_ms;
};

/* lifecycle.v1.cmd.<tenant>.<verb>.<instance> */
static bool parse_subject(
    const char *subject, struct id *tenant, enum verb *verb, struct id *id)
{
	struct slice t[SUBJECT_TOKENS_MAX];

	*verb = VERB_NONE;
	if (subject_split(subject, t, ARRAY_LEN(t)) != 6)
		return false;
	if (!id_parse(t[3], tenant) || !id_parse(t[5], id))
		return false;
	*verb = verb_parse(t[4]);
	return true;
}

static int decode(const struct raw *m, enum verb verb, const struct id *tenant,
    const struct id *id, struct command *cmd, struct err *e)
{
	int r;

	if (verb == VERB_NONE)
		return err_set(e, ERROR_INVALID, "%s: no such verb", m->subject);
	r = wire_command_decode(
	    verb, codec_detect(m->data, m->content_type), m->data, cmd, e);
	return r ? r : command_check(cmd, tenant, id, e);
}

static bool printable(const char *s)
{
	for (; *s; s++)
		if (*s < 0x20 || *s == 0x7f)
			return false;
	return true;
}

static struct job *read_job(const struct raw *m)
{
	struct id tenant, id;
	struct err e = ERR_NULL;
	enum verb verb;
	struct job *j;

	if (!parse_subject(m->subject, &tenant, &verb, &id))
		return NULL;
	j = job_new(JOB_COMMAND, &tenant, &id);
	j->refused = decode(m, verb, &tenant, &id, &j->cmd, &e);
	snprintf(j->refused_text, sizeof(j->refused_text), "%s", e.text);
	j->cmd.verb = verb;
	/* a sender may name its command in the header alone */
	if (!*j->cmd.command_id && m->msg_id && strlen(m->msg_id) <= COMMAND_ID_MAX &&
	    printable(m->msg_id))
		snprintf(j->cmd.command_id, sizeof(j->cmd.command_id), "%s", m->msg_id);
	snprintf(j->command_id, sizeof(j->command_id), "%s", j->cmd.command_id);
	j->seq = m->seq;
	j->published_unix_ms = m->at_unix_ms;
	j->arrived_mono_us = clock_mono_us();
	return j;
}

struct job *commands_read_job(const struct store_result *r)
{
	const struct bus_msg headers = {.headers = r->headers, .n_headers = r->n_headers};

	return read_job(&(struct raw){.subject = r->key,
	    .data = r->value,
	    .content_type = bus_msg_header(&headers, "Content-Type"),
	    .msg_id = bus_msg_header(&headers, "Nats-Msg-Id"),
	    .seq = r->revision,
	    .at_unix_ms = r->at_unix_ms});
}

struct job *commands_new_job(struct command *cmd, uint64_t seq, int64_t published_unix_ms)
{
	struct job *j = job_new(JOB_COMMAND, &cmd->tenant, &cmd->instance_id);

	j->cmd = *cmd;
	*cmd = COMMAND_NULL; /* taken by the job */
	snprintf(j->command_id, sizeof(j->command_id), "%s", j->cmd.command_id);
	j->seq = seq;
	j->published_unix_ms = published_unix_ms;
	j->arrived_mono_us = clock_mono_us();
	return j;
}

/* --- what cannot be understood --- */

/* A delivery on its way into LIFECYCLE_DLQ. */
struct dead_letter {
	struct control *c;
	struct job
	    *job; /* to be decided as refused; NULL: the subject names no instance */
	char ack[ACK_SUBJECT_MAX];
};

static void on_dead_letter(void *data, const struct store_result *r)
{
	struct dead_letter *l = data;
	struct control *c = l->c;
	struct job *job = l->job;

	if (r->code) {
		job_free(job); /* it is delivered again */
	} else if (job) {
		job->term = true;
		desk_submit(c, job);
	} else if (store_ack_delivery(c->store, l->ack, STORE_TERM, 0)) {
		metric_inc(M_commands_redelivered); /* not connected: it will be */
	}
	free(l);
}

static void bury(struct control *c, const struct raw *m, const char *ack, struct job *job)
{
	struct dead_letter *l = calloc(1, sizeof(*l));
	char seq[24], msg_id[32];
	const char *why =
	    job ? job->refused_text : "not lifecycle.v1.cmd.<tenant>.<verb>.<instance>";
	const struct bus_header headers[] = {
	    {"Zedbus-Subject", m->subject}, {"Zedbus-Seq", seq}, {"Zedbus-Error", why}};

	must(l);
	l->c = c;
	l->job = job;
	snprintf(l->ack, sizeof(l->ack), "%s", ack);
	snprintf(seq, sizeof(seq), "%" PRIu64, m->seq);
	snprintf(msg_id, sizeof(msg_id), "dlq.%" PRIu64, m->seq);
	metric_inc(M_commands_bad);
	if (control_may_log(c))
		log_event(EV_command_bad, LF("subject", m->subject), LF_I("seq", m->seq),
		    LF("detail", why));
	store_append(c->store,
	    &(struct store_append){.subject = SUBJ_dlq,
		.msg_id = msg_id,
		.headers = headers,
		.n_headers = ARRAY_LEN(headers),
		.value = m->data,
		.expected_last_subject_seq = STORE_ANY_REVISION},
	    on_dead_letter, l);
}

/* --- deliveries --- */

/* First deliveries come in the order of the stream. One that does not comes from another
 * stream of the same name, or from a consumer made anew: no number may be judged by what
 * records remember until that is known. */
static bool may_decide(struct control *c, const struct store_delivery *del)
{
	if (c->stopping || c->cmd_stream_ms == 0)
		return false;
	if (del->n_delivered > 1)
		return true;
	if (del->stream_seq <= c->cmd_seen_seq) {
		control_doubt_stream(c);
		return false;
	}
	c->cmd_seen_seq = del->stream_seq;
	return true;
}

static void on_delivery(void *data, const struct bus_msg *msg)
{
	struct control *c = data;
	struct store_delivery del;
	struct raw m = {.subject = msg->subject,
	    .data = msg->data,
	    .content_type = bus_msg_header(msg, "Content-Type"),
	    .msg_id = bus_msg_header(msg, "Nats-Msg-Id")};
	struct job *j;

	if (strlen(msg->reply) >= ACK_SUBJECT_MAX ||
	    !store_delivery_parse(msg->reply, &del))
		return; /* somebody published there by hand */
	if (!may_decide(c, &del)) {
		if (store_ack_delivery(c->store, msg->reply, STORE_NAK, NOT_NOW_MS))
			return; /* not connected: the broker delivers it again by itself
				 */
		return;
	}
	if (del.n_delivered > 1)
		metric_inc(M_commands_redelivered);
	m.seq = del.stream_seq;
	m.at_unix_ms = del.at_unix_ms;
	j = read_job(&m);
	if (!j || j->refused) {
		if (j)
			snprintf(j->ack, sizeof(j->ack), "%s", msg->reply);
		bury(c, &m, msg->reply, j);
		return;
	}
	snprintf(j->ack, sizeof(j->ack), "%s", msg->reply);
	j->arrived_mono_us = msg->received_mono_us;
	desk_submit(c, j);
}

int commands_subscribe(struct control *c, struct err *e)
{
	return bus_subscribe(c->bus, SUBJ_cmd_delivery, "lifecycled", on_delivery, c, e);
}

/* Commands by request: checked, stored in LIFECYCLE_CMD as if their sender had published
 * them, and answered when decided (which any replica may do; this one tries at once).
 *
 * failure modes: the stream is full or away: UNAVAILABLE, nothing stored or not known;
 * its command_id was used before (the broker says duplicate): the answer to that command,
 * if it was one for this instance */
#include <errno.h>

#include "base/clock.h"
#include "lifecycle/control/api_internal.h"
#include "lifecycle/control/commands.h"
#include "lifecycle/control/gate.h"
#include "proto/subjects.h"

enum {
	COMMAND_BYTES_MAX = WIRE_SPEC_MAX - 1024, /* headers count too */
};

static void on_decided(void *data, const struct verdict *v, const struct instance *rec)
{
	struct call *call = data;

	if (!call_arrived(call))
		return;
	call->e = NULL;
	if (v->code)
		call_reply_error(call, v->code, v->text);
	else if (!rec)
		call_reply_error(call, ERROR_INTERNAL, "there is no record");
	else
		call_reply_record(call, rec, v->duplicate || call->repeated);
}

static void on_late(struct wheel_timer *t)
{
	struct call *call = container_of(t, struct call, timer);

	call_reply_error(call, ERROR_UNAVAILABLE,
	    call->seq ? "stored, but not decided yet"
		      : "not known whether it was stored");
}

static void submit(struct call *call, struct job *j)
{
	j->done = on_decided;
	j->done_data = call;
	call->n_under_way++;
	desk_submit(call->api->c, j);
}

/* --- its id was used before --- */

/* The message is gone, so it was decided: what does the record remember? */
static void on_old_record(void *data, const struct store_result *r)
{
	struct call *call = data;
	struct instance rec = INSTANCE_NULL;
	struct verdict v = {0};
	struct err e = ERR_NULL;
	int64_t stream_ms = call->api->c->cmd_stream_ms;
	int code = r->code;

	if (code == -ECANCELED || !call_arrived(call))
		return;
	if (code == 0)
		code = wire_instance_decode(r->value, &rec, &e);
	if (code == 0 && decided_answer(&rec, stream_ms, call->seq, &v) && v.code)
		call_reply_error(call, v.code, v.text);
	else if (code == 0 && instance_cmd_order(&rec, stream_ms) >= call->seq)
		call_reply_record(call, &rec, true);
	else if (code == 0 || code == ERROR_NOT_FOUND)
		call_reply_error(call, ERROR_CONFLICT,
		    "command_id: was used for a command of another instance");
	else
		call_reply_error(call, ERROR_UNAVAILABLE, error_sentence(code));
	instance_deinit(&rec);
}

static bool same_target(const struct job *j, const struct command *cmd)
{
	return id_eq(&j->tenant, &cmd->tenant) &&
	       id_eq(&j->instance_id, &cmd->instance_id) && j->cmd.verb == cmd->verb;
}

static void on_old_command(void *data, const struct store_result *r)
{
	struct call *call = data;
	struct subject key;
	struct job *j;

	if (r->code == -ECANCELED || !call_arrived(call))
		return;
	if (r->code == ERROR_NOT_FOUND) {
		key = KEY_OF(call->cmd.tenant.s, call->cmd.instance_id.s);
		call->n_under_way++;
		store_get(call->api->c->store, BUCKET_lifecycle_instance, key.s,
		    on_old_record, call);
		return;
	}
	j = r->code ? NULL : commands_read_job(r);
	if (r->code) {
		call_reply_error(call, ERROR_UNAVAILABLE, error_sentence(r->code));
	} else if (!j || !same_target(j, &call->cmd)) {
		call_reply_error(
		    call, ERROR_CONFLICT, "command_id: was used for another command");
	} else {
		submit(call, j);
		return;
	}
	job_free(j);
}

/* --- storing --- */

static void on_stored(void *data, const struct store_result *r)
{
	struct call *call = data;

	if (r->code == -ECANCELED || !call_arrived(call))
		return;
	if (r->code == ERROR_RATE_LIMITED) {
		call_reply_error(
		    call, ERROR_UNAVAILABLE, "the queue of commands is full");
	} else if (r->code == ERROR_TOO_LARGE) {
		call_reply_error(call, ERROR_TOO_LARGE, "the command is too large");
	} else if (r->code) {
		call_reply_error(call, ERROR_UNAVAILABLE, error_sentence(r->code));
	} else if (r->duplicate) {
		call->seq = r->revision;
		call->repeated = true;
		call->n_under_way++;
		store_read(call->api->c->store,
		    &(struct store_read){
			.stream = STREAM_lifecycle_cmd, .seq = r->revision},
		    on_old_command, call);
	} else {
		call->seq = r->revision;
		submit(call, commands_new_job(&call->cmd, r->revision, clock_unix_ms()));
	}
}

/* A start that repeats what is there is no matter for the profile. */
static bool repeats(const struct call *call, const struct gate_answer *gate)
{
	const struct entry *e =
	    mirror_find(&call->api->c->mirror, &call->cmd.tenant, &call->cmd.instance_id);

	return e && e->rec.known && e->rec.desired == DESIRED_RUN &&
	       strcmp(e->rec.spec_hash.hex, gate->spec_hash.hex) == 0;
}

void call_command(struct call *call)
{
	AUTO(buf_deinit) struct buf body = BUF_NULL(COMMAND_BYTES_MAX);
	const struct command *cmd = &call->cmd;
	struct control *c = call->api->c;
	struct subject s =
	    SUBJECT_OF(cmd, cmd->tenant.s, verb_name(cmd->verb), cmd->instance_id.s);
	struct gate_answer gate;

	if (c->cmd_stream_ms == 0) {
		call_reply_error(
		    call, ERROR_UNAVAILABLE, "streams and buckets are being looked at");
		return;
	}
	if (cmd->verb == VERB_START) {
		gate_ask(&c->mirror, &cmd->spec, &gate);
		if (gate.code && !repeats(call, &gate)) {
			call_reply_error(call, gate.code, gate.text);
			return;
		}
	}
	wire_command_encode(cmd, CODEC_PROTOBUF, &body);
	if (buf_check(&body)) {
		call_reply_error(call, ERROR_TOO_LARGE, "the command is too large");
		return;
	}
	call->timer.fire = on_late;
	wheel_arm(&c->wheel, &call->timer, API_DECIDE_MS);
	call->n_under_way++;
	store_append(c->store,
	    &(struct store_append){.subject = s.s,
		.msg_id = *cmd->command_id ? cmd->command_id : NULL,
		.value = buf_slice(&body),
		.expected_last_subject_seq = STORE_ANY_REVISION},
	    on_stored, call);
}

void call_force_lost(struct call *call)
{
	call->timer.fire = on_late;
	wheel_arm(&call->api->c->wheel, &call->timer, API_DECIDE_MS);
	submit(
	    call, job_new(JOB_FORCE_LOST, &call->query.tenant, &call->query.instance_id));
}

/* Commands, by what is there. */
#include "lifecycle/core/decide.h"

#include <string.h>

static int refuse(struct verdict *v, int code, const char *text)
{
	v->code = code;
	snprintf(v->text, sizeof(v->text), "%s", text);
	return code;
}

static bool exists(const struct instance *i)
{
	return i->known;
}

/* Something must carry the numbers (events, command order) of an instance that never was.
 */
static void make_placeholder(struct instance *i, int64_t now_unix_ms)
{
	if (i->state != STATE_NONE)
		return;
	i->state = STATE_STOPPED;
	i->desired = DESIRED_STOP;
	i->since_unix_ms = now_unix_ms;
}

static void note_accepted(
    struct instance *i, const struct decide_in *in, const char *detail)
{
	struct event *ev = instance_add_event(i, "accepted", in->now_unix_ms);

	ev->command_seq = in->seq;
	ev->reason = i->reason;
	snprintf(ev->command_id, sizeof(ev->command_id), "%s", in->command_id);
	snprintf(ev->detail, sizeof(ev->detail), "%s", detail);
}

static bool generation_differs(const struct instance *i, const struct decide_in *in)
{
	uint64_t expected = in->cmd->expected_generation;

	return expected != 0 && expected != i->generation;
}

static bool was_accepted(const struct instance *i, const char *command_id)
{
	if (!*command_id)
		return false;
	for (size_t n = 0; n < i->n_last; n++)
		if (i->last[n].code == 0 &&
		    strcmp(i->last[n].command_id, command_id) == 0)
			return true;
	return false;
}

/* start */

static void take_spec(struct instance *i, const struct decide_in *in, struct verdict *v)
{
	const struct spec *s = &in->cmd->spec;

	i->session_id = s->session_id;
	i->profile = s->profile;
	strmap_deinit(&i->labels);
	strmap_copy(&i->labels, &s->labels);
	i->lost_after_ms = s->lost_after_ms;
	i->on_lost = s->on_lost;
	i->start_deadline_ms = in->cmd->start_deadline_ms;
	i->spec_hash = in->spec_hash;
	i->effective_hash = in->effective_hash;
	i->desired = DESIRED_RUN;
	v->store_spec = true;
}

/* Only a start that would begin something is held to its profile. */
static bool profile_admits(const struct decide_in *in, struct verdict *v)
{
	return !in->profile_code || !refuse(v, in->profile_code, in->profile_text);
}

static void start_anew(struct instance *i, const struct decide_in *in, struct verdict *v)
{
	int64_t deadline = in->cmd->start_deadline_ms;
	struct transition t = {.to = STATE_PENDING,
	    .command_id = in->command_id,
	    .command_seq = in->seq,
	    .now_unix_ms = in->now_unix_ms};

	if (!profile_admits(in, v))
		return;
	if (!exists(i)) {
		i->known = true;
		i->created_unix_ms = in->now_unix_ms;
		i->has_exit_code = i->has_signal = false;
		i->exit_code = i->signal = 0;
	}
	take_spec(i, in, v);
	instance_begin_generation(i);
	i->start_deadline_unix_ms = deadline ? in->published_unix_ms + deadline : 0;
	instance_set_state(i, &t);
	instance_expire(i, in->now_unix_ms);
}

static void decide_start(
    struct instance *i, const struct decide_in *in, struct verdict *v)
{
	bool same = strcmp(i->spec_hash.hex, in->spec_hash.hex) == 0 ||
		    strcmp(i->effective_hash.hex, in->effective_hash.hex) == 0;

	if (!exists(i)) {
		start_anew(i, in, v);
	} else if (state_is_terminal(i->state)) {
		v->duplicate = was_accepted(i, in->command_id);
		if (!v->duplicate)
			start_anew(i, in, v);
	} else if (i->state == STATE_LOST) {
		refuse(v, ERROR_CONFLICT,
		    "its runner is lost: wait for it to return, or use force_lost");
	} else if (i->desired == DESIRED_RUN && same) {
		v->duplicate = true;
	} else if (i->desired == DESIRED_RUN) {
		refuse(v, ERROR_CONFLICT, "it runs with another specification");
	} else if (profile_admits(in, v)) {
		take_spec(i, in, v);
		i->start_again = true;
		note_accepted(i, in, "starts when what is being stopped is gone");
	}
}

/* stop */

static void begin_stop(struct instance *i, const struct decide_in *in)
{
	struct transition t = {.to = STATE_STOPPING,
	    .reason = REASON_STOP,
	    .detail = i->stop.reason,
	    .command_id = in->command_id,
	    .command_seq = in->seq,
	    .now_unix_ms = in->now_unix_ms};

	instance_set_state(i, &t);
}

static bool state_is_stopping(enum instance_state s)
{
	return s == STATE_STOPPING || s == STATE_STOP_STUCK;
}

static void stop_pending(struct instance *i, const struct decide_in *in)
{
	struct transition t = {.to = STATE_STOPPED,
	    .reason = REASON_STOP,
	    .detail = in->cmd->stop.reason,
	    .command_id = in->command_id,
	    .command_seq = in->seq,
	    .now_unix_ms = in->now_unix_ms};

	instance_set_state(i, &t);
}

/* A stop of what is being stopped, or of what cannot be reached now, changes no state; it
 * may change what is wanted. */
static void restop(struct instance *i, const struct decide_in *in, struct verdict *v)
{
	bool changes =
	    i->desired == DESIRED_RUN || (in->cmd->stop.force && !i->stop.force);

	v->duplicate = !changes;
	if (!changes)
		return;
	i->desired = DESIRED_STOP;
	i->start_again = false;
	i->stop = in->cmd->stop;
	note_accepted(i, in, in->cmd->stop.reason);
}

static void decide_stop(struct instance *i, const struct decide_in *in, struct verdict *v)
{
	if (!exists(i)) {
		make_placeholder(i, in->now_unix_ms);
	} else if (generation_differs(i, in)) {
		refuse(v, ERROR_CONFLICT, "it is of another generation");
	} else if (state_is_terminal(i->state)) {
		return; /* nothing to stop */
	} else if (i->state == STATE_PENDING) {
		stop_pending(i, in);
	} else if (i->state == STATE_UNKNOWN || i->state == STATE_LOST ||
		   state_is_stopping(i->state)) {
		restop(i, in, v);
	} else {
		i->desired = DESIRED_STOP;
		i->stop = in->cmd->stop;
		begin_stop(i, in);
	}
}

/* restart, signal, purge */

static void restart_pending(struct instance *i, const struct decide_in *in)
{
	struct transition t = {.to = STATE_PENDING,
	    .reason = i->reason,
	    .detail = i->detail,
	    .command_id = in->command_id,
	    .command_seq = in->seq,
	    .now_unix_ms = in->now_unix_ms};

	instance_begin_generation(i);
	if (i->start_deadline_ms)
		i->start_deadline_unix_ms = in->now_unix_ms + i->start_deadline_ms;
	instance_set_state(i, &t);
}

static void decide_restart(
    struct instance *i, const struct decide_in *in, struct verdict *v)
{
	if (!exists(i)) {
		refuse(v, ERROR_NOT_FOUND, "no such instance");
	} else if (was_accepted(i, in->command_id)) {
		v->duplicate = true;
	} else if (generation_differs(i, in)) {
		refuse(v, ERROR_CONFLICT, "it is of another generation");
	} else if (state_is_terminal(i->state)) {
		refuse(v, ERROR_CONFLICT, "it has ended: start it");
	} else if (i->state == STATE_LOST) {
		refuse(v, ERROR_CONFLICT,
		    "its runner is lost: wait for it to return, or use force_lost");
	} else if (i->state == STATE_PENDING) {
		restart_pending(i, in);
	} else if (i->start_again) {
		v->duplicate = true;
	} else {
		i->desired = DESIRED_RUN;
		i->start_again = true;
		if (i->state == STATE_UNKNOWN || state_is_stopping(i->state)) {
			note_accepted(i, in, "starts again when it is gone");
			return;
		}
		i->stop = (struct stop_request){.grace_ms = -1, .reason = "restart"};
		begin_stop(i, in);
	}
}

static bool state_has_process(enum instance_state s)
{
	return s == STATE_STARTING || s == STATE_RUNNING || state_is_stopping(s);
}

static void decide_signal(
    struct instance *i, const struct decide_in *in, struct verdict *v)
{
	char detail[32];

	if (!exists(i)) {
		refuse(v, ERROR_NOT_FOUND, "no such instance");
	} else if (was_accepted(i, in->command_id)) {
		v->duplicate = true;
	} else if (!state_has_process(i->state)) {
		refuse(v, ERROR_CONFLICT, "nothing of it runs now");
	} else if (i->n_signals == SIGNALS_MAX) {
		refuse(v, ERROR_UNAVAILABLE,
		    "its runner has not yet carried out earlier signals");
	} else {
		i->signals[i->n_signals++] = (struct signal_request){
		    .no = ++i->signal_no, .signal = in->cmd->signal};
		snprintf(
		    detail, sizeof(detail), "signal %s", signal_name(in->cmd->signal));
		note_accepted(i, in, detail);
	}
}

/* What remains are the numbers: an event or a fence of a later life is never one of an
 * earlier. */
static void decide_purge(
    struct instance *i, const struct decide_in *in, struct verdict *v)
{
	if (!exists(i)) {
		refuse(v, ERROR_NOT_FOUND, "no such instance");
	} else if (!state_is_terminal(i->state)) {
		refuse(v, ERROR_CONFLICT, "it has not ended: stop it first");
	} else {
		note_accepted(i, in, "purged");
		i->known = false;
		i->state = STATE_STOPPED;
		instance_set_reason(i, REASON_NONE, NULL);
		i->since_unix_ms = in->now_unix_ms;
		i->session_id = i->profile = ID_NULL;
		strmap_deinit(&i->labels);
		i->spec_hash = i->effective_hash = (struct hash){{0}};
		i->restarts = i->attempts = 0;
	}
}

static void remember(
    struct instance *i, const struct decide_in *in, const struct verdict *v)
{
	struct decided *d;

	if (i->n_last == LAST_COMMANDS_MAX) {
		memmove(&i->last[0], &i->last[1], sizeof(i->last) - sizeof(i->last[0]));
		i->n_last--;
	}
	d = &i->last[i->n_last++];
	*d = (struct decided){.seq = in->seq, .code = v->code, .duplicate = v->duplicate};
	snprintf(d->command_id, sizeof(d->command_id), "%s", in->command_id);
	i->cmd_order = in->seq;
}

static void add_rejected(
    struct instance *i, const struct decide_in *in, const struct verdict *v)
{
	struct event *ev;

	make_placeholder(i, in->now_unix_ms);
	ev = instance_add_event(i, "rejected", in->now_unix_ms);
	if (!exists(i))
		ev->from = ev->to = STATE_NONE;
	ev->command_seq = in->seq;
	snprintf(ev->command_id, sizeof(ev->command_id), "%s", in->command_id);
	ev->error_code = v->code;
	snprintf(ev->error, sizeof(ev->error), "%s", v->text);
}

void decide(struct instance *i, const struct decide_in *in, struct verdict *out)
{
	static void (*const by_verb[VERB_N_])(
	    struct instance *, const struct decide_in *, struct verdict *) = {
	    [VERB_START] = decide_start,
	    [VERB_STOP] = decide_stop,
	    [VERB_RESTART] = decide_restart,
	    [VERB_SIGNAL] = decide_signal,
	    [VERB_PURGE] = decide_purge,
	};

	must(in->seq > instance_cmd_order(i, in->stream_ms));
	if (i->cmd_stream_ms != in->stream_ms) {
		/* numbers of another stream say nothing about this one's */
		for (size_t n = 0; n < i->n_last; n++)
			i->last[n].seq = 0;
		i->cmd_stream_ms = in->stream_ms;
	}
	*out = (struct verdict){0};
	if (in->refused)
		refuse(out, in->refused, in->refused_text);
	else
		by_verb[in->cmd->verb](i, in, out);
	if (out->code)
		add_rejected(i, in, out);
	remember(i, in, out);
}

bool decided_answer(
    const struct instance *i, int64_t stream_ms, uint64_t seq, struct verdict *out)
{
	if (i->cmd_stream_ms != stream_ms)
		return false;
	for (size_t n = 0; n < i->n_last; n++) {
		if (i->last[n].seq != seq)
			continue;
		*out = (struct verdict){
		    .code = i->last[n].code, .duplicate = i->last[n].duplicate};
		if (out->code)
			snprintf(out->text, sizeof(out->text), "%s",
			    error_sentence(out->code));
		for (size_t k = 0; k < i->n_outbox; k++)
			if (i->outbox[k].command_seq == seq && i->outbox[k].error_code)
				snprintf(out->text, sizeof(out->text), "%s",
				    i->outbox[k].error);
		return true;
	}
	return false;
}

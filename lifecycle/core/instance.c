/* The record and the one function that changes its state. */
#include "lifecycle/core/instance.h"

void instance_deinit(struct instance *i)
{
	strmap_deinit(&i->labels);
	free(i->outbox);
	*i = INSTANCE_NULL;
}

void instance_copy(struct instance *out, const struct instance *i)
{
	*out = *i;
	strmap_copy(&out->labels, &i->labels);
	out->outbox = NULL;
	if (i->n_outbox > 0) {
		out->outbox = calloc(i->n_outbox, sizeof(*out->outbox));
		must(out->outbox);
		memcpy(out->outbox, i->outbox, i->n_outbox * sizeof(*out->outbox));
	}
}

/* snprintf that says it may cut: details are for people. */
static void text_copy(char *out, size_t cap, const char *s)
{
	size_t n = s ? strlen(s) : 0;

	if (n > cap - 1) {
		n = cap - 1;
		while (n > 0 && ((unsigned char)s[n] & 0xc0) == 0x80)
			n--; /* whole UTF-8 sequences only */
	}
	if (n > 0)
		memcpy(out, s, n);
	out[n] = '\0';
}

struct event *instance_add_event(
    struct instance *i, const char *type, int64_t now_unix_ms)
{
	struct event *ev;

	must(i->n_outbox < OUTBOX_MAX);
	i->outbox = reallocarray(i->outbox, i->n_outbox + 1, sizeof(*i->outbox));
	must(i->outbox);
	ev = &i->outbox[i->n_outbox++];
	*ev = (struct event){
	    .event_no = ++i->event_no,
	    .generation = i->generation,
	    .from = i->state,
	    .to = i->state,
	    .session_id = i->session_id,
	    .runner = i->runner,
	    .at_unix_ms = now_unix_ms,
	};
	text_copy(ev->type, sizeof(ev->type), type);
	return ev;
}

static bool state_tells_exit(enum instance_state s)
{
	return state_is_terminal(s) || s == STATE_BACKOFF;
}

void instance_set_state(struct instance *i, const struct transition *t)
{
	struct event *ev;
	enum instance_state from = i->state;

	must(t->to != STATE_NONE && t->to < STATE_N_);
	must(state_successors(from) & (1u << t->to));
	i->state = t->to;
	i->since_unix_ms = t->now_unix_ms;
	if (state_is_terminal(t->to))
		i->desired = DESIRED_STOP;
	instance_set_reason(i, t->reason, t->detail);
	ev = instance_add_event(i, state_event(t->to), t->now_unix_ms);
	ev->from = from;
	ev->reason = i->reason;
	text_copy(ev->detail, sizeof(ev->detail), i->detail);
	ev->command_seq = t->command_seq;
	text_copy(ev->command_id, sizeof(ev->command_id), t->command_id);
	if (state_tells_exit(t->to)) {
		ev->has_exit_code = i->has_exit_code;
		ev->exit_code = i->exit_code;
		ev->has_signal = i->has_signal;
		ev->signal = i->signal;
	}
}

void instance_set_reason(struct instance *i, enum reason reason, const char *detail)
{
	must(reason < REASON_N_);
	i->reason = i->state == STATE_RUNNING ? REASON_NONE : reason;
	if (detail != i->detail)
		text_copy(i->detail, sizeof(i->detail), detail);
}

void instance_trim_outbox(struct instance *i, uint64_t event_no)
{
	size_t n = 0;

	while (n < i->n_outbox && i->outbox[n].event_no <= event_no)
		n++;
	if (n == 0)
		return;
	if (n == i->n_outbox) {
		free(i->outbox);
		i->outbox = NULL;
		i->n_outbox = 0;
		return;
	}
	memmove(i->outbox, &i->outbox[n], (i->n_outbox - n) * sizeof(*i->outbox));
	i->n_outbox -= n;
}

bool instance_is_placed(const struct instance *i)
{
	return i->state != STATE_NONE && i->state != STATE_PENDING &&
	       !state_is_terminal(i->state);
}

bool instance_wants_stop(const struct instance *i)
{
	return i->desired == DESIRED_STOP || i->start_again;
}

bool instance_assignment(const struct instance *i, struct assignment *out)
{
	if (!instance_is_placed(i))
		return false;
	*out = (struct assignment){
	    .tenant = i->tenant,
	    .instance_id = i->instance_id,
	    .generation = i->generation,
	    .fence = i->fence,
	    .desired = instance_wants_stop(i) ? DESIRED_STOP : DESIRED_RUN,
	    .spec_hash = i->spec_hash,
	    .stop = i->stop,
	    .n_signals = i->n_signals,
	    .order = i->revision,
	};
	memcpy(out->signals, i->signals, sizeof(out->signals));
	return true;
}

static bool stop_same(const struct stop_request *a, const struct stop_request *b)
{
	return a->grace_ms == b->grace_ms && a->force == b->force &&
	       strcmp(a->reason, b->reason) == 0;
}

bool assignment_same(const struct assignment *a, const struct assignment *b)
{
	if (!id_eq(&a->tenant, &b->tenant) || !id_eq(&a->instance_id, &b->instance_id) ||
	    a->generation != b->generation || a->fence != b->fence ||
	    a->desired != b->desired || strcmp(a->spec_hash.hex, b->spec_hash.hex) != 0 ||
	    a->n_signals != b->n_signals)
		return false;
	for (size_t n = 0; n < a->n_signals; n++)
		if (a->signals[n].no != b->signals[n].no)
			return false;
	return a->desired != DESIRED_STOP || stop_same(&a->stop, &b->stop);
}

bool instance_may_exec(const struct instance *i, const struct id *runner,
    uint64_t generation, uint64_t fence)
{
	return instance_is_placed(i) && !instance_wants_stop(i) &&
	       id_eq(&i->runner, runner) && i->generation == generation &&
	       i->fence == fence;
}

bool instance_is_excluded(const struct instance *i, const struct id *runner)
{
	for (size_t n = 0; n < i->n_excluded; n++)
		if (id_eq(&i->excluded[n], runner))
			return true;
	return false;
}

void instance_begin_generation(struct instance *i)
{
	i->generation++;
	i->start_again = false;
	i->stop = (struct stop_request){.grace_ms = -1};
	i->restarts = i->attempts = 0;
	if (!id_empty(&i->runner))
		i->left = i->runner;
	i->runner = ID_NULL;
	i->pid = 0;
	i->n_excluded = 0;
	i->retry_unix_ms = 0;
	i->n_signals = 0;
	i->runner_epoch = i->report_no = 0;
	i->start_deadline_unix_ms = 0;
}

bool instance_expire(struct instance *i, int64_t now_unix_ms)
{
	if (i->state != STATE_PENDING || i->start_deadline_unix_ms == 0 ||
	    now_unix_ms < i->start_deadline_unix_ms)
		return false;
	instance_set_state(i, &(struct transition){.to = STATE_FAILED,
				  .reason = REASON_EXPIRED,
				  .now_unix_ms = now_unix_ms});
	return true;
}

uint64_t instance_cmd_order(const struct instance *i, int64_t stream_ms)
{
	return i->cmd_stream_ms == stream_ms ? i->cmd_order : 0;
}

/* Driver of the golden traces. */
#include "tests/unit/lifecycle_core/life.h"

#include <signal.h>

void life_init(struct life *l)
{
	*l = (struct life){.now_ms = 1000000, .trace = BUF_NULL(64 * 1024)};
	l->rec.tenant = (struct id){"t"};
	l->rec.instance_id = (struct id){"i"};
}

void life_deinit(struct life *l)
{
	instance_deinit(&l->rec);
	buf_deinit(&l->trace);
}

static void trace_event(struct life *l, const struct event *ev)
{
	struct buf *t = &l->trace;

	buf_addf(t, "%d %s", (int)ev->event_no, ev->type);
	if (ev->from)
		buf_addf(t, " %s", state_name(ev->from));
	if (ev->to)
		buf_addf(t, " -> %s", state_name(ev->to));
	buf_addf(t, " g%d", (int)ev->generation);
	if (*ev->runner.s)
		buf_addf(t, " %s", ev->runner.s);
	if (ev->reason)
		buf_addf(t, " %s", reason_name(ev->reason));
	if (*ev->detail)
		buf_addf(t, " [%s]", ev->detail);
	if (ev->error_code)
		buf_addf(t, " %s", error_name(ev->error_code));
	buf_addc(t, '\n');
}

static void collect(struct life *l)
{
	for (size_t n = 0; n < l->rec.n_outbox; n++) {
		const struct event *ev = &l->rec.outbox[n];

		must(ev->event_no == l->traced + 1); /* without gaps */
		trace_event(l, ev);
		l->traced = ev->event_no;
	}
	must(l->rec.event_no == l->traced);
	instance_trim_outbox(&l->rec, l->traced);
	l->rec.revision++;
}

const char *life_trace(struct life *l)
{
	static char text[16 * 1024];

	snprintf(text, sizeof(text), "%s", buf_cstr(&l->trace));
	buf_reset(&l->trace);
	return text;
}

static int run_command(struct life *l, struct command *c, struct decide_in *in)
{
	c->tenant = l->rec.tenant;
	c->instance_id = l->rec.instance_id;
	in->cmd = in->refused ? NULL : c;
	if (!in->command_id)
		in->command_id = "";
	in->seq = ++l->seq;
	if (!in->published_unix_ms)
		in->published_unix_ms = l->now_ms;
	in->now_unix_ms = l->now_ms;
	decide(&l->rec, in, &l->verdict);
	collect(l);
	command_deinit(c);
	return l->verdict.code;
}

static int start(struct life *l, char spec, const char *command_id, int64_t deadline_ms,
    enum on_lost on_lost)
{
	struct command c = COMMAND_NULL;
	struct decide_in in = {.command_id = command_id};

	c.verb = VERB_START;
	c.spec.profile = (struct id){"p"};
	c.spec.session_id = (struct id){"ses_1"};
	c.spec.lost_after_ms = 300000;
	c.spec.on_lost = on_lost;
	c.start_deadline_ms = deadline_ms;
	in.spec_hash.hex[0] = in.effective_hash.hex[0] = spec;
	return run_command(l, &c, &in);
}

int life_start(struct life *l, char spec, const char *command_id)
{
	return start(l, spec, command_id, 300000, ON_LOST_KEEP);
}

int life_start_with(struct life *l, char spec, int64_t deadline_ms, enum on_lost on_lost)
{
	return start(l, spec, "", deadline_ms, on_lost);
}

int life_stop(struct life *l, bool force)
{
	struct command c = COMMAND_NULL;
	struct decide_in in = {0};

	c.verb = VERB_STOP;
	c.stop.force = force;
	return run_command(l, &c, &in);
}

int life_restart(struct life *l)
{
	struct command c = COMMAND_NULL;
	struct decide_in in = {0};

	c.verb = VERB_RESTART;
	return run_command(l, &c, &in);
}

int life_signal(struct life *l, int signo)
{
	struct command c = COMMAND_NULL;
	struct decide_in in = {0};

	c.verb = VERB_SIGNAL;
	c.signal = signo;
	return run_command(l, &c, &in);
}

int life_purge(struct life *l)
{
	struct command c = COMMAND_NULL;
	struct decide_in in = {0};

	c.verb = VERB_PURGE;
	return run_command(l, &c, &in);
}

int life_malformed(struct life *l)
{
	struct command c = COMMAND_NULL;
	struct decide_in in = {.refused = ERROR_INVALID, .refused_text = "malformed"};

	return run_command(l, &c, &in);
}

void life_place(struct life *l, const char *runner)
{
	struct id id = ID_NULL;

	must(id_parse(slice_of(runner), &id));
	must(step_place(&l->rec, &id, l->now_ms));
	collect(l);
}

static bool report(struct life *l, struct report *r)
{
	bool changed;

	r->runner = l->rec.runner;
	r->generation = l->rec.generation;
	r->fence = l->rec.fence;
	r->runner_epoch = 1;
	r->report_no = ++l->report_no;
	changed = step_report(&l->rec, r, l->now_ms);
	collect(l);
	return changed;
}

bool life_report_why(
    struct life *l, enum instance_state state, enum reason reason, const char *detail)
{
	struct report r = {.state = state, .reason = reason};

	snprintf(r.detail, sizeof(r.detail), "%s", detail);
	return report(l, &r);
}

bool life_report(struct life *l, enum instance_state state)
{
	return life_report_why(l, state, REASON_NONE, "");
}

bool life_refuse(struct life *l, enum reason reason)
{
	struct report r = {.state = STATE_ASSIGNED, .reason = reason, .refused = true};

	return report(l, &r);
}

void life_run(struct life *l)
{
	must(life_start(l, 'a', "") == 0);
	life_place(l, "r1");
	must(life_report(l, STATE_STARTING) && life_report(l, STATE_RUNNING));
}

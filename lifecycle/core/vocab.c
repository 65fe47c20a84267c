/* Names of the lifecycle words, from their tables. */
#include "lifecycle/core/vocab.h"

#include "base/must.h"

#include <signal.h>

struct state_row {
	const char *name, *event, *sentence;
	uint32_t successors;
};

#define S(x) (1u << STATE_##x)
static const struct state_row state_rows[STATE_N_] = {
    [STATE_NONE] = {"", "", "", 0},
#define STATE(label, number, type, next, text)                                           \
	[number] = {.name = #label, .event = type, .sentence = text, .successors = next},
#include "lifecycle/core/instance_states.tbl.h"
#undef STATE
};
#undef S

static const struct {
	const char *name, *sentence;
} reason_rows[REASON_N_] = {
    [REASON_NONE] = {"", ""},
#define REASON(label, number, text) [number] = {#label, text},
#include "lifecycle/core/reasons.tbl.h"
#undef REASON
};

static const char *const verb_names[VERB_N_] = {
    "", "start", "stop", "restart", "signal", "purge"};

static const struct {
	const char *name;
	int signo;
} signal_rows[] = {
    {"HUP", SIGHUP},
    {"INT", SIGINT},
    {"QUIT", SIGQUIT},
    {"KILL", SIGKILL},
    {"USR1", SIGUSR1},
    {"USR2", SIGUSR2},
    {"TERM", SIGTERM},
};

const char *desired_name(enum desired d)
{
	return d == DESIRED_RUN ? "RUN" : d == DESIRED_STOP ? "STOP" : "";
}

const char *state_name(enum instance_state s)
{
	must(s < STATE_N_);
	return state_rows[s].name;
}

const char *state_sentence(enum instance_state s)
{
	must(s < STATE_N_);
	return state_rows[s].sentence;
}

const char *state_event(enum instance_state s)
{
	must(s < STATE_N_);
	return state_rows[s].event;
}

uint32_t state_successors(enum instance_state s)
{
	must(s < STATE_N_);
	return s == STATE_NONE ? ~0u : state_rows[s].successors;
}

const char *reason_name(enum reason r)
{
	must(r < REASON_N_);
	return reason_rows[r].name;
}

const char *reason_sentence(enum reason r)
{
	must(r < REASON_N_);
	return reason_rows[r].sentence;
}

const char *verb_name(enum verb v)
{
	must(v < VERB_N_);
	return verb_names[v];
}

enum verb verb_parse(struct slice s)
{
	for (unsigned v = VERB_NONE + 1; v < VERB_N_; v++)
		if (slice_is(s, verb_names[v]))
			return (enum verb)v;
	return VERB_NONE;
}

enum instance_state state_parse(struct slice s)
{
	for (unsigned i = STATE_NONE + 1; i < STATE_N_; i++)
		if (slice_is(s, state_rows[i].name))
			return (enum instance_state)i;
	return STATE_NONE;
}

int signal_parse(struct slice s)
{
	for (size_t i = 0; i < ARRAY_LEN(signal_rows); i++)
		if (slice_is(s, signal_rows[i].name))
			return signal_rows[i].signo;
	return 0;
}

const char *signal_name(int signo)
{
	for (size_t i = 0; i < ARRAY_LEN(signal_rows); i++)
		if (signal_rows[i].signo == signo)
			return signal_rows[i].name;
	return NULL;
}

bool state_is_terminal(enum instance_state s)
{
	return s == STATE_STOPPED || s == STATE_EXITED || s == STATE_FAILED;
}

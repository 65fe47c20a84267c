/* happy path: start, ticks (each makes rate * time bytes), entries, all entries again,
 * message_completed, ended failure modes: cancel at any tick: the same end, earlier */
#include "tests/sim/sim_turn.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/jsn.h"
#include "base/utf8.h"
#include "tests/sim/sim_wire.h"

enum {
	SIM_THROTTLE_MS = 100,
	SIM_EVENT_MAX_BYTES = 256 << 20,
	SIM_BYTES_PER_TOKEN = 4,
};

struct sim_turn {
	struct sim_turn_conf conf;
	char *request_id;
	struct loop_timer *timer;
	size_t i_first; /* first entry of this turn */
	size_t i_step;  /* step under way */
	size_t i_entry; /* its entry, while step_open */
	size_t n_done;  /* bytes of its text made */
	bool step_open;
	int64_t tick_us; /* the answer is made up to here */
	int64_t budget_bytes;
	size_t n_output_bytes;
};

/* ---- events */

void sim_turn_print_entry(
    const struct sim_thread *t, size_t i, const char *request_id, struct buf *out)
{
	const struct sim_entry *en = &t->entries[i];
	struct buf content = BUF_NULL(SIM_EVENT_MAX_BYTES);

	sim_entry_content(en, &content);
	buf_adds(out, "{\"event_type\":\"message_added\",\"data\":{\"acp_thread_id\":");
	buf_add_json_string(out, t->id, strlen(t->id));
	buf_addf(out, ",\"message_id\":\"%zu\",\"role\":\"%s\",\"content\":", i,
	    en->is_user ? "user" : "assistant");
	buf_add_json_string(out, buf_cstr(&content), content.n);
	buf_adds(out, ",\"request_id\":");
	buf_add_json_string(out, request_id, strlen(request_id));
	buf_addf(out, ",\"timestamp\":%" PRId64 ",\"entry_type\":\"%s\",\"tool_name\":",
	    clock_unix_ms() / 1000, en->is_tool ? "tool_call" : "text");
	buf_add_json_string(out, en->is_tool ? en->tool_name : "",
	    en->is_tool ? strlen(en->tool_name) : 0);
	buf_addf(out, ",\"tool_status\":\"%s\"}}", en->tool_status);
	buf_deinit(&content);
}

static void sim_turn_send(struct sim_turn *turn, size_t i)
{
	struct sim_entry *en = &turn->conf.thread->entries[i];
	struct buf event = BUF_NULL(SIM_EVENT_MAX_BYTES);

	sim_turn_print_entry(turn->conf.thread, i, turn->request_id, &event);
	en->sent_ms = clock_mono_ms();
	en->dirty = false;
	turn->conf.emit(turn->conf.data, buf_slice(&event));
	buf_deinit(&event);
}

/* Zed trims what the model padded once the entry is no longer the last. */
static void sim_turn_correct(struct sim_entry *en)
{
	while (!en->is_tool && en->text.n > 0 &&
	       strchr(" \n\t", en->text.data[en->text.n - 1]))
		en->text.data[--en->text.n] = '\0';
}

static void sim_turn_resend(struct sim_turn *turn)
{
	struct sim_thread *t = turn->conf.thread;

	for (size_t i = turn->i_first; i < t->n_entries; i++) {
		sim_turn_correct(&t->entries[i]);
		sim_turn_send(turn, i);
	}
}

/* Entries that are due: all that changed when @now is set, else those silent for 100 ms.
 */
static void sim_turn_flush(struct sim_turn *turn, bool now)
{
	struct sim_thread *t = turn->conf.thread;
	int64_t now_ms = clock_mono_ms();

	for (size_t i = turn->i_first; i < t->n_entries; i++) {
		struct sim_entry *en = &t->entries[i];

		if (en->dirty && (now || now_ms - en->sent_ms >= SIM_THROTTLE_MS))
			sim_turn_send(turn, i);
	}
}

/* Agents of Zed's own and Claude's report what they used, others do not. */
static struct jsn *sim_turn_usage(const struct sim_turn *turn)
{
	const char *agent = turn->conf.thread->agent_name;
	int64_t out = (int64_t)(turn->n_output_bytes / SIM_BYTES_PER_TOKEN);
	int64_t in = 100;
	struct jsn *u;

	if (agent[0] && strcmp(agent, "zed-agent") != 0 && strcmp(agent, "claude") != 0)
		return jsn_new_null();
	u = jsn_new_object();
	jsn_set_int(u, "total_tokens", in + out);
	jsn_set_int(u, "input_tokens", in);
	jsn_set_int(u, "output_tokens", out);
	jsn_set_int(u, "thought_tokens", 0);
	jsn_set_int(u, "cached_read_tokens", 0);
	jsn_set_int(u, "cached_write_tokens", 0);
	return u;
}

static const char *sim_turn_agent_id(const char *name)
{
	if (!name[0])
		return "zed-agent";
	if (strcmp(name, "claude") == 0)
		return "claude-acp";
	if (strcmp(name, "codex") == 0)
		return "codex-acp";
	return name;
}

static void sim_turn_send_completed(struct sim_turn *turn)
{
	struct buf event = BUF_NULL(SIM_EVENT_MAX_BYTES);
	struct jsn *data = jsn_new_object();

	jsn_set_string(data, "acp_thread_id", turn->conf.thread->id);
	jsn_set_string(data, "message_id", "0");
	jsn_set_string(data, "request_id", turn->request_id);
	jsn_set_string(
	    data, "agent_name", sim_turn_agent_id(turn->conf.thread->agent_name));
	jsn_set(data, "usage", sim_turn_usage(turn));
	sim_event_print("message_completed", data, &event);
	turn->conf.emit(turn->conf.data, buf_slice(&event));
	buf_deinit(&event);
}

/* ---- end */

static void sim_turn_release(struct sim_turn *turn)
{
	turn->conf.thread->turn = NULL;
	loop_timer_free(turn->timer);
	sim_answer_deinit(&turn->conf.answer);
	free(turn);
}

static void sim_turn_finish(struct sim_turn *turn, enum sim_turn_end how)
{
	struct sim_turn_conf conf = turn->conf;
	char *request_id = turn->request_id;

	sim_turn_resend(turn);
	sim_turn_send_completed(turn);
	sim_turn_release(turn);
	conf.ended(conf.data, conf.thread, request_id, how);
	free(request_id);
}

void sim_turn_cancel(struct sim_turn *turn)
{
	struct sim_thread *t = turn->conf.thread;

	if (turn->step_open && t->entries[turn->i_entry].is_tool)
		t->entries[turn->i_entry].tool_status = "Canceled";
	sim_turn_finish(turn, SIM_TURN_CANCELLED);
}

void sim_turn_abandon(struct sim_turn *turn)
{
	free(turn->request_id);
	sim_turn_release(turn);
}

/* ---- making the answer */

static void sim_turn_open_step(struct sim_turn *turn)
{
	const struct sim_answer_step *step = &turn->conf.answer.steps[turn->i_step];
	struct sim_thread *t = turn->conf.thread;

	sim_turn_flush(turn, true);
	sim_turn_resend(turn);
	turn->i_entry = sim_thread_add(t, false, step->tool_name);
	turn->n_done = 0;
	turn->step_open = true;
	if (step->tool_name) {
		t->entries[turn->i_entry].tool_status = "Pending";
		sim_turn_send(turn, turn->i_entry);
		t->entries[turn->i_entry].tool_status = "In Progress";
		sim_turn_send(turn, turn->i_entry);
	}
}

static void sim_turn_close_step(struct sim_turn *turn)
{
	struct sim_entry *en = &turn->conf.thread->entries[turn->i_entry];

	turn->step_open = false;
	turn->i_step++;
	if (en->is_tool) {
		en->tool_status = "Completed";
		sim_turn_send(turn, turn->i_entry);
	}
}

/* The next at most @n bytes of the open step, whole characters, at least one. Returns how
 * many were made. */
static size_t sim_turn_grow(struct sim_turn *turn, size_t n)
{
	const struct sim_answer_step *step = &turn->conf.answer.steps[turn->i_step];
	struct sim_entry *en = &turn->conf.thread->entries[turn->i_entry];
	size_t start = turn->n_done;

	if (n >= step->n_text - start) {
		turn->n_done = step->n_text;
	} else {
		while (turn->n_done < step->n_text && turn->n_done - start < n) {
			size_t len = utf8_seq_len(
			    step->text + turn->n_done, step->n_text - turn->n_done);

			turn->n_done += len ? len : 1;
		}
	}
	buf_add(&en->text, step->text + start, turn->n_done - start);
	en->dirty = turn->n_done > start || en->dirty;
	turn->n_output_bytes += turn->n_done - start;
	return turn->n_done - start;
}

/* One tick's worth. False when the answer is whole. */
static bool sim_turn_advance(struct sim_turn *turn)
{
	const struct sim_answer *a = &turn->conf.answer;

	while (turn->i_step < a->n_steps && turn->budget_bytes > 0) {
		if (!turn->step_open)
			sim_turn_open_step(turn);
		turn->budget_bytes -=
		    (int64_t)sim_turn_grow(turn, (size_t)turn->budget_bytes);
		if (turn->n_done == a->steps[turn->i_step].n_text)
			sim_turn_close_step(turn);
	}
	if (turn->step_open && turn->conf.thread->entries[turn->i_entry].is_tool)
		sim_turn_flush(turn, true);
	else
		sim_turn_flush(turn, false);
	return turn->i_step < a->n_steps;
}

static void sim_turn_on_tick(struct loop_timer *timer, void *data)
{
	struct sim_turn *turn = data;

	(void)timer;
	if (turn->conf.rate == 0) {
		turn->budget_bytes = INT64_MAX;
	} else {
		int64_t n = turn->conf.rate * (clock_mono_us() - turn->tick_us) / 1000000;

		/* Only the time of whole bytes is used up, so that a low rate comes out
		 * right. */
		turn->budget_bytes += n;
		turn->tick_us += n * 1000000 / turn->conf.rate;
	}
	if (!sim_turn_advance(turn))
		sim_turn_finish(turn, SIM_TURN_COMPLETED);
}

void sim_turn_start(const struct sim_turn_conf *conf)
{
	struct sim_turn *turn = calloc(1, sizeof *turn);

	must(turn && !conf->thread->turn);
	turn->conf = *conf;
	turn->request_id = strdup(conf->request_id);
	must(turn->request_id);
	turn->i_first = conf->thread->n_entries;
	turn->tick_us = clock_mono_us();
	turn->timer = loop_timer_new(conf->loop, sim_turn_on_tick, turn);
	conf->thread->turn = turn;
	loop_timer_start(turn->timer, conf->rate == 0 ? 0 : 1, conf->tick_ms);
}

const char *sim_turn_request_id(const struct sim_turn *turn)
{
	return turn->request_id;
}

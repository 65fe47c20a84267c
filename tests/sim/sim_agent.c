/* happy path: handshake, (open_thread or 5 s) agent_ready, chat_message, thread_created,
 * turn, completed failure modes: a command Zed cannot parse or does not know is lost
 * without an answer; a thread that cannot be loaded is reported only to those who gave a
 * request id; an agent server that settings do not name is given up silently */
#include "tests/sim/sim_agent.h"

#include <stdlib.h>
#include <string.h>

#include "tests/sim/sim_events.h"
#include "tests/sim/sim_tell.h"
#include "tests/sim/sim_turn.h"
#include "tests/sim/sim_wire.h"

enum {
	SIM_READY_MS = 5000,
	SIM_SERVER_TRIES = 10,
	SIM_SERVER_RETRY_MS = 1000,
	SIM_REQUESTS_MAX = 100000,
	SIM_TICK_MS = 20,
	SIM_TICK_MANY_MS = 100, /* with many Zeds in one process timers are what costs */
	SIM_MANY = 64,
};

/* A chat_message that waits for its turn. */
struct sim_job {
	struct list_link link;
	struct sim_agent *agent;
	struct sim_command cmd;
	struct sim_thread *thread; /* whose turn it is, once started */
	struct loop_timer *timer;  /* waiting for an agent server */
	int n_tries;
};

static void sim_agent_pump(struct sim_agent *a);

/* ---- threads */

static void sim_agent_save(struct sim_agent *a, const struct sim_thread *t)
{
	struct err e = ERR_NULL;

	if (sim_thread_save(t, a->sim->env.data_dir, &e) != 0)
		log_event(EV_sim_thread_error, LF("thread", t->id), LF("detail", e.text));
}

static void sim_agent_adopt(struct sim_agent *a, struct sim_thread *t)
{
	map_put(&a->threads, slice_of(t->id), t);
}

static struct sim_thread *sim_agent_new_thread(
    struct sim_agent *a, const char *agent_name)
{
	struct sim_thread *t = sim_thread_new(agent_name);

	a->sim->stats.threads_created++;
	sim_agent_adopt(a, t);
	return t;
}

/* Loading a thread tells its whole history again: the reason why the server must wait for
 * agent_ready. */
static int sim_agent_load(struct sim_agent *a, const char *id, struct sim_thread **out)
{
	struct err e = ERR_NULL;
	int r = sim_thread_load(a->sim->env.data_dir, id, out, &e);

	if (r != 0) {
		a->sim->stats.thread_load_errors++;
		log_event(EV_sim_thread_error, LF("thread", id), LF("detail", e.text));
		return r;
	}
	a->sim->stats.threads_loaded++;
	sim_agent_adopt(a, *out);
	for (size_t i = 0; i < (*out)->n_entries; i++)
		sim_tell_entry(a, *out, i, "");
	return 0;
}

/* The thread, loaded if it is not live; *loaded_out tells. NULL after a load error has
 * been reported. */
static struct sim_thread *sim_agent_thread(
    struct sim_agent *a, const char *id, const char *request_id, bool *loaded_out)
{
	struct sim_thread *t = map_get(a->threads, slice_of(id));
	char why[256];

	*loaded_out = !t;
	if (t)
		return t;
	if (sim_agent_load(a, id, &t) == 0)
		return t;
	if (request_id) {
		snprintf(
		    why, sizeof why, "no thread found with ID: SessionId(\"%s\")", id);
		sim_tell_load_error(a, id, request_id, why);
	}
	return NULL;
}

static void sim_agent_show(struct sim_agent *a, const struct sim_thread *t)
{
	snprintf(a->active_thread, sizeof a->active_thread, "%s", t->id);
}

/* ---- turns */

static void sim_agent_on_emit(void *data, struct slice event)
{
	struct sim_agent *a = data;

	sim_socket_push(&a->socket, event);
}

/* A first turn gives the thread its title: the first words of the prompt. */
static void sim_agent_title(struct sim_agent *a, struct sim_thread *t)
{
	struct jsn *data;
	char title[48];
	size_t n = 0;

	if (t->title || a->sim->answer.mode != SIM_ANSWER_STORY || t->n_entries == 0)
		return;
	snprintf(title, sizeof title, "%s", buf_cstr(&t->entries[0].text));
	while (title[n] >= ' ' && title[n] <= '~')
		n++;
	title[n] = '\0';
	t->title = strdup(n > 0 ? title : "Conversation");
	must(t->title);
	data = jsn_new_object();
	jsn_set_string(data, "acp_thread_id", t->id);
	jsn_set_string(data, "title", t->title);
	sim_tell(a, "thread_title_changed", data);
}

static void sim_job_free(struct sim_job *job)
{
	if (!job)
		return;
	loop_timer_free(job->timer);
	sim_command_free(&job->cmd);
	free(job);
}

static void sim_agent_on_ended(
    void *data, struct sim_thread *t, const char *request_id, enum sim_turn_end how)
{
	struct sim_agent *a = data;

	log_event(EV_sim_turn_ended, LF("thread", t->id), LF("request", request_id),
	    LF("how", how == SIM_TURN_COMPLETED ? "completed" : "cancelled"));
	if (how == SIM_TURN_COMPLETED)
		a->sim->stats.turns_completed++;
	else
		a->sim->stats.turns_cancelled++;
	sim_agent_title(a, t);
	sim_agent_save(a, t);
	sim_check_crash(a->sim);
	if (a->job && a->job->thread == t) {
		sim_job_free(a->job);
		a->job = NULL;
	}
	sim_agent_pump(a);
}

static void sim_agent_run(struct sim_agent *a, struct sim_thread *t, const char *prompt,
    const char *request_id, bool echo)
{
	struct sim_turn_conf conf = {
	    .loop = a->sim->loop,
	    .rate = a->sim->conf.rate,
	    .tick_ms = a->sim->n_agents > SIM_MANY ? SIM_TICK_MANY_MS : SIM_TICK_MS,
	    .thread = t,
	    .request_id = request_id,
	    .emit = sim_agent_on_emit,
	    .ended = sim_agent_on_ended,
	    .data = a,
	};
	size_t i;

	i = sim_thread_add(t, true, NULL);
	buf_adds(&t->entries[i].text, prompt);
	if (echo)
		sim_tell_entry(a, t, i, request_id);
	sim_agent_save(a, t);
	sim_agent_show(a, t);
	a->sim->stats.turns_started++;
	log_event(EV_sim_turn_started, LF("thread", t->id), LF("request", request_id));
	sim_answer_make(&a->sim->answer, prompt, &conf.answer);
	sim_turn_start(&conf);
}

/* A message to a thread that is busy ends what runs there. */
static void sim_agent_cut(struct sim_agent *a, struct sim_thread *t)
{
	while (t->turn) { /* the end of one may let a follow-up begin */
		a->sim->stats.turns_overrun++;
		sim_turn_cancel(t->turn);
	}
}

static void sim_agent_note_request(
    struct sim_agent *a, struct sim_thread *t, const char *request_id)
{
	sim_thread_set_request(t, request_id);
	free(a->last_request_id);
	a->last_request_id = strdup(request_id);
	must(a->last_request_id);
}

static void sim_job_run(struct sim_job *job, struct sim_thread *t)
{
	job->thread = t;
	sim_agent_note_request(job->agent, t, job->cmd.request_id);
	sim_agent_run(job->agent, t, job->cmd.message, job->cmd.request_id,
	    job->cmd.kind == SIM_USER_INPUT);
}

/* ---- follow-ups: Zed awaits the whole turn of one before it takes the next, whatever
 * their threads */

static void sim_agent_follow_up(struct sim_agent *a, struct sim_job *job)
{
	bool loaded;
	struct sim_thread *t =
	    sim_agent_thread(a, job->cmd.thread_id, job->cmd.request_id, &loaded);

	if (!t) {
		sim_job_free(job);
		return;
	}
	if (loaded)
		sim_tell_ready(a, job->cmd.agent_name, t->id);
	a->job = job;
	sim_agent_cut(a, t);
	sim_job_run(job, t);
}

static void sim_agent_pump(struct sim_agent *a)
{
	while (!a->job && a->followups.n > 0)
		sim_agent_follow_up(
		    a, list_entry(list_pop(&a->followups), struct sim_job, link));
}

/* ---- new threads: each on its own */

/* Built-in agents are always there; others must be named in settings. */
static bool sim_agent_has_server(const struct sim_agent *a, const char *name)
{
	static const char *const builtin[] = {"", "zed-agent", "claude", "codex"};

	for (size_t i = 0; i < ARRAY_LEN(builtin); i++) {
		if (strcmp(name, builtin[i]) == 0)
			return true;
	}
	return jsn_get(jsn_get(sim_settings_value(a->sim->settings), "agent_servers"),
		   name) != NULL;
}

static void sim_job_create(struct sim_job *job)
{
	struct sim_agent *a = job->agent;
	struct sim_thread *t = sim_agent_new_thread(a, job->cmd.agent_name);

	list_del(&a->unborn, &job->link);
	sim_tell_ready(a, job->cmd.agent_name, t->id);
	sim_tell_created(a, t, job->cmd.request_id);
	sim_job_run(job, t);
	sim_job_free(job);
}

static void sim_job_try(struct sim_job *job)
{
	if (sim_agent_has_server(job->agent, job->cmd.agent_name)) {
		sim_job_create(job);
		return;
	}
	if (++job->n_tries > SIM_SERVER_TRIES) {
		job->agent->sim->stats.agents_missing++;
		list_del(&job->agent->unborn, &job->link);
		sim_job_free(job);
		return;
	}
	loop_timer_start(job->timer, SIM_SERVER_RETRY_MS, 0);
}

static void sim_job_on_timer(struct loop_timer *t, void *data)
{
	(void)t;
	sim_job_try(data);
}

/* ---- commands */

static void sim_agent_count_request(struct sim_agent *a, const char *request_id)
{
	if (map_get(a->requests, slice_of(request_id)))
		a->sim->stats.requests_repeated++;
	if (map_count(a->requests) >= SIM_REQUESTS_MAX)
		map_clear(&a->requests);
	map_put(&a->requests, slice_of(request_id), a);
}

/* Out of band: what runs on the thread ends before the message is looked at. */
static void sim_agent_interrupt(struct sim_agent *a, const char *thread_id)
{
	struct sim_thread *t = map_get(a->threads, slice_of(thread_id));

	if (t && t->turn)
		sim_turn_cancel(t->turn);
}

static void sim_agent_chat(struct sim_agent *a, struct sim_command *cmd)
{
	struct sim_job *job = calloc(1, sizeof *job);

	must(job);
	*job = (struct sim_job){.agent = a, .cmd = *cmd};
	*cmd = (struct sim_command){0}; /* taken by the job */
	sim_agent_count_request(a, job->cmd.request_id);
	if (!job->cmd.thread_id) {
		list_push(&a->unborn, &job->link);
		job->timer = loop_timer_new(a->sim->loop, sim_job_on_timer, job);
		sim_job_try(job);
		return;
	}
	if (job->cmd.interrupt)
		sim_agent_interrupt(a, job->cmd.thread_id);
	a->sim->stats.followups_behind += a->job != NULL;
	list_push(&a->followups, &job->link);
	sim_agent_pump(a);
}

static void sim_agent_open(struct sim_agent *a, const struct sim_command *cmd)
{
	bool loaded;
	struct sim_thread *t =
	    sim_agent_thread(a, cmd->thread_id, cmd->request_id, &loaded);

	if (!t)
		return;
	sim_agent_show(a, t);
	sim_tell_ready(a, cmd->agent_name, t->id);
}

static void sim_agent_cancel(struct sim_agent *a, const char *request_id)
{
	map_for_each (entry, a->threads) {
		struct sim_thread *t = map_value(entry);

		if (!t->turn || strcmp(sim_turn_request_id(t->turn), request_id) != 0)
			continue;
		sim_tell_cancelled(a, request_id, "cancelled");
		sim_turn_cancel(t->turn);
		return;
	}
	sim_tell_cancelled(a, request_id, "noop");
}

static void sim_agent_query(struct sim_agent *a, const char *query_id)
{
	const struct sim_thread *t = map_get(a->threads, slice_of(a->active_thread));
	struct jsn *data = jsn_new_object();
	struct jsn *servers = jsn_new_object();

	jsn_for_each (s, jsn_get(sim_settings_value(a->sim->settings), "context_servers"))
		jsn_set_string(servers, jsn_key(s),
		    jsn_get_bool(s, "enabled", true) ? "running" : "stopped");
	jsn_set_string(data, "query_id", query_id);
	jsn_set_string(data, "active_view", t ? "agent_thread" : "uninitialized");
	jsn_set_string(data, "thread_id", t ? t->id : NULL);
	jsn_set_int(data, "entry_count", t ? (int64_t)t->n_entries : 0);
	jsn_set(data, "mcp_servers", servers);
	jsn_set_string(data, "active_model", "sim");
	sim_tell(a, "ui_state_response", data);
}

static void sim_agent_do(struct sim_agent *a, struct sim_command *cmd)
{
	switch (cmd->kind) {
	case SIM_CHAT_MESSAGE:
	case SIM_USER_INPUT:
		sim_agent_chat(a, cmd);
		return;
	case SIM_OPEN_THREAD:
		sim_agent_open(a, cmd);
		return;
	case SIM_CANCEL:
		sim_agent_cancel(a, cmd->request_id);
		return;
	case SIM_QUERY_UI:
		sim_agent_query(a, cmd->query_id);
		return;
	case SIM_UNKNOWN:
		a->sim->stats.commands_unknown++;
		log_event(EV_sim_command_refused, LF("why", "unknown type"));
		return;
	case SIM_ROLE_USER:
		a->sim->stats.commands_role_user++;
		log_event(EV_sim_command_refused, LF("why", "role is user"));
		return;
	}
}

static void sim_agent_on_text(void *data, struct slice msg)
{
	struct sim_agent *a = data;
	struct sim_command cmd;
	struct err e = ERR_NULL;
	bool armed = loop_timer_armed(a->ready_timer);

	a->sim->stats.commands++;
	if (sim_command_parse(msg, &cmd, &e) != 0) {
		a->sim->stats.commands_malformed++;
		log_event(EV_sim_command_refused, LF("why", e.text));
		if (armed && sim_command_is_open(msg))
			loop_timer_stop(a->ready_timer);
		return;
	}
	if (cmd.kind == SIM_OPEN_THREAD)
		loop_timer_stop(a->ready_timer);
	sim_agent_do(a, &cmd);
	sim_command_free(&cmd);
}

/* ---- connection */

static void sim_agent_on_ready_timer(struct loop_timer *t, void *data)
{
	(void)t;
	sim_tell_ready(data, "zed-connection", NULL);
}

static void sim_agent_on_opened(void *data)
{
	struct sim_agent *a = data;

	loop_timer_start(a->ready_timer, SIM_READY_MS, 0);
}

static void sim_agent_on_sent(void *data)
{
	struct sim_agent *a = data;

	sim_check_crash(a->sim);
}

static void sim_agent_on_closed(void *data)
{
	struct sim_agent *a = data;

	if (a->ready_timer)
		loop_timer_stop(a->ready_timer);
}

/* ---- the user */

int sim_agent_type(struct sim_agent *a, const char *thread_id, const char *text,
    const char **id_out, struct err *e)
{
	const char *request_id = a->last_request_id ? a->last_request_id : "";
	struct sim_thread *t = NULL;
	struct jsn *data;
	int r = 0;

	if (thread_id)
		t = map_get(a->threads, slice_of(thread_id));
	if (thread_id && !t)
		r = sim_agent_load(a, thread_id, &t);
	if (r != 0)
		return err_set(e, ERROR_NOT_FOUND, "no thread %s", thread_id);
	if (!thread_id) {
		t = sim_agent_new_thread(a, "");
		data = jsn_new_object();
		jsn_set_string(data, "acp_thread_id", t->id);
		jsn_set_null(data, "title");
		sim_tell(a, "user_created_thread", data);
	}
	sim_agent_cut(a, t);
	/* Turns typed in Zed carry the last id it heard of, which is nobody's now. */
	sim_agent_run(
	    a, t, text, t->last_request_id[0] ? t->last_request_id : request_id, true);
	*id_out = t->id;
	return 0;
}

/* ---- life */

void sim_agent_init(struct sim_agent *a, struct sim *sim, size_t i)
{
	struct sim_socket_cb cb = {sim_agent_on_opened, sim_agent_on_text,
	    sim_agent_on_sent, sim_agent_on_closed, a};
	struct buf url = BUF_NULL(65536);

	*a = (struct sim_agent){.sim = sim};
	list_init(&a->followups);
	list_init(&a->unborn);
	a->ready_timer = loop_timer_new(sim->loop, sim_agent_on_ready_timer, a);
	sim_env_url(&sim->env, (int64_t)i, (int64_t)sim->n_agents, &url);
	sim_socket_init(&a->socket, sim->loop, sim->ws, buf_steal(&url, NULL),
	    sim->env.token, &sim->stats, &cb);
}

void sim_agent_start(struct sim_agent *a)
{
	if (a->sim->ws)
		sim_socket_start(&a->socket);
}

void sim_agent_stop(struct sim_agent *a)
{
	struct list_link *l;

	a->ready_timer = loop_timer_free(a->ready_timer);
	map_for_each (entry, a->threads) {
		struct sim_thread *t = map_value(entry);

		if (t->turn)
			sim_turn_abandon(t->turn);
	}
	sim_job_free(a->job);
	a->job = NULL;
	while ((l = list_pop(&a->followups)) || (l = list_pop(&a->unborn)))
		sim_job_free(list_entry(l, struct sim_job, link));
	sim_socket_stop(&a->socket);
}

void sim_agent_deinit(struct sim_agent *a)
{
	map_for_each (entry, a->threads)
		sim_thread_free(map_value(entry));
	map_clear(&a->threads);
	map_clear(&a->requests);
	free(a->last_request_id);
	sim_socket_deinit(&a->socket);
}

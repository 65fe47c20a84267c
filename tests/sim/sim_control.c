/* happy path: connect, a line, its answer, the next line
 * failure modes: a line that is too long or a peer that leaves ends that connection alone
 */
#include "tests/sim/sim_control.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/list.h"
#include "tests/sim/sim.h"
#include "tests/sim/sim_agent.h"

enum {
	SIM_LINE_MAX_BYTES = 4 << 20,
	SIM_REPLY_MAX_BYTES = 32 << 20,
};

struct sim_control {
	struct sim *sim;
	uv_pipe_t pipe;
	char path[sizeof(((struct sockaddr_un *)0)->sun_path)];
	struct list peers; /* struct sim_peer.link */
};

struct sim_peer {
	struct list_link link;
	struct sim_control *control;
	uv_pipe_t pipe;
	struct buf line;
	char chunk[65536];
};

struct sim_reply {
	uv_write_t req;
	char *text;
};

/* ---- the lines */

static struct jsn *sim_control_ok(void)
{
	struct jsn *o = jsn_new_object();

	jsn_set_bool(o, "ok", true);
	return o;
}

static struct jsn *sim_control_error(const char *text)
{
	struct jsn *o = jsn_new_object();

	jsn_set_bool(o, "ok", false);
	jsn_set_string(o, "error", text);
	return o;
}

static struct jsn *sim_control_save(struct sim *sim, const char *arg)
{
	struct err e = ERR_NULL;
	struct buf text = BUF_NULL(SIM_LINE_MAX_BYTES + 1);
	int r;

	buf_addf(&text, "%s\n", arg);
	r = sim_settings_save(sim->settings, buf_slice(&text), &e);
	buf_deinit(&text);
	return r == 0 ? sim_control_ok() : sim_control_error(e.text);
}

/* THREAD is an id, or "new". */
static struct jsn *sim_control_type(struct sim *sim, char *arg)
{
	struct err e = ERR_NULL;
	char *text = strchr(arg, ' ');
	const char *id = NULL;
	struct jsn *o;
	int r = ERROR_NOT_FOUND;

	if (!text)
		return sim_control_error("usage: type THREAD|new TEXT");
	*text++ = '\0';
	if (strcmp(arg, "new") == 0)
		r = sim_agent_type(&sim->agents[0], NULL, text, &id, &e);
	for (size_t i = 0; i < sim->n_agents && r != 0; i++)
		r = sim_agent_type(&sim->agents[i], arg, text, &id, &e);
	if (r != 0)
		return sim_control_error(e.text);
	o = sim_control_ok();
	jsn_set_string(o, "thread", id);
	return o;
}

static struct jsn *sim_control_drop(struct sim *sim)
{
	struct jsn *o = sim_control_ok();
	int64_t n = 0;

	for (size_t i = 0; i < sim->n_agents; i++)
		n += sim_socket_drop(&sim->agents[i].socket);
	jsn_set_int(o, "dropped", n);
	return o;
}

static struct jsn *sim_control_stats(const struct sim *sim)
{
	struct jsn *o = sim_control_ok();
	int64_t n_connected = 0, n_backlog = 0;

	for (size_t i = 0; i < sim->n_agents; i++) {
		n_connected += sim->agents[i].socket.connected;
		n_backlog += (int64_t)sim->agents[i].socket.backlog.n;
	}
	jsn_set_int(o, "pid", getpid());
	jsn_set_int(o, "agents", (int64_t)sim->n_agents);
	jsn_set_int(o, "connected", n_connected);
	jsn_set_int(o, "backlog", n_backlog);
#define STAT(name, sentence) jsn_set_int(o, #name, sim->stats.name);
#include "tests/sim/sim_stats.tbl.h"
#undef STAT
	jsn_set(o, "settings", sim_settings_describe(sim->settings));
	return o;
}

static struct jsn *sim_control_do(struct sim *sim, char *line)
{
	if (strncmp(line, "save ", 5) == 0)
		return sim_control_save(sim, line + 5);
	if (strncmp(line, "type ", 5) == 0)
		return sim_control_type(sim, line + 5);
	if (strcmp(line, "drop") == 0)
		return sim_control_drop(sim);
	if (strcmp(line, "stats") == 0)
		return sim_control_stats(sim);
	return sim_control_error(
	    "unknown line: save JSON, type THREAD TEXT, drop or stats");
}

/* ---- peers */

static void sim_peer_on_closed(uv_handle_t *h)
{
	struct sim_peer *p = h->data;

	buf_deinit(&p->line);
	free(p);
}

static void sim_peer_close(struct sim_peer *p)
{
	if (uv_is_closing((uv_handle_t *)&p->pipe))
		return;
	list_del(&p->control->peers, &p->link);
	uv_close((uv_handle_t *)&p->pipe, sim_peer_on_closed);
}

static void sim_peer_on_written(uv_write_t *req, int status)
{
	struct sim_reply *reply = container_of(req, struct sim_reply, req);

	(void)status;
	free(reply->text);
	free(reply);
}

static void sim_peer_reply(struct sim_peer *p, struct jsn *answer)
{
	struct sim_reply *reply = calloc(1, sizeof *reply);
	struct buf text = BUF_NULL(SIM_REPLY_MAX_BYTES);
	uv_buf_t b;
	size_t n;

	must(reply);
	jsn_print(answer, &text);
	jsn_free(answer);
	buf_addc(&text, '\n');
	reply->text = buf_steal(&text, &n);
	must(reply->text);
	b = uv_buf_init(reply->text, (unsigned)n);
	if (uv_write(&reply->req, (uv_stream_t *)&p->pipe, &b, 1, sim_peer_on_written) !=
	    0) {
		free(reply->text);
		free(reply);
		sim_peer_close(p);
	}
}

static void sim_peer_lines(struct sim_peer *p)
{
	char *end;

	while (p->line.n > 0 && (end = memchr(p->line.data, '\n', p->line.n))) {
		*end = '\0';
		sim_peer_reply(p, sim_control_do(p->control->sim, p->line.data));
		buf_consume(&p->line, (size_t)(end - p->line.data) + 1);
	}
}

static void sim_peer_on_alloc(uv_handle_t *h, size_t suggested, uv_buf_t *out)
{
	struct sim_peer *p = h->data;

	(void)suggested;
	*out = uv_buf_init(p->chunk, sizeof p->chunk);
}

static void sim_peer_on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *b)
{
	struct sim_peer *p = stream->data;

	if (n < 0) {
		sim_peer_close(p);
		return;
	}
	buf_add(&p->line, b->base, (size_t)n);
	if (buf_check(&p->line) != 0) {
		sim_peer_close(p);
		return;
	}
	sim_peer_lines(p);
}

static void sim_control_on_connection(uv_stream_t *server, int status)
{
	struct sim_control *c = server->data;
	struct sim_peer *p;

	if (status < 0)
		return;
	p = calloc(1, sizeof *p);
	must(p);
	p->control = c;
	p->line = BUF_NULL(SIM_LINE_MAX_BYTES);
	must(uv_pipe_init(loop_uv(c->sim->loop), &p->pipe, 0) == 0);
	p->pipe.data = p;
	list_push(&c->peers, &p->link);
	if (uv_accept(server, (uv_stream_t *)&p->pipe) != 0 ||
	    uv_read_start((uv_stream_t *)&p->pipe, sim_peer_on_alloc, sim_peer_on_read) !=
		0)
		sim_peer_close(p);
}

/* ---- life */

static int sim_control_listen(struct sim_control *c)
{
	mode_t mask = umask(0177);
	int r;

	(void)unlink(c->path);
	r = uv_pipe_bind(&c->pipe, c->path);
	umask(mask);
	return r == 0 ? uv_listen((uv_stream_t *)&c->pipe, 16, sim_control_on_connection)
		      : r;
}

static void sim_control_on_closed(uv_handle_t *h)
{
	free(h->data);
}

int sim_control_new(
    struct sim *sim, const char *path, struct sim_control **out, struct err *e)
{
	struct sim_control *c;
	int r;

	if (strlen(path) >= sizeof c->path)
		return err_set(e, ERROR_INVALID,
		    "--control %s: the path is too long for a socket", path);
	c = calloc(1, sizeof *c);
	must(c);
	c->sim = sim;
	list_init(&c->peers);
	snprintf(c->path, sizeof c->path, "%s", path);
	must(uv_pipe_init(loop_uv(sim->loop), &c->pipe, 0) == 0);
	c->pipe.data = c;
	r = sim_control_listen(c);
	if (r != 0) {
		uv_close((uv_handle_t *)&c->pipe, sim_control_on_closed);
		return err_set(e, r, "--control %s: %s", path, uv_strerror(r));
	}
	*out = c;
	return 0;
}

struct sim_control *sim_control_free(struct sim_control *c)
{
	if (!c)
		return NULL;
	list_for_each_safe (it, &c->peers)
		sim_peer_close(list_entry(it, struct sim_peer, link));
	(void)unlink(c->path);
	uv_close((uv_handle_t *)&c->pipe, sim_control_on_closed);
	return NULL;
}

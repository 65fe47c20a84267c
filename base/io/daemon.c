/* What every daemon has in common, in the order it starts and, reversed, stops.
 *
 * happy path: load configuration, check it, open broker and parts, listen, run, stop
 * parts, close listeners and broker failure modes: bad configuration (one line, exit 2);
 * a part cannot start (one line, exit 1 or 2); a second SIGTERM while stopping (exit 1,
 * by the loop)
 */
#include "base/io/daemon.h"

#include <string.h>
#include <unistd.h>

#include "base/io/addr.h"
#include "base/io/daemon_http.h"
#include "base/io/daemon_internal.h"
#include "base/io/daemon_print.h"
#include "base/io/events.h"

extern char **environ;

enum {
	EXIT_BAD_USAGE = 2,
};

struct loop *daemon_loop(struct daemon *d)
{
	return d->loop;
}

struct bus *daemon_bus(struct daemon *d)
{
	return d->bus;
}

struct store *daemon_store(struct daemon *d)
{
	return d->store;
}

const void *daemon_conf(const struct daemon *d)
{
	return d->conf;
}

const struct auth_table *daemon_auth(const struct daemon *d)
{
	return d->auth;
}

void daemon_set_data(struct daemon *d, void *data)
{
	d->data = data;
}

void *daemon_data(const struct daemon *d)
{
	return d->data;
}

void daemon_set_http(struct daemon *d, const struct http_handlers *h)
{
	d->handlers = *h;
}

uint16_t daemon_port(const struct daemon *d)
{
	return d->http ? http_server_port(d->http) : 0;
}

bool daemon_stopping(const struct daemon *d)
{
	return d->stopping;
}

/* configuration */

static int check_listen(
    const char *name, const char *value, struct addr *out, struct err *e)
{
	int r = addr_parse(value, out, e);

	return r ? (err_prefix(e, "%s", name), r) : 0;
}

static int check_conf(const struct daemon_def *def, void *conf, struct err *e)
{
	const struct daemon_conf *c = conf;
	struct addr a;
	bool protected = c->tokens || (def->protected && def->protected(conf));
	int r = check_listen("--listen", c->listen, &a, e);

	if (!r && !protected && !addr_is_loopback(a.host))
		r = err_set(e, ERROR_INVALID,
		    "--listen: %s is not a loopback address; that needs --tokens",
		    c->listen);
	if (!r && c->health_listen)
		r = check_listen("--health-listen", c->health_listen, &a, e);
	if (!r && (c->tls_cert == NULL) != (c->tls_key == NULL))
		r = err_set(e, ERROR_INVALID, "--tls-cert and --tls-key go together");
	if (!r && def->broker)
		r = def->broker->check(c, e);
	return r;
}

static void start_log(const struct daemon_def *def, const struct daemon_conf *c)
{
	enum log_level level = LOG_INFO;
	bool json = c->log_format && *c->log_format ? strcmp(c->log_format, "json") == 0
						    : !isatty(STDERR_FILENO);

	must(log_level_parse(c->log_level, &level));
	log_init(def->spec.program, level, json);
}

/* Load, check, and open what only reads: 0, or the exit code with its line printed. -1:
 * done, exit 0. */
static int configure(struct daemon *d)
{
	const struct daemon_def *def = d->def;
	struct err e = ERR_NULL;
	const char *what = NULL;
	enum conf_outcome o =
	    conf_load(&def->spec, d->argc, d->argv, environ, d->conf, &what, NULL, &e);

	if (o == CONF_HELP || o == CONF_VERSION || o == CONF_PRINT)
		return daemon_print(def, o, what);
	/* The program's own check comes first: it may still complete its settings. */
	if (o == CONF_BAD || (def->check && def->check(d->conf, &e)) ||
	    check_conf(def, d->conf, &e)) {
		fprintf(stderr, "%s: %s\n", def->spec.program, e.text);
		return EXIT_BAD_USAGE;
	}
	start_log(def, d->conf);
	if (auth_table_load(((struct daemon_conf *)d->conf)->tokens, &d->auth, &e)) {
		fprintf(stderr, "%s: %s\n", def->spec.program, e.text);
		return EXIT_BAD_USAGE;
	}
	return 0;
}

/* stopping: program, then listeners and broker, then the loop */

static void part_closed(void *data)
{
	struct daemon *d = data;

	must(d->n_open > 0);
	if (--d->n_open == 0) {
		if (d->up)
			log_event(EV_daemon_stopped, LF_I("exit_code", d->exit_code));
		loop_stop(d->loop);
	}
}

void daemon_stopped(struct daemon *d)
{
	if (d->closing)
		return;
	d->closing = true;
	d->n_open = 1; /* this function itself */
	if (d->http) {
		d->n_open++;
		http_server_close(d->http, part_closed, d);
	}
	if (d->health) {
		d->n_open++;
		http_server_close(d->health, part_closed, d);
	}
	d->http = d->health = NULL; /* taken by http_server_close */
	if (d->bus) {
		d->n_open++;
		d->def->broker->close(d, part_closed, d);
	}
	part_closed(d);
}

static void begin_stop(struct daemon *d)
{
	if (d->stopping)
		return;
	d->stopping = true;
	if (d->up)
		log_event(EV_daemon_stopping, LF_NONE);
	if (d->begun && d->def->stop)
		d->def->stop(d);
	else
		daemon_stopped(d);
}

static void on_stop_signal(void *data)
{
	begin_stop(data);
}

void daemon_finish(struct daemon *d)
{
	begin_stop(d);
}

void daemon_fail(struct daemon *d, int exit_code, const struct err *e)
{
	log_event(EV_daemon_failed, LF("detail", e->text));
	d->exit_code = exit_code;
	begin_stop(d);
}

/* SIGHUP */

static bool reload_conf(struct daemon *d, struct err *e)
{
	const struct conf_spec *spec = &d->def->spec;
	struct buf not_applied = BUF_NULL(4096);
	void *fresh = calloc(1, d->def->conf_size);
	const char *what = NULL;
	bool ok;

	must(fresh);
	ok = conf_load(spec, d->argc, d->argv, environ, fresh, &what, NULL, e) ==
		 CONF_OK &&
	     !(d->def->check && d->def->check(fresh, e)) && !check_conf(d->def, fresh, e);
	if (ok) {
		conf_reload(spec, d->conf, fresh, &not_applied);
		if (not_applied.n)
			log_event(EV_daemon_reload_kept,
			    LF("settings", buf_cstr(&not_applied)));
	}
	buf_deinit(&not_applied);
	conf_free(spec, fresh);
	free(fresh);
	return ok;
}

static bool reload_files(struct daemon *d, struct err *e)
{
	const struct daemon_conf *c = d->conf;
	struct auth_table *fresh = NULL;

	if (auth_table_load(c->tokens, &fresh, e))
		return false;
	auth_table_free(d->auth);
	d->auth = fresh;
	return !c->tls_cert || http_server_reload_tls(d->http, e) == 0;
}

static void on_reload_signal(void *data)
{
	struct daemon *d = data;
	struct err e = ERR_NULL;

	if (d->stopping)
		return;
	if (!reload_conf(d, &e) || !reload_files(d, &e)) {
		log_event(EV_daemon_reload_failed, LF("detail", e.text));
		return;
	}
	start_log(d->def, d->conf);
	if (d->def->reload)
		d->def->reload(d);
	log_event(EV_daemon_reloaded, LF_NONE);
}

/* starting */

static int listen_all(struct daemon *d, struct err *e)
{
	const struct daemon_conf *c = d->conf;
	struct http_conf main_conf = {
	    .listen = c->listen, .tls_cert = c->tls_cert, .tls_key = c->tls_key};
	struct http_conf health_conf = {.listen = c->health_listen};
	struct http_handlers h = daemon_http_handlers(d);
	int r = http_server_new(d->loop, &main_conf, &h, &d->http, e);

	if (r)
		return err_prefix(e, "--listen %s", c->listen);
	if (!c->health_listen)
		return 0;
	h = daemon_health_handlers(d);
	r = http_server_new(d->loop, &health_conf, &h, &d->health, e);
	return r ? err_prefix(e, "--health-listen %s", c->health_listen) : 0;
}

static int start_parts(struct daemon *d, struct err *e)
{
	const struct daemon_def *def = d->def;
	int r = def->broker ? def->broker->open(d, e) : 0;

	if (!r) {
		d->begun = true;
		r = def->start(d, e);
	}
	if (!r && !(def->headless && def->headless(d->conf)))
		r = listen_all(d, e);
	if (!r && def->broker)
		r = def->broker->start(d, e);
	return r;
}

static void run(struct daemon *d)
{
	const struct loop_signals signals = {
	    .stop_cb = on_stop_signal, .reload_cb = on_reload_signal, .data = d};
	struct err e = ERR_NULL;
	int r;

	d->loop = loop_new();
	loop_watch_signals(d->loop, &signals);
	r = start_parts(d, &e);
	if (r) {
		fprintf(stderr, "%s: %s\n", d->def->spec.program, e.text);
		d->exit_code = r == ERROR_INVALID ? EXIT_BAD_USAGE : EXIT_FAILURE;
		begin_stop(d);
	} else {
		d->up = true;
		if (!auth_table_enabled(d->auth) &&
		    !(d->def->protected && d->def->protected(d->conf)))
			log_event(EV_daemon_unprotected, LF_NONE);
		log_event(EV_daemon_started,
		    LF("listen", ((struct daemon_conf *)d->conf)->listen),
		    LF_I("port", daemon_port(d)), LF("version", ZEDBUS_VERSION));
	}
	loop_run(d->loop);
	if (d->begun && d->def->free)
		d->def->free(d);
	loop_free(d->loop);
}

int daemon_main(const struct daemon_def *def, int argc, char **argv)
{
	struct daemon d = {.def = def, .argc = argc, .argv = argv};
	int code;

	d.conf = calloc(1, def->conf_size);
	must(d.conf);
	code = configure(&d);
	if (code == 0) {
		run(&d);
		code = d.exit_code;
	}
	auth_table_free(d.auth);
	conf_free(&def->spec, d.conf);
	free(d.conf);
	return code < 0 ? 0 : code;
}

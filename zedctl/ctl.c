#include "zedctl/ctl.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "zedctl/render.h"

#define CTL_SERVER_DEFAULT "http://127.0.0.1:8080"

enum {
	CTL_CONNECT_MS = 5000,
	CTL_TOKEN_MAX_BYTES = 8192,
	CTL_PRINT_MAX_BYTES = 64 << 20,
};

int ctl_fail(int exit_code, const char *fmt, ...)
{
	char text[4096];
	struct buf masked = BUF_NULL(3 * sizeof text), safe = BUF_NULL(9 * sizeof text);
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	buf_add_masked(&masked, text); /* a URL may hold a password */
	render_safe(buf_slice(&masked), &safe);
	fprintf(stderr, "zedctl: %s\n", buf_cstr(&safe));
	buf_deinit(&masked);
	buf_deinit(&safe);
	return exit_code;
}

int ctl_check_error(const struct jsn *reply)
{
	const struct jsn *error = jsn_get(reply, "error");
	const char *code = jsn_get_string(error, "code");
	const char *message = jsn_get_string(error, "message");

	if (jsn_type(error) != JSN_OBJECT)
		return CTL_DONE;
	ctl_fail(0, "%s: %s", code ? code : "error",
	    message ? message : "no reason was given");
	if (code && strcmp(code, "TIMEOUT") == 0)
		return CTL_TIMEOUT;
	return CTL_REFUSED;
}

void ctl_print_json(const struct ctl *c, const struct jsn *v)
{
	struct buf text = BUF_NULL(CTL_PRINT_MAX_BYTES);

	jsn_print(v, &text);
	if (c->is_tty)
		render_json(buf_slice(&text));
	else
		printf("%s\n", buf_cstr(&text));
	buf_deinit(&text);
}

/* ---- settings of the run */

static const char *ctl_setting(
    const struct args *a, const char *flag, const char *env, const char *dflt)
{
	const char *v = args_get(a, flag);

	if (!v || !*v)
		v = getenv(env);
	return v && *v ? v : dflt;
}

/* The broker's settings: flag, ZEDBUS_<NAME>, alias, default. */
static const char *ctl_broker_setting(
    const struct args *a, const char *name, const char *dflt, const char *alias)
{
	char env[64] = "ZEDBUS_";
	size_t n = strlen(env);
	const char *v;

	for (size_t i = 0; name[i] && n < sizeof env - 1; i++)
		env[n++] = (char)(name[i] >= 'a' && name[i] <= 'z' ? name[i] - 'a' + 'A'
								   : name[i]);
	env[n] = '\0';
	v = ctl_setting(a, name, env, NULL);
	if (!v && alias)
		v = getenv(alias);
	if (!v || !*v)
		v = *dflt ? dflt : NULL;
	return v;
}

static void ctl_init_bus(struct ctl *c, const struct args *a)
{
#define CONF(cname, type, dflt, min, max, cflags, alias, choices, help)                  \
	const char *cname = ctl_broker_setting(a, #cname, dflt, alias);
#include "base/io/broker.tbl.h"
#undef CONF
	c->bus_conf = (struct bus_conf){
	    .name = "zedctl",
	    .url = nats,
	    .creds = nats_creds,
	    .user = nats_user,
	    .password_file = nats_password_file,
	    .token_file = nats_token_file,
	    .nkey = nats_nkey,
	    .ca = nats_ca,
	    .cert = nats_cert,
	    .key = nats_key,
	    .inbox_prefix = nats_inbox_prefix,
	};
}

static int ctl_read_token(struct ctl *c, const char *path, struct err *e)
{
	char text[CTL_TOKEN_MAX_BYTES + 1];
	FILE *f = fopen(path, "re");
	size_t n;

	if (!f)
		return err_set(
		    e, ERROR_INVALID, "--token-file %s: %s", path, strerror(errno));
	n = fread(text, 1, CTL_TOKEN_MAX_BYTES, f);
	fclose(f);
	text[n] = '\0';
	text[strcspn(text, "\r\n")] = '\0';
	c->token = strdup(text);
	must(c->token);
	return 0;
}

static int ctl_init_token(struct ctl *c, const struct args *a, struct err *e)
{
	const char *token = ctl_setting(a, "token", "ZEDBUS_TOKEN", NULL);
	const char *file = ctl_setting(a, "token-file", "ZEDBUS_TOKEN_FILE", NULL);

	if (file && !args_has(a, "token"))
		return ctl_read_token(c, file, e);
	if (token) {
		c->token = strdup(token);
		must(c->token);
	}
	return 0;
}

static int ctl_init_output(struct ctl *c, const struct args *a, struct err *e)
{
	const char *o = args_get(a, "output");

	c->output = CTL_TABLE;
	if (!o || strcmp(o, "table") == 0)
		return 0;
	if (strcmp(o, "wide") == 0)
		c->output = CTL_WIDE;
	else if (strcmp(o, "json") == 0)
		c->output = CTL_JSON;
	else
		return err_set(
		    e, ERROR_INVALID, "--output %s: not table, json or wide", o);
	return 0;
}

int ctl_init(struct ctl *c, const struct args *a, struct err *e)
{
	const char *tenant = ctl_setting(a, "tenant", "ZEDBUS_TENANT", "default");
	const char *server =
	    ctl_setting(a, "server", "ZEDBUS_SERVER", CTL_SERVER_DEFAULT);
	int r;

	*c = (struct ctl){.args = a};
	c->is_tty = isatty(STDOUT_FILENO);
	c->connect_timeout_ms = args_int(a, "connect-timeout", CTL_CONNECT_MS);
	snprintf(c->server_text, sizeof c->server_text, "%s", server);
	for (size_t n = strlen(c->server_text); n > 0 && c->server_text[n - 1] == '/';
	     n--)
		c->server_text[n - 1] = '\0';
	c->server = c->server_text;
	ctl_init_bus(c, a);
	if (!id_parse(slice_of(tenant), &c->tenant))
		return err_set(e, ERROR_INVALID,
		    "--tenant %s: not of letters, digits, _ and -, at most 64", tenant);
	r = ctl_init_output(c, a, e);
	if (r == 0)
		r = ctl_init_token(c, a, e);
	if (r == 0)
		c->loop = loop_new();
	return r;
}

/* ---- waiting */

static void ctl_on_deadline(struct loop_timer *t, void *data)
{
	(void)t;
	*(bool *)data = true;
}

bool ctl_wait(struct ctl *c, const bool *done, int64_t timeout_ms)
{
	bool late = false;
	struct loop_timer *t = loop_timer_new(c->loop, ctl_on_deadline, &late);

	if (timeout_ms >= 0)
		loop_timer_start(t, timeout_ms, 0);
	while (!*done && !late)
		uv_run(loop_uv(c->loop), UV_RUN_ONCE);
	loop_timer_free(t);
	return *done;
}

/* ---- connections */

struct ctl_link {
	bool done;
};

static void ctl_on_bus(void *data, enum bus_event ev)
{
	struct ctl_link *link = data;

	if (ev == BUS_CONNECTED)
		link->done = true;
}

int ctl_connect(struct ctl *c)
{
	static struct ctl_link link; /* the bus keeps it as long as it lives */
	struct err e = ERR_NULL;

	if (c->bus)
		return CTL_DONE;
	link = (struct ctl_link){false};
	if (bus_new(c->loop, &c->bus_conf, ctl_on_bus, &link, &c->bus, &e) != 0)
		return ctl_fail(CTL_USAGE, "%s", e.text);
	if (bus_start(c->bus, &e) != 0)
		return ctl_fail(
		    CTL_NO_CONNECTION, "broker %s: %s", c->bus_conf.url, e.text);
	if (ctl_wait(c, &link.done, c->connect_timeout_ms))
		return CTL_DONE;
	return ctl_fail(CTL_NO_CONNECTION, "cannot connect to the broker %s: %s",
	    c->bus_conf.url, bus_problem(c->bus));
}

struct store *ctl_store(struct ctl *c)
{
	if (!c->store)
		c->store = store_new(c->loop, c->bus);
	return c->store;
}

struct fetch *ctl_fetch(struct ctl *c)
{
	if (!c->fetch)
		c->fetch = fetch_new(c->loop, args_get(c->args, "tls-ca"), false);
	return c->fetch;
}

static void ctl_on_closed(void *data)
{
	*(bool *)data = true;
}

void ctl_deinit(struct ctl *c)
{
	bool done = false;

	store_free(c->store);
	if (c->fetch) {
		fetch_close(c->fetch, ctl_on_closed, &done);
		ctl_wait(c, &done, -1);
	}
	done = false;
	if (c->bus) {
		bus_close(c->bus, ctl_on_closed, &done);
		ctl_wait(c, &done, -1);
	}
	if (c->loop) {
		loop_stop(c->loop);
		loop_run(c->loop);
		loop_free(c->loop);
	}
	free(c->token);
}

/* The broker's part of a daemon: its own file so that a program without a broker does not
 * link nats.c. */
#include <string.h>

#include "base/io/daemon_internal.h"
#include "base/io/events.h"

enum {
	NATS_URL_SHOWN_MAX = 120,
};

/* A user in the URL counts too. */
static bool has_credentials(const struct daemon_conf *c)
{
	return c->nats_creds || c->nats_user || c->nats_token_file || c->nats_nkey ||
	       c->nats_cert || strchr(c->nats, '@');
}

static int nats_refuse_far(const char *url, struct err *e)
{
	struct buf masked = BUF_NULL(NATS_URL_SHOWN_MAX);
	int r;

	buf_add_masked(&masked, url);
	r = err_set(e, ERROR_INVALID,
	    "--nats %s: a broker that is not on loopback needs credentials (--nats-creds, "
	    "--nats-user, --nats-token-file, --nats-nkey or --nats-cert)",
	    buf_cstr(&masked));
	buf_deinit(&masked);
	return r;
}

static int nats_check(const struct daemon_conf *c, struct err *e)
{
	if (c->nats_user && !c->nats_password_file)
		return err_set(
		    e, ERROR_INVALID, "--nats-user needs --nats-password-file");
	if ((c->nats_cert == NULL) != (c->nats_key == NULL))
		return err_set(
		    e, ERROR_INVALID, "--nats-cert and --nats-key go together");
	if (!bus_url_is_loopback(c->nats) && !has_credentials(c))
		return nats_refuse_far(c->nats, e);
	return 0;
}

static void nats_on_state(void *data, enum bus_event ev)
{
	struct daemon *d = data;

	if (d->def->bus_event)
		d->def->bus_event(d, ev);
}

static int nats_open(struct daemon *d, struct err *e)
{
	const struct daemon_conf *c = d->conf;
	struct bus_conf conf = {
	    .name = d->def->spec.program,
	    .url = c->nats,
	    .creds = c->nats_creds,
	    .user = c->nats_user,
	    .password_file = c->nats_password_file,
	    .token_file = c->nats_token_file,
	    .nkey = c->nats_nkey,
	    .ca = c->nats_ca,
	    .cert = c->nats_cert,
	    .key = c->nats_key,
	    .inbox_prefix = c->nats_inbox_prefix,
	};
	int r = bus_new(d->loop, &conf, nats_on_state, d, &d->bus, e);

	if (r)
		return r;
	d->store = store_new(d->loop, d->bus);
	if (!has_credentials(c))
		log_event(EV_broker_unprotected, LF_NONE);
	return 0;
}

static int nats_start(struct daemon *d, struct err *e)
{
	return bus_start(d->bus, e);
}

static void nats_not_ready(struct daemon *d, struct buf *reasons)
{
	if (!bus_connected(d->bus))
		buf_adds(reasons, "the broker is not connected\n");
}

static void nats_warnings(struct daemon *d, struct buf *out)
{
	if (!has_credentials(d->conf))
		buf_adds(out, "the broker is used without credentials\n");
}

static void nats_close(struct daemon *d, loop_task_cb *closed_cb, void *data)
{
	d->store = store_free(d->store);
	bus_close(d->bus, closed_cb, data);
	d->bus = NULL; /* taken by bus_close */
}

const struct daemon_broker_ops daemon_nats = {
    .check = nats_check,
    .open = nats_open,
    .start = nats_start,
    .not_ready = nats_not_ready,
    .warnings = nats_warnings,
    .close = nats_close,
};

/* Sign-ins of agents, the same in their files and at the server. A refresh makes the token
 * before it worthless, so the newer one counts, wherever it was made; and what is known to
 * be there already is neither written nor told.
 *
 * happy path: wanted, asked for, compared, written or told; later the agent refreshes it,
 * its file is seen, told
 * failure modes: no answer, no such answer, file that cannot be written, refused: said
 * once, tried again with the next answer of the server */
#include "sessiond/sidecar/desktop_internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "sessiond/sidecar/events.h"
#include "sessiond/sidecar/file_io.h"
#include "sessiond/sidecar/path.h"

enum {
	CREDENTIAL_AGAIN_MS = 500,
};

static void credential_ask(struct desktop_credential *c);

static void credential_trouble(struct desktop_credential *c, const char *why)
{
	if (strcmp(c->trouble, why) != 0)
		log_event(EV_credentials_trouble,
		    LF("what", helix_credential_name(c->kind)), LF("detail", why));
	snprintf(c->trouble, sizeof(c->trouble), "%.190s", why);
}

static void credential_failed(
    struct desktop_credential *c, const char *verb, const struct fetch_response *r)
{
	char why[DESKTOP_TROUBLE_MAX];

	if (r->code)
		snprintf(why, sizeof(why), "%s: %s", verb, r->detail);
	else
		snprintf(why, sizeof(why), "%s: HTTP %d", verb, r->status);
	credential_trouble(c, why);
}

/* What was under way is over: who waits for it goes on. */
static void credential_done(struct desktop_credential *c, bool changed)
{
	bool first = !c->looked;

	c->looked = true;
	if (c->again) {
		c->again = false;
		credential_ask(c);
	}
	if (first || changed)
		sidecar_on_signed_in(c->desktop->s, changed);
}

/* the file */

/* 0; -ENOENT; -errno */
static int credential_read(struct desktop_credential *c, struct buf *text,
    struct arena *a, struct helix_credential *out)
{
	int r = file_read(c->path, DESKTOP_FILE_MAX, text);

	*out = (struct helix_credential){0};
	if (!r)
		helix_credential_file(a, c->kind, buf_slice(text), out);
	return r;
}

static void credential_own(struct desktop_credential *c, struct slice text)
{
	buf_reset(&c->own);
	buf_add_slice(&c->own, text);
}

/* An agent may be writing it. */
static bool credential_is_half_written(struct desktop_credential *c, struct slice now)
{
	if (now.n == 0 || slice_eq(now, buf_slice(&c->puzzle)))
		return false;
	buf_reset(&c->puzzle);
	buf_add_slice(&c->puzzle, now);
	return true;
}

/* @now: what the file says; p NULL: there is none. */
static bool credential_write(
    struct desktop_credential *c, const struct helix_credential *api, struct slice now)
{
	int r = desktop_write_over(c->path, api->filed, 0600, now);

	if (r == -EAGAIN) { /* the agent was faster */
		loop_timer_start(c->later, CREDENTIAL_AGAIN_MS, 0);
		return false;
	}
	if (r) {
		credential_trouble(c, strerror(-r));
		return false;
	}
	credential_own(c, api->filed);
	c->trouble[0] = '\0';
	log_event(EV_credentials_written, LF("what", helix_credential_name(c->kind)),
	    LF("path", c->path));
	return true;
}

/* telling */

static void credential_on_told(void *data, const struct fetch_response *r)
{
	struct desktop_credential *c = data;

	c->ticket = 0;
	if (c->desktop->stopping || r->code == -ECANCELED)
		return;
	if (r->code != 0 || r->status != 200) {
		credential_failed(c, "PUT", r);
		buf_reset(&c->own);
	} else if (helix_credential_is_stale(r->body)) {
		/* It has a newer one; should that not be so, once is enough. */
		c->known = INT64_MAX;
		c->again = !c->was_stale;
		c->was_stale = true;
	} else {
		c->known = c->telling;
		c->trouble[0] = '\0';
		log_event(
		    EV_credentials_told, LF("what", helix_credential_name(c->kind)));
	}
	credential_done(c, false);
}

static void credential_tell(struct desktop_credential *c,
    const struct helix_credential *file, struct slice text)
{
	credential_own(c, text);
	c->telling = file->stamp;
	c->ticket = server_ask(c->desktop->s->server, "PUT",
	    helix_credential_name(c->kind), file->told, credential_on_told, c);
}

/* comparing */

/* True: the agent is signed in another way than before. */
static bool credential_take_token(struct desktop_credential *c, struct slice token)
{
	struct desktop *d = c->desktop;

	if (c->kind != HELIX_CLAUDE || slice_eq(slice_of(d->setup_token), token))
		return false;
	free(d->setup_token);
	d->setup_token = token.n ? strndup(token.p, token.n) : NULL;
	d->s->helix.setup_token = d->setup_token;
	if (token.n) {
		desktop_mark_setup_token(d);
		log_event(EV_setup_token_known, LF_NONE);
	}
	return true;
}

/* True: another base is to be made. */
static bool credential_compare(
    struct desktop_credential *c, struct arena *a, const struct helix_credential *api)
{
	AUTO(buf_deinit) struct buf text = BUF_NULL(DESKTOP_FILE_MAX);
	struct helix_credential file;
	bool changed = credential_take_token(c, api->setup_token);
	int r = credential_read(c, &text, a, &file);
	struct slice now = {r ? NULL : buf_cstr(&text), text.n};

	c->known = api->usable ? api->stamp : INT64_MAX;
	if (r && r != -ENOENT) {
		credential_trouble(c, strerror(-r));
		return changed;
	}
	switch (helix_credential_decide(api, &file)) {
	case HELIX_CREDENTIAL_WRITE:
		c->was_stale = false;
		if (!file.usable && credential_is_half_written(c, now)) {
			loop_timer_start(c->later, CREDENTIAL_AGAIN_MS, 0);
			return changed;
		}
		return credential_write(c, api, now) || changed;
	case HELIX_CREDENTIAL_TELL:
		credential_tell(c, &file, buf_slice(&text));
		return changed;
	case HELIX_CREDENTIAL_KEEP:
		c->trouble[0] = '\0';
		break;
	}
	return changed;
}

static void credential_on_answer(void *data, const struct fetch_response *r)
{
	AUTO(arena_deinit) struct arena a = ARENA_NULL;
	struct desktop_credential *c = data;
	struct helix_credential api;
	struct err e = ERR_NULL;
	bool changed = false;

	c->ticket = 0;
	if (c->desktop->stopping || r->code == -ECANCELED || !c->wanted)
		return;
	if (r->code != 0 || r->status != 200)
		credential_failed(c, "GET", r);
	else if (helix_credential_answer(&a, c->kind, r->body, &api, &e))
		credential_trouble(c, e.text);
	else
		changed = credential_compare(c, &a, &api);
	if (!c->ticket)
		credential_done(c, changed);
	else if (changed)
		sidecar_on_signed_in(c->desktop->s, true);
}

static void credential_ask(struct desktop_credential *c)
{
	if (!c->wanted || c->desktop->stopping)
		return;
	if (c->ticket) {
		c->again = true;
		return;
	}
	c->ticket = server_ask(c->desktop->s->server, "GET",
	    helix_credential_name(c->kind), SLICE_NULL, credential_on_answer, c);
}

static void credential_on_later(struct loop_timer *t, void *data)
{
	(void)t;
	credential_ask(data);
}

/* The agent, or this program, wrote its file. */
static void credential_on_file(void *data, unsigned events, const char *name)
{
	AUTO(buf_deinit) struct buf text = BUF_NULL(DESKTOP_FILE_MAX);
	AUTO(arena_deinit) struct arena a = ARENA_NULL;
	struct desktop_credential *c = data;
	struct helix_credential file;

	if (events & WATCH_LOST) {
		c->watch = watch_free(c->watch); /* anew with the next answer */
		return;
	}
	if (strcmp(name, strrchr(c->path, '/') + 1) != 0)
		return;
	(void)credential_read(c, &text, &a, &file);
	if (!file.usable || slice_eq(buf_slice(&text), buf_slice(&c->own)))
		return;
	if (c->ticket || c->known == INT64_MAX)
		credential_ask(c);
	else if (file.stamp > c->known)
		credential_tell(c, &file, buf_slice(&text));
}

static void credential_watch(struct desktop_credential *c)
{
	struct desktop *d = c->desktop;
	char dir[PATH_MAX];
	struct err e = ERR_NULL;

	if (c->watch || !d->watcher || path_make_parents(c->path))
		return;
	snprintf(dir, sizeof(dir), "%.*s", (int)(strrchr(c->path, '/') - c->path), c->path);
	if (watch_new(d->watcher, dir, WATCH_WRITTEN | WATCH_MOVED_IN, credential_on_file,
		c, &c->watch, &e))
		credential_trouble(c, e.text);
}

/* life */

void desktop_credentials_want(struct desktop *d, enum helix_credential_kind k, bool wanted)
{
	struct desktop_credential *c = &d->credentials[k];

	if (c->wanted && !wanted) {
		c->looked = false;
		c->watch = watch_free(c->watch);
		c->known = INT64_MAX;
		if (credential_take_token(c, SLICE_NULL))
			sidecar_on_signed_in(d->s, true);
	}
	c->wanted = wanted;
}

void desktop_credentials_sync(struct desktop *d)
{
	for (size_t i = 0; i < HELIX_CREDENTIAL_N_; i++) {
		if (!d->credentials[i].wanted)
			continue;
		credential_watch(&d->credentials[i]);
		if (!d->credentials[i].ticket)
			credential_ask(&d->credentials[i]);
	}
}

void desktop_credentials_init(struct desktop *d)
{
	for (enum helix_credential_kind k = 0; k < HELIX_CREDENTIAL_N_; k++) {
		struct desktop_credential *c = &d->credentials[k];

		c->desktop = d;
		c->kind = k;
		c->known = INT64_MAX;
		c->own = BUF_NULL(DESKTOP_FILE_MAX);
		c->puzzle = BUF_NULL(DESKTOP_FILE_MAX);
		c->later = loop_timer_new(d->s->loop, credential_on_later, c);
		must(desktop_path_home(d, helix_credential_path(k), c->path));
	}
}

void desktop_credentials_deinit(struct desktop *d)
{
	for (size_t i = 0; i < HELIX_CREDENTIAL_N_; i++) {
		d->credentials[i].watch = watch_free(d->credentials[i].watch);
		d->credentials[i].later = loop_timer_free(d->credentials[i].later);
		buf_deinit(&d->credentials[i].own);
		buf_deinit(&d->credentials[i].puzzle);
	}
}

/* What must be true before anything of an instance is exec'd: the record, read from the
 * stream's leader at this moment, wants this placement run; its spec is the one the
 * assignment names; the profile admits it; folders, workspace and token are there; a shim
 * runs.
 *
 * happy path: read record and spec side by side, prepare on this host, token, shim,
 * HELLO, prepared failure modes: broker away, spec not there yet, sessiond away: said in
 * the report's detail and tried again with growing delays, at once when the broker is
 * back; record wants something else: denied; this host cannot: refused */
#include "lifecycle/runner/workload.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "base/backoff.h"
#include "lifecycle/runner/events.h"
#include "lifecycle/runner/launch.h"
#include "lifecycle/wire.h"
#include "proto/subjects.h"

struct prepare {
	struct workload *w; /* NULL: cancelled; freed when its reads have come back */
	unsigned n_reads;   /* under way */
	int code;           /* of the reads: worst */
	struct err error;
	struct instance record;
	struct spec spec;
	bool has_record, has_spec;
	struct loop_timer *retry;
	struct backoff backoff;
	uint64_t token_ticket;
	bool waits_for_broker;
};

static void prepare_read(struct prepare *p);

/* ---- end */

static void prepare_free(struct prepare *p)
{
	instance_deinit(&p->record);
	spec_deinit(&p->spec);
	loop_timer_free(p->retry);
	free(p);
}

void workload_prepare_cancel(struct workload *w)
{
	struct prepare *p = w->prepare;

	if (!p)
		return;
	w->prepare = NULL;
	if (p->token_ticket)
		sessions_cancel(w->runner->sessions, p->token_ticket);
	p->token_ticket = 0;
	p->w = NULL;
	loop_timer_stop(p->retry);
	if (!p->n_reads)
		prepare_free(p);
}

/* Not now: say why, and try again. */
static void prepare_wait(struct prepare *p, const char *why)
{
	struct workload *w = p->w;
	uint32_t random;

	random_bytes(&random, sizeof random);
	loop_timer_start(p->retry, backoff_next_ms(&p->backoff, random), 0);
	/* A companion to be started again says nothing about the instance. */
	if (w->sup.phase != SUP_PREPARING || !sup_set_detail(&w->sup, why))
		return;
	log_event(EV_instance_waits, LF("instance", w->key), LF("detail", why));
	workload_report(w);
}

static void prepare_refuse(struct prepare *p, enum reason reason, const char *why)
{
	struct workload *w = p->w;

	metric_inc(M_runner_refused);
	log_event(EV_instance_waits, LF("instance", w->key),
	    LF("reason", reason_name(reason)), LF("detail", why));
	workload_prepare_cancel(w);
	workload_step(w,
	    (struct sup_event){.type = SUP_EV_REFUSED, .reason = reason, .detail = why});
}

/* ---- the shim */

static int prepare_lock(struct workload *w, struct err *e)
{
	if (w->lock_fd >= 0)
		return 0;
	w->lock_fd =
	    openat(w->dir_fd, SHIM_LOCK, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (w->lock_fd < 0)
		return err_set(
		    e, -errno, "%s/" SHIM_LOCK ": %s", w->dir, strerror(errno));
	if (flock(w->lock_fd, LOCK_EX | LOCK_NB) == 0)
		return 0;
	close(w->lock_fd);
	w->lock_fd = -1;
	return err_set(
	    e, ERROR_CONFLICT, "a shim of an earlier start still holds %s", w->dir);
}

static int prepare_spawn_shim(struct workload *w, struct err *e)
{
	struct shim_link_cb cb;
	struct shim_spec spec = {.children = &w->runner->shims,
	    .program = w->runner->shim_path,
	    .dir = w->dir,
	    .identity = w->identity,
	    .lock_fd = -1,
	    .workspace_fd = w->workspace_lock_fd};
	int r = prepare_lock(w, e);

	spec.lock_fd = w->lock_fd;
	/* What we intend is on disk before anything can come of it. */
	r = r ? r : workload_state_write(w, e);
	r = r ? r
	      : shim_link_spawn(
		    w->runner->loop, &spec, workload_shim_cb(w, &cb), &w->shim, e);
	if (r)
		return r;
	w->shim_said_hello = w->shim_quitting = false;
	/* The shim has them now: they are held exactly as long as it lives. */
	close(w->lock_fd);
	if (w->workspace_lock_fd >= 0)
		close(w->workspace_lock_fd);
	w->lock_fd = w->workspace_lock_fd = -1;
	return 0;
}

static void prepare_done(struct prepare *p)
{
	struct workload *w = p->w;
	struct err e = ERR_NULL;

	if (!w->shim && prepare_spawn_shim(w, &e)) {
		prepare_wait(p, e.text);
		return;
	}
	if (w->shim_said_hello)
		workload_on_prepared(w);
	/* else HELLO goes on */
}

/* ---- the token */

static void prepare_local(struct prepare *p)
{
	struct workload *w = p->w;
	enum reason reason = REASON_NONE;
	struct err e = ERR_NULL;

	if (workload_prepare_local(w, &p->spec, &reason, &e))
		prepare_refuse(p, reason, e.text);
	else
		prepare_done(p);
}

static void prepare_on_token(void *data, const char *token, const struct err *e)
{
	struct prepare *p = data;
	struct workload *w = p->w;

	p->token_ticket = 0;
	if (e->code) {
		log_event(EV_token_failed, LF("instance", w->key), LF("detail", e->text));
		prepare_wait(p, e->text);
		return;
	}
	free(w->token);
	w->token = strdup(token);
	must(w->token);
	w->token_issued = true;
	prepare_local(p);
}

static void prepare_token(struct prepare *p)
{
	struct workload *w = p->w;

	w->session_id = p->spec.session_id;
	if (w->token || id_empty(&w->session_id) ||
	    !sessions_has_tokens(w->runner->sessions))
		prepare_local(p);
	else
		p->token_ticket = sessions_fetch_token(
		    w->runner->sessions, &w->session_id, prepare_on_token, p);
}

/* ---- record and spec */

/* Nothing may be started. What never ran is dropped without a word; what did is the
 * assignment's to end. */
static void prepare_denied(struct prepare *p)
{
	struct workload *w = p->w;

	metric_inc(M_runner_denied);
	log_event(
	    EV_instance_denied, LF("instance", w->key), LF_I("fence", (int64_t)w->fence));
	if (w->sup.phase != SUP_PREPARING) {
		workload_prepare_cancel(w);
		workload_spawns_failed(w, "record");
	} else if (w->shim || w->has_strays) {
		prepare_wait(p, "the record does not want it run");
	} else {
		workload_prepare_cancel(w);
		w->denied = true;
		runner_on_change(w->runner);
	}
}

static void prepare_decide(struct prepare *p)
{
	struct workload *w = p->w;

	if (p->code) {
		p->waits_for_broker =
		    p->code == ERROR_UNAVAILABLE || p->code == ERROR_TIMEOUT;
		prepare_wait(p, p->error.text);
		return;
	}
	if (!p->has_record ||
	    !instance_may_exec(&p->record, &w->runner->id, w->generation, w->fence)) {
		prepare_denied(p);
		return;
	}
	if (!p->has_spec || strcmp(p->spec.hash.hex, w->spec_hash.hex) != 0) {
		prepare_wait(p, "its spec is not stored yet");
		return;
	}
	if (w->sup.phase == SUP_PREPARING && w->sup.state != STATE_STARTING)
		workload_note_starting(w);
	prepare_token(p);
}

static void prepare_read_done(struct prepare *p)
{
	if (--p->n_reads)
		return;
	if (!p->w)
		prepare_free(p);
	else
		prepare_decide(p);
}

static void prepare_note_failure(struct prepare *p, const struct store_result *r)
{
	p->code = r->code;
	err_set(&p->error, r->code, "broker: %s",
	    r->detail[0] ? r->detail : error_sentence(r->code));
}

static void prepare_on_record(void *data, const struct store_result *r)
{
	struct prepare *p = data;

	if (r->code == 0)
		p->code = wire_instance_decode(r->value, &p->record, &p->error)
			      ? ERROR_INTERNAL
			      : p->code;
	else if (r->code != ERROR_NOT_FOUND)
		prepare_note_failure(p, r);
	p->has_record = r->code == 0;
	prepare_read_done(p);
}

static void prepare_on_spec(void *data, const struct store_result *r)
{
	struct prepare *p = data;

	if (r->code == 0)
		p->code = wire_spec_decode(r->value, &p->spec, &p->error) ? ERROR_INTERNAL
									  : p->code;
	else if (r->code != ERROR_NOT_FOUND)
		prepare_note_failure(p, r);
	p->has_spec = r->code == 0;
	prepare_read_done(p);
}

static void prepare_read(struct prepare *p)
{
	struct store *s = p->w->runner->store;
	const char *key = p->w->key;

	instance_deinit(&p->record);
	spec_deinit(&p->spec);
	p->record = INSTANCE_NULL;
	p->spec = SPEC_NULL;
	p->code = 0;
	p->has_record = p->has_spec = p->waits_for_broker = false;
	p->n_reads = 2;
	store_get(s, BUCKET_lifecycle_instance, key, prepare_on_record, p);
	store_get(s, BUCKET_lifecycle_spec, key, prepare_on_spec, p);
}

static void prepare_on_retry(struct loop_timer *t, void *data)
{
	struct prepare *p = data;

	(void)t;
	if (p->n_reads == 0 && !p->token_ticket)
		prepare_read(p);
}

void workload_prepare(struct workload *w)
{
	struct prepare *p;

	if (w->prepare)
		return;
	p = calloc(1, sizeof *p);
	must(p);
	p->w = w;
	p->record = INSTANCE_NULL;
	p->spec = SPEC_NULL;
	p->backoff = BACKOFF_INIT(100, 10000);
	p->retry = loop_timer_new(w->runner->loop, prepare_on_retry, p);
	w->prepare = p;
	prepare_read(p);
}

void workload_on_connected(struct workload *w)
{
	struct prepare *p = w->prepare;

	if (!p || !p->waits_for_broker || p->n_reads)
		return;
	backoff_reset(&p->backoff);
	loop_timer_stop(p->retry);
	prepare_read(p);
}

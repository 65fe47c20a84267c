/* What happened: the stream of events, and the new ones as they are published. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/map.h"
#include "proto/subjects.h"
#include "zedctl/cmds.h"
#include "zedctl/ctl.h"
#include "zedctl/render.h"

enum {
	EVENTS_TAIL_MAX = 100000,
	EVENTS_RETRY_MS = 1000,
};

struct events {
	struct ctl *c;
	struct map *shown; /* by instance: last event number shown, as a pointer */
	uint64_t next_seq; /* of the stream: everything before is shown */
	struct jsn **tail; /* ring of the last n_tail, when only those are wanted */
	size_t n_tail, n_held, i_next;
	bool listed; /* the past is shown; what is published is shown at once */
	bool lost;   /* something came before that or was missed: list again */
	bool done;
	int code;
	char detail[160];
};

/* ---- showing */

static void events_print(const struct ctl *c, const struct jsn *ev)
{
	const char *from = jsn_get_string(ev, "from"), *to = jsn_get_string(ev, "to");
	const char *type = jsn_get_string(ev, "type"),
		   *reason = jsn_get_string(ev, "reason");
	const char *id = jsn_get_string(ev, "instance_id"),
		   *runner = jsn_get_string(ev, "runner");
	const char *detail = jsn_get_string(ev, "detail");
	const char *message = jsn_get_string(jsn_get(ev, "error"), "message");
	char at[CLOCK_RFC3339_LEN + 1];

	clock_rfc3339(jsn_get_int(ev, "at_unix_ms", 0), at);
	printf("%s  %-24s %-9s", at, id ? id : "-", type ? type : "-");
	if (to)
		printf(" %s%s%s%s%s", from ? from : "", from ? " -> " : "",
		    render_colour(render_state_colour(to), c->is_tty), to,
		    render_reset(c->is_tty));
	if (reason)
		printf(" %s", reason);
	if (runner && *runner)
		printf(" on %s", runner);
	if (detail && *detail)
		printf(": %s", detail);
	if (message)
		printf(": %s", message);
	putchar('\n');
}

/* False if it was shown before. */
static bool events_note(struct events *es, const struct jsn *ev)
{
	const char *id = jsn_get_string(ev, "instance_id");
	uintptr_t no = (uintptr_t)jsn_get_int(ev, "event_no", 0);

	if (!id || no == 0)
		return true;
	if ((uintptr_t)map_get(es->shown, slice_of(id)) >= no)
		return false;
	map_put(&es->shown, slice_of(id), (void *)no); /* a number in a pointer's place */
	return true;
}

static void events_show(struct events *es, struct slice data)
{
	struct jsn *ev = NULL;

	if (jsn_parse(data.p, data.n, &ev, NULL) != 0)
		return;
	if (!events_note(es, ev)) {
		jsn_free(ev);
		return;
	}
	if (es->n_tail > 0) {
		jsn_free(es->tail[es->i_next]);
		es->tail[es->i_next] = ev;
		es->i_next = (es->i_next + 1) % es->n_tail;
		es->n_held += es->n_held < es->n_tail;
		return;
	}
	if (es->c->output == CTL_JSON)
		printf("%.*s\n", (int)data.n, data.p);
	else
		events_print(es->c, ev);
	jsn_free(ev);
}

/* The ring, oldest first; from here on everything is shown at once. */
static void events_show_tail(struct events *es)
{
	size_t n = es->n_tail;

	es->n_tail = 0;
	for (size_t i = 0; i < n; i++) {
		struct jsn *ev = es->tail[(es->i_next + i) % n];
		struct buf text = BUF_NULL(1 << 20);

		if (!ev)
			continue;
		jsn_print(ev, &text);
		if (es->c->output == CTL_JSON)
			printf("%s\n", buf_cstr(&text));
		else
			events_print(es->c, ev);
		buf_deinit(&text);
		jsn_free(ev);
	}
	free(es->tail);
	es->tail = NULL;
}

/* ---- reading */

static void events_on_item(void *data, enum store_list_event kind,
    const struct store_item *item, const struct store_result *r)
{
	struct events *es = data;

	if (kind == STORE_LIST_ITEM) {
		events_show(es, item->value);
		es->next_seq = item->revision + 1;
		return;
	}
	es->code = kind == STORE_LIST_FAILED ? r->code : 0;
	if (es->code)
		snprintf(es->detail, sizeof es->detail, "%s", r->detail);
	es->done = true;
}

static int events_list(struct events *es, const char *filter)
{
	struct store_list l = {
	    .stream = STREAM_lifecycle_evt,
	    .filter = filter,
	    .all = true,
	    .start_seq = es->next_seq,
	    .cb = events_on_item,
	    .data = es,
	};

	es->done = false;
	es->lost = false;
	store_list(ctl_store(es->c), &l);
	ctl_wait(es->c, &es->done, -1);
	if (es->code == ERROR_NOT_FOUND)
		return ctl_fail(CTL_REFUSED,
		    "the broker has no event stream: lifecycled has never run there");
	if (es->code != 0)
		return ctl_fail(
		    es->code == ERROR_UNAVAILABLE ? CTL_NO_CONNECTION : CTL_REFUSED,
		    "events: %s", es->detail[0] ? es->detail : error_sentence(es->code));
	return CTL_DONE;
}

static void events_on_message(void *data, const struct bus_msg *m)
{
	struct events *es = data;

	if (es->listed)
		events_show(es, m->data);
	else
		es->lost = true;
	fflush(stdout);
}

static void events_on_state(void *data, enum bus_event ev)
{
	struct events *es = data;

	if (ev != BUS_DISCONNECTED)
		es->lost = true;
}

/* What is published is shown at once; after every gap the stream is read again from where
 * it was left. */
static int events_follow(struct events *es, const char *filter)
{
	const bool never = false;

	for (;;) {
		if (es->lost && events_list(es, filter) != CTL_DONE) {
			es->lost = true;
			ctl_wait(es->c, &never, EVENTS_RETRY_MS);
			continue;
		}
		fflush(stdout);
		es->listed =
		    !es->lost; /* what came while it was read is in the stream too */
		if (es->listed)
			ctl_wait(es->c, &es->lost, -1);
		es->listed = false;
	}
	return CTL_DONE;
}

static int events_run(struct events *es, const char *filter, bool follow)
{
	struct bus_observer observer = {0};
	struct err e = ERR_NULL;
	int exit_code;

	if (follow &&
	    bus_subscribe(es->c->bus, filter, NULL, events_on_message, es, &e) != 0)
		return ctl_fail(CTL_REFUSED, "%s", e.text);
	if (follow)
		bus_observe(es->c->bus, &observer, events_on_state, es);
	exit_code = events_list(es, filter);
	if (es->n_tail > 0)
		events_show_tail(es);
	if (exit_code == CTL_DONE && follow)
		exit_code = events_follow(es, filter);
	if (follow)
		bus_unobserve(&observer);
	bus_mute(es->c->bus, es);
	return exit_code;
}

int cmd_events(struct ctl *c, const struct args *a)
{
	struct events es = {.c = c};
	int64_t tail = args_int(a, "tail", 0);
	const char *id = a->n_operands ? a->operands[0] : NULL;
	struct subject filter;
	int exit_code;

	if (id && !id_token_valid(slice_of(id)))
		return ctl_fail(CTL_USAGE, "%s: not an instance id", id);
	if (tail > EVENTS_TAIL_MAX)
		return ctl_fail(CTL_USAGE, "--tail: at most %d", EVENTS_TAIL_MAX);
	filter = id ? SUBJECT_OF(evt_of, c->tenant.s, id)
		    : SUBJECT_OF(evt_tenant, c->tenant.s);
	exit_code = ctl_connect(c);
	if (exit_code != CTL_DONE)
		return exit_code;
	if (tail > 0) {
		es.n_tail = (size_t)tail;
		es.tail = calloc(es.n_tail, sizeof(*es.tail));
		must(es.tail);
	}
	exit_code = events_run(&es, filter.s, args_has(a, "follow"));
	map_clear(&es.shown);
	return exit_code;
}

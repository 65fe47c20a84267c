/* What waits for somebody's word: many deletions in one save, and what first contact
 * replaced. */
#include "sessiond/sidecar/decide_internal.h"

#include <stdlib.h>
#include <string.h>

static const enum record_field wait_fields[DECIDE_WAIT_N_] = {
    RECORD_HELD_ID, RECORD_FIRST_ID};

const char *decide_wait_name(enum decide_wait w)
{
	return w == DECIDE_WAIT_BULK ? "bulk_delete" : "first_contact";
}

bool decide_waits(const struct record *r, enum decide_wait w, struct decide_waiting *out)
{
	struct slice s = record_get(r, wait_fields[w]);
	const char *space = s.p ? memchr(s.p, ' ', s.n) : NULL;

	if (!space)
		return false;
	out->id = (struct slice){s.p, (size_t)(space - s.p)};
	out->since_unix_ms = strtoll(space + 1, NULL, 10);
	return true;
}

static void wait_begin(struct decision *d, enum decide_wait w)
{
	struct decide_waiting old;
	AUTO(buf_deinit) struct buf text = BUF_NULL(256);

	if (decide_waits(d->in->last, w, &old))
		buf_add_slice(&text, old.id);
	else
		buf_adds(&text, d->in->wait_id);
	buf_addf(&text, " %lld", (long long)d->in->now_unix_ms);
	record_set(&d->out->next, wait_fields[w], buf_slice(&text));
}

static void wait_end(struct decision *d, enum decide_wait w)
{
	record_set(&d->out->next, wait_fields[w], SLICE_NULL);
}

void decision_remember_held(struct decision *d)
{
	const struct overrides *held = &d->out->plan.held;
	AUTO(buf_deinit) struct buf text = BUF_NULL(SIZE_MAX);

	if (overrides_empty(held)) {
		record_set(&d->out->next, RECORD_HELD, SLICE_NULL);
		wait_end(d, DECIDE_WAIT_BULK);
		return;
	}
	overrides_print(&text, held);
	if (slice_eq(buf_slice(&text), record_get(d->in->last, RECORD_HELD)))
		return;
	record_set(&d->out->next, RECORD_HELD, buf_slice(&text));
	wait_begin(d, DECIDE_WAIT_BULK);
}

/* Values that gave way when the file was first met: kept, for who wants them back. */
void decision_remember_first(struct decision *d)
{
	struct overrides kept = overrides_new(d->a);

	for (const struct settings_event *ev = d->out->plan.events; ev; ev = ev->next) {
		struct json_pointer ptr;
		struct jval *was;

		if (strcmp(ev->type, "first_contact") != 0)
			continue;
		must(json_pointer_parse(d->a, ev->path, &ptr));
		was = json_pointer_get(d->a, d->out->plan.doc.root, ptr.tokens, ptr.n);
		if (was && ptr.n > 0)
			overrides_set(d->a, &kept, ptr.tokens, ptr.n, was);
	}
	if (overrides_empty(&kept))
		return;
	decision_remember_overrides(d, RECORD_FIRST, &kept);
	wait_begin(d, DECIDE_WAIT_FIRST);
}

int decision_answer_first(struct decision *d)
{
	struct overrides kept;
	int r;

	if (d->in->first == DECIDE_NOTHING)
		return 0;
	r = decision_read_overrides(d, "first", record_get(d->in->last, RECORD_FIRST), &kept);
	if (r)
		return r;
	if (d->in->first == DECIDE_UNDO)
		overrides_for_each (v, &kept) {
			struct json_pointer ptr;

			must(json_pointer_parse(d->a, json_pointer_of(d->a, v), &ptr));
			overrides_set(d->a, &d->u, ptr.tokens, ptr.n, v);
		}
	record_set(&d->out->next, RECORD_FIRST, SLICE_NULL);
	wait_end(d, DECIDE_WAIT_FIRST);
	return 0;
}

/* A save after the one that removed so much, and it is still missing: it is meant. */
bool decision_held_again(const struct decision *d)
{
	if (d->in->file &&
	    decision_text_same(*d->in->file, record_get(d->in->last, RECORD_TEXT)))
		return false;
	overrides_for_each (v, &d->out->plan.held) {
		struct json_pointer ptr;
		const struct jval *before;

		must(json_pointer_parse(d->a, json_pointer_of(d->a, v), &ptr));
		before = overrides_at(d->a, &d->held, ptr.tokens, ptr.n);
		if (before && before->type == JVAL_TOMB)
			return true;
	}
	return false;
}

void decision_confirm_held(struct decision *d)
{
	settings_confirm(d->a, &d->u, &d->held, d->plan.base);
	d->held = overrides_new(d->a);
}

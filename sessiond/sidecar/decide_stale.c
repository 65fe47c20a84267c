/* A save that takes back all of our last write: an editor that had not seen it, or
 * somebody who wants none of it. When it was saved tells: before that write, or so soon
 * after it, with other changes, that it was read before. Then both are kept; else it counts
 * as what it says. */
#include "sessiond/sidecar/decide_internal.h"

#include "sessiond/core/json_edit.h"

enum {
	STALE_UNSEEN_US = 10 * 1000, /* from reading a file to saving it again */
};

static struct jval *stale_parse(struct decision *d, struct slice text)
{
	struct json_doc doc;

	return text.p && json_doc_parse_object(d->a, text, &doc) == JSON_DOC_OK ? doc.root
										: NULL;
}

/* @doc says at @path what @want says; NULL: nothing. */
static bool stale_says(struct decision *d, struct jval *doc,
    const struct json_pointer *path, const struct jval *want)
{
	const struct jval *is = json_pointer_get(d->a, doc, path->tokens, path->n);

	return want ? is && jval_equal(d->a, is, want) : !is;
}

/* @ops turn what was written into what was there before: @doc has done it. */
static bool stale_did(
    struct decision *d, struct jval *doc, const struct overrides_ops *ops)
{
	overrides_for_each (v, &ops->changes) {
		struct json_pointer path;

		must(json_pointer_parse(d->a, json_pointer_of(d->a, v), &path));
		if (!stale_says(d, doc, &path, v))
			return false;
	}
	for (size_t i = 0; i < ops->n_clears; i++) {
		if (!stale_says(d, doc, &ops->clears[i], NULL))
			return false;
	}
	return true;
}

/* What turns @from into @to. False: nothing does. */
static bool stale_delta(
    struct decision *d, struct slice from, struct slice to, struct overrides_ops *out)
{
	struct overrides x = {stale_parse(d, from)}, y = {stale_parse(d, to)};
	AUTO(buf_deinit) struct buf text = BUF_NULL(SIZE_MAX);
	struct jval *doc;

	if (!x.root || !y.root || !overrides_print_delta(d->a, &x, &y, &text))
		return false;
	doc = stale_parse(d, arena_copy(d->a, buf_slice(&text)));
	return doc && !overrides_ops_parse(d->a, doc, out);
}

bool decision_is_stale(struct decision *d)
{
	struct overrides_ops back;
	struct jval *file, *last;

	if (!d->in->before.p || !d->in->file ||
	    decision_text_same(*d->in->file, record_get(d->in->last, RECORD_TEXT)) ||
	    !stale_delta(d, d->in->after, d->in->before, &back))
		return false;
	file = stale_parse(d, *d->in->file);
	last = stale_parse(d, record_get(d->in->last, RECORD_TEXT));
	return file && stale_did(d, file, &back) && !(last && stale_did(d, last, &back));
}

/* Saved before there was anything to see; or just after, and not only to take it back. */
static bool stale_is_unseen(struct decision *d)
{
	struct overrides_ops edits;

	if (d->in->since_write_us < 0)
		return true;
	return d->in->since_write_us < STALE_UNSEEN_US &&
	       stale_delta(d, d->in->before, *d->in->file, &edits);
}

void decision_merge_stale(struct decision *d)
{
	struct overrides both = {stale_parse(d, *d->in->file)};
	struct overrides_ops again;
	struct json_edit_stats stats;
	struct json_doc doc;
	struct slice text;

	if (!stale_is_unseen(d) ||
	    !stale_delta(d, d->in->before, d->in->after, &again) ||
	    json_doc_parse_object(d->a, *d->in->file, &doc) != JSON_DOC_OK)
		return;
	overrides_apply(d->a, &both, &again);
	if (json_edit_to(d->a, &doc, both.root, &text, &stats) == JSON_EDIT_DONE)
		d->merged = text;
}

void decision_tell_stale(struct decision *d, bool stale)
{
	struct settings_event *ev;

	if (!stale)
		return;
	ev = ARENA_NEW(d->a, struct settings_event);
	ev->type = "stale_buffer";
	ev->path = SLICE_LIT("");
	ev->rule = d->merged.p ? "both-kept" : "reverts-last-write";
	ev->next = d->out->plan.events;
	d->out->plan.events = ev;
}

/* A sync step on any texts: file, last, base, overrides, policy, the base before, what is
 * held, and whether the editor migrated, cut at NUL bytes. It ends in an outcome; what it
 * would write parses, verifies, and a second step has nothing more to do. */
#include "sessiond/core/settings_accept.h"
#include "sessiond/core/settings_plan.h"

#include <stdint.h>

enum {
	PARTS = 8,
	TEXT_MAX = 4096,
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static struct jval *object(struct arena *a, struct slice text)
{
	struct json_doc d;

	return json_doc_parse_object(a, text, &d) == JSON_DOC_OK ? d.root : NULL;
}

static void step(struct arena *a, struct slice *part, const struct policy *p)
{
	struct settings_output out, again;
	struct overrides u, held;
	struct jval *ops = object(a, part[3]), *held_doc = object(a, part[6]);
	struct err e = ERR_NULL;
	struct settings_input in = {.file = &part[0],
	    .last = part[1].n ? &part[1] : NULL,
	    .base = object(a, part[2]),
	    .base0 = object(a, part[5]),
	    .migrating = part[7].n > 0,
	    .policy = p};

	if (ops && !overrides_parse(a, ops, &u))
		in.overrides = &u;
	if (held_doc && !overrides_parse(a, held_doc, &held))
		in.held = &held;
	if (settings_plan(a, &in, &out, &e)) {
		must(e.text[0]);
		return;
	}
	must(!out.edit_failed);
	if (out.state != SETTINGS_OK || !in.base)
		return;
	in.file = in.last = &out.text;
	in.base0 = out.sound_base ? out.sound_base : in.base;
	in.overrides = &out.overrides;
	in.held = &out.held;
	in.migrated = out.migrated;
	must(settings_plan(a, &in, &again, &e) == 0);
	must(again.state == SETTINGS_OK && !again.changed);
	must(overrides_equal(a, &again.overrides, &out.overrides));
	settings_merged(a, in.base, in.overrides, p, NULL);
}

static void accept(struct arena *a, const struct slice *part, const struct policy *p)
{
	struct jval *base = object(a, part[2]), *doc = object(a, part[0]),
		    *ops = object(a, part[3]);
	struct settings_verdict v = {0};
	struct overrides u = overrides_new(a), out;
	struct overrides_ops o;

	if (doc)
		u = settings_accept_plain(a, base, p, doc, &v);
	if (ops && !overrides_ops_parse(a, ops, &o) &&
	    !settings_accept_ops(a, base, p, &u, &o, &out, &v)) {
		AUTO(buf_deinit) struct buf b = BUF_NULL(64 << 20);
		struct overrides_ops delta;

		/* what tells the difference of two states makes the one from the other,
		 * in two rounds at most */
		for (int i = 0; i < 2; i++) {
			buf_reset(&b);
			if (!overrides_print_delta(a, &u, &out, &b))
				break;
			ops = object(a, arena_copy(a, buf_slice(&b)));
			must(ops && !overrides_ops_parse(a, ops, &delta));
			overrides_apply(a, &u, &delta);
		}
		must(overrides_equal(a, &u, &out));
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct arena a = ARENA_NULL;
	struct slice part[PARTS] = {0}, rest = {(const char *)data, n};
	struct policy p;
	struct jval *policy;
	struct err e;

	if (n > TEXT_MAX)
		return 0;
	for (size_t i = 0; i < PARTS && rest.n; i++) {
		const char *cut = memchr(rest.p, '\0', rest.n);

		part[i] = (struct slice){rest.p, cut ? (size_t)(cut - rest.p) : rest.n};
		rest.p += part[i].n + (cut ? 1 : 0);
		rest.n -= part[i].n + (cut ? 1 : 0);
	}
	policy = object(&a, part[4]);
	if (!policy || policy_parse(&a, policy, &p, &e))
		policy_builtin(&a, &p);
	step(&a, part, &p);
	accept(&a, part, &p);
	arena_deinit(&a);
	return 0;
}

/* Reads the documents, runs the step the daemon would run, prints what came out. Its own
 * file because it needs no loop, no server and no configuration. */
#include "sessiond/sidecar/plan_cmd.h"

#include <errno.h>
#include <getopt.h>

#include "sessiond/core/json_string.h"
#include "sessiond/core/settings_plan.h"
#include "sessiond/sidecar/file_io.h"

enum input { IN_FILE, IN_LAST, IN_BASE, IN_LAST_BASE, IN_OVERRIDES, IN_POLICY, IN_N_ };

static const struct option options[] = {
    {"file", required_argument, NULL, IN_FILE},
    {"last", required_argument, NULL, IN_LAST},
    {"base", required_argument, NULL, IN_BASE},
    {"last-base", required_argument, NULL, IN_LAST_BASE},
    {"overrides", required_argument, NULL, IN_OVERRIDES},
    {"policy", required_argument, NULL, IN_POLICY},
    {"help", no_argument, NULL, 'h'},
    {0},
};

struct plan_args {
	const char *path[IN_N_];
	struct buf bytes[IN_N_];
	bool given[IN_N_];
};

static void usage(FILE *f)
{
	fputs("usage: settings-sync-daemon plan --file F [--last L] [--base H] "
	      "[--last-base H0]\n"
	      "           [--overrides U] [--policy P]\n"
	      "Prints what one sync step would do with the settings file F, as one JSON "
	      "object.\n",
	    f);
}

static int plan_fail(const char *option, const char *path, const char *why)
{
	fprintf(stderr, "settings-sync-daemon plan: --%s %s: %s\n", option, path, why);
	return 2;
}

/* 0; 2: said why */
static int read_inputs(struct plan_args *pa)
{
	for (size_t i = 0; i < IN_N_; i++) {
		int r;

		pa->bytes[i] = BUF_NULL(SIZE_MAX);
		if (!pa->path[i])
			continue;
		r = file_read(pa->path[i], JSON_DOC_BYTES_MAX + 1, &pa->bytes[i]);
		if (r == -ENOENT && i == IN_FILE)
			continue;
		if (r < 0)
			return plan_fail(options[i].name, pa->path[i], strerror(-r));
		pa->given[i] = true;
	}
	return 0;
}

/* Another input as an object; NULL when not given. */
static int read_object(
    struct arena *a, struct plan_args *pa, enum input i, struct jval **out)
{
	struct json_doc d;
	char why[160];

	*out = NULL;
	if (!pa->given[i])
		return 0;
	switch (json_doc_parse_object(a, buf_slice(&pa->bytes[i]), &d)) {
	case JSON_DOC_OK:
		*out = d.root;
		return 0;
	case JSON_DOC_BLANK:
		return plan_fail(options[i].name, pa->path[i], "is empty");
	default:
		snprintf(why, sizeof(why), "line %u, column %u: %s", d.error.line,
		    d.error.column, d.error.message);
		return plan_fail(options[i].name, pa->path[i], why);
	}
}

/* What the server's answer has beside set and del may stay in it. */
static bool is_overrides_member(struct slice key)
{
	static const char *const known[] = {
	    "set", "del", "meta", "overrides", "revision", "updated_at"};

	for (size_t i = 0; i < ARRAY_LEN(known); i++)
		if (slice_is(key, known[i]))
			return true;
	return false;
}

static int read_overrides(
    struct arena *a, struct plan_args *pa, struct overrides *out, bool *given)
{
	struct jval *doc;
	struct overrides_problem *p;
	int r = read_object(a, pa, IN_OVERRIDES, &doc);

	*given = doc != NULL;
	if (r || !doc)
		return r;
	jval_for_each (m, doc)
		if (!is_overrides_member(m->key))
			return plan_fail("overrides", pa->path[IN_OVERRIDES],
			    "has a member that is neither set nor del");
	p = overrides_parse(a, doc, out);
	if (p) {
		char why[200];

		snprintf(why, sizeof(why), "%.*s: %s",
		    (int)(p->path.n < 100 ? p->path.n : 100), p->path.p, p->message);
		return plan_fail("overrides", pa->path[IN_OVERRIDES], why);
	}
	return 0;
}

static int read_policy(struct arena *a, struct plan_args *pa, struct policy *out)
{
	struct jval *doc;
	struct err e = ERR_NULL;
	int r = read_object(a, pa, IN_POLICY, &doc);

	if (r)
		return r;
	if (!doc)
		policy_builtin(a, out);
	else if (policy_parse(a, doc, out, &e))
		return plan_fail("policy", pa->path[IN_POLICY], e.text);
	return 0;
}

static void print_error(struct buf *b, const struct json_doc *d)
{
	buf_addf(
	    b, "{\"line\":%u,\"column\":%u,\"message\":", d->error.line, d->error.column);
	json_string_print(b, slice_of(d->error.message));
	buf_addc(b, '}');
}

static void print_plan(struct buf *b, const struct settings_output *out)
{
	bool first = true;

	buf_addf(b,
	    "{\"state\":\"%s\",\"changed\":%s,\"file\":", settings_state_name(out->state),
	    out->changed ? "true" : "false");
	if (out->changed)
		json_string_print(b, out->text);
	else
		buf_adds(b, "null");
	buf_adds(b, ",\"overrides\":");
	overrides_print(b, &out->overrides);
	buf_adds(b, ",\"events\":[");
	for (const struct settings_event *e = out->events; e; e = e->next) {
		if (!first)
			buf_addc(b, ',');
		first = false;
		settings_event_print(b, e);
	}
	buf_adds(b, "],\"error\":");
	if (out->state == SETTINGS_OK)
		buf_adds(b, "null");
	else
		print_error(b, &out->doc);
	buf_adds(b, "}\n");
}

static int plan_run(struct arena *a, struct plan_args *pa)
{
	struct settings_input in = {0};
	struct settings_output out;
	struct overrides u;
	struct policy p;
	struct jval *base, *base0;
	struct slice file, last;
	struct err e = ERR_NULL;
	bool has_u;
	AUTO(buf_deinit) struct buf b = BUF_NULL(SIZE_MAX);
	int r = read_inputs(pa);

	if (!r)
		r = read_object(a, pa, IN_BASE, &base);
	if (!r)
		r = read_object(a, pa, IN_LAST_BASE, &base0);
	if (!r)
		r = read_overrides(a, pa, &u, &has_u);
	if (!r)
		r = read_policy(a, pa, &p);
	if (r)
		return r;
	file = buf_slice(&pa->bytes[IN_FILE]);
	last = buf_slice(&pa->bytes[IN_LAST]);
	in = (struct settings_input){.file = pa->given[IN_FILE] ? &file : NULL,
	    .last = pa->given[IN_LAST] ? &last : NULL,
	    .base = base,
	    .base0 = base0,
	    .overrides = has_u ? &u : NULL,
	    .policy = &p};
	if (settings_plan(a, &in, &out, &e))
		return plan_fail("last", pa->path[IN_LAST], e.text);
	if (out.edit_failed) {
		fputs("settings-sync-daemon plan: the edited text does not verify\n",
		    stderr);
		return 1;
	}
	print_plan(&b, &out);
	return fwrite(b.data, 1, b.n, stdout) == b.n && fflush(stdout) == 0 ? 0 : 1;
}

int plan_main(int argc, char **argv)
{
	struct plan_args pa = {0};
	struct arena a = ARENA_NULL;
	int c, r;

	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (c == 'h') {
			usage(stdout);
			return 0;
		}
		if (c < 0 || c >= IN_N_) {
			usage(stderr);
			return 2;
		}
		pa.path[c] = optarg;
	}
	if (optind < argc || !pa.path[IN_FILE]) {
		usage(stderr);
		return 2;
	}
	r = plan_run(&a, &pa);
	for (size_t i = 0; i < IN_N_; i++)
		buf_deinit(&pa.bytes[i]);
	arena_deinit(&a);
	return r;
}

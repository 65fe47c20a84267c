/* Changing settings: operations on the user's overrides, or the base read, changed and
 * written with the version it was read at. */
#include <inttypes.h>
#include <string.h>

#include "zedctl/cmds.h"
#include "zedctl/given.h"
#include "zedctl/settings.h"
#include "zedctl/span.h"

enum {
	SET_MAX = (ARGS_OPERANDS_MAX - 1) / 2,
	SET_TRIES = 8,
};

/* One operation; value n 0: the pointer alone. */
struct set_op {
	const char *pointer;
	struct slice value; /* JSON */
};

struct set {
	struct ctl *c;
	const char *session;
	const char *kind; /* "set", "del", "clear" */
	struct set_op ops[ARGS_OPERANDS_MAX];
	size_t n_ops;
	struct buf values[SET_MAX]; /* what ops point into */
	char if_match[32];          /* "" : whatever the revision is */
};

/* ---- what is asked for */

static int set_read_stdin(struct buf *out)
{
	char chunk[64 << 10];
	size_t n;

	while ((n = fread(chunk, 1, sizeof chunk, stdin)) > 0)
		buf_add(out, chunk, n);
	if (ferror(stdin) || buf_check(out) != 0)
		return ctl_fail(CTL_USAGE,
		    ferror(stdin) ? "standard input cannot be read"
				  : "the value is too large");
	while (out->n > 0 && strchr("\r\n", out->data[out->n - 1]))
		out->data[--out->n] = '\0';
	return out->n > 0 ? CTL_DONE : ctl_fail(CTL_USAGE, "standard input is empty");
}

static int set_take_value(struct set *s, const char *given, struct buf *out)
{
	const struct args *a = s->c->args;
	enum given_form form = args_has(a, "string") ? GIVEN_STRING
			       : args_has(a, "json") ? GIVEN_JSON
						     : GIVEN_AUTO;
	struct buf from_stdin = BUF_NULL(SETTINGS_MAX_BYTES);
	struct slice text = slice_of(given);
	struct err e = ERR_NULL;
	int exit_code = CTL_DONE;

	if (strcmp(given, "-") == 0) {
		exit_code = set_read_stdin(&from_stdin);
		text = buf_slice(&from_stdin);
	}
	if (exit_code == CTL_DONE && given_value(text, form, out, &e) != 0)
		exit_code =
		    ctl_fail(CTL_USAGE, "%s: %s", s->ops[s->n_ops].pointer, e.text);
	if (exit_code == CTL_DONE && buf_check(out) != 0)
		exit_code = ctl_fail(
		    CTL_USAGE, "%s: the value is too large", s->ops[s->n_ops].pointer);
	buf_deinit(&from_stdin);
	return exit_code;
}

static int set_init(struct set *s, struct ctl *c, const char *kind)
{
	const struct args *a = c->args;

	*s = (struct set){.c = c, .session = a->operands[0], .kind = kind};
	for (size_t i = 0; i < SET_MAX; i++)
		s->values[i] = BUF_NULL(SETTINGS_MAX_BYTES);
	if (args_has(a, "if-revision"))
		snprintf(s->if_match, sizeof s->if_match, "\"%" PRId64 "\"",
		    args_int(a, "if-revision", 0));
	if (args_has(a, "string") && args_has(a, "json"))
		return ctl_fail(CTL_USAGE, "--string and --json exclude each other");
	return CTL_DONE;
}

/* POINTER VALUE [POINTER VALUE]... */
static int set_take_pairs(struct set *s)
{
	const struct args *a = s->c->args;
	int exit_code = CTL_DONE;

	if (a->n_operands % 2 == 0)
		return ctl_fail(CTL_USAGE, "%s has no value",
		    a->operands[a->n_operands - 1]);
	for (size_t i = 1; i < a->n_operands && exit_code == CTL_DONE; i += 2) {
		struct set_op *op = &s->ops[s->n_ops];
		struct buf *text = &s->values[s->n_ops];

		exit_code = settings_pointer(a, i, &op->pointer);
		if (exit_code == CTL_DONE)
			exit_code = set_take_value(s, a->operands[i + 1], text);
		op->value = buf_slice(text);
		s->n_ops++;
	}
	return exit_code;
}

static int set_take_pointers(struct set *s)
{
	const struct args *a = s->c->args;
	int exit_code = CTL_DONE;

	for (size_t i = 1; i < a->n_operands && exit_code == CTL_DONE; i++)
		exit_code = settings_pointer(a, i, &s->ops[s->n_ops++].pointer);
	return exit_code;
}

/* Of two values for one path sessiond would see the last alone. */
static int set_check_twice(const struct set *s)
{
	for (size_t i = 0; i < s->n_ops; i++) {
		for (size_t k = 0; k < i; k++) {
			if (strcmp(s->ops[i].pointer, s->ops[k].pointer) == 0)
				return ctl_fail(CTL_USAGE, "%s is given twice",
				    s->ops[i].pointer);
		}
	}
	return CTL_DONE;
}

static void set_deinit(struct set *s)
{
	for (size_t i = 0; i < SET_MAX; i++)
		buf_deinit(&s->values[i]);
}

/* ---- what came of it */

static bool set_is_about(const struct set *s, const char *path)
{
	for (size_t i = 0; i < s->n_ops; i++) {
		if (given_is_below(path, s->ops[i].pointer) ||
		    given_is_below(s->ops[i].pointer, path))
			return true;
	}
	return false;
}

/* Lines on stderr for what was not taken and what Zed would not take; those that are
 * about this change make it a refusal. */
static int set_check_notes(const struct set *s, const struct jsn *answer)
{
	int exit_code = CTL_DONE;

	jsn_for_each (r, jsn_get(answer, "rejected")) {
		const char *path = jsn_get_string(r, "path"),
			   *rule = jsn_get_string(r, "rule");

		exit_code = ctl_fail(CTL_REFUSED, "%s was not taken: rule %s",
		    path ? path : "?", rule ? rule : "?");
	}
	jsn_for_each (r, jsn_get(answer, "invalid")) {
		const char *path = jsn_get_string(r, "path"),
			   *why = jsn_get_string(r, "message");

		if (!path || !set_is_about(s, path))
			continue;
		exit_code = ctl_fail(CTL_REFUSED,
		    "%s is stored, but left out of files, since Zed would reject it: %s",
		    path, why ? why : "?");
	}
	return exit_code;
}

static void set_print(const struct set *s, const char *counter, const struct jsn *answer)
{
	if (s->c->output == CTL_JSON)
		ctl_print_json(s->c, answer);
	else
		printf("%s %" PRId64 "\n", counter, jsn_get_int(answer, counter, 0));
}

/* ---- overrides */

/* {"ops":{<kind>:...},"op_id":...}. The id is one for all tries: sessiond carries it out
 * once. */
static void set_body(const struct set *s, struct buf *body)
{
	bool is_set = strcmp(s->kind, "set") == 0;

	buf_addf(body, "{\"ops\":{\"%s\":%c", s->kind, is_set ? '{' : '[');
	for (size_t i = 0; i < s->n_ops; i++) {
		if (i > 0)
			buf_addc(body, ',');
		buf_add_json_string(body, s->ops[i].pointer, strlen(s->ops[i].pointer));
		if (is_set) {
			buf_addc(body, ':');
			buf_add_slice(body, s->ops[i].value);
		}
	}
	buf_addf(body, "%c},\"op_id\":\"%s\"}", is_set ? '}' : ']', id_make("op_").s);
}

static int set_post(struct set *s, const struct buf *body)
{
	struct web_answer answer = WEB_ANSWER_NULL;
	int exit_code = buf_check(body) == 0
			    ? CTL_DONE
			    : ctl_fail(CTL_USAGE, "the values are too large");

	if (exit_code == CTL_DONE)
		exit_code = settings_send(s->c, "POST", s->session, "/zed-config/user",
		    buf_slice(body), s->if_match[0] ? s->if_match : NULL, &answer);
	if (exit_code == CTL_DONE)
		exit_code = settings_check(&answer);
	if (exit_code == CTL_DONE) {
		set_print(s, "revision", answer.json);
		exit_code = set_check_notes(s, answer.json);
	}
	web_answer_deinit(&answer);
	return exit_code;
}

static int set_overrides(struct set *s)
{
	struct buf body = BUF_NULL(SETTINGS_MAX_BYTES);
	int exit_code;

	set_body(s, &body);
	exit_code = set_post(s, &body);
	buf_deinit(&body);
	return exit_code;
}

/* Operations name paths, so everything is each path that has an override now. */
static void set_add_all(struct slice user, struct buf *body)
{
	struct slice key, value;
	size_t at = 0;
	bool any = false;

	while (span_each(span_find(user, "/set"), &at, &key, &value)) {
		buf_addf(body, "%s" SLICE_FMT, any ? "," : "", SLICE_ARG(key));
		any = true;
	}
	at = 0;
	while (span_each(span_find(user, "/del"), &at, &key, &value)) {
		buf_addf(body, "%s" SLICE_FMT, any ? "," : "", SLICE_ARG(value));
		any = true;
	}
}

static int set_clear_all(struct set *s)
{
	struct web_answer user = WEB_ANSWER_NULL;
	struct buf body = BUF_NULL(SETTINGS_MAX_BYTES);
	int exit_code = settings_fetch(s->c, s->session, "/zed-config/user", &user);

	if (exit_code == CTL_DONE) {
		buf_adds(&body, "{\"ops\":{\"clear\":[");
		set_add_all(buf_slice(&user.body), &body);
		buf_addf(&body, "]},\"op_id\":\"%s\"}", id_make("op_").s);
		exit_code = set_post(s, &body);
	}
	buf_deinit(&body);
	web_answer_deinit(&user);
	return exit_code;
}

/* ---- the base */

static int set_edit_one(
    const struct set *s, const struct set_op *op, struct slice base, struct buf *out)
{
	struct err e = ERR_NULL;
	int r = strcmp(s->kind, "set") == 0
		    ? span_set(base, op->pointer, op->value, out, &e)
		    : span_unset(base, op->pointer, out, &e);

	if (r != 0)
		return ctl_fail(CTL_USAGE, "%s", e.text);
	return buf_check(out) == 0 ? CTL_DONE
				   : ctl_fail(CTL_USAGE, "the settings are too large");
}

/* {"settings":<@base with all operations>} */
static int set_edit(const struct set *s, struct slice base, struct buf *out)
{
	struct buf from = BUF_NULL(SETTINGS_MAX_BYTES), to = BUF_NULL(SETTINGS_MAX_BYTES);
	int exit_code = CTL_DONE;

	buf_add_slice(&from, base);
	for (size_t i = 0; i < s->n_ops && exit_code == CTL_DONE; i++) {
		struct buf was = from;

		buf_reset(&to);
		exit_code = set_edit_one(s, &s->ops[i], buf_slice(&from), &to);
		from = to;
		to = was;
	}
	buf_adds(out, "{\"settings\":");
	buf_add_slice(out, buf_slice(&from));
	buf_addc(out, '}');
	buf_deinit(&from);
	buf_deinit(&to);
	if (exit_code == CTL_DONE && buf_check(out) != 0)
		exit_code = ctl_fail(CTL_USAGE, "the settings are too large");
	return exit_code;
}

/* *stale_out: someone else was faster; read again. */
static int set_base_once(struct set *s, bool *stale_out)
{
	struct web_answer before = WEB_ANSWER_NULL, after = WEB_ANSWER_NULL;
	struct buf body = BUF_NULL(SETTINGS_MAX_BYTES);
	const char *if_match = s->if_match;
	int exit_code = settings_fetch_query(
	    s->c, s->session, "/zed-config", "own", "1", &before);

	*stale_out = false;
	if (!if_match[0])
		if_match = before.etag[0] ? before.etag : NULL;
	if (exit_code == CTL_DONE)
		exit_code =
		    set_edit(s, span_find(buf_slice(&before.body), "/settings"), &body);
	if (exit_code == CTL_DONE)
		exit_code = settings_send(s->c, "PUT", s->session, "/zed-config",
		    buf_slice(&body), if_match, &after);
	*stale_out = exit_code == CTL_DONE && after.status == 412 && !s->if_match[0];
	if (exit_code == CTL_DONE && !*stale_out)
		exit_code = settings_check(&after);
	if (exit_code == CTL_DONE && !*stale_out)
		set_print(s, "version", after.json);
	buf_deinit(&body);
	web_answer_deinit(&before);
	web_answer_deinit(&after);
	return exit_code;
}

static int set_base(struct set *s)
{
	bool stale = true;
	int exit_code = CTL_DONE;

	for (int i = 0; i < SET_TRIES && stale && exit_code == CTL_DONE; i++)
		exit_code = set_base_once(s, &stale);
	if (exit_code == CTL_DONE && stale)
		exit_code =
		    ctl_fail(CTL_REFUSED, "the base keeps changing; nothing was changed");
	return exit_code;
}

/* ---- verbs */

static bool set_is_all(const struct set *s)
{
	return s->n_ops == 1 && !*s->ops[0].pointer;
}

static int set_run(struct ctl *c, const char *kind, int (*take)(struct set *s))
{
	struct set s;
	int exit_code = set_init(&s, c, kind);

	if (exit_code == CTL_DONE)
		exit_code = take(&s);
	if (exit_code == CTL_DONE)
		exit_code = set_check_twice(&s);
	if (exit_code == CTL_DONE && args_has(c->args, "base"))
		exit_code = set_base(&s);
	else if (exit_code == CTL_DONE && strcmp(kind, "clear") == 0 && set_is_all(&s))
		exit_code = set_clear_all(&s);
	else if (exit_code == CTL_DONE)
		exit_code = set_overrides(&s);
	set_deinit(&s);
	return exit_code;
}

int cmd_settings_set(struct ctl *c, const struct args *a)
{
	(void)a;
	return set_run(c, "set", set_take_pairs);
}

int cmd_settings_unset(struct ctl *c, const struct args *a)
{
	if (args_has(a, "base") && args_has(a, "delete"))
		return ctl_fail(CTL_USAGE,
		    "--delete is about overrides: unset --base deletes in the base");
	return set_run(
	    c, args_has(a, "delete") ? "del" : "clear", set_take_pointers);
}

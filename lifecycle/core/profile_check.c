/* The rules of a profile that need the whole of it: placeholders that are known and
 * declared, nothing from outside in what a shell would run. Split from profile_parse.c,
 * which knows JSON and single fields. */
#include "lifecycle/core/profile.h"

#include "lifecycle/core/profile_text.h"

static int check_fail(struct err *e, const char *field, const char *why)
{
	return err_set(e, ERROR_INVALID, "%s: %s", field, why);
}

static bool check_param_declared(const struct profile *p, struct slice name)
{
	for (size_t i = 0; i < p->offer.n_params; i++) {
		if (slice_is(name, p->offer.params[i].name))
			return true;
	}
	return false;
}

/* Placeholders of @text are known, and its parameters declared. Asked when the whole
 * profile was read. */
static int check_text(
    const struct profile *p, const char *field, const char *text, struct err *e)
{
	struct slice rest = slice_of(text);
	struct text_piece piece;

	while (text_next_piece(&rest, &piece)) {
		if (piece.kind == PLACEHOLDER_UNKNOWN)
			return err_set(e, ERROR_INVALID,
			    "%s: unknown placeholder " SLICE_FMT, field,
			    SLICE_ARG(piece.bytes));
		if (piece.kind == PLACEHOLDER_PARAM &&
		    !check_param_declared(p, piece.param))
			return err_set(e, ERROR_INVALID,
			    "%s: " SLICE_FMT " is not declared in params", field,
			    SLICE_ARG(piece.bytes));
	}
	return 0;
}

/* -c, and short options taken together with it (sh -ec). */
static bool check_is_dash_c(const char *arg)
{
	size_t n = strlen(arg);

	return n >= 2 && arg[0] == '-' && arg[1] != '-' && arg[n - 1] == 'c';
}

static int check_command(const struct profile *p, const char *field,
    const struct profile_command *c, struct err *e)
{
	for (size_t i = 0; i < c->n; i++) {
		int r = check_text(p, field, c->args[i], e);

		if (r)
			return r;
		if (i > 0 && check_is_dash_c(c->args[i - 1]) &&
		    text_has_placeholder(c->args[i]))
			return err_set(e, ERROR_INVALID,
			    "%s: a placeholder in the argument after %s would be run as "
			    "code",
			    field, c->args[i - 1]);
	}
	if (c->n && text_has_placeholder(c->args[0]))
		return err_set(e, ERROR_INVALID,
		    "%s: the program itself cannot be a placeholder", field);
	return 0;
}

static int check_ready(struct profile *p, struct err *e)
{
	const char *arg = p->ready_arg ? p->ready_arg : "";
	char *end;

	if (p->ready == READY_FILE && (arg[0] != '/' && arg[0] != '{'))
		return check_fail(e, "ready.arg", "must be an absolute path");
	if (p->ready == READY_HTTP && strncmp(arg, "http://", 7) != 0 &&
	    strncmp(arg, "https://", 8) != 0)
		return check_fail(e, "ready.arg", "must be an http or https URL");
	if (p->ready == READY_FILE || p->ready == READY_HTTP)
		return check_text(p, "ready.arg", arg, e);
	if (p->ready == READY_PROCESS) {
		p->alive_ms = strtoll(arg, &end, 10);
		if (*end || p->alive_ms < 0 || p->alive_ms > PROFILE_READY_MS_MAX)
			return check_fail(e, "ready.arg", "must be milliseconds");
	}
	free(p->ready_arg);
	p->ready_arg = NULL;
	return 0;
}

static int check_env_texts(const struct profile *p, struct err *e)
{
	for (size_t i = 0; i < p->env.n; i++) {
		int r = check_text(p, "env", p->env.items[i].value, e);

		if (r)
			return r;
	}
	return 0;
}

int profile_check(struct profile *p, struct err *e)
{
	int r;

	if (!p->command.n)
		return check_fail(e, "command", "is missing");
	r = check_command(p, "command", &p->command, e);
	r = r ? r : check_command(p, "stop.hook", &p->hook, e);
	r = r ? r : check_env_texts(p, e);
	for (size_t i = 0; !r && i < p->n_companions; i++) {
		r = check_command(p, "companions.command", &p->companions[i].command, e);
		if (!r && p->companions[i].ready_http)
			r = check_text(
			    p, "companions.ready_http", p->companions[i].ready_http, e);
	}
	if (!p->user) {
		p->user = strdup("");
		must(p->user);
	}
	return r ? r : check_ready(p, e);
}

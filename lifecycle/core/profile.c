/* Profiles in memory: expansion of placeholders, and freeing. Parsing is profile_parse.c.
 */
#include "lifecycle/core/profile.h"

#include "lifecycle/core/profile_text.h"

#include <stdio.h>

static void profile_strings_free(char **v, size_t n)
{
	for (size_t i = 0; i < n; i++)
		free(v[i]);
	free(v);
}

void profile_deinit(struct profile *p)
{
	offer_deinit(&p->offer);
	strmap_deinit(&p->env);
	profile_strings_free(p->command.args, p->command.n);
	profile_strings_free(p->hook.args, p->hook.n);
	profile_strings_free(p->workspace_roots, p->n_workspace_roots);
	for (size_t i = 0; i < p->n_companions; i++) {
		free(p->companions[i].name);
		free(p->companions[i].ready_http);
		profile_strings_free(
		    p->companions[i].command.args, p->companions[i].command.n);
	}
	free(p->user);
	free(p->ready_arg);
	*p = PROFILE_NULL;
}

const char *ready_kind_name(enum ready_kind k)
{
	static const char *const names[] = {"process", "file", "http", "agent"};

	return names[k];
}

static int expand_param(struct slice name, bool begins, const struct profile_vars *v,
    struct buf *out, struct err *e)
{
	char key[ID_MAX + 1];
	const char *value;

	snprintf(key, sizeof key, SLICE_FMT, SLICE_ARG(name));
	value = v->params ? strmap_get(v->params, key) : NULL;
	if (!value)
		return err_set(e, ERROR_INVALID, "params: %s is missing", key);
	if (begins && value[0] == '-')
		return err_set(e, ERROR_INVALID,
		    "params: %s begins an argument and must not start with '-'", key);
	buf_adds(out, value);
	return 0;
}

static int expand_piece(const struct text_piece *piece, bool begins,
    const struct profile_vars *v, struct buf *out, struct err *e)
{
	switch (piece->kind) {
	case PLACEHOLDER_NONE:
		buf_add_slice(out, piece->bytes);
		return 0;
	case PLACEHOLDER_INSTANCE:
		buf_adds(out, v->instance);
		return 0;
	case PLACEHOLDER_SESSION:
		buf_adds(out, v->session);
		return 0;
	case PLACEHOLDER_WORKSPACE:
		buf_adds(out, v->workspace);
		return 0;
	case PLACEHOLDER_HOME:
		buf_adds(out, v->home);
		return 0;
	case PLACEHOLDER_DATA:
		buf_adds(out, v->data);
		return 0;
	case PLACEHOLDER_PORT:
		buf_addf(out, "%u", v->port);
		return 0;
	case PLACEHOLDER_PARAM:
		return expand_param(piece->param, begins, v, out, e);
	case PLACEHOLDER_UNKNOWN:
		break;
	}
	return err_set(
	    e, ERROR_INVALID, "unknown placeholder " SLICE_FMT, SLICE_ARG(piece->bytes));
}

int profile_expand(
    const char *text, const struct profile_vars *v, struct buf *out, struct err *e)
{
	struct slice rest = slice_of(text);
	struct text_piece piece;

	while (text_next_piece(&rest, &piece)) {
		int r = expand_piece(&piece, piece.bytes.p == text, v, out, e);

		if (r)
			return r;
	}
	if (buf_check(out))
		return err_set(
		    e, ERROR_TOO_LARGE, "an argument is over %zu bytes", out->max);
	return 0;
}

void profile_argv_free(char **argv)
{
	for (char **a = argv; a && *a; a++)
		free(*a);
	free(argv);
}

int profile_expand_command(const struct profile_command *c, const struct profile_vars *v,
    char ***argv_out, struct err *e)
{
	char **argv = calloc(c->n + 1, sizeof *argv);

	must(argv);
	for (size_t i = 0; i < c->n; i++) {
		struct buf b = BUF_NULL(PROFILE_ARG_BYTES_MAX - 1);
		int r = profile_expand(c->args[i], v, &b, e);

		if (!r) {
			argv[i] = buf_steal(&b, NULL);
			must(argv[i]);
			continue;
		}
		buf_deinit(&b);
		profile_argv_free(argv);
		return r;
	}
	*argv_out = argv;
	return 0;
}

bool profile_uses_port(const struct profile_command *c)
{
	for (size_t i = 0; i < c->n; i++) {
		if (text_uses(c->args[i], PLACEHOLDER_PORT))
			return true;
	}
	return false;
}

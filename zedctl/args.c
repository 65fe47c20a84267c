#include "zedctl/args.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "zedctl/cmds.h"

/* The broker's flags are those of every program that has a broker. */
#define CONF(cname, ctype, cdflt, cmin, cmax, cflags, calias, cchoices, chelp)           \
	{"global", #cname, 0, FLAG_ONE, cchoices, chelp},
#define FLAG(v, n, l, k, val, s) {#v, n, l, FLAG_##k, val, s},
const struct flag flags[] = {
#include "base/io/broker.tbl.h"
#include "zedctl/cmds.tbl.h"
};
#undef FLAG
#undef CONF
const size_t n_flags = ARRAY_LEN(flags);

#define NOTE(v, t) {#v, t},
const struct note notes[] = {
#include "zedctl/cmds.tbl.h"
};
#undef NOTE
const size_t n_notes = ARRAY_LEN(notes);

#define VERB(vid, w, ops, lo, hi, s) {#vid, w, ops, lo, hi, s, cmd_##vid},
const struct verb verbs[] = {
#include "zedctl/cmds.tbl.h"
};
#undef VERB
const size_t n_verbs = ARRAY_LEN(verbs);

/* ---- reading what was given */

static char flag_char(char c)
{
	return c == '_' ? '-' : c; /* tables of settings write names with underscores */
}

static bool flag_name_is(const char *name, const char *given, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (flag_char(name[i]) != flag_char(given[i]))
			return false;
	}
	return name[n] == '\0';
}

bool args_has(const struct args *a, const char *name)
{
	return args_get(a, name) != NULL;
}

const char *args_get(const struct args *a, const char *name)
{
	for (size_t i = a->n_given; i-- > 0;) {
		if (flag_name_is(a->given[i].flag->name, name, strlen(name)))
			return a->given[i].value;
	}
	return NULL;
}

const char *args_nth(const struct args *a, const char *name, size_t i)
{
	for (size_t k = 0; k < a->n_given; k++) {
		if (flag_name_is(a->given[k].flag->name, name, strlen(name)) && i-- == 0)
			return a->given[k].value;
	}
	return NULL;
}

int64_t args_int(const struct args *a, const char *name, int64_t dflt)
{
	const char *v = args_get(a, name);

	return v ? (int64_t)strtoll(v, NULL, 10) : dflt; /* checked by args_parse */
}

/* ---- parsing */

struct args_in {
	int i, argc;
	char **argv;
	struct args *out;
	struct err *e;
	bool only_operands; /* after -- */
};

static const struct flag *args_find_flag(
    const struct verb *v, const char *name, size_t n, char letter)
{
	for (size_t i = 0; i < n_flags; i++) {
		const struct flag *f = &flags[i];

		if (strcmp(f->verb, "global") != 0 && (!v || strcmp(f->verb, v->id) != 0))
			continue;
		if (letter ? f->letter == letter : flag_name_is(f->name, name, n))
			return f;
	}
	return NULL;
}

static int args_refuse(struct args_in *in, const char *what, const char *given)
{
	const struct verb *v = in->out->verb;

	return err_set(in->e, ERROR_INVALID, "%s%s%s: %s (see zedctl %s%s--help)",
	    v ? v->words : "", v ? ": " : "", given, what, v ? v->words : "",
	    v ? " " : "");
}

static bool args_is_number(const char *s)
{
	char *end;

	errno = 0;
	return s[0] >= '0' && s[0] <= '9' && strtoll(s, &end, 10) >= 0 && !errno && !*end;
}

static int args_give(struct args_in *in, const struct flag *f, const char *value)
{
	if (in->out->n_given == ARGS_GIVEN_MAX)
		return args_refuse(in, "too many flags", f->name);
	if (f->kind == FLAG_INT && !args_is_number(value))
		return args_refuse(in, "not a whole number of 0 or more", value);
	in->out->given[in->out->n_given].flag = f;
	in->out->given[in->out->n_given++].value = value;
	return 0;
}

/* --name, --name=value, --name value, -n, -n value */
static int args_flag(struct args_in *in)
{
	const char *given = in->argv[in->i];
	bool is_long = given[1] == '-';
	const char *name = given + (is_long ? 2 : 1);
	const char *eq = is_long ? strchr(name, '=') : NULL;
	size_t n = eq ? (size_t)(eq - name) : strlen(name);
	const struct flag *f = NULL;

	if (is_long || n == 1)
		f = args_find_flag(in->out->verb, name, n, is_long ? '\0' : name[0]);
	if (!f)
		return args_refuse(in, "unknown flag", given);
	if (f->kind == FLAG_NONE)
		return eq ? args_refuse(in, "this flag takes no value", given)
			  : args_give(in, f, "");
	if (eq)
		return args_give(in, f, eq + 1);
	if (in->i + 1 >= in->argc)
		return args_refuse(in, "a value is missing", given);
	return args_give(in, f, in->argv[++in->i]);
}

/* The verb of one word or two at argv[i]; *n_words_out of them. */
static const struct verb *args_find_verb(const struct args_in *in, int *n_words_out)
{
	const char *first = in->argv[in->i];
	const char *second = in->i + 1 < in->argc ? in->argv[in->i + 1] : "";

	for (size_t i = 0; i < n_verbs; i++) {
		const char *words = verbs[i].words;
		const char *space = strchr(words, ' ');
		size_t n = space ? (size_t)(space - words) : strlen(words);

		if (strlen(first) != n || strncmp(first, words, n) != 0)
			continue;
		if (space && strcmp(space + 1, second) != 0)
			continue;
		*n_words_out = space ? 2 : 1;
		return &verbs[i];
	}
	return NULL;
}

static int args_word(struct args_in *in)
{
	struct args *out = in->out;
	int n_words = 1;

	if (!out->verb) {
		out->verb = args_find_verb(in, &n_words);
		in->i += n_words - 1;
		return out->verb ? 0 : args_refuse(in, "unknown verb", in->argv[in->i]);
	}
	if (out->n_operands == out->verb->max)
		return args_refuse(in, "one argument too many", in->argv[in->i]);
	out->operands[out->n_operands++] = in->argv[in->i];
	return 0;
}

/* "-" and "-5" are arguments. */
static bool args_is_flag(const struct args_in *in, const char *s)
{
	return !in->only_operands && s[0] == '-' && s[1] && !(s[1] >= '0' && s[1] <= '9');
}

static int args_check(struct args_in *in)
{
	const struct verb *v = in->out->verb;

	if (!v || args_has(in->out, "help"))
		return 0;
	if (in->out->n_operands < v->min)
		return err_set(
		    in->e, ERROR_INVALID, "usage: zedctl %s %s", v->words, v->operands);
	for (size_t i = 0; i < n_flags; i++) {
		if (flags[i].kind == FLAG_REQUIRED && strcmp(flags[i].verb, v->id) == 0 &&
		    !args_has(in->out, flags[i].name))
			return err_set(in->e, ERROR_INVALID, "%s: --%s %s is required",
			    v->words, flags[i].name, flags[i].value);
	}
	return 0;
}

int args_parse(int argc, char **argv, struct args *out, struct err *e)
{
	struct args_in in = {1, argc, argv, out, e, false};
	int r = 0;

	*out = (struct args){0};
	for (; in.i < argc && r == 0; in.i++) {
		if (!in.only_operands && strcmp(argv[in.i], "--") == 0)
			in.only_operands = true;
		else if (args_is_flag(&in, argv[in.i]))
			r = args_flag(&in);
		else
			r = args_word(&in);
	}
	return r == 0 ? args_check(&in) : r;
}

/* Where settings come from, in order of rank: default, file, alias environment,
 * environment, command line; each later one replaces what an earlier one gave. What a
 * value is, is in base/conf_value.c; texts are in base/conf_text.c. */
#include "base/conf.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "base/conf_value.h"

enum {
	CONF_FILE_MAX_BYTES = 1 << 20,
};

struct load {
	const struct conf_spec *spec;
	void *conf;
	struct conf_list *args; /* NULL if the caller does not want them */
	const char *print;
	const char *file; /* --config */
	bool *given;      /* by row: a flag has given it */
	struct err *e;
};

void conf_free(const struct conf_spec *spec, void *conf)
{
	for (size_t i = 0; i < spec->n_rows; i++)
		conf_value_clear(&spec->rows[i], conf);
}

void conf_reload(
    const struct conf_spec *spec, void *conf, void *fresh, struct buf *not_applied)
{
	for (size_t i = 0; i < spec->n_rows; i++) {
		const struct conf_row *row = &spec->rows[i];

		if (conf_value_equal(row, conf, fresh))
			continue;
		if (row->flags & CONF_F_RELOAD)
			conf_value_swap(row, conf, fresh);
		else
			buf_addf(
			    not_applied, "%s%s", not_applied->n ? " " : "", row->name);
	}
}

/* A default that does not parse is a mistake in the table. */
static void load_defaults(struct load *l)
{
	struct conf_source src = {.setting = "table", .from = "the program"};
	struct err e = ERR_NULL;

	for (size_t i = 0; i < l->spec->n_rows; i++) {
		const struct conf_row *row = &l->spec->rows[i];

		src.setting = row->name;
		if (row->dflt && row->dflt[0] &&
		    conf_value_set(row, l->conf, row->dflt, &src, &e)) {
			fprintf(stderr, "%s\n", e.text);
			must(e.code == 0 /* every default is a value of its type */);
		}
	}
}

/* --- file --- */

static const struct conf_row *row_by_name(const struct conf_spec *spec, const char *name)
{
	for (size_t i = 0; i < spec->n_rows; i++)
		if (strcmp(spec->rows[i].name, name) == 0)
			return &spec->rows[i];
	return NULL;
}

static int conf_unknown(const struct conf_source *src, struct err *e)
{
	AUTO(buf_deinit) struct buf shown = BUF_NULL(1024);

	conf_add_shown(&shown, NULL, src->setting);
	return err_set(e, ERROR_INVALID, "%s: no such setting (from %s)",
	    buf_cstr(&shown), src->from);
}

int conf_apply_json(const struct conf_spec *spec, void *conf, const char *text, size_t n,
    const char *from, struct err *e)
{
	AUTO(jsn_freep) struct jsn *root = NULL;
	int r = jsn_parse(text, n, &root, e);

	if (r) {
		err_prefix(e, "%s", from);
		return r;
	}
	if (jsn_type(root) != JSN_OBJECT)
		return err_set(e, ERROR_INVALID, "%s: not a JSON object", from);
	jsn_for_each (member, root) {
		struct conf_source src = {.setting = jsn_key(member), .from = from};
		const struct conf_row *row = row_by_name(spec, src.setting);

		if (!row)
			return conf_unknown(&src, e);
		if (jsn_type(member) == JSN_NULL)
			continue;
		r = conf_value_set_json(row, conf, member, &src, e);
		if (r)
			return r;
	}
	return 0;
}

/* Small and local, read before the loop runs or at SIGHUP. 0 or -errno. */
static int read_file(const char *path, struct buf *out)
{
	char chunk[4096];
	ssize_t n;
	int fd = open(path, O_RDONLY | O_CLOEXEC), r = 0;

	if (fd < 0)
		return -errno;
	do {
		n = read(fd, chunk, sizeof(chunk));
		if (n > 0)
			buf_add(out, chunk, (size_t)n);
		if (n < 0 && errno != EINTR)
			r = -errno;
	} while (r == 0 && n != 0 && !out->failed);
	close(fd);
	return r ? r : buf_check(out);
}

static int load_file(struct load *l, const char *path, const struct conf_source *src)
{
	AUTO(buf_deinit) struct buf text = BUF_NULL(CONF_FILE_MAX_BYTES);
	int r = read_file(path, &text);

	if (r == -ENOBUFS)
		return err_set(l->e, ERROR_INVALID, "%s: '%s' is over %d bytes (from %s)",
		    src->setting, path, CONF_FILE_MAX_BYTES, src->from);
	if (r)
		return err_set(l->e, ERROR_INVALID, "%s: cannot read '%s': %s (from %s)",
		    src->setting, path, strerror(-r), src->from);
	return conf_apply_json(l->spec, l->conf, buf_cstr(&text), text.n, path, l->e);
}

/* --- environment --- */

/* An empty variable counts as unset: compose files pass those on. */
static const char *env_get(char **envp, const char *name, size_t n)
{
	for (; envp && *envp; envp++)
		if (strncmp(*envp, name, n) == 0 && (*envp)[n] == '=')
			return (*envp)[n + 1] ? *envp + n + 1 : NULL;
	return NULL;
}

/* The first alias that is set; its name goes to @name. */
static const char *env_get_alias(
    char **envp, const char *aliases, char name[static CONF_NAME_MAX])
{
	while (aliases && *aliases) {
		size_t n = strcspn(aliases, " ");
		const char *text = env_get(envp, aliases, n);

		if (text) {
			must(n < CONF_NAME_MAX);
			snprintf(name, CONF_NAME_MAX, "%.*s", (int)n, aliases);
			return text;
		}
		aliases += n;
		aliases += strspn(aliases, " ");
	}
	return NULL;
}

static int load_env(struct load *l, char **envp)
{
	for (size_t i = 0; i < l->spec->n_rows; i++) {
		const struct conf_row *row = &l->spec->rows[i];
		char name[CONF_NAME_MAX];
		struct conf_source src = {.setting = name, .from = "the environment"};
		const char *text;
		int r;

		conf_env_name(row, name);
		text = env_get(envp, name, strlen(name));
		if (!text)
			text = env_get_alias(envp, row->alias_env, name);
		r = text ? conf_value_set(row, l->conf, text, &src, l->e) : 0;
		if (r)
			return r;
	}
	return 0;
}

/* --- command line --- */

/* Row of a flag as typed up to @n bytes; *negated_out for --no-x. */
static const struct conf_row *row_by_flag(
    const struct conf_spec *spec, const char *arg, size_t n, bool *negated_out)
{
	for (size_t i = 0; i < spec->n_rows; i++) {
		const struct conf_row *row = &spec->rows[i];
		char flag[CONF_NAME_MAX];

		conf_flag_name(row, flag);
		*negated_out = false;
		if (strlen(flag) == n && memcmp(flag, arg, n) == 0)
			return row;
		*negated_out = row->type == CONF_BOOL && n == strlen(flag) + 3;
		if (*negated_out && memcmp(arg, "--no-", 5) == 0 &&
		    memcmp(arg + 5, flag + 2, n - 5) == 0)
			return row;
	}
	return NULL;
}

static int flag_set(
    struct load *l, const struct conf_row *row, const char *flag, const char *text)
{
	struct conf_source src = {.setting = flag, .from = "the command line"};
	bool *given = &l->given[row - l->spec->rows];
	bool again = *given;

	*given = true;
	if (row->type != CONF_LIST)
		return conf_value_set(row, l->conf, text, &src, l->e);
	if (!again)
		conf_value_clear(row, l->conf);
	if (text[0]) /* --x= empties the list */
		conf_value_append(row, l->conf, text);
	return 0;
}

/* One argument as it is cut up: --flag or --flag=text. */
struct flag {
	const char *arg;
	size_t n;         /* of --flag */
	const char *text; /* after '=', or NULL */
	char name[CONF_NAME_MAX];
};

static struct flag flag_of(const char *arg)
{
	struct flag f = {.arg = arg, .n = strcspn(arg, "=")};

	if (arg[f.n] == '=')
		f.text = arg + f.n + 1;
	snprintf(f.name, sizeof(f.name), "%.*s", (int)(f.n > 60 ? 60 : f.n), arg);
	return f;
}

/* The flag's value: after '=', else the next argument, which *i moves over. NULL, and the
 * error set, if there is none. */
static const char *flag_value(
    struct load *l, const struct flag *f, int argc, char **argv, int *i)
{
	if (f->text)
		return f->text;
	if (*i + 1 < argc && strncmp(argv[*i + 1], "--", 2) != 0)
		return argv[++*i];
	err_set(
	    l->e, ERROR_INVALID, "%s: needs a value (from the command line)", f->name);
	return NULL;
}

static int flag_bool(
    struct load *l, const struct conf_row *row, const struct flag *f, bool negated)
{
	if (negated && f->text)
		return err_set(l->e, ERROR_INVALID,
		    "%s: takes no value (from the command line)", f->name);
	return flag_set(l, row, f->name, negated ? "false" : f->text ? f->text : "true");
}

static bool flag_is(const struct flag *f, const char *name)
{
	return f->n == strlen(name) && memcmp(f->arg, name, f->n) == 0;
}

static enum conf_outcome load_flag(struct load *l, int argc, char **argv, int *i)
{
	struct flag f = flag_of(argv[*i]);
	const struct conf_row *row;
	const char *text;
	bool negated;

	if (flag_is(&f, "--help") || flag_is(&f, "-h"))
		return CONF_HELP;
	if (flag_is(&f, "--version"))
		return CONF_VERSION;
	row = row_by_flag(l->spec, f.arg, f.n, &negated);
	if (row && row->type == CONF_BOOL)
		return flag_bool(l, row, &f, negated) ? CONF_BAD : CONF_OK;
	if (!row && !flag_is(&f, "--config") && !flag_is(&f, "--print")) {
		err_set(l->e, ERROR_INVALID, "%s: no such flag; %s --help lists them",
		    f.name, l->spec->program);
		return CONF_BAD;
	}
	text = flag_value(l, &f, argc, argv, i);
	if (!text)
		return CONF_BAD;
	if (row)
		return flag_set(l, row, f.name, text) ? CONF_BAD : CONF_OK;
	if (flag_is(&f, "--config")) {
		l->file = text;
		return CONF_OK;
	}
	l->print = text;
	return CONF_PRINT;
}

static enum conf_outcome load_positional(struct load *l, char *arg)
{
	AUTO(buf_deinit) struct buf shown = BUF_NULL(1024);

	if (!l->spec->positional) {
		conf_add_shown(&shown, NULL, arg);
		err_set(l->e, ERROR_INVALID, "'%s': not expected (from the command line)",
		    buf_cstr(&shown));
		return CONF_BAD;
	}
	if (l->args)
		l->args->items[l->args->n++] = arg;
	return CONF_OK;
}

static enum conf_outcome load_argv(struct load *l, int argc, char **argv)
{
	bool flags_ended = false;

	for (int i = 1; i < argc; i++) {
		enum conf_outcome r = CONF_OK;

		if (!flags_ended && strcmp(argv[i], "--") == 0)
			flags_ended = true;
		else if (!flags_ended && argv[i][0] == '-' && argv[i][1] != '\0')
			r = load_flag(l, argc, argv, &i);
		else
			r = load_positional(l, argv[i]);
		if (r != CONF_OK)
			return r;
	}
	return CONF_OK;
}

/* --- all together --- */

/* Lower ranks are laid down first, but --config is a flag: hence the command line is read
 * twice, the first time for what it says about the run itself and for its mistakes. */
static enum conf_outcome load_all(struct load *l, int argc, char **argv, char **envp)
{
	struct conf_source src = {.setting = "--config", .from = "the command line"};
	enum conf_outcome r = load_argv(l, argc, argv);

	if (r != CONF_OK)
		return r;
	conf_free(l->spec, l->conf);
	memset(l->given, 0, l->spec->n_rows);
	if (l->args)
		l->args->n = 0;
	load_defaults(l);
	if (!l->file) {
		l->file = env_get(envp, "ZEDBUS_CONFIG", strlen("ZEDBUS_CONFIG"));
		src = (struct conf_source){
		    .setting = "ZEDBUS_CONFIG", .from = "the environment"};
	}
	if (l->file && load_file(l, l->file, &src))
		return CONF_BAD;
	if (load_env(l, envp))
		return CONF_BAD;
	return load_argv(l, argc, argv);
}

enum conf_outcome conf_load(const struct conf_spec *spec, int argc, char **argv,
    char **envp, void *conf, const char **print_out, struct conf_list *args_out,
    struct err *e)
{
	struct load l = {.spec = spec, .conf = conf, .args = args_out, .e = e};
	enum conf_outcome r;

	l.given = calloc(spec->n_rows + 1, sizeof(*l.given));
	must(l.given);
	if (args_out) {
		*args_out =
		    (struct conf_list){.items = calloc((size_t)argc + 1, sizeof(char *))};
		must(args_out->items);
	}
	r = load_all(&l, argc, argv, envp);
	free(l.given);
	if (print_out)
		*print_out = r == CONF_PRINT ? l.print : NULL;
	if (args_out && r != CONF_OK) {
		free(args_out->items);
		*args_out = (struct conf_list){0};
	}
	return r;
}

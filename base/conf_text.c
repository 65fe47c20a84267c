/* What is said about settings: --help and the reference. */
#include <inttypes.h>

#include "base/conf_value.h"

enum {
	HELP_COLUMN = 34, /* where the sentences begin */
	HELP_WIDTH = 100,
};

/* What stands for the value: "FILE", "text|json", "N". */
static const char *conf_metavar(const struct conf_row *row)
{
	if (row->choices && row->choices[0])
		return row->choices;
	return row->type == CONF_INT ? "N" : "TEXT";
}

/* @text from the current column on, broken at spaces; @column is where further lines
 * begin. */
static void add_wrapped(struct buf *out, const char *text, size_t at)
{
	while (*text) {
		size_t n = strcspn(text, " ");

		if (at + 1 + n > HELP_WIDTH && at > HELP_COLUMN) {
			buf_addf(out, "\n%*s", HELP_COLUMN, "");
			at = HELP_COLUMN;
		} else if (at > HELP_COLUMN) {
			buf_addc(out, ' ');
			at++;
		}
		buf_add(out, text, n);
		at += n;
		text += n;
		text += strspn(text, " ");
	}
	buf_addc(out, '\n');
}

static void add_help_line(struct buf *out, const char *left, const char *text)
{
	buf_addf(out, "  %-*s", HELP_COLUMN - 2, left);
	if (strlen(left) > HELP_COLUMN - 4)
		buf_addf(out, "\n%*s", HELP_COLUMN, "");
	add_wrapped(out, text, HELP_COLUMN);
}

static void add_help_row(struct buf *out, const struct conf_row *row)
{
	AUTO(buf_deinit) struct buf left = BUF_NULL(512);
	AUTO(buf_deinit) struct buf text = BUF_NULL(4096);
	char flag[CONF_NAME_MAX];

	conf_flag_name(row, flag);
	if (row->type == CONF_BOOL && strcmp(row->dflt, "true") == 0)
		buf_addf(&left, "--no-%s", flag + 2);
	else
		buf_adds(&left, flag);
	if (row->type != CONF_BOOL)
		buf_addf(&left, " %s", conf_metavar(row));
	buf_adds(&text, row->help);
	if (row->type == CONF_LIST)
		buf_adds(&text, " May be repeated.");
	if (row->dflt[0] && row->type != CONF_BOOL) {
		buf_adds(&text, " (default ");
		conf_add_shown(&text, row, row->dflt);
		buf_addc(&text, ')');
	}
	add_help_line(out, buf_cstr(&left), buf_cstr(&text));
}

void conf_help(const struct conf_spec *spec, struct buf *out)
{
	buf_addf(out, "Usage: %s [flags]%s%s\n%s\n\n", spec->program,
	    spec->positional ? " " : "", spec->positional ? spec->positional : "",
	    spec->summary);
	for (size_t i = 0; i < spec->n_rows; i++)
		if (!(spec->rows[i].flags & CONF_F_HIDDEN))
			add_help_row(out, &spec->rows[i]);
	add_help_line(
	    out, "--config FILE", "Read settings from a JSON file (or ZEDBUS_CONFIG).");
	add_help_line(
	    out, "--print WHAT", "Print a reference: config, events, metrics or errors.");
	add_help_line(out, "--help", "Print this.");
	add_help_line(out, "--version", "Print the version.");
	buf_adds(out, "\nEach flag --some-name is also the environment variable "
		      "ZEDBUS_SOME_NAME and the key "
		      "some_name of\nthe JSON file. Flags win over the environment, that "
		      "over the file.\n");
}

/* A cell of a Markdown table: '|' would end it. */
static void add_cell(struct buf *out, const char *text)
{
	for (; *text; text++) {
		if (*text == '|')
			buf_addc(out, '\\');
		buf_addc(out, *text);
	}
}

static void add_code_cell(struct buf *out, const char *text)
{
	if (text[0]) {
		buf_addc(out, '`');
		add_cell(out, text);
		buf_addc(out, '`');
	}
	buf_adds(out, " | ");
}

static void add_type(struct buf *out, const struct conf_row *row)
{
	static const char *const names[] = {[CONF_STR] = "text",
	    [CONF_INT] = "number",
	    [CONF_BOOL] = "true, false",
	    [CONF_LIST] = "list",
	    [CONF_ENUM] = "one of"};

	buf_adds(out, names[row->type]);
	if (row->type == CONF_INT) {
		buf_addf(out, " %" PRId64 "...%" PRId64, row->min, row->max);
	} else if (row->choices && row->choices[0]) {
		buf_addc(out, ' ');
		add_cell(out, row->choices);
	}
}

void conf_print(const struct conf_spec *spec, struct buf *out)
{
	buf_addf(out, "## %s\n\n%s\n\n", spec->program, spec->summary);
	buf_adds(out, "| flag | environment (lower rank) | default | value | meaning |\n"
		      "|---|---|---|---|---|\n");
	for (size_t i = 0; i < spec->n_rows; i++) {
		const struct conf_row *row = &spec->rows[i];
		char flag[CONF_NAME_MAX], env[CONF_NAME_MAX];

		conf_flag_name(row, flag);
		conf_env_name(row, env);
		buf_addf(out, "| `%s` | `%s`", flag, env);
		if (row->alias_env)
			buf_addf(out, " (`%s`)", row->alias_env);
		buf_adds(out, " | ");
		add_code_cell(out, row->dflt);
		add_type(out, row);
		buf_adds(out, " | ");
		add_cell(out, row->help);
		buf_adds(
		    out, row->flags & CONF_F_RELOAD ? " Re-read at SIGHUP. |\n" : " |\n");
	}
}

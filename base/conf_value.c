/* The types of settings. Apart from base/conf.c, which knows only where values come from.
 */
#include "base/conf_value.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>

enum {
	CONF_SHOWN_MAX = 80, /* bytes of a value in an error line */
};

void *conf_field(const struct conf_row *row, void *conf)
{
	return (char *)conf + row->offset;
}

static char **conf_field_str(const struct conf_row *row, void *conf)
{
	return conf_field(row, conf);
}

static struct conf_list *conf_field_list(const struct conf_row *row, void *conf)
{
	return conf_field(row, conf);
}

static bool conf_is_text(const struct conf_row *row)
{
	return row->type == CONF_STR || row->type == CONF_ENUM;
}

static size_t conf_field_size(const struct conf_row *row)
{
	switch (row->type) {
	case CONF_INT:
		return sizeof(int64_t);
	case CONF_BOOL:
		return sizeof(bool);
	case CONF_LIST:
		return sizeof(struct conf_list);
	default:
		return sizeof(char *);
	}
}

static void conf_spell(const struct conf_row *row, const char *prefix, bool env,
    char out[static CONF_NAME_MAX])
{
	size_t n_prefix = strlen(prefix), n = strlen(row->name);

	must(n_prefix + n < CONF_NAME_MAX);
	memcpy(out, prefix, n_prefix);
	memcpy(out + n_prefix, row->name, n + 1);
	for (char *c = out + n_prefix; *c; c++)
		*c = env ? (char)toupper((unsigned char)*c) : *c == '_' ? '-' : *c;
}

void conf_flag_name(const struct conf_row *row, char out[static CONF_NAME_MAX])
{
	conf_spell(row, "--", false, out);
}

void conf_env_name(const struct conf_row *row, char out[static CONF_NAME_MAX])
{
	conf_spell(row, "ZEDBUS_", true, out);
}

void conf_add_shown(struct buf *out, const struct conf_row *row, const char *text)
{
	AUTO(buf_deinit) struct buf masked = BUF_NULL(1 << 20);
	const char *shown;

	if (row && row->flags & CONF_F_SECRET) {
		buf_adds(out, "***");
		return;
	}
	buf_add_masked(
	    &masked, text); /* before cutting: a cut URL may have lost its '@' */
	shown = buf_cstr(&masked);
	if (strlen(shown) > CONF_SHOWN_MAX)
		buf_addf(out, "%.*s...", CONF_SHOWN_MAX, shown);
	else
		buf_adds(out, shown);
}

static int conf_value_bad(const struct conf_row *row, const char *text,
    const struct conf_source *src, const char *what, struct err *e)
{
	AUTO(buf_deinit) struct buf shown = BUF_NULL(4 * CONF_SHOWN_MAX);

	conf_add_shown(&shown, row, text);
	return err_set(e, ERROR_INVALID, "%s: '%s' %s (from %s)", src->setting,
	    buf_cstr(&shown), what, src->from);
}

static char *conf_strndup(const char *s, size_t n)
{
	char *copy = strndup(s, n);

	must(copy);
	return copy;
}

void conf_value_append(const struct conf_row *row, void *conf, const char *item)
{
	struct conf_list *list = conf_field_list(row, conf);
	char **items = reallocarray(list->items, list->n + 1, sizeof(*items));

	must(items);
	list->items = items;
	list->items[list->n++] = conf_strndup(item, strlen(item));
}

void conf_value_clear(const struct conf_row *row, void *conf)
{
	if (conf_is_text(row)) {
		free(*conf_field_str(row, conf));
	} else if (row->type == CONF_LIST) {
		struct conf_list *list = conf_field_list(row, conf);

		for (size_t i = 0; i < list->n; i++)
			free(list->items[i]);
		free(list->items);
	}
	memset(conf_field(row, conf), 0, conf_field_size(row));
}

static int conf_set_int(const struct conf_row *row, void *conf, const char *text,
    const struct conf_source *src, struct err *e)
{
	const char *digits = text[0] == '-' ? text + 1 : text;
	char what[96];
	int64_t i;

	if (digits[0] == '\0' || digits[strspn(digits, "0123456789")] != '\0')
		return conf_value_bad(row, text, src, "is not a whole number", e);
	errno = 0;
	i = strtoll(text, NULL, 10);
	if (errno || i < row->min || i > row->max) {
		snprintf(what, sizeof(what), "is not in %" PRId64 " to %" PRId64,
		    row->min, row->max);
		return conf_value_bad(row, text, src, what, e);
	}
	*(int64_t *)conf_field(row, conf) = i;
	return 0;
}

static bool conf_word_in(const char *words, const char *word)
{
	static const char *const sep = "|";

	for (const char *w = words; *w; w += strspn(w, sep)) {
		size_t n = strcspn(w, sep);

		if (n == strlen(word) && memcmp(w, word, n) == 0)
			return true;
		w += n;
	}
	return false;
}

static int conf_set_bool(const struct conf_row *row, void *conf, const char *text,
    const struct conf_source *src, struct err *e)
{
	bool yes = conf_word_in("true|1|yes|on", text);

	if (!yes && !conf_word_in("false|0|no|off", text))
		return conf_value_bad(row, text, src, "is neither true nor false", e);
	*(bool *)conf_field(row, conf) = yes;
	return 0;
}

static int conf_set_text(const struct conf_row *row, void *conf, const char *text,
    const struct conf_source *src, struct err *e)
{
	char what[96];

	if (row->type == CONF_ENUM && !conf_word_in(row->choices, text)) {
		snprintf(what, sizeof(what), "is not one of %s", row->choices);
		return conf_value_bad(row, text, src, what, e);
	}
	conf_value_clear(row, conf);
	if (text[0])
		*conf_field_str(row, conf) = conf_strndup(text, strlen(text));
	return 0;
}

static void conf_set_list(const struct conf_row *row, void *conf, const char *text)
{
	conf_value_clear(row, conf);
	while (*text) {
		size_t n = strcspn(text, ",");
		const char *end = text + n, *next = *end ? end + 1 : end;

		text += strspn(text, " \t");
		while (end > text && (end[-1] == ' ' || end[-1] == '\t'))
			end--;
		if (end > text) {
			AUTO_FREE char *item = conf_strndup(text, (size_t)(end - text));

			conf_value_append(row, conf, item);
		}
		text = next;
	}
}

int conf_value_set(const struct conf_row *row, void *conf, const char *text,
    const struct conf_source *src, struct err *e)
{
	switch (row->type) {
	case CONF_INT:
		return conf_set_int(row, conf, text, src, e);
	case CONF_BOOL:
		return conf_set_bool(row, conf, text, src, e);
	case CONF_LIST:
		conf_set_list(row, conf, text);
		return 0;
	default:
		return conf_set_text(row, conf, text, src, e);
	}
}

static int conf_set_json_list(const struct conf_row *row, void *conf, const struct jsn *v,
    const struct conf_source *src, struct err *e)
{
	if (jsn_type(v) != JSN_ARRAY)
		return err_set(e, ERROR_INVALID, "%s: not an array of strings (from %s)",
		    src->setting, src->from);
	conf_value_clear(row, conf);
	jsn_for_each (item, v) {
		if (!jsn_string(item))
			return err_set(e, ERROR_INVALID,
			    "%s: item %zu is not a string (from %s)", src->setting,
			    conf_field_list(row, conf)->n + 1, src->from);
		conf_value_append(row, conf, jsn_string(item));
	}
	return 0;
}

int conf_value_set_json(const struct conf_row *row, void *conf, const struct jsn *v,
    const struct conf_source *src, struct err *e)
{
	static const enum jsn_type wanted[] = {[CONF_STR] = JSN_STRING,
	    [CONF_INT] = JSN_NUMBER,
	    [CONF_BOOL] = JSN_BOOL,
	    [CONF_LIST] = JSN_ARRAY,
	    [CONF_ENUM] = JSN_STRING};
	static const char *const names[] = {[CONF_STR] = "a string",
	    [CONF_INT] = "a whole number",
	    [CONF_BOOL] = "true or false",
	    [CONF_LIST] = "an array",
	    [CONF_ENUM] = "a string"};
	AUTO(buf_deinit) struct buf text = BUF_NULL(1 << 20);

	if (row->type == CONF_LIST)
		return conf_set_json_list(row, conf, v, src, e);
	if (jsn_string(v))
		buf_adds(&text, jsn_string(v));
	else
		jsn_print(v, &text);
	if (buf_check(&text))
		return err_set(
		    e, ERROR_INVALID, "%s: too long (from %s)", src->setting, src->from);
	if (jsn_type(v) != wanted[row->type]) {
		char what[64];

		snprintf(what, sizeof(what), "is not %s", names[row->type]);
		return conf_value_bad(row, buf_cstr(&text), src, what, e);
	}
	return conf_value_set(row, conf, buf_cstr(&text), src, e);
}

static bool conf_list_equal(const struct conf_list *a, const struct conf_list *b)
{
	if (a->n != b->n)
		return false;
	for (size_t i = 0; i < a->n; i++)
		if (strcmp(a->items[i], b->items[i]) != 0)
			return false;
	return true;
}

bool conf_value_equal(const struct conf_row *row, void *a, void *b)
{
	if (row->type == CONF_LIST)
		return conf_list_equal(conf_field_list(row, a), conf_field_list(row, b));
	if (conf_is_text(row))
		return slice_eq(
		    slice_of(*conf_field_str(row, a)), slice_of(*conf_field_str(row, b)));
	return memcmp(conf_field(row, a), conf_field(row, b), conf_field_size(row)) == 0;
}

void conf_value_swap(const struct conf_row *row, void *a, void *b)
{
	char x[sizeof(struct conf_list)];
	size_t n = conf_field_size(row);

	memcpy(x, conf_field(row, a), n);
	memcpy(conf_field(row, a), conf_field(row, b), n);
	memcpy(conf_field(row, b), x, n);
}

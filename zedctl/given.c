#include "zedctl/given.h"

#include <stdlib.h>
#include <string.h>

#include "base/jsn.h"
#include "base/utf8.h"

/* ---- pointers */

static bool given_has_bad_tilde(const char *p)
{
	for (p = strchr(p, '~'); p; p = strchr(p + 1, '~')) {
		if (p[1] != '0' && p[1] != '1')
			return true;
	}
	return false;
}

int given_pointer(const char *given, const char **out, struct err *e)
{
	if (!utf8_valid(given, strlen(given)))
		return err_set(e, ERROR_INVALID, "the pointer is not UTF-8");
	if (given[0] && given[0] != '/')
		return err_set(e, ERROR_INVALID,
		    "%s: a pointer begins with / (is /%s meant?)", given, given);
	if (given_has_bad_tilde(given))
		return err_set(e, ERROR_INVALID,
		    "%s: in a pointer ~ is written ~0, and / in a name ~1", given);
	*out = strcmp(given, "/") == 0 ? "" : given;
	return 0;
}

bool given_is_below(const char *path, const char *pointer)
{
	size_t n = strlen(pointer);

	return strncmp(path, pointer, n) == 0 && (!path[n] || path[n] == '/');
}

/* ---- values */

static int given_string(struct slice given, struct buf *out, struct err *e)
{
	if (!utf8_valid(given.p, given.n))
		return err_set(e, ERROR_INVALID, "the value is not UTF-8");
	if (memchr(given.p, '\0', given.n))
		return err_set(e, ERROR_INVALID, "the value holds a NUL");
	buf_add_json_string(out, given.p, given.n);
	return 0;
}

/* Who begins so meant JSON. */
static bool given_looks_like_json(struct slice given)
{
	size_t i = 0;

	while (i < given.n && strchr(" \t\r\n", given.p[i]))
		i++;
	return i < given.n && strchr("{[\"", given.p[i]);
}

int given_value(struct slice given, enum given_form form, struct buf *out, struct err *e)
{
	struct jsn *parsed = NULL;
	struct err why = ERR_NULL;

	if (form == GIVEN_STRING)
		return given_string(given, out, e);
	if (jsn_parse(given.p, given.n, &parsed, &why) == 0) {
		jsn_free(parsed);
		buf_add_slice(out, given);
		return 0;
	}
	if (form == GIVEN_JSON || given_looks_like_json(given))
		return err_set(e, ERROR_INVALID, "the value is not JSON: %s%s", why.text,
		    form == GIVEN_JSON ? "" : " (--string takes it as a string)");
	return given_string(given, out, e);
}

const char *given_type(struct slice json)
{
	size_t i = 0;

	while (i < json.n && strchr(" \t\r\n", json.p[i]))
		i++;
	switch (i < json.n ? json.p[i] : 0) {
	case '{':
		return "object";
	case '[':
		return "array";
	case '"':
		return "string";
	case 't':
	case 'f':
		return "boolean";
	case 'n':
		return "null";
	default:
		return "number";
	}
}

/* ---- revisions */

/* Digits at *@p, which goes behind them; false: none. */
static bool given_number(const char **p, int64_t *out)
{
	char *end;

	if (**p < '0' || **p > '9')
		return false;
	*out = strtoll(*p, &end, 10);
	*p = end;
	return *out < INT64_MAX;
}

int given_range(const char *given, int64_t *from_out, int64_t *to_out, struct err *e)
{
	const char *p = given;
	bool ok = given_number(&p, from_out);

	*to_out = GIVEN_NOW;
	if (ok && strncmp(p, "..", 2) == 0) {
		p += 2;
		ok = !*p || given_number(&p, to_out);
	}
	if (!ok || *p || (*to_out != GIVEN_NOW && *to_out < *from_out))
		return err_set(e, ERROR_INVALID,
		    "%s: not a revision N or a range N..M from an older one to a newer",
		    given);
	return 0;
}

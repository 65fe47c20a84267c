#include "tests/sim/sim_jsonc.h"

#include <string.h>

enum {
	SIM_JSONC_MAX_BYTES = 16 << 20,
};

/* Rewrites to strict JSON; what strict JSON refuses besides is left for jsn_parse to
 * refuse. */
struct sim_jsonc {
	const char *p, *end;
	struct buf out;
	char last; /* last significant byte written, 0 at the start; a value's end shows
		      as 'v' */
	bool has_comma; /* a comma is held back until what follows is known */
};

static bool sim_jsonc_comment(struct sim_jsonc *s, struct err *e)
{
	const char *stop;

	if (s->end - s->p >= 2 && s->p[1] == '/') {
		stop = memchr(s->p, '\n', (size_t)(s->end - s->p));
		s->p = stop ? stop : s->end;
		return true;
	}
	if (s->end - s->p >= 2 && s->p[1] == '*') {
		stop = memmem(s->p + 2, (size_t)(s->end - s->p) - 2, "*/", 2);
		if (!stop) {
			err_set(e, ERROR_INVALID, "unterminated comment");
			return false;
		}
		s->p = stop + 2;
		return true;
	}
	err_set(e, ERROR_INVALID, "unexpected '/'");
	return false;
}

/* A comma before a closing bracket is dropped only if a value stands before it. */
static void sim_jsonc_settle_comma(struct sim_jsonc *s, char next)
{
	bool drop = s->has_comma && s->last == 'v' && (next == '}' || next == ']');

	if (s->has_comma && !drop) {
		buf_addc(&s->out, ',');
		s->last = ',';
	}
	s->has_comma = false;
}

static void sim_jsonc_string(struct sim_jsonc *s)
{
	const char *start = s->p++;

	while (s->p < s->end && *s->p != '"')
		s->p += *s->p == '\\' && s->p + 1 < s->end ? 2 : 1;
	if (s->p < s->end)
		s->p++;
	buf_add(&s->out, start, (size_t)(s->p - start));
	s->last = 'v';
}

static void sim_jsonc_byte(struct sim_jsonc *s)
{
	char c = *s->p++;

	buf_addc(&s->out, c);
	s->last = strchr("{[:", c) ? c : 'v';
}

static bool sim_jsonc_next(struct sim_jsonc *s, struct err *e)
{
	char c = *s->p;

	if (c == ' ' || c == '\t' || c == '\n' || c == '\r') {
		buf_addc(&s->out, c);
		s->p++;
		return true;
	}
	if (c == '/') {
		buf_addc(&s->out, ' ');
		return sim_jsonc_comment(s, e);
	}
	sim_jsonc_settle_comma(s, c);
	if (c == ',') {
		s->has_comma = true;
		s->p++;
	} else if (c == '"') {
		sim_jsonc_string(s);
	} else {
		sim_jsonc_byte(s);
	}
	return true;
}

int sim_jsonc_parse(struct slice text, struct jsn **out, bool *empty_out, struct err *e)
{
	struct sim_jsonc s = {
	    text.p, text.p + text.n, BUF_NULL(SIM_JSONC_MAX_BYTES), 0, false};
	int r;

	while (s.p < s.end) {
		if (!sim_jsonc_next(&s, e)) {
			buf_deinit(&s.out);
			return ERROR_INVALID;
		}
	}
	sim_jsonc_settle_comma(&s, '\0');
	r = buf_check(&s.out);
	*empty_out = r == 0 && s.last == 0;
	if (r == 0 && *empty_out)
		*out = jsn_new_object();
	else if (r == 0)
		r = jsn_parse(s.out.data, s.out.n, out, e);
	buf_deinit(&s.out);
	return r;
}

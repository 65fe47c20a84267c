/* A state machine by byte, with the data taken in runs. Trailers are read over: nothing
 * here uses them. */
#include "base/io/http_chunked.h"

#include "base/hex.h"

enum {
	CHUNKED_DIGITS_MAX = 15,
	CHUNKED_OVERHEAD_MAX = 16 * 1024, /* of all chunks of a body */
};

static bool go(struct http_chunked *c, enum http_chunked_state state)
{
	c->state = state;
	return true;
}

static bool expect(
    struct http_chunked *c, char got, char wanted, enum http_chunked_state then)
{
	return got == wanted && go(c, then);
}

static bool on_size(struct http_chunked *c, char ch)
{
	int v = hex_value(ch);

	if (v >= 0) {
		c->n_left = c->n_left * 16 + (uint64_t)v;
		return ++c->n_digits <= CHUNKED_DIGITS_MAX;
	}
	if (c->n_digits == 0)
		return false;
	if (ch == '\r')
		return go(c, HTTP_CHUNKED_SIZE_LF);
	return (ch == ';' || ch == ' ' || ch == '\t') && go(c, HTTP_CHUNKED_EXTENSION);
}

/* Text of an extension or a trailer up to its CR. */
static bool on_text(struct http_chunked *c, char ch, enum http_chunked_state at_cr)
{
	if (ch == '\r')
		return go(c, at_cr);
	if (((unsigned char)ch < 0x20 && ch != '\t') || ch == 0x7f)
		return false;
	return ++c->n_overhead < CHUNKED_OVERHEAD_MAX;
}

static bool on_size_end(struct http_chunked *c, char ch)
{
	bool last = c->n_left == 0;

	c->n_digits = 0;
	return expect(c, ch, '\n', last ? HTTP_CHUNKED_TRAILER_START : HTTP_CHUNKED_DATA);
}

static bool on_byte(struct http_chunked *c, char ch)
{
	switch (c->state) {
	case HTTP_CHUNKED_SIZE:
		return on_size(c, ch);
	case HTTP_CHUNKED_EXTENSION:
		return on_text(c, ch, HTTP_CHUNKED_SIZE_LF);
	case HTTP_CHUNKED_SIZE_LF:
		return on_size_end(c, ch);
	case HTTP_CHUNKED_DATA_CR:
		return expect(c, ch, '\r', HTTP_CHUNKED_DATA_LF);
	case HTTP_CHUNKED_DATA_LF:
		return expect(c, ch, '\n', HTTP_CHUNKED_SIZE);
	case HTTP_CHUNKED_TRAILER_START:
		if (ch == '\r')
			return go(c, HTTP_CHUNKED_END_LF);
		c->state = HTTP_CHUNKED_TRAILER;
		return on_text(c, ch, HTTP_CHUNKED_TRAILER_LF);
	case HTTP_CHUNKED_TRAILER:
		return on_text(c, ch, HTTP_CHUNKED_TRAILER_LF);
	case HTTP_CHUNKED_TRAILER_LF:
		return expect(c, ch, '\n', HTTP_CHUNKED_TRAILER_START);
	case HTTP_CHUNKED_END_LF:
		return expect(c, ch, '\n', HTTP_CHUNKED_DONE);
	case HTTP_CHUNKED_DATA:
	case HTTP_CHUNKED_DONE:
		break;
	}
	return false;
}

static struct slice take(struct slice *in, size_t n)
{
	struct slice head = {in->p, n};

	in->p += n;
	in->n -= n;
	return head;
}

bool http_chunked_next(struct http_chunked *c, struct slice *in, struct slice *data_out)
{
	*data_out = (struct slice){in->p, 0};
	while (in->n > 0 && c->state != HTTP_CHUNKED_DONE) {
		if (c->state == HTTP_CHUNKED_DATA) {
			*data_out = take(in, in->n < c->n_left ? in->n : c->n_left);
			c->n_left -= data_out->n;
			if (c->n_left == 0)
				c->state = HTTP_CHUNKED_DATA_CR;
			return true;
		}
		if (!on_byte(c, *take(in, 1).p))
			return false;
	}
	return true;
}

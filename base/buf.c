/* The builder behind every text and message made here. Failure is sticky so that callers
 * append without checking each step, and the maximum makes every queue of bytes bounded
 * by construction. */
#include "base/buf.h"

#include <errno.h>
#include <stdarg.h>

#include "base/utf8.h"

enum {
	BUF_CAP_MIN = 64,
};

void buf_deinit(struct buf *b)
{
	size_t max = b->max;

	free(b->data);
	*b = BUF_NULL(max);
}

void buf_reset(struct buf *b)
{
	b->n = 0;
	b->failed = b->no_memory = false;
	if (b->data)
		b->data[0] = '\0';
}

/* Room for @n more bytes and the NUL; false, and the buffer failed, if there cannot be.
 */
static bool buf_reserve(struct buf *b, size_t n)
{
	size_t cap = b->cap ? b->cap : BUF_CAP_MIN;
	char *data;

	if (b->failed)
		return false;
	if (b->max - b->n < n) {
		b->failed = true;
		return false;
	}
	if (b->data && b->cap - b->n > n)
		return true;
	while (cap - b->n <= n && cap <= SIZE_MAX / 2)
		cap *= 2;
	if (cap > b->max)
		cap = b->max == SIZE_MAX ? SIZE_MAX : b->max + 1;
	data = realloc(b->data, cap);
	if (!data) {
		b->failed = b->no_memory = true;
		return false;
	}
	b->data = data;
	b->cap = cap;
	return true;
}

void buf_add(struct buf *b, const void *data, size_t n)
{
	if (n == 0 || !buf_reserve(b, n))
		return;
	memcpy(b->data + b->n, data, n);
	b->n += n;
	b->data[b->n] = '\0';
}

void buf_addc(struct buf *b, char c)
{
	buf_add(b, &c, 1);
}

void buf_adds(struct buf *b, const char *cstr)
{
	buf_add(b, cstr, strlen(cstr));
}

void buf_add_slice(struct buf *b, struct slice s)
{
	buf_add(b, s.p, s.n);
}

void buf_addf(struct buf *b, const char *fmt, ...)
{
	va_list ap;
	char *end;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(NULL, 0, fmt, ap);
	va_end(ap);
	must(n >= 0);
	if (n == 0 || !buf_reserve(b, (size_t)n))
		return;
	end = b->data + b->n;
	va_start(ap, fmt);
	vsnprintf(end, (size_t)n + 1, fmt, ap);
	va_end(ap);
	b->n += (size_t)n;
}

static void buf_add_json_escape(struct buf *b, unsigned char c)
{
	switch (c) {
	case '"':
		buf_add(b, "\\\"", 2);
		break;
	case '\\':
		buf_add(b, "\\\\", 2);
		break;
	case '\n':
		buf_add(b, "\\n", 2);
		break;
	case '\r':
		buf_add(b, "\\r", 2);
		break;
	case '\t':
		buf_add(b, "\\t", 2);
		break;
	default:
		buf_addf(b, "\\u%04x", c);
	}
}

/* What a string holds as it is: plain ASCII and whole characters beyond it. */
static size_t json_verbatim_len(const char *p, size_t n)
{
	size_t i = 0, len;

	do {
		i += utf8_plain_len(p + i, n - i);
		len =
		    i < n && (unsigned char)p[i] >= 0x80 ? utf8_seq_len(p + i, n - i) : 0;
		i += len;
	} while (len > 0);
	return i;
}

void buf_add_json_string(struct buf *b, const char *data, size_t n)
{
	size_t i = 0;

	buf_addc(b, '"');
	while (i < n) {
		size_t len = json_verbatim_len(data + i, n - i);

		buf_add(b, data + i, len);
		i += len;
		if (i == n)
			break;
		if ((unsigned char)data[i] >= 0x80)
			buf_adds(b, "\xEF\xBF\xBD");
		else
			buf_add_json_escape(b, (unsigned char)data[i]);
		i++;
	}
	buf_addc(b, '"');
}

void buf_add_masked(struct buf *b, const char *cstr)
{
	const char *authority = strstr(cstr, "://");
	const char *at = authority ? strrchr(authority, '@') : NULL;

	if (!at) {
		buf_adds(b, cstr);
		return;
	}
	buf_add(b, cstr, (size_t)(authority + 3 - cstr));
	buf_adds(b, "***");
	buf_adds(b, at);
}

void buf_consume(struct buf *b, size_t n)
{
	must(n <= b->n);
	if (n == 0)
		return;
	memmove(b->data, b->data + n, b->n - n + 1);
	b->n -= n;
}

int buf_check(const struct buf *b)
{
	if (!b->failed)
		return 0;
	return b->no_memory ? -ENOMEM : -ENOBUFS;
}

const char *buf_cstr(const struct buf *b)
{
	return b->failed || !b->data ? "" : b->data;
}

char *buf_steal(struct buf *b, size_t *n_out)
{
	size_t max = b->max;
	char *data = NULL;

	if (n_out)
		*n_out = b->failed ? 0 : b->n;
	if (b->failed) {
		buf_deinit(b);
		return NULL;
	}
	data = b->data ? b->data : calloc(1, 1);
	*b = BUF_NULL(max);
	return data;
}

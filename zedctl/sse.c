#include "zedctl/sse.h"

#include <stdio.h>

enum {
	SSE_EVENT_MAX_BYTES = 128 << 20,
};

void sse_init(struct sse *s,
    void (*event)(void *data, const char *name, struct slice json), void *data)
{
	*s = (struct sse){.event = event, .data = data};
	s->line = BUF_NULL(SSE_EVENT_MAX_BYTES);
	s->json = BUF_NULL(SSE_EVENT_MAX_BYTES);
}

void sse_reset(struct sse *s)
{
	buf_reset(&s->line);
	buf_reset(&s->json);
	s->name[0] = s->id[0] = '\0';
}

static void sse_dispatch(struct sse *s)
{
	if (s->id[0])
		snprintf(s->last_id, sizeof s->last_id, "%s", s->id);
	if (s->json.n > 0)
		s->event(s->data, s->name[0] ? s->name : "message", buf_slice(&s->json));
	buf_reset(&s->json);
	s->name[0] = s->id[0] = '\0';
}

/* The value of "field: value" or "field:value" if @line is one. */
static bool sse_field(struct slice line, const char *field, struct slice *value)
{
	size_t n = strlen(field);

	if (line.n <= n || memcmp(line.p, field, n) != 0 || line.p[n] != ':')
		return false;
	n++;
	if (n < line.n && line.p[n] == ' ')
		n++;
	*value = (struct slice){line.p + n, line.n - n};
	return true;
}

static void sse_line(struct sse *s, struct slice line)
{
	struct slice v;

	if (line.n > 0 && line.p[line.n - 1] == '\r')
		line.n--;
	if (line.n == 0) {
		sse_dispatch(s);
	} else if (sse_field(line, "data", &v)) {
		if (s->json.n > 0)
			buf_addc(&s->json, '\n');
		buf_add_slice(&s->json, v);
	} else if (sse_field(line, "event", &v)) {
		snprintf(s->name, sizeof s->name, SLICE_FMT, SLICE_ARG(v));
	} else if (sse_field(line, "id", &v)) {
		snprintf(s->id, sizeof s->id, SLICE_FMT, SLICE_ARG(v));
	}
}

bool sse_feed(struct sse *s, struct slice bytes)
{
	const char *end;

	while (bytes.n > 0 && (end = memchr(bytes.p, '\n', bytes.n))) {
		size_t n = (size_t)(end - bytes.p);

		buf_add(&s->line, bytes.p, n);
		if (buf_check(&s->line) != 0)
			return false;
		sse_line(s, buf_slice(&s->line));
		buf_reset(&s->line);
		bytes.p += n + 1;
		bytes.n -= n + 1;
	}
	buf_add_slice(&s->line, bytes);
	return buf_check(&s->line) == 0 && buf_check(&s->json) == 0;
}

void sse_deinit(struct sse *s)
{
	buf_deinit(&s->line);
	buf_deinit(&s->json);
}

/* base/io/http_head.c: whatever the bytes, taken or refused with a status; what was taken
 * keeps its promises. */
#include "base/io/http_head.h"
#include "base/must.h"
#include "base/utf8.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void check_request(const char *p, size_t n)
{
	struct http_head h;
	struct err e = ERR_NULL;
	int status = http_head_parse(p, n, &h, &e);

	if (status) {
		must(status >= 400 && status <= 599 && e.text[0] && !h.memory);
		return;
	}
	must(h.method[0] && h.path[0]);
	must(utf8_valid(h.path, strlen(h.path)));
	must(!(h.chunked && h.content_length));
	must(h.is_http10 || http_head_field(&h, "HOST"));
	must(h.n_fields <= HTTP_HEAD_MAX_FIELDS && h.n_params <= HTTP_HEAD_MAX_PARAMS);
	for (size_t i = 0; i < h.n_fields; i++)
		must(!strpbrk(h.fields[i].name, "\r\n: ") &&
		     !strpbrk(h.fields[i].value, "\r\n"));
	for (size_t i = 0; i < h.n_params; i++)
		must(utf8_valid(h.params[i].value, strlen(h.params[i].value)));
	http_head_deinit(&h);
	http_head_deinit(&h);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	const char *p = (const char *)data;
	struct http_head h;
	struct err e = ERR_NULL;
	size_t scanned = 0, scanned_slowly = 0;
	int64_t end = http_head_end(p, n, &scanned), slow_end = 0;

	for (size_t i = 1; i <= n && slow_end == 0; i++)
		slow_end = http_head_end(p, i, &scanned_slowly);
	must(end == slow_end); /* however it comes in */
	if (end <= 0)
		return 0;
	check_request(p, (size_t)end);
	if (http_head_parse_answer(p, (size_t)end, &h, &e) == 0) {
		must(h.status >= 0 && h.status <= 999);
		http_head_deinit(&h);
	}
	return 0;
}

/* Forms of JetStream's answers that are no JSON of ours: error numbers, headers, base64.
 */
#include <ctype.h>
#include <openssl/evp.h>
#include <stdarg.h>
#include <string.h>

#include "base/io/store_internal.h"

/* Numbers of nats-server's errors.json that mean something to a caller. */
static const struct {
	int err_code;
	int code;
} store_errors[] = {
    {10071, ERROR_CONFLICT},     /* wrong last sequence */
    {10164, ERROR_CONFLICT},     /* the same for a constant, 2.12 */
    {10058, ERROR_CONFLICT},     /* stream name in use with a different configuration */
    {10065, ERROR_CONFLICT},     /* subjects overlap with an existing stream */
    {10013, ERROR_CONFLICT},     /* consumer name in use */
    {10148, ERROR_CONFLICT},     /* consumer already exists */
    {10100, ERROR_CONFLICT},     /* filtered consumer not unique on a work queue */
    {10099, ERROR_CONFLICT},     /* multiple non-filtered consumers on a work queue */
    {10037, ERROR_NOT_FOUND},    /* no message found */
    {10059, ERROR_NOT_FOUND},    /* stream not found */
    {10014, ERROR_NOT_FOUND},    /* consumer not found */
    {10043, ERROR_NOT_FOUND},    /* sequence not found */
    {10077, ERROR_RATE_LIMITED}, /* maximum messages, bytes or messages per subject */
    {10002, ERROR_RATE_LIMITED}, /* resource limits exceeded for account */
    {10023, ERROR_RATE_LIMITED}, /* insufficient resources */
    {10028, ERROR_RATE_LIMITED}, /* insufficient memory */
    {10047, ERROR_RATE_LIMITED}, /* insufficient storage */
    {10054, ERROR_TOO_LARGE},    /* message size exceeds maximum allowed */
    {10097, ERROR_TOO_LARGE},    /* header size exceeds maximum allowed of 64k */
    {10008, ERROR_UNAVAILABLE},  /* temporarily unavailable */
    {10163, ERROR_UNAVAILABLE},  /* a write is in process, 2.12 */
    {10039, ERROR_UNAVAILABLE},  /* JetStream not enabled for account */
    {10076, ERROR_UNAVAILABLE},  /* JetStream not enabled */
};

int store_error_code(const struct jsn *error, char *detail, size_t cap)
{
	int64_t err_code = jsn_get_int(error, "err_code", 0);
	const char *words = jsn_get_string(error, "description");
	bool no_message = words && strcmp(words, "no message found") == 0;

	snprintf(detail, cap, "%s (%lld)", words ? words : "error", (long long)err_code);
	for (size_t i = 0; i < ARRAY_LEN(store_errors); i++)
		if (store_errors[i].err_code == err_code)
			return store_errors[i].code;
	if (no_message) /* 10057, a deletion that failed for whatever reason */
		return ERROR_NOT_FOUND;
	switch (jsn_get_int(error, "code", 500)) {
	case 404:
		return ERROR_NOT_FOUND;
	case 503:
		return ERROR_UNAVAILABLE;
	default:
		return ERROR_INTERNAL;
	}
}

bool store_subject(char out[static STORE_SUBJECT_MAX], const char *fmt, ...)
{
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(out, STORE_SUBJECT_MAX, fmt, ap);
	va_end(ap);
	return n > 0 && n < STORE_SUBJECT_MAX;
}

bool store_name_valid(const char *name)
{
	size_t n = strlen(name);

	return n > 0 && n <= 255 && !strpbrk(name, " \t\r\n.*>/\\");
}

/* As NATS KV has it. */
bool store_key_valid(const char *key)
{
	size_t n = strlen(key);

	if (n == 0 || key[0] == '.' || key[n - 1] == '.' || strstr(key, ".."))
		return false;
	for (; *key; key++)
		if (!isalnum((unsigned char)*key) && !strchr("-/_=.", *key))
			return false;
	return true;
}

/* The first line is "NATS/1.0", perhaps with a status. */
size_t store_headers_parse(char *text, struct bus_header *out, size_t cap)
{
	char *line = strstr(text, "\r\n"), *end, *colon;
	size_t n = 0;

	while (line && n < cap) {
		line += 2;
		end = strstr(line, "\r\n");
		colon = strchr(line, ':');
		if (!end || end == line || !colon || colon > end)
			break;
		*end = *colon = '\0';
		for (colon++; *colon == ' '; colon++)
			;
		out[n++] = (struct bus_header){line, colon};
		line = end;
	}
	return n;
}

bool store_is_deletion(const struct bus_header *h, size_t n)
{
	const struct bus_msg m = {.headers = h, .n_headers = n};
	const char *op = bus_msg_header(&m, "KV-Operation");

	return op && (strcmp(op, "DEL") == 0 || strcmp(op, "PURGE") == 0);
}

char *store_base64_decode(const char *text, size_t *n_out)
{
	size_t n = strlen(text), n_pad = 0;
	char *out;

	if (n % 4 != 0 || n > INT32_MAX)
		return NULL;
	while (n_pad < 2 && n_pad < n && text[n - 1 - n_pad] == '=')
		n_pad++;
	out = malloc(n / 4 * 3 + 1);
	must(out);
	if (n > 0 && EVP_DecodeBlock((unsigned char *)out, (const unsigned char *)text,
			 (int)n) != (int)(n / 4 * 3)) {
		free(out);
		return NULL;
	}
	*n_out = n / 4 * 3 - n_pad;
	out[*n_out] = '\0';
	return out;
}

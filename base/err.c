/* The error table as functions, and the text an error carries upwards. */
#include "base/err.h"

#include <errno.h>
#include <stdarg.h>
#include <string.h>

static const struct {
	const char *name;
	int http_status;
	bool retryable;
	const char *sentence;
} errors[ERROR_N_] = {
    [ERROR_NONE] = {"NONE", 200, false, "No error."},
#define ERROR(name, http_status, retryable, sentence)                                    \
	[ERROR_##name] = {#name, http_status, retryable, sentence},
#include "base/errors.tbl.h"
#undef ERROR
};

/* One line: what a peer or a file put into the text must not start a second record. */
static void err_flatten(char *text)
{
	for (; *text; text++)
		if ((unsigned char)*text < 0x20 || *text == 0x7F)
			*text = ' ';
}

int err_set(struct err *e, int code, const char *fmt, ...)
{
	va_list ap;

	if (!e)
		return code;
	e->code = code;
	va_start(ap, fmt);
	vsnprintf(e->text, sizeof(e->text), fmt, ap);
	va_end(ap);
	err_flatten(e->text);
	return code;
}

int err_prefix(struct err *e, const char *fmt, ...)
{
	char text[sizeof(e->text)];
	va_list ap;
	size_t n;

	memcpy(text, e->text, sizeof(text));
	va_start(ap, fmt);
	vsnprintf(e->text, sizeof(e->text), fmt, ap);
	va_end(ap);
	n = strlen(e->text);
	snprintf(e->text + n, sizeof(e->text) - n, ": %s", text);
	err_flatten(e->text);
	return e->code;
}

/* The row a returned code stands for. */
static int err_row(int code)
{
	if (code == -ENOMEM || code == -EAGAIN)
		return ERROR_UNAVAILABLE;
	if (code < 0 || code >= ERROR_N_)
		return ERROR_INTERNAL;
	return code;
}

const char *error_name(int code)
{
	return errors[err_row(code)].name;
}

int error_http_status(int code)
{
	return errors[err_row(code)].http_status;
}

bool error_retryable(int code)
{
	return errors[err_row(code)].retryable;
}

const char *error_sentence(int code)
{
	return errors[err_row(code)].sentence;
}

enum error_code error_from_name(const char *name)
{
	for (int i = ERROR_NONE + 1; i < ERROR_N_; i++)
		if (strcmp(errors[i].name, name) == 0)
			return (enum error_code)i;
	return ERROR_NONE;
}

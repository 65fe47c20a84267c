/* A cursor is "<hex a>.<hex b>.<key>.<check>"; the check binds it to its list. It is no
 * secret: it only keeps a cursor of one list from being taken for another's. */
#include "sessiond/gateway/cursor.h"

#include "base/digest.h"
#include "base/must.h"

#include <inttypes.h>

enum {
	CURSOR_CHECK_LEN = 12,
};

static void cursor_check(
    const char *body, const char *scope, char out[static DIGEST_HEX_LEN + 1])
{
	struct buf b = BUF_NULL(1024);

	buf_addf(&b, "cursor %s %s", scope, body);
	must(buf_check(&b) == 0);
	digest_hex(buf_slice(&b), out);
	buf_deinit(&b);
	out[CURSOR_CHECK_LEN] = '\0';
}

void cursor_print(const struct cursor *c, const char *scope, char out[static CURSOR_MAX])
{
	char body[CURSOR_MAX - CURSOR_CHECK_LEN - 2], check[DIGEST_HEX_LEN + 1];

	must(snprintf(body, sizeof(body), "%" PRIx64 ".%" PRIx64 ".%s", c->a, c->b,
		 c->key) < (int)sizeof(body));
	cursor_check(body, scope, check);
	snprintf(out, CURSOR_MAX, "%s.%.*s", body, CURSOR_CHECK_LEN, check);
}

bool cursor_parse(const char *text, const char *scope, struct cursor *out)
{
	char body[CURSOR_MAX], check[DIGEST_HEX_LEN + 1];
	char *last;
	int n = 0;

	*out = (struct cursor){0};
	if (strlen(text) >= sizeof(body))
		return false;
	memcpy(body, text, strlen(text) + 1);
	last = strrchr(body, '.');
	if (!last)
		return false;
	*last = '\0';
	cursor_check(body, scope, check);
	if (strcmp(check, last + 1) != 0)
		return false;
	if (sscanf(body, "%" SCNx64 ".%" SCNx64 ".%n", &out->a, &out->b, &n) != 2 ||
	    n == 0)
		return false;
	return snprintf(out->key, sizeof(out->key), "%s", body + n) <
	       (int)sizeof(out->key);
}

/* Members of a request, checked. */
#include "sessiond/gateway/fields.h"

#include "base/utf8.h"

#include <string.h>

bool field_string(struct call *c, const char *name, size_t max, const char **out)
{
	const struct jsn *v = jsn_get(c->body, name);

	*out = jsn_string(v);
	if (!v || jsn_type(v) == JSN_NULL)
		return true;
	if (!*out) {
		call_reply_error(c, ERROR_INVALID, "%s: must be a string", name);
		return false;
	}
	if (strlen(*out) > max) {
		call_reply_error(
		    c, ERROR_INVALID, "%s: longer than %zu bytes", name, max);
		return false;
	}
	return true;
}

bool field_bool(struct call *c, const char *name, bool *out)
{
	const struct jsn *v = jsn_get(c->body, name);

	if (!v || jsn_type(v) == JSN_NULL || jsn_bool(v, out))
		return true;
	call_reply_error(c, ERROR_INVALID, "%s: must be true or false", name);
	return false;
}

bool field_object(struct call *c, const char *name, const struct jsn **out)
{
	const struct jsn *v = jsn_get(c->body, name);

	*out = jsn_type(v) == JSN_OBJECT ? v : NULL;
	if (!v || jsn_type(v) == JSN_NULL || *out)
		return true;
	call_reply_error(c, ERROR_INVALID, "%s: must be an object", name);
	return false;
}

bool query_int(struct call *c, const char *name, int64_t min, int64_t max, int64_t *out)
{
	const char *text = http_req_query(c->req, name);
	int64_t v = 0;

	if (!text)
		return true;
	for (const char *p = text; *p; p++) {
		if (*p < '0' || *p > '9' || v > max) {
			v = min - 1;
			break;
		}
		v = v * 10 + (*p - '0');
	}
	if (*text && v >= min && v <= max) {
		*out = v;
		return true;
	}
	call_reply_error(c, ERROR_INVALID, "%s: must be a whole number from %lld to %lld",
	    name, (long long)min, (long long)max);
	return false;
}

/* struct jsn is cJSON's node under another name. Reading and building; what cJSON is lax
 * about is settled before it (base/jsn_scan.c) and after it (duplicate keys). Recursion
 * here goes as deep as a tree is, which the scan limits to JSN_DEPTH_MAX and our own
 * wrapping adds a few levels to. */
#include "base/jsn.h"

#include <cjson/cJSON.h>
#include <errno.h>
#include <inttypes.h>
#include <math.h>

#include "base/clock.h"
#include "base/jsn_scan.h"

enum {
	JSN_FEW_MEMBERS = 16, /* up to here comparing all with all beats sorting */
	JSN_BUILT_DEPTH_MAX = 4 * JSN_DEPTH_MAX,
};

#define JSN_EXACT_MAX                                                                    \
	9007199254740991.0 /* 2^53 - 1: beyond, neighbours are no longer told apart */

static const cJSON *node(const struct jsn *v)
{
	return (const cJSON *)(const void *)v;
}

static cJSON *node_mut(struct jsn *v)
{
	return (cJSON *)(void *)v;
}

static const struct jsn *value(const cJSON *c)
{
	return (const struct jsn *)(const void *)c;
}

static struct jsn *made(cJSON *c)
{
	must(c);
	return (struct jsn *)(void *)c;
}

/* --- members by key --- */

struct member {
	cJSON *c;
	size_t i;
};

static int member_cmp(const void *a, const void *b)
{
	const struct member *x = a, *y = b;
	int r = strcmp(x->c->string, y->c->string);

	return r ? r : (x->i > y->i) - (x->i < y->i);
}

/* The members of @obj by key, of one key in their order: array to be freed, or NULL if
 * memory ran out. */
static struct member *members_sorted(const cJSON *obj, size_t n)
{
	struct member *all = calloc(n ? n : 1, sizeof(*all));
	size_t i = 0;

	if (!all)
		return NULL;
	for (cJSON *c = obj->child; c; c = c->next, i++)
		all[i] = (struct member){c, i};
	qsort(all, n, sizeof(*all), member_cmp);
	return all;
}

static size_t count_children(const cJSON *c)
{
	size_t n = 0;

	for (c = c->child; c; c = c->next)
		n++;
	return n;
}

static void drop_duplicates_few(cJSON *obj)
{
	for (cJSON *c = obj->child, *next; c; c = next) {
		next = c->next;
		for (cJSON *later = next; later; later = later->next) {
			if (strcmp(c->string, later->string) == 0) {
				cJSON_Delete(cJSON_DetachItemViaPointer(obj, c));
				break;
			}
		}
	}
}

static int drop_duplicates_many(cJSON *obj, size_t n)
{
	struct member *all = members_sorted(obj, n);

	if (!all)
		return -ENOMEM;
	for (size_t i = 0; i + 1 < n; i++)
		if (strcmp(all[i].c->string, all[i + 1].c->string) == 0)
			cJSON_Delete(cJSON_DetachItemViaPointer(obj, all[i].c));
	free(all);
	return 0;
}

/* Last one wins, everywhere below @c. */
static int drop_duplicates(cJSON *c)
{
	int r = 0;

	if (cJSON_IsObject(c)) {
		size_t n = count_children(c);

		if (n <= JSN_FEW_MEMBERS)
			drop_duplicates_few(c);
		else
			r = drop_duplicates_many(c, n);
	}
	for (cJSON *child = c->child; child && r == 0; child = child->next)
		if (child->child)
			r = drop_duplicates(child);
	return r;
}

/* --- parsing --- */

int jsn_parse(const char *text, size_t n, struct jsn **out, struct err *e)
{
	AUTO_FREE char *copy = NULL;
	bool rewrite = false;
	cJSON *root;
	int r;

	*out = NULL;
	r = jsn_scan(text, n, &rewrite, e);
	if (r)
		return r;
	if (rewrite) {
		copy = malloc(n);
		if (!copy)
			return err_set(e, -ENOMEM, "out of memory");
		memcpy(copy, text, n);
		jsn_scan_rewrite(copy, n);
		text = copy;
	}
	root = cJSON_ParseWithLength(text, n);
	/* The scan has refused whatever cJSON refuses, so only memory is left. */
	if (!root)
		return err_set(e, -ENOMEM, "out of memory");
	if (drop_duplicates(root)) {
		cJSON_Delete(root);
		return err_set(e, -ENOMEM, "out of memory");
	}
	*out = made(root);
	return 0;
}

void jsn_free(struct jsn *v)
{
	cJSON_Delete(node_mut(v));
}

void jsn_freep(struct jsn **v)
{
	jsn_free(*v);
	*v = NULL;
}

/* --- reading --- */

static enum jsn_type raw_type(const char *text)
{
	switch (text[strspn(text, " \t\n\r")]) {
	case '{':
		return JSN_OBJECT;
	case '[':
		return JSN_ARRAY;
	case '"':
		return JSN_STRING;
	case 't':
	case 'f':
		return JSN_BOOL;
	case 'n':
		return JSN_NULL;
	default:
		return JSN_NUMBER;
	}
}

enum jsn_type jsn_type(const struct jsn *v)
{
	if (!v)
		return JSN_NULL;
	switch (node(v)->type & 0xFF) {
	case cJSON_False:
	case cJSON_True:
		return JSN_BOOL;
	case cJSON_Number:
		return JSN_NUMBER;
	case cJSON_String:
		return JSN_STRING;
	case cJSON_Array:
		return JSN_ARRAY;
	case cJSON_Object:
		return JSN_OBJECT;
	case cJSON_Raw:
		return raw_type(node(v)->valuestring);
	default:
		return JSN_NULL;
	}
}

static cJSON *find(const cJSON *obj, const char *key)
{
	if (!cJSON_IsObject(obj))
		return NULL;
	for (cJSON *c = obj->child; c; c = c->next)
		if (strcmp(c->string, key) == 0)
			return c;
	return NULL;
}

const struct jsn *jsn_get(const struct jsn *obj, const char *key)
{
	return value(find(node(obj), key));
}

const struct jsn *jsn_first(const struct jsn *arr_or_obj)
{
	return arr_or_obj ? value(node(arr_or_obj)->child) : NULL;
}

const struct jsn *jsn_next(const struct jsn *v)
{
	return v ? value(node(v)->next) : NULL;
}

const char *jsn_key(const struct jsn *member)
{
	return member && node(member)->string ? node(member)->string : "";
}

size_t jsn_count(const struct jsn *arr_or_obj)
{
	return arr_or_obj ? count_children(node(arr_or_obj)) : 0;
}

const char *jsn_string(const struct jsn *v)
{
	return cJSON_GetStringValue(node(v));
}

const char *jsn_raw(const struct jsn *v)
{
	return cJSON_IsRaw(node(v)) ? node(v)->valuestring : NULL;
}

bool jsn_number(const struct jsn *v, double *out)
{
	int64_t i;

	if (cJSON_IsNumber(node(v)))
		*out = node(v)->valuedouble;
	else if (jsn_type(v) == JSN_NUMBER && jsn_int(v, &i))
		*out = (double)i; /* a whole number kept as text, see jsn_new_int() */
	else
		return false;
	return true;
}

static bool int_from_text(const char *s, int64_t *out)
{
	char *end;

	if (s[s[0] == '-'] < '0' || s[s[0] == '-'] > '9')
		return false;
	errno = 0;
	*out = strtoll(s, &end, 10);
	return errno == 0 && *end == '\0';
}

bool jsn_int(const struct jsn *v, int64_t *out)
{
	const cJSON *c = node(v);
	int64_t i;

	if (cJSON_IsString(c) || cJSON_IsRaw(c)) {
		if (!int_from_text(c->valuestring, &i))
			return false;
		*out = i;
		return true;
	}
	if (!cJSON_IsNumber(c) || fabs(c->valuedouble) > JSN_EXACT_MAX ||
	    c->valuedouble != trunc(c->valuedouble))
		return false;
	*out = (int64_t)c->valuedouble;
	return true;
}

bool jsn_bool(const struct jsn *v, bool *out)
{
	if (!cJSON_IsBool(node(v)))
		return false;
	*out = cJSON_IsTrue(node(v));
	return true;
}

const char *jsn_get_string(const struct jsn *obj, const char *key)
{
	return jsn_string(jsn_get(obj, key));
}

int64_t jsn_get_int(const struct jsn *obj, const char *key, int64_t dflt)
{
	int64_t i;

	return jsn_int(jsn_get(obj, key), &i) ? i : dflt;
}

bool jsn_get_bool(const struct jsn *obj, const char *key, bool dflt)
{
	bool b;

	return jsn_bool(jsn_get(obj, key), &b) ? b : dflt;
}

/* --- equality --- */

static bool equal(const cJSON *a, const cJSON *b, int depth);

/* Same keys in the same order is what nearly every comparison meets. */
static bool same_keys_in_order(const cJSON *a, const cJSON *b)
{
	const cJSON *x = a->child, *y = b->child;

	for (; x && y; x = x->next, y = y->next)
		if (strcmp(x->string, y->string) != 0)
			return false;
	return !x && !y;
}

static bool equal_in_order(const cJSON *a, const cJSON *b, int depth)
{
	const cJSON *x = a->child, *y = b->child;

	for (; x && y; x = x->next, y = y->next)
		if (!equal(x, y, depth + 1))
			return false;
	return !x && !y;
}

static bool equal_by_key(const cJSON *a, const cJSON *b, int depth)
{
	size_t n = count_children(a);
	AUTO_FREE struct member *x = NULL;
	AUTO_FREE struct member *y = NULL;

	if (n != count_children(b))
		return false;
	x = members_sorted(a, n);
	y = members_sorted(b, n);
	must(x && y);
	for (size_t i = 0; i < n; i++)
		if (strcmp(x[i].c->string, y[i].c->string) != 0 ||
		    !equal(x[i].c, y[i].c, depth + 1))
			return false;
	return true;
}

static bool equal(const cJSON *a, const cJSON *b, int depth)
{
	must(depth <= JSN_BUILT_DEPTH_MAX);
	if ((a->type & 0xFF) != (b->type & 0xFF))
		return false;
	switch (a->type & 0xFF) {
	case cJSON_Number:
		return !(
		    a->valuedouble < b->valuedouble || a->valuedouble > b->valuedouble);
	case cJSON_String:
	case cJSON_Raw:
		return strcmp(a->valuestring, b->valuestring) == 0;
	case cJSON_Array:
		return equal_in_order(a, b, depth);
	case cJSON_Object:
		return same_keys_in_order(a, b) ? equal_in_order(a, b, depth)
						: equal_by_key(a, b, depth);
	default:
		return true;
	}
}

bool jsn_equal(const struct jsn *a, const struct jsn *b)
{
	return a && b ? equal(node(a), node(b), 0) : a == b;
}

/* --- building --- */

struct jsn *jsn_new_object(void)
{
	return made(cJSON_CreateObject());
}

struct jsn *jsn_new_array(void)
{
	return made(cJSON_CreateArray());
}

struct jsn *jsn_new_string(const char *s)
{
	return made(s ? cJSON_CreateString(s) : cJSON_CreateNull());
}

struct jsn *jsn_new_string_n(const char *s, size_t n)
{
	AUTO_FREE char *copy = strndup(s ? s : "", s ? n : 0);

	must(copy);
	return jsn_new_string(copy);
}

struct jsn *jsn_new_int(int64_t i)
{
	char text[24];

	if (fabs((double)i) <= JSN_EXACT_MAX)
		return made(cJSON_CreateNumber((double)i));
	snprintf(text, sizeof(text), "%" PRId64, i);
	return made(cJSON_CreateRaw(text));
}

struct jsn *jsn_new_number(double d)
{
	return made(isfinite(d) ? cJSON_CreateNumber(d) : cJSON_CreateNull());
}

struct jsn *jsn_new_bool(bool b)
{
	return made(cJSON_CreateBool(b));
}

struct jsn *jsn_new_null(void)
{
	return made(cJSON_CreateNull());
}

struct jsn *jsn_new_raw(const char *json, size_t n)
{
	AUTO_FREE char *copy = strndup(json, n);

	must(copy);
	return made(cJSON_CreateRaw(copy));
}

struct jsn *jsn_copy(const struct jsn *v)
{
	return v ? made(cJSON_Duplicate(node(v), true)) : NULL;
}

void jsn_set(struct jsn *obj, const char *key, struct jsn *v)
{
	cJSON *old = find(node(obj), key);

	must(cJSON_IsObject(node(obj)) && v);
	if (old)
		must(cJSON_ReplaceItemInObjectCaseSensitive(
		    node_mut(obj), key, node_mut(v)));
	else
		must(cJSON_AddItemToObject(node_mut(obj), key, node_mut(v)));
}

void jsn_del(struct jsn *obj, const char *key)
{
	cJSON *c = find(node(obj), key);

	if (c)
		cJSON_Delete(cJSON_DetachItemViaPointer(node_mut(obj), c));
}

void jsn_push(struct jsn *arr, struct jsn *v)
{
	must(cJSON_IsArray(node(arr)) && v);
	must(cJSON_AddItemToArray(node_mut(arr), node_mut(v)));
}

void jsn_set_string(struct jsn *obj, const char *key, const char *s)
{
	jsn_set(obj, key, jsn_new_string(s));
}

void jsn_set_int(struct jsn *obj, const char *key, int64_t i)
{
	jsn_set(obj, key, jsn_new_int(i));
}

void jsn_set_bool(struct jsn *obj, const char *key, bool b)
{
	jsn_set(obj, key, jsn_new_bool(b));
}

void jsn_set_null(struct jsn *obj, const char *key)
{
	jsn_set(obj, key, jsn_new_null());
}

void jsn_set_time(struct jsn *obj, const char *key, int64_t unix_ms)
{
	char text[CLOCK_RFC3339_LEN + 1];

	if (unix_ms == 0) {
		jsn_set_null(obj, key);
		return;
	}
	clock_rfc3339(unix_ms, text);
	jsn_set_string(obj, key, text);
}

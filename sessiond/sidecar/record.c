/* Records as bytes. Not JSON: a settings file of a megabyte in a JSON string would pass
 * the limits its own documents have. */
#include "sessiond/sidecar/record.h"

#include <stdlib.h>
#include <string.h>

#include "base/digest.h"

#define RECORD_MAGIC "settings-sync-record 1\n"
#define RECORD_SUM   "sum "

enum {
	RECORD_NAME_MAX = 16,
	RECORD_SUM_LEN = sizeof(RECORD_SUM) - 1 + DIGEST_HEX_LEN + 1,
};

static const char *const record_names[RECORD_N_] = {
#define RECORD(field, name, sentence) name,
    RECORD_FIELDS(RECORD)
#undef RECORD
};

void record_set(struct record *r, enum record_field f, struct slice text)
{
	char *copy = NULL;

	if (text.p) {
		copy = malloc(text.n + 1);
		must(copy);
		memcpy(copy, text.p, text.n);
		copy[text.n] = '\0';
	}
	free((void *)(uintptr_t)r->f[f].p);
	r->f[f] = (struct slice){copy, copy ? text.n : 0};
}

struct slice record_get(const struct record *r, enum record_field f)
{
	return r->f[f];
}

const char *record_str(const struct record *r, enum record_field f)
{
	return r->f[f].p ? r->f[f].p : "";
}

void record_deinit(struct record *r)
{
	for (enum record_field f = 0; f < RECORD_N_; f++)
		record_set(r, f, SLICE_NULL);
}

void record_copy(struct record *to, const struct record *from)
{
	for (enum record_field f = 0; f < RECORD_N_; f++)
		record_set(to, f, from->f[f]);
}

bool record_equal(const struct record *a, const struct record *b)
{
	for (enum record_field f = 0; f < RECORD_N_; f++) {
		if ((a->f[f].p == NULL) != (b->f[f].p == NULL) ||
		    !slice_eq(a->f[f], b->f[f]))
			return false;
	}
	return true;
}

void record_encode(const struct record *r, struct buf *out)
{
	char sum[DIGEST_HEX_LEN + 1];
	size_t begin = out->n;

	buf_adds(out, RECORD_MAGIC);
	for (enum record_field f = 0; f < RECORD_N_; f++) {
		if (!r->f[f].p)
			continue;
		buf_addf(out, "%s %zu\n", record_names[f], r->f[f].n);
		buf_add_slice(out, r->f[f]);
		buf_addc(out, '\n');
	}
	if (out->failed)
		return;
	digest_hex(
	    (struct slice){out->data + begin, out->n - begin}, sum);
	buf_addf(out, RECORD_SUM "%s\n", sum);
}

/* Cut "name length\ntext\n" off the front of @rest. */
static bool record_take(struct slice *rest, struct slice *name, struct slice *text)
{
	const char *eol = memchr(rest->p, '\n', rest->n), *space;
	size_t n = 0, used;

	space = eol ? memchr(rest->p, ' ', (size_t)(eol - rest->p)) : NULL;
	if (!space || space + 1 == eol)
		return false;
	for (const char *p = space + 1; p < eol; p++) {
		if (*p < '0' || *p > '9' || n > RECORD_FIELD_MAX)
			return false;
		n = n * 10 + (size_t)(*p - '0');
	}
	used = (size_t)(eol + 1 - rest->p);
	if (n > RECORD_FIELD_MAX || rest->n - used < n + 1 || eol[1 + n] != '\n')
		return false;
	*name = (struct slice){rest->p, (size_t)(space - rest->p)};
	*text = (struct slice){eol + 1, n};
	*rest = (struct slice){eol + n + 2, rest->n - used - n - 1};
	return true;
}

static bool record_sum_is_good(struct slice bytes)
{
	char line[RECORD_SUM_LEN + 1], sum[DIGEST_HEX_LEN + 1];

	if (bytes.n < RECORD_SUM_LEN)
		return false;
	digest_hex((struct slice){bytes.p, bytes.n - RECORD_SUM_LEN}, sum);
	snprintf(line, sizeof(line), RECORD_SUM "%s\n", sum);
	return memcmp(bytes.p + bytes.n - RECORD_SUM_LEN, line, RECORD_SUM_LEN) == 0;
}

int record_decode(struct slice bytes, struct record *out, struct err *e)
{
	struct slice rest, name, text;
	struct record r = RECORD_NULL;

	if (!slice_starts(bytes, SLICE_LIT(RECORD_MAGIC)))
		return err_set(e, ERROR_INVALID, "not a record of this program");
	if (!record_sum_is_good(bytes))
		return err_set(e, ERROR_INVALID, "cut off or changed");
	rest.p = bytes.p + sizeof(RECORD_MAGIC) - 1;
	rest.n = bytes.n - (sizeof(RECORD_MAGIC) - 1) - RECORD_SUM_LEN;
	while (rest.n > 0) {
		if (!record_take(&rest, &name, &text)) {
			record_deinit(&r);
			return err_set(e, ERROR_INVALID, "malformed");
		}
		for (enum record_field f = 0; f < RECORD_N_; f++) {
			if (slice_is(name, record_names[f]))
				record_set(&r, f, text);
		}
	}
	record_deinit(out);
	*out = r;
	return 0;
}

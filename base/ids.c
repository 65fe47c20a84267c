/* Tokens and ULIDs. Everything that becomes part of a subject, a key or a file name went
 * through here once. */
#include "base/ids.h"

#include <errno.h>
#include <sys/random.h>

#include "base/clock.h"
#include "base/must.h"

enum {
	ID_PREFIX_MAX = 8,
	ID_ULID_CHARS = 26,
};

static bool id_char_ok(char c)
{
	return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
	       (c >= '0' && c <= '9') || c == '_' || c == '-';
}

bool id_token_valid(struct slice s)
{
	if (s.n == 0 || s.n > ID_MAX)
		return false;
	for (size_t i = 0; i < s.n; i++)
		if (!id_char_ok(s.p[i]))
			return false;
	return true;
}

bool id_parse(struct slice s, struct id *out)
{
	*out = ID_NULL;
	if (!id_token_valid(s))
		return false;
	memcpy(out->s, s.p, s.n);
	return true;
}

bool id_eq(const struct id *a, const struct id *b)
{
	return strcmp(a->s, b->s) == 0;
}

bool id_empty(const struct id *a)
{
	return a->s[0] == '\0';
}

void random_bytes(void *out, size_t n)
{
	unsigned char *p = out;

	while (n > 0) {
		ssize_t got = getrandom(p, n, 0);

		if (got < 0 && errno == EINTR)
			continue;
		must(got > 0);
		p += got;
		n -= (size_t)got;
	}
}

/* The 80 low bits of a ULID: fresh for each millisecond, one more within it. Loop thread
 * only. */
struct ulid_source {
	int64_t unix_ms;
	uint64_t high; /* 16 bits */
	uint64_t low;
};

static void ulid_advance(struct ulid_source *u, int64_t unix_ms)
{
	/* A clock set back must not make an id that sorts before the last one. */
	if (unix_ms <= u->unix_ms) {
		if (++u->low != 0 || ++u->high <= 0xFFFF)
			return;
		unix_ms = u->unix_ms + 1;
	}
	random_bytes(&u->low, sizeof(u->low));
	random_bytes(&u->high, sizeof(u->high));
	u->high &= 0x7FFF; /* leaves room to count upwards */
	u->unix_ms = unix_ms;
}

struct id id_make(const char *prefix)
{
	static const char alphabet[] = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";
	static struct ulid_source source;
	size_t n = strlen(prefix);
	struct id id = ID_NULL;
	uint64_t high, low;

	must(n <= ID_PREFIX_MAX);
	ulid_advance(&source, clock_unix_ms());
	memcpy(id.s, prefix, n);
	high = ((uint64_t)source.unix_ms << 16) | source.high;
	low = source.low;
	for (size_t i = ID_ULID_CHARS; i-- > 0;) {
		id.s[n + i] = alphabet[low & 31];
		low = (low >> 5) | (high << 59);
		high >>= 5;
	}
	return id;
}

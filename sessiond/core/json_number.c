/* A number is sign, digits without zeros at either end, and the exponent of its last
 * digit; two numbers are equal when all three are. */
#include "sessiond/core/json_number.h"

#define EXP_MAX (INT64_MAX / 4)

struct decimal {
	bool negative;
	struct slice whole, frac; /* digits before and after the point */
	size_t i_first, i_last;   /* significant digits among both, i_last exclusive */
	int64_t exp;              /* of the digit before i_last */
	bool huge_exp;
};

static char decimal_digit(const struct decimal *d, size_t i)
{
	return i < d->whole.n ? d->whole.p[i] : d->frac.p[i - d->whole.n];
}

static struct slice decimal_digits(const char **p, const char *end)
{
	struct slice s = {*p, 0};

	while (*p < end && **p >= '0' && **p <= '9')
		(*p)++;
	s.n = (size_t)(*p - s.p);
	return s;
}

static void decimal_exponent(struct decimal *d, const char *p, const char *end)
{
	bool negative = false;

	if (p < end && (*p == '+' || *p == '-'))
		negative = *p++ == '-';
	for (; p < end; p++) {
		if (d->exp > EXP_MAX / 10 - 10) {
			d->huge_exp = true;
			return;
		}
		d->exp = d->exp * 10 + (*p - '0');
	}
	if (negative)
		d->exp = -d->exp;
}

static struct decimal decimal_parse(struct slice s)
{
	struct decimal d = {0};
	const char *p = s.p, *end = s.p + s.n;
	size_t n;

	if (p < end && *p == '-') {
		d.negative = true;
		p++;
	}
	d.whole = decimal_digits(&p, end);
	if (p < end && *p == '.') {
		p++;
		d.frac = decimal_digits(&p, end);
	}
	if (p < end && (*p == 'e' || *p == 'E'))
		decimal_exponent(&d, p + 1, end);
	n = d.whole.n + d.frac.n;
	while (d.i_first < n && decimal_digit(&d, d.i_first) == '0')
		d.i_first++;
	d.i_last = n;
	while (d.i_last > d.i_first && decimal_digit(&d, d.i_last - 1) == '0')
		d.i_last--;
	if (d.i_first == d.i_last)
		return (struct decimal){0}; /* zero, whatever its sign and exponent */
	d.exp += (int64_t)d.whole.n - (int64_t)d.i_last;
	return d;
}

bool json_number_equal(struct slice a, struct slice b)
{
	struct decimal x, y;

	if (slice_eq(a, b))
		return true;
	x = decimal_parse(a);
	y = decimal_parse(b);
	/* beyond any exponent that counts, only the same text is the same number */
	if (x.huge_exp || y.huge_exp)
		return false;
	if (x.negative != y.negative || x.i_last - x.i_first != y.i_last - y.i_first)
		return false;
	if (x.exp != y.exp)
		return false;
	for (size_t i = 0; i < x.i_last - x.i_first; i++)
		if (decimal_digit(&x, x.i_first + i) != decimal_digit(&y, y.i_first + i))
			return false;
	return true;
}

uint64_t json_number_hash(struct slice text)
{
	struct decimal d = decimal_parse(text);
	uint64_t h = (uint64_t)d.exp * 2 + d.negative;

	if (d.huge_exp)
		return 0;
	for (size_t i = d.i_first; i < d.i_last; i++)
		h = (h ^ (unsigned char)decimal_digit(&d, i)) * 0x100000001b3u;
	return h;
}

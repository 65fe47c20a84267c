/* The only reader of clocks: cores are given the time. */
#include "base/clock.h"

#include <time.h>

#include "base/must.h"

static int64_t clock_us(clockid_t id)
{
	struct timespec ts;

	must(clock_gettime(id, &ts) == 0);
	return (int64_t)ts.tv_sec * 1000000 + ts.tv_nsec / 1000;
}

int64_t clock_mono_ms(void)
{
	return clock_us(CLOCK_MONOTONIC) / 1000;
}

int64_t clock_mono_us(void)
{
	return clock_us(CLOCK_MONOTONIC);
}

int64_t clock_boot_ms(void)
{
	return clock_us(CLOCK_BOOTTIME) / 1000;
}

int64_t clock_unix_ms(void)
{
	return clock_us(CLOCK_REALTIME) / 1000;
}

void clock_rfc3339(int64_t unix_ms, char out[static CLOCK_RFC3339_LEN + 1])
{
	struct tm tm;
	int64_t ms;
	time_t s;

	/* Four digits of year is what the form holds. */
	if (unix_ms < CLOCK_UNIX_MS_MIN)
		unix_ms = CLOCK_UNIX_MS_MIN;
	if (unix_ms > CLOCK_UNIX_MS_MAX)
		unix_ms = CLOCK_UNIX_MS_MAX;
	ms = ((unix_ms % 1000) + 1000) % 1000;
	s = (time_t)((unix_ms - ms) / 1000);
	must(gmtime_r(&s, &tm));
	snprintf(out, CLOCK_RFC3339_LEN + 1, "%04u-%02u-%02uT%02u:%02u:%02u.%03uZ",
	    (unsigned)(tm.tm_year + 1900) % 10000, (unsigned)(tm.tm_mon + 1) % 100,
	    (unsigned)tm.tm_mday % 100, (unsigned)tm.tm_hour % 100,
	    (unsigned)tm.tm_min % 100, (unsigned)tm.tm_sec % 100, (unsigned)ms % 1000);
}

/* Exactly @n digits at *s, which moves past them; -1 if there are fewer. */
static int clock_digits(const char **s, int n)
{
	int v = 0;

	while (n-- > 0) {
		if (**s < '0' || **s > '9')
			return -1;
		v = v * 10 + (*(*s)++ - '0');
	}
	return v;
}

static bool clock_eat(const char **s, char c)
{
	return **s == c && (*s)++;
}

static int clock_days_in_month(int year, int month)
{
	static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
	bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;

	return month == 2 && leap ? 29 : days[month - 1];
}

static bool clock_parse_date(const char **s, struct tm *tm)
{
	int year, month, day;

	year = clock_digits(s, 4);
	if (year < 0 || !clock_eat(s, '-'))
		return false;
	month = clock_digits(s, 2);
	if (month < 1 || month > 12 || !clock_eat(s, '-'))
		return false;
	day = clock_digits(s, 2);
	if (day < 1 || day > clock_days_in_month(year, month))
		return false;
	tm->tm_year = year - 1900;
	tm->tm_mon = month - 1;
	tm->tm_mday = day;
	return true;
}

static bool clock_parse_time(const char **s, struct tm *tm)
{
	tm->tm_hour = clock_digits(s, 2);
	if (tm->tm_hour < 0 || tm->tm_hour > 23 || !clock_eat(s, ':'))
		return false;
	tm->tm_min = clock_digits(s, 2);
	if (tm->tm_min < 0 || tm->tm_min > 59 || !clock_eat(s, ':'))
		return false;
	tm->tm_sec = clock_digits(s, 2);
	return tm->tm_sec >= 0 && tm->tm_sec <= 59;
}

/* ".5" and ".500123456" alike: milliseconds, rounded down. */
static bool clock_parse_fraction(const char **s, int *ms_out)
{
	int weight = 100, n = 0;

	*ms_out = 0;
	if (!clock_eat(s, '.'))
		return true;
	for (; **s >= '0' && **s <= '9'; n++, weight /= 10)
		*ms_out += weight * (*(*s)++ - '0');
	return n > 0;
}

static bool clock_parse_offset(const char **s, int *minutes_out)
{
	int sign, hours, minutes;

	*minutes_out = 0;
	if (clock_eat(s, 'Z'))
		return true;
	sign = **s == '-' ? -1 : 1;
	if (!clock_eat(s, '+') && !clock_eat(s, '-'))
		return false;
	hours = clock_digits(s, 2);
	if (hours < 0 || hours > 23 || !clock_eat(s, ':'))
		return false;
	minutes = clock_digits(s, 2);
	if (minutes < 0 || minutes > 59)
		return false;
	*minutes_out = sign * (hours * 60 + minutes);
	return true;
}

bool clock_parse_rfc3339(const char *s, int64_t *unix_ms_out)
{
	struct tm tm = {0};
	int ms, offset_min;

	if (!clock_parse_date(&s, &tm) || !clock_eat(&s, 'T') ||
	    !clock_parse_time(&s, &tm) || !clock_parse_fraction(&s, &ms) ||
	    !clock_parse_offset(&s, &offset_min) || *s)
		return false;
	*unix_ms_out = ((int64_t)timegm(&tm) - (int64_t)offset_min * 60) * 1000 + ms;
	return true;
}

/* Clocks. Durations and deadlines use monotonic milliseconds; wall time is for display
 * and records. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	CLOCK_RFC3339_LEN = 24, /* 2026-01-02T03:04:05.678Z, without the NUL */
};

/* What four digits of year can say: 0000-01-01 to the end of 9999. */
#define CLOCK_UNIX_MS_MIN INT64_C(-62167219200000)
#define CLOCK_UNIX_MS_MAX INT64_C(253402300799999)

int64_t clock_mono_ms(void);
int64_t clock_mono_us(void);
/* Counts suspended time too: what one observer measures another's silence with. */
int64_t clock_boot_ms(void);
int64_t clock_unix_ms(void);
/* UTC with milliseconds; what is out of range shows as the end of the range. */
void clock_rfc3339(int64_t unix_ms, char out[static CLOCK_RFC3339_LEN + 1]);
/* Strict inverse (any count of fraction digits, Z or numeric offset; no leap second);
 * false if malformed. */
bool clock_parse_rfc3339(const char *s, int64_t *unix_ms_out);

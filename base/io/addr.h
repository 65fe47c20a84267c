/* Addresses as they stand in settings: "ADDR:PORT", "[::1]:PORT". */
#pragma once

#include "base/err.h"

#include <stdint.h>

enum {
	ADDR_HOST_MAX = 255,
};

struct addr {
	char host[ADDR_HOST_MAX + 1]; /* without brackets */
	uint16_t port;
};

/* Return: 0; ERROR_INVALID with @e (not ADDR:PORT). A host name is accepted here;
 * listeners need a numeric address. */
int addr_parse(const char *text, struct addr *out, struct err *e) MUST_CHECK;
/* A numeric address of 127.0.0.0/8 or ::1; names are not. */
bool addr_is_loopback(const char *host);

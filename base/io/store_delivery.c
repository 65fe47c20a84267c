/* Deliveries of consumers: what their reply subject tells, and how they are acknowledged.
 */
#include <inttypes.h>
#include <string.h>

#include "base/io/store_internal.h"

enum {
	DELIVERY_N_TOKENS_MAX = 16,
};

static bool delivery_number(const char *s, uint64_t *out)
{
	uint64_t v = 0;
	int n = 0;

	for (; *s >= '0' && *s <= '9' && n < 20; s++, n++)
		v = v * 10 + (uint64_t)(*s - '0');
	*out = v;
	return n > 0 && (*s == '.' || *s == '\0');
}

/* $JS.ACK.<stream>.<consumer>.<delivered>.<stream seq>.<consumer seq>.<ns>.<pending>, or
 * with <domain>.<account> before the stream and a random token at the end. */
bool store_delivery_parse(const char *reply, struct store_delivery *out)
{
	const char *at[DELIVERY_N_TOKENS_MAX];
	uint64_t v[5];
	size_t n = 0, first;

	if (strncmp(reply, "$JS.ACK.", 8) != 0)
		return false;
	for (const char *p = reply; p && n < DELIVERY_N_TOKENS_MAX; n++) {
		at[n] = p;
		p = strchr(p, '.');
		if (p)
			p++;
	}
	if (n == 9)
		first = 4;
	else if (n >= 11)
		first = 6;
	else
		return false;
	for (size_t i = 0; i < ARRAY_LEN(v); i++)
		if (!delivery_number(at[first + i], &v[i]))
			return false;
	*out = (struct store_delivery){
	    .n_delivered = v[0],
	    .stream_seq = v[1],
	    .consumer_seq = v[2],
	    .at_unix_ms = (int64_t)(v[3] / 1000000),
	    .n_pending = v[4],
	};
	return true;
}

int store_ack_delivery(
    struct store *s, const char *reply, enum store_ack kind, int64_t nak_delay_ms)
{
	static const char *const words[] = {
	    [STORE_ACK] = "+ACK",
	    [STORE_NAK] = "-NAK",
	    [STORE_TERM] = "+TERM",
	    [STORE_PROGRESS] = "+WPI",
	};
	char text[64];

	if (!s->observer.bus)
		return ERROR_UNAVAILABLE;
	if (kind == STORE_NAK && nak_delay_ms > 0)
		snprintf(text, sizeof(text), "-NAK {\"delay\": %" PRId64 "}",
		    nak_delay_ms * 1000000);
	else
		snprintf(text, sizeof(text), "%s", words[kind]);
	return bus_publish(s->bus, reply, NULL, NULL, 0, slice_of(text));
}

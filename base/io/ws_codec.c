/* Payloads are unmasked where they lie. A message that came in one frame within one read
 * is handed out from there; only what is cut by frames or reads is copied together. */
#include "base/io/ws_codec.h"

#include <openssl/evp.h>
#include <string.h>

#include "base/utf8.h"

enum {
	FIN = 0x80,
	RSV = 0x70,
	OPCODE = 0x0f,
	MASKED = 0x80,
	LENGTH = 0x7f,
};

void ws_decoder_init(struct ws_decoder *d, size_t message_max_bytes, bool masked)
{
	*d =
	    (struct ws_decoder){.message = BUF_NULL(message_max_bytes), .masked = masked};
}

void ws_decoder_deinit(struct ws_decoder *d)
{
	buf_deinit(&d->message);
}

static enum ws_event fail(struct ws_item *item, int code, const char *why)
{
	item->code = code;
	item->why = why;
	return WS_EVENT_ERROR;
}

static bool is_control(const struct ws_decoder *d)
{
	return d->header[0] & 0x08;
}

static size_t mask_length(const struct ws_decoder *d)
{
	return d->masked ? WS_MASK_BYTES : 0;
}

static size_t header_length(const struct ws_decoder *d)
{
	uint8_t len = d->header[1] & LENGTH;

	return 2 + mask_length(d) + (len == 126 ? 2 : len == 127 ? 8 : 0);
}

static uint64_t payload_length(const struct ws_decoder *d)
{
	size_t n_extra = header_length(d) - 2 - mask_length(d);
	uint64_t v = 0;

	if (n_extra == 0)
		return d->header[1] & LENGTH;
	for (size_t i = 0; i < n_extra; i++)
		v = v << 8 | d->header[2 + i];
	return v;
}

/* header */

/* What its first two bytes already tell. */
static enum ws_event check_start(const struct ws_decoder *d, struct ws_item *item)
{
	uint8_t op = d->header[0] & OPCODE, len = d->header[1] & LENGTH;

	if (d->header[0] & RSV)
		return fail(item, 1002, "a reserved bit is set");
	if (!(d->header[1] & MASKED) == d->masked)
		return fail(item, 1002,
		    d->masked ? "a frame is not masked" : "a frame is masked");
	if (op > WS_OP_PONG || (op > WS_OP_BINARY && op < WS_OP_CLOSE))
		return fail(item, 1002, "a frame has an unknown opcode");
	if (is_control(d) && (!(d->header[0] & FIN) || len > WS_CONTROL_MAX_BYTES))
		return fail(item, 1002, "a control frame is fragmented or too long");
	if (op == WS_OP_CONTINUATION && !d->opcode)
		return fail(item, 1002, "a continuation continues nothing");
	if ((op == WS_OP_TEXT || op == WS_OP_BINARY) && d->opcode)
		return fail(item, 1002, "a message begins inside another");
	return WS_EVENT_NONE;
}

static enum ws_event begin_payload(struct ws_decoder *d, struct ws_item *item)
{
	d->n_left = payload_length(d);
	d->in_payload = true;
	d->mask_at = 0;
	d->n_control = 0;
	if (d->n_left >> 63)
		return fail(item, 1002, "a frame's length is out of range");
	if (is_control(d))
		return WS_EVENT_NONE;
	if (d->n_left > d->message.max - d->message.n)
		return fail(item, 1009, "the message is over its limit");
	if (!d->opcode)
		d->opcode = d->header[0] & OPCODE;
	return WS_EVENT_NONE;
}

/* Returns how many bytes it took. */
static size_t take_header(struct ws_decoder *d, const char *p, size_t n,
    enum ws_event *ev, struct ws_item *item)
{
	size_t i = 0;

	*ev = WS_EVENT_NONE;
	while (i < n && *ev == WS_EVENT_NONE && !d->in_payload) {
		d->header[d->n_header++] = (uint8_t)p[i++];
		if (d->n_header == 2)
			*ev = check_start(d, item);
		if (*ev == WS_EVENT_NONE && d->n_header >= 2 &&
		    d->n_header == header_length(d))
			*ev = begin_payload(d, item);
	}
	return i;
}

/* payload */

void ws_mask(char *p, size_t n, const uint8_t mask[static WS_MASK_BYTES], size_t mask_at)
{
	uint8_t m[8];
	uint64_t wide;
	size_t i = 0;

	for (size_t k = 0; k < sizeof(m); k++)
		m[k] = mask[(mask_at + k) % WS_MASK_BYTES];
	memcpy(&wide, m, sizeof(wide));
	for (; n - i >= sizeof(wide); i += sizeof(wide)) {
		uint64_t v;

		memcpy(&v, p + i, sizeof(v));
		v ^= wide;
		memcpy(p + i, &v, sizeof(v));
	}
	for (; i < n; i++)
		p[i] = (char)(p[i] ^ m[i % sizeof(m)]);
}

static void unmask(struct ws_decoder *d, char *p, size_t n)
{
	if (!d->masked)
		return;
	ws_mask(p, n, d->header + header_length(d) - WS_MASK_BYTES, d->mask_at);
	d->mask_at = (uint8_t)((d->mask_at + n) % WS_MASK_BYTES);
}

static bool code_is_sendable(int code)
{
	if (code >= 3000 && code <= 4999)
		return true;
	return code >= 1000 && code <= 1014 && code != 1004 && code != WS_NO_CODE &&
	       code != WS_ABNORMAL;
}

static enum ws_event end_close(struct ws_decoder *d, struct ws_item *item)
{
	const char *p = (const char *)d->control;

	item->code = WS_NO_CODE;
	if (d->n_control == 0)
		return WS_EVENT_CLOSE;
	if (d->n_control == 1)
		return fail(item, 1002, "a close frame has half a code");
	item->code = d->control[0] << 8 | d->control[1];
	item->payload = (struct slice){p + 2, (size_t)d->n_control - 2};
	if (!code_is_sendable(item->code))
		return fail(item, 1002, "a close frame has a code nobody may send");
	if (!utf8_valid(item->payload.p, item->payload.n))
		return fail(item, 1007, "a close frame's reason is not UTF-8");
	return WS_EVENT_CLOSE;
}

static enum ws_event end_control(struct ws_decoder *d, struct ws_item *item)
{
	item->payload = (struct slice){(const char *)d->control, d->n_control};
	switch (d->header[0] & OPCODE) {
	case WS_OP_PING:
		return WS_EVENT_PING;
	case WS_OP_PONG:
		return WS_EVENT_PONG;
	default:
		return end_close(d, item);
	}
}

static enum ws_event end_message(
    struct ws_decoder *d, struct slice whole, struct ws_item *item)
{
	item->payload = whole;
	item->is_text = d->opcode == WS_OP_TEXT;
	d->opcode = 0;
	if (item->is_text && !utf8_valid(whole.p, whole.n))
		return fail(item, 1007, "a text message is not UTF-8");
	return WS_EVENT_MESSAGE;
}

/* @last: the frame ends with these bytes. */
static enum ws_event take_data(
    struct ws_decoder *d, char *p, size_t n, bool last, struct ws_item *item)
{
	bool final = last && (d->header[0] & FIN);

	if (final && d->message.n == 0)
		return end_message(d, (struct slice){p, n}, item);
	buf_add(&d->message, p, n);
	if (d->message.failed)
		return fail(item, 1009, "the message is over its limit");
	return final ? end_message(d, buf_slice(&d->message), item) : WS_EVENT_NONE;
}

static enum ws_event take_payload(
    struct ws_decoder *d, char *p, size_t n, struct ws_item *item)
{
	bool last;

	unmask(d, p, n);
	d->n_left -= n;
	last = d->n_left == 0;
	if (last) {
		d->in_payload = false;
		d->n_header = 0;
	}
	if (!is_control(d))
		return take_data(d, p, n, last, item);
	memcpy(d->control + d->n_control, p, n);
	d->n_control = (uint8_t)(d->n_control + n);
	return last ? end_control(d, item) : WS_EVENT_NONE;
}

enum ws_event ws_decode(
    struct ws_decoder *d, char *p, size_t n, size_t *n_used_out, struct ws_item *item_out)
{
	enum ws_event ev = WS_EVENT_NONE;
	size_t used = 0;

	*item_out = (struct ws_item){0};
	if (!d->opcode && d->message.n > 0) /* handed out by the last call */
		buf_deinit(&d->message);
	while (ev == WS_EVENT_NONE && (used < n || (d->in_payload && d->n_left == 0))) {
		size_t n_here = n - used;

		if (!d->in_payload) {
			used += take_header(d, p + used, n_here, &ev, item_out);
			continue;
		}
		if (n_here > d->n_left)
			n_here = (size_t)d->n_left;
		ev = take_payload(d, p + used, n_here, item_out);
		used += n_here;
	}
	*n_used_out = used;
	return ev;
}

/* encoding */

size_t ws_header(uint8_t out[static WS_HEADER_MAX_BYTES], enum ws_opcode op,
    uint64_t n_payload, const uint8_t *mask)
{
	size_t n_extra = n_payload < 126 ? 0 : n_payload <= UINT16_MAX ? 2 : 8;
	size_t n = 2 + n_extra;

	out[0] = (uint8_t)(FIN | op);
	out[1] = (uint8_t)(n_extra == 0 ? n_payload : n_extra == 2 ? 126 : 127);
	for (size_t i = 0; i < n_extra; i++)
		out[2 + i] = (uint8_t)(n_payload >> (8 * (n_extra - 1 - i)));
	if (!mask)
		return n;
	out[1] |= MASKED;
	memcpy(out + n, mask, WS_MASK_BYTES);
	return n + WS_MASK_BYTES;
}

size_t ws_close_payload(
    char out[static WS_CONTROL_MAX_BYTES], int code, const char *reason)
{
	size_t n = reason ? strlen(reason) : 0;

	if (code == WS_NO_CODE)
		return 0;
	out[0] = (char)(code >> 8);
	out[1] = (char)code;
	if (n > WS_CONTROL_MAX_BYTES - 2) {
		n = WS_CONTROL_MAX_BYTES - 2;
		while (n > 0 && ((unsigned char)reason[n] & 0xc0) == 0x80)
			n--;
	}
	memcpy(out + 2, reason ? reason : "", n);
	return n + 2;
}

void ws_accept_value(const char *key, char out[static WS_ACCEPT_MAX])
{
	static const char guid[] = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
	unsigned char digest[EVP_MAX_MD_SIZE];
	unsigned int n_digest;
	char text[WS_KEY_LEN + sizeof(guid)];
	int n = snprintf(text, sizeof(text), "%s%s", key, guid);

	must(n < (int)sizeof(text));
	must(EVP_Digest(text, (size_t)n, digest, &n_digest, EVP_sha1(), NULL) == 1);
	EVP_EncodeBlock((unsigned char *)out, digest, (int)n_digest);
}

/* WebSocket frames (RFC 6455), the server's side of them: reassembly of masked frames
 * into whole messages within a limit, and the headers of frames to send. Pure; its own
 * file so that it can be fuzzed. */
#pragma once

#include "base/buf.h"
#include "base/slice.h"

#include <stdint.h>

enum {
	WS_HEADER_MAX_BYTES = 14,
	WS_CONTROL_MAX_BYTES = 125,
	WS_MASK_BYTES = 4,
	WS_KEY_LEN = 24,
	WS_ACCEPT_MAX = 32,
	WS_KEY_MAX = WS_KEY_LEN + 1,
	WS_NO_CODE = 1005,  /* a close frame without a code */
	WS_ABNORMAL = 1006, /* no close frame at all */
};

enum ws_opcode {
	WS_OP_CONTINUATION = 0,
	WS_OP_TEXT = 1,
	WS_OP_BINARY = 2,
	WS_OP_CLOSE = 8,
	WS_OP_PING = 9,
	WS_OP_PONG = 10,
};

enum ws_event {
	WS_EVENT_NONE, /* all input taken, nothing complete yet */
	WS_EVENT_MESSAGE,
	WS_EVENT_PING, /* payload to send back */
	WS_EVENT_PONG,
	WS_EVENT_CLOSE, /* code as received, WS_NO_CODE if none; payload is the reason */
	WS_EVENT_ERROR, /* code to close with; nothing may be decoded after it */
};

struct ws_item {
	struct slice payload; /* valid until the next call, or the input goes */
	bool is_text;
	int code;
	const char *why; /* of an error; static text */
};

struct ws_decoder {
	struct buf message; /* the part of a message that is here; its max is the limit */
	uint64_t n_left;    /* of the current frame's payload */
	uint8_t header[WS_HEADER_MAX_BYTES];
	uint8_t control[WS_CONTROL_MAX_BYTES];
	uint8_t n_header, n_control;
	uint8_t mask_at; /* position in the mask */
	uint8_t opcode;  /* of the message under way; 0 none */
	bool in_payload;
	bool masked; /* what comes must be (the server's side), or must not be */
};

void ws_decoder_init(struct ws_decoder *d, size_t message_max_bytes, bool masked);
void ws_decoder_deinit(struct ws_decoder *d);
/* Take frames from @p[0..n) until something is complete; @p is unmasked in place.
 * @n_used_out bytes were taken. */
enum ws_event ws_decode(struct ws_decoder *d, char *p, size_t n, size_t *n_used_out,
    struct ws_item *item_out);

/* The header of an unfragmented frame; @mask NULL: unmasked. Returns its length. */
size_t ws_header(uint8_t out[static WS_HEADER_MAX_BYTES], enum ws_opcode op,
    uint64_t n_payload, const uint8_t *mask);
/* Mask or unmask in place; @mask_at is the position of @p[0] in the mask. */
void ws_mask(char *p, size_t n, const uint8_t mask[static WS_MASK_BYTES], size_t mask_at);
/* Payload of a close frame, none for WS_NO_CODE; @reason is cut to fit; returns its
 * length. */
size_t ws_close_payload(
    char out[static WS_CONTROL_MAX_BYTES], int code, const char *reason);
/* The Sec-WebSocket-Accept that belongs to a key. */
void ws_accept_value(const char *key, char out[static WS_ACCEPT_MAX]);

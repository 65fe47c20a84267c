/* Decoder of a chunked request body: strict and bounded. Pure; its own file so that it
 * can be fuzzed. */
#pragma once

#include "base/slice.h"

#include <stdint.h>

enum http_chunked_state {
	HTTP_CHUNKED_SIZE, /* hexadecimal digits */
	HTTP_CHUNKED_EXTENSION,
	HTTP_CHUNKED_SIZE_LF,
	HTTP_CHUNKED_DATA,
	HTTP_CHUNKED_DATA_CR,
	HTTP_CHUNKED_DATA_LF,
	HTTP_CHUNKED_TRAILER_START, /* of a line */
	HTTP_CHUNKED_TRAILER,
	HTTP_CHUNKED_TRAILER_LF,
	HTTP_CHUNKED_END_LF,
	HTTP_CHUNKED_DONE,
};

/* All zero is the start. */
struct http_chunked {
	enum http_chunked_state state;
	uint8_t n_digits;
	uint16_t n_overhead; /* bytes of extension and trailers, bounded */
	uint64_t n_left;     /* of the chunk */
};

/* Take bytes off @in until some data is found, it is empty or the body is done: @data_out
 * is the data (within
 * @in, may be empty), @in what is left. False: malformed. Done when @c->state is
 * HTTP_CHUNKED_DONE. */
bool http_chunked_next(struct http_chunked *c, struct slice *in, struct slice *data_out);

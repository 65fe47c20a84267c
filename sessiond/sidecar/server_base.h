/* What the server answers, understood: the base and policy of a session, from sessiond
 * (which gives them as one document) or from Helix itself (which gives parts). */
#pragma once

#include "base/buf.h"
#include "base/err.h"

struct server_base {
	bool plain;      /* Helix's own API: flat fields, overrides go up as an object */
	struct buf base; /* the document, number and string text as it came */
	struct buf policy; /* empty: the built-in one */
	int64_t version;
	char color_scheme[16]; /* "" or as sent */
};

/* @api_url and @bearer: for what Helix wants pointed at itself. Return: 0; ERROR_INVALID:
 * no such answer (@e) */
int server_base_parse(struct slice body, const char *api_url, const char *bearer,
    struct server_base *out, struct err *e) MUST_CHECK;
void server_base_deinit(struct server_base *b);

struct server_overrides {
	struct buf text; /* {"set":{},"del":[]} */
	int64_t revision;
};

int server_overrides_parse(
    struct slice body, struct server_overrides *out, struct err *e) MUST_CHECK;
void server_overrides_deinit(struct server_overrides *o);

struct server_posted {
	int64_t revision; /* -1: not said */
	size_t n_rejected, n_invalid;
	char first[160]; /* of those: path and rule */
};

/* Never fails: Helix's answer says nothing but ok. */
void server_posted_parse(struct slice body, struct server_posted *out);

/* What the server answers, understood: the base and policy of a session, from sessiond
 * (which gives them as one document) or from Helix itself (which gives parts). */
#pragma once

#include "base/buf.h"
#include "base/err.h"
#include "sessiond/sidecar/helix_base.h"

struct server_base {
	bool plain;      /* Helix's own API: flat fields, overrides go up as an object */
	struct buf base; /* the document, number and string text as it came */
	struct buf policy; /* empty: the built-in one */
	int64_t version;
	char color_scheme[16]; /* "" or as sent */
	bool claude, codex;    /* there are credentials to fetch */
	struct slice answer;   /* as it came, borrowed from the body */
	char host[256];        /* Helix: helix_base_host() */
};

/* @helix: what of here goes into a base made of Helix's parts. Return: 0; ERROR_INVALID:
 * no such answer (@e) */
int server_base_parse(struct slice body, const struct helix_base_conf *helix,
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
	size_t n_rejected, n_invalid, n_superseded;
	char first[160]; /* of those: path and rule */
};

/* Never fails: Helix's answer says nothing but ok. */
void server_posted_parse(struct slice body, struct server_posted *out);

/* The base as Helix's own API gives it: in parts, to which its daemon adds what every
 * desktop gets, and how the agent is started. */
#pragma once

#include "sessiond/sidecar/helix_answer.h"

/* What of this machine goes into it. */
struct helix_base_conf {
	const char *api_url;    /* what "localhost" means in what Helix says */
	const char *user_token; /* the user's own, for what acts as the user; NULL: none */
	const char *home;       /* of the desktop's user; NULL: "" */
	const char *setup_token;          /* of claude, instead of a file; NULL: none */
	bool claude_signed_in, codex_signed_in; /* their credential files are there */
};

/* @answer: the body of GET zed-config, which passed helix_answer_check(). The base, in
 * @a; borrows from @answer. */
struct jval *helix_base_build(
    struct arena *a, const struct jval *answer, const struct helix_base_conf *c);

/* The host and port that the server of Helix's own in @answer is said to have; empty if
 * it is named as it is reached from here. Borrows. */
struct slice helix_base_host(struct arena *a, const struct jval *answer);

/* Sign-ins of agents that Helix keeps for its users: what its API says of one, what the
 * agent's own file says, and which of the two is the newer. */
#pragma once

#include "base/err.h"
#include "sessiond/core/arena.h"

enum helix_credential_kind { HELIX_CLAUDE, HELIX_CODEX, HELIX_CREDENTIAL_N_ };

struct helix_credential {
	bool usable;
	int64_t stamp; /* grows with each refresh: ms of the expiry (claude), of the last
			  refresh (codex) */
	struct slice told;  /* as the API takes it */
	struct slice filed; /* the text of the agent's file */
	struct slice setup_token; /* claude may have this instead of all that; else empty */
};

/* The body of GET; not usable if nobody is signed in. In @a; borrows. Return: 0;
 * ERROR_INVALID: it is no such answer */
int helix_credential_answer(struct arena *a, enum helix_credential_kind k,
    struct slice body, struct helix_credential *out, struct err *e) MUST_CHECK;
/* The agent's file; not usable when it is of something else, or nobody is signed in. */
void helix_credential_file(struct arena *a, enum helix_credential_kind k,
    struct slice text, struct helix_credential *out);

enum helix_credential_step {
	HELIX_CREDENTIAL_KEEP,
	HELIX_CREDENTIAL_WRITE, /* the file shall say what the API says */
	HELIX_CREDENTIAL_TELL,  /* the API shall hear what the file says */
};

/* The newer one counts, on both sides: one of the two tokens was replaced by the other
 * and is worth nothing any more. */
enum helix_credential_step helix_credential_decide(
    const struct helix_credential *api, const struct helix_credential *file);

/* Below the home folder. */
const char *helix_credential_path(enum helix_credential_kind k);
/* "claude-credentials" */
const char *helix_credential_name(enum helix_credential_kind k);
/* The answer to a PUT says that the API has a newer one. */
bool helix_credential_is_stale(struct slice body);

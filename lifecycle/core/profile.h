/* A profile: what a runner may run under one name, as whom and within what limits. Parsed
 * from a file that only root or the runner's user can write; the bus fills in values,
 * never what runs. Pure: reading files is lifecycle/runner's. */
#pragma once

#include "base/buf.h"
#include "lifecycle/core/offer.h"

enum {
	PROFILE_BYTES_MAX = 256 * 1024,
	PROFILE_ARGS_MAX = 256,
	PROFILE_COMPANIONS_MAX = 8,
	PROFILE_COMPANION_NAME_MAX = 24,
	PROFILE_PARAM_MAX_DEFAULT = 256,
	PROFILE_PARAM_MAX_MAX = 4096,
	PROFILE_ARG_BYTES_MAX =
	    128 * 1024, /* expanded; the kernel's limit of one string */
	PROFILE_READY_MS_MAX = 3600 * 1000,
};

enum ready_kind { READY_PROCESS, READY_FILE, READY_HTTP, READY_AGENT };

/* Arguments with placeholders, not expanded. */
struct profile_command {
	char **args; /* owned, NULL-terminated */
	size_t n;
};

struct profile_companion {
	char *name; /* owned; a token */
	struct profile_command command;
	char *ready_http; /* owned; NULL: ready when it runs */
};

struct profile {
	struct offer offer; /* name, env_allow, params, restart, stop; hash is the
			       reader's to set */
	struct profile_command command;
	struct strmap env; /* values with placeholders */
	struct profile_companion companions[PROFILE_COMPANIONS_MAX];
	size_t n_companions;
	char *user; /* owned; "" the runner's own, "@each" one uid an instance, else a
		       name */
	char **workspace_roots; /* owned; none: the runner's */
	size_t n_workspace_roots;
	bool wipe; /* remove the instance's home when it is terminal */
	int64_t memory_max_mb, cpu_milli, pids_max; /* 0: no limit */
	enum ready_kind ready;
	char *
	    ready_arg; /* owned; path or URL with placeholders; NULL for process, agent */
	int64_t alive_ms;            /* READY_PROCESS */
	struct profile_command hook; /* n 0: none */
};

#define PROFILE_NULL ((struct profile){.offer = OFFER_NULL})

void profile_deinit(struct profile *p); /* legal twice */

/**
 * profile_parse() - one profile file
 * @name: of the profile (file name without .json)
 * @out:  PROFILE_NULL; to be deinitialised also on failure
 *
 * Unknown fields, wrong types, unknown placeholders, patterns that do not compile, a
 * placeholder in what a shell would run (the argument after -c): all refused, @e names
 * the field.
 *
 * Return: 0; ERROR_INVALID
 */
int profile_parse(const struct id *name, struct slice text, struct profile *out,
    struct err *e) MUST_CHECK;

/* The last part of profile_parse: what needs the whole profile. */
int profile_check(struct profile *p, struct err *e) MUST_CHECK;

/* What placeholders stand for; borrowed. */
struct profile_vars {
	const char *instance, *session, *workspace, *home, *data;
	uint16_t port;
	const struct strmap *params;
};

/**
 * profile_expand() - one argument, value or URL
 * @text: as in a parsed profile
 *
 * No word splitting: one text stays one text. A parameter whose value starts with '-' is
 * refused where its placeholder begins an argument.
 *
 * Return: 0; ERROR_INVALID; ERROR_TOO_LARGE
 */
int profile_expand(const char *text, const struct profile_vars *v, struct buf *out,
    struct err *e) MUST_CHECK;
/* Every argument; *argv_out owned, NULL-terminated, freed with profile_argv_free. */
int profile_expand_command(const struct profile_command *c, const struct profile_vars *v,
    char ***argv_out, struct err *e) MUST_CHECK;
void profile_argv_free(char **argv); /* takes NULL */

/* True if some argument or value has {port}. */
bool profile_uses_port(const struct profile_command *c);

const char *ready_kind_name(enum ready_kind k);

/* What the verbs of settings share: asking sessiond, refusals path by path, words for
 * what it answers. */
#pragma once

#include "zedctl/web.h"

enum {
	SETTINGS_PATH_MAX_BYTES = 16 << 10,
	SETTINGS_MAX_BYTES = 4 << 20,
};

/* GET /api/v1/sessions/<session><tail>[?name=value]; an answer that is no JSON is a
 * refusal. */
int settings_fetch(
    struct ctl *c, const char *session, const char *tail, struct web_answer *answer);
int settings_fetch_query(struct ctl *c, const char *session, const char *tail,
    const char *name, const char *value, struct web_answer *answer);
/* Likewise of a session that is there: asking for settings would make one. */
int settings_fetch_known(
    struct ctl *c, const char *session, const char *tail, struct web_answer *answer);
/* Send @body to that place, again if the answer gets lost: what is asked must not change
 * by being asked twice. @if_match may be NULL. Any answer is CTL_DONE. */
int settings_send(struct ctl *c, const char *method, const char *session,
    const char *tail, struct slice body, const char *if_match, struct web_answer *answer);
/* CTL_DONE if the answer is a 2xx; else why not on stderr, a line for each path it
 * names. */
int settings_check(const struct web_answer *answer);

/* Operand @i as a JSON pointer, "" if it is not there; CTL_USAGE if it is none. */
int settings_pointer(const struct args *a, size_t i, const char **out);
/* A value for people or, with -o json, as it is; with --raw strings bare. */
void settings_print(const struct ctl *c, struct slice value);

/* Append "alice, revision 7, 2h ago"; parts that are not known are left out. */
void settings_add_who(struct buf *out, const char *actor, int64_t revision, const char *at);

/* Whom an instance runs as. Accounts are local ones (/etc/passwd, /etc/group): small
 * files, no name service on the loop. */
#pragma once

#include "base/err.h"

#include <sys/types.h>

enum {
	ACCOUNT_GROUPS_MAX = 64,
};

struct account {
	bool drop; /* become uid, gid, groups; false: stay the runner's user */
	uid_t uid;
	gid_t gid;
	gid_t groups[ACCOUNT_GROUPS_MAX]; /* supplementary */
	size_t n_groups;
	char user[64];
	char shell[128];
};

struct uid_range {
	uid_t first, last; /* first 0: none */
};

/* "A-B", both above 0, A <= B. "" or NULL: none. */
int uid_range_parse(const char *text, struct uid_range *out, struct err *e) MUST_CHECK;

/* @user: "" the runner's own, or a name. ERROR_NOT_FOUND; ERROR_FORBIDDEN (not root, or a
 * name that is root's). */
int account_find(const char *user, struct account *out, struct err *e) MUST_CHECK;
/* The account of a uid of the range: own group of the same number, no other groups. */
void account_of_range(uid_t uid, struct account *out);

/* Accounts from /etc/passwd and /etc/group. */
#include "lifecycle/runner/account.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

int uid_range_parse(const char *text, struct uid_range *out, struct err *e)
{
	unsigned long a, b;
	char *end;

	*out = (struct uid_range){0, 0};
	if (!text || !*text)
		return 0;
	errno = 0;
	a = strtoul(text, &end, 10);
	b = *end == '-' ? strtoul(end + 1, &end, 10) : 0;
	if (errno || *end || a == 0 || b < a || b > 0xfffffffeUL || text[0] == '-')
		return err_set(e, ERROR_INVALID,
		    "--uid-range: \"%s\" is not A-B with 0 < A <= B", text);
	out->first = (uid_t)a;
	out->last = (uid_t)b;
	return 0;
}

static void account_add_groups(struct account *a)
{
	FILE *f = fopen("/etc/group", "re");
	struct group *g;

	while (f && (g = fgetgrent(f))) {
		for (char **m = g->gr_mem; *m; m++) {
			if (strcmp(*m, a->user) == 0 && g->gr_gid != a->gid &&
			    a->n_groups < ACCOUNT_GROUPS_MAX)
				a->groups[a->n_groups++] = g->gr_gid;
		}
	}
	if (f)
		fclose(f);
}

static void account_take(struct account *a, const struct passwd *pw)
{
	*a = (struct account){.uid = pw->pw_uid, .gid = pw->pw_gid};
	snprintf(a->user, sizeof a->user, "%s", pw->pw_name);
	snprintf(
	    a->shell, sizeof a->shell, "%s", pw->pw_shell[0] ? pw->pw_shell : "/bin/sh");
}

/* By name, or by uid when @name is "". */
static bool account_lookup(const char *name, uid_t uid, struct account *a)
{
	FILE *f = fopen("/etc/passwd", "re");
	struct passwd *pw;
	bool found = false;

	while (f && !found && (pw = fgetpwent(f))) {
		found = *name ? strcmp(pw->pw_name, name) == 0 : pw->pw_uid == uid;
		if (found)
			account_take(a, pw);
	}
	if (f)
		fclose(f);
	return found;
}

int account_find(const char *user, struct account *out, struct err *e)
{
	if (!*user) {
		if (!account_lookup("", geteuid(), out)) {
			*out = (struct account){
			    .uid = geteuid(), .gid = getegid(), .shell = "/bin/sh"};
			snprintf(out->user, sizeof out->user, "%u", geteuid());
		}
		return 0;
	}
	if (!account_lookup(user, 0, out))
		return err_set(
		    e, ERROR_NOT_FOUND, "user %.64s is not in /etc/passwd", user);
	if (out->uid == geteuid())
		return 0;
	if (geteuid() != 0)
		return err_set(e, ERROR_FORBIDDEN,
		    "user %.64s: only root may start programs as another user", user);
	out->drop = true;
	account_add_groups(out);
	return 0;
}

void account_of_range(uid_t uid, struct account *out)
{
	*out = (struct account){
	    .drop = true, .uid = uid, .gid = (gid_t)uid, .shell = "/bin/sh"};
	snprintf(out->user, sizeof out->user, "zed%u", uid);
}

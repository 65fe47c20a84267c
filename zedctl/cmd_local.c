/* Verbs that ask nobody: tokens and completion. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/io/auth.h"
#include "zedctl/cmds.h"
#include "zedctl/ctl.h"

enum {
	TOKEN_LINE_MAX_BYTES = 64 << 10,
	COMPLETION_MAX_BYTES = 256 << 10,
};

/* ---- token new */

static int token_line(
    const struct ctl *c, const struct args *a, const char *secret, struct jsn **out)
{
	const char *role = args_get(a, "role"), *sub = args_get(a, "sub");
	const char *expires = args_get(a, "expires-at"), *session;
	char hash[AUTH_HASH_LEN + 1];
	struct jsn *o, *sessions;
	enum auth_role parsed;
	int64_t at;

	(void)c;
	if (!auth_role_parse(role, &parsed))
		return ctl_fail(CTL_USAGE,
		    "--role %s: not admin, service, operator, user or agent", role);
	if (!*sub || strlen(sub) > AUTH_SUB_MAX)
		return ctl_fail(CTL_USAGE, "--sub: 1 to %d bytes", AUTH_SUB_MAX);
	if (expires && !clock_parse_rfc3339(expires, &at))
		return ctl_fail(
		    CTL_USAGE, "--expires-at %s: not a time of RFC 3339", expires);
	auth_hash(secret, strlen(secret), hash);
	o = jsn_new_object();
	jsn_set_string(o, "sha256", hash);
	jsn_set_string(o, "role", role);
	jsn_set_string(o, "sub", sub);
	if (args_has(a, "session")) {
		sessions = jsn_new_array();
		for (size_t i = 0; (session = args_nth(a, "session", i)); i++)
			jsn_push(sessions, jsn_new_string(session));
		jsn_set(o, "sessions", sessions);
	}
	if (expires)
		jsn_set_string(o, "expires_at", expires);
	*out = o;
	return CTL_DONE;
}

/* One write, so that a reader never sees half a line. */
static int token_append(const char *path, struct slice line)
{
	int fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
	ssize_t n;
	int r;

	if (fd < 0)
		return ctl_fail(CTL_REFUSED, "%s: %s", path, strerror(errno));
	n = write(fd, line.p, line.n);
	r = n == (ssize_t)line.n && fsync(fd) == 0 ? 0 : errno;
	close(fd);
	return r == 0 ? CTL_DONE : ctl_fail(CTL_REFUSED, "%s: %s", path, strerror(r));
}

static int token_print(
    const struct ctl *c, const char *secret, struct jsn *line, struct slice text)
{
	struct jsn *o;

	if (c->output != CTL_JSON) {
		printf("secret (shown this once):  %s\nline for the token file:  "
		       " " SLICE_FMT,
		    secret, SLICE_ARG(text));
		jsn_free(line);
		return CTL_DONE;
	}
	o = jsn_new_object();
	jsn_set_string(o, "secret", secret);
	jsn_set(o, "line", line);
	ctl_print_json(c, o);
	jsn_free(o);
	return CTL_DONE;
}

int cmd_token_new(struct ctl *c, const struct args *a)
{
	const char *file = args_get(a, "append");
	struct buf text = BUF_NULL(TOKEN_LINE_MAX_BYTES);
	char secret[AUTH_SECRET_LEN + 1];
	struct jsn *line = NULL;
	int exit_code;

	auth_make_secret(secret);
	exit_code = token_line(c, a, secret, &line);
	if (exit_code != CTL_DONE)
		return exit_code;
	jsn_print(line, &text);
	buf_addc(&text, '\n');
	if (file) {
		jsn_free(line);
		exit_code = token_append(file, buf_slice(&text));
		if (exit_code == CTL_DONE)
			printf("%s\n", secret);
	} else {
		exit_code = token_print(c, secret, line, buf_slice(&text));
	}
	buf_deinit(&text);
	return exit_code;
}

/* ---- completion */

int cmd_completion(struct ctl *c, const struct args *a)
{
	struct buf text = BUF_NULL(COMPLETION_MAX_BYTES);
	int exit_code = CTL_DONE;

	(void)c;
	if (completion_print(a->operands[0], &text))
		fputs(buf_cstr(&text), stdout);
	else
		exit_code = ctl_fail(
		    CTL_USAGE, "completion: %s: not bash, zsh or fish", a->operands[0]);
	buf_deinit(&text);
	return exit_code;
}

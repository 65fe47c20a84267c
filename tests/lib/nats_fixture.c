/* The broker of a test. Waits by connecting, never by sleeping for a time that is hoped
 * to be enough. */
#include "tests/lib/nats_fixture.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/must.h"

enum {
	FIXTURE_START_MS = 20000,
	FIXTURE_RETRY_MS = 5,
	FIXTURE_PATH_MAX = 128,
};

static struct sockaddr_in fixture_addr(uint16_t port)
{
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons(port)};

	a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	return a;
}

static uint16_t fixture_free_port(void)
{
	struct sockaddr_in a = fixture_addr(0);
	socklen_t n = sizeof(a);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	must(fd >= 0);
	must(bind(fd, (struct sockaddr *)&a, sizeof(a)) == 0);
	must(getsockname(fd, (struct sockaddr *)&a, &n) == 0);
	close(fd);
	return ntohs(a.sin_port);
}

void nats_fixture_configure(struct nats_fixture *f, const char *config)
{
	char path[FIXTURE_PATH_MAX];
	FILE *file;

	snprintf(path, sizeof(path), "%s/nats.conf", f->dir);
	file = fopen(path, "we");
	must(file);
	fprintf(file,
	    "listen: \"127.0.0.1:%u\"\n"
	    "log_file: \"%s/log\"\n"
	    "jetstream { store_dir: \"%s/store\", max_mem: 256M, max_file: 1G }\n%s\n",
	    (unsigned)f->port, f->dir, f->dir, config ? config : "");
	must(fclose(file) == 0);
}

void nats_fixture_init(struct nats_fixture *f, const char *config)
{
	*f = (struct nats_fixture){.port = fixture_free_port()};
	snprintf(f->dir, sizeof(f->dir), "/tmp/zedbus-nats-XXXXXX");
	must(mkdtemp(f->dir));
	snprintf(f->url, sizeof(f->url), "nats://127.0.0.1:%u", (unsigned)f->port);
	nats_fixture_configure(f, config);
}

static void fixture_exec(const struct nats_fixture *f, pid_t parent)
{
	char conf[FIXTURE_PATH_MAX];
	int null = open("/dev/null", O_RDWR);

	snprintf(conf, sizeof(conf), "%s/nats.conf", f->dir);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(1);
	dup2(null, STDOUT_FILENO);
	execlp("nats-server", "nats-server", "-c", conf, (char *)NULL);
	_exit(127);
}

/* True when the server sent the beginning of its greeting. */
static bool fixture_greets(uint16_t port)
{
	struct sockaddr_in a = fixture_addr(port);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct timeval limit = {.tv_sec = 1};
	char greeting[4];
	bool ok;

	must(fd >= 0);
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	ok = connect(fd, (struct sockaddr *)&a, sizeof(a)) == 0 &&
	     recv(fd, greeting, sizeof(greeting), MSG_WAITALL) == sizeof(greeting) &&
	     memcmp(greeting, "INFO", sizeof(greeting)) == 0;
	close(fd);
	return ok;
}

void nats_fixture_start(struct nats_fixture *f)
{
	const struct timespec pause = {.tv_nsec = FIXTURE_RETRY_MS * 1000000L};
	int64_t due_ms = clock_mono_ms() + FIXTURE_START_MS;
	pid_t parent = getpid();

	must(f->pid == 0);
	f->pid = fork();
	must(f->pid >= 0);
	if (f->pid == 0)
		fixture_exec(f, parent);
	while (!fixture_greets(f->port)) {
		must(waitpid(f->pid, NULL, WNOHANG) == 0);
		must(clock_mono_ms() < due_ms);
		nanosleep(&pause, NULL);
	}
}

static void fixture_end(struct nats_fixture *f, int signum)
{
	if (f->pid == 0)
		return;
	kill(f->pid, signum);
	kill(f->pid, SIGCONT);
	must(waitpid(f->pid, NULL, 0) == f->pid);
	f->pid = 0;
}

void nats_fixture_kill(struct nats_fixture *f)
{
	fixture_end(f, SIGKILL);
}

void nats_fixture_stop(struct nats_fixture *f)
{
	fixture_end(f, SIGTERM);
}

void nats_fixture_freeze(struct nats_fixture *f)
{
	int status;

	/* Its other threads may go on for a moment after the signal was sent. */
	kill(f->pid, SIGSTOP);
	must(waitpid(f->pid, &status, WUNTRACED) == f->pid && WIFSTOPPED(status));
}

void nats_fixture_thaw(struct nats_fixture *f)
{
	kill(f->pid, SIGCONT);
}

static void fixture_remove(const char *path)
{
	pid_t pid = fork();

	must(pid >= 0);
	if (pid == 0) {
		execlp("rm", "rm", "-rf", "--", path, (char *)NULL);
		_exit(127);
	}
	must(waitpid(pid, NULL, 0) == pid);
}

void nats_fixture_wipe(struct nats_fixture *f)
{
	char path[FIXTURE_PATH_MAX];

	must(f->pid == 0);
	snprintf(path, sizeof(path), "%s/store", f->dir);
	fixture_remove(path);
}

void nats_fixture_deinit(struct nats_fixture *f)
{
	nats_fixture_kill(f);
	if (*f->dir)
		fixture_remove(f->dir);
	*f = (struct nats_fixture){0};
}

/* runner_child: what instances of the runner's tests run. Options are carried out in
 *order:
 *	--touch FILE		make it
 *	--env FILE		write the environment there, a line each
 *	--stamp FILE		append CLOCK_MONOTONIC in microseconds and the pid
 *	--ignore-term		SIGTERM does nothing from here on
 *	--note-term FILE	SIGTERM makes FILE and ends it with 0
 *	--stray			leave behind a process with a session of its own that
 *ignores SIGTERM
 *	--print TEXT		to standard output
 *	--exit CODE | --die SIGNAL | --wait-file FILE
 * Without an end it waits for ever. */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

extern char **environ;

static const char *note_file;

static void on_term(int signo)
{
	int fd = open(note_file, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

	(void)signo;
	if (fd >= 0)
		close(fd);
	_exit(0);
}

static FILE *must_open(const char *path, const char *mode)
{
	FILE *f = fopen(path, mode);

	if (!f) {
		perror(path);
		exit(99);
	}
	return f;
}

static void write_env(const char *path)
{
	FILE *f = must_open(path, "we");

	for (char **e = environ; *e; e++)
		fprintf(f, "%s\n", *e);
	fclose(f);
}

static void stamp(const char *path)
{
	FILE *f = must_open(path, "ae");
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	fprintf(f, "%lld %d\n", (long long)ts.tv_sec * 1000000 + ts.tv_nsec / 1000,
	    (int)getpid());
	fclose(f);
}

static void wait_for_ever(void)
{
	for (;;)
		pause();
}

static void stray(void)
{
	/* Set before it is born: there is no moment in which SIGTERM would end it. */
	void (*old)(int) = signal(SIGTERM, SIG_IGN);

	if (fork() == 0) {
		(void)setsid();
		if (fork() != 0)
			_exit(0);
		wait_for_ever();
	}
	signal(SIGTERM, old);
}

static void wait_file(const char *path)
{
	const struct timespec pause_time = {.tv_nsec = 5000000};

	while (access(path, F_OK) != 0)
		nanosleep(&pause_time, NULL);
}

static int number(const char *text)
{
	return (int)strtol(text, NULL, 10);
}

static int option(const char *name, const char *value)
{
	if (strcmp(name, "--ignore-term") == 0)
		return signal(SIGTERM, SIG_IGN), 1;
	if (strcmp(name, "--stray") == 0)
		return stray(), 1;
	if (!value)
		exit(98);
	if (strcmp(name, "--touch") == 0)
		fclose(must_open(value, "we"));
	else if (strcmp(name, "--env") == 0)
		write_env(value);
	else if (strcmp(name, "--stamp") == 0)
		stamp(value);
	else if (strcmp(name, "--note-term") == 0)
		note_file = value, signal(SIGTERM, on_term);
	else if (strcmp(name, "--print") == 0)
		printf("%s\n", value), fflush(stdout);
	else if (strcmp(name, "--wait-file") == 0)
		wait_file(value);
	else if (strcmp(name, "--exit") == 0)
		exit(number(value));
	else if (strcmp(name, "--die") == 0)
		signal(number(value), SIG_DFL), raise(number(value));
	else
		exit(97);
	return 2;
}

int main(int argc, char **argv)
{
	for (int i = 1; i < argc;)
		i += option(argv[i], i + 1 < argc ? argv[i + 1] : NULL);
	wait_for_ever();
}

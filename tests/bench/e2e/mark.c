/* bench-mark SOCKET NAME: the instance the benchmark starts. Sends "NAME MONOTONIC_US" to
 * a datagram socket as the first thing its main() does, then waits for its end. No
 * library: its start time is the floor's. */
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX};
	struct timespec t;
	char text[128];
	int fd, n;

	clock_gettime(CLOCK_MONOTONIC, &t);
	if (argc != 3 || strlen(argv[1]) >= sizeof(a.sun_path))
		return 2;
	memcpy(a.sun_path, argv[1], strlen(argv[1]));
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	n = snprintf(text, sizeof(text), "%s %lld", argv[2],
	    (long long)t.tv_sec * 1000000 + t.tv_nsec / 1000);
	if (fd < 0 || n < 0 ||
	    sendto(fd, text, (size_t)n, 0, (struct sockaddr *)&a, sizeof(a)) != n)
		return 1;
	pause();
	return 0;
}

/* zedbus-bench [N]: the four paths people wait for, each beside a floor measured in the
 * same run, on programs started for it in a temporary folder. Prints numbers; passes no
 * verdict. */
#include "tests/bench/e2e/paths.h"
#include "tests/bench/e2e/samples.h"

#include <libgen.h>
#include <string.h>
#include <unistd.h>

enum {
	N_DEFAULT = 200,
};

int main(int argc, char **argv)
{
	struct rig r;
	char self[256] = "";
	size_t n = N_DEFAULT;

	if (argc > 2 || (argc == 2 && (n = strtoul(argv[1], NULL, 10)) == 0)) {
		fprintf(stderr, "usage: zedbus-bench [SAMPLES]\n");
		return 2;
	}
	if (readlink("/proc/self/exe", self, sizeof(self) - 1) < 0)
		rig_die("/proc/self/exe: %m");
	rig_start(&r, dirname(self));
	samples_print_header();
	bench_start(&r, n);
	bench_message(&r, n);
	bench_frame(&r, n < 100 ? n : 100);
	bench_setting(&r, n);
	rig_stop(&r);
	return 0;
}

/* zedbus-bench [SAMPLES] [PATH...]: the paths people wait for, each beside floors measured
 * in the same run, on programs started for it in a temporary folder. Prints numbers;
 * passes no verdict. */
#include "tests/bench/e2e/paths.h"
#include "tests/bench/e2e/samples.h"

#include <libgen.h>
#include <string.h>
#include <unistd.h>

enum {
	FRAMES_MAX = 100, /* Zed sends one every 100 ms at most */
};

static void bench_few_frames(struct rig *r, size_t n)
{
	bench_frame(r, n < FRAMES_MAX ? n : FRAMES_MAX);
}

static const struct bench_path {
	const char *name;
	void (*run)(struct rig *r, size_t n);
	size_t n_default;
	bool lifecycle; /* needs lifecycled and a runner */
	bool ratios;    /* goes into the table of ratios to a floor */
} bench_paths[] = {
    {"start", bench_start, 200, true, true},
    {"message", bench_message, 200, false, true},
    {"frame", bench_few_frames, 100, false, true},
    {"settings", bench_settings, 500, false, false},
};

static bool wanted(const struct bench_path *p, char *const *names)
{
	if (!*names)
		return true;
	for (; *names; names++) {
		if (strcmp(*names, p->name) == 0)
			return true;
	}
	return false;
}

static bool is_path(const char *name)
{
	for (size_t i = 0; i < ARRAY_LEN(bench_paths); i++) {
		if (strcmp(bench_paths[i].name, name) == 0)
			return true;
	}
	return false;
}

static void run_all(struct rig *r, size_t n, char *const *names)
{
	bool header = false;

	for (size_t i = 0; i < ARRAY_LEN(bench_paths); i++) {
		const struct bench_path *p = &bench_paths[i];

		if (!wanted(p, names))
			continue;
		if (p->ratios && !header)
			samples_print_header();
		header = header || p->ratios;
		p->run(r, n ? n : p->n_default);
	}
}

int main(int argc, char **argv)
{
	char self[256] = "", **names = argv + 1;
	bool lifecycle = false;
	struct rig r;
	size_t n = 0;

	if (argc > 1 && (n = strtoul(argv[1], NULL, 10)) > 0)
		names++;
	for (char **name = names; *name; name++) {
		if (is_path(*name))
			continue;
		fprintf(stderr, "usage: zedbus-bench [SAMPLES] "
				"[start|message|frame|settings]...\n");
		return 2;
	}
	for (size_t i = 0; i < ARRAY_LEN(bench_paths); i++)
		lifecycle |= bench_paths[i].lifecycle && wanted(&bench_paths[i], names);
	if (readlink("/proc/self/exe", self, sizeof(self) - 1) < 0)
		rig_die("/proc/self/exe: %m");
	rig_start(&r, dirname(self), lifecycle);
	run_all(&r, n, names);
	rig_stop(&r);
	return 0;
}

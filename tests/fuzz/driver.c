/* main() of a fuzz target where libFuzzer is not linked: replays the corpus, then runs
 *seeded random mutations of it for a bounded time. The seed is printed first, so that a
 *failure can be run again; the input that failed is kept.
 *
 *	fuzz_x CORPUS_DIR	ZEDBUS_FUZZ_SEED and ZEDBUS_FUZZ_SECONDS override random
 *and 2 fuzz_x FILE		that input alone
 */
#include <dirent.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/ids.h"
#include "base/must.h"

enum {
	INPUT_MAX_BYTES = 64 << 10,
	CORPUS_MAX = 1000,
	CHANGES_MAX = 8, /* on one input */
	DEFAULT_SECONDS = 2,
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);
void __sanitizer_set_death_callback(void (*cb)(void)) __attribute__((weak));

struct input {
	uint8_t *data;
	size_t n;
};

static struct {
	struct input corpus[CORPUS_MAX];
	size_t n_corpus;
	uint64_t random;
	struct input now; /* what the target is working on */
	char kept[128];   /* where it goes should the target fail */
} f;

static void keep_input(void)
{
	int fd = open(f.kept, O_WRONLY | O_CREAT | O_TRUNC, 0644);

	if (fd < 0 || write(fd, f.now.data, f.now.n) != (ssize_t)f.now.n)
		return;
	close(fd);
	dprintf(STDERR_FILENO, "the input that failed is in %s\n", f.kept);
}

static void on_fatal_signal(int sig)
{
	keep_input();
	signal(sig, SIG_DFL);
	raise(sig);
}

/* splitmix64 */
static uint64_t draw(void)
{
	uint64_t z = f.random += UINT64_C(0x9E3779B97F4A7C15);

	z = (z ^ (z >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94D049BB133111EB);
	return z ^ (z >> 31);
}

static size_t draw_below(size_t n)
{
	return n ? (size_t)(draw() % n) : 0;
}

/* An exact allocation for each run, so that a sanitizer sees a read one byte too far. */
static void run_one(const uint8_t *data, size_t n)
{
	f.now.data = malloc(n ? n : 1);
	must(f.now.data);
	if (n)
		memcpy(f.now.data, data, n);
	f.now.n = n;
	LLVMFuzzerTestOneInput(f.now.data, n);
	free(f.now.data);
	f.now = (struct input){0};
}

static void load_input(const char *path)
{
	struct input *in = &f.corpus[f.n_corpus];
	FILE *file = fopen(path, "rb");

	must(f.n_corpus < CORPUS_MAX && file);
	in->data = malloc(INPUT_MAX_BYTES);
	must(in->data);
	in->n = fread(in->data, 1, INPUT_MAX_BYTES, file);
	fclose(file);
	f.n_corpus++;
}

static int not_hidden(const struct dirent *d)
{
	return d->d_name[0] != '.';
}

/* In the order of names: a seed means the same everywhere. */
static void load_corpus(const char *dir)
{
	struct dirent **names;
	int n = scandir(dir, &names, not_hidden, alphasort);

	must(n > 0 /* a corpus directory with something in it */);
	for (int i = 0; i < n; i++) {
		char path[4096];

		snprintf(path, sizeof(path), "%s/%s", dir, names[i]->d_name);
		load_input(path);
		free(names[i]);
	}
	free(names);
}

/* Put @n bytes into @in at @at, as many as fit. */
static void insert(struct input *in, size_t at, const uint8_t *data, size_t n)
{
	if (n > INPUT_MAX_BYTES - in->n)
		n = INPUT_MAX_BYTES - in->n;
	memmove(in->data + at + n, in->data + at, in->n - at);
	memcpy(in->data + at, data, n);
	in->n += n;
}

static void cut_out(struct input *in, size_t at, size_t n)
{
	memmove(in->data + at, in->data + at + n, in->n - at - n);
	in->n -= n;
}

static void insert_token(struct input *in)
{
	static const char *const tokens[] = {"\"", "\\", "{", "}", "[", "]", ",", ":",
	    "null", "true", "-", "0", "1e999", "9007199254740993", "\\u0000", "\\ud800",
	    "\xFF", "\xED\xA0\x80", "\xF0\x9F\x98\x80", "\xE2\x82", "\n", "\r\n", "%s",
	    "../", "://u:p@", "18446744073709551616", "-9223372036854775808", "\x01",
	    "\x7f", "\xC2\x80"};
	const char *token = tokens[draw_below(ARRAY_LEN(tokens))];
	uint8_t copy[32] = {0};

	memcpy(copy, token, strlen(token));
	insert(in, draw_below(in->n + 1), copy, strlen(token));
}

/* A run of another input, or of this one, goes in somewhere. */
static void insert_run(struct input *in)
{
	const struct input *from = &f.corpus[draw_below(f.n_corpus)];
	size_t at = draw_below(from->n), n = draw_below(from->n - at + 1);

	insert(in, draw_below(in->n + 1), from->data + at, n);
}

static void insert_repeated(struct input *in)
{
	size_t at = draw_below(in->n),
	       n = draw_below((in->n - at < 64 ? in->n - at : 64) + 1);
	uint8_t copy[64];

	memcpy(copy, in->data + at, n);
	for (size_t times = 1 + draw_below(100); times > 0; times--)
		insert(in, at, copy, n);
}

static void mutate(struct input *in)
{
	size_t at = draw_below(in->n);
	uint8_t byte = (uint8_t)draw();

	switch (draw_below(8)) {
	case 0:
		if (in->n)
			in->data[at] ^= (uint8_t)(1u << (byte & 7));
		break;
	case 1:
		if (in->n)
			in->data[at] = byte;
		break;
	case 2:
		insert(in, at, &byte, 1);
		break;
	case 3:
		cut_out(in, at, draw_below((in->n - at < 32 ? in->n - at : 32) + 1));
		break;
	case 4:
		in->n = at;
		break;
	case 5:
		insert_run(in);
		break;
	case 6:
		insert_repeated(in);
		break;
	default:
		insert_token(in);
	}
}

static int64_t env_number(const char *name, int64_t dflt)
{
	const char *text = getenv(name);

	return text && *text ? strtoll(text, NULL, 0) : dflt;
}

/* Number of mutated inputs run before @until_ms. */
static unsigned long run_mutations(int64_t until_ms)
{
	struct input in = {.data = malloc(INPUT_MAX_BYTES)};
	unsigned long n = 0;

	must(in.data);
	for (; clock_mono_ms() < until_ms; n++) {
		const struct input *from = &f.corpus[draw_below(f.n_corpus)];

		memcpy(in.data, from->data, from->n);
		in.n = from->n;
		for (size_t changes = 1 + draw_below(CHANGES_MAX); changes > 0; changes--)
			mutate(&in);
		run_one(in.data, in.n);
	}
	free(in.data);
	return n;
}

static void watch_for_failure(const char *argv0, uint64_t seed)
{
	static const int signals[] = {SIGABRT, SIGSEGV, SIGBUS, SIGFPE, SIGILL};
	const char *slash = strrchr(argv0, '/');

	snprintf(f.kept, sizeof(f.kept), "%.80s-%" PRIx64 ".failed",
	    slash ? slash + 1 : argv0, seed);
	if (__sanitizer_set_death_callback)
		__sanitizer_set_death_callback(keep_input);
	for (size_t i = 0; i < ARRAY_LEN(signals); i++)
		if (signals[i] == SIGABRT || !__sanitizer_set_death_callback)
			signal(signals[i], on_fatal_signal);
}

int main(int argc, char **argv)
{
	unsigned long n;
	struct stat st;
	uint64_t seed;

	if (argc != 2 || stat(argv[1], &st) != 0) {
		fprintf(stderr, "usage: %s CORPUS_DIR|FILE\n", argv[0]);
		return 2;
	}
	random_bytes(&seed, sizeof(seed));
	seed = (uint64_t)env_number("ZEDBUS_FUZZ_SEED", (int64_t)(seed >> 1));
	f.random = seed;
	printf("%s: ZEDBUS_FUZZ_SEED=%" PRIu64 "\n", argv[0], seed);
	fflush(stdout);
	watch_for_failure(argv[0], seed);
	if (S_ISDIR(st.st_mode))
		load_corpus(argv[1]);
	else
		load_input(argv[1]);
	for (size_t i = 0; i < f.n_corpus; i++)
		run_one(f.corpus[i].data, f.corpus[i].n);
	n = S_ISDIR(st.st_mode)
		? run_mutations(clock_mono_ms() +
				1000 * env_number("ZEDBUS_FUZZ_SECONDS", DEFAULT_SECONDS))
		: 0;
	printf("%zu inputs of the corpus, %lu mutations\n", f.n_corpus, n);
	for (size_t i = 0; i < f.n_corpus; i++)
		free(f.corpus[i].data);
	return 0;
}

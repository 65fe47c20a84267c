/* How long a settings step takes, for files of one mebibyte in the shapes that cost most,
 * beside the goal of 20 ms; and for inputs made to be expensive. One line a shape:
 *   bench-plan [steps of each shape [part of a shape's name]]
 * The clocks cover settings_plan alone: both texts are given as bytes, the base as a tree.
 * A step does nothing but compute: beside wall time stands the time it had a processor,
 * which tells more on a machine that is shared. */
#include <inttypes.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/clock.h"
#include "base/must.h"
#include "sessiond/core/settings_plan.h"

enum {
	STEPS = 60,
	GOAL_MS = 20,
	FILE_BYTES = 1000 * 1000, /* room for what a step adds */
};

struct texts {
	struct buf file, last, base;
};

/* Which of the three a text is made for: they differ in a few leaves or in many. */
enum side { SIDE_LAST, SIDE_FILE, SIDE_BASE };

typedef void make_text(struct buf *b, enum side side, bool many);

/* A number that differs between the sides in few members or in every fifth. */
static size_t leaf_value(size_t i, enum side side, bool many)
{
	bool differs = many ? i % 5 == (size_t)side : i == 7 && side != SIDE_LAST;

	return differs ? 100 + (size_t)side : i % 100;
}

static void make_servers(struct buf *b, enum side side, bool many)
{
	buf_adds(b, "{\n  \"context_servers\": {\n");
	for (size_t i = 0; b->n < FILE_BYTES - 1000; i++)
		buf_addf(b,
		    "    \"server-%zu\": {\n      \"command\": \"/usr/local/lib/tools/and/"
		    "servers/of/the/team/bin/tool-%zu\",\n"
		    "      \"args\": [\"--port\", \"%zu\", \"--root\", \"/some/where/deep/"
		    "in/the/tree/of/the/workspace/of/the/user/whose/editor/it/is/and/whose/"
		    "settings/these/are/as/people/have/them/at/home/and/elsewhere\"],\n"
		    "      \"env\": {\"HOME\": \"/home/u\", \"KEY\": \"%zu\"}\n    },\n",
		    i, i, i, leaf_value(i, side, many));
	buf_adds(b, "  },\n}\n");
}

static void make_flat(struct buf *b, enum side side, bool many)
{
	buf_adds(b, "{\n");
	for (size_t i = 0; i < 20000; i++)
		buf_addf(b, "  \"some_setting_with_a_name_%06zu\": %zu,\n", i,
		    leaf_value(i, side, many));
	buf_adds(b, "}\n");
}

/* As many tokens as there may be. */
static void make_tokens(struct buf *b, enum side side, bool many)
{
	buf_adds(b, "{");
	for (size_t i = 0; i < 24000; i++)
		buf_addf(b, "%s\"k%zu\":%zu", i ? "," : "", i, leaf_value(i, side, many));
	buf_adds(b, "}");
}

static void make_deep(struct buf *b, enum side side, bool many)
{
	size_t n = 0;

	buf_adds(b, "{\n");
	for (size_t k = 0; b->n < FILE_BYTES - 20000; k++) {
		buf_addf(b, "\"o%zu\": ", k);
		for (size_t i = 0; i < 97; i++)
			buf_addf(b,
			    "{\"in\": %zu, \"a_member_in_which_it_goes_on_deeper_and_deeper_and"
			    "_then_still_on\": ",
			    leaf_value(n++, side, many));
		buf_adds(b, "0");
		for (size_t i = 0; i < 97; i++)
			buf_addc(b, '}');
		buf_adds(b, ",\n");
	}
	buf_adds(b, "}\n");
}

static void make_comments(struct buf *b, enum side side, bool many)
{
	buf_adds(b, "{\n");
	for (size_t i = 0; b->n < FILE_BYTES - 1000; i++)
		buf_addf(b,
		    "  // what setting %zu is good for, in one line of text\n"
		    "  \"setting_%zu\": %zu, /* and so on */\n",
		    i, i, leaf_value(i, side, many));
	buf_adds(b, "}\n");
}

static void make_strings(struct buf *b, enum side side, bool many)
{
	buf_adds(b, "{\n");
	for (size_t i = 0; b->n < FILE_BYTES - 9000; i++) {
		buf_addf(b, "  \"text_%zu\": \"%zu ", i, leaf_value(i, side, many));
		for (size_t k = 0; k < 400; k++)
			buf_adds(b, "some text \\u00e9 ");
		buf_adds(b, "\",\n");
	}
	buf_adds(b, "}\n");
}

static void make_array(struct buf *b, enum side side, bool many)
{
	buf_adds(b, "{\n  \"list\": [\n");
	for (size_t i = 0; i < 7000; i++)
		buf_addf(b,
		    "    {\"name\": \"element number %08zu of the list, by its whole name and "
		    "with what it is good for, and where\", \"v\": %zu},\n",
		    i, leaf_value(i, side, many));
	buf_adds(b, "  ],\n}\n");
}

/* One key over and over: all but the last are unseen. */
static void make_duplicates(struct buf *b, enum side side, bool many)
{
	buf_adds(b, "{\n");
	for (size_t i = 0; i < 24000; i++)
		buf_addf(b, "  \"the_same_key_again_and_again\": %zu,\n",
		    leaf_value(i, side, many));
	buf_adds(b, "}\n");
}

/* Everything is new to the other side. */
static void make_disjoint(struct buf *b, enum side side, bool many)
{
	(void)many;
	buf_adds(b, "{\n");
	for (size_t i = 0; i < 8000; i++)
		buf_addf(b, "  \"%c_some_setting_%zu\": {\"x\": %zu},\n",
		    side == SIDE_BASE ? 'b' : 'f', i, i);
	buf_adds(b, "}\n");
}

static const struct shape {
	const char *name;
	make_text *make;
} shapes[] = {{"one big context_servers", make_servers}, {"20000 keys", make_flat},
    {"96000 tokens on one line", make_tokens}, {"97 levels deep", make_deep},
    {"comments at every key", make_comments}, {"long strings with escapes", make_strings},
    {"one array of 7000 objects", make_array}, {"24000 times one key", make_duplicates},
    {"nothing in common with the base", make_disjoint}};

static const char policy_keyed[] =
    "{\"arrays\":[{\"path\":\"/list\",\"merge\":\"keyed\",\"by\":\"name\"}]}";

static struct jval *parse(struct arena *a, const struct buf *b)
{
	struct json_doc d;

	must(json_doc_parse_object(a, buf_slice(b), &d) == JSON_DOC_OK);
	return d.root;
}

static void read_policy(struct arena *a, bool keyed, struct policy *out)
{
	struct json_doc d;
	struct err e = ERR_NULL;

	if (!keyed) {
		policy_builtin(a, out);
		return;
	}
	must(json_doc_parse(a, slice_of(policy_keyed), &d) == JSON_DOC_OK);
	must(!policy_parse(a, d.root, out, &e));
}

struct took {
	int64_t wall_us, cpu_us;
};

static int64_t cpu_us(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
	return (int64_t)ts.tv_sec * 1000000 + ts.tv_nsec / 1000;
}

static struct took step(const struct texts *t, bool keyed)
{
	struct arena a = ARENA_NULL;
	struct overrides u = overrides_new(&a);
	struct policy p;
	struct slice file = buf_slice(&t->file), last = buf_slice(&t->last);
	struct settings_output out;
	struct err e = ERR_NULL;
	struct took from;
	struct settings_input in = {.file = &file,
	    .last = &last,
	    .base = parse(&a, &t->base),
	    .base0 = parse(&a, &t->last),
	    .overrides = &u,
	    .policy = &p};

	read_policy(&a, keyed, &p);
	from = (struct took){clock_mono_us(), cpu_us()};
	must(!settings_plan(&a, &in, &out, &e));
	from = (struct took){clock_mono_us() - from.wall_us, cpu_us() - from.cpu_us};
	must(out.state != SETTINGS_INVALID && !out.edit_failed);
	arena_deinit(&a);
	return from;
}

static int by_size(const void *x, const void *y)
{
	int64_t a = *(const int64_t *)x, b = *(const int64_t *)y;

	return (a > b) - (a < b);
}

static double as_ms(int64_t us)
{
	return (double)us / 1000;
}

static void print_times(const char *name, int64_t *us, size_t n)
{
	qsort(us, n, sizeof(*us), by_size);
	printf("  %s p50 %6.2f p99 %6.2f ms", name, as_ms(us[n / 2]), as_ms(us[n * 99 / 100]));
}

static bool measure(
    const struct shape *sh, const char *change, const struct texts *t, size_t n)
{
	int64_t *wall = calloc(n, sizeof(*wall)), *cpu = calloc(n, sizeof(*cpu));
	bool ok;

	must(wall && cpu);
	step(t, false);
	for (size_t i = 0; i < n; i++) {
		struct took took = step(t, sh->make == make_array);

		wall[i] = took.wall_us;
		cpu[i] = took.cpu_us;
	}
	printf("%-31s %-18s %7zu bytes", sh->name, change, t->file.n);
	print_times("cpu", cpu, n);
	print_times("wall", wall, n);
	ok = cpu[n / 2] < GOAL_MS * 1000;
	printf("  goal %d ms%s\n", GOAL_MS, ok ? "" : "  MISSED");
	fflush(stdout);
	free(wall);
	free(cpu);
	return ok;
}

static bool run_shape(const struct shape *sh, size_t n)
{
	static const char *const changes[] = {
	    "file, one leaf", "base, one leaf", "file and base, 1/5"};
	bool ok = true;

	for (size_t c = 0; c < ARRAY_LEN(changes); c++) {
		struct texts t = {BUF_NULL(4 << 20), BUF_NULL(4 << 20), BUF_NULL(4 << 20)};
		bool many = c == 2;

		sh->make(&t.last, SIDE_LAST, many);
		sh->make(&t.file, c == 1 ? SIDE_LAST : SIDE_FILE, many);
		sh->make(&t.base, c == 0 ? SIDE_LAST : SIDE_BASE, many);
		ok &= measure(sh, changes[c], &t, n);
		buf_deinit(&t.file);
		buf_deinit(&t.last);
		buf_deinit(&t.base);
	}
	return ok;
}

int main(int argc, char **argv)
{
	size_t n = argc > 1 ? (size_t)strtoul(argv[1], NULL, 10) : STEPS;
	bool ok = true;

	if (n == 0)
		n = STEPS;
	/* as in a process that lives: freed memory is kept */
	mallopt(M_MMAP_THRESHOLD, 64 << 20);
	mallopt(M_TRIM_THRESHOLD, 256 << 20);
	for (size_t i = 0; i < ARRAY_LEN(shapes); i++)
		if (argc < 3 || strstr(shapes[i].name, argv[2]))
			ok &= run_shape(&shapes[i], n);
	return ok ? 0 : 1;
}

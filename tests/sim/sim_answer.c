#include "tests/sim/sim_answer.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/utf8.h"

enum {
	SIM_ANSWER_MAX_BYTES = 64 << 20,
	SIM_ANSWER_STEPS_MAX = 4,
};

static const char sim_story_before[] = "Let me look at the notes first.\n\n";
static const char sim_story_tool[] = "Read file `notes.md`";
static const char sim_story_output[] =
    "# Notes\n\n- The lighthouse keeper counts ships.\n"
    "- Tonight there are seven \xf0\x9f\x9a\xa2.\n";
static const char sim_story_after[] =
    "The notes speak of a lighthouse keeper who counts ships. On a clear night the "
    "keeper "
    "saw seven lights come in from the west, one behind the other, and wrote each of "
    "them "
    "down: the hour, the bearing, the colour of the lamp. The eighth line of the book "
    "stayed empty \xe2\x80\x93 it was kept for the ship that always comes later.\n\n"
    "You asked: ";

static int sim_answer_read_file(const char *path, struct buf *out, struct err *e)
{
	FILE *f = fopen(path, "re");
	char chunk[16384];
	size_t n;

	if (!f)
		return err_set(
		    e, ERROR_INVALID, "--answer %s: %s", path, strerror(errno));
	while ((n = fread(chunk, 1, sizeof chunk, f)) > 0)
		buf_add(out, chunk, n);
	if (ferror(f) || buf_check(out) != 0) {
		fclose(f);
		return err_set(
		    e, ERROR_INVALID, "--answer %s: unreadable or over 64 MiB", path);
	}
	fclose(f);
	if (!utf8_valid(buf_cstr(out), out->n))
		return err_set(e, ERROR_INVALID, "--answer %s: not valid UTF-8", path);
	return 0;
}

int sim_answer_source_init(
    struct sim_answer_source *s, const char *how, size_t size_bytes, struct err *e)
{
	*s = (struct sim_answer_source){
	    .file = BUF_NULL(SIM_ANSWER_MAX_BYTES), .size_bytes = size_bytes};
	if (strcmp(how, "echo") == 0)
		return 0;
	if (strcmp(how, "story") == 0) {
		s->mode = SIM_ANSWER_STORY;
		return 0;
	}
	s->mode = SIM_ANSWER_FILE;
	return sim_answer_read_file(how, &s->file, e);
}

void sim_answer_source_deinit(struct sim_answer_source *s)
{
	buf_deinit(&s->file);
}

/* @text repeated or cut to @size bytes, never within a character (spaces fill what is
 * left). */
static void sim_answer_fit(struct slice text, size_t size, struct buf *out)
{
	if (size == 0 || text.n == 0) {
		buf_add_slice(out, text);
		return;
	}
	while (out->n + text.n <= size)
		buf_add_slice(out, text);
	for (size_t i = 0; i < text.n;) {
		size_t n = utf8_seq_len(text.p + i, text.n - i);

		if (n == 0 || out->n + n > size)
			break;
		buf_add(out, text.p + i, n);
		i += n;
	}
	while (out->n < size)
		buf_addc(out, ' ');
}

static void sim_answer_add(
    struct sim_answer *a, const char *tool_name, struct slice text, size_t size)
{
	struct sim_answer_step *step = &a->steps[a->n_steps];
	struct buf b = BUF_NULL(SIM_ANSWER_MAX_BYTES);

	if (text.n == 0 && !tool_name)
		return;
	sim_answer_fit(text, size, &b);
	step->tool_name = tool_name ? strdup(tool_name) : NULL;
	step->text = buf_steal(&b, &step->n_text);
	must(step->text);
	a->n_steps++;
}

static void sim_answer_story(struct sim_answer *a, const char *prompt, size_t size)
{
	size_t before = sizeof sim_story_before + sizeof sim_story_output;
	struct buf last = BUF_NULL(SIM_ANSWER_MAX_BYTES);

	sim_answer_add(a, NULL, slice_of(sim_story_before), 0);
	sim_answer_add(a, sim_story_tool, slice_of(sim_story_output), 0);
	buf_adds(&last, sim_story_after);
	buf_adds(&last, prompt);
	sim_answer_add(a, NULL, buf_slice(&last), size > before ? size - before : 0);
	buf_deinit(&last);
}

void sim_answer_make(
    const struct sim_answer_source *s, const char *prompt, struct sim_answer *out)
{
	*out = (struct sim_answer){0};
	out->steps = calloc(SIM_ANSWER_STEPS_MAX, sizeof *out->steps);
	must(out->steps);
	switch (s->mode) {
	case SIM_ANSWER_ECHO:
		sim_answer_add(out, NULL, slice_of(prompt), s->size_bytes);
		break;
	case SIM_ANSWER_FILE:
		sim_answer_add(out, NULL, buf_slice(&s->file), s->size_bytes);
		break;
	case SIM_ANSWER_STORY:
		sim_answer_story(out, prompt, s->size_bytes);
		break;
	}
}

void sim_answer_deinit(struct sim_answer *a)
{
	for (size_t i = 0; i < a->n_steps; i++) {
		free(a->steps[i].tool_name);
		free(a->steps[i].text);
	}
	free(a->steps);
	*a = (struct sim_answer){0};
}

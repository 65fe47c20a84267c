/* What a simulated Zed answers: a list of entries, made whole before the turn streams it.
 */
#pragma once

#include "base/buf.h"
#include "base/err.h"

struct sim_answer_step {
	char *tool_name; /* NULL: a text entry */
	char *text;      /* of a tool call: its output, without the head line */
	size_t n_text;
};

struct sim_answer {
	struct sim_answer_step *steps;
	size_t n_steps;
};

enum sim_answer_mode { SIM_ANSWER_ECHO, SIM_ANSWER_STORY, SIM_ANSWER_FILE };

struct sim_answer_source {
	enum sim_answer_mode mode;
	struct buf file;
	size_t size_bytes; /* 0: as it comes */
};

/* @how: "echo", "story" or the path of a file. Return: 0; ERROR_INVALID naming it. */
int sim_answer_source_init(struct sim_answer_source *s, const char *how,
    size_t size_bytes, struct err *e) MUST_CHECK;
void sim_answer_source_deinit(struct sim_answer_source *s);

/* The answer to @prompt; freed with sim_answer_deinit. An empty text leaves no step: an
 * empty turn. */
void sim_answer_make(
    const struct sim_answer_source *s, const char *prompt, struct sim_answer *out);
void sim_answer_deinit(struct sim_answer *a);

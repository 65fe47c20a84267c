/* Random settings: documents out of few names that matter, texts in many layouts, edits.
 * One seed gives one run. */
#pragma once

#include "sessiond/core/json_pointer.h"

struct gen {
	uint64_t state;
	struct arena *a;
};

uint64_t gen_next(struct gen *g);
/* 0 to @n - 1 */
unsigned gen_below(struct gen *g, unsigned n);
bool gen_chance(struct gen *g, unsigned percent);

/* A base Helix may send: every unit of it is one Zed would take. */
struct jval *gen_base(struct gen *g);
/* One member changed, added or removed somewhere; a good base stays good. */
void gen_change_base(struct gen *g, struct jval *base);
/* As a user may: anything anywhere, also what is not allowed or makes no sense. */
void gen_change_file(struct gen *g, struct jval *file);
/* @v with comments, trailing commas, odd spacing. */
struct slice gen_text(struct gen *g, const struct jval *v);
/* The same document with its keys in another order. */
struct jval *gen_shuffled(struct gen *g, const struct jval *v);

/* One function a verb, from the table. Each returns zedctl's exit code and has said on
 * stderr why it is not 0. */
#pragma once

#include "zedctl/args.h"

#define VERB(id, words, operands, min, max, sentence)                                    \
	int cmd_##id(struct ctl *c, const struct args *a);
#include "zedctl/cmds.tbl.h"

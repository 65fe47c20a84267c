/* Headers of the transcript's messages. */
#pragma once

#define HISTORY_PART  "Zed-Part" /* 1..parts */
#define HISTORY_PARTS "Zed-Parts"
#define HISTORY_FIRST "Zed-First" /* sequence of part 1; not on part 1 itself */
#define HISTORY_PREV                                                                     \
	"Zed-Prev" /* sequence of the last part of the record before; 0: none */

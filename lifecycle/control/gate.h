/* What live runners admit: is there one that can run this, with this environment and
 * these parameters? */
#pragma once

#include "lifecycle/control/mirror.h"
#include "lifecycle/core/spec.h"

struct gate_answer {
	struct hash spec_hash;      /* of the spec as stored */
	struct hash effective_hash; /* with what the profile and the defaults add */
	int code;                   /* 0; ERROR_UNKNOWN_PROFILE; ERROR_INVALID */
	char text[DETAIL_MAX + 1];
};

/* With no runner known nothing is refused: it waits as PENDING(NO_RUNNER). */
void gate_ask(const struct mirror *m, const struct spec *s, struct gate_answer *out);

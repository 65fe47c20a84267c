/* What the parts of a way cost when there is nothing else: measured in turn with what they
 * are compared with, because a busy machine is busy in bursts. */
#pragma once

#include "tests/bench/e2e/rig.h"
#include "tests/bench/e2e/samples.h"

struct floors {
	struct samples wake;   /* another process closes what it wrote -> this one knows */
	struct samples sync;   /* 4 KB over what is there, and fdatasync */
	struct samples append; /* 4 KB at the end, and fdatasync: the size changes too */
	struct samples http;   /* GET of a small answer, the connection kept */
	struct samples store;  /* publish -> the broker has stored it */
	/* private */
	struct rig *r;
	pid_t writer;
	int orders, inotify;
	volatile int64_t *closing_us;
	int over_fd, append_fd;
	size_t n;
};

void floors_begin(struct rig *r, struct floors *f);
void floors_sample(struct floors *f); /* one of each */
void floors_end(struct floors *f);
void floors_print(struct floors *f);

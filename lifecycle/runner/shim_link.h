/* The runner's end of a shim's socket: starting a shim, or finding one that an earlier
 * runner started; frames in and out. What they mean is workload's business. */
#pragma once

#include "base/err.h"
#include "base/io/loop.h"
#include "base/list.h"
#include "base/shim_msg.h"

#include <sys/types.h>

struct shim_link;

struct shim_link_cb {
	void (*frame)(void *data, enum shim_type type, const char *payload, size_t n);
	/* The shim is gone, or talks nonsense; the link is freed after it. */
	void (*closed)(void *data);
	void *data;
};

/* Shims started by this process, to be waited for whatever becomes of their links. */
struct shim_children {
	struct list list;
};

void shim_children_init(struct shim_children *c);
/* At the end of the runner: they go on without us. */
void shim_children_abandon(struct shim_children *c);

struct shim_spec {
	struct shim_children *children;
	const char *program;       /* zed-shim */
	const char *dir;           /* the instance's folder */
	const char *identity;      /* as in SHIM_MARK_INSTANCE */
	int lock_fd, workspace_fd; /* inherited, so that the locks live with it; -1: none;
				      not taken */
};

/* Started as our child; HELLO follows. Return: 0; -errno */
int shim_link_spawn(struct loop *l, const struct shim_spec *spec,
    const struct shim_link_cb *cb, struct shim_link **out, struct err *e) MUST_CHECK;
/* To the socket in @dir_fd; HELLO follows. -ECONNREFUSED, -ENOENT: nobody listens (yet).
 */
int shim_link_connect(struct loop *l, int dir_fd, const struct shim_link_cb *cb,
    struct shim_link **out) MUST_CHECK;
void shim_link_send(struct shim_link *k, enum shim_type type, const void *a, size_t n_a,
    const void *b, size_t n_b);
/* No more callbacks; the shim goes on. Takes NULL, returns NULL. */
struct shim_link *shim_link_close(struct shim_link *k);

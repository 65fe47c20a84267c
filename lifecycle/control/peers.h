/* Other replicas of lifecycled. Any replica may do anything at any time, compare-and-set
 * sees to that; who is the first to act on a change is agreed on only to save the others
 * the conflict. */
#pragma once

#include "base/ids.h"

#include <stdbool.h>
#include <stdint.h>

enum {
	PEERS_MAX = 16,
	PEER_GONE_MS = 6000,
	PEER_HELLO_MS = 2000,
};

struct peer {
	struct id id;
	int64_t heard_boot_ms;
};

struct peers {
	struct id self;
	struct peer list[PEERS_MAX];
	size_t n;
};

void peers_init(struct peers *p, const struct id *self);
void peers_heard(struct peers *p, const struct id *id, int64_t boot_ms);
void peers_expire(struct peers *p, int64_t boot_ms);
/* Is it this replica that acts first on the instance? Rendezvous hashing: a replica that
 * comes or goes moves only its share. */
bool peers_is_first(
    const struct peers *p, const struct id *tenant, const struct id *instance_id);

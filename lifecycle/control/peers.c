/* Rendezvous among replicas. */
#include "lifecycle/control/peers.h"

#include "lifecycle/control/events.h"

void peers_init(struct peers *p, const struct id *self)
{
	*p = (struct peers){.self = *self};
}

void peers_heard(struct peers *p, const struct id *id, int64_t boot_ms)
{
	if (id_eq(id, &p->self))
		return;
	for (size_t i = 0; i < p->n; i++)
		if (id_eq(&p->list[i].id, id)) {
			p->list[i].heard_boot_ms = boot_ms;
			return;
		}
	if (p->n == PEERS_MAX)
		return; /* it acts second then, which is merely slower */
	p->list[p->n++] = (struct peer){.id = *id, .heard_boot_ms = boot_ms};
	log_event(EV_peer_seen, LF("peer", id->s));
}

void peers_expire(struct peers *p, int64_t boot_ms)
{
	for (size_t i = p->n; i-- > 0;)
		if (boot_ms - p->list[i].heard_boot_ms > PEER_GONE_MS) {
			log_event(EV_peer_gone, LF("peer", p->list[i].id.s));
			p->list[i] = p->list[--p->n];
		}
}

/* FNV-1a, finished so that the first characters count as much as the last. */
static uint64_t hash_text(uint64_t h, const char *s)
{
	for (; *s; s++)
		h = (h ^ (unsigned char)*s) * UINT64_C(0x100000001b3);
	h ^= h >> 32;
	return h * UINT64_C(0x9e3779b97f4a7c15);
}

static uint64_t weight(
    const struct id *peer, const struct id *tenant, const struct id *instance)
{
	uint64_t h = hash_text(UINT64_C(0xcbf29ce484222325), instance->s);

	return hash_text(hash_text(h, tenant->s), peer->s);
}

bool peers_is_first(
    const struct peers *p, const struct id *tenant, const struct id *instance_id)
{
	uint64_t mine = weight(&p->self, tenant, instance_id);

	for (size_t i = 0; i < p->n; i++)
		if (weight(&p->list[i].id, tenant, instance_id) > mine)
			return false;
	return true;
}

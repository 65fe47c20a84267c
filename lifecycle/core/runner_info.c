/* What a runner tells of itself. */
#include "lifecycle/core/runner_info.h"

#include <stdlib.h>

void runner_info_deinit(struct runner_info *r)
{
	strmap_deinit(&r->labels);
	for (size_t i = 0; i < r->n_offers; i++)
		offer_deinit(&r->offers[i]);
	free(r->offers);
	for (size_t i = 0; i < r->n_degraded; i++)
		free(r->degraded[i]);
	free(r->degraded);
	free(r->version);
	*r = RUNNER_INFO_NULL;
}

const struct offer *runner_info_offer(
    const struct runner_info *r, const struct id *profile)
{
	for (size_t i = 0; i < r->n_offers; i++)
		if (id_eq(&r->offers[i].name, profile))
			return &r->offers[i];
	return NULL;
}

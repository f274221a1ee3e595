/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Service frontends: entries that are there or not.  A frontend refuses, so
 * that a new one comes before cells change and an old one goes after.
 */
#include <arpa/inet.h>

#include "datapath/plan_state.h"

void plan_frontends_write(struct plan_work *work)
{
	static const struct warder_frontend value;
	const struct records *old = mirror_records(work->mirror, WARDER_TABLE_FRONTENDS);
	bool *seen = plan_scratch(work, old->end + 1, sizeof(*seen));
	__u32 hint = 0;

	for (size_t i = 0; seen && i < work->matrix->n_frontends; i++) {
		const struct warder_matrix_frontend *frontend = &work->matrix->frontends[i];
		struct warder_frontend_key key = {
			.addr = frontend->addr,
			.port = htons(frontend->port),
			.protocol = frontend->protocol,
		};
		__u32 at = records_find_near(old, &key, hint);

		if (at == RECORDS_NONE) {
			plan_add(work, STEP_FRONTEND_ADD, WARDER_TABLE_FRONTENDS, &key, &value);
		} else {
			seen[at] = true;
			hint = at + 1;
		}
	}
	for (__u32 i = 0; seen && i < old->end; i++)
		if (old->used[i] && !seen[i])
			plan_remove(work, STEP_FRONTEND_REMOVE, WARDER_TABLE_FRONTENDS,
				    records_key(old, i));
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What of each tenancy (warder/event.h) was counted already.  Records of two rings and of sweeps
 * come in any order and tell the same totals more than once; each packet is counted once.
 */
#ifndef WARDER_TELEMETRY_TENANCY_H
#define WARDER_TELEMETRY_TENANCY_H

#include <stdbool.h>
#include <stddef.h>

#include "warder/event.h"

struct warder_tenancies;

struct warder_tenancies *warder_tenancies_new(void); /* NULL: no memory */
void warder_tenancies_free(struct warder_tenancies *tenancies);
/*
 * What `event` adds to what was known.  1 = something, in *ret_new (`*ret_first`: nothing of this
 * tenancy was counted before); 0 = nothing new; -ENOMEM.
 */
int warder_tenancies_tell(struct warder_tenancies *tenancies, const struct warder_event *event,
			  struct warder_counter *ret_new, bool *ret_first);
/*
 * A sweep is over.  A tenancy that ended is remembered for two turns more, so that a line read
 * before its end and told after it counts nothing; no reader holds a line back for longer.
 */
void warder_tenancies_turn(struct warder_tenancies *tenancies);
/* Those that have not ended, with what was counted of them. */
size_t warder_tenancies_open_count(const struct warder_tenancies *tenancies);
void warder_tenancies_each_open(const struct warder_tenancies *tenancies,
				void (*each)(void *data, const struct warder_event *seen),
				void *data);
size_t warder_tenancies_count(const struct warder_tenancies *tenancies);

#endif

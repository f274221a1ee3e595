/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What Kubernetes and docs/policy.md say about one probe, worked out from the objects' JSON: no
 * classes, no bitmaps, no code of userspace/.  Slow and plain, to be believed.
 */
#ifndef WARDER_TESTS_NAIVE_H
#define WARDER_TESTS_NAIVE_H

#include "worlds.h"

/* Bit 0: allowed by what is enforced; bit 1: allowed if audited policies were real. */
unsigned naive_verdict(const struct world *world, const struct world_probe *probe);

/*
 * Of a TCP port 80 of a Service's address, by what stands behind it: allowed where all of that is, or
 * where nothing is and naive_verdict allows; *ret_mixed: only some of it is.  False: `probe` asks for no
 * such thing.
 */
bool naive_service(const struct world *world, const struct world_probe *probe,
		   unsigned *ret_verdict, bool *ret_mixed);

#endif

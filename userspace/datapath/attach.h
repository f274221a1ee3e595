/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One program at one side of one link: a tcx link, or below 6.6 a clsact filter of fixed priority
 * and handle. Everything here blocks (an attach waits for a grace period) and may run on any thread
 * of the network namespace that holds the link.
 */
#ifndef WARDER_DATAPATH_ATTACH_H
#define WARDER_DATAPATH_ATTACH_H

#include <stdbool.h>
#include <stddef.h>

#include "warder/types.h"

enum warder_side { WARDER_SIDE_TO_POD, WARDER_SIDE_FROM_POD, WARDER_SIDES };

/* Where a program is: a link's descriptor, or -1 for a filter. */
struct warder_attached {
	int link;
};

/* Before all others.  `clsact`: do not try tcx.  0 or -errno; ret is untouched then. */
int warder_attach_put(__u32 ifindex, enum warder_side side, int program, bool clsact,
		      struct warder_attached *ret);
/* Another program in its place, without a packet in between that sees none. */
int warder_attach_update(__u32 ifindex, enum warder_side side, const struct warder_attached *hook,
			 int program);
/* Is `program` there, and first?  1 yes; 0 no, and `what` says why; or -errno. */
int warder_attach_check(__u32 ifindex, enum warder_side side, const struct warder_attached *hook,
			int program, char *what, size_t size);
/* Removes Warder's filter where there is one (no agent and no pin need to know of it). 1 removed, 0
 * none, -errno. */
int warder_attach_remove_filter(__u32 ifindex, enum warder_side side);
/* Is Warder's filter there? 1, 0 or -errno. */
int warder_attach_find_filter(__u32 ifindex, enum warder_side side);

#endif

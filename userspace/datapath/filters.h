/* SPDX-License-Identifier: Apache-2.0 */
/* The filters of a link's clsact qdisc, read by rtnetlink in the order in which they run. */
#ifndef WARDER_DATAPATH_FILTERS_H
#define WARDER_DATAPATH_FILTERS_H

#include "datapath/attach.h"

struct warder_filter {
	__u16 priority;
	__u32 handle;
	__u32 program; /* id, 0 = not a BPF filter */
	char kind[16];
};

/* Calls back for each until it returns non-zero, and returns that; 0 at the end; -errno. */
int warder_filters_each(__u32 ifindex, enum warder_side side,
			int (*each)(void *data, const struct warder_filter *filter), void *data);

#endif

/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Fixed-width types for both sides.  BPF code includes vmlinux.h first, userspace the kernel's own. */
#ifndef WARDER_TYPES_H
#define WARDER_TYPES_H

#ifndef __VMLINUX_H__
#include <linux/types.h>
#endif

/* 16 bytes in network order: an IPv6 address, or ::ffff:a.b.c.d where one form is wanted for both. */
struct warder_addr {
	union {
		__u8 b[16];
		__be32 w[4];
	};
};

/* Direction of a packet as the endpoint sees it; the first index of the verdict matrix. */
enum warder_direction { WARDER_INGRESS = 0, WARDER_EGRESS = 1 };

#endif

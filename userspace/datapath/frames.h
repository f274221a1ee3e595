/* SPDX-License-Identifier: Apache-2.0 */
/* The first packet of a connection or flow as bytes, for runs of the programs that send nothing. */
#ifndef WARDER_DATAPATH_FRAMES_H
#define WARDER_DATAPATH_FRAMES_H

#include <stddef.h>

#include "warder/types.h"

#define WARDER_FRAME_MAX 128

struct warder_frame {
	struct warder_addr src, dst; /* of one family; IPv4 as ::ffff:a.b.c.d */
	__u8 protocol; /* TCP: a SYN; UDP; SCTP: an INIT; ICMP and ICMPv6: an echo request; else
			  bare */
	__u16 sport, dport; /* host order; of an echo its identifier is sport */
	__u8 src_mac[6], dst_mac[6];
};

/* Bytes written; checksums are 0: no program reads them. */
size_t warder_frame_build(const struct warder_frame *frame, __u8 ret[WARDER_FRAME_MAX]);

#endif

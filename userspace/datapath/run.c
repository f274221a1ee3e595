/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One packet through a real program by BPF_PROG_TEST_RUN.  The kernel lets such a packet come from
 * the loopback device only, so lo stands for the pod's link while it runs.
 */
#include <bpf/bpf.h>
#include <errno.h>
#include <linux/bpf.h>
#include <linux/pkt_cls.h>
#include <string.h>

#include "datapath/state.h"

#define LO_IFINDEX 1

static int point_lo_at(struct warder_datapath *datapath, __u16 slot, const __u8 mac[6])
{
	__u32 key = LO_IFINDEX;
	struct warder_link link = {.ifindex = slot ? LO_IFINDEX : 0, .slot = slot, .netnsid = -1};

	if (mac)
		memcpy(link.mac, mac, sizeof(link.mac));
	return bpf_map_update_elem(warder_maps_find(&datapath->maps, "links"), &key, &link,
				   BPF_ANY);
}

int warder_datapath_run(struct warder_datapath *datapath, bool from_pod, __u16 slot,
			__u32 ingress_ifindex, const void *frame, size_t size)
{
	struct __sk_buff context = {.ifindex = LO_IFINDEX, .ingress_ifindex = ingress_ifindex};
	LIBBPF_OPTS(bpf_test_run_opts, run, .data_in = frame, .data_size_in = size,
		    .ctx_in = &context, .ctx_size_in = sizeof(context), .repeat = 1);
	const __u8 *source_mac = (const __u8 *)frame + 6;
	int rc, end;

	if (size < 14)
		return -EINVAL;
	rc = point_lo_at(datapath, slot, from_pod ? source_mac : frame);
	if (rc)
		return rc;
	rc = bpf_prog_test_run_opts(
		datapath->programs.fd[from_pod ? WARDER_PROGRAM_FROM_POD : WARDER_PROGRAM_TO_POD],
		&run);
	end = point_lo_at(datapath, 0, NULL);
	if (rc || end)
		return rc ?: end;
	return run.retval == TC_ACT_SHOT;
}

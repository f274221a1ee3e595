/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The age of datagram flows: a program walks the map, removes what has expired and gives its room
 * back to the budget of its endpoint.  In the kernel, since a budget that userspace wrote would
 * lose what a packet added meanwhile.
 */
#include <bpf/bpf.h>

#include "datapath/state.h"

int warder_datapath_expire_flows(struct warder_datapath *datapath)
{
	LIBBPF_OPTS(bpf_test_run_opts, run);

	return bpf_prog_test_run_opts(datapath->programs.fd[WARDER_PROGRAM_EXPIRE], &run);
}

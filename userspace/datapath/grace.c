/* SPDX-License-Identifier: Apache-2.0 */
/*
 * When may an id that nothing names any more be given again?  Once every program that began before
 * has ended: a grace period of RCU, which MEMBARRIER_CMD_GLOBAL waits for (it is synchronize_rcu).
 * Kernels with nohz_full refuse it; there an update of a map-in-map, which waits for one too, does.
 */
#include <bpf/bpf.h>
#include <errno.h>
#include <linux/membarrier.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "datapath/state.h"

/* Since 4.20 the kernel waits for a grace period before it returns from an update of an outer map.
 */
static int wait_by_outer_map(void)
{
	CLEANUP(cleanup_close)
	int inner = bpf_map_create(BPF_MAP_TYPE_ARRAY, "warder_inner", 4, 8, 1, NULL);
	LIBBPF_OPTS(bpf_map_create_opts, options, .inner_map_fd = inner);
	CLEANUP(cleanup_close) int outer = -1;
	__u32 zero = 0;

	if (inner < 0)
		return -errno;
	outer = bpf_map_create(BPF_MAP_TYPE_ARRAY_OF_MAPS, "warder_outer", 4, 4, 1, &options);
	if (outer < 0)
		return -errno;
	return bpf_map_update_elem(outer, &zero, &inner, BPF_ANY);
}

int warder_grace_wait(const struct warder_datapath *datapath)
{
	if (!datapath->loop) /* nothing is attached: no program runs but in our own calls */
		return 0;
	if (!syscall(SYS_membarrier, MEMBARRIER_CMD_GLOBAL, 0, 0))
		return 0;
	return wait_by_outer_map();
}

static void work(uv_work_t *request)
{
	struct warder_datapath *datapath = request->data;

	datapath->grace.refused = warder_grace_wait(datapath) != 0;
}

static void done(uv_work_t *request, int status)
{
	struct warder_datapath *datapath = request->data;

	datapath->grace.running = false;
	if (!datapath->closed) {
		/* What was freed meanwhile has not waited; where the wait failed nothing is given
		 * again. */
		if (datapath->grace.again)
			warder_grace_begin(datapath);
		else if (!status && !datapath->grace.refused)
			warder_plan_grace(datapath->planner);
	}
	warder_datapath_unref(datapath);
}

void warder_grace_begin(struct warder_datapath *datapath)
{
	if (!datapath->loop) {
		warder_plan_grace(datapath->planner);
		return;
	}
	if (datapath->grace.running) {
		datapath->grace.again = true;
		return;
	}
	datapath->grace.again = false;
	datapath->grace.work.data = datapath;
	if (uv_queue_work(datapath->loop, &datapath->grace.work, work, done))
		return;
	datapath->grace.running = true;
	warder_datapath_ref(datapath);
}

void warder_grace_now(struct warder_datapath *datapath)
{
	if (!warder_grace_wait(datapath))
		warder_plan_grace(datapath->planner);
}

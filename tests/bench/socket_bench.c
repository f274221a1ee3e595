/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the socket hooks cost a call: nanoseconds of warder_sendmsg4 by the kernel's own count (bpf
 * stats, which add some 25 themselves), the least of all rounds.  usage: socket_bench, as root.
 */
#pragma GCC diagnostic ignored "-Wunused-function" /* half of that world */
#include "bpf/socket_world.h"

#define CALLS  50000
#define ROUNDS 9

static void program_runs(__u64 *ret_ns, __u64 *ret_runs)
{
	struct bpf_prog_info info = {0};
	__u32 size = sizeof(info);

	bpf_prog_get_info_by_fd(bpf_program__fd(object->progs.warder_sendmsg4), &info, &size);
	*ret_ns = info.run_time_ns;
	*ret_runs = info.run_cnt;
}

static double hook_ns(struct call *c)
{
	double least = 1e9;
	int stats = bpf_enable_stats(BPF_STATS_RUN_TIME);

	for (int i = 0; i < ROUNDS; i++) {
		__u64 ns, runs, ns_before, runs_before;
		double each;

		program_runs(&ns_before, &runs_before);
		call(c);
		program_runs(&ns, &runs);
		each = (double)(ns - ns_before) / (double)(runs - runs_before);
		least = each < least ? each : least;
	}
	close(stats);
	return least;
}

static void report(const char *what, struct call *c)
{
	c->type = SOCK_DGRAM;
	c->repeat = CALLS;
	printf("| %-36s | %4.0f |\n", what, hook_ns(c));
}

static void test_cost(void)
{
	if (!begin())
		return;
	printf("| sendto() | ns |\n|---|---|\n");
	report("allowed by policy", &(struct call){.to = "10.9.0.3", .port = 53});
	report("refused, counted and told", &(struct call){.to = "10.9.0.4", .port = 53});
	report("the own address", &(struct call){.to = "10.9.0.2", .port = 9});
	report("loopback", &(struct call){.to = "127.0.0.1", .port = 9});
	report("a process that is no endpoint",
	       &(struct call){.to = "10.9.0.4", .port = 9, .ns = peer_ns, .cgroup = cgroup_root});
	put_slot(0, GROUP);
	report("an endpoint that nothing isolates", &(struct call){.to = "10.9.0.3", .port = 53});
}

static const struct suite_test tests[] = {{"cost", test_cost}};
SUITE("socket", tests)

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The programs and maps in the kernel: loading or adopting them, attaching to links and cgroups,
 * and writing plans.  The only writer of the maps.  Slow work (load, attach, detach) runs on
 * libuv's pool.
 */
#ifndef WARDER_DATAPATH_DATAPATH_H
#define WARDER_DATAPATH_DATAPATH_H

#include <uv.h>

#include "datapath/plan.h"
#include "host/host.h"
#include "warder/counter.h"
#include "warder/event.h"

struct warder_datapath;

struct warder_datapath_options {
	const char *bpffs;	 /* directory for pins, e.g. /sys/fs/bpf/warder; NULL = pin nothing
				    (explain --kernel, tests) */
	const char *cgroup_root; /* socket programs are attached there; NULL = not */
	struct warder_shape shape; /* 0 = default; a pinned one wins */
	__u32 max_flows, flows_per_endpoint;
	__u32 mark_mask;	   /* bits of skb->mark for the sender's slot; 0 = none */
	const __u16 *tunnel_ports; /* UDP ports of overlays, host order */
	size_t n_tunnel_ports;
	bool listen_later;   /* no event is told before warder_datapath_listen() */
	bool no_reply_cache; /* benches: each proof by socket is looked up */
	bool clsact;	     /* do not try tcx (tests; kernels before 6.6 find out by themselves) */
};

/* A network namespace, named by a process in it; the inode is checked, since a pid may have gone to
 * another. */
struct warder_netns {
	int pid;     /* 0 = none known */
	__u64 inode; /* 0 = not checked */
};

struct warder_datapath_sink {
	void *data;
	void (*event)(void *data,
		      const struct warder_event *event); /* from either ring, on the loop */
	void (*attached)(void *data, __u32 ifindex,
			 int error); /* both directions are in place, or why not */
	void (*written)(void *data); /* NULL, or called after each single write of a plan: tests
					stop and look there */
};

/* Loads, or adopts what is pinned (same layout version: maps are taken over, programs replaced by
 * link update). */
int warder_datapath_open(uv_loop_t *loop, const struct warder_datapath_options *options,
			 const struct warder_datapath_sink *sink, struct warder_datapath **ret,
			 struct warder_error *error);
/* Begins to tell events, also those that wait since before it was opened; again: nothing. */
void warder_datapath_listen(struct warder_datapath *datapath);
/* Leaves everything pinned and enforcing. */
void warder_datapath_close(struct warder_datapath *datapath);
/* Detaches and unpins everything of Warder's below `bpffs` and in this network namespace, and
 * nothing of others. No agent may be running.  0 also where there was nothing. */
int warder_datapath_uninstall(const char *bpffs, struct warder_error *error);
/* An agent, of whatever run directory, works with what is pinned there. */
bool warder_datapath_is_used(const char *bpffs);

struct warder_planner *warder_datapath_planner(struct warder_datapath *datapath);
/* Makes a plan for the new state and writes it; grows the maps where needed.  0 or -errno: the old
 * state of what could not be written stays.  *ret_writes (may be NULL): how many writes. */
int warder_datapath_apply(struct warder_datapath *datapath, const struct warder_matrix *matrix,
			  const struct warder_plan_endpoint *endpoints, size_t n_endpoints,
			  size_t *ret_writes, struct warder_error *error);

/*
 * Attaches both programs to the host side of a pod's link, toward the pod first, on libuv's pool;
 * the result is told by sink->attached.  `netns` (may be NULL) is the pod's: TCP sockets that began
 * connections before are marked there, so that these go on.  A link that is attached already, or
 * being attached, is told at once.
 */
int warder_datapath_attach(struct warder_datapath *datapath, __u32 ifindex,
			   const struct warder_netns *netns, struct warder_error *error);
/* Clears the link's word in the kernel at once, before anything else, and forgets its attachment.
 */
void warder_datapath_link_gone(struct warder_datapath *datapath, __u32 ifindex);
bool warder_datapath_is_attached(const struct warder_datapath *datapath, __u32 ifindex);
/* What carries the programs on pods' links: "tcx", "clsact", or "none" where none is attached yet. */
const char *warder_datapath_hook(const struct warder_datapath *datapath);
/* How many slots there are now. */
__u32 warder_datapath_slots(const struct warder_datapath *datapath);
/*
 * Asks the kernel whether each attached link still has both programs, before all others; calls back
 * for each that has not, with what is wrong ("program cil_from_container runs before ours").
 * Returns how many.
 */
size_t warder_datapath_check(struct warder_datapath *datapath,
			     void (*problem)(void *data, __u32 ifindex, const char *what),
			     void *data);

/* Sums over CPUs; `ret` has room for slots * WARDER_COUNTERS_PER_SLOT. */
int warder_datapath_counters(struct warder_datapath *datapath, struct warder_counter *ret,
			     size_t n);
/* Calls back for each line of each CPU that is in use (last = 0), and reads overflow; see
 * warder/event.h. */
int warder_datapath_sweep(struct warder_datapath *datapath,
			  void (*line)(void *data, const struct warder_event *event), void *data,
			  struct warder_counter overflow[WARDER_OVERFLOWS]);
/* Removes what has expired from `flows`, and gives its room back; call it each second or so. */
int warder_datapath_expire_flows(struct warder_datapath *datapath);
size_t warder_datapath_map_info(
	struct warder_datapath *datapath, /* name, entries, bytes of each map, for CLI */
	void (*each)(void *data, const char *name, __u32 max_entries, __u64 bytes, __u32 id),
	void *data);

/* One packet through the real programs without sending it: `from_pod` picks the program, lo stands
 * for the link.  Returns the action (0 = pass, 1 = drop) or -errno. */
int warder_datapath_run(struct warder_datapath *datapath, bool from_pod, __u16 slot,
			__u32 ingress_ifindex, const void *frame, size_t size);

#endif

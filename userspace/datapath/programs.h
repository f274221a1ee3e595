/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Maps by name and programs by number, as descriptors: what load.c makes, pins.c keeps on the
 * bpffs, and everything else in this folder works on.
 */
#ifndef WARDER_DATAPATH_PROGRAMS_H
#define WARDER_DATAPATH_PROGRAMS_H

#include "base/error.h"
#include "datapath/mirror.h"
#include "warder/layout.h"

enum warder_program {
	WARDER_PROGRAM_TO_POD,
	WARDER_PROGRAM_FROM_POD,
	WARDER_PROGRAM_CONNECT4,
	WARDER_PROGRAM_CONNECT6,
	WARDER_PROGRAM_SENDMSG4,
	WARDER_PROGRAM_SENDMSG6,
	WARDER_PROGRAM_SKB_INGRESS,
	WARDER_PROGRAM_SKB_EGRESS,
	WARDER_PROGRAM_ADOPT_TCP,
	WARDER_PROGRAM_EXPIRE,
	WARDER_PROGRAMS
};

#define WARDER_MAPS_MAX 48
#define WARDER_MAP_NAME 16 /* of the kernel, with its final 0 */

struct warder_map {
	char name[WARDER_MAP_NAME];
	int fd;
};

/* A set of maps, each with a descriptor of its own. */
struct warder_maps {
	struct warder_map v[WARDER_MAPS_MAX];
	size_t n;
};

int warder_maps_find(const struct warder_maps *maps,
		     const char *name); /* borrowed descriptor, or -1 */
/* Takes the descriptor over, also on an error (-E2BIG). */
int warder_maps_add(struct warder_maps *maps, const char *name, int fd);
void warder_maps_release(struct warder_maps *maps);

/* What the programs are made with; all of it is fixed once they are loaded. */
struct warder_constants {
	struct warder_shape shape;
	__u64 secret[2];
	__u32 max_flows, flows_per_endpoint;
	__u32 mark_mask;
	bool no_reply_cache; /* benches: what map `proofs` saves */
	const __u16 *tunnel_ports;
	size_t n_tunnel_ports;
};

struct warder_programs {
	int fd[WARDER_PROGRAMS];
	int adopt_link; /* iter/tcp, ready for bpf_iter_create */
};

#define WARDER_PROGRAMS_INIT                                                                       \
	{                                                                                          \
		.fd = {[0 ... WARDER_PROGRAMS - 1] = -1}, .adopt_link = -1                         \
	}

void warder_programs_release(struct warder_programs *programs);

/*
 * Opens the objects, lets them use the maps in `maps`, makes those that are missing there and adds
 * them, and loads the programs.  -ESTALE: a map in `maps` is not what this build works with.
 */
int warder_programs_load(const struct warder_constants *constants, struct warder_maps *maps,
			 struct warder_programs *ret, struct warder_error *error);

#endif

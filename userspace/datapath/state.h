/* SPDX-License-Identifier: Apache-2.0 */
/*
 * struct warder_datapath and what the files of this folder do with parts of it.  Nothing outside
 * the folder includes this.
 */
#ifndef WARDER_DATAPATH_STATE_H
#define WARDER_DATAPATH_STATE_H

#include "datapath/attach.h"
#include "datapath/datapath.h"
#include "datapath/pins.h"
#include "datapath/programs.h"

struct warder_links; /* links.c: which links have our programs, and the jobs that put them there */
struct warder_sockets; /* cgroup.c */
struct warder_rings;   /* rings.c */

struct warder_datapath {
	uv_loop_t *loop; /* NULL: no attachments, no events (explain --kernel, tests) */
	struct warder_datapath_sink sink;
	struct warder_constants constants; /* with the shape of the maps as they are */
	__u16 *tunnel_ports;		   /* what constants points to */
	struct warder_pins pins;
	int lock; /* on the directory of the pins, -1 none */
	struct warder_maps maps;
	struct warder_programs programs;
	unsigned epoch; /* of the programs: grows when they are loaded anew */
	struct warder_mirror *mirror;
	struct warder_planner *planner;
	struct warder_links *links;
	struct warder_sockets *sockets;
	struct warder_rings *rings;
	unsigned refs; /* one is the owner's, the others are of work and handles that still run */
	bool closed;
	struct {
		uv_work_t work;
		bool running;
		bool again;   /* something was freed since it began */
		bool refused; /* the kernel has no membarrier for this machine: waits instead */
	} grace;
};

struct warder_datapath *warder_datapath_ref(struct warder_datapath *datapath);
void warder_datapath_unref(struct warder_datapath *datapath);

/* links.c */
struct warder_links *warder_links_new(struct warder_datapath *datapath, bool clsact);
void warder_links_free(struct warder_links *links);
/* Takes over what is pinned, or found as filters: those of dead interfaces go, the others get our
 * programs. */
int warder_links_adopt(struct warder_links *links, struct warder_error *error);
/* All attached links run these programs from now on. */
int warder_links_update(struct warder_links *links, const struct warder_programs *programs,
			struct warder_error *error);

/* cgroup.c: the socket programs on the pods' cgroup root, pinned. */
int warder_sockets_attach(const struct warder_pins *pins, const char *cgroup_root,
			  const struct warder_programs *programs, struct warder_sockets **ret,
			  struct warder_error *error);
int warder_sockets_update(struct warder_sockets *sockets, const struct warder_programs *programs,
			  struct warder_error *error);
void warder_sockets_free(struct warder_sockets *sockets); /* leaves the pinned links */

/* rings.c */
int warder_rings_open(struct warder_datapath *datapath, struct warder_rings **ret,
		      struct warder_error *error);
void warder_rings_listen(struct warder_rings *rings);
void warder_rings_close(struct warder_rings *rings);
/* Hands over all records that began before the call. */
void warder_rings_drain(struct warder_rings *rings);

/* grow.c: maps that hold `need`, filled, with programs on them everywhere.  The old state stays on
 * an error. */
int warder_grow(struct warder_datapath *datapath, const struct warder_shape *need,
		struct warder_error *error);

/* grace.c */
void warder_grace_begin(struct warder_datapath *datapath); /* frees ids some time later */
void warder_grace_now(struct warder_datapath *datapath);   /* blocks for some 10 ms */
int warder_grace_wait(
	const struct warder_datapath *datapath); /* the same, and frees nothing; 0 or -errno */

/* datapath.c */
int warder_boot_write(const struct warder_maps *maps, const struct warder_constants *constants);

/* sweep.c */
int warder_slot_counters(const struct warder_datapath *datapath, __u16 slot,
			 struct warder_counter ret[WARDER_COUNTERS_PER_SLOT]); /* sums over CPUs */
__u64 warder_map_bytes(int fd); /* memory that the kernel charged for a map; 0 unknown */

#endif

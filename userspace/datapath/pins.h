/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where things are kept while no agent runs: <bpffs>/v<layout>/maps and <bpffs>/v<layout>/links.
 * The maps' directory is complete or absent: it is filled under another name and put in place by
 * one rename.
 */
#ifndef WARDER_DATAPATH_PINS_H
#define WARDER_DATAPATH_PINS_H

#include <linux/limits.h>

#include "datapath/programs.h"

struct warder_pins {
	char root[PATH_MAX]; /* <bpffs>/v<layout>; "" = nothing is pinned */
};

/*
 * Makes the directories, and mounts a bpffs at the parent of `bpffs` where there is none.  -EBUSY
 * where another layout's pins are there, -ENODEV where no bpffs is and none may be mounted.
 */
int warder_pins_open(const char *bpffs, struct warder_pins *ret, struct warder_error *error);
/* The same directory where it exists, without making anything; -ENOENT. */
int warder_pins_find(const char *bpffs, struct warder_pins *ret);

/* One agent a directory: holds it for as long as the descriptor that is returned is open, also by a
 * process that is killed.  -EBUSY where another does. */
int warder_pins_lock(const char *bpffs, struct warder_error *error);
/* Closes it; -1: nothing.  A forked child that still has the descriptor keeps nothing locked. */
void warder_pins_unlock(int lock);

/* Opens every pinned map; none is fine. */
int warder_pins_maps(const struct warder_pins *pins, struct warder_maps *ret,
		     struct warder_error *error);
/* Puts this set in place of what is pinned, all at once. */
int warder_pins_replace_maps(const struct warder_pins *pins, const struct warder_maps *maps,
			     struct warder_error *error);
/* Adds those that are not pinned yet. */
int warder_pins_add_maps(const struct warder_pins *pins, const struct warder_maps *maps,
			 struct warder_error *error);

/* Links by name ("link_12_to_pod"); the name is a file's, without dots. */
int warder_pins_put_link(const struct warder_pins *pins, const char *name, int fd);
int warder_pins_get_link(const struct warder_pins *pins,
			 const char *name); /* a new descriptor, or -errno */
void warder_pins_remove_link(const struct warder_pins *pins, const char *name);
/* Calls back for each name; the callback may remove it.  Ends at the first negative return. */
int warder_pins_each_link(const struct warder_pins *pins, int (*each)(void *data, const char *name),
			  void *data);

/* Removes every pin and the directories that are then empty, up to `bpffs` itself. */
int warder_pins_remove_all(const char *bpffs, struct warder_error *error);

#endif

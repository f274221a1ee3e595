/* SPDX-License-Identifier: Apache-2.0 */
/* inotify on a loop: watches by path, events handed over as they are. */
#ifndef WARDER_SOURCE_WATCH_H
#define WARDER_SOURCE_WATCH_H

#include <stdint.h>
#include <uv.h>

struct warder_watch;

/* `event`: name is "" where the watched thing itself is meant; wd is -1 where events were lost. */
int warder_watch_open(uv_loop_t *loop,
		      void (*event)(void *data, int wd, uint32_t mask, const char *name),
		      void *data, struct warder_watch **ret);
/* Frees it once its handle is closed; no event comes any more. */
void warder_watch_close(struct warder_watch *watch);

/* A watch descriptor, the same one for the same inode, or -errno. */
int warder_watch_add(struct warder_watch *watch, const char *path, uint32_t mask);
void warder_watch_remove(struct warder_watch *watch, int wd);
/* Hands over what has happened until now, without waiting for the loop. */
void warder_watch_drain(struct warder_watch *watch);

#endif

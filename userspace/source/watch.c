/* SPDX-License-Identifier: Apache-2.0 */
/*
 * inotify on a loop: see source/watch.h.  Not libuv's own fs events: they hide whether a file was
 * closed after it was written, and cannot be asked for what has happened until now.
 */
#include "source/watch.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <sys/inotify.h>
#include <unistd.h>

struct warder_watch {
	int fd;
	uv_poll_t poll;
	void (*event)(void *data, int wd, uint32_t mask, const char *name);
	void *data;
};

void warder_watch_drain(struct warder_watch *watch)
{
	char buffer[16384] __attribute__((aligned(__alignof__(struct inotify_event))));
	ssize_t n;

	while ((n = read(watch->fd, buffer, sizeof(buffer))) > 0) {
		for (char *p = buffer; p < buffer + n;) {
			const struct inotify_event *event = (const struct inotify_event *)p;

			watch->event(watch->data, event->mask & IN_Q_OVERFLOW ? -1 : event->wd,
				     event->mask, event->len ? event->name : "");
			p += sizeof(*event) + event->len;
		}
	}
}

static void readable(uv_poll_t *poll, int status, int events)
{
	warder_watch_drain(poll->data);
}

int warder_watch_open(uv_loop_t *loop,
		      void (*event)(void *data, int wd, uint32_t mask, const char *name),
		      void *data, struct warder_watch **ret)
{
	struct warder_watch *watch = calloc(1, sizeof(*watch));
	int error;

	if (!watch)
		return -ENOMEM;
	watch->event = event;
	watch->data = data;
	watch->fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
	error = watch->fd < 0 ? -errno : uv_poll_init(loop, &watch->poll, watch->fd);
	if (error) {
		if (watch->fd >= 0)
			close(watch->fd);
		free(watch);
		return error;
	}
	watch->poll.data = watch;
	error = uv_poll_start(&watch->poll, UV_READABLE, readable);
	if (error) {
		warder_watch_close(watch);
		return error;
	}
	*ret = watch;
	return 0;
}

static void closed(uv_handle_t *handle)
{
	struct warder_watch *watch = handle->data;

	close(watch->fd);
	free(watch);
}

void warder_watch_close(struct warder_watch *watch)
{
	if (watch)
		uv_close((uv_handle_t *)&watch->poll, closed);
}

int warder_watch_add(struct warder_watch *watch, const char *path, uint32_t mask)
{
	int wd = inotify_add_watch(watch->fd, path, mask);

	return wd < 0 ? -errno : wd;
}

void warder_watch_remove(struct warder_watch *watch, int wd)
{
	if (wd >= 0)
		inotify_rm_watch(watch->fd, wd);
}

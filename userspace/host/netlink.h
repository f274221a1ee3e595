/* SPDX-License-Identifier: Apache-2.0 */
/*
 * rtnetlink sockets: one kind asks questions and waits for the kernel's answer, the other kind
 * listens. What a message says is for links.c, namespaces.c and addresses.c to read.
 */
#ifndef WARDER_HOST_NETLINK_H
#define WARDER_HOST_NETLINK_H

#include <libmnl/libmnl.h>
#include <stdbool.h>

#include "base/error.h"
#include "warder/types.h"

#define WARDER_NETLINK_BUFFER                                                                      \
	(128 << 10) /* bytes of one datagram; a link with many virtual functions is large */
#define WARDER_NETLINK_BACKLOG (8 << 20) /* bytes that the kernel may queue for a listener */
#define WARDER_NETLINK_WAIT_MS 2000	 /* for an answer */
#define WARDER_NETLINK_REQUEST 256	 /* bytes of the largest request */

struct warder_netlink;

/*
 * `groups` is a mask of RTMGRP_* and bits 1 << (RTNLGRP_* - 1); 0 = a socket for questions.
 * `everywhere`: events of every network namespace that has an id in this one too
 * (NETLINK_LISTEN_ALL_NSID).
 */
int warder_netlink_open(__u32 groups, bool everywhere, struct warder_netlink **ret,
			struct warder_error *error);
void warder_netlink_close(struct warder_netlink *netlink); /* NULL is fine */
int warder_netlink_fd(const struct warder_netlink *netlink);

/* A request in `buffer` (WARDER_NETLINK_REQUEST bytes), with `size` bytes of zeroed family header
 * behind it. */
struct nlmsghdr *warder_netlink_request(void *buffer, __u16 type, __u16 flags, size_t size,
					void **ret_header);

/*
 * Sends a request and calls `message` for each message of the answer; it returns 0 to go on, or a
 * negative errno that ends the question (the rest of the answer is thrown away).  Returns 0, that
 * errno, or the kernel's: -EINTR where a dump changed while it was read.
 */
int warder_netlink_ask(struct warder_netlink *netlink, struct nlmsghdr *request,
		       int (*message)(void *data, const struct nlmsghdr *message), void *data);

/*
 * Reads all events that wait.  `nsid` is -1 for this namespace.  0, or -ENOBUFS where some were
 * lost: ask again for everything.
 */
int warder_netlink_drain(struct warder_netlink *netlink,
			 void (*event)(void *data, const struct nlmsghdr *event, __s32 nsid),
			 void *data);

/* The attributes behind a family header of `size` bytes into `table` (index 0..max); -EBADMSG for a
 * short message. */
int warder_netlink_attributes(const struct nlmsghdr *message, size_t size,
			      const struct nlattr **table, unsigned max);

#endif

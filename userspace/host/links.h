/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Network interfaces as rtnetlink tells them: one message read into a structure, questions for one
 * or all, here or inside a pod's namespace (by its id, without entering it).  Whose a link is,
 * host.c decides.
 */
#ifndef WARDER_HOST_LINKS_H
#define WARDER_HOST_LINKS_H

#include "host/netlink.h"

#define WARDER_LINKS_INSIDE 256 /* of one pod that are looked at */

struct warder_link_message {
	__u32 ifindex;
	__u32 flags; /* IFF_* */
	char name[16];
	char kind[16]; /* IFLA_INFO_KIND, "" where it has none (lo, a physical device) */
	__s32 netnsid; /* IFLA_LINK_NETNSID: where its other half is; -1 = here, or nowhere */
	__u32 link;    /* IFLA_LINK: the other half, or the lower device */
	__u32 master;  /* bridge or bond that it is a port of, 0 none */
	__u8 mac[6];   /* zeros where it has none of 6 bytes */
	bool moved;    /* RTM_DELLINK: it went to another namespace */
};

/* Reads one RTM_NEWLINK or RTM_DELLINK; -EBADMSG where it is none, short, or without a usable
 * ifindex. */
int warder_link_read(const struct nlmsghdr *message, struct warder_link_message *ret);

/* One link of this namespace (nsid -1) or of another; -ENODEV where there is none. */
int warder_link_get(struct warder_netlink *netlink, __s32 nsid, __u32 ifindex,
		    struct warder_link_message *ret);

/*
 * Calls back for each link of a namespace; a negative return ends it.  Messages that cannot be read
 * are left out.  Returns 0, that, the kernel's errno, or -EINTR where the list changed while it was
 * read.
 */
int warder_links_each(struct warder_netlink *netlink, __s32 nsid,
		      int (*each)(void *data, const struct warder_link_message *link), void *data);

/* Both directions of such a link pass a program on its host side. */
bool warder_link_covers(const char *kind);

/*
 * May this link, seen inside a pod, carry packets out of it that pass no host side of a veth?
 * Interfaces with a lower device in another namespace, and physical ones; a veth is judged by its
 * other half.
 */
bool warder_link_leaves(const struct warder_link_message *link);

#endif

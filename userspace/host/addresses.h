/* SPDX-License-Identifier: Apache-2.0 */
/* The node's own addresses, kept by rtnetlink's events. */
#ifndef WARDER_HOST_ADDRESSES_H
#define WARDER_HOST_ADDRESSES_H

#include "base/address.h"
#include "host/netlink.h"

#define WARDER_ADDRESSES_MAX                                                                       \
	65536 /* what one node may hold; further ones are left out, and told                       \
	       */

struct warder_address_message {
	__u32 ifindex;
	struct warder_addr addr;
	__u8 bits; /* of the family's own form */
};

/* Reads one RTM_NEWADDR or RTM_DELADDR; -EBADMSG where it is none, or of another family. */
int warder_address_read(const struct nlmsghdr *message, struct warder_address_message *ret);

struct warder_addresses;

struct warder_addresses *warder_addresses_new(void);
void warder_addresses_free(struct warder_addresses *addresses);

/* Asks for all; what was known before and is not told any more is gone. 0 or -errno. */
int warder_addresses_ask(struct warder_addresses *addresses, struct warder_netlink *netlink);
/* One event.  Returns whether the list may have changed. */
bool warder_addresses_event(struct warder_addresses *addresses, const struct nlmsghdr *message);
/* Interfaces whose addresses are not the node's (kube-ipvs0): named by ifindex as links come and
 * go. */
bool warder_addresses_ignore(struct warder_addresses *addresses, __u32 ifindex, bool ignored);
/* Interfaces that many pods are behind: their link-local addresses count, else none does. */
bool warder_addresses_bridge(struct warder_addresses *addresses, __u32 ifindex, bool is_bridge);
bool warder_addresses_link_gone(struct warder_addresses *addresses, __u32 ifindex);

/* Sorted, unique, borrowed until the next call that is not this one.  NULL where there is no
 * memory. */
const struct warder_addr *warder_addresses_list(struct warder_addresses *addresses, size_t *ret_n);
bool warder_addresses_cut(
	const struct warder_addresses *addresses); /* WARDER_ADDRESSES_MAX was reached */

#endif

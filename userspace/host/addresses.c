/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The node's own addresses: a table of (interface, address, prefix) as the kernel has it, and the
 * sorted list of what pods may call "the host".  Left out: link-local IPv6 addresses (not unique; but a
 * bridge's, which may be the gateway of many pods, and none of these may claim it),
 * loopback addresses (a packet with one never passes between namespaces lawfully), and interfaces
 * that only hold Services' addresses.
 */
#include "host/addresses.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_addr.h>
#include <linux/rtnetlink.h>
#include <string.h>
#include <sys/socket.h>
#include <uthash.h>

#include "base/cleanup.h"

struct entry {
	struct warder_address_message key; /* zeroed padding: hashed as bytes */
	bool seen;			   /* in the answer that is being read */
	UT_hash_handle hh;
};

struct interface {
	__u32 ifindex;
	UT_hash_handle hh;
};

struct warder_addresses {
	struct entry *entries;
	struct interface *ignored, *bridges;
	bool cut;
	bool stale; /* list is older than entries */
	struct warder_addr *list;
	size_t n_list;
};

struct warder_addresses *warder_addresses_new(void)
{
	return calloc(1, sizeof(struct warder_addresses));
}

static void entry_free(struct warder_addresses *addresses, struct entry *entry)
{
	HASH_DEL(addresses->entries, entry);
	free(entry);
}

static void free_set(struct interface **set)
{
	struct interface *one, *next;

	HASH_ITER (hh, *set, one, next) {
		HASH_DEL(*set, one);
		free(one);
	}
}

void warder_addresses_free(struct warder_addresses *addresses)
{
	struct entry *entry, *next;

	if (!addresses)
		return;
	HASH_ITER (hh, addresses->entries, entry, next)
		entry_free(addresses, entry);
	free_set(&addresses->ignored);
	free_set(&addresses->bridges);
	free(addresses->list);
	free(addresses);
}

int warder_address_read(const struct nlmsghdr *message, struct warder_address_message *ret)
{
	const struct nlattr *a[IFA_MAX + 1], *address;
	const struct ifaddrmsg *header;
	size_t size;

	if (message->nlmsg_type != RTM_NEWADDR && message->nlmsg_type != RTM_DELADDR)
		return -EBADMSG;
	if (warder_netlink_attributes(message, sizeof(*header), a, IFA_MAX))
		return -EBADMSG;
	header = mnl_nlmsg_get_payload(message);
	if (header->ifa_family != AF_INET && header->ifa_family != AF_INET6)
		return -EBADMSG;
	size = header->ifa_family == AF_INET ? 4 : 16;
	/* On a point-to-point link IFA_ADDRESS is the other side's. */
	address = a[IFA_LOCAL] ? a[IFA_LOCAL] : a[IFA_ADDRESS];
	if (!address || mnl_attr_get_payload_len(address) != size || !header->ifa_index)
		return -EBADMSG;
	memset(ret, 0, sizeof(*ret));
	ret->ifindex = header->ifa_index;
	ret->bits = header->ifa_prefixlen;
	if (size == 4) {
		ret->addr.b[10] = ret->addr.b[11] = 0xff;
		memcpy(&ret->addr.b[12], mnl_attr_get_payload(address), 4);
	} else {
		memcpy(ret->addr.b, mnl_attr_get_payload(address), 16);
	}
	return 0;
}

static bool put(struct warder_addresses *addresses, const struct warder_address_message *message)
{
	struct entry *entry;

	HASH_FIND(hh, addresses->entries, message, sizeof(*message), entry);
	if (entry) {
		entry->seen = true;
		return false;
	}
	if (HASH_COUNT(addresses->entries) >= WARDER_ADDRESSES_MAX) {
		addresses->cut = true;
		return false;
	}
	entry = calloc(1, sizeof(*entry));
	if (!entry)
		return false;
	memcpy(&entry->key, message, sizeof(*message));
	entry->seen = true;
	HASH_ADD(hh, addresses->entries, key, sizeof(entry->key), entry);
	return true;
}

bool warder_addresses_event(struct warder_addresses *addresses, const struct nlmsghdr *message)
{
	struct warder_address_message address;
	struct entry *entry;
	bool changed = false;

	if (warder_address_read(message, &address))
		return false;
	if (message->nlmsg_type == RTM_NEWADDR) {
		changed = put(addresses, &address);
	} else {
		HASH_FIND(hh, addresses->entries, &address, sizeof(address), entry);
		if (entry) {
			entry_free(addresses, entry);
			changed = true;
		}
	}
	addresses->stale |= changed;
	return changed;
}

static int take(void *data, const struct nlmsghdr *message)
{
	warder_addresses_event(data, message);
	return 0;
}

int warder_addresses_ask(struct warder_addresses *addresses, struct warder_netlink *netlink)
{
	char buffer[WARDER_NETLINK_REQUEST];
	struct entry *entry, *next;
	void *header;
	int error;

	HASH_ITER (hh, addresses->entries, entry, next)
		entry->seen = false;
	addresses->cut = false;
	error = warder_netlink_ask(netlink,
				   warder_netlink_request(buffer, RTM_GETADDR, NLM_F_DUMP,
							  sizeof(struct ifaddrmsg), &header),
				   take, addresses);
	if (error)
		return error;
	HASH_ITER (hh, addresses->entries, entry, next) {
		if (entry->seen)
			continue;
		entry_free(addresses, entry);
		addresses->stale = true;
	}
	return 0;
}

/* Whether it changed. */
static bool put_interface(struct interface **set, __u32 ifindex, bool is_in)
{
	struct interface *one;

	HASH_FIND(hh, *set, &ifindex, sizeof(ifindex), one);
	if (is_in == !!one)
		return false;
	if (one) {
		HASH_DEL(*set, one);
		free(one);
		return true;
	}
	one = calloc(1, sizeof(*one));
	if (!one)
		return false;
	one->ifindex = ifindex;
	HASH_ADD(hh, *set, ifindex, sizeof(one->ifindex), one);
	return true;
}

bool warder_addresses_ignore(struct warder_addresses *addresses, __u32 ifindex, bool is_ignored)
{
	bool changed = put_interface(&addresses->ignored, ifindex, is_ignored);

	addresses->stale |= changed;
	return changed;
}

bool warder_addresses_bridge(struct warder_addresses *addresses, __u32 ifindex, bool is_bridge)
{
	bool changed = put_interface(&addresses->bridges, ifindex, is_bridge);

	addresses->stale |= changed;
	return changed;
}

bool warder_addresses_link_gone(struct warder_addresses *addresses, __u32 ifindex)
{
	struct entry *entry, *next;
	bool changed = false;

	HASH_ITER (hh, addresses->entries, entry, next) {
		if (entry->key.ifindex != ifindex)
			continue;
		entry_free(addresses, entry);
		changed = true;
	}
	changed |= warder_addresses_ignore(addresses, ifindex, false);
	changed |= warder_addresses_bridge(addresses, ifindex, false);
	addresses->stale |= changed;
	return changed;
}

static bool is_own(const struct warder_addresses *addresses, const struct entry *entry)
{
	static const struct warder_addr loopback6 = {.b = {[15] = 1}};
	const struct warder_addr *addr = &entry->key.addr;
	const struct interface *one;

	HASH_FIND(hh, addresses->ignored, &entry->key.ifindex, sizeof(__u32), one);
	if (one)
		return false;
	if (warder_addr_is4(addr))
		return addr->b[12] != 127;
	if (addr->b[0] == 0xfe && (addr->b[1] & 0xc0) == 0x80) {
		HASH_FIND(hh, addresses->bridges, &entry->key.ifindex, sizeof(__u32), one);
		return one;
	}
	return memcmp(addr, &loopback6, sizeof(*addr)) != 0;
}

static int compare(const void *a, const void *b)
{
	return warder_addr_compare(a, b);
}

const struct warder_addr *warder_addresses_list(struct warder_addresses *addresses, size_t *ret_n)
{
	struct entry *entry, *next;
	struct warder_addr *list;
	size_t n = 0, kept = 0;

	*ret_n = addresses->n_list;
	if (!addresses->stale && addresses->list)
		return addresses->list;
	list = calloc(HASH_COUNT(addresses->entries) + 1, sizeof(*list));
	if (!list)
		return addresses->list;
	HASH_ITER (hh, addresses->entries, entry, next)
		if (is_own(addresses, entry))
			list[n++] = entry->key.addr;
	qsort(list, n, sizeof(*list), compare);
	for (size_t i = 0; i < n; i++)
		if (!kept || warder_addr_compare(&list[kept - 1], &list[i]))
			list[kept++] = list[i];
	free(addresses->list);
	addresses->list = list;
	addresses->n_list = *ret_n = kept;
	addresses->stale = false;
	return list;
}

bool warder_addresses_cut(const struct warder_addresses *addresses)
{
	return addresses->cut;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reading RTM_NEWLINK and RTM_DELLINK.  Attributes come from the kernel, but some of what they hold
 * from pods (names, addresses): every length is checked.  It must keep no state.
 */
#include "host/links.h"

#include <errno.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <string.h>

static __u32 number(const struct nlattr *attribute, __u32 absent)
{
	if (!attribute || mnl_attr_get_payload_len(attribute) != sizeof(__u32))
		return absent;
	return mnl_attr_get_u32(attribute);
}

/* Copies a name that may lack its terminating zero. */
static void text(const struct nlattr *attribute, char *to, size_t size)
{
	size_t length;

	to[0] = 0;
	if (!attribute)
		return;
	length = strnlen(mnl_attr_get_payload(attribute), mnl_attr_get_payload_len(attribute));
	if (length >= size)
		length = size - 1;
	memcpy(to, mnl_attr_get_payload(attribute), length);
	to[length] = 0;
}

static void read_kind(const struct nlattr *info, char *to, size_t size)
{
	const struct nlattr *attribute;

	to[0] = 0;
	if (!info)
		return;
	mnl_attr_for_each_nested(attribute, info)
	{
		if (mnl_attr_get_type(attribute) == IFLA_INFO_KIND)
			text(attribute, to, size);
	}
}

int warder_link_read(const struct nlmsghdr *message, struct warder_link_message *ret)
{
	const struct nlattr *a[IFLA_MAX + 1];
	const struct ifinfomsg *header;

	if (message->nlmsg_type != RTM_NEWLINK && message->nlmsg_type != RTM_DELLINK)
		return -EBADMSG;
	if (warder_netlink_attributes(message, sizeof(*header), a, IFLA_MAX))
		return -EBADMSG;
	header = mnl_nlmsg_get_payload(message);
	/* Bridges, bonds and IPv6 tell of their ports by the same message, in families of their
	 * own. */
	if (header->ifi_family != AF_UNSPEC || header->ifi_index <= 0)
		return -EBADMSG;
	memset(ret, 0, sizeof(*ret));
	ret->ifindex = header->ifi_index;
	ret->flags = header->ifi_flags;
	text(a[IFLA_IFNAME], ret->name, sizeof(ret->name));
	read_kind(a[IFLA_LINKINFO], ret->kind, sizeof(ret->kind));
	ret->netnsid = (__s32)number(a[IFLA_LINK_NETNSID], (__u32)-1);
	if (ret->netnsid < 0)
		ret->netnsid = -1;
	ret->link = number(a[IFLA_LINK], 0);
	ret->master = number(a[IFLA_MASTER], 0);
	ret->moved = message->nlmsg_type == RTM_DELLINK && a[IFLA_NEW_IFINDEX];
	if (a[IFLA_ADDRESS] && mnl_attr_get_payload_len(a[IFLA_ADDRESS]) == sizeof(ret->mac))
		memcpy(ret->mac, mnl_attr_get_payload(a[IFLA_ADDRESS]), sizeof(ret->mac));
	return 0;
}

static struct nlmsghdr *link_request(void *buffer, __u16 flags, __s32 nsid, __u32 ifindex)
{
	struct ifinfomsg *header;
	void *extra;
	struct nlmsghdr *request =
		warder_netlink_request(buffer, RTM_GETLINK, flags, sizeof(*header), &extra);

	header = extra;
	header->ifi_index = (int)ifindex;
	mnl_attr_put_u32(request, IFLA_EXT_MASK, RTEXT_FILTER_SKIP_STATS);
	if (nsid >= 0)
		mnl_attr_put_u32(request, IFLA_TARGET_NETNSID, (__u32)nsid);
	return request;
}

static int take_one(void *data, const struct nlmsghdr *message)
{
	return warder_link_read(message, data);
}

int warder_link_get(struct warder_netlink *netlink, __s32 nsid, __u32 ifindex,
		    struct warder_link_message *ret)
{
	char buffer[WARDER_NETLINK_REQUEST];
	struct warder_link_message link = {0};
	int error = warder_netlink_ask(netlink, link_request(buffer, 0, nsid, ifindex), take_one,
				       &link);

	if (error)
		return error;
	if (link.ifindex != ifindex)
		return -ENODEV;
	*ret = link;
	return 0;
}

struct each {
	int (*each)(void *data, const struct warder_link_message *link);
	void *data;
};

static int take_each(void *data, const struct nlmsghdr *message)
{
	struct each *each = data;
	struct warder_link_message link;

	if (warder_link_read(message, &link))
		return 0;
	return each->each(each->data, &link);
}

int warder_links_each(struct warder_netlink *netlink, __s32 nsid,
		      int (*each)(void *data, const struct warder_link_message *link), void *data)
{
	char buffer[WARDER_NETLINK_REQUEST];
	struct each to = {each, data};

	return warder_netlink_ask(netlink, link_request(buffer, NLM_F_DUMP, nsid, 0), take_each,
				  &to);
}

bool warder_link_covers(const char *kind)
{
	return !strcmp(kind, "veth");
}

bool warder_link_leaves(const struct warder_link_message *link)
{
	if (link->flags & IFF_LOOPBACK)
		return false;
	if (!link->kind[0]) /* a device of its own: a physical one, or a virtual function */
		return true;
	return link->netnsid >= 0 && !warder_link_covers(link->kind);
}

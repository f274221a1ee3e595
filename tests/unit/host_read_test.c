/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What host/ reads: the cgroup paths of kubelet's drivers, and netlink messages, whole, cut at
 * every length and with every byte changed.
 */
#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/net_namespace.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <stdlib.h>

#include "host/addresses.h"
#include "host/cgroups.h"
#include "host/links.h"
#include "host/namespaces.h"
#include "suite.h"

#define DASHED "0f0e0d0c-0b0a-4908-8706-050403020100"
#define SCORED "0f0e0d0c_0b0a_4908_8706_050403020100"
#define STATIC "0f0e0d0c0b0a49088706050403020100"

static void paths(void)
{
	static const struct {
		const char *path, *uid; /* NULL = no pod's */
	} cases[] = {
		{"/sys/fs/cgroup/kubepods/pod" DASHED, DASHED},
		{"/sys/fs/cgroup/kubepods/burstable/pod" DASHED, DASHED},
		{"/sys/fs/cgroup/unified/x/kubepods/besteffort/pod" STATIC, STATIC},
		{"/c/kubepods.slice/kubepods-pod" SCORED ".slice", DASHED},
		{"/c/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod" SCORED
		 ".slice",
		 DASHED},
		{"/c/kubepods-besteffort.slice/kubepods-besteffort-pod" STATIC ".slice", STATIC},
		{"/kubelet.slice/kubelet-kubepods.slice/kubelet-kubepods-pod" SCORED ".slice",
		 DASHED},
		{"/kubelet/kubepods/besteffort/pod" DASHED, DASHED},
		{"/any/where/pod" DASHED, DASHED},
		{"pod" DASHED, DASHED},
		{"/kubepods/podweb-1", "web-1"},
		{"/x/kubepods/besteffort/podweb.a_b", "web.a_b"},
		{"/kubepods.slice/kubepods-podweb_1.slice", "web-1"},
		/* counter-cases */
		{"", NULL},
		{"/", NULL},
		{"/kubepods", NULL},
		{"/kubepods/pod", NULL},
		{"/kubepods/burstable", NULL},
		{"/user.slice/podman-1", NULL},
		{"/user.slice/podman.slice", NULL},
		{"/burstable/podweb", NULL},
		{"/notkubepods/podweb", NULL},
		{"/kubepods/other/podweb", NULL},
		{"/kubepods/pod" DASHED "/0123456789abcdef", NULL},
		{"/kubepods/podx/poda b", NULL},
		{"/kubepods/pod" DASHED DASHED, NULL}, /* too long */
		{"/kubepods.slice/kubepods-pod.slice", NULL},
		{"/kubepods.slice/kubepods-burstable.slice", NULL},
		{"/kubepods.slice/kubepods-pod" SCORED ".scope", NULL},
		{"/kubepods.slice/kubepods-pod" SCORED "-x.slice", NULL},
		{"/xkubepods.slice/xkubepods-pod" SCORED ".slice", NULL},
		{"/kubepods/podweb\xff", NULL},
	};
	char uid[WARDER_UID_TEXT];

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		bool is = warder_cgroup_pod_uid(cases[i].path, uid);

		if (is != !!cases[i].uid || (is && strcmp(uid, cases[i].uid))) {
			printf("  %s: %s\n", cases[i].path, is ? uid : "no pod");
			CU_FAIL("another answer");
		}
	}
}

/* A veth's RTM_NEWLINK with what the kernel puts there; returns its length. */
static size_t make_link(char *buffer, __u16 type)
{
	struct nlmsghdr *message = mnl_nlmsg_put_header(buffer);
	struct ifinfomsg *header;
	struct nlattr *info;

	message->nlmsg_type = type;
	header = mnl_nlmsg_put_extra_header(message, sizeof(*header));
	header->ifi_index = 7;
	header->ifi_flags = IFF_UP;
	mnl_attr_put_strz(message, IFLA_IFNAME, "veth7");
	mnl_attr_put(message, IFLA_ADDRESS, 6, "\x02\x00\x00\x00\x00\x07");
	mnl_attr_put_u32(message, IFLA_LINK, 2);
	mnl_attr_put_u32(message, IFLA_LINK_NETNSID, 5);
	mnl_attr_put_u32(message, IFLA_MASTER, 3);
	info = mnl_attr_nest_start(message, IFLA_LINKINFO);
	mnl_attr_put_strz(message, IFLA_INFO_KIND, "veth");
	mnl_attr_nest_end(message, info);
	return message->nlmsg_len;
}

static void links(void)
{
	char buffer[1024] = {0};
	struct nlmsghdr *message = (struct nlmsghdr *)buffer;
	struct warder_link_message link;

	make_link(buffer, RTM_NEWLINK);
	CU_ASSERT_EQUAL_FATAL(warder_link_read(message, &link), 0);
	CU_ASSERT_EQUAL(link.ifindex, 7);
	CU_ASSERT_EQUAL(link.link, 2);
	CU_ASSERT_EQUAL(link.netnsid, 5);
	CU_ASSERT_EQUAL(link.master, 3);
	CU_ASSERT_STRING_EQUAL(link.name, "veth7");
	CU_ASSERT_STRING_EQUAL(link.kind, "veth");
	CU_ASSERT(!memcmp(link.mac, "\x02\x00\x00\x00\x00\x07", 6));
	CU_ASSERT(!link.moved);
	mnl_attr_put_u32(message, IFLA_NEW_IFINDEX, 2);
	message->nlmsg_type = RTM_DELLINK;
	CU_ASSERT(!warder_link_read(message, &link) && link.moved);
	message->nlmsg_type = RTM_NEWADDR;
	CU_ASSERT_EQUAL(warder_link_read(message, &link), -EBADMSG);
	message->nlmsg_type = RTM_NEWLINK;
	((struct ifinfomsg *)mnl_nlmsg_get_payload(message))->ifi_family = AF_BRIDGE;
	CU_ASSERT_EQUAL(warder_link_read(message, &link), -EBADMSG);
	((struct ifinfomsg *)mnl_nlmsg_get_payload(message))->ifi_family = AF_UNSPEC;
	((struct ifinfomsg *)mnl_nlmsg_get_payload(message))->ifi_index = -1;
	CU_ASSERT_EQUAL(warder_link_read(message, &link), -EBADMSG);
}

/* A name without its zero, numbers and addresses of other sizes. */
static void odd_attributes(void)
{
	char buffer[1024] = {0};
	struct nlmsghdr *message = mnl_nlmsg_put_header(buffer);
	struct ifinfomsg *header;
	struct warder_link_message link;

	message->nlmsg_type = RTM_NEWLINK;
	header = mnl_nlmsg_put_extra_header(message, sizeof(*header));
	header->ifi_index = 7;
	mnl_attr_put(message, IFLA_IFNAME, 20, "abcdefghijklmnopqrst");
	mnl_attr_put(message, IFLA_ADDRESS, 20, "infiniband-address--");
	mnl_attr_put_u16(message, IFLA_LINK, 2);
	mnl_attr_put(message, IFLA_LINK_NETNSID, 0, "");
	mnl_attr_put(message, IFLA_LINKINFO, 3, "\x01\x00\x00");
	CU_ASSERT_EQUAL_FATAL(warder_link_read(message, &link), 0);
	CU_ASSERT_STRING_EQUAL(link.name, "abcdefghijklmno");
	CU_ASSERT_STRING_EQUAL(link.kind, "");
	CU_ASSERT_EQUAL(link.link, 0);
	CU_ASSERT_EQUAL(link.netnsid, -1);
	CU_ASSERT(!memcmp(link.mac, "\0\0\0\0\0\0", 6));
}

static size_t make_address(char *buffer, int family, const void *local, const void *address)
{
	struct nlmsghdr *message = mnl_nlmsg_put_header(buffer);
	struct ifaddrmsg *header;
	size_t size = family == AF_INET6 ? 16 : 4;

	message->nlmsg_type = RTM_NEWADDR;
	header = mnl_nlmsg_put_extra_header(message, sizeof(*header));
	header->ifa_family = family;
	header->ifa_prefixlen = 24;
	header->ifa_index = 4;
	if (address)
		mnl_attr_put(message, IFA_ADDRESS, size, address);
	if (local)
		mnl_attr_put(message, IFA_LOCAL, size, local);
	return message->nlmsg_len;
}

static void addresses(void)
{
	char buffer[1024] = {0}, text[WARDER_ADDRESS_TEXT];
	struct nlmsghdr *message = (struct nlmsghdr *)buffer;
	struct warder_address_message address;

	make_address(buffer, AF_INET, "\xc0\x00\x02\x01", "\xc0\x00\x02\x02"); /* point to point */
	CU_ASSERT_EQUAL_FATAL(warder_address_read(message, &address), 0);
	CU_ASSERT_STRING_EQUAL(warder_addr_format(&address.addr, text), "192.0.2.1");
	CU_ASSERT_EQUAL(address.ifindex, 4);
	make_address(buffer, AF_INET6, NULL, "\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x01");
	CU_ASSERT_EQUAL_FATAL(warder_address_read(message, &address), 0);
	CU_ASSERT_STRING_EQUAL(warder_addr_format(&address.addr, text), "2001:db8::1");
	make_address(buffer, AF_INET, NULL, NULL);
	CU_ASSERT_EQUAL(warder_address_read(message, &address), -EBADMSG);
	make_address(buffer, AF_PACKET, "\xc0\x00\x02\x01", NULL);
	CU_ASSERT_EQUAL(warder_address_read(message, &address), -EBADMSG);
}

/* The list: sorted, once each, without what is nobody's own. */
static void address_list(void)
{
	static const char *const all[] = {"\xc0\x00\x02\x09", "\xc0\x00\x02\x01",
					  "\x7f\x00\x00\x01"};
	struct warder_addresses *addresses = warder_addresses_new();
	char buffer[1024] = {0};
	struct nlmsghdr *message = (struct nlmsghdr *)buffer;
	const struct warder_addr *list;
	size_t n;

	for (int i = 0; i < 6; i++) {
		make_address(buffer, AF_INET, all[i % 3], NULL);
		CU_ASSERT(warder_addresses_event(addresses, message) == (i < 3));
	}
	make_address(buffer, AF_INET6, NULL, "\xfe\x80\0\0\0\0\0\0\0\0\0\0\0\0\0\x01");
	warder_addresses_event(addresses, message);
	list = warder_addresses_list(addresses, &n);
	CU_ASSERT_EQUAL_FATAL(n, 2);
	CU_ASSERT(list[0].b[15] == 1 && list[1].b[15] == 9);
	/* A bridge's link-local address may be many pods' gateway. */
	CU_ASSERT(warder_addresses_bridge(addresses, 4, true));
	list = warder_addresses_list(addresses, &n);
	CU_ASSERT(n == 3 && list[2].b[0] == 0xfe);
	CU_ASSERT(warder_addresses_bridge(addresses, 4, false));
	warder_addresses_list(addresses, &n);
	CU_ASSERT_EQUAL(n, 2);
	CU_ASSERT(warder_addresses_ignore(addresses, 4, true));
	warder_addresses_list(addresses, &n);
	CU_ASSERT_EQUAL(n, 0);
	CU_ASSERT(warder_addresses_link_gone(addresses, 4));
	make_address(buffer, AF_INET, all[0], NULL);
	warder_addresses_event(addresses, message);
	warder_addresses_list(addresses, &n);
	CU_ASSERT_EQUAL(n, 1); /* the number is another interface's now */
	warder_addresses_free(addresses);
}

static void nsids(void)
{
	char buffer[256] = {0};
	struct nlmsghdr *message = mnl_nlmsg_put_header(buffer);
	__s32 nsid;

	message->nlmsg_type = RTM_DELNSID;
	mnl_nlmsg_put_extra_header(message, sizeof(struct rtgenmsg));
	CU_ASSERT_EQUAL(warder_namespace_read(message, &nsid), -EBADMSG);
	mnl_attr_put_u32(message, NETNSA_NSID, 6);
	CU_ASSERT_EQUAL(warder_namespace_read(message, &nsid), 0);
	CU_ASSERT_EQUAL(nsid, 6);
}

/* Every length and every changed byte: an answer or -EBADMSG, and never a byte beyond the message.
 */
static void hostile(void)
{
	char whole[1024] = {0};
	size_t n[3];

	for (int kind = 0; kind < 3; kind++) {
		n[kind] = kind == 0 ? make_link(whole, RTM_NEWLINK)
				    : make_address(whole, kind == 1 ? AF_INET : AF_INET6,
						   whole + 900, whole + 900);
		for (size_t cut = sizeof(struct nlmsghdr); cut <= n[kind]; cut++) {
			for (size_t at = sizeof(__u32); at < cut; at++) {
				char *copy = malloc(cut); /* of its size, so that a sanitizer sees a
							     byte too far */
				struct nlmsghdr *message = (struct nlmsghdr *)copy;
				struct warder_link_message link;
				struct warder_address_message address;
				__s32 nsid;

				memcpy(copy, whole, cut);
				message->nlmsg_len = cut;
				copy[at] ^= 0xff;
				warder_link_read(message, &link);
				warder_address_read(message, &address);
				warder_namespace_read(message, &nsid);
				free(copy);
			}
		}
	}
	CU_PASS("no crash");
}

static const struct suite_test tests[] = {
	{"cgroup paths", paths},
	{"links", links},
	{"odd attributes", odd_attributes},
	{"addresses", addresses},
	{"address list", address_list},
	{"namespace ids", nsids},
	{"hostile messages", hostile},
};

SUITE("host_read", tests)

/* SPDX-License-Identifier: Apache-2.0 */
/* One RTM_GETTFILTER dump.  It changes nothing. */
#include "datapath/filters.h"

#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/if_ether.h>
#include <linux/pkt_cls.h>
#include <linux/pkt_sched.h>
#include <linux/rtnetlink.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/cleanup.h"

struct dump {
	__u32 ifindex;
	int (*each)(void *data, const struct warder_filter *filter);
	void *data;
	int rc;
};

static void close_socket(struct mnl_socket **socket)
{
	if (*socket)
		mnl_socket_close(*socket);
}

static int read_option(const struct nlattr *attribute, void *data)
{
	struct warder_filter *filter = data;

	if (mnl_attr_get_type(attribute) == TCA_BPF_ID &&
	    mnl_attr_get_payload_len(attribute) == sizeof(__u32))
		filter->program = mnl_attr_get_u32(attribute);
	return MNL_CB_OK;
}

static int read_attribute(const struct nlattr *attribute, void *data)
{
	struct warder_filter *filter = data;

	if (mnl_attr_get_type(attribute) == TCA_KIND)
		snprintf(filter->kind, sizeof(filter->kind), "%.*s",
			 mnl_attr_get_payload_len(attribute), mnl_attr_get_str(attribute));
	if (mnl_attr_get_type(attribute) == TCA_OPTIONS && !strcmp(filter->kind, "bpf"))
		mnl_attr_parse_nested(attribute, read_option, filter);
	return MNL_CB_OK;
}

static int read_filter(const struct nlmsghdr *message, void *data)
{
	const struct tcmsg *tc = mnl_nlmsg_get_payload(message);
	struct warder_filter filter = {};
	struct dump *dump = data;

	/* A priority's own entry has handle 0 and no program. */
	if (dump->rc || message->nlmsg_type != RTM_NEWTFILTER || !tc->tcm_handle ||
	    (__u32)tc->tcm_ifindex != dump->ifindex)
		return MNL_CB_OK;
	filter.priority = TC_H_MAJ(tc->tcm_info) >> 16;
	filter.handle = tc->tcm_handle;
	mnl_attr_parse(message, sizeof(*tc), read_attribute, &filter);
	dump->rc = dump->each(dump->data, &filter);
	return MNL_CB_OK;
}

int warder_filters_each(__u32 ifindex, enum warder_side side,
			int (*each)(void *data, const struct warder_filter *filter), void *data)
{
	CLEANUP(close_socket)
	struct mnl_socket *socket = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC);
	struct dump dump = {ifindex, each, data, 0};
	char buffer[32768];
	struct nlmsghdr *message = mnl_nlmsg_put_header(buffer);
	unsigned sequence = time(NULL);
	struct tcmsg *tc;
	ssize_t size;
	int rc = MNL_CB_OK;

	if (!socket || mnl_socket_bind(socket, 0, MNL_SOCKET_AUTOPID) < 0)
		return -errno;
	message->nlmsg_type = RTM_GETTFILTER;
	message->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
	message->nlmsg_seq = sequence;
	tc = mnl_nlmsg_put_extra_header(message, sizeof(*tc));
	tc->tcm_family = AF_UNSPEC;
	tc->tcm_ifindex = ifindex;
	tc->tcm_parent = TC_H_MAKE(TC_H_CLSACT,
				   side == WARDER_SIDE_TO_POD ? TC_H_MIN_EGRESS : TC_H_MIN_INGRESS);
	if (mnl_socket_sendto(socket, message, message->nlmsg_len) < 0)
		return -errno;
	while (rc > MNL_CB_STOP) {
		size = mnl_socket_recvfrom(socket, buffer, sizeof(buffer));
		if (size < 0)
			return -errno;
		rc = mnl_cb_run(buffer, size, sequence, mnl_socket_get_portid(socket), read_filter,
				&dump);
	}
	return rc < 0 ? -errno : dump.rc;
}

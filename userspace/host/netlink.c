/* SPDX-License-Identifier: Apache-2.0 */
/*
 * rtnetlink sockets over libmnl.  The kernel answers a question while it is asked, so that asking
 * does not hold the loop up.  It must not read what the messages mean.
 */
#include "host/netlink.h"

#include <errno.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>

#include "base/cleanup.h"

#define DRAIN_MAX 4096 /* datagrams in one go, so that a flood of events cannot hold the loop */

struct warder_netlink {
	struct mnl_socket *socket;
	__u32 sequence;
	char buffer[WARDER_NETLINK_BUFFER];
};

static void cleanup_netlink(struct warder_netlink **netlink)
{
	warder_netlink_close(*netlink);
}

static void set_option(int fd, int level, int option, int value)
{
	setsockopt(fd, level, option, &value, sizeof(value));
}

int warder_netlink_open(__u32 groups, bool everywhere, struct warder_netlink **ret,
			struct warder_error *error)
{
	CLEANUP(cleanup_netlink) struct warder_netlink *netlink = calloc(1, sizeof(*netlink));
	struct timeval wait = {.tv_sec = WARDER_NETLINK_WAIT_MS / 1000};
	int fd, on = 1;

	if (!netlink)
		return -ENOMEM;
	netlink->socket =
		mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC | (groups ? SOCK_NONBLOCK : 0));
	if (!netlink->socket || mnl_socket_bind(netlink->socket, groups, MNL_SOCKET_AUTOPID))
		return warder_error_set(error, -errno, "cannot open an rtnetlink socket: %s",
					strerror(errno));
	fd = mnl_socket_get_fd(netlink->socket);
	if (!groups)
		setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof(wait));
	else
		set_option(fd, SOL_SOCKET, SO_RCVBUFFORCE, WARDER_NETLINK_BACKLOG);
	if (everywhere && setsockopt(fd, SOL_NETLINK, NETLINK_LISTEN_ALL_NSID, &on, sizeof(on)))
		return warder_error_set(
			error, -errno,
			"cannot listen to the pods' namespaces (CAP_NET_BROADCAST): %s",
			strerror(errno));
	*ret = TAKE(netlink);
	return 0;
}

void warder_netlink_close(struct warder_netlink *netlink)
{
	if (!netlink)
		return;
	if (netlink->socket)
		mnl_socket_close(netlink->socket);
	free(netlink);
}

int warder_netlink_fd(const struct warder_netlink *netlink)
{
	return mnl_socket_get_fd(netlink->socket);
}

struct nlmsghdr *warder_netlink_request(void *buffer, __u16 type, __u16 flags, size_t size,
					void **ret_header)
{
	struct nlmsghdr *request = mnl_nlmsg_put_header(buffer);

	request->nlmsg_type = type;
	request->nlmsg_flags = NLM_F_REQUEST | flags;
	*ret_header = mnl_nlmsg_put_extra_header(request, size);
	return request;
}

struct answer {
	int (*message)(void *data, const struct nlmsghdr *message);
	void *data;
	bool over;
	int error;   /* the kernel's, or what `message` ended it with */
	int changed; /* -EINTR: the dump does not show one moment */
};

static void read_answer(struct answer *answer, const struct nlmsghdr *message)
{
	if (message->nlmsg_flags & NLM_F_DUMP_INTR)
		answer->changed = -EINTR;
	if (message->nlmsg_type == NLMSG_DONE || message->nlmsg_type == NLMSG_ERROR) {
		int error = 0;

		/* Both begin with an errno; a dump that ends well has 0 or, before 4.x, nothing
		 * there. */
		if (mnl_nlmsg_get_payload_len(message) >= sizeof(error))
			memcpy(&error, mnl_nlmsg_get_payload(message), sizeof(error));
		answer->over = true;
		if (!answer->error && error < 0)
			answer->error = error;
	} else if (message->nlmsg_type >= NLMSG_MIN_TYPE && !answer->error && answer->message) {
		answer->error = answer->message(answer->data, message);
	}
}

/* An answer that `message` ended early is read to its end all the same, or the next dump would be
 * refused. */
int warder_netlink_ask(struct warder_netlink *netlink, struct nlmsghdr *request,
		       int (*message)(void *data, const struct nlmsghdr *message), void *data)
{
	struct answer answer = {.message = message, .data = data};

	if ((request->nlmsg_flags & NLM_F_DUMP) != NLM_F_DUMP)
		request->nlmsg_flags |= NLM_F_ACK;
	request->nlmsg_seq = ++netlink->sequence;
	if (mnl_socket_sendto(netlink->socket, request, request->nlmsg_len) < 0)
		return -errno;
	while (!answer.over) {
		ssize_t size = mnl_socket_recvfrom(netlink->socket, netlink->buffer,
						   sizeof(netlink->buffer));
		const struct nlmsghdr *next = (const struct nlmsghdr *)netlink->buffer;
		int left = (int)size;

		if (size < 0 && errno == EINTR)
			continue;
		if (size < 0)
			return errno == EAGAIN ? -ETIMEDOUT : -errno;
		for (; mnl_nlmsg_ok(next, left); next = mnl_nlmsg_next(next, &left))
			if (next->nlmsg_seq == netlink->sequence) /* else: of one that timed out */
				read_answer(&answer, next);
	}
	return answer.error ? answer.error : answer.changed;
}

/* The id of the namespace that the event is from; it is only there where it is not ours. */
static __s32 event_nsid(struct msghdr *header)
{
	for (struct cmsghdr *c = CMSG_FIRSTHDR(header); c; c = CMSG_NXTHDR(header, c)) {
		__s32 nsid;

		if (c->cmsg_level != SOL_NETLINK || c->cmsg_type != NETLINK_LISTEN_ALL_NSID)
			continue;
		memcpy(&nsid, CMSG_DATA(c), sizeof(nsid));
		return nsid;
	}
	return -1;
}

int warder_netlink_drain(struct warder_netlink *netlink,
			 void (*event)(void *data, const struct nlmsghdr *event, __s32 nsid),
			 void *data)
{
	int lost = 0;

	for (int i = 0; i < DRAIN_MAX; i++) {
		struct sockaddr_nl from;
		char control[CMSG_SPACE(sizeof(__s32)) + 64];
		struct iovec vector = {netlink->buffer, sizeof(netlink->buffer)};
		struct msghdr header = {&from, sizeof(from), &vector, 1, control, sizeof(control)};
		const struct nlmsghdr *message = (const struct nlmsghdr *)netlink->buffer;
		ssize_t got = recvmsg(warder_netlink_fd(netlink), &header, MSG_DONTWAIT);
		int left;

		if (got < 0 && errno == ENOBUFS) {
			lost = -ENOBUFS;
			continue;
		}
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			break;
		if (from.nl_pid) /* not from the kernel */
			continue;
		if (header.msg_flags & MSG_TRUNC) {
			lost = -ENOBUFS;
			continue;
		}
		left = (int)got;
		for (__s32 nsid = event_nsid(&header); mnl_nlmsg_ok(message, left);
		     message = mnl_nlmsg_next(message, &left))
			event(data, message, nsid);
	}
	return lost;
}

struct table {
	const struct nlattr **v;
	unsigned max;
};

static int put_attribute(const struct nlattr *attribute, void *data)
{
	struct table *table = data;
	unsigned type = mnl_attr_get_type(attribute);

	if (type <= table->max)
		table->v[type] = attribute;
	return MNL_CB_OK;
}

int warder_netlink_attributes(const struct nlmsghdr *message, size_t size,
			      const struct nlattr **table, unsigned max)
{
	struct table to = {table, max};
	size_t payload, header = MNL_ALIGN(size);

	for (unsigned i = 0; i <= max; i++)
		table[i] = NULL;
	if (message->nlmsg_len < NLMSG_HDRLEN)
		return -EBADMSG;
	payload = mnl_nlmsg_get_payload_len(message);
	if (payload < header)
		return -EBADMSG;
	/* Not mnl_attr_parse(): that rounds the message's length up to four. */
	mnl_attr_parse_payload((const char *)mnl_nlmsg_get_payload(message) + header,
			       payload - header, put_attribute, &to);
	return 0;
}

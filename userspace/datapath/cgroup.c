/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The socket programs on the cgroup below which the pods are: six links, each replaced in place by
 * a newer program.  Others' programs there, and below, run beside ours.
 */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "datapath/state.h"

static const struct {
	enum warder_program program;
	enum bpf_attach_type type;
	const char *name; /* of the pin */
} hooks[] = {
	{WARDER_PROGRAM_CONNECT4, BPF_CGROUP_INET4_CONNECT, "cgroup_connect4"},
	{WARDER_PROGRAM_CONNECT6, BPF_CGROUP_INET6_CONNECT, "cgroup_connect6"},
	{WARDER_PROGRAM_SENDMSG4, BPF_CGROUP_UDP4_SENDMSG, "cgroup_sendmsg4"},
	{WARDER_PROGRAM_SENDMSG6, BPF_CGROUP_UDP6_SENDMSG, "cgroup_sendmsg6"},
	{WARDER_PROGRAM_SKB_INGRESS, BPF_CGROUP_INET_INGRESS, "cgroup_skb_ingress"},
	{WARDER_PROGRAM_SKB_EGRESS, BPF_CGROUP_INET_EGRESS, "cgroup_skb_egress"},
};
#define HOOKS (sizeof(hooks) / sizeof(*hooks))

struct warder_sockets {
	int link[HOOKS];
};

void warder_sockets_free(struct warder_sockets *sockets)
{
	if (!sockets)
		return;
	for (size_t i = 0; i < HOOKS; i++)
		cleanup_close(&sockets->link[i]);
	free(sockets);
}

static void free_sockets(struct warder_sockets **sockets)
{
	warder_sockets_free(*sockets);
}

/* The v2 id of a directory is the inode of its file handle, which stat tells on 64-bit machines. */
static __u64 cgroup_id(int directory)
{
	struct stat st;

	return fstat(directory, &st) ? 0 : st.st_ino;
}

/* The pinned link, where it hangs on this very cgroup. */
static int pinned_link(const struct warder_pins *pins, size_t hook, int cgroup)
{
	CLEANUP(cleanup_close) int fd = warder_pins_get_link(pins, hooks[hook].name);
	struct bpf_link_info info = {};
	__u32 size = sizeof(info);
	int ret;

	if (fd < 0 || bpf_link_get_info_by_fd(fd, &info, &size) ||
	    info.type != BPF_LINK_TYPE_CGROUP || info.cgroup.cgroup_id != cgroup_id(cgroup))
		return -1;
	ret = fd;
	fd = -1;
	return ret;
}

/* Why a link below is refused: a program of the old kind on an ancestor that lets none run below
 * it. */
static int refused(size_t hook, const char *cgroup_root, int code, struct warder_error *error)
{
	if (code != -EPERM)
		return warder_error_set(error, code, "cannot attach %s to cgroup %s: %s",
					hooks[hook].name + strlen("cgroup_"), cgroup_root,
					strerror(-code));
	return warder_error_set(error, code,
				"cannot attach %s to cgroup %s: a program without the flag `multi` "
				"is attached to it or to a "
				"cgroup above (bpftool cgroup tree shows which) and forbids it: "
				"detach that one, or attach it "
				"with `multi`",
				hooks[hook].name + strlen("cgroup_"), cgroup_root);
}

static int attach_hook(const struct warder_pins *pins, size_t hook, int cgroup,
		       const char *cgroup_root, const struct warder_programs *programs,
		       int *ret_link, struct warder_error *error)
{
	CLEANUP(cleanup_close) int link = pinned_link(pins, hook, cgroup);
	int program = programs->fd[hooks[hook].program], rc;

	if (link >= 0) {
		rc = bpf_link_update(link, program, NULL);
	} else {
		link = bpf_link_create(program, cgroup, hooks[hook].type, NULL);
		if (link < 0)
			return refused(hook, cgroup_root, link, error);
		rc = warder_pins_put_link(pins, hooks[hook].name, link);
	}
	if (rc)
		return warder_error_set(error, rc, "cannot keep %s on cgroup %s: %s",
					hooks[hook].name, cgroup_root, strerror(-rc));
	*ret_link = link;
	link = -1;
	return 0;
}

int warder_sockets_attach(const struct warder_pins *pins, const char *cgroup_root,
			  const struct warder_programs *programs, struct warder_sockets **ret,
			  struct warder_error *error)
{
	CLEANUP(free_sockets) struct warder_sockets *sockets = malloc(sizeof(*sockets));
	CLEANUP(cleanup_close) int cgroup = open(cgroup_root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int rc = 0;

	if (!sockets)
		return -ENOMEM;
	memset(sockets->link, 0xff, sizeof(sockets->link));
	if (cgroup < 0)
		return warder_error_set(error, -errno, "cannot open cgroup %s: %s", cgroup_root,
					strerror(errno));
	for (size_t i = 0; !rc && i < HOOKS; i++)
		rc = attach_hook(pins, i, cgroup, cgroup_root, programs, &sockets->link[i], error);
	if (!rc)
		*ret = TAKE(sockets);
	return rc;
}

int warder_sockets_update(struct warder_sockets *sockets, const struct warder_programs *programs,
			  struct warder_error *error)
{
	for (size_t i = 0; sockets && i < HOOKS; i++) {
		int rc = bpf_link_update(sockets->link[i], programs->fd[hooks[i].program], NULL);

		if (rc)
			return warder_error_set(error, rc,
						"cannot put the new program in place of %s: %s",
						hooks[i].name, strerror(-rc));
	}
	return 0;
}

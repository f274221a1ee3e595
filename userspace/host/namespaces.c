/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which network namespaces the processes of a cgroup are in.  A process number is only trusted
 * while a pidfd of it says that the process lives and the cgroup, read again, still lists it.  It
 * must not decide which namespace is the pod's.
 */
#include "host/namespaces.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/net_namespace.h>
#include <linux/rtnetlink.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "base/cleanup.h"

struct process {
	int pid, pidfd;
	__u64 inode;
	bool sandbox;
};

struct search {
	struct warder_namespace_found *found;
	size_t n_found;
	unsigned processes, dirs;
};

/* The first processes of a cgroup; 0 where it has none or is gone. */
static size_t read_pids(int dir, int pids[WARDER_NAMESPACE_PIDS])
{
	char buffer[WARDER_NAMESPACE_PIDS * 12];
	CLEANUP(cleanup_close) int fd = openat(dir, "cgroup.procs", O_RDONLY | O_CLOEXEC);
	char *at = buffer, *end;
	size_t n = 0;
	ssize_t got;

	if (fd < 0)
		return 0;
	got = read(fd, buffer, sizeof(buffer) - 1);
	if (got <= 0)
		return 0;
	buffer[got] = 0;
	/* A number without its newline was cut. */
	while (n < WARDER_NAMESPACE_PIDS && (end = strchr(at, '\n'))) {
		int pid = (int)strtol(at, NULL, 10);

		if (pid > 0) /* 0: in a process namespace that is not below ours */
			pids[n++] = pid;
		at = end + 1;
	}
	return n;
}

__u64 warder_namespace_inode(const char *process)
{
	char path[64];
	struct stat status;

	snprintf(path, sizeof(path), "/proc/%s/ns/net", process);
	return stat(path, &status) ? 0 : status.st_ino;
}

static __u64 pid_inode(int pid)
{
	char text[16];

	snprintf(text, sizeof(text), "%d", pid);
	return warder_namespace_inode(text);
}

/* The process that holds a pod's namespaces open is called so by containerd, CRI-O and Docker
 * alike. */
static bool is_sandbox(int pid)
{
	char path[64], name[16] = "";
	CLEANUP(cleanup_close) int fd = -1;

	snprintf(path, sizeof(path), "/proc/%d/comm", pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	return fd >= 0 && read(fd, name, sizeof(name) - 1) > 0 && !strcmp(name, "pause\n");
}

static bool is_alive(int pidfd)
{
	struct pollfd wait = {.fd = pidfd, .events = POLLIN};

	return poll(&wait, 1, 0) == 0;
}

static void count(struct search *search, const struct process *process)
{
	struct warder_namespace_found *found = search->found;
	size_t i = 0;

	search->processes++;
	while (i < search->n_found && found[i].inode != process->inode)
		i++;
	if (i == search->n_found) {
		if (i == WARDER_NAMESPACES)
			return;
		found[i] = (struct warder_namespace_found){
			.inode = process->inode, .nsid = -1, .pid = process->pid};
		search->n_found++;
	}
	found[i].processes++;
	if (process->sandbox && !found[i].sandbox) {
		found[i].sandbox = true;
		found[i].pid = process->pid; /* it lives as long as the pod */
	}
}

static void search_dir(struct search *search, int dir)
{
	int pids[WARDER_NAMESPACE_PIDS], again[WARDER_NAMESPACE_PIDS];
	struct process processes[WARDER_NAMESPACE_PIDS];
	size_t n = read_pids(dir, pids), n_again;

	for (size_t i = 0; i < n; i++) {
		processes[i].pid = pids[i];
		processes[i].pidfd = (int)syscall(SYS_pidfd_open, pids[i], 0);
		processes[i].inode = pid_inode(pids[i]);
		processes[i].sandbox = is_sandbox(pids[i]);
	}
	n_again = n ? read_pids(dir, again) : 0;
	for (size_t i = 0; i < n; i++) {
		size_t j = 0;

		while (j < n_again && again[j] != processes[i].pid)
			j++;
		if (processes[i].pidfd >= 0 && processes[i].inode && j < n_again &&
		    is_alive(processes[i].pidfd))
			count(search, &processes[i]);
		if (processes[i].pidfd >= 0)
			close(processes[i].pidfd);
	}
}

static void cleanup_dir(DIR **dir)
{
	if (*dir)
		closedir(*dir);
}

static void search_tree(struct search *search, int parent, const char *name, int levels)
{
	int fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	CLEANUP(cleanup_dir) DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
	const struct dirent *entry;

	if (!dir) {
		if (fd >= 0)
			close(fd);
		return;
	}
	if (search->dirs++ >= WARDER_NAMESPACE_DIRS)
		return;
	search_dir(search, fd);
	while (levels > 0 && (entry = readdir(dir)))
		if (entry->d_type == DT_DIR && entry->d_name[0] != '.')
			search_tree(search, fd, entry->d_name, levels - 1);
}

static int most_first(const void *a, const void *b)
{
	const struct warder_namespace_found *x = a, *y = b;

	if (x->processes != y->processes)
		return x->processes < y->processes ? 1 : -1;
	return x->pid < y->pid ? -1 : x->pid > y->pid;
}

size_t warder_namespaces_find(const char *cgroup,
			      struct warder_namespace_found ret[WARDER_NAMESPACES],
			      unsigned *ret_processes)
{
	struct search search = {.found = ret};

	search_tree(&search, AT_FDCWD, cgroup, WARDER_NAMESPACE_LEVELS);
	qsort(ret, search.n_found, sizeof(*ret), most_first);
	*ret_processes = search.processes;
	return search.n_found;
}

int warder_namespace_open(int pid, __u64 inode)
{
	char path[64];
	struct stat status;
	int fd, code = 0;

	snprintf(path, sizeof(path), "/proc/%d/ns/net", pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	if (fstat(fd, &status))
		code = -errno;
	else if (status.st_ino != inode)
		code = -ESTALE;
	if (!code)
		return fd;
	close(fd);
	return code;
}

int warder_namespace_read(const struct nlmsghdr *message, __s32 *ret_nsid)
{
	const struct nlattr *a[NETNSA_MAX + 1];

	if (message->nlmsg_type != RTM_NEWNSID && message->nlmsg_type != RTM_DELNSID)
		return -EBADMSG;
	if (warder_netlink_attributes(message, sizeof(struct rtgenmsg), a, NETNSA_MAX))
		return -EBADMSG;
	if (!a[NETNSA_NSID] || mnl_attr_get_payload_len(a[NETNSA_NSID]) != sizeof(__u32))
		return -EBADMSG;
	*ret_nsid = (__s32)mnl_attr_get_u32(a[NETNSA_NSID]);
	return 0;
}

static int take_id(void *data, const struct nlmsghdr *message)
{
	return warder_namespace_read(message, data);
}

__s32 warder_namespace_id(struct warder_netlink *netlink, int pid, __u64 inode)
{
	CLEANUP(cleanup_close) int fd = warder_namespace_open(pid, inode);
	char buffer[WARDER_NETLINK_REQUEST];
	struct nlmsghdr *request;
	__s32 nsid = -1;
	void *header;

	if (fd < 0)
		return -1;
	request = warder_netlink_request(buffer, RTM_GETNSID, 0, sizeof(struct rtgenmsg), &header);
	mnl_attr_put_u32(request, NETNSA_FD, (__u32)fd);
	if (warder_netlink_ask(netlink, request, take_id, &nsid) || nsid < 0)
		return -1;
	return nsid;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A node for tests: this process in network and mount namespaces of its own, with a bpffs and a
 * cgroup, and pods that are processes in further network namespaces, each behind a veth.  All of it
 * goes with the process.
 */
#ifndef WARDER_TESTS_NODE_H
#define WARDER_TESTS_NODE_H

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/address.h"

struct node {
	char directory[64]; /* temporary, with a bpffs at bpf/ */
	char bpffs[80];	    /* where pins go; does not exist at first */
	char cgroup[128];   /* an empty v2 cgroup */
};

struct pod {
	pid_t pid; /* holds the namespace */
	char link[16];
	__u32 ifindex; /* of the host side */
	__u64 netns;
	__u8 mac[6]; /* of the pod's side */
	struct warder_addr addr;
	char ip[16];
};

/* A command of the shell; returns its exit code. */
__attribute__((format(printf, 1, 2))) __attribute__((unused)) static int run(const char *format,
									     ...)
{
	char command[2048];
	va_list arguments;
	int rc;

	va_start(arguments, format);
	vsnprintf(command, sizeof(command), format, arguments);
	va_end(arguments);
	rc = system(command);
	return WIFEXITED(rc) ? WEXITSTATUS(rc) : -1;
}

/* What a command prints, cut to `size`. */
__attribute__((format(printf, 3, 4))) __attribute__((unused)) static char *
read_command(char *text, size_t size, const char *format, ...)
{
	char command[2048];
	va_list arguments;
	size_t n = 0;
	FILE *pipe;

	va_start(arguments, format);
	vsnprintf(command, sizeof(command), format, arguments);
	va_end(arguments);
	pipe = popen(command, "re");
	if (pipe) {
		n = fread(text, 1, size - 1, pipe);
		pclose(pipe);
	}
	text[n] = 0;
	return text;
}

__attribute__((unused)) static int find_cgroup2(char *ret, size_t size)
{
	return *read_command(ret, size,
			     "awk '$3 == \"cgroup2\" { printf \"%%s\", $2; exit }' /proc/mounts")
		       ? 0
		       : -ENOENT;
}

/* 0, or -errno: not root, most likely. */
__attribute__((unused)) static int node_open(struct node *node)
{
	bool in_chroot = false;
	char root[64];

	if (unshare(CLONE_NEWNET | CLONE_NEWNS))
		return -errno;
	/* In a chroot / is no mount point: there the test's own directory becomes one. */
	if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL)) {
		if (errno != EINVAL)
			return -errno;
		in_chroot = true;
	}
	snprintf(node->directory, sizeof(node->directory), "/tmp/warder-test-XXXXXX");
	if (!mkdtemp(node->directory))
		return -errno;
	if (in_chroot && (mount(node->directory, node->directory, NULL, MS_BIND, NULL) ||
			  mount(NULL, node->directory, NULL, MS_PRIVATE, NULL)))
		return -errno;
	snprintf(node->bpffs, sizeof(node->bpffs), "%s/bpf/warder", node->directory);
	if (find_cgroup2(root, sizeof(root)))
		return -ENOENT;
	snprintf(node->cgroup, sizeof(node->cgroup), "%s/warder-test-%d", root, getpid());
	if (mkdir(node->cgroup, 0755))
		return -errno;
	return run("ip link set lo up") ? -EIO : 0;
}

__attribute__((unused)) static void node_close(struct node *node)
{
	rmdir(node->cgroup);
	run("umount %s/bpf 2>/dev/null; umount %s 2>/dev/null; rm -rf %s", node->directory,
	    node->directory, node->directory);
}

/* A process in a namespace of its own, which waits; it dies with this one. */
__attribute__((unused)) static pid_t spawn_namespace(void)
{
	int ready[2];
	char byte;
	pid_t pid;

	if (pipe(ready))
		return -1;
	pid = fork();
	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (unshare(CLONE_NEWNET))
			_exit(1);
		write(ready[1], "x", 1);
		close(ready[0]);
		close(ready[1]);
		for (;;)
			pause();
	}
	close(ready[1]);
	if (read(ready[0], &byte, 1) != 1)
		pid = -1;
	close(ready[0]);
	return pid;
}

/* Routed: the host side has 169.254.1.1, the pod 10.77.0.`number`. */
__attribute__((unused)) static int pod_open(struct pod *pod, unsigned number)
{
	char text[64], path[64];
	struct stat st;

	*pod = (struct pod){.pid = spawn_namespace()};
	if (pod->pid < 0)
		return -EIO;
	snprintf(pod->link, sizeof(pod->link), "veth%u", number);
	snprintf(pod->ip, sizeof(pod->ip), "10.77.0.%u", number);
	snprintf(path, sizeof(path), "/proc/%d/ns/net", pod->pid);
	if (stat(path, &st) || warder_addr_parse(pod->ip, &pod->addr))
		return -EIO;
	pod->netns = st.st_ino;
	if (run("set -e; ip link add %s index %u type veth peer name eth0 index %u netns %d; ip "
		"link set %s up; "
		"ip addr add 169.254.1.1/32 dev %s; ip route add %s dev %s; "
		"nsenter -t %d -n sh -ec 'ip link set lo up; ip link set eth0 up; ip addr add "
		"%s/32 dev eth0; "
		"ip route add 169.254.1.1 dev eth0; ip route add default via 169.254.1.1; '; "
		"sysctl -qw net.ipv4.ip_forward=1 net.ipv4.conf.%s.proxy_arp=1",
		pod->link, 1000 + number, 2000 + number, pod->pid, pod->link, pod->link, pod->ip,
		pod->link, pod->pid, pod->ip, pod->link))
		return -EIO;
	pod->ifindex = if_nametoindex(pod->link);
	read_command(text, sizeof(text),
		     "nsenter -t %d -n ip -br link show dev eth0 | awk '{printf \"%%s\", $3}'",
		     pod->pid);
	if (sscanf(text, "%hhx:%hhx:%hhx:%hhx:%hhx:%hhx", &pod->mac[0], &pod->mac[1], &pod->mac[2],
		   &pod->mac[3], &pod->mac[4], &pod->mac[5]) != 6)
		return -EIO;
	return pod->ifindex ? 0 : -ENODEV;
}

__attribute__((unused)) static void pod_close(struct pod *pod)
{
	if (pod->pid > 0) {
		run("ip link del %s 2>/dev/null", pod->link);
		kill(pod->pid, SIGKILL);
		waitpid(pod->pid, NULL, 0);
	}
	pod->pid = 0;
}

/* Forks a child in the pod's network namespace (and, where given, a cgroup): 0 in it, the pid
 * outside. */
__attribute__((unused)) static pid_t pod_fork(const struct pod *pod, const char *cgroup)
{
	pid_t pid = fork();
	char path[256];
	int fd;

	if (pid)
		return pid;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (cgroup) {
		snprintf(path, sizeof(path), "%s/cgroup.procs", cgroup);
		fd = open(path, O_WRONLY);
		if (fd < 0 || write(fd, "0", 1) != 1)
			_exit(120);
		close(fd);
	}
	snprintf(path, sizeof(path), "/proc/%d/ns/net", pod->pid);
	fd = open(path, O_RDONLY);
	if (fd < 0 || setns(fd, CLONE_NEWNET))
		_exit(121);
	close(fd);
	return 0;
}

/* Ends a child; returns its exit code, or 128 + signal. */
__attribute__((unused)) static int reap(pid_t pid)
{
	int status;

	if (waitpid(pid, &status, 0) != pid)
		return -1;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

#endif

// SPDX-License-Identifier: Apache-2.0
/*
 * Loads every BPF object of a directory into the running kernel, as the agent does (maps of one
 * name are one map), and attaches each program where it belongs: the pod's pair to both sides of a
 * veth (by tcx where the kernel has it, else by clsact), the cgroup programs to the root cgroup,
 * the iterator run once. Prints a line a step, "insns PROGRAM COUNT" for the verifier's work, and
 * the usual last line.
 *
 * usage: load DIR   as root, in a network namespace of its own, with a cgroup v2 mount
 */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#define MAX_OBJECTS 16
#define MAX_SHARED  64
#define LINK	    "wlnode"

static unsigned passed, failed, skipped;
static char verifier_log[1 << 20];

static struct {
	char name[64];
	int fd;
} shared[MAX_SHARED];
static unsigned n_shared;

static void __attribute__((format(printf, 2, 3))) result(bool ok, const char *format, ...)
{
	va_list args;

	*(ok ? &passed : &failed) += 1;
	fputs(ok ? "ok " : "FAIL ", stdout);
	va_start(args, format);
	vprintf(format, args);
	va_end(args);
	putchar('\n');
	fflush(stdout);
}

static bool has_suffix(const char *name, const char *suffix)
{
	size_t n = strlen(name), m = strlen(suffix);

	return n >= m && !strcmp(name + n - m, suffix);
}

/* Maps that an earlier object made are taken; .rodata and its like belong to one object. */
static int share_maps(struct bpf_object *object)
{
	struct bpf_map *map;

	bpf_object__for_each_map (map, object) {
		if (bpf_map__is_internal(map))
			continue;
		for (unsigned i = 0; i < n_shared; i++) {
			if (!strcmp(shared[i].name, bpf_map__name(map))) {
				int err = bpf_map__reuse_fd(map, shared[i].fd);

				if (err)
					return err;
			}
		}
	}
	return 0;
}

static void remember_maps(struct bpf_object *object)
{
	struct bpf_map *map;

	bpf_object__for_each_map (map, object) {
		bool known = bpf_map__is_internal(map);

		for (unsigned i = 0; i < n_shared && !known; i++)
			known = !strcmp(shared[i].name, bpf_map__name(map));
		if (known || n_shared == MAX_SHARED)
			continue;
		snprintf(shared[n_shared].name, sizeof(shared[0].name), "%s", bpf_map__name(map));
		shared[n_shared++].fd = bpf_map__fd(map);
	}
}

static void print_instructions(const struct bpf_program *program)
{
	struct bpf_prog_info info = {0};
	__u32 size = sizeof(info);

	if (!bpf_prog_get_info_by_fd(bpf_program__fd(program), &info, &size))
		printf("insns %s %u\n", bpf_program__name(program), info.verified_insns);
}

static struct bpf_object *load(const char *path, const char *name)
{
	LIBBPF_OPTS(bpf_object_open_opts, options, .kernel_log_buf = verifier_log,
		    .kernel_log_size = sizeof(verifier_log));
	struct bpf_object *object = bpf_object__open_file(path, &options);
	struct bpf_program *program;
	int err;

	if (!object) {
		result(false, "%s: open: %s", name, strerror(errno));
		return NULL;
	}
	err = share_maps(object);
	if (!err)
		err = bpf_object__load(object);
	if (err) {
		size_t n = strnlen(verifier_log, sizeof(verifier_log));

		result(false, "%s: load: %s", name, strerror(-err));
		printf("%s\n", verifier_log + (n > 4000 ? n - 4000 : 0));
		bpf_object__close(object);
		return NULL;
	}
	remember_maps(object);
	result(true, "%s loads", name);
	bpf_object__for_each_program (program, object)
		print_instructions(program);
	return object;
}

static void attach_link(struct bpf_program *program, bool from_pod)
{
	LIBBPF_OPTS(bpf_tcx_opts, tcx);
	LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = (int)if_nametoindex(LINK),
		    .attach_point = from_pod ? BPF_TC_INGRESS : BPF_TC_EGRESS);
	LIBBPF_OPTS(bpf_tc_opts, filter, .handle = 1, .priority = 1,
		    .prog_fd = bpf_program__fd(program));
	const char *name = bpf_program__name(program);
	libbpf_print_fn_t print = libbpf_set_print(NULL); /* that tcx is missing is no error */
	struct bpf_link *link;
	int err;

	bpf_program__set_expected_attach_type(program, from_pod ? BPF_TCX_INGRESS : BPF_TCX_EGRESS);
	link = bpf_program__attach_tcx(program, hook.ifindex, &tcx);
	if (link) {
		libbpf_set_print(print);
		result(true, "%s attached by tcx", name);
		return;
	}
	err = bpf_tc_hook_create(&hook); /* there already for the second program */
	libbpf_set_print(print);
	if (!err || err == -EEXIST)
		err = bpf_tc_attach(&hook, &filter);
	result(!err, "%s attached by clsact%s%s", name, err ? ": " : "", err ? strerror(-err) : "");
}

static void attach_cgroup(struct bpf_program *program, const char *root)
{
	LIBBPF_OPTS(bpf_prog_attach_opts, options, .flags = BPF_F_ALLOW_MULTI);
	int fd = open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct bpf_link *link = fd < 0 ? NULL : bpf_program__attach_cgroup(program, fd);

	result(link, "%s attached to %s%s%s", bpf_program__name(program), root, link ? "" : ": ",
	       link ? "" : strerror(errno));
	if (fd >= 0)
		close(fd);
}

static void run_iterator(struct bpf_program *program)
{
	struct bpf_link *link = bpf_program__attach_iter(program, NULL);
	int fd = link ? bpf_iter_create(bpf_link__fd(link)) : -1;
	char buffer[4096];
	ssize_t n = -1;

	if (fd >= 0)
		while ((n = read(fd, buffer, sizeof(buffer))) > 0)
			;
	result(n == 0, "%s runs%s%s", bpf_program__name(program), n ? ": " : "",
	       n ? strerror(errno) : "");
	if (fd >= 0)
		close(fd);
}

static void attach(struct bpf_object *object, const char *cgroup)
{
	struct bpf_program *program;

	bpf_object__for_each_program (program, object) {
		switch (bpf_program__type(program)) {
		case BPF_PROG_TYPE_SCHED_CLS:
			attach_link(program, strstr(bpf_program__name(program), "from") != NULL);
			break;
		case BPF_PROG_TYPE_CGROUP_SKB:
		case BPF_PROG_TYPE_CGROUP_SOCK_ADDR:
			attach_cgroup(program, cgroup);
			break;
		case BPF_PROG_TYPE_TRACING:
			run_iterator(program);
			break;
		case BPF_PROG_TYPE_SYSCALL: /* called, not attached */
			break;
		default:
			result(false, "%s: a kind of program that this test does not know",
			       bpf_program__name(program));
		}
	}
}

static int by_name(const struct dirent **a, const struct dirent **b)
{
	return strcmp((*a)->d_name, (*b)->d_name);
}

static int is_object(const struct dirent *entry)
{
	return has_suffix(entry->d_name, ".bpf.o");
}

int main(int argc, char **argv)
{
	struct rlimit unlimited = {RLIM_INFINITY, RLIM_INFINITY};
	const char *cgroup = argc > 2 ? argv[2] : "/sys/fs/cgroup";
	struct dirent **entries;
	int n;

	if (argc < 2) {
		fprintf(stderr, "usage: load DIR [CGROUP]\n");
		return 2;
	}
	setrlimit(RLIMIT_MEMLOCK, &unlimited);
	if (system("ip link add " LINK " type veth peer name wlpod && ip link set " LINK
		   " up && ip link set wlpod up"))
		result(false, "a veth pair: ip link add");
	n = scandir(argv[1], &entries, is_object, by_name);
	if (n <= 0)
		result(false, "no *.bpf.o in %s", argv[1]);
	for (int i = 0; i < n; i++) {
		char path[4096];
		struct bpf_object *object;

		snprintf(path, sizeof(path), "%s/%s", argv[1], entries[i]->d_name);
		object = load(path, entries[i]->d_name);
		if (object)
			attach(object, cgroup); /* both end with this process */
	}
	if (system("ip link del " LINK))
		result(false, "ip link del " LINK);
	printf("%u passed, %u failed, %u skipped\n", passed, failed, skipped);
	return failed ? 1 : 0;
}

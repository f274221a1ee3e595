/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a packet costs in the programs, by BPF_PROG_TEST_RUN: nothing, the parser alone, Warder with 1, 100
 * and 10,000 policies; peers drawn at random; answers proven by socket, with and without the cache.
 * All rows are measured in turn, round after round; the smallest of each row counts.  Needs root.
 * Prints tables, asserts nothing.
 *
 *   make bench      or   build/tests/bench/program_bench [ROUNDS]
 */
#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "bench/parse.skel.h"
#include "bpf/packet.h"
#include "datapath/state.h"
#include "objects.h"

#define REPEAT	    100000
#define ROWS	    40
#define LO	    1
#define NSID	    77
#define ELSEWHERE   999 /* an interface that the packet came in by */
#define SERVER	    443
#define CONNECTIONS 4096 /* of one process: two open files each */

struct row {
	const char *name;
	int program, target; /* target: what a `vary` program goes on to, -1 = none */
	struct parse_bpf *vary;
	struct warder_datapath
		*datapath; /* whose map `links` must say that lo is the pod's link; NULL */
	struct packet packet;
	__u32 ingress_ifindex;
	double best; /* ns */
	int verdict;
};

static struct row rows[ROWS];
static unsigned n_rows;

static void fail(const char *what)
{
	fprintf(stderr, "program_bench: %s: %s\n", what, strerror(errno));
	exit(1);
}

/* ---- worlds */

/*
 * Pod x/a is local and isolated both ways: anyone may come in on TCP 80 and it may go to TCP 443; the other
 * policies select it too and name other pods and ports.  `peers` pods are on another node, from 10.64.0.1 on.
 */
static struct warder_store *world(int policies, int peers)
{
	struct warder_store *store = warder_store_new();

	put_pod(store, "a", "n0", "10.0.0.1", "fd00::1");
	put_pod(store, "b", "n0", "10.0.0.2", "fd00::2");
	put_peers(store, peers);
	put(store,
	    json_pack("{s:s, s:s, s:{s:s, s:s}, s:{s:{s:{s:s}}, s:[s,s], s:[{s:[{s:i}, {s:i, "
		      "s:s}]}], s:[{s:[{s:i}]}]}}",
		      "apiVersion", "networking.k8s.io/v1", "kind", "NetworkPolicy", "metadata",
		      "namespace", "x", "name", "base", "spec", "podSelector", "matchLabels", "app",
		      "a", "policyTypes", "Ingress", "Egress", "ingress", "ports", "port", 80,
		      "port", 53, "protocol", "UDP", "egress", "ports", "port", SERVER));
	put_more_policies(store, "a", policies, peers);
	return store;
}

/* The world in maps of its own; lo is the link of pod x/a. */
static struct warder_datapath *datapath_of(int policies, int peers, bool no_cache)
{
	struct warder_compile_options options = {.node = "n0", .trust_domain = "cluster.local"};
	struct warder_store *store = world(policies, peers);
	struct warder_plan_endpoint endpoints[2] = {0};
	struct warder_datapath *datapath;
	struct warder_error error = {""};
	struct warder_matrix *matrix;
	struct warder_link link = {.ifindex = LO, .netnsid = NSID, .mac = {2, 0, 0, 0, 0, 2}};

	if (warder_compile(store, &options, &matrix, &error) ||
	    warder_datapath_open(NULL,
				 &(struct warder_datapath_options){.no_reply_cache = no_cache},
				 NULL, &datapath, &error))
		goto failed;
	for (size_t i = 0; i < 2; i++) {
		endpoints[i].endpoint = &matrix->endpoints[i];
		endpoints[i].uid[0] = i + 1;
		endpoints[i].addrs = matrix->endpoints[i].pod->pod.addrs;
		endpoints[i].n_addrs = matrix->endpoints[i].pod->pod.n_addrs;
	}
	endpoints[0].links = &link;
	endpoints[0].n_links = 1;
	if (warder_datapath_apply(datapath, matrix, endpoints, 2, NULL, &error))
		goto failed;
	return datapath;
failed:
	fprintf(stderr, "program_bench: %s\n", error.text);
	exit(1);
}

/* ---- rows */

static struct row *add(const char *name, int program, const struct packet *packet)
{
	struct row *row = &rows[n_rows++];

	if (n_rows > ROWS)
		abort();
	*row = (struct row){.name = name,
			    .program = program,
			    .target = -1,
			    .packet = *packet,
			    .ingress_ifindex = ELSEWHERE};
	return row;
}

static struct row *add_varied(const char *name, struct parse_bpf *vary, int target,
			      const struct packet *packet)
{
	struct row *row = add(name, bpf_program__fd(vary->progs.bench_vary), packet);

	row->vary = vary;
	row->target = target;
	return row;
}

static double run(struct row *row)
{
	struct __sk_buff context = {.ifindex = LO, .ingress_ifindex = row->ingress_ifindex};
	__u8 data[PACKET_MAX];
	LIBBPF_OPTS(bpf_test_run_opts, options, .data_in = data, .data_size_in = row->packet.size,
		    .ctx_in = &context, .ctx_size_in = sizeof(context), .repeat = REPEAT);
	__u32 key = 0;

	memcpy(data, row->packet.data, row->packet.size);
	if (row->vary &&
	    bpf_map_update_elem(bpf_map__fd(row->vary->maps.target), &key, &row->target, BPF_ANY))
		fail("tail call");
	if (bpf_prog_test_run_opts(row->program, &options))
		fail(row->name);
	row->verdict = options.retval;
	return options.duration;
}

static void measure(int rounds)
{
	for (int round = 0; round < rounds; round++) {
		for (unsigned i = 0; i < n_rows; i++) {
			double ns = run(&rows[i]);

			if (!round || ns < rows[i].best)
				rows[i].best = ns;
		}
	}
}

/* One table: each row's cost, and above `base` (its first row that `base` names). */
static void table(const char *title, const char *base, int rounds)
{
	double zero = 0;

	measure(rounds);
	printf("\n%s\n\n| | ns a packet | above %s | verdict |\n|---|---|---|---|\n", title, base);
	for (unsigned i = 0; i < n_rows; i++)
		if (!strcmp(rows[i].name, base))
			zero = rows[i].best;
	for (unsigned i = 0; i < n_rows; i++)
		printf("| %s | %.0f | %+.0f | %s |\n", rows[i].name, rows[i].best,
		       rows[i].best - zero, rows[i].verdict == 2 ? "refused" : "passed");
	n_rows = 0;
}

static struct packet frame(const char *src, const char *dst, uint8_t protocol, uint16_t sport,
			   uint16_t dport, uint8_t flags)
{
	struct spec spec = {.src = src,
			    .dst = dst,
			    .protocol = protocol,
			    .sport = sport,
			    .dport = dport,
			    .flags = flags,
			    .payload = protocol == TCP && flags == SYN ? 0 : 16,
			    .src_mac = 2,
			    .dst_mac = 2};

	struct packet packet;

	packet_build(&packet, &spec);
	return packet;
}

static struct parse_bpf *vary_open(__u32 ports, __u32 first, __u32 addrs, __u32 base)
{
	struct parse_bpf *skeleton = parse_bpf__open();

	if (!skeleton)
		fail("parse.bpf.o");
	skeleton->rodata->vary_ports = ports;
	skeleton->rodata->vary_first = first;
	skeleton->rodata->vary_addrs = addrs;
	skeleton->rodata->vary_base = base;
	if (parse_bpf__load(skeleton))
		fail("parse.bpf.o does not load");
	return skeleton;
}

/* ---- answers proven by socket: a namespace with established connections of 10.0.0.1 to 10.0.0.2:443 */

static char pod_name[40], pod_path[80];

__attribute__((format(printf, 1, 2))) static void shell(const char *format, ...)
{
	char command[400];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(command, sizeof(command), format, arguments);
	va_end(arguments);
	if (system(command))
		fail(command);
}

/* `n` connections from port `first` on, accepted here too. */
static int connect_some(int listener, int first, int n)
{
	struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(SERVER)},
			   from = {.sin_family = AF_INET};
	int one = 1;

	inet_pton(AF_INET, "10.0.0.2", &to.sin_addr);
	inet_pton(AF_INET, "10.0.0.1", &from.sin_addr);
	for (int i = 0; i < n; i++) {
		int client = socket(AF_INET, SOCK_STREAM, 0);

		from.sin_port = htons(first + i);
		setsockopt(client, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
		if (bind(client, (struct sockaddr *)&from, sizeof(from)) ||
		    connect(client, (struct sockaddr *)&to, sizeof(to)) ||
		    accept(listener, NULL, NULL) < 0)
			return -errno;
	}
	return 0;
}

/* The same in a process of its own, which keeps them open until its parent dies. */
static int connect_apart(int listener, int first, int n)
{
	int done[2], rc;
	pid_t child;

	if (pipe(done))
		return -errno;
	child = fork();
	if (!child) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		rc = connect_some(listener, first, n);
		if (write(done[1], &rc, sizeof(rc)) == sizeof(rc))
			pause();
		_exit(1);
	}
	close(done[1]);
	if (child < 0 || read(done[0], &rc, sizeof(rc)) != sizeof(rc))
		rc = -ECHILD;
	close(done[0]);
	return rc;
}

/*
 * In the namespace: `n` connections from ports 1024 on; the active ends are marked as at an attach.
 * In several processes, since one may not hold so many files, and root cannot change that everywhere.
 */
static int connect_all(int n, const struct warder_datapath *const *datapaths, unsigned n_datapaths)
{
	struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(SERVER)};
	int listener = socket(AF_INET, SOCK_STREAM, 0), one = 1, rc;
	char buffer[4096];

	inet_pton(AF_INET, "10.0.0.2", &to.sin_addr);
	setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (bind(listener, (struct sockaddr *)&to, sizeof(to)) || listen(listener, 4096))
		return -errno;
	for (int i = 0; i < n; i += CONNECTIONS) {
		rc = connect_apart(listener, 1024 + i, n - i < CONNECTIONS ? n - i : CONNECTIONS);
		if (rc)
			return rc;
	}
	for (unsigned i = 0; i < n_datapaths; i++) {
		int fd = bpf_iter_create(datapaths[i]->programs.adopt_link);

		while (fd >= 0 && read(fd, buffer, sizeof(buffer)) > 0)
			;
		if (fd < 0)
			return -errno;
		close(fd);
	}
	return 0;
}

static void proofs(int sockets, int rounds)
{
	struct warder_datapath *cached = datapath_of(1, 0, false), *bare = datapath_of(1, 0, true);
	const struct warder_datapath *both[] = {cached, bare};
	struct parse_bpf *vary = vary_open(sockets, 1024, 1, 0);
	struct packet answer = frame("10.0.0.2", "10.0.0.1", TCP, SERVER, 1024, ACK);
	struct packet own = frame("10.0.0.2", "10.0.0.1", TCP, SERVER, 80, ACK);
	int ready[2], done[2], rc = 0;
	char title[120], byte;
	pid_t child;

	if (pipe(ready) || pipe(done))
		fail("pipe");
	child = fork();
	if (!child) {
		int netns = open(pod_path, O_RDONLY);

		prctl(PR_SET_PDEATHSIG, SIGKILL);
		rc = netns < 0 || setns(netns, CLONE_NEWNET) ? -errno
							     : connect_all(sockets, both, 2);
		rc = write(ready[1], &rc, sizeof(rc)) < 0 || read(done[0], &byte, 1) < 0;
		_exit(rc);
	}
	if (read(ready[0], &rc, sizeof(rc)) != sizeof(rc) || rc) {
		errno = -rc;
		fail("connections");
	}
	add_varied("parse, drawn at random", vary, bpf_program__fd(vary->progs.bench_parse),
		   &answer);
	add_varied("answer proven by socket, no cache", vary,
		   bare->programs.fd[WARDER_PROGRAM_TO_POD], &answer);
	add_varied("answer proven by socket, cache", vary,
		   cached->programs.fd[WARDER_PROGRAM_TO_POD], &answer);
	add("allowed by its own direction, one packet", cached->programs.fd[WARDER_PROGRAM_TO_POD],
	    &own);
	snprintf(title, sizeof(title), "### Answers proven by socket, %d established connections",
		 sockets);
	table(title, "parse, drawn at random", rounds);
	if (write(done[1], "x", 1) < 0)
		fail("pipe");
	waitpid(child, NULL, 0);
	parse_bpf__destroy(vary);
	warder_datapath_close(cached);
	warder_datapath_close(bare);
}

/* ---- the tables */

static void hot(int rounds)
{
	struct parse_bpf *base = vary_open(1, 80, 1, 0);
	struct warder_datapath *few = datapath_of(1, 1000, false),
			       *some = datapath_of(100, 1000, false),
			       *many = datapath_of(10000, 1000, false);
	struct packet in4 = frame("10.64.0.1", "10.0.0.1", TCP, 40000, 80, ACK);
	struct packet in6 = frame("fd00::1:1", "fd00::1", TCP, 40000, 80, ACK);
	struct packet udp = frame("10.64.0.1", "10.0.0.1", UDP, 40000, 53, 0);
	struct packet out4 = frame("10.0.0.1", "10.64.0.1", TCP, 40000, SERVER, ACK);
	struct packet not4 = frame("10.64.0.1", "10.0.0.1", TCP, 40000, 81, SYN);
	int parse = bpf_program__fd(base->progs.bench_parse);

	add("empty", bpf_program__fd(base->progs.bench_empty), &in4);
	add("parse", parse, &in4);
	add("to the pod, allowed, 1 policy", few->programs.fd[WARDER_PROGRAM_TO_POD], &in4);
	add("to the pod, allowed, 100 policies", some->programs.fd[WARDER_PROGRAM_TO_POD], &in4);
	add("to the pod, allowed, 10,000 policies", many->programs.fd[WARDER_PROGRAM_TO_POD], &in4);
	add("from the pod, allowed, 1 policy", few->programs.fd[WARDER_PROGRAM_FROM_POD], &out4);
	add("from the pod, allowed, 10,000 policies", many->programs.fd[WARDER_PROGRAM_FROM_POD],
	    &out4);
	add("to the pod, UDP, allowed, 10,000 policies", many->programs.fd[WARDER_PROGRAM_TO_POD],
	    &udp);
	add("to the pod, refused (counted, told)", many->programs.fd[WARDER_PROGRAM_TO_POD], &not4);
	table("### One packet, hot, IPv4", "parse", rounds);
	add("parse", parse, &in6);
	add("to the pod, allowed, 1 policy", few->programs.fd[WARDER_PROGRAM_TO_POD], &in6);
	add("to the pod, allowed, 10,000 policies", many->programs.fd[WARDER_PROGRAM_TO_POD], &in6);
	table("### One packet, hot, IPv6", "parse", rounds);
	warder_datapath_close(few);
	warder_datapath_close(some);
	warder_datapath_close(many);
	parse_bpf__destroy(base);
}

static void peers(int n, int rounds)
{
	struct parse_bpf *vary = vary_open(1, 80, n, ntohl(inet_addr("10.64.0.0")));
	struct warder_datapath *datapath = datapath_of(100, n, false);
	struct packet in4 = frame("10.64.0.1", "10.0.0.1", TCP, 40000, 80, ACK);
	char title[80];

	add_varied("parse, drawn at random", vary, bpf_program__fd(vary->progs.bench_parse), &in4);
	add_varied("to the pod, allowed, drawn at random", vary,
		   datapath->programs.fd[WARDER_PROGRAM_TO_POD], &in4);
	snprintf(title, sizeof(title), "### %d peers, 100 policies", n);
	table(title, "parse, drawn at random", rounds);
	warder_datapath_close(datapath);
	parse_bpf__destroy(vary);
}

static void pod_remove(void)
{
	shell("ip netns del %s", pod_name);
}

/* The namespace that the pod's link leads to, with a number as seen from this one. */
static void pod_make(void)
{
	snprintf(pod_name, sizeof(pod_name), "warder-bench-%d", getpid());
	snprintf(pod_path, sizeof(pod_path), "/run/netns/%s", pod_name);
	shell("ip netns add %s", pod_name);
	atexit(pod_remove);
	shell("ip netns set %s %d", pod_name, NSID);
	shell("nsenter --net=%s sh -c 'ip link set lo up; ip addr add 10.0.0.1/32 dev lo; "
	      "ip addr add 10.0.0.2/32 dev lo'",
	      pod_path);
}

int main(int argc, char **argv)
{
	struct rlimit files;
	int rounds = argc > 1 ? atoi(argv[1]) : 15;

	setvbuf(stdout, NULL, _IOLBF, 0);
	getrlimit(RLIMIT_NOFILE, &files);
	files.rlim_cur = files.rlim_max;
	if (setrlimit(RLIMIT_NOFILE, &files))
		fail("more open files");
	if (unshare(CLONE_NEWNET)) /* numbers of other namespaces are per namespace */
		fail("a network namespace");
	hot(rounds);
	peers(1000, rounds);
	peers(65536, rounds);
	pod_make();
	proofs(1, rounds);
	proofs(1024, rounds);
	proofs(4096, rounds);
	proofs(16384, rounds);
	return 0;
}

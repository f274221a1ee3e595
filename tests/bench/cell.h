/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One variant of link_bench in namespaces of its own, so that all variants stand side by side and
 * take turns without an attach in between:
 *
 *   pod a 10.1.0.1 eth0 --- va (programs) node, routes (programs) vb --- eth0 10.2.0.1 pod b
 *
 * A cell is a process (the client, in a) with a child (the server, in b).  The namespaces have no
 * names and the processes die with the bench, so nothing stays behind, whatever happens.
 */
#ifndef WARDER_TESTS_BENCH_CELL_H
#define WARDER_TESTS_BENCH_CELL_H

#include <arpa/inet.h>
#include <fcntl.h>
#include <net/if.h>
#include <signal.h>
#include <stdarg.h>
#include <sys/prctl.h>

#include "base/cleanup.h"
#include "bench/parse.skel.h"
#include "datapath/state.h"
#include "objects.h"
#include "traffic.h"

#define CELL_PEERS 1000

enum cell_program { CELL_NONE, CELL_EMPTY, CELL_PARSE, CELL_WARDER };

struct cell {
	const char *name;
	enum cell_program program;
	int policies;
	int socket; /* requests there, results back */
};

struct cell_request {
	enum traffic_kind kind; /* TRAFFIC_KIND_COUNT: what was counted */
	double seconds;
	int client_cpu, server_cpu;
};

struct cell_counts {
	unsigned long long allowed, refused;
};

struct cell_inside {
	struct cell *cell;
	int node, a, b; /* namespaces */
	pid_t server;
	clockid_t server_clock;
	int waiting;
	struct warder_datapath *datapath;
	struct warder_error error;
};

static inline void cell_fail(const struct cell_inside *in, const char *what)
{
	fprintf(stderr, "link_bench: %s: %s: %s\n", in->cell->name, what,
		in->error.text[0] ? in->error.text : strerror(errno));
	_exit(1);
}

static inline void cell_enter(struct cell_inside *in, int ns)
{
	if (setns(ns, CLONE_NEWNET))
		cell_fail(in, "setns");
}

__attribute__((format(printf, 3, 4))) static inline void cell_run(struct cell_inside *in, int ns,
								  const char *format, ...)
{
	char command[1024];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(command, sizeof(command), format, arguments);
	va_end(arguments);
	cell_enter(in, ns);
	if (system(command))
		cell_fail(in, command);
	cell_enter(in, in->node);
}

static inline int cell_namespace(struct cell_inside *in)
{
	int fd = -1;

	if (unshare(CLONE_NEWNET) || (fd = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC)) < 0)
		cell_fail(in, "a network namespace");
	if (system("ip link set lo up"))
		cell_fail(in, "lo");
	return fd;
}

static inline void cell_topology(struct cell_inside *in)
{
	in->a = cell_namespace(in);
	in->b = cell_namespace(in);
	in->node = cell_namespace(in);
	cell_run(in, in->node,
		 "sysctl -qw net.ipv4.ip_forward=1 && "
		 "p=/proc/%d/fd/%d q=/proc/%d/fd/%d && "
		 "ip link add va type veth peer name eth0 address 02:00:00:00:00:01 netns $p && "
		 "ip link add vb type veth peer name eth0 address 02:00:00:00:00:02 netns $q && "
		 "ip addr add 10.1.0.254/24 dev va && ip addr add 10.2.0.254/24 dev vb && "
		 "ip link set va up && ip link set vb up",
		 getpid(), in->a, getpid(), in->b);
	for (int i = 1; i <= 2; i++)
		cell_run(in, i == 1 ? in->a : in->b,
			 "ip addr add 10.%d.0.1/24 dev eth0 && ip link set eth0 up && "
			 "ip route add default via 10.%d.0.254 && "
			 /* a client has no time to wait for ports in TIME-WAIT */
			 "sysctl -qw net.ipv4.tcp_tw_reuse=1 "
			 "net.ipv4.ip_local_port_range='1024 65535' "
			 /* a sender that is not paced: its rate is what the path takes */
			 "net.ipv4.tcp_congestion_control=reno",
			 i, i);
}

/* IFLA_LINK_NETNSID, as ip shows it. */
static inline int cell_netnsid(const char *link)
{
	char command[64], line[512];
	int id = -1;
	FILE *f;

	snprintf(command, sizeof(command), "ip link show %s 2>/dev/null", link);
	f = popen(command, "r");
	while (f && fgets(line, sizeof(line), f)) {
		char *at = strstr(line, "link-netnsid ");

		if (at)
			id = atoi(at + 13);
	}
	if (f)
		pclose(f);
	return id;
}

/*
 * a and b are isolated both ways; a may go to 443, b takes 443 from a.  So every answer has to be
 * proven, by a socket or by flow state.  The other policies select b and name other pods and ports.
 */
static inline struct warder_store *cell_world(int policies)
{
	struct warder_store *store = warder_store_new();

	put_pod(store, "a", "n0", "10.1.0.1", "fd00::1");
	put_pod(store, "b", "n0", "10.2.0.1", "fd00::2");
	put_peers(store, CELL_PEERS);
	put(store,
	    json_pack("{s:s, s:s, s:{s:s, s:s}, s:{s:{}, s:[s,s], s:[{s:[{s:i}, {s:i, s:s}]}]}}",
		      "apiVersion", "networking.k8s.io/v1", "kind", "NetworkPolicy", "metadata",
		      "namespace", "x", "name", "go", "spec", "podSelector", "policyTypes",
		      "Egress", "Ingress", "egress", "ports", "port", TRAFFIC_PORT, "port",
		      TRAFFIC_PORT, "protocol", "UDP"));
	put(store, json_pack("{s:s, s:s, s:{s:s, s:s}, s:{s:{s:{s:s}}, s:[s], "
			     "s:[{s:[{s:{s:{s:s}}}], s:[{s:i}, {s:i, s:s}]}]}}",
			     "apiVersion", "networking.k8s.io/v1", "kind", "NetworkPolicy",
			     "metadata", "namespace", "x", "name", "come", "spec", "podSelector",
			     "matchLabels", "app", "b", "policyTypes", "Ingress", "ingress", "from",
			     "podSelector", "matchLabels", "app", "a", "ports", "port",
			     TRAFFIC_PORT, "port", TRAFFIC_PORT, "protocol", "UDP"));
	put_more_policies(store, "b", policies, CELL_PEERS);
	return store;
}

static inline void cell_attached(void *data, __u32 ifindex, int error)
{
	struct cell_inside *in = data;

	if (error) {
		errno = -error;
		cell_fail(in, "attach");
	}
	in->waiting--;
}

static inline void cell_event(void *data, const struct warder_event *event)
{
}

/* The product's own way: compile, write, attach. */
static inline void cell_warder(struct cell_inside *in)
{
	struct warder_compile_options options = {.node = "n0", .trust_domain = "cluster.local"};
	struct warder_datapath_sink sink = {
		.data = in, .event = cell_event, .attached = cell_attached};
	struct warder_plan_endpoint endpoints[2] = {};
	struct warder_link links[2] = {{.ifindex = if_nametoindex("va"),
					.netnsid = cell_netnsid("va"),
					.mac = {2, 0, 0, 0, 0, 1}},
				       {.ifindex = if_nametoindex("vb"),
					.netnsid = cell_netnsid("vb"),
					.mac = {2, 0, 0, 0, 0, 2}}};
	struct warder_matrix *matrix;
	static uv_loop_t loop;

	uv_loop_init(&loop);
	if (warder_compile(cell_world(in->cell->policies), &options, &matrix, &in->error) ||
	    warder_datapath_open(&loop, &(struct warder_datapath_options){0}, &sink, &in->datapath,
				 &in->error))
		cell_fail(in, "warder");
	for (size_t i = 0; i < 2; i++) {
		const struct warder_object *pod = matrix->endpoints[i].pod;

		endpoints[i].endpoint = &matrix->endpoints[i];
		endpoints[i].uid[0] = i + 1;
		endpoints[i].addrs = pod->pod.addrs;
		endpoints[i].n_addrs = pod->pod.n_addrs;
		endpoints[i].links = &links[strcmp(pod->name, "a") ? 1 : 0];
		endpoints[i].n_links = 1;
	}
	if (warder_datapath_apply(in->datapath, matrix, endpoints, 2, NULL, &in->error))
		cell_fail(in, "apply");
	in->waiting = 2;
	for (int i = 0; i < 2; i++)
		if (warder_datapath_attach(in->datapath, links[i].ifindex, NULL, &in->error))
			cell_fail(in, "attach");
	while (in->waiting > 0)
		uv_run(&loop, UV_RUN_ONCE);
}

/* What Warder is compared with: the same hooks, programs that refuse nothing. */
static inline void cell_plain(struct cell_inside *in)
{
	struct parse_bpf *skeleton = parse_bpf__open_and_load();
	struct warder_attached attached;
	int programs[WARDER_SIDES];

	if (!skeleton)
		cell_fail(in, "parse.bpf.o");
	programs[WARDER_SIDE_TO_POD] = bpf_program__fd(skeleton->progs.bench_parse);
	programs[WARDER_SIDE_FROM_POD] = bpf_program__fd(skeleton->progs.bench_parse_from_pod);
	if (in->cell->program == CELL_EMPTY)
		programs[0] = programs[1] = bpf_program__fd(skeleton->progs.bench_empty);
	for (int i = 0; i < 2; i++)
		for (int side = 0; side < WARDER_SIDES; side++) {
			int rc = warder_attach_put(if_nametoindex(i ? "vb" : "va"), side,
						   programs[side], false, &attached);

			errno = -rc;
			if (rc)
				cell_fail(in, "attach");
		}
}

/* Everything that the programs counted in this cell, by what became of it. */
static inline struct cell_counts cell_count(const struct cell_inside *in)
{
	struct warder_counter one[WARDER_COUNTERS_PER_SLOT];
	struct cell_counts ret = {};

	for (__u16 slot = 0; in->datapath && slot < 4; slot++) {
		if (warder_slot_counters(in->datapath, slot, one))
			continue;
		for (unsigned i = 0; i < WARDER_COUNTERS_PER_SLOT; i++)
			*(i % WARDER_REASON_MAX >= WARDER_REASON_DROP ? &ret.refused
								      : &ret.allowed) +=
				one[i].packets;
	}
	return ret;
}

static inline void cell_answer(struct cell_inside *in)
{
	struct cell_request request;

	while (read(in->cell->socket, &request, sizeof(request)) == sizeof(request)) {
		struct cell_counts counts;
		struct traffic_result result;
		ssize_t n;

		if (request.kind == TRAFFIC_KIND_COUNT) {
			counts = cell_count(in);
			n = write(in->cell->socket, &counts, sizeof(counts));
		} else {
			traffic_pin(0, request.client_cpu);
			traffic_pin(in->server, request.server_cpu);
			result = traffic_send(request.kind, inet_addr("10.2.0.1"), request.seconds,
					      in->server_clock);
			n = write(in->cell->socket, &result, sizeof(result));
		}
		if (n < 0)
			break;
	}
	_exit(0);
}

/* The cell's process; never returns. */
static inline void cell_live(struct cell *cell)
{
	struct cell_inside in = {.cell = cell};
	int ready[2];
	char byte;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	cell_topology(&in);
	if (pipe(ready))
		cell_fail(&in, "pipe");
	in.server = fork();
	if (!in.server) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		cell_enter(&in, in.b);
		traffic_serve(inet_addr("10.2.0.1"), ready[1]);
	}
	close(ready[1]);
	if (in.server < 0 || read(ready[0], &byte, 1) != 1 ||
	    clock_getcpuclockid(in.server, &in.server_clock))
		cell_fail(&in, "the server");
	if (cell->program == CELL_WARDER)
		cell_warder(&in);
	else if (cell->program != CELL_NONE)
		cell_plain(&in);
	cell_enter(&in, in.a);
	if (write(cell->socket, "", 1) != 1)
		_exit(1);
	cell_answer(&in);
}

/* Starts a cell and waits until it can send; false where it cannot. */
static inline bool cell_start(struct cell *cell)
{
	int both[2];
	pid_t pid;
	char byte;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, both))
		return false;
	fflush(NULL);
	pid = fork();
	if (!pid) {
		close(both[0]);
		cell->socket = both[1];
		cell_live(cell);
	}
	close(both[1]);
	cell->socket = both[0];
	return pid > 0 && read(cell->socket, &byte, 1) == 1;
}

static inline bool cell_ask(struct cell *cell, const struct cell_request *request, void *ret,
			    size_t size)
{
	return write(cell->socket, request, sizeof(*request)) == sizeof(*request) &&
	       recv(cell->socket, ret, size, MSG_WAITALL) == (ssize_t)size;
}

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The datapath's life on a real kernel: made, adopted, killed, grown, removed.  The rule of all of
 * it: what was refused is refused at every moment, what was allowed goes on, and nothing of others
 * is touched.
 */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <dirent.h>

#include "hand.h"
#include "session.h"

static struct node node;
static struct pod pods[2];

static struct warder_datapath_options options(void)
{
	return (struct warder_datapath_options){.bpffs = node.bpffs, .cgroup_root = node.cgroup};
}

static size_t count_pins(const char *directory)
{
	char text[16];

	return atoi(read_command(text, sizeof(text), "ls %s/v1/%s 2>/dev/null | wc -l", node.bpffs,
				 directory));
}

/* Programs of ours at the pod's link, both sides. */
static int count_programs(const struct pod *pod)
{
	char text[16];

	return atoi(read_command(text, sizeof(text), "bpftool net show dev %s | grep -c warder_",
				 pod->link));
}

static int count_cgroup_programs(void)
{
	char text[16];

	return atoi(read_command(text, sizeof(text), "bpftool cgroup show %s | grep -c warder_",
				 node.cgroup));
}

/* 1 a datagram from pod a to pod b arrived, 0 it did not within half a second. */
static int datagram_passes(const struct pod *a, const struct pod *b)
{
	struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(4000)};
	pid_t receiver, sender;
	int rc;

	inet_pton(AF_INET, b->ip, &to.sin_addr);
	receiver = pod_fork(b, NULL);
	if (!receiver) {
		struct timeval patience = {.tv_usec = 500000};
		int fd = socket(AF_INET, SOCK_DGRAM, 0);
		char byte;

		setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
		if (bind(fd, (struct sockaddr *)&to, sizeof(to)))
			_exit(122);
		_exit(recv(fd, &byte, 1, 0) == 1);
	}
	usleep(50000);
	sender = pod_fork(a, NULL);
	if (!sender) {
		int fd = socket(AF_INET, SOCK_DGRAM, 0);

		sendto(fd, "x", 1, 0, (struct sockaddr *)&to, sizeof(to));
		_exit(0);
	}
	reap(sender);
	rc = reap(receiver);
	return rc;
}

static int apply(struct session *session, struct hand *hand)
{
	int rc = warder_datapath_apply(session->datapath, &hand->matrix, hand->plan, hand->n, NULL,
				       &session->error);

	if (rc)
		printf("apply: %s\n", session->error.text);
	return rc;
}

static int attach(struct session *session)
{
	return session_attach(session, pods[0].ifindex, NULL)
		       ?: session_attach(session, pods[1].ifindex, NULL);
}

static void uninstall(void)
{
	struct warder_error error = {};

	CU_ASSERT_EQUAL(warder_datapath_uninstall(node.bpffs, &error), 0);
	if (error.text[0])
		printf("uninstall: %s\n", error.text);
	CU_ASSERT_EQUAL(count_programs(&pods[0]) + count_programs(&pods[1]), 0);
	CU_ASSERT_EQUAL(count_cgroup_programs(), 0);
	CU_ASSERT_NOT_EQUAL(access(node.bpffs, F_OK), 0);
}

/* Opens, attaches and applies `hand`; false where that failed. */
static bool begin(struct session *session, struct hand *hand,
		  const struct warder_datapath_options *with)
{
	int rc = session_open(session, with);

	if (rc)
		printf("open: %s\n", session->error.text);
	CU_ASSERT_EQUAL_FATAL(rc, 0);
	CU_ASSERT_EQUAL(attach(session), 0);
	rc = apply(session, hand);
	CU_ASSERT_EQUAL(rc, 0);
	return !rc;
}

static void test_verdicts_and_reopen(void)
{
	struct warder_datapath_options with = options();
	struct session session;
	struct hand hand;
	size_t maps, links;

	hand_init(&hand, pods, 2, 0);
	CU_ASSERT_EQUAL(datagram_passes(&pods[0], &pods[1]), 1);
	begin(&session, &hand, &with);
	CU_ASSERT_EQUAL(count_programs(&pods[0]), 2);
	CU_ASSERT_EQUAL(count_cgroup_programs(), 6);
	CU_ASSERT_EQUAL(datagram_passes(&pods[0], &pods[1]), 0);
	hand_allow(&hand, WARDER_EGRESS, 0, 1, true);
	CU_ASSERT_EQUAL(apply(&session, &hand), 0);
	CU_ASSERT_EQUAL(datagram_passes(&pods[0], &pods[1]), 0); /* its ingress is still closed */
	hand_allow(&hand, WARDER_INGRESS, 1, 0, true);
	CU_ASSERT_EQUAL(apply(&session, &hand), 0);
	CU_ASSERT_EQUAL(datagram_passes(&pods[0], &pods[1]), 1);
	maps = count_pins("maps");
	CU_ASSERT(maps > 20);
	links = count_pins(
		"links"); /* of cgroups; where there is tcx, of both sides of both links too */
	CU_ASSERT(links == 6 || links == 10);
	session_close(&session);

	/* Nobody holds it now. */
	CU_ASSERT_EQUAL(datagram_passes(&pods[0], &pods[1]), 1);
	CU_ASSERT_EQUAL(datagram_passes(&pods[1], &pods[0]), 0);

	/* Adopted: no attach is needed, and the same plan is empty. */
	CU_ASSERT_EQUAL_FATAL(session_open(&session, &with), 0);
	CU_ASSERT(warder_datapath_is_attached(session.datapath, pods[0].ifindex));
	CU_ASSERT(warder_datapath_is_attached(session.datapath, pods[1].ifindex));
	CU_ASSERT_EQUAL(datagram_passes(&pods[0], &pods[1]), 1);
	size_t writes = 1;
	CU_ASSERT_EQUAL(warder_datapath_apply(session.datapath, &hand.matrix, hand.plan, hand.n,
					      &writes, &session.error),
			0);
	CU_ASSERT_EQUAL(writes, 0);
	CU_ASSERT_EQUAL(count_programs(&pods[0]), 2);
	CU_ASSERT_EQUAL(count_cgroup_programs(), 6);
	CU_ASSERT_EQUAL(count_pins("maps"), maps);
	CU_ASSERT_EQUAL(count_pins("links"), links);
	session_close(&session);
	uninstall();
	CU_ASSERT_EQUAL(datagram_passes(&pods[0], &pods[1]), 1);
	hand_release(&hand);
}

static void test_kill(void)
{
	struct warder_datapath_options with = options();
	struct session session;
	struct hand hand;
	pid_t agent;
	int ready[2];
	char byte;

	hand_init(&hand, pods, 2, 0);
	hand_allow(&hand, WARDER_EGRESS, 0, 1, true);
	hand_allow(&hand, WARDER_INGRESS, 1, 0, true);
	CU_ASSERT_EQUAL_FATAL(pipe(ready), 0);
	agent = fork();
	if (!agent) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (session_open(&session, &with) || attach(&session) || apply(&session, &hand))
			_exit(1);
		write(ready[1], "x", 1);
		uv_run(&session.loop, UV_RUN_DEFAULT);
		_exit(0);
	}
	close(ready[1]);
	CU_ASSERT_EQUAL(read(ready[0], &byte, 1), 1);
	kill(agent, SIGKILL);
	CU_ASSERT_EQUAL(reap(agent), 128 + SIGKILL);
	close(ready[0]);
	CU_ASSERT_EQUAL(datagram_passes(&pods[0], &pods[1]), 1);
	CU_ASSERT_EQUAL(datagram_passes(&pods[1], &pods[0]), 0);
	CU_ASSERT_EQUAL_FATAL(session_open(&session, &with), 0);
	CU_ASSERT(warder_datapath_is_attached(session.datapath, pods[0].ifindex));
	hand_allow(&hand, WARDER_EGRESS, 0, 1, false);
	CU_ASSERT_EQUAL(apply(&session, &hand), 0);
	CU_ASSERT_EQUAL(datagram_passes(&pods[0], &pods[1]), 0);
	session_close(&session);
	uninstall();
	hand_release(&hand);
}

/* Floods b from a until killed. */
static pid_t flood(const struct pod *a, const struct pod *b)
{
	struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(4001)};
	pid_t pid = pod_fork(a, NULL);
	int fd;

	if (pid)
		return pid;
	inet_pton(AF_INET, b->ip, &to.sin_addr);
	fd = socket(AF_INET, SOCK_DGRAM, 0);
	for (;;) {
		for (int i = 0; i < 50; i++)
			sendto(fd, "flood", 5, 0, (struct sockaddr *)&to, sizeof(to));
		usleep(500);
	}
}

/* What the host side of the link received from the pod: what the program must have seen. */
static unsigned long long received(const struct pod *pod)
{
	char text[64];

	return strtoull(read_command(text, sizeof(text),
				     "ip -s -j link show %s | sed "
				     "'s/.*\"rx\":{[^}]*\"packets\":\\([0-9]*\\).*/\\1/'",
				     pod->link),
			NULL, 10);
}

/* All that the programs counted for a pod in one direction. */
static unsigned long long counted(struct session *session,
				  const struct warder_plan_endpoint *endpoint,
				  enum warder_direction direction)
{
	__u16 slot = warder_planner_slot(warder_datapath_planner(session->datapath), endpoint->uid);
	size_t n = 65536;
	struct warder_counter *counters = calloc(n * WARDER_COUNTERS_PER_SLOT, sizeof(*counters));
	unsigned long long sum = 0;

	CU_ASSERT(slot > 0);
	CU_ASSERT_EQUAL(
		warder_datapath_counters(session->datapath, counters, n * WARDER_COUNTERS_PER_SLOT),
		0);
	for (__u32 audited = 0; audited < 2; audited++)
		for (__u32 reason = 0; reason < WARDER_REASON_MAX; reason++)
			sum += counters[warder_counter_index(slot, direction, audited, reason)]
				       .packets;
	free(counters);
	return sum;
}

/* Both numbers at a moment when neither moves. */
static void measure(struct session *session, const struct hand *hand, unsigned long long *ret_seen,
		    unsigned long long *ret_arrived)
{
	unsigned long long before;

	do {
		before = received(&pods[0]);
		*ret_seen = counted(session, &hand->plan[0], WARDER_EGRESS);
		*ret_arrived = received(&pods[0]);
	} while (before != *ret_arrived);
}

/* Programs are put in place of others 40 times under a flood: every packet is seen by exactly one.
 */
static void test_update_under_flood(void)
{
	struct warder_datapath_options with = options();
	unsigned long long seen, arrived, seen_before, arrived_before;
	struct session session;
	struct hand hand;
	pid_t flooder;

	hand_init(&hand, pods, 2, 0);
	begin(&session, &hand, &with);
	measure(&session, &hand, &seen_before, &arrived_before);
	flooder = flood(&pods[0], &pods[1]);
	for (int i = 0; i < 40; i++) {
		session_close(&session);
		CU_ASSERT_EQUAL_FATAL(session_open(&session, &with), 0);
		CU_ASSERT(warder_datapath_is_attached(session.datapath, pods[0].ifindex));
	}
	kill(flooder, SIGKILL);
	reap(flooder);
	usleep(20000);
	measure(&session, &hand, &seen, &arrived);
	seen -= seen_before;
	arrived -= arrived_before;
	printf("update: %llu packets, %llu seen\n", arrived, seen);
	CU_ASSERT(arrived > 1000);
	CU_ASSERT_EQUAL(seen, arrived);
	session_close(&session);
	uninstall();
	hand_release(&hand);
}

static __u32 map_id(const char *name)
{
	struct bpf_map_info info = {};
	__u32 size = sizeof(info);
	char path[256];
	int fd;

	snprintf(path, sizeof(path), "%s/v1/maps/%s", node.bpffs, name);
	fd = bpf_obj_get(path);
	if (fd < 0 || bpf_map_get_info_by_fd(fd, &info, &size))
		return 0;
	close(fd);
	return info.id;
}

/* Many peers more than there is room for: larger maps, and again no packet that is not seen, none
 * counted twice. */
static void test_growth(void)
{
	struct warder_datapath_options with = options();
	unsigned long long seen, arrived, seen_before, arrived_before;
	struct session session;
	struct hand hand, larger;
	__u32 peers, flows, counters;
	pid_t flooder;

	hand_init(&hand, pods, 2, 0);
	hand_allow(&hand, WARDER_EGRESS, 0, 1, true);
	hand_allow(&hand, WARDER_INGRESS, 1, 0, true);
	with.shape.peers = 64;
	with.shape.slots = 4;
	begin(&session, &hand, &with);
	peers = map_id("peer4");
	flows = map_id("flows");
	counters = map_id("counters");
	CU_ASSERT(peers && flows && counters);
	measure(&session, &hand, &seen_before, &arrived_before);
	flooder = flood(&pods[0], &pods[1]);
	for (size_t more = 100; more <= 10000; more *= 10) {
		hand_init(&larger, pods, 2, more);
		hand_allow(&larger, WARDER_EGRESS, 0, 1, true);
		hand_allow(&larger, WARDER_INGRESS, 1, 0, true);
		CU_ASSERT_EQUAL(apply(&session, &larger), 0);
		hand_release(&larger);
	}
	kill(flooder, SIGKILL);
	reap(flooder);
	usleep(20000);
	CU_ASSERT_NOT_EQUAL(map_id("peer4"), peers);
	CU_ASSERT_NOT_EQUAL(map_id("counters"), counters);
	CU_ASSERT_EQUAL(map_id("flows"), flows);
	measure(&session, &hand, &seen, &arrived);
	seen -= seen_before;
	arrived -= arrived_before;
	printf("growth: %llu packets, %llu seen\n", arrived, seen);
	CU_ASSERT(arrived > 100);
	CU_ASSERT_EQUAL(seen, arrived);
	CU_ASSERT_EQUAL(datagram_passes(&pods[0], &pods[1]), 1);
	CU_ASSERT_EQUAL(datagram_passes(&pods[1], &pods[0]), 0);
	session_close(&session);
	CU_ASSERT_EQUAL_FATAL(session_open(&session, &with),
			      0); /* the larger shape is what is adopted */
	CU_ASSERT_EQUAL(datagram_passes(&pods[0], &pods[1]), 1);
	session_close(&session);
	uninstall();
	hand_release(&hand);
}

/* Another's program before ours.  Returns its tcx link, or -1: a filter. */
static int attach_another(bool clsact)
{
	struct bpf_insn pass[] = {{.code = BPF_ALU64 | BPF_MOV | BPF_K, .imm = -1},
				  {.code = BPF_JMP | BPF_EXIT}};
	LIBBPF_OPTS(bpf_link_create_opts, before, .flags = BPF_F_BEFORE);
	int program = bpf_prog_load(BPF_PROG_TYPE_SCHED_CLS, "another", "GPL", pass, 2, NULL),
	    link = -1;
	LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = pods[0].ifindex, .attach_point = BPF_TC_INGRESS);
	LIBBPF_OPTS(bpf_tc_opts, filter, .prog_fd = program, .handle = 1, .priority = 1);

	CU_ASSERT(program >= 0);
	if (clsact) {
		CU_ASSERT_EQUAL(bpf_tc_attach(&hook, &filter), 0);
	} else {
		link = bpf_link_create(program, pods[0].ifindex, BPF_TCX_INGRESS, &before);
		CU_ASSERT(link >= 0);
	}
	close(program);
	return link;
}

/* Before 6.6 there is only clsact. */
static bool has_tcx(void)
{
	struct bpf_insn pass[] = {{.code = BPF_ALU64 | BPF_MOV | BPF_K, .imm = -1},
				  {.code = BPF_JMP | BPF_EXIT}};
	int program = bpf_prog_load(BPF_PROG_TYPE_SCHED_CLS, "probe", "GPL", pass, 2, NULL);
	int link = bpf_link_create(program, pods[0].ifindex, BPF_TCX_INGRESS, NULL);

	close(program);
	close(link);
	return link >= 0;
}

static char last_problem[128];

static void keep_problem(void *data, __u32 ifindex, const char *what)
{
	CU_ASSERT_EQUAL(ifindex, pods[0].ifindex);
	snprintf(last_problem, sizeof(last_problem), "%s", what);
}

static void test_check(void)
{
	struct warder_datapath_options with = options();
	struct session session;
	struct hand hand;
	char text[16];

	for (int clsact = !has_tcx(); clsact < 2; clsact++) {
		int other;

		with.clsact = clsact;
		hand_init(&hand, pods, 2, 0);
		begin(&session, &hand, &with);
		CU_ASSERT_EQUAL(warder_datapath_check(session.datapath, keep_problem, NULL), 0);
		other = attach_another(clsact);
		CU_ASSERT_EQUAL(warder_datapath_check(session.datapath, keep_problem, NULL), 1);
		CU_ASSERT(strstr(last_problem, "another") && strstr(last_problem, "before ours"));
		/* It lets pass what it sees, so ours still judges. */
		CU_ASSERT_EQUAL(datagram_passes(&pods[0], &pods[1]), 0);
		session_close(&session);
		uninstall();
		CU_ASSERT_EQUAL(atoi(read_command(text, sizeof(text),
						  "bpftool net show dev %s | grep -c another",
						  pods[0].link)),
				1);
		hand_release(&hand);
		run("tc qdisc del dev %s clsact 2>/dev/null", pods[0].link);
		if (other >= 0)
			close(other);
	}
}

/* Filters are found again without any pin of theirs, and replaced in place. */
static void test_clsact(void)
{
	struct warder_datapath_options with = options();
	unsigned long long seen, arrived, seen_before, arrived_before;
	struct session session;
	struct hand hand;
	pid_t flooder;

	with.clsact = true;
	hand_init(&hand, pods, 2, 0);
	begin(&session, &hand, &with);
	CU_ASSERT_EQUAL(count_programs(&pods[0]), 2);
	CU_ASSERT_EQUAL(datagram_passes(&pods[0], &pods[1]), 0);
	measure(&session, &hand, &seen_before, &arrived_before);
	flooder = flood(&pods[0], &pods[1]);
	for (int i = 0; i < 10; i++) {
		session_close(&session);
		CU_ASSERT_EQUAL_FATAL(session_open(&session, &with), 0);
		CU_ASSERT(warder_datapath_is_attached(session.datapath, pods[0].ifindex));
	}
	kill(flooder, SIGKILL);
	reap(flooder);
	usleep(20000);
	measure(&session, &hand, &seen, &arrived);
	seen -= seen_before;
	arrived -= arrived_before;
	printf("clsact: %llu packets, %llu seen\n", arrived, seen);
	CU_ASSERT_EQUAL(seen, arrived);
	CU_ASSERT_EQUAL(count_programs(&pods[0]), 2);
	session_close(&session);
	uninstall();
	hand_release(&hand);
}

/* The next owner of an interface's number is nobody until it is said who it is. */
static void test_link_gone(void)
{
	struct warder_datapath_options with = options();
	struct warder_link link;
	struct session session;
	struct hand hand;
	__u32 key = pods[0].ifindex & 0xffff;
	char path[256];
	int fd;

	hand_init(&hand, pods, 2, 0);
	begin(&session, &hand, &with);
	snprintf(path, sizeof(path), "%s/v1/maps/links", node.bpffs);
	fd = bpf_obj_get(path);
	CU_ASSERT_EQUAL(bpf_map_lookup_elem(fd, &key, &link), 0);
	CU_ASSERT_EQUAL(link.ifindex, pods[0].ifindex);
	warder_datapath_link_gone(session.datapath, pods[0].ifindex);
	CU_ASSERT_EQUAL(bpf_map_lookup_elem(fd, &key, &link), 0);
	CU_ASSERT_EQUAL(link.word, 0);
	CU_ASSERT(!warder_datapath_is_attached(session.datapath, pods[0].ifindex));
	CU_ASSERT_EQUAL(count_pins("links"), 8);
	/* The same while the attachment is on its way. */
	CU_ASSERT_EQUAL(warder_datapath_attach(session.datapath, pods[0].ifindex, NULL, NULL), 0);
	warder_datapath_link_gone(session.datapath, pods[0].ifindex);
	session.attached = 0;
	while (!session.attached)
		uv_run(&session.loop, UV_RUN_ONCE);
	CU_ASSERT_EQUAL(session.attached_error, -ENODEV);
	CU_ASSERT_EQUAL(count_programs(&pods[0]), 0);
	CU_ASSERT_EQUAL(session_attach(&session, 999999, NULL), -ENODEV);
	/* A word that a dead agent left for an interface that went. */
	CU_ASSERT_EQUAL(attach(&session) ?: apply(&session, &hand), 0);
	session_close(&session);
	snprintf(path, sizeof(path), "%s/v1/links/link_%u_to_pod", node.bpffs, pods[0].ifindex);
	CU_ASSERT_EQUAL(unlink(path), 0);
	CU_ASSERT_EQUAL_FATAL(session_open(&session, &with), 0);
	CU_ASSERT(!warder_datapath_is_attached(session.datapath, pods[0].ifindex));
	CU_ASSERT_EQUAL(bpf_map_lookup_elem(fd, &key, &link), 0);
	CU_ASSERT_EQUAL(link.word, 0);
	CU_ASSERT_EQUAL(count_pins("links"), 8);
	close(fd);
	session_close(&session);
	uninstall();
	hand_release(&hand);
}

/* bpftool prints every pinned map with the names of its fields. */
static void test_field_names(void)
{
	static const char *const fields[][2] = {
		{"slots", "generation"},
		{"links", "netnsid"},
		{"namespaces", "slot"},
		{"peer4", "cidr_class"},
		{"cidr4", "prefixlen"},
		{"ports", "class"},
		{"cells", "enforced"},
		{"counters", "packets"},
		{"lines", "tenancy_end"},
		{"overflow", "bytes"},
		{"flow_budgets", "unanswered"},
		{"proofs", "hash"},
		{"boot", "secret"},
		{"identities", "service_account"},
		{"counters_kept", "packets"},
	};
	struct warder_datapath_options with = options();
	struct session session;
	struct hand hand;

	hand_init(&hand, pods, 2, 0);
	begin(&session, &hand, &with);
	for (size_t i = 0; i < sizeof(fields) / sizeof(*fields); i++) {
		int rc = run(
			"bpftool map dump pinned %s/v1/maps/%s | head -c 65536 | grep -q '\"%s\"'",
			node.bpffs, fields[i][0], fields[i][1]);

		if (rc)
			printf("map %s: no field %s\n", fields[i][0], fields[i][1]);
		CU_ASSERT_EQUAL(rc, 0);
	}
	/* Those that hold nothing now have types all the same. */
	CU_ASSERT_EQUAL(run("for m in %s/v1/maps/*; do case $m in */events_*) continue; esac; "
			    "bpftool -j map show pinned $m | grep -q '\"btf_id\":[1-9]' || { echo "
			    "no BTF: $m; exit 1; }; done",
			    node.bpffs),
			0);
	session_close(&session);
	uninstall();
	hand_release(&hand);
}

/* What cannot be opened says what to do. */
static void test_errors(void)
{
	struct warder_datapath_options with = options();
	struct session session;
	char path[256];
	int map;

	with.bpffs = "relative/path";
	CU_ASSERT_EQUAL(session_open(&session, &with), -EINVAL);
	CU_ASSERT(!!strstr(session.error.text, "relative/path"));
	snprintf(path, sizeof(path), "%s/full/warder", node.directory);
	run("mkdir -p %s/full && touch %s/full/something", node.directory, node.directory);
	with.bpffs = path;
	CU_ASSERT_EQUAL(session_open(&session, &with), -ENODEV);
	CU_ASSERT(!!strstr(session.error.text, "not empty"));

	/* Another layout. */
	with = options();
	CU_ASSERT_EQUAL_FATAL(session_open(&session, &with), 0);
	session_close(&session);
	run("mkdir %s/v77", node.bpffs);
	CU_ASSERT_EQUAL(session_open(&session, &with), -EBUSY);
	CU_ASSERT(strstr(session.error.text, "v77") && strstr(session.error.text, "uninstall"));
	run("rmdir %s/v77", node.bpffs);

	/* A map that is not ours. */
	map = bpf_map_create(BPF_MAP_TYPE_ARRAY, "slots", 4, 8, 1, NULL);
	snprintf(path, sizeof(path), "%s/v1/maps/slots", node.bpffs);
	CU_ASSERT_EQUAL(unlink(path), 0);
	CU_ASSERT_EQUAL(bpf_obj_pin(map, path), 0);
	close(map);
	CU_ASSERT_EQUAL(session_open(&session, &with), -ESTALE);
	CU_ASSERT(!!strstr(session.error.text, "slots"));
	uninstall();

	/* A cgroup that is none, and one where another's program forbids ours. */
	with.cgroup_root = "/nonexistent";
	CU_ASSERT_EQUAL(session_open(&session, &with), -ENOENT);
	CU_ASSERT(!!strstr(session.error.text, "/nonexistent"));
	uninstall();
}

/* A program without the flag `multi` on the cgroup. */
static void test_flagless_cgroup_program(void)
{
	struct bpf_insn pass[] = {{.code = BPF_ALU64 | BPF_MOV | BPF_K, .imm = 1},
				  {.code = BPF_JMP | BPF_EXIT}};
	LIBBPF_OPTS(bpf_prog_load_opts, load, .expected_attach_type = BPF_CGROUP_INET4_CONNECT);
	int program =
		bpf_prog_load(BPF_PROG_TYPE_CGROUP_SOCK_ADDR, "flagless", "GPL", pass, 2, &load);
	struct warder_datapath_options with = options();
	int cgroup = open(node.cgroup, O_RDONLY);
	struct session session;

	CU_ASSERT(program >= 0 && cgroup >= 0);
	CU_ASSERT_EQUAL(bpf_prog_attach(program, cgroup, BPF_CGROUP_INET4_CONNECT, 0), 0);
	CU_ASSERT_EQUAL(session_open(&session, &with), -EPERM);
	CU_ASSERT(!!strstr(session.error.text, "multi"));
	CU_ASSERT_EQUAL(bpf_prog_detach2(program, cgroup, BPF_CGROUP_INET4_CONNECT), 0);
	close(program);
	close(cgroup);
	uninstall();
}

static const struct suite_test tests[] = {
	{"verdicts and reopen", test_verdicts_and_reopen},
	{"kill -9", test_kill},
	{"update under a flood", test_update_under_flood},
	{"growth under a flood", test_growth},
	{"others' programs", test_check},
	{"clsact", test_clsact},
	{"link gone", test_link_gone},
	{"field names", test_field_names},
	{"errors", test_errors},
	{"flagless cgroup program", test_flagless_cgroup_program},
};

int main(int argc, char **argv)
{
	int rc = node_open(&node);

	if (rc) {
		printf("SKIP datapath: no namespaces of its own: %s\n0 passed, 0 failed, 1 "
		       "skipped\n",
		       strerror(-rc));
		return 0;
	}
	for (unsigned i = 0; i < 2; i++) {
		if (pod_open(&pods[i], i + 2)) {
			printf("cannot make a pod\n0 passed, 1 failed, 0 skipped\n");
			return 1;
		}
	}
	rc = suite_run("datapath", tests, sizeof(tests) / sizeof(*tests), argc, argv);
	pod_close(&pods[0]);
	pod_close(&pods[1]);
	node_close(&node);
	return rc;
}

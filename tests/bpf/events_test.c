/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The sum: what records and swept lines tell, and what overflowed, is what the counters counted, to
 * the packet, however many keys fight for the lines and whatever the reader is doing meanwhile.
 */
#include "hand.h"
#include "session.h"
#include "telemetry/tenancy.h"

static struct node node;
static struct pod pods[2];
static struct warder_tenancies *tenancies;
static struct warder_counter told; /* by records and lines, each packet once */
static unsigned long long records, ends;

static void tell(const struct warder_event *event)
{
	struct warder_counter more = {};
	bool first;

	CU_ASSERT(warder_tenancies_tell(tenancies, event, &more, &first) >= 0);
	told.packets += more.packets;
	told.bytes += more.bytes;
}

static void take_record(const struct warder_event *event)
{
	records++;
	ends += event->last;
	tell(event);
}

static void take_line(void *data, const struct warder_event *event)
{
	tell(event);
}

/* Datagrams to ports that change: each is a key of its own.  In the cgroup the socket hook refuses
 * them. */
static pid_t flood(const char *cgroup, __u16 ports, unsigned seed)
{
	struct sockaddr_in to = {.sin_family = AF_INET};
	pid_t pid = pod_fork(&pods[0], cgroup);
	int fd;

	if (pid)
		return pid;
	inet_pton(AF_INET, pods[1].ip, &to.sin_addr);
	fd = socket(AF_INET, SOCK_DGRAM, 0);
	srand(seed);
	for (;;) {
		to.sin_port = htons(1 + rand() % ports);
		sendto(fd, "flood", 5, 0, (struct sockaddr *)&to, sizeof(to));
	}
}

/* Frames with a source address that is not the pod's: the rare ring. */
static pid_t flood_spoofed(void)
{
	pid_t pid = pod_fork(&pods[0], NULL);
	struct sockaddr_in to = {.sin_family = AF_INET};
	unsigned char packet[28] = {0x45, 0, 0, 28, 0, 0, 0, 0, 64, 17, 0, 0, 10, 9, 8, 7};
	int fd, one = 1;

	if (pid)
		return pid;
	fd = socket(AF_INET, SOCK_RAW, IPPROTO_RAW);
	setsockopt(fd, IPPROTO_IP, IP_HDRINCL, &one, sizeof(one));
	inet_pton(AF_INET, pods[1].ip, &to.sin_addr);
	memcpy(packet + 16, &to.sin_addr, 4);
	packet[25] = 8;
	for (unsigned i = 0;; i++) {
		packet[14] = i >> 8;
		packet[15] = i;
		packet[23] = 53;
		sendto(fd, packet, sizeof(packet), 0, (struct sockaddr *)&to, sizeof(to));
		if (i % 64 == 0)
			usleep(1000);
	}
}

static struct warder_counter refused(struct session *session)
{
	size_t n = (size_t)256 * WARDER_COUNTERS_PER_SLOT;
	struct warder_counter *counters = calloc(n, sizeof(*counters)), sum = {};

	CU_ASSERT_EQUAL(warder_datapath_counters(session->datapath, counters, n), 0);
	for (size_t i = 0; i < n; i++) {
		if (i % WARDER_REASON_MAX < WARDER_REASON_DROP)
			continue;
		sum.packets += counters[i].packets;
		sum.bytes += counters[i].bytes;
	}
	free(counters);
	return sum;
}

static struct warder_counter overflowed(const struct warder_counter overflow[WARDER_OVERFLOWS])
{
	struct warder_counter sum = {};

	for (int i = 0; i < WARDER_OVERFLOWS; i++) {
		sum.packets += overflow[i].packets;
		sum.bytes += overflow[i].bytes;
	}
	return sum;
}

static void test_sum(void)
{
	struct warder_datapath_options options = {.bpffs = node.bpffs, .cgroup_root = node.cgroup};
	struct warder_counter overflow[WARDER_OVERFLOWS], counted, lost;
	struct session session;
	struct hand hand;
	pid_t floods[3];

	tenancies = warder_tenancies_new();
	hand_init(&hand, pods, 2, 0);
	CU_ASSERT_EQUAL_FATAL(session_open(&session, &options), 0);
	session.event = take_record;
	CU_ASSERT_EQUAL(session_attach(&session, pods[0].ifindex, NULL), 0);
	CU_ASSERT_EQUAL(session_attach(&session, pods[1].ifindex, NULL), 0);
	CU_ASSERT_EQUAL(warder_datapath_apply(session.datapath, &hand.matrix, hand.plan, hand.n,
					      NULL, &session.error),
			0);
	floods[0] = flood(NULL, 60000, 1);
	floods[1] = flood(node.cgroup, 60000, 2);
	floods[2] = flood_spoofed();
	for (int turn = 0; turn < 30; turn++) {
		usleep(50000);
		uv_run(&session.loop, UV_RUN_NOWAIT);
		if (turn % 3 == 0) {
			CU_ASSERT_EQUAL(
				warder_datapath_sweep(session.datapath, take_line, NULL, overflow),
				0);
			warder_tenancies_turn(tenancies);
		}
	}
	for (int i = 0; i < 3; i++) {
		kill(floods[i], SIGKILL);
		reap(floods[i]);
	}
	usleep(50000);
	CU_ASSERT_EQUAL(warder_datapath_sweep(session.datapath, take_line, NULL, overflow), 0);
	counted = refused(&session);
	lost = overflowed(overflow);
	printf("counted %llu packets %llu bytes; told %llu and %llu in %llu records (%llu ends), "
	       "overflow %llu and %llu\n",
	       counted.packets, counted.bytes, told.packets, told.bytes, records, ends,
	       lost.packets, lost.bytes);
	CU_ASSERT(counted.packets > 10000);
	CU_ASSERT(ends > 0);
	CU_ASSERT_EQUAL(told.packets + lost.packets, counted.packets);
	CU_ASSERT_EQUAL(told.bytes + lost.bytes, counted.bytes);
	session_close(&session);
	CU_ASSERT_EQUAL(warder_datapath_uninstall(node.bpffs, NULL), 0);
	hand_release(&hand);
	warder_tenancies_free(tenancies);
}

static const struct suite_test tests[] = {
	{"the sum under a flood", test_sum},
};

int main(int argc, char **argv)
{
	int rc = node_open(&node);

	if (rc) {
		printf("SKIP events: no namespaces of its own: %s\n0 passed, 0 failed, 1 skipped\n",
		       strerror(-rc));
		return 0;
	}
	for (unsigned i = 0; i < 2; i++) {
		if (pod_open(&pods[i], i + 2)) {
			printf("cannot make a pod\n0 passed, 1 failed, 0 skipped\n");
			return 1;
		}
	}
	rc = suite_run("events", tests, sizeof(tests) / sizeof(*tests), argc, argv);
	pod_close(&pods[0]);
	pod_close(&pods[1]);
	node_close(&node);
	return rc;
}

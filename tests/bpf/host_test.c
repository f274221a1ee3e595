/* SPDX-License-Identifier: Apache-2.0 */
/*
 * host/ on a real machine: pods come in every order of cgroup, namespace, link and address, go, and
 * come back with the numbers of others.  What is waited for is printed with its time; no time is
 * judged.
 */
#include "host_machine.h"

struct want {
	unsigned number;
	size_t links;
	bool macs;
};

/* The pod has so many covered links, in a namespace of its own, each with its id and MAC. */
static bool is_joined(void *data)
{
	const struct want *want = data;
	const struct warder_host_pod *found = pod(want->number);
	static const __u8 none[6];

	if (!found || !found->netns || found->n_links != want->links || found->host_network)
		return false;
	for (size_t i = 0; i < found->n_links; i++)
		if (found->links[i].netnsid < 0 || !memcmp(found->links[i].peer_mac, none, 6))
			return false;
	return true;
}

static bool is_absent(void *data)
{
	return !pod(*(unsigned *)data);
}

static bool has_no_link(void *data)
{
	const struct warder_host_pod *found = pod(*(unsigned *)data);

	return !found || !found->n_links;
}

static bool joined(unsigned number, size_t links, const char *what)
{
	struct want want = {.number = number, .links = links};

	return wait_until(what, is_joined, &want);
}

static size_t times_told(char what, __u32 ifindex)
{
	size_t n = 0;

	for (size_t i = 0; i < machine.n_told; i++)
		n += machine.told[i].what == what && machine.told[i].ifindex == ifindex;
	return n;
}

/* A namespace ends a little after its last process; the loop does not run meanwhile. */
static void wait_for_no_link(const char *name)
{
	for (int i = 0; i < 2000 && run("ip link show %s >/dev/null 2>&1", name); i++)
		usleep(2000);
}

static void cgroup_first(void)
{
	struct actor actor = actor_new();

	CU_ASSERT_FATAL(machine_open(NULL));
	actor_do(&actor, "c %s/cgroup.procs", pod_cgroup(1));
	run_for(20);
	CU_ASSERT(pod(1) && !pod(1)->netns);
	actor_do(&actor, "n");
	run_for(20);
	run("ip link add index 1001 name hv1 type veth peer name eth0 netns %d", actor.pid);
	CU_ASSERT(joined(1, 1, "cgroup, namespace, link"));
	run("ip addr add 169.254.77.1/32 dev hv1");
	CU_ASSERT(times_told('N', 1001) == 1);
	CU_ASSERT_EQUAL(pod(1)->links[0].ifindex, 1001);
	CU_ASSERT_STRING_EQUAL(pod(1)->links[0].kind, "veth");
	CU_ASSERT(pod(1)->links[0].covered);
	CU_ASSERT(pod(1)->cgroup != 0);
	CU_ASSERT(!strncmp(pod(1)->cgroup_path, "kubepods/besteffort/pod", 23));
	actor_end(&actor);
	CU_ASSERT(wait_until("its link is gone with its namespace", has_no_link, &(unsigned){1}));
	CU_ASSERT(times_told('G', 1001) == 1);
	pod_cgroup_remove(1);
	CU_ASSERT(wait_until("the pod is gone with its cgroup", is_absent, &(unsigned){1}));
	machine_close();
}

static void namespace_first(void)
{
	struct actor actor = actor_new();

	CU_ASSERT_FATAL(machine_open(NULL));
	actor_do(&actor, "n");
	run("ip link add index 1002 name hv2 type veth peer name eth0 netns %d", actor.pid);
	run_for(20);
	CU_ASSERT(times_told('N', 1002) == 0);
	actor_do(&actor, "c %s/cgroup.procs", pod_cgroup(2));
	CU_ASSERT(joined(2, 1, "namespace, link, cgroup"));
	CU_ASSERT(times_told('N', 1002) == 1);
	actor_end(&actor);
	pod_cgroup_remove(2);
	CU_ASSERT(wait_until("gone", is_absent, &(unsigned){2}));
	machine_close();
}

/* All is there before the agent starts. */
static void before_the_agent(void)
{
	struct actor actor = actor_new();

	actor_do(&actor, "n");
	actor_do(&actor, "c %s/cgroup.procs", pod_cgroup(3));
	run("ip link add index 1003 name hv3 type veth peer name eth0 netns %d", actor.pid);
	CU_ASSERT_FATAL(machine_open(NULL));
	CU_ASSERT(machine.n_told == 0);
	CU_ASSERT(pod(3) && pod(3)->n_links == 1);
	run_for(1);
	CU_ASSERT(times_told('N', 1003) == 1);
	CU_ASSERT(machine.changes >= 1);
	machine_close();
	actor_end(&actor);
	pod_cgroup_remove(3);
}

/* Made in the node's namespace, then moved; and made inside, its host side moved out. */
static void moved_links(void)
{
	struct actor actor = actor_new();

	CU_ASSERT_FATAL(machine_open(NULL));
	actor_do(&actor, "n");
	actor_do(&actor, "c %s/cgroup.procs", pod_cgroup(4));
	run("ip link add index 1004 name hv4 type veth peer name tmp4");
	run_for(20);
	CU_ASSERT(pod(4) && pod(4)->n_links == 0);
	run("ip link set tmp4 netns %d name eth0", actor.pid);
	CU_ASSERT(joined(4, 1, "the other half moved in"));
	run("nsenter -t %d -n ip link add eth1 type veth peer name hv4b netns %d", actor.pid,
	    getpid());
	CU_ASSERT(joined(4, 2, "made inside"));
	run("nsenter -t %d -n sh -c 'ip link add eth2 type veth peer name hv4c; ip link set hv4c "
	    "netns %d'",
	    actor.pid, getpid());
	CU_ASSERT(joined(4, 3, "made inside and moved out"));
	machine_close();
	actor_end(&actor);
	pod_cgroup_remove(4);
}

static void bridged_and_renamed(void)
{
	struct actor actor = actor_new();

	CU_ASSERT_FATAL(machine_open(NULL));
	run("ip link add br5 type bridge && ip link set br5 up");
	actor_do(&actor, "c %s/cgroup.procs", pod_cgroup(5));
	actor_do(&actor, "n");
	run("ip link add index 1005 name hv5 type veth peer name eth0 netns %d && ip link set hv5 "
	    "master br5 up &&"
	    " nsenter -t %d -n ip link set eth0 up",
	    actor.pid, actor.pid);
	CU_ASSERT(joined(5, 1, "bridge port"));
	run("ip link set hv5 down && ip link set hv5 name hv5new && ip link set hv5new nomaster "
	    "up");
	run_for(30);
	CU_ASSERT(times_told('N', 1005) == 1 && times_told('G', 1005) == 0);
	CU_ASSERT(pod(5) && pod(5)->n_links == 1 && !strcmp(pod(5)->links[0].name, "hv5new"));
	actor_end(&actor);
	pod_cgroup_remove(5);
	CU_ASSERT(wait_until("gone", is_absent, &(unsigned){5}));
	machine_close();
	run("ip link del br5");
}

static bool was_told_new(void *data)
{
	return times_told('N', *(__u32 *)data) == 1;
}

/* A namespace that outlives the pod's processes stays the pod's until the pod is gone or has another. */
static void without_a_process(void)
{
	struct actor holder = actor_new(), actor = actor_new(), next = actor_new();

	CU_ASSERT_FATAL(machine_open(NULL));
	actor_do(&holder, "n");
	run("ip link add index 1025 name hv25 type veth peer name eth0 netns %d", holder.pid);
	actor_do(&actor, "e %d", holder.pid);
	actor_do(&actor, "c %s/cgroup.procs", pod_cgroup(25));
	CU_ASSERT(joined(25, 1, "with a process"));
	actor_end(&actor);
	run_for(100);
	CU_ASSERT(is_joined(&(struct want){.number = 25, .links = 1}));
	CU_ASSERT(pod(25) && pod(25)->pid == 0);
	CU_ASSERT(times_told('G', 1025) == 0);
	actor_do(&next, "n");
	actor_do(&next, "c %s/cgroup.procs", pod_cgroup(25));
	run("ip link add index 1026 name hv26 type veth peer name eth0 netns %d", next.pid);
	CU_ASSERT(wait_until("in another namespace", was_told_new, &(__u32){1026}));
	CU_ASSERT(joined(25, 1, "with its new link alone"));
	CU_ASSERT(pod(25) && pod(25)->n_links && pod(25)->links[0].ifindex == 1026);
	actor_end(&next);
	actor_end(&holder);
	pod_cgroup_remove(25);
	CU_ASSERT(wait_until("gone", is_absent, &(unsigned){25}));
	machine_close();
}

/* The process is in the cgroup first and enters its namespace 300 ms later, without any event. */
static void enters_late(bool from_first)
{
	struct actor holder = actor_new(), actor = actor_new();

	CU_ASSERT_FATAL(machine_open(NULL));
	actor_do(&holder, "n");
	run("ip link add index 1006 name hv6 type veth peer name eth0 netns %d", holder.pid);
	if (from_first)
		actor_do(&actor, "1");
	actor_do(&actor, "c %s/cgroup.procs", pod_cgroup(6));
	actor_do(&actor, "l 300 %d", holder.pid);
	CU_ASSERT(joined(6, 1, "entered after 300 ms"));
	CU_ASSERT(times_told('N', 1006) == 1);
	actor_end(&actor);
	actor_end(&holder);
	pod_cgroup_remove(6);
	CU_ASSERT(wait_until("gone", is_absent, &(unsigned){6}));
	machine_close();
}

static void late_from_the_agents_namespace(void)
{
	enters_late(false);
}

static void late_from_the_first_namespace(void)
{
	enters_late(true);
}

/* Another pod gets the ifindex, the name, the namespace id and the MAC of one that went. */
static void numbers_of_another(void)
{
	struct actor a, b;
	__s32 nsid;

	CU_ASSERT_FATAL(machine_open(NULL));
	for (int bite = 0; bite < 2; bite++) { /* with and without a turn of the loop between */
		a = actor_new();
		actor_do(&a, "n");
		actor_do(&a, "c %s/cgroup.procs", pod_cgroup(7));
		run("ip link add index 1007 name hv7 type veth peer name eth0 addr "
		    "02:00:00:00:00:07 netns %d",
		    a.pid);
		CU_ASSERT(joined(7, 1, "the first"));
		nsid = pod(7) && pod(7)->n_links ? pod(7)->links[0].netnsid : -2;
		machine.n_told = 0;
		actor_end(&a);
		while (!access("/sys/class/net/hv7", F_OK) ||
		       run("ip link show hv7 >/dev/null 2>&1"))
			usleep(1000);
		if (bite)
			run_for(10);
		b = actor_new();
		actor_do(&b, "n");
		actor_do(&b, "c %s/cgroup.procs", pod_cgroup(8));
		run("ip link add index 1007 name hv7 type veth peer name eth0 addr "
		    "02:00:00:00:00:07 netns %d",
		    b.pid);
		CU_ASSERT(joined(8, 1, "the second, with the first's numbers"));
		CU_ASSERT(pod(8) && pod(8)->n_links && pod(8)->links[0].netnsid == nsid);
		CU_ASSERT(!pod(7) || !pod(7)->n_links);
		CU_ASSERT(machine.n_told == 2 && machine.told[0].what == 'G' &&
			  machine.told[1].what == 'N');
		actor_end(&b);
		pod_cgroup_remove(7);
		pod_cgroup_remove(8);
		CU_ASSERT(wait_until("gone", is_absent, &(unsigned){8}));
		wait_for_no_link("hv7");
	}
	machine_close();
}

/* The same pod's sandbox is made anew: same UID, new cgroup, namespace and link, of the same
 * ifindex. */
static void comes_back(void)
{
	CU_ASSERT_FATAL(machine_open(NULL));
	for (int i = 0; i < 3; i++) {
		struct actor actor = actor_new();

		actor_do(&actor, "c %s/cgroup.procs", pod_cgroup(9));
		actor_do(&actor, "n");
		run("ip link add index 1009 name hv9 type veth peer name eth0 netns %d", actor.pid);
		CU_ASSERT(joined(9, 1, "there"));
		CU_ASSERT(times_told('N', 1009) == (size_t)i + 1);
		CU_ASSERT(times_told('G', 1009) == (size_t)i);
		actor_end(&actor);
		pod_cgroup_remove(9);
		wait_for_no_link("hv9");
	}
	CU_ASSERT(wait_until("gone", is_absent, &(unsigned){9}));
	CU_ASSERT(times_told('G', 1009) == 3);
	machine_close();
}

static bool are_all_joined(void *data)
{
	for (unsigned i = 100; i < 200; i++)
		if (!is_joined(&(struct want){.number = i, .links = 1}))
			return false;
	return true;
}

static bool are_all_gone(void *data)
{
	size_t n;

	warder_host_pods(machine.host, &n);
	return n == 0;
}

static void a_hundred_at_once(void)
{
	struct actor actors[100];
	uint64_t began;

	CU_ASSERT_FATAL(machine_open(NULL));
	for (unsigned i = 0; i < 100; i++) {
		actors[i] = actor_new();
		actor_do(&actors[i], "n");
	}
	began = now_us();
	for (unsigned i = 0; i < 100; i++) {
		actor_do(&actors[i], "c %s/cgroup.procs", pod_cgroup(100 + i));
		run("ip link add name hvm%u type veth peer name eth0 netns %d", i, actors[i].pid);
	}
	printf("  made in %.1f ms\n", (now_us() - began) / 1000.0);
	CU_ASSERT(wait_until("all 100", are_all_joined, NULL));
	for (unsigned i = 0; i < 100; i++)
		actor_end(&actors[i]);
	for (unsigned i = 0; i < 100; i++)
		pod_cgroup_remove(100 + i);
	CU_ASSERT(wait_until("none", are_all_gone, NULL));
	CU_ASSERT_PTR_NULL(warder_host_problem(machine.host));
	machine_close();
}

static const __u8 new_mac[6] = {0x02, 0, 0, 0, 0xaa, 0xbb};

static bool has_new_mac(void *data)
{
	const struct warder_host_pod *found = pod(*(unsigned *)data);

	return found && found->n_links == 1 && !memcmp(found->links[0].peer_mac, new_mac, 6);
}

/* A MAC may change; on one bridge a pod cannot take another's. */
static void macs(void)
{
	struct actor a = actor_new(), b = actor_new();

	CU_ASSERT_FATAL(machine_open(NULL));
	run("ip link add br10 type bridge && ip link set br10 up");
	actor_do(&a, "c %s/cgroup.procs", pod_cgroup(10));
	actor_do(&b, "c %s/cgroup.procs", pod_cgroup(11));
	actor_do(&a, "n");
	actor_do(&b, "n");
	run("ip link add hv10 type veth peer name eth0 netns %d && ip link set hv10 master br10 up",
	    a.pid);
	run("ip link add hv11 type veth peer name eth0 netns %d && ip link set hv11 master br10 up",
	    b.pid);
	CU_ASSERT(joined(10, 1, "a"));
	CU_ASSERT(joined(11, 1, "b"));
	run("nsenter -t %d -n ip link set eth0 address 02:00:00:00:aa:bb", a.pid);
	CU_ASSERT(wait_until("a's MAC is another", has_new_mac, &(unsigned){10}));
	run("nsenter -t %d -n ip link set eth0 address 02:00:00:00:aa:bb", b.pid);
	run_for(100);
	CU_ASSERT(!has_new_mac(&(unsigned){11}));
	CU_ASSERT(has_new_mac(&(unsigned){10}));
	run("ip link del hv10");
	CU_ASSERT(wait_until("it is b's once a's link is gone", has_new_mac, &(unsigned){11}));
	actor_end(&a);
	actor_end(&b);
	pod_cgroup_remove(10);
	pod_cgroup_remove(11);
	machine_close();
	run("ip link del br10");
}

static bool has_uncovered(void *data)
{
	const struct warder_host_pod *found = pod(*(unsigned *)data);

	return found && found->n_links == 2 && !found->links[0].covered &&
	       !found->links[0].ifindex && found->links[1].covered;
}

static void uncovered(void)
{
	struct actor actor = actor_new();

	if (!run("ip link add low12 type bridge && ip link add link low12 name try12 type macvlan "
		 "2>/dev/null")) {
		run("ip link del low12 2>/dev/null");
		actor_end(&actor);
		suite_skip("this kernel has no macvlan");
		return;
	}
	run("ip link del try12");
	CU_ASSERT_FATAL(machine_open(NULL));
	actor_do(&actor, "c %s/cgroup.procs", pod_cgroup(12));
	actor_do(&actor, "n");
	run("ip link add hv12 type veth peer name eth0 netns %d", actor.pid);
	CU_ASSERT(joined(12, 1, "a veth"));
	run("ip link add link low12 name net1 netns %d type macvlan", actor.pid);
	CU_ASSERT(wait_until("a macvlan beside it", has_uncovered, &(unsigned){12}));
	run("nsenter -t %d -n ip link del net1", actor.pid);
	CU_ASSERT(joined(12, 1, "and gone"));
	actor_end(&actor);
	pod_cgroup_remove(12);
	machine_close();
	run("ip link del low12");
}

static bool is_host_network(void *data)
{
	return pod(*(unsigned *)data) && pod(*(unsigned *)data)->host_network;
}

static void host_network(void)
{
	struct actor a = actor_new(), b = actor_new();
	struct warder_host_expected expected[] = {{"00000000-0000-4000-8000-000000000013", true},
						  {"00000000000040008000000000000014", false}};

	CU_ASSERT_FATAL(machine_open(NULL));
	warder_host_expect(machine.host, expected, 2);
	actor_do(&a, "c %s/cgroup.procs", pod_cgroup(13));
	actor_do(&b, "c %s/cgroup.procs", pod_cgroup(14));
	CU_ASSERT(wait_until("a declared one", is_host_network, &(unsigned){13}));
	CU_ASSERT(!is_host_network(&(unsigned){14}));
	warder_host_expect(machine.host, NULL, 0);
	CU_ASSERT(wait_until("one that nobody named", is_host_network, &(unsigned){14}));
	actor_end(&a);
	actor_end(&b);
	pod_cgroup_remove(13);
	pod_cgroup_remove(14);
	machine_close();
}

static bool has_address(void *data)
{
	struct warder_addr want;
	size_t n;
	const struct warder_addr *list = warder_host_addrs(machine.host, &n);

	warder_addr_parse(data, &want);
	for (size_t i = 0; i < n; i++)
		if (!warder_addr_compare(&list[i], &want))
			return true;
	return false;
}

static bool lacks_address(void *data)
{
	return !has_address(data);
}

static void own_addresses(void)
{
	CU_ASSERT_FATAL(machine_open(NULL));
	run("ip link add kube-ipvs0 type bridge && ip addr add 10.96.0.1/32 dev kube-ipvs0");
	run("ip link add own15 type bridge && ip link set own15 up && ip addr add 192.0.2.15/24 "
	    "dev "
	    "own15 &&"
	    " ip addr add 192.0.2.15/32 dev lo && ip addr add 2001:db8::15/64 nodad dev own15");
	CU_ASSERT(wait_until("an address of each family", has_address, "2001:db8::15"));
	CU_ASSERT(has_address("192.0.2.15"));
	CU_ASSERT(!has_address("10.96.0.1"));
	CU_ASSERT(!has_address("127.0.0.1") && !has_address("::1"));
	run("ip addr del 192.0.2.15/24 dev own15");
	run_for(20);
	CU_ASSERT(has_address("192.0.2.15")); /* lo has it still */
	run("ip addr del 192.0.2.15/32 dev lo");
	CU_ASSERT(wait_until("gone from both", lacks_address, "192.0.2.15"));
	run("ip link del own15");
	CU_ASSERT(wait_until("gone with its link", lacks_address, "2001:db8::15"));
	run("ip link set kube-ipvs0 name other15");
	CU_ASSERT(wait_until("no Services' interface any more", has_address, "10.96.0.1"));
	machine_close();
	run("ip link del other15");
}

static void held_by_name(void)
{
	struct actor actor = actor_new();

	CU_ASSERT_FATAL(machine_open("cali*"));
	actor_do(&actor, "n");
	run("ip link add index 1016 name cali16 type veth peer name eth0 netns %d", actor.pid);
	run("ip link add index 1017 name docker17 type veth peer name eth1 netns %d", actor.pid);
	CU_ASSERT(wait_until("held before its pod is known", was_told_new, &(__u32){1016}));
	CU_ASSERT(times_told('N', 1017) == 0);
	actor_do(&actor, "c %s/cgroup.procs", pod_cgroup(16));
	CU_ASSERT(joined(16, 2, "then a pod's"));
	CU_ASSERT(times_told('N', 1016) == 1 && times_told('N', 1017) == 1);
	CU_ASSERT(times_told('G', 1016) == 0);
	actor_end(&actor);
	pod_cgroup_remove(16);
	machine_close();
}

/* Events are lost: what there is afterwards is what counts. */
static void lost_events(void)
{
	struct actor actor = actor_new();
	int small = 1;

	CU_ASSERT_FATAL(machine_open(NULL));
	actor_do(&actor, "n");
	actor_do(&actor, "c %s/cgroup.procs", pod_cgroup(18));
	run("ip link add index 1018 name hv18 type veth peer name eth0 netns %d", actor.pid);
	CU_ASSERT(joined(18, 1, "before"));
	setsockopt(warder_netlink_fd(machine.host->events), SOL_SOCKET, SO_RCVBUF, &small,
		   sizeof(small));
	setsockopt(warder_netlink_fd(machine.host->inside), SOL_SOCKET, SO_RCVBUF, &small,
		   sizeof(small));
	run("ip link del hv18; for i in 1 2 3 4 5 6 7 8 9; do ip link add flood$i type bridge; "
	    "done;"
	    " ip link add index 1019 name hv19 type veth peer name eth0 addr 02:00:00:00:aa:bb "
	    "netns %d;"
	    " for i in 1 2 3 4 5 6 7 8 9; do ip link del flood$i; done",
	    actor.pid);
	CU_ASSERT(wait_until("after", has_new_mac, &(unsigned){18}));
	CU_ASSERT(times_told('G', 1018) == 1);
	CU_ASSERT(times_told('N', 1019) == 1);
	actor_end(&actor);
	pod_cgroup_remove(18);
	machine_close();
}

/* A pod that floods its own namespace with events delays no other pod's link for long, and is seen
 * rightly after. */
static void flood_inside(void)
{
	struct actor flooder = actor_new(), other = actor_new();

	CU_ASSERT_FATAL(machine_open(NULL));
	actor_do(&flooder, "n");
	actor_do(&other, "n");
	actor_do(&flooder, "c %s/cgroup.procs", pod_cgroup(23));
	run("ip link add hv23 type veth peer name eth0 netns %d", flooder.pid);
	CU_ASSERT(joined(23, 1, "the flooder"));
	run("(for i in $(seq 20000); do echo link set eth0 mtu $((1400 + i %% 100)); done;"
	    " echo link set eth0 address 02:00:00:00:aa:bb) | nsenter -t %d -n ip -batch - & ",
	    flooder.pid);
	run_for(100);
	actor_do(&other, "c %s/cgroup.procs", pod_cgroup(24));
	run("ip link add hv24 type veth peer name eth0 netns %d", other.pid);
	CU_ASSERT(joined(24, 1, "another meanwhile"));
	CU_ASSERT(wait_until("the flooder's last MAC", has_new_mac, &(unsigned){23}));
	actor_end(&flooder);
	actor_end(&other);
	pod_cgroup_remove(23);
	pod_cgroup_remove(24);
	CU_ASSERT(wait_until("gone", is_absent, &(unsigned){24}));
	machine_close();
}

/* Of several namespaces in one pod the one with a link of this node counts. */
static void several_namespaces(void)
{
	struct actor pause = actor_new(), nested[3] = {actor_new(), actor_new(), actor_new()};

	CU_ASSERT_FATAL(machine_open(NULL));
	for (int i = 0; i < 3; i++) {
		if (i)
			actor_do(&nested[i], "e %d", nested[0].pid);
		else
			actor_do(&nested[i], "n");
		actor_do(&nested[i], "c %s/cgroup.procs", pod_cgroup(20));
	}
	run_for(50);
	CU_ASSERT(pod(20) && pod(20)->netns != machine.host->own_netns);
	actor_do(&pause, "p");
	actor_do(&pause, "n");
	actor_do(&pause, "c %s/cgroup.procs", pod_cgroup(20));
	run("ip link add index 1020 name hv20 type veth peer name eth0 netns %d", pause.pid);
	CU_ASSERT(joined(20, 1, "the sandbox's"));
	run("nsenter -t %d -n ip link add in20 type veth peer name eth0 netns %d", pause.pid,
	    nested[0].pid);
	run_for(50);
	CU_ASSERT(is_joined(&(struct want){.number = 20, .links = 1}));
	CU_ASSERT(pod(20) && pod(20)->pid == pause.pid);
	actor_end(&pause);
	for (int i = 0; i < 3; i++)
		actor_end(&nested[i]);
	pod_cgroup_remove(20);
	machine_close();
}

/* kubelet's systemd driver, below a tree of its own, as kind nests it. */
static void systemd_layout(void)
{
	struct actor actor = actor_new();
	char slice[600];

	CU_ASSERT_FATAL(machine_open(NULL));
	snprintf(slice, sizeof(slice),
		 "%s/kubelet.slice/kubelet-kubepods.slice/kubelet-kubepods-burstable.slice/"
		 "kubelet-kubepods-burstable-pod00000000_0000_4000_8000_000000000021.slice/"
		 "cri-containerd-1.scope",
		 machine.root);
	run("mkdir -p %s", slice);
	actor_do(&actor, "c %s/cgroup.procs", slice);
	actor_do(&actor, "n");
	run("ip link add hv21 type veth peer name eth0 netns %d", actor.pid);
	CU_ASSERT(joined(21, 1, "found"));
	actor_end(&actor);
	run("sleep 0.05; find %s/kubelet.slice -depth -type d -exec rmdir {} +", machine.root);
	CU_ASSERT(wait_until("gone", is_absent, &(unsigned){21}));
	machine_close();
}

static bool has_problem(void *data)
{
	const char *problem = warder_host_problem(machine.host);

	return data ? problem && strstr(problem, data) : !problem;
}

/* Deeper than is followed: told, what is nearer is found all the same, and mended when it is gone.
 */
static void too_deep(void)
{
	struct actor actor = actor_new();
	char deep[128] = "";

	for (int i = 0; i < WARDER_CGROUP_DEPTH + 2; i++)
		strcat(deep, "/d");
	CU_ASSERT_FATAL(machine_open(NULL));
	run("mkdir -p %s%s", machine.root, deep);
	CU_ASSERT(wait_until("told", has_problem, "set --cgroup-root nearer to the pods"));
	actor_do(&actor, "n");
	actor_do(&actor, "c %s/cgroup.procs", pod_cgroup(22));
	run("ip link add hv22 type veth peer name eth0 netns %d", actor.pid);
	CU_ASSERT(joined(22, 1, "found"));
	run("find %s/d -depth -type d -exec rmdir {} +", machine.root);
	CU_ASSERT(wait_until("mended", has_problem, NULL));
	actor_end(&actor);
	pod_cgroup_remove(22);
	CU_ASSERT(wait_until("gone", is_absent, &(unsigned){22}));
	machine_close();
}

static void bad_roots(void)
{
	struct warder_host_options options = {"/nowhere", NULL};
	struct warder_host_sink sink = {0};
	struct warder_host *host = NULL;
	struct warder_error error;
	uv_loop_t loop;

	uv_loop_init(&loop);
	CU_ASSERT_EQUAL(warder_host_open(&loop, &options, &sink, &host, &error), -ENOENT);
	CU_ASSERT_PTR_NOT_NULL(strstr(error.text, "/nowhere"));
	options.cgroup_root = "/tmp";
	CU_ASSERT_EQUAL(warder_host_open(&loop, &options, &sink, &host, &error), -ENOTSUP);
	CU_ASSERT_PTR_NULL(host);
	uv_run(&loop, UV_RUN_DEFAULT);
	CU_ASSERT_EQUAL(uv_loop_close(&loop), 0);
}

static const struct suite_test tests[] = {
	{"cgroup first", cgroup_first},
	{"namespace first", namespace_first},
	{"all there before the agent", before_the_agent},
	{"links that were moved", moved_links},
	{"bridged, renamed, taken off", bridged_and_renamed},
	{"enters late from the agent's namespace", late_from_the_agents_namespace},
	{"enters late from the first namespace", late_from_the_first_namespace},
	{"numbers of another", numbers_of_another},
	{"without a process", without_a_process},
	{"comes back", comes_back},
	{"a hundred at once", a_hundred_at_once},
	{"MACs", macs},
	{"uncovered interface", uncovered},
	{"hostNetwork", host_network},
	{"own addresses", own_addresses},
	{"held by its name", held_by_name},
	{"lost events", lost_events},
	{"flood inside", flood_inside},
	{"several namespaces", several_namespaces},
	{"systemd layout, nested", systemd_layout},
	{"too deep", too_deep},
	{"bad roots", bad_roots},
};

MACHINE("host", tests)

/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Who calls connect() or sendmsg(), and whether what it sends would leave by the pod's link as it
 * is.  The namespace of the socket names the endpoint; the cgroup of the process only where the
 * agent says so (include/warder/slot.h).  Nothing here refuses: where the kernel's own tables leave
 * a doubt, the answer is that the packet may be changed on its way, and the packet hook judges what
 * comes out.
 */
#ifndef WARDER_BPF_PROCESS_H
#define WARDER_BPF_PROCESS_H

#include <bpf/bpf_core_read.h>

#include "lib/compat.h"
#include "lib/maps.h"

#define PROCESS_LEVELS	  12 /* of the cgroup tree that are looked at; a pod's are at 2 to 6 */
#define PROCESS_DEVICES	  8  /* of a pod's namespace that are looked at */
#define PROCESS_ADDRESSES 16 /* of each device and family */

#define PROCESS_IFF_UP	     0x1
#define PROCESS_IFF_LOOPBACK 0x8
#define PROCESS_LOCAL_OUT    3 /* NF_INET_LOCAL_OUT, an ABI */

/* The endpoint that a call is judged as. */
struct process {
	struct net *net; /* the socket's namespace */
	struct warder_slot *slot;
	struct warder_slot_word now; /* read once: what does not change while one call is judged */
	__u32 number;
	bool by_cgroup; /* no link's program may be in place yet */
};

/* Takes the slot if it still belongs to whom the entry meant. */
static __always_inline bool process_take(struct process *p, __u32 number, __u32 generation)
{
	union {
		struct warder_slot_word now;
		__u64 word;
	} u;

	p->slot = bpf_map_lookup_elem(&slots, &number);
	if (!p->slot)
		return false;
	u.word = *(volatile __u64 *)&p->slot->word;
	p->now = u.now;
	p->number = number;
	return u.now.generation == generation && (u.now.flags & WARDER_SLOT_LIVE);
}

/* Id of the cgroup that decides, 0 = none. */
GLOBAL __u64 process_cgroup(void)
{
	const struct warder_cgroup *found;
	__u64 id;
	int level = 1; /* the root is nobody */

	do {
		id = bpf_get_current_ancestor_cgroup_id(level);
		if (!id)
			return 0;
		found = bpf_map_lookup_elem(&cgroups, &id);
		if (found)
			return found->flags & WARDER_CGROUP_DECIDES ? id : 0;
	} while (++level < PROCESS_LEVELS);
	return 0;
}

/* Finds the endpoint of a cgroup sock_addr program's caller; false: nobody's. */
static __always_inline bool process_find(struct bpf_sock_addr *ctx, struct process *p)
{
	const struct warder_namespace *ns;
	const struct warder_cgroup *group;
	struct net *net;
	__u64 key;

	p->by_cgroup = false;
	net = BPF_CORE_READ((struct bpf_sock_addr_kern *)ctx, sk, __sk_common.skc_net.net);
	key = BPF_CORE_READ(net, ns.inum);
	p->net = net;
	ns = bpf_map_lookup_elem(&namespaces, &key);
	if (ns)
		return process_take(p, ns->slot, ns->generation);
	key = process_cgroup();
	if (!key)
		return false;
	group = bpf_map_lookup_elem(&cgroups, &key);
	if (!group)
		return false;
	p->by_cgroup = true;
	return process_take(p, group->slot, group->generation);
}

/* The next three are read by the verifier once, apart: kernel pointers reach them as numbers. */

/* A local address of this device (struct in_device), or on lo a local prefix. */
GLOBAL int process_holds4(__u64 device, __be32 addr, __u32 loopback)
{
	struct in_device *in = (struct in_device *)device;
	struct in_ifaddr *a = BPF_CORE_READ(in, ifa_list);
	int i = 0;

	do {
		__be32 local, mask;

		if (!a)
			return 0;
		local = BPF_CORE_READ(a, ifa_local);
		mask = loopback ? BPF_CORE_READ(a, ifa_mask) : 0xffffffff;
		if (!((local ^ addr) & mask))
			return 1;
		a = BPF_CORE_READ(a, ifa_next);
	} while (++i < PROCESS_ADDRESSES);
	return 1; /* more than were looked at: a doubt */
}

/* The same of a struct inet6_dev. */
GLOBAL int process_holds6(__u64 device, const struct warder_addr *addr)
{
	struct inet6_dev *in = (struct inet6_dev *)device;
	struct list_head *head = __builtin_preserve_access_index(&in->addr_list);
	struct list_head *at = BPF_CORE_READ(in, addr_list.next);
	int i = 0;

	if (!addr)
		return 0;
	do {
		struct inet6_ifaddr *a;
		struct warder_addr local;

		if (!at || at == head)
			return 0;
		a = (void *)at - bpf_core_field_offset(struct inet6_ifaddr, if_list);
		bpf_core_read(&local, sizeof(local), &a->addr);
		if (local.w[0] == addr->w[0] && local.w[1] == addr->w[1] &&
		    local.w[2] == addr->w[2] && local.w[3] == addr->w[3])
			return 1;
		at = BPF_CORE_READ(at, next);
	} while (++i < PROCESS_ADDRESSES);
	return 1;
}

/*
 * True where a packet to `addr` would leave the pod unchanged by its one link.  Not so: an address
 * that the namespace itself holds, known to the agent or not; a second device that is up, to which
 * routes may lead (a container network inside the pod); netfilter hooks on what is sent (a
 * sidecar's REDIRECT, NAT).
 */
GLOBAL int process_leaves(__u64 namespace, const struct warder_addr *addr, __u32 v4)
{
	struct net *net = (struct net *)namespace;
	struct list_head *head, *at;
	__u32 others = 0;
	int i = 0;

	if (!net || !addr)
		return 0;
	if (bpf_core_field_exists(struct net, nf)) {
		if (v4 ? (__u64)BPF_CORE_READ(net, nf.hooks_ipv4[PROCESS_LOCAL_OUT])
		       : (__u64)BPF_CORE_READ(net, nf.hooks_ipv6[PROCESS_LOCAL_OUT]))
			return 0;
	}
	head = __builtin_preserve_access_index(&net->dev_base_head);
	at = BPF_CORE_READ(net, dev_base_head.next);
	do {
		struct net_device *dev;
		__u32 flags;

		if (!at || at == head)
			return others <= 1;
		dev = (void *)at - bpf_core_field_offset(struct net_device, dev_list);
		flags = BPF_CORE_READ(dev, flags);
		if (flags & PROCESS_IFF_UP) {
			if (!(flags & PROCESS_IFF_LOOPBACK))
				others++;
			if (v4 ? process_holds4((__u64)BPF_CORE_READ(dev, ip_ptr), addr->w[3],
						flags & PROCESS_IFF_LOOPBACK)
			       : process_holds6((__u64)BPF_CORE_READ(dev, ip6_ptr), addr))
				return 0;
		}
		at = BPF_CORE_READ(at, next);
	} while (++i < PROCESS_DEVICES);
	return 0;
}

#endif

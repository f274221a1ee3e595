/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Constants that the kernel's BTF does not carry, and the differences between kernels and
 * compilers: the only file that knows them.
 */
#ifndef WARDER_BPF_COMPAT_H
#define WARDER_BPF_COMPAT_H

#include <bpf/bpf_core_read.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

/* include/uapi/linux/bpf.h, pkt_cls.h: TCX_NEXT is TC_ACT_UNSPEC, so clsact reads it in the same
 * way. */
#define WARDER_ACT_NEXT (-1)
#define WARDER_ACT_DROP 2

/* include/uapi/linux/bpf.h: what a lookup answers where the packet would be sent on. */
#define FIB_SUCCESS	0
#define FIB_UNSUPP_LWT	6
#define FIB_NO_NEIGH	7
#define FIB_FRAG_NEEDED 8

/* The same header: 64 bytes on every kernel; only the fields that a question has are named. */
struct bpf_fib_lookup {
	__u8 family;
	__u8 l4_protocol;
	__be16 sport, dport;
	__u16 tot_len;
	__u32 ifindex;
	__u32 flowinfo;
	__u32 src[4];
	__u32 dst[4];
	__u32 rest[4];
};
_Static_assert(sizeof(struct bpf_fib_lookup) == 64, "layout");

#define AF_INET	 2
#define AF_INET6 10

#define SOCK_STREAM 1
#define SOCK_DGRAM  2

#define ETH_P_IP     0x0800
#define ETH_P_ARP    0x0806
#define ETH_P_IPV6   0x86dd
#define ETH_P_8021Q  0x8100
#define ETH_P_8021AD 0x88a8
#define ETH_P_QINQ1  0x9100

#define IPPROTO_HOPOPTS	 0
#define IPPROTO_ICMP	 1
#define IPPROTO_IGMP	 2
#define IPPROTO_IPIP	 4
#define IPPROTO_TCP	 6
#define IPPROTO_UDP	 17
#define IPPROTO_IPV6	 41
#define IPPROTO_ROUTING	 43
#define IPPROTO_FRAGMENT 44
#define IPPROTO_GRE	 47
#define IPPROTO_ESP	 50
#define IPPROTO_ICMPV6	 58
#define IPPROTO_DSTOPTS	 60
#define IPPROTO_SCTP	 132

/* include/net/tcp_states.h; fixed for userspace by BPF_TCP_*. */
#define TCP_STATE_ESTABLISHED  1
#define TCP_STATE_SYN_SENT     2
#define TCP_STATE_TIME_WAIT    6
#define TCP_STATE_CLOSE	       7
#define TCP_STATE_LISTEN       10
#define TCP_STATE_NEW_SYN_RECV 12

#define LOOPBACK_IFINDEX 1 /* in every network namespace */

/* Hides a value from the compiler: it must not narrow a store, or fold two loads into one. */
#define barrier_var(var) asm volatile("" : "+r"(var))

/* Field of a context as one load: clang may else keep the field's address, which the verifier
 * refuses. */
#define CONTEXT_LOAD(ctx, field)                                                                   \
	({                                                                                         \
		void *loaded_;                                                                     \
		asm volatile("%0 = *(u32 *)(%1 + %2)"                                              \
			     : "=r"(loaded_)                                                       \
			     : "r"(ctx), "i"(__builtin_offsetof(struct __sk_buff, field)));        \
		loaded_;                                                                           \
	})

/*
 * A function that the verifier reads once, apart from its callers (5.6): 6.1 cannot read the whole
 * of the pod object inlined within its million instructions.  Pointers reach it as "maybe NULL".
 */
#define GLOBAL __noinline

/* sk_kern_sock of the socket that `skb` carries: a control socket of the kernel. */
static __always_inline bool skb_socket_is_kernels(struct __sk_buff *skb)
{
	struct sk_buff *kernel_skb = (struct sk_buff *)skb; /* what the context is at run time */
	struct sock *sk = BPF_CORE_READ(kernel_skb, sk);

	return sk && BPF_CORE_READ_BITFIELD_PROBED(sk, sk_kern_sock);
}

#endif

// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Connections older than Warder: marks the TCP sockets of one network namespace that began their
 * own connection as `active` in map `directions`, so that their answers go on after the programs
 * are attached (bpf/lib/reply.h asks for the bit).  Run once for each pod at attach; the namespace
 * is that of the caller at bpf_iter_create().  It decides nothing and never takes a bit away.
 *
 * Reading the iterator gives one character a connection: 'a' active (now marked), 'p' passive,
 * '?' cannot be told (not marked: its answers need a policy that allows them), '!' no room in the
 * socket's option memory.
 */
#include "vmlinux.h"

#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

#include "lib/maps.h"

/* net/tcp_states.h: an enum without a name that BTF keeps, and fixed by userspace's ABI. */
enum {
	ADOPT_ESTABLISHED = 1,
	ADOPT_SYN_SENT = 2,
	ADOPT_FIN_WAIT1 = 4,
	ADOPT_FIN_WAIT2 = 5,
	ADOPT_CLOSE_WAIT = 8,
	ADOPT_LAST_ACK = 9,
	ADOPT_CLOSING = 11,
};

/*
 * Sequence space that this side has used up and that no data explains: acknowledged and in flight,
 * less data bytes sent for the first time.  Its own SYN is in there only where it is the one that
 * connected: an accepted socket begins after its SYN-ACK.  Its own FIN is in there once sent.
 */
static __always_inline __u64 unexplained(const struct tcp_sock *tp)
{
	__u64 used = tp->bytes_acked + (__u32)(tp->snd_nxt - tp->snd_una);

	return used - (tp->bytes_sent - tp->bytes_retrans);
}

static __always_inline char kind(const struct tcp_sock *tp, int state)
{
	__u64 left = unexplained(tp);

	switch (state) {
	case ADOPT_SYN_SENT:
		return 'a';
	case ADOPT_ESTABLISHED:
	case ADOPT_CLOSE_WAIT:
		break;
	case ADOPT_FIN_WAIT2: /* its FIN was acknowledged */
		left--;
		break;
	case ADOPT_FIN_WAIT1:
	case ADOPT_LAST_ACK:
	case ADOPT_CLOSING: /* its FIN waits behind data, or was sent */
		if (tp->snd_nxt == tp->write_seq)
			left--;
		break;
	default:
		return 0;
	}
	return left == 1 ? 'a' : left == 0 ? 'p' : '?';
}

SEC("iter/tcp")
int warder_adopt_tcp(struct bpf_iter__tcp *ctx)
{
	struct sock_common *common = ctx->sk_common;
	struct warder_socket *socket;
	struct tcp_sock *tp;
	char told;

	if (!common)
		return 0;
	tp = bpf_skc_to_tcp_sock(common); /* NULL for request and TIME-WAIT sockets */
	if (!tp)
		return 0;
	told = kind(tp, common->skc_state);
	if (!told)
		return 0;
	if (told == 'a') {
		socket = bpf_sk_storage_get(&directions, tp, NULL, BPF_SK_STORAGE_GET_F_CREATE);
		if (socket)
			socket->active = 1;
		else
			told = '!';
	}
	bpf_seq_write(ctx->meta->seq, &told, sizeof(told));
	return 0;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";

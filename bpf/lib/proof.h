/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Map `proofs`, a small cache of this CPU: what was proven a moment ago need not be looked up again.
 * Only positive answers are kept, each for a fixed time that a hit does not prolong, and the slot's
 * generation is in the hash.  What policy says is never kept here.  Different kinds of answer about
 * one tuple must not be taken for each other: each has a hash of its own.
 */
#ifndef WARDER_BPF_PROOF_H
#define WARDER_BPF_PROOF_H

#include "lib/event.h"
#include "lib/maps.h"
#include "lib/parse.h"

/* Of the tuple as this packet has it. */
static __always_inline __u64 proof_hash(const struct flow *f)
{
	const __u64 *src = (const __u64 *)&f->src, *dst = (const __u64 *)&f->dst;
	__u64 hash = secret[1];

	hash = hash_step(hash, src[1]);
	hash = hash_step(hash, dst[1]);
	if (!f->v4) {
		hash = hash_step(hash, src[0]);
		hash = hash_step(hash, dst[0]);
	}
	hash = hash_step(hash, (__u64)f->generation << 32 | (__u32)f->sport << 16 | f->dport);
	return hash_step(hash, (__u32)f->slot << 8 | f->protocol);
}

static __always_inline struct warder_proof *proof_at(__u64 hash)
{
	__u32 index = (hash >> 40) & (WARDER_PROOFS - 1);

	return bpf_map_lookup_elem(&proofs, &index);
}

static __always_inline bool proof_holds(const struct warder_proof *proof, __u64 hash, __u64 ns)
{
	return proof->hash == hash && bpf_ktime_get_coarse_ns() - proof->time < ns;
}

static __always_inline void proof_keep(struct warder_proof *proof, __u64 hash)
{
	proof->hash = hash;
	proof->time = bpf_ktime_get_coarse_ns();
}

#endif

/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Flow state of datagrams and of opaque endpoints (warder/flow.h): map `flows` and the budgets that
 * keep one endpoint's flood off another's entries, and unanswered flows off answered ones.  An
 * entry only says who began; whether that may go on is asked of the matrix each time, before this
 * file is.
 */
#ifndef WARDER_BPF_STATE_H
#define WARDER_BPF_STATE_H

#include "lib/maps.h"
#include "lib/parse.h"
#include "lib/proof.h"

#define STATE_WRITE_NS	100000000ULL /* `seen` is written at most this often */
#define STATE_COUNT_MAX 255

/* The wire tuple as the endpoint sees it; `opener`: direction of the packet that began it. */
static __always_inline void state_key(const struct flow *f, __u32 opener,
				      struct warder_flow_key *key)
{
	if (f->direction == WARDER_EGRESS) {
		key->local = f->src;
		key->remote = f->dst;
		key->local_port = f->sport;
		key->remote_port = f->dport;
	} else {
		key->local = f->dst;
		key->remote = f->src;
		key->local_port = f->dport;
		key->remote_port = f->sport;
	}
	if (f->protocol == IPPROTO_ICMP || f->protocol == IPPROTO_ICMPV6) {
		key->local_port = f->sport;
		key->remote_port = 0;
	}
	key->generation = f->generation;
	key->slot = f->slot;
	key->protocol = f->protocol;
	key->direction = opener;
}

static __always_inline __u64 state_lifetime(const struct warder_flow *flow)
{
	if (!flow->answers)
		return WARDER_FLOW_UNANSWERED_NS;
	return flow->forward > 1 && flow->answers > 1 ? WARDER_FLOW_STREAM_NS
						      : WARDER_FLOW_ANSWERED_NS;
}

/* The budget of (slot, direction), as it stands for this generation of the slot; NULL where there
 * is none. */
static __always_inline struct warder_flow_budget *state_budget(__u32 slot, __u32 opener,
							       __u32 generation)
{
	__u32 index = slot * 2 + opener;
	struct warder_flow_budget *budget = bpf_map_lookup_elem(&flow_budgets, &index);
	__u32 old;

	if (!budget)
		return 0;
	old = budget->generation;
	if (old != generation &&
	    __sync_val_compare_and_swap(&budget->generation, old, generation) == old) {
		__sync_lock_test_and_set(&budget->unanswered, 0);
		__sync_lock_test_and_set(&budget->answered, 0);
	}
	return budget;
}

/* Signed: a count that a race took below 0 is an empty budget, not a full one for ever. */
static __always_inline bool budget_is_full(__u32 entries)
{
	return (__s32)entries >= (__s32)flows_per_endpoint;
}

/* An entry that had been answered begins again as an unanswered one. */
static __always_inline void state_restart(struct warder_flow *flow,
					  struct warder_flow_budget *budget)
{
	if (__sync_lock_test_and_set(&flow->answers, 0)) {
		__sync_fetch_and_add(&budget->answered, -1);
		__sync_fetch_and_add(&budget->unanswered, 1);
	}
	flow->forward = 1;
}

/*
 * An allowed packet that began, or goes on in, a flow whose answers only an entry can let through.
 * `begin`: an entry may be made.  0, or the reason for which the new flow cannot be.
 */
static __always_inline int state_open_entry(struct flow *f, __u32 begin, bool *ret_settled)
{
	struct warder_flow_key key = {};
	struct warder_flow new = {.forward = 1};
	struct warder_flow_budget *budget;
	struct warder_flow *flow;
	__u64 now = bpf_ktime_get_boot_ns(), age;
	int bad;

	state_key(f, f->direction, &key);
	flow = bpf_map_lookup_elem(&flows, &key);
	if (!flow && !begin)
		return 0;
	if (flow) {
		age = now - flow->seen;
		if ((__s64)age <= (__s64)state_lifetime(flow)) {
			*ret_settled = flow->forward >= 2;
			if (flow->forward < 2 || (__s64)age > (__s64)STATE_WRITE_NS) {
				if (flow->forward < STATE_COUNT_MAX)
					flow->forward++;
				flow->seen = now;
			}
			return 0;
		}
		if (!begin)
			return 0;
	}
	budget = state_budget(f->slot, f->direction, f->generation);
	if (!budget)
		return REFUSE(f, STATE, INTERNAL);
	if (flow) {
		state_restart(flow, budget);
		flow->seen = now;
		return 0;
	}
	if (budget_is_full(budget->unanswered))
		return REFUSE(f, STATE, FLOW_BUDGET);
	new.seen = now;
	bad = bpf_map_update_elem(&flows, &key, &new, BPF_NOEXIST);
	if (!bad)
		__sync_fetch_and_add(&budget->unanswered, 1);
	else if (bad != -17 /* EEXIST: another CPU was faster */)
		return REFUSE(f, STATE, FLOW_BUDGET);
	return 0;
}

/* The same, where this CPU did not find the entry alive and counted a moment ago. */
GLOBAL int state_open(struct flow *f, __u32 begin)
{
	struct warder_proof *proof;
	bool settled = false;
	__u64 hash;
	int bad;

	if (!f)
		return WARDER_REASON_INTERNAL;
	hash = proof_hash(f) ^ secret[0];
	proof = proof_at(hash);
	if (proof && proof_holds(proof, hash, STATE_WRITE_NS))
		return 0;
	bad = state_open_entry(f, begin, &settled);
	if (proof && settled)
		proof_keep(proof, hash);
	return bad;
}

/* Whether the packet answers a flow that the other direction began; such a packet keeps it alive. */
static __always_inline int state_answers_entry(struct flow *f, bool *ret_settled)
{
	struct warder_flow_key key = {};
	struct warder_flow_budget *budget;
	struct warder_flow *flow;
	__u64 now, age;

	state_key(f, !f->direction, &key);
	flow = bpf_map_lookup_elem(&flows, &key);
	if (!flow)
		return 0;
	now = bpf_ktime_get_boot_ns();
	age = now - flow->seen;
	if ((__s64)age > (__s64)state_lifetime(flow))
		return 0;
	*ret_settled = flow->answers >= 2;
	if (flow->answers >= 2 && (__s64)age <= (__s64)STATE_WRITE_NS)
		return 1;
	budget = state_budget(f->slot, !f->direction, f->generation);
	if (!budget)
		return 0;
	if (!flow->answers) {
		/*
		 * Where many wait too, a lone question's flow ends with its answer: a busy DNS
		 * server's would else hold their places for 30 s, and new ones be refused.
		 */
		if (f->protocol == IPPROTO_UDP && flow->forward < 2 &&
		    budget_is_full(budget->answered) && budget_is_full(budget->unanswered * 2)) {
			if (!bpf_map_delete_elem(&flows, &key))
				__sync_fetch_and_add(&budget->unanswered, -1);
			*ret_settled = false;
			return 1;
		}
		/* Where too many are answered this one stays among the unanswered, and lives on as
		 * such. */
		if (!budget_is_full(budget->answered) &&
		    !__sync_val_compare_and_swap(&flow->answers, 0, 1)) {
			__sync_fetch_and_add(&budget->unanswered, -1);
			__sync_fetch_and_add(&budget->answered, 1);
		}
	} else if (flow->answers < STATE_COUNT_MAX) {
		__sync_fetch_and_add(&flow->answers, 1);
	}
	flow->seen = now;
	return 1;
}

GLOBAL int state_answers(struct flow *f)
{
	struct warder_proof *proof;
	bool settled = false;
	__u64 hash;
	int answers;

	if (!f)
		return 0;
	hash = proof_hash(f) ^ ~secret[0];
	proof = proof_at(hash);
	if (proof && proof_holds(proof, hash, STATE_WRITE_NS))
		return 1;
	answers = state_answers_entry(f, &settled);
	if (proof && settled)
		proof_keep(proof, hash);
	return answers;
}

/* One entry of the sweep below: 0 = go on. */
static long state_expire(struct bpf_map *map, const struct warder_flow_key *key,
			 struct warder_flow *flow, __u64 *now)
{
	struct warder_flow_budget *budget;
	__u32 index = key->slot * 2 + (key->direction & 1), answered = flow->answers;
	__u32 generation = key->generation;

	if ((__s64)(*now - flow->seen) <= (__s64)state_lifetime(flow))
		return 0;
	if (bpf_map_delete_elem(&flows, key))
		return 0;
	budget = bpf_map_lookup_elem(&flow_budgets, &index);
	if (!budget || budget->generation != generation)
		return 0; /* the slot is another endpoint's now, and its budget began at 0 */
	__sync_fetch_and_add(answered ? &budget->answered : &budget->unanswered, -1);
	return 0;
}

#endif

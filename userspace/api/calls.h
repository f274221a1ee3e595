/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The calls that the agent answers, with the JSON of their arguments and results.  docs/api.md is
 * the same for users; keys are stable: they are added to, never renamed.
 *
 * Rules for every result
 *   - An object at the top.  Every key named here is always there; what does not exist is null
 *     (strings and objects), 0 or [].  Times are RFC 3339, UTC: "2026-11-24T22:50:01.123Z".
 *   - A "counts" is {"packets":1,"bytes":60}.  A "policy" is {"kind","namespace","name"}.
 *   - A "verdict" is "allow", "deny" or "would-deny" (audited: it passed); a "direction" is
 *     "ingress" or "egress"; a "mode" is "enforce" or "audit"; a reason is a name of
 *     warder/tbl/reasons.tbl; an identity is "spiffe://..." or a reserved name ("host", "world").
 *   - An endpoint is named "namespace/pod".
 *
 * status        {}
 *   {"version":"v1","node":"n1","cluster":"c","trust_domain":"cluster.local","pid":1,
 *    "started":TIME,"uptime_seconds":9,"mode":MODE,"mesh":"none","proof":"unproven",
 *    "ready":true,"features":[{"name":"policy","ready":true,"message":null}],
 *    "source":{"name":"directory","place":"/m","synced":true,
 *              "problems":[{"where":"pods.yaml:12:5","what":"...","fatal":true}]},
 *    "datapath":{"bpffs":"/sys/fs/bpf/warder","cgroup_root":"/sys/fs/cgroup","hook":"tcx",
 *                "kernel":"6.18.0","layout":1},
 *    "revision":{"seen":7,"in_force":7,"last_ms":3,"max_ms":20},   (from seen to in the maps)
 *    "endpoints":{"total":6,"attached":6,"held":0,"waiting":0,"uncovered":0,"host_network":0},
 *    "policies":{"total":5,"in_force":5,"audit":1,"broken":0},
 *    "identities":4,
 *    "not_enforced":[{"api_version","kind","namespace","name","origin"}],
 *    "problems":[{"object":"NetworkPolicy x/y","what":"..."}],   (of compiling, attaching, writing)
 *    "traffic":{"allow":COUNTS,"deny":COUNTS,"would_deny":COUNTS},
 *    "alerts":{"place":"-","written":9,"suppressed":0,"write_errors":0,"lost":0}}
 *
 * wait          {"timeout_ms":10000}
 *   {"ready":true,"revision":7,"missing":["pod x/y: no link was found yet"]}
 *   Answers when ready or at the timeout; "missing" is empty exactly when "ready".
 *
 * config        {}
 *   {"keys":[{"key":"node","value":"n1","origin":"flag","where":"--node","what":"..."}]}
 *   origin: "flag", "file" (where = "FILE:LINE") or "default" (where = null).
 *
 * endpoint.list {}
 *   {"endpoints":[ENDPOINT]}
 *   ENDPOINT {"namespace","pod","service_account","identity","uid","slot":1,"node",
 *             "addresses":["10.0.0.1"],"state":STATE,"mode":MODE,
 *             "isolated":{"ingress":true,"egress":false},"policies":2,
 *             "links":[{"name":"veth1","ifindex":5,"kind":"veth","attached":true}],
 *             "deny":COUNTS,"would_deny":COUNTS}
 *   STATE: "attached", "held" (its link is, its identity is not known), "waiting" (no link or cgroup
 *   yet), "uncovered" (a link that cannot be judged), "host-network".
 *
 * endpoint.get  {"endpoint":"namespace/pod" or an address}
 *   ENDPOINT with also {"cgroup":{"id":1,"path":"..."},"netns":4026531840,"group":2,"flags":["opaque"],
 *    "selected_by":[{"kind","namespace","name","mode":MODE,"directions":["ingress"]}],
 *    "counters":[{"direction","verdict","reason","packets","bytes"}]}     (those that are not 0)
 *
 * identity.list {}
 *   {"identities":[{"identity","namespace","service_account","number":256,"reserved":false,
 *                   "pods":3,"local_pods":1,"addresses":["10.0.0.1"]}]}   (at most 64 addresses)
 *
 * policy.list   {}
 *   {"policies":[POLICY]}
 *   POLICY {"kind","namespace","name","tier":"admin|namespaced|baseline","priority":0,"mode":MODE,
 *           "in_force":true,"broken":null,"directions":["ingress"],"rules":2,"endpoints":1,
 *           "origin":"policies.yaml:3"}
 *   endpoints: how many of this node it selects.  broken: what could not be understood.
 *
 * policy.get    {"kind":null or "NetworkPolicy","policy":"namespace/name" or "name"}
 *   POLICY with also {"selects":["namespace/pod"],"groups":[1,2],
 *    "compiled":[{"rule":0,"direction":"ingress","action":"allow|deny|pass",
 *                 "classes":[{"class":3,"members":["x/a","10.0.0.0/8","world"]}],   (at most 64)
 *                 "ports":["TCP 80","UDP 53-60","all"],"port_classes":[4]}]}
 *
 * explain       {"from":"x/a","to":"y/b","port":80 or "http","protocol":"TCP"}
 *   the same keys, and {"egress":"allow","ingress":"deny","verdict":"deny","reason":"policy-denied",
 *    "policies":[{"kind","namespace","name","tier","direction","rule":0,"mode":MODE}]}
 *   egress and ingress are null where this node does not judge that side; rule is null for a policy
 *   that isolates and has no rule that matches; "would" is there where audited policies would decide
 *   otherwise.
 *
 * monitor       {"namespace","service_account","pod","port":80,"verdict","reason"}, each optional
 *   a stream of ALERT (telemetry/record.c), and {"lost":5} where the reader was too slow:
 *   {"time":TIME,"id","alert_id","phase":"first|update|close","rule","priority","verdict","reason",
 *    "direction","hook","protocol":"TCP","where":"lib/judge.h:120","packets","bytes",
 *    "total_packets","total_bytes","first":TIME,"last":TIME,"other":false,"message",
 *    "source":SIDE,"destination":SIDE,"policies":[{"kind","namespace","name","role"}],
 *    "process":{"pid":1,"comm":"curl"} or null,"interface":"veth1"}
 *   SIDE {"address","port","identity","namespace","service_account","pod","node","cidr","proof"}
 *
 * map.list      {}
 *   {"maps":[{"name","id":12,"max_entries":4096,"bytes":65536,"pin":"/sys/fs/bpf/warder/v1/peer4"}]}
 *
 * drops         {"limit":10}
 *   {"since":TIME,"reasons":[{"reason","direction","verdict","packets","bytes"}],   (largest first)
 *    "pairs":[PAIR]}
 *   PAIR {"source":SIDE,"destination":SIDE,"protocol","direction","verdict","reason","hook",
 *         "packets","bytes","policies":[as in ALERT],"first":TIME,"last":TIME,"other":false}
 *   reasons are the exact counters; pairs are what the alerts gathered since the agent started
 *   (warder_telemetry_pairs gives them ready made).
 *
 * counters      {}
 *   {"counters":[{"namespace","pod","direction","verdict","reason","packets","bytes"}]}  (not 0)
 *   namespace and pod are null for a slot whose pod is gone and for slot 0.
 */
#ifndef WARDER_API_CALLS_H
#define WARDER_API_CALLS_H

#define CALL(constant, name, answers, what) WARDER_CALL_##constant,
enum warder_call {
#include "api/calls.tbl"
	WARDER_CALLS
};
#undef CALL

/* The name on the wire. */
#define CALL(constant, name, answers, what) [WARDER_CALL_##constant] = name,
static const char *const warder_call_names[WARDER_CALLS] __attribute__((unused)) = {
#include "api/calls.tbl"
};
#undef CALL

#endif

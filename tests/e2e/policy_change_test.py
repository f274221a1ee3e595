# SPDX-License-Identifier: Apache-2.0
"""Policies that change under established connections, audit beside enforce, and who is meant by a name.

The rule: every packet is judged by the policy of its moment, so what is allowed no more ends with the next packet and
what is still allowed goes on.  Each scenario holds both kinds of connection (the counter-case of each other).
"""
import atexit
import concurrent.futures
import time

from cluster import Cluster
from connection import Ends
from packets import UDP, ether, ip, udp
from scenario import check, check_in, scenario

REFUSED = ("EPERM", "timeout")
clusters = {}


def cluster(topology="routed", mode="enforce"):
    """A cluster for all scenarios of this file; each begins without policies."""
    key = (topology, mode)
    if key not in clusters:
        c = clusters[key] = Cluster(topology, families=(4, 6), mode=mode)
        atexit.register(c.close)
        for n in ("x", "y"):
            c.namespace(n, {"ns": n})
        for name in ("x/pod", "x/peer", "y/peer"):
            c.pod(name, sa=name[2:], labels={"app": name[2:]})
        c.start()
    c = clusters[key]
    c.clear_policies()
    for n in ("x", "y"):
        c.namespace(n, {"ns": n})
    for pod in c.pods.values():
        pod.labels = {"app": pod.pod}
        c.put(pod.object())
    c.apply()
    c.mark_alerts()
    return c


def rules(*ports):
    return [{"ports": [{"port": p} for p in ports]}] if ports else []


def spec(ingress=None, egress=None, app="pod"):
    made = {"podSelector": {"matchLabels": {"app": app}}, "policyTypes": []}
    for name, rule in (("ingress", ingress), ("egress", egress)):
        if rule is not None:
            made[name], made["policyTypes"] = rule, made["policyTypes"] + [name.title()]
    return made


def at_once(*work):
    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        for done in [pool.submit(w) for w in work]:
            done.result()


CUT, KEPT = 7100, 7200
# Who begins; policy before and after; which ends are not heard any more.
SHAPES = [
    ("ingress revoked, egress open", "peer", {"ingress": rules(CUT, KEPT)}, {"ingress": rules(KEPT)}, ["client"]),
    ("egress revoked, ingress open", "pod", {"egress": rules(CUT, KEPT)}, {"egress": rules(KEPT)}, ["client"]),
    ("ingress revoked, both isolated", "peer", {"ingress": rules(CUT, KEPT), "egress": []}, {"ingress": rules(KEPT), "egress": []},
     ["client", "server"]),
    ("egress revoked, both isolated", "pod", {"egress": rules(CUT, KEPT), "ingress": []}, {"egress": rules(KEPT), "ingress": []},
     ["client", "server"]),
    ("all of ingress revoked, egress open", "peer", {"ingress": rules(CUT)}, {"ingress": []}, ["client"]),
    ("all of egress revoked, ingress open", "pod", {"egress": rules(CUT)}, {"egress": []}, ["client"]),
]


@scenario("change: a revocation in each shape cuts the established connection, and what is still allowed goes on")
def revocation():
    def work(topology):
        c = cluster(topology)
        pod, peers = c.pods["x/pod"], (c.pods["y/peer"], c.outside)
        for title, begins, before, after, silent in SHAPES:
            c.policy("x", "p", spec(**before))
            c.apply()
            cut, kept = [], []
            for peer in peers:
                client, server = (peer, pod) if begins == "peer" else (pod, peer)
                for family in (4, 6):
                    cut.append(Ends(client, server, CUT, family))
                    cut[-1].__enter__().both(1000)
                    if title.split()[0] != "all":
                        kept.append(Ends(client, server, KEPT, family))
                        kept[-1].__enter__().both(1000)
                    # The listeners of the next one need the ports.
                    for e in cut[-1:] + kept[-1:]:
                        server.python("s = inside.held.pop(name + '.listen', None)\nif s: s.close()", name=e.name)
            c.policy("x", "p", spec(**after))
            c.apply()

            def silence(e):
                for end in silent:
                    e.move(getattr(e, end), 1000, wait=0.3, want="timeout")
            at_once(*(lambda e=e: silence(e) for e in cut), *(lambda e=e: e.both(5000) for e in kept))
            for e in kept:
                e.both(5000)
                e.shut(e.client)
                e.shut(e.server)
            for e in cut:
                for end in (e.client, e.server):
                    end.close(e.name, reset=True)
    at_once(*(lambda t=t: work(t) for t in ("routed", "bridged")))


@scenario("change: a revocation that is taken back lets the same connection go on")
def taken_back():
    for topology in ("routed", "bridged"):
        c = cluster(topology)
        pod, peer = c.pods["x/pod"], c.pods["y/peer"]
        for begins, name in ((peer, "ingress"), (pod, "egress")):
            c.policy("x", "p", spec(**{name: rules(CUT)}))
            c.apply()
            with Ends(begins, pod if begins is peer else peer, CUT, 4) as e:
                e.both(1000)
                c.policy("x", "p", spec(**{name: []}))
                c.apply()
                e.move(e.client, 1000, wait=0.2, want="timeout")
                c.policy("x", "p", spec(**{name: rules(CUT)}))
                c.apply()
                e.move(e.client, 0)
                check(e.server.python("s = inside.held[name]; s.settimeout(8); result = len(s.recv(1000))", name=e.name), 1000)
                e.both(1000)


@scenario("change: a pod or a namespace that is labelled anew is another peer with the next packet, and another subject")
def relabelled():
    for topology in ("routed", "bridged"):
        c = cluster(topology)
        pod, near, far = c.pods["x/pod"], c.pods["x/peer"], c.pods["y/peer"]
        c.namespace("y", {"team": "blue"})
        near.labels = {"app": "web"}
        c.put(near.object())
        c.policy("x", "p", spec(ingress=[{"from": [{"podSelector": {"matchLabels": {"app": "web"}}},
                                                   {"namespaceSelector": {"matchLabels": {"team": "blue"}}}]}]))
        c.apply()
        with Ends(near, pod, 7300, 4) as a, Ends(far, pod, 7301, 6) as b:
            a.both(1000), b.both(1000)
            near.labels = {"app": "no"}
            c.put(near.object())
            c.apply()
            a.move(a.client, 1000, wait=0.3, want="timeout")
            b.both(1000)
            check(near.tcp(pod, 80, timeout=0.3), "timeout", "labelled anew")
            c.namespace("y", {"team": "red"})
            c.apply()
            b.move(b.client, 1000, wait=0.3, want="timeout")
            check(far.tcp(pod, 80, timeout=0.3), "timeout", "its namespace labelled anew")
        # The subject: no policy selects it any more.
        pod.labels = {"app": "free"}
        c.put(pod.object())
        c.apply()
        check(near.tcp(pod, 80), "ok:x/pod", "a subject no more")
        check(far.tcp(pod, 80, 6), "ok:x/pod", "a subject no more")


AUDIT = {"warder.io/mode": "audit"}


def counted(c, pod, verdict):
    return sum(n["packets"] for n in c.ctl_json("counters")["counters"]
               if (n["namespace"], n["pod"], n["verdict"]) == (pod.ns, pod.pod, verdict))


@scenario("audit: by policy and by namespace packets pass, an alert and a counter name the policy, and enforce bites at once")
def audit():
    for topology in ("routed", "bridged"):
        for by, port in (("policy", 80), ("namespace", 81)):
            c = cluster(topology)
            pod, peer = c.pods["x/pod"], c.pods["y/peer"]
            closed = spec(ingress=rules(9))
            c.policy("x", by, closed, annotations=AUDIT if by == "policy" else None)
            if by == "namespace":
                c.namespace("x", {"ns": "x"}, AUDIT)
            c.apply()
            before, refused = counted(c, pod, "would-deny"), counted(c, pod, "deny")
            with Ends(peer, pod, 7320 + port, 4) as four, Ends(peer, pod, 7320 + port, 6) as six:
                for e in (four, six):
                    e.both(1000)
                told = c.alert(warder_verdict="would-deny", warder_src_pod="peer", warder_dst_pod="pod", warder_dst_port=7320 + port)
                check(told["output_fields"]["warder.policies"], ["NetworkPolicy x/" + by])
                assert counted(c, pod, "would-deny") > before
                check(counted(c, pod, "deny"), refused, "refused packets")
                c.policy("x", by, closed)
                c.namespace("x", {"ns": "x"})
                c.apply()
                for e in (four, six):
                    e.move(e.client, 1000, wait=0.3, want="timeout")
            # A port of its own: what was refused a minute ago already is an update of its line, not told at once.
            check(peer.tcp(pod, 9400 + port, timeout=0.3), "timeout", "enforced")
            c.alert(warder_verdict="deny", warder_src_pod="peer", warder_dst_pod="pod", warder_dst_port=9400 + port)


@scenario("audit: an enforced and an audited policy on one pod: the verdict is the enforced one's alone, the other is told")
def both_modes():
    for topology in ("routed", "bridged"):
        c = cluster(topology)
        pod, peer, near = c.pods["x/pod"], c.pods["y/peer"], c.pods["x/peer"]
        c.policy("x", "enforced", spec(ingress=rules(80)))
        c.policy("x", "audited", spec(egress=[]), annotations=AUDIT)
        c.policy("x", "widens", spec(ingress=rules(81)), annotations=AUDIT)
        c.apply()
        for family in (4, 6):
            check(peer.tcp(pod, 80, family), "ok:x/pod", "allowed by the enforced one")
            check(near.tcp(pod, 81, family, timeout=0.3), "timeout", "allowed by the audited one alone")
            check(pod.tcp(peer, 80, family), "ok:y/peer", "refused by the audited one alone")
        told = c.alert(warder_verdict="would-deny", warder_src_pod="pod", warder_dst_pod="peer", warder_dst_port=80)
        check(told["output_fields"]["warder.policies"], ["NetworkPolicy x/audited"])
        told = c.alert(warder_verdict="deny", warder_src_pod="peer", warder_dst_pod="pod", warder_dst_port=81)
        check("NetworkPolicy x/enforced" in told["output_fields"]["warder.policies"], True, told["output"])
        c.policy("x", "audited", spec(egress=[]))
        c.apply()
        check_in(pod.tcp(peer, 80, timeout=0.3), REFUSED, "enforced too")


@scenario("audit: an agent in audit mode refuses nothing, not even what is forged, and says what it would have")
def audit_agent():
    for topology in ("routed", "bridged"):
        c = cluster(topology, "audit")
        pod, peer = c.pods["x/pod"], c.pods["y/peer"]
        c.policy("x", "p", spec(ingress=[], egress=[]))
        c.apply()
        for family in (4, 6):
            with Ends(peer, pod, 7500, family) as e:
                e.both(1000)
            check(pod.tcp(c.outside, 80, family), "ok:outside")
            check(peer.ping(pod, family), "ok")
            # Forged: another pod's source.
            src, to = c.pods["x/peer"].ip(family), pod.mac if topology == "bridged" else c.link(peer.links[0])["address"]
            pod.sniff("forged")
            time.sleep(0.1)
            peer.frame(ether(peer.mac, to, ip(src, pod.ip(family), UDP, udp(src, pod.ip(family), 9, 9, b"forged"))))
            c.alert(warder_reason="spoofed-source", warder_verdict="would-deny", warder_src_ip=src)
            time.sleep(0.1)
            check(len([f for out, f in pod.sniffed("forged") if b"forged" in f and not out]), 1, "it passes")
        told = c.alert(warder_verdict="would-deny", warder_src_pod="peer", warder_dst_pod="pod", warder_dst_port=7500)
        check(told["output_fields"]["warder.policies"], ["NetworkPolicy x/p"])
        status = c.ctl_json("status")
        check((status["mode"], status["traffic"]["deny"]["packets"]), ("audit", 0))
        assert status["traffic"]["would_deny"]["packets"] > 10, status["traffic"]


@scenario("identity: by ServiceAccount, by SPIFFE name with a whole-segment wildcard, never by label")
def identities():
    for topology in ("routed", "bridged"):
        c = cluster(topology)
        pod, near, far = c.pods["x/pod"], c.pods["x/peer"], c.pods["y/peer"]
        other = c.pod("y/other", sa="other", labels={"app": "peer"})

        def reaches(title, *peers):
            c.policy("x", "who", {"subject": {"serviceAccounts": ["pod"]}, "ingress": [{"from": list(peers)}] if peers else []},
                     kind="IdentityPolicy")
            c.apply()
            asked = [(p, family, p.ask("tcp", address=pod.ip(family), port=80, timeout=2.0 if p.name in want else 0.3))
                     for p in (near, far, other) for family in (4, 6)]
            for p, family, future in asked:
                check(future.result(20), "ok:x/pod" if p.name in want else "timeout", "%s: %s, IPv%d" % (title, p.name, family))
        want = {"y/peer"}
        reaches("a tuple", {"identities": [{"namespace": "y", "serviceAccount": "peer"}]})
        want = {"x/peer", "y/peer"}
        reaches("a name with a wildcard", {"identities": [{"spiffe": "spiffe://cluster.local/ns/*/sa/peer"}]})
        want = {"y/peer", "y/other"}
        reaches("a namespace's", {"identities": [{"spiffe": "spiffe://cluster.local/ns/y/sa/*"}]})
        want = set()
        reaches("another trust domain", {"identities": [{"spiffe": "spiffe://other.example/ns/y/sa/peer"}]})
        reaches("a part of a name", {"identities": [{"namespace": "y", "serviceAccount": "pee"}]})
        reaches("nobody")
        want = {"x/peer", "y/peer", "y/other"}
        # It adds to NetworkPolicy, and its presence isolates: both are asked.
        c.policy("x", "too", spec(ingress=[{"from": [{"namespaceSelector": {}}]}]))
        reaches("with a NetworkPolicy that allows", {"identities": [{"namespace": "y", "serviceAccount": "other"}]})
        c.delete_pod(other)


@scenario("identity: world is what is neither pod nor node; a pod and its own node's host reach each other whatever is said")
def entities():
    for topology in ("routed", "bridged"):
        c = cluster(topology)
        pod, near = c.pods["x/pod"], c.pods["x/peer"]
        for entity, world in (("world", True), ("host", False)):
            c.policy("x", "who", {"subject": {}, "ingress": [{"from": [{"entities": [entity]}]}],
                                  "egress": [{"to": [{"entities": [entity]}]}]}, kind="IdentityPolicy")
            c.apply()
            for family in (4, 6):
                check(c.outside.tcp(pod, 80, family, timeout=1.0 if world else 0.3), "ok:x/pod" if world else "timeout", entity)
                check_in(pod.tcp(c.outside, 80, family, timeout=1.0 if world else 0.3), ("ok:outside",) if world else REFUSED, entity)
                check_in(near.tcp(pod, 80, family, timeout=0.3), REFUSED, entity)
                check_in(near.tcp(c.pods["y/peer"], 80, family, timeout=0.3), REFUSED, entity)
                check(c.host.tcp(pod, 80, family), "ok:x/pod", entity)
                check(pod.tcp(c.host, 80, family), "ok:host", entity)


@scenario("identity: where the node's host has no privilege, the entity host is what allows it, and nothing else does")
def host():
    for topology in ("routed", "bridged"):
        with Cluster(topology, families=(4, 6), flags=["--host-access=off"]) as c:
            pod, peer = c.pod("x/pod"), c.pod("y/peer")
            for entity, may in (("host", True), ("world", False)):
                c.policy("x", "who", {"subject": {}, "ingress": [{"from": [{"entities": [entity]}]}],
                                      "egress": [{"to": [{"entities": [entity]}]}]}, kind="IdentityPolicy")
                (c.apply if c.agent else c.start)()
                for family in (4, 6):
                    check(c.host.tcp(pod, 80, family, timeout=2.0 if may else 0.3), "ok:x/pod" if may else "timeout", entity)
                    check_in(pod.tcp(c.host, 80, family, timeout=2.0 if may else 0.3), ("ok:host",) if may else REFUSED, entity)
                    check(c.host.tcp(peer, 80, family), "ok:y/peer", "without policy")
                    check_in(peer.tcp(pod, 80, family, timeout=0.3), REFUSED, entity)


@scenario("ports: a name is the destination's own port, and another number at each pod")
def named():
    for topology in ("routed", "bridged"):
        c = cluster(topology)
        pod = c.pods["x/pod"]
        one = c.pod("y/one", labels={"app": "one"}, named={"web": (80, "TCP")})
        two = c.pod("y/two", labels={"app": "two"}, named={"web": (81, "TCP")})
        three = c.pod("y/three", labels={"app": "three"}, named={"web": (80, "UDP")})
        named_rule = [{"ports": [{"port": "web"}]}]
        for ns, name, made in (("x", "out", spec(egress=named_rule)), ("y", "in", {"podSelector": {}, "policyTypes": ["Ingress"],
                                                                                   "ingress": named_rule})):
            c.clear_policies()
            c.policy(ns, name, made)
            c.apply()
            asked = [(t, p, p == port, pod.ask("tcp", address=t.ip(f), port=p, timeout=2.0 if p == port else 0.3))
                     for f in (4, 6) for t, port in ((one, 80), (two, 81), (three, None)) for p in (80, 81)]
            asked += [(t, 80, False, pod.ask("udp", address=t.ip(f), port=80, timeout=0.3))  # the rule's protocol is TCP
                      for f in (4, 6) for t in (one, two, three)]
            for target, p, may, future in asked:
                check_in(future.result(20), ("ok:" + target.name,) if may else REFUSED, "%s %d" % (target.name, p))
        for p in (one, two, three):
            c.delete_pod(p)
        c.apply()


@scenario("ports: an address block with exceptions, outside and both ways, one address beside the other")
def blocks():
    for topology in ("routed", "bridged"):
        c = cluster(topology)
        pod = c.pods["x/pod"]
        c.outside.run("sh", "-c", "ip addr replace 203.0.113.20/24 dev eth0; ip addr replace 2001:db8:1::20/64 dev eth0 nodad; "
                      "ip addr replace 203.0.113.16/24 dev eth0")
        block = [{"ipBlock": {"cidr": "203.0.113.0/24", "except": ["203.0.113.20/32", "203.0.113.1/32"]}},
                 {"ipBlock": {"cidr": "2001:db8:1::/64", "except": ["2001:db8:1::20/127"]}}]
        c.policy("x", "p", spec(ingress=[{"from": block}], egress=[{"to": block}]))
        c.apply()
        for address, may in (("203.0.113.10", True), ("203.0.113.16", True), ("203.0.113.20", False), ("2001:db8:1::10", True),
                             ("2001:db8:1::20", False)):
            check_in(pod.tcp(address, 80, timeout=1.0 if may else 0.25), ("ok:outside",) if may else REFUSED, address)
            got = c.outside.tcp(pod.ip(6 if ":" in address else 4), 80, source=address, timeout=1.0 if may else 0.25)
            check(got, "ok:x/pod" if may else "timeout", "from " + address)
        check_in(pod.tcp(c.pods["y/peer"], 80, timeout=0.25), REFUSED, "a pod is in neither block")

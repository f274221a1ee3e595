# SPDX-License-Identifier: Apache-2.0
"""The direct-address form of Kubernetes' own NetworkPolicy e2e cases (test/e2e/network/netpol), by their titles.

Nine pods, namespaces x, y, z with pods a, b, c, each serving TCP and UDP on 80 and 81.  A case puts policies
and says who may reach whom; every pair and port is really tried.  One cluster serves all cases: each begins
without policies and with the first labels.
"""
import atexit

from cluster import Cluster
from scenario import scenario

NAMESPACES, PODS, PORTS = "xyz", "abc", (80, 81)
cluster = None


def labels(**match):
    return {"matchLabels": match}


def among(key, *values):
    return {"matchExpressions": [{"key": key, "operator": "In", "values": list(values)}]}


def ports(*list_, protocol="TCP"):
    return [{"port": p, "protocol": protocol} for p in list_]


class World:
    def __init__(self, c):
        self.c = c
        self.pods = {"%s/%s" % (n, p): c.pods["%s/%s" % (n, p)] for n in NAMESPACES for p in PODS}

    def reset(self):
        self.c.clear_policies()
        for n in NAMESPACES:
            self.c.namespace(n, {"ns": n})
        for key, pod in self.pods.items():
            pod.labels = {"pod": key[2:]}
            self.c.put(pod.object())

    def policy(self, ns, name, spec):
        self.c.policy(ns, name, spec)

    def label_namespace(self, ns, **more):
        self.c.namespace(ns, dict({"ns": ns}, **more))

    def label_pod(self, key, **more):
        self.pods[key].labels = dict({"pod": key[2:]}, **more)
        self.c.put(self.pods[key].object())

    def check(self, may, protocol="tcp", ports_=PORTS, family=None):
        """may(source, destination, port) says what must come through; a pod always reaches itself."""
        self.c.apply()
        asked = []
        for source in self.pods:
            for target in self.pods:
                for port in ports_:
                    # A busy machine may answer late, but never what is refused: long patience costs nothing.
                    want = source == target or bool(may(source, target, port))
                    asked.append((source, target, port, want, self.pods[source].ask(
                        protocol, address=self.pods[target].ip(family), port=port, timeout=5 if want else 0.4)))
        wrong = []
        for source, target, port, want, future in asked:
            got = future.result(20)
            if (got == "ok:" + target) != want:
                wrong.append("%s -> %s:%d %s, must %sbe reached" % (source, target, port, got, "" if want else "not "))
        if wrong:
            raise AssertionError("%d of %d: %s" % (len(wrong), len(asked), "; ".join(wrong[:6])))


def world():
    global cluster
    if cluster is None:
        cluster = Cluster("routed", families=(4, 6))
        atexit.register(cluster.close)
        for n in NAMESPACES:
            cluster.namespace(n, {"ns": n})
            for p in PODS:
                cluster.pod("%s/%s" % (n, p), labels={"pod": p},
                            named={"serve-%d-%s" % (port, t.lower()): (port, t) for port in PORTS for t in ("TCP", "UDP")})
        cluster.start()
    w = World(cluster)
    w.reset()
    return w


def case(title):
    def register(function):
        scenario("upstream: " + title)(lambda: function(world()))
        return function
    return register


def all_but(*targets):
    return lambda s, d, p: d not in targets


def allow(podSelector, ingress=None, egress=None):
    spec = {"podSelector": podSelector, "policyTypes": []}
    if ingress is not None:
        spec["ingress"], spec["policyTypes"] = ingress, spec["policyTypes"] + ["Ingress"]
    if egress is not None:
        spec["egress"], spec["policyTypes"] = egress, spec["policyTypes"] + ["Egress"]
    return spec


@case("should support a 'default-deny-ingress' policy")
def _(w):
    w.policy("x", "deny-ingress", allow({}, ingress=[]))
    w.check(lambda s, d, p: d[0] != "x")


@case("should support a 'default-deny-all' policy")
def _(w):
    w.policy("x", "deny-all", allow({}, ingress=[], egress=[]))
    w.check(lambda s, d, p: d[0] != "x" and s[0] != "x")


@case("should enforce policy to allow traffic from pods within server namespace based on PodSelector")
def _(w):
    w.policy("x", "allow-b", allow(labels(pod="a"), ingress=[{"from": [{"podSelector": labels(pod="b")}]}]))
    w.check(lambda s, d, p: d != "x/a" or s == "x/b")


@case("should enforce policy to allow ingress traffic for a target")
def _(w):
    w.policy("x", "deny", allow({}, ingress=[]))
    w.policy("x", "allow-a", allow(labels(pod="a"), ingress=[{}]))
    w.check(lambda s, d, p: d[0] != "x" or d == "x/a")


@case("should enforce policy to allow ingress traffic from pods in all namespaces")
def _(w):
    w.policy("x", "allow-all-ns", allow(labels(pod="a"), ingress=[{"from": [{"namespaceSelector": {}}]}]))
    w.check(lambda s, d, p: True)


@case("should enforce policy to allow traffic only from a different namespace, based on NamespaceSelector")
def _(w):
    w.policy("x", "from-y", allow(labels(pod="a"), ingress=[{"from": [{"namespaceSelector": labels(ns="y")}]}]))
    w.check(lambda s, d, p: d != "x/a" or s[0] == "y")


@case("should enforce policy based on PodSelector with MatchExpressions")
def _(w):
    w.policy("x", "from-b", allow(labels(pod="a"), ingress=[{"from": [{"podSelector": among("pod", "b")}]}]))
    w.check(lambda s, d, p: d != "x/a" or s == "x/b")


@case("should enforce policy based on NamespaceSelector with MatchExpressions")
def _(w):
    w.policy("x", "from-y", allow(labels(pod="a"), ingress=[{"from": [{"namespaceSelector": among("ns", "y")}]}]))
    w.check(lambda s, d, p: d != "x/a" or s[0] == "y")


@case("should enforce policy based on PodSelector or NamespaceSelector")
def _(w):
    w.policy("x", "or", allow(labels(pod="a"), ingress=[{"from": [
        {"podSelector": labels(pod="b")}, {"namespaceSelector": {"matchExpressions": [{"key": "ns", "operator": "NotIn", "values": ["x"]}]}}]}]))
    w.check(lambda s, d, p: d != "x/a" or s == "x/b" or s[0] != "x")


@case("should enforce policy based on PodSelector and NamespaceSelector")
def _(w):
    w.policy("x", "and", allow(labels(pod="a"), ingress=[{"from": [{"podSelector": labels(pod="b"), "namespaceSelector": {
        "matchExpressions": [{"key": "ns", "operator": "NotIn", "values": ["x"]}]}}]}]))
    w.check(lambda s, d, p: d != "x/a" or s in ("y/b", "z/b"))


@case("should enforce policy based on Multiple PodSelectors and NamespaceSelectors")
def _(w):
    w.policy("x", "multi", allow(labels(pod="a"), ingress=[{"from": [{
        "podSelector": among("pod", "b", "c"),
        "namespaceSelector": {"matchExpressions": [{"key": "ns", "operator": "NotIn", "values": ["x"]}]}}]}]))
    w.check(lambda s, d, p: d != "x/a" or (s[0] in "yz" and s[2] in "bc"))


@case("should enforce policy based on any PodSelectors")
def _(w):
    w.policy("x", "any", allow(labels(pod="a"), ingress=[{"from": [{"podSelector": labels(pod=q), "namespaceSelector": {}} for q in "bc"]}]))
    w.check(lambda s, d, p: d != "x/a" or s[2] in "bc")


@case("should enforce policy to allow traffic only from a pod in a different namespace based on PodSelector and NamespaceSelector")
def _(w):
    w.policy("x", "ya", allow(labels(pod="a"), ingress=[{"from": [{"namespaceSelector": labels(ns="y"), "podSelector": labels(pod="a")}]}]))
    w.check(lambda s, d, p: d != "x/a" or s == "y/a")


@case("should enforce policy based on Ports")
def _(w):
    w.policy("x", "port", allow(labels(pod="a"), ingress=[{"from": [{"namespaceSelector": labels(ns="y")}], "ports": ports(81)}]))
    w.check(lambda s, d, p: d != "x/a" or (s[0] == "y" and p == 81))


@case("should enforce multiple, stacked policies with overlapping podSelectors")
def _(w):
    w.policy("x", "one", allow(labels(pod="a"), ingress=[{"from": [{"namespaceSelector": labels(ns="y")}], "ports": ports(81)}]))
    w.check(lambda s, d, p: d != "x/a" or (s[0] == "y" and p == 81))
    w.policy("x", "two", allow(labels(pod="a"), ingress=[{"from": [{"namespaceSelector": labels(ns="y")}], "ports": ports(80)}]))
    w.check(lambda s, d, p: d != "x/a" or s[0] == "y")


@case("should support allow-all policy")
def _(w):
    w.policy("x", "all", allow({}, ingress=[{}]))
    w.check(lambda s, d, p: True)


@case("should allow ingress access on one named port")
def _(w):
    w.policy("x", "named", allow({}, ingress=[{"ports": [{"port": "serve-81-tcp", "protocol": "TCP"}]}]))
    w.check(lambda s, d, p: d[0] != "x" or p == 81)
    w.check(lambda s, d, p: d[0] != "x", protocol="udp")


@case("should allow ingress access from namespace on one named port")
def _(w):
    w.policy("x", "named", allow(labels(pod="a"), ingress=[{"from": [{"namespaceSelector": labels(ns="y")}],
                                                         "ports": [{"port": "serve-80-tcp"}]}]))
    w.check(lambda s, d, p: d != "x/a" or (s[0] == "y" and p == 80))


@case("should allow egress access on one named port")
def _(w):
    w.policy("x", "named", allow(labels(pod="a"), egress=[{"ports": [{"port": "serve-80-tcp"}]}]))
    w.check(lambda s, d, p: s != "x/a" or p == 80)


@case("should enforce updated policy")
def _(w):
    w.policy("x", "p", allow({}, ingress=[{}]))
    w.check(lambda s, d, p: True)
    w.policy("x", "p", allow({}, ingress=[]))
    w.check(lambda s, d, p: d[0] != "x")


@case("should allow ingress access from updated namespace")
def _(w):
    w.policy("x", "p", allow(labels(pod="a"), ingress=[{"from": [{"namespaceSelector": labels(ns2="updated")}]}]))
    w.check(lambda s, d, p: d != "x/a")
    w.label_namespace("y", ns2="updated")
    w.check(lambda s, d, p: d != "x/a" or s[0] == "y")


@case("should allow ingress access from updated pod")
def _(w):
    w.policy("x", "p", allow(labels(pod="a"), ingress=[{"from": [{"podSelector": labels(pod2="updated")}]}]))
    w.check(lambda s, d, p: d != "x/a")
    w.label_pod("x/b", pod2="updated")
    w.check(lambda s, d, p: d != "x/a" or s == "x/b")


@case("should deny ingress from pods on other namespaces")
def _(w):
    w.policy("x", "p", allow({}, ingress=[{"from": [{"podSelector": {}}]}]))
    w.check(lambda s, d, p: d[0] != "x" or s[0] == "x")


@case("should deny ingress access to updated pod")
def _(w):
    w.policy("x", "p", allow(labels(target="isolated"), ingress=[]))
    w.check(lambda s, d, p: True)
    w.label_pod("x/a", target="isolated")
    w.check(all_but("x/a"))


@case("should deny egress from pods based on PodSelector")
def _(w):
    w.policy("x", "p", allow(labels(pod="a"), egress=[]))
    w.check(lambda s, d, p: s != "x/a")


@case("should deny egress from all pods in a namespace")
def _(w):
    w.policy("x", "p", allow({}, egress=[]))
    w.check(lambda s, d, p: s[0] != "x")


@case("should work with Ingress, Egress specified together")
def _(w):
    w.policy("x", "p", allow(labels(pod="a"), ingress=[{"from": [{"podSelector": labels(pod="b")}]}], egress=[{"ports": ports(80)}]))
    w.check(lambda s, d, p: (d != "x/a" or s == "x/b") and (s != "x/a" or p == 80))


@case("should support denying of egress traffic on the client side (even if the server explicitly allows this traffic)")
def _(w):
    w.policy("x", "a-egress", allow(labels(pod="a"), egress=[{"to": [{"namespaceSelector": labels(ns="y"), "podSelector": among("pod", "a")}]}]))
    w.policy("y", "from-x", allow(labels(pod="a"), ingress=[{"from": [{"namespaceSelector": labels(ns="x"), "podSelector": among("pod", "a")}]}]))
    w.policy("y", "b-from-x", allow(labels(pod="b"), ingress=[{"from": [{"namespaceSelector": labels(ns="x"), "podSelector": among("pod", "a")}]}]))
    w.check(lambda s, d, p: (s != "x/a" or d == "y/a") and (d not in ("y/a", "y/b") or s == "x/a"))


@case("should enforce egress policy allowing traffic to a server in a different namespace based on PodSelector and NamespaceSelector")
def _(w):
    w.policy("x", "p", allow(labels(pod="a"), egress=[{"to": [{"namespaceSelector": labels(ns="y"), "podSelector": labels(pod="a")}]}]))
    w.check(lambda s, d, p: s != "x/a" or d == "y/a")


@case("should enforce ingress policy allowing any port traffic to a server on a specific protocol")
def _(w):
    w.policy("x", "p", allow(labels(pod="a"), ingress=[{"ports": [{"protocol": "TCP"}]}]))
    w.check(lambda s, d, p: True)
    w.check(all_but("x/a"), protocol="udp")


@case("should enforce multiple ingress policies with ingress allow-all policy taking precedence")
def _(w):
    w.policy("x", "one", allow(labels(pod="a"), ingress=[{"ports": ports(80)}]))
    w.check(lambda s, d, p: d != "x/a" or p == 80)
    w.policy("x", "all", allow({}, ingress=[{}]))
    w.check(lambda s, d, p: True)


@case("should enforce multiple egress policies with egress allow-all policy taking precedence")
def _(w):
    w.policy("x", "one", allow(labels(pod="a"), egress=[{"ports": ports(80)}]))
    w.check(lambda s, d, p: s != "x/a" or p == 80)
    w.policy("x", "all", allow({}, egress=[{}]))
    w.check(lambda s, d, p: True)


@case("should stop enforcing policies after they are deleted")
def _(w):
    w.policy("x", "p", allow({}, ingress=[], egress=[]))
    w.check(lambda s, d, p: "x" not in (s[0], d[0]))
    w.c.remove("NetworkPolicy", "x", "p")
    w.check(lambda s, d, p: True)


@case("should allow egress access to server in CIDR block")
def _(w):
    w.policy("x", "p", allow(labels(pod="a"), egress=[{"to": [{"ipBlock": {"cidr": w.pods["y/b"].ip(4) + "/32"}}]}]))
    w.check(lambda s, d, p: s != "x/a" or d == "y/b", family=4)
    w.check(lambda s, d, p: s != "x/a", family=6)


@case("should enforce except clause while egress access to server in CIDR block")
def _(w):
    w.policy("x", "p", allow(labels(pod="a"), egress=[{"to": [{"ipBlock": {"cidr": "10.244.0.0/16", "except": [w.pods["y/b"].ip(4) + "/32"]}}]}]))
    w.check(lambda s, d, p: s != "x/a" or d != "y/b", family=4)


@case("should ensure an IP overlapping both IPBlock.CIDR and IPBlock.Except is allowed")
def _(w):
    b = w.pods["y/b"].ip(4) + "/32"
    w.policy("x", "p", allow(labels(pod="a"), egress=[{"to": [{"ipBlock": {"cidr": "10.244.0.0/16", "except": [b]}}]}]))
    w.check(lambda s, d, p: s != "x/a" or d != "y/b", family=4)
    w.policy("x", "q", allow(labels(pod="a"), egress=[{"to": [{"ipBlock": {"cidr": b}}]}]))
    w.check(lambda s, d, p: True, family=4)


@case("should enforce policies to check ingress and egress policies can be controlled independently based on PodSelector")
def _(w):
    w.policy("x", "out", allow(labels(pod="a"), egress=[{"to": [{"podSelector": labels(pod="b")}]}]))
    w.policy("x", "in", allow(labels(pod="a"), ingress=[{"from": [{"podSelector": labels(pod="b")}]}]))
    w.check(lambda s, d, p: (s != "x/a" or d == "x/b") and (d != "x/a" or s == "x/b"))
    w.c.remove("NetworkPolicy", "x", "in")
    w.check(lambda s, d, p: s != "x/a" or d == "x/b")


@case("should not mistakenly treat 'protocol: SCTP' as 'protocol: TCP', even if the plugin doesn't support SCTP")
def _(w):
    w.policy("x", "p", allow(labels(pod="a"), ingress=[{"ports": ports(81, protocol="SCTP")}]))
    w.check(all_but("x/a"))


@case("should properly isolate pods that are selected by a policy allowing SCTP, even if the plugin doesn't support SCTP")
def _(w):
    w.policy("x", "p", allow(labels(pod="a"), ingress=[{"from": [{"podSelector": {}}], "ports": ports(80, protocol="SCTP")}]))
    w.check(all_but("x/a"))
    w.check(all_but("x/a"), protocol="udp")


@case("should not allow access by TCP when a policy specifies only UDP")
def _(w):
    w.policy("x", "p", allow(labels(pod="a"), ingress=[{"ports": ports(81, protocol="UDP")}]))
    w.check(all_but("x/a"))
    w.check(lambda s, d, p: d != "x/a" or p == 81, protocol="udp")


@case("should enforce policy to allow traffic based on NamespaceSelector with MatchLabels using default ns label")
def _(w):
    w.policy("x", "p", allow(labels(pod="a"), ingress=[{"from": [{"namespaceSelector": labels(**{"kubernetes.io/metadata.name": "y"})}]}]))
    w.check(lambda s, d, p: d != "x/a" or s[0] == "y")


@case("should enforce policy based on NamespaceSelector with MatchExpressions using default ns label")
def _(w):
    w.policy("x", "p", allow(labels(pod="a"), ingress=[{"from": [{"namespaceSelector": {
        "matchExpressions": [{"key": "kubernetes.io/metadata.name", "operator": "NotIn", "values": ["z"]}]}}]}]))
    w.check(lambda s, d, p: d != "x/a" or s[0] != "z")


@case("UDP: should support a 'default-deny-ingress' policy")
def _(w):
    w.policy("x", "deny", allow({}, ingress=[]))
    w.check(lambda s, d, p: d[0] != "x", protocol="udp")


@case("UDP: should enforce policy based on Ports")
def _(w):
    w.policy("x", "p", allow(labels(pod="a"), ingress=[{"from": [{"namespaceSelector": labels(ns="y")}], "ports": ports(81, protocol="UDP")}]))
    w.check(lambda s, d, p: d != "x/a" or (s[0] == "y" and p == 81), protocol="udp")


@case("UDP: should enforce policy to allow traffic only from a pod in a different namespace based on PodSelector and NamespaceSelector")
def _(w):
    w.policy("x", "p", allow(labels(pod="a"), ingress=[{"from": [{"namespaceSelector": labels(ns="y"), "podSelector": labels(pod="a")}]}]))
    w.check(lambda s, d, p: d != "x/a" or s == "y/a", protocol="udp")

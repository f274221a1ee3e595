# SPDX-License-Identifier: Apache-2.0
"""Services, translated by nftables on the node as kube-proxy does: the answer is that of what stands behind.

web, other   clients, their egress open only to app=db on port 80
db1, db2     backends that they may reach; log is one that they may not
"""
from cluster import Cluster, command
from scenario import check, check_in, scenario

EGRESS = {"podSelector": {"matchLabels": {"role": "client"}}, "policyTypes": ["Egress"],
          "egress": [{"to": [{"podSelector": {"matchLabels": {"app": "db"}}}],
                      "ports": [{"port": 80, "protocol": "TCP"}, {"port": 80, "protocol": "UDP"}]}]}
INGRESS = {"podSelector": {"matchLabels": {"app": "db"}}, "policyTypes": ["Ingress"],
           "ingress": [{"from": [{"podSelector": {"matchLabels": {"app": "web"}}}]}]}
NODE = {4: "203.0.113.1", 6: "2001:db8:1::1"}
CLUSTER = {4: "10.96.0.%d", 6: "fd00:10:96::%d"}
REFUSED = ("EPERM", "timeout")


class Services:
    """Service objects of a cluster, their slices, and the node's rules."""

    def __init__(self, cluster):
        self.cluster, self.number, self.rules = cluster, 0, []

    def add(self, name, backends, port=8000, target=80, node_port=None):
        """Returns {family: ClusterIP}."""
        c = self.cluster
        self.number += 1
        addresses = {f: CLUSTER[f] % self.number for f in c.families}
        ports = [dict({"name": t.lower(), "port": port, "protocol": t}, **({"nodePort": node_port} if node_port else {}))
                 for t in ("TCP", "UDP")]
        c.put({"apiVersion": "v1", "kind": "Service", "metadata": {"namespace": "shop", "name": name},
               "spec": {"clusterIP": list(addresses.values())[0], "clusterIPs": list(addresses.values()), "ports": ports,
                        "type": "NodePort" if node_port else "ClusterIP"}})
        for f in c.families:
            self.slice(name, f, backends, target)
            for t in ("tcp", "udp"):
                self._translate(f, addresses[f], t, port, backends, target)
                if node_port:
                    self._translate(f, NODE[f], t, node_port, backends, target)
        return addresses

    def slice(self, name, family, backends, target=80):
        self.cluster.put({"apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "addressType": "IPv%d" % family,
                          "metadata": {"namespace": "shop", "name": "%s-%d" % (name, family),
                                       "labels": {"kubernetes.io/service-name": name}},
                          "endpoints": [{"addresses": [b.ip(family)], "conditions": {"ready": True}} for b in backends],
                          "ports": [{"name": t.lower(), "port": target, "protocol": t} for t in ("TCP", "UDP")]})

    def _translate(self, family, address, protocol, port, backends, target):
        if not backends:
            return
        ip, to = ("ip", "%s:%d") if family == 4 else ("ip6", "[%s]:%d")
        for i, backend in enumerate(backends):
            rest = len(backends) - i
            turn = "numgen random mod %d == 0" % rest if rest > 1 else ""
            self.rules.append("meta nfproto ipv%d %s daddr %s %s dport %d %s dnat %s to %s"
                              % (family, ip, address, protocol, port, turn, ip, to % (backend.ip(family), target)))

    def translate(self, masquerade):
        """Masquerade: of all that is translated."""
        masquerade = "ct status dnat masquerade" if masquerade else ""
        text = "table inet svc {\nchain pre { type nat hook prerouting priority -100;\n%s\n}\nchain post { type nat hook postrouting priority 100;\n%s\n}\n}\n" % (
            "\n".join(self.rules), masquerade)
        self.cluster.host.run("nft", text)


def world(c):
    web = c.pod("shop/web", labels={"app": "web", "role": "client"})
    other = c.pod("shop/other", labels={"app": "other", "role": "client"})
    db1, db2 = (c.pod("shop/db%d" % i, labels={"app": "db"}) for i in (1, 2))
    log = c.pod("shop/log", labels={"app": "log"})
    c.policy("shop", "out", EGRESS)
    c.policy("shop", "in", INGRESS)
    return web, other, db1, db2, log


def judged(masquerade):
    for topology in ("routed", "bridged"):
        with Cluster(topology, families=(4, 6)) as c:
            web, other, db1, db2, log = world(c)
            s = Services(c)
            good = s.add("db", [db1, db2], node_port=30080)
            bad = s.add("log", [log], node_port=30081)
            mixed = s.add("mixed", [db1, log], node_port=30082)
            wrong = s.add("wrong", [db1], target=81)
            nobody = s.add("nobody", [])
            s.translate(masquerade)
            c.start()
            for f in (4, 6):
                for call in (web.tcp, web.udp):
                    check_in(call(good[f], 8000), ("ok:shop/db1", "ok:shop/db2"), topology)
                    check_in(call(NODE[f], 30080), ("ok:shop/db1", "ok:shop/db2"), topology)
                    for refused in ((bad[f], 8000), (mixed[f], 8000), (wrong[f], 8000), (nobody[f], 8000),
                                    (NODE[f], 30081), (NODE[f], 30082)):
                        check_in(call(*refused, timeout=0.3), REFUSED, "%s %s" % (topology, refused))
                # The backend's own policy still sees who asks.
                check(other.tcp(good[f], 8000, timeout=0.3), "timeout", topology)
                check(other.tcp(NODE[f], 30080, timeout=0.3), "timeout", topology)
                check(web.tcp(NODE[f], 80), "ok:host", topology)
            c.alert(warder_reason="policy-denied", warder_src_pod="web", warder_policies=["NetworkPolicy shop/out"],
                    warder_dst_ip=bad[4])
            c.alert(warder_reason="service-not-judged", warder_src_pod="web", warder_dst_ip=mixed[4])
            if not masquerade:
                c.alert(warder_reason="policy-denied", warder_src_pod="other", warder_direction="ingress")


@scenario("services: ClusterIP and NodePort answer as what stands behind them, sources kept")
def kept():
    judged(False)


@scenario("services: the same where everything translated is masqueraded")
def masqueraded():
    judged(True)


@scenario("services: a pod that is its own backend, and backends that change under a connection")
def hairpin():
    with Cluster("routed") as c:
        web, other, db1, db2, log = world(c)
        s = Services(c)
        own = s.add("own", [web])
        db = s.add("db", [db1])
        s.translate(True)
        c.policy("shop", "self", {"podSelector": {"matchLabels": {"app": "web"}}, "policyTypes": ["Egress"],
                                  "egress": [{"to": [{"podSelector": {"matchLabels": {"app": "web"}}}]}]})
        c.start()
        check(web.tcp(own[4], 8000), "ok:shop/web")
        check(web.udp(own[4], 8000), "ok:shop/web")
        web.hold("held", db[4], 8000)
        check(web.talk("held"), "ok")
        s.slice("db", 4, [db1, log])
        c.apply()
        check(web.talk("held", timeout=0.3), "timeout")
        check_in(web.tcp(db[4], 8000, timeout=0.3), REFUSED)
        s.slice("db", 4, [db1])
        c.apply()
        check(web.tcp(db[4], 8000), "ok:shop/db1")

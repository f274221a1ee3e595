# SPDX-License-Identifier: Apache-2.0
"""What is allowed passes; what is refused fails at once and is told with both identities and the policy."""
from cluster import Cluster
from scenario import check, check_in, scenario

ALLOW_WEB = {"podSelector": {"matchLabels": {"app": "db"}}, "policyTypes": ["Ingress"],
             "ingress": [{"from": [{"podSelector": {"matchLabels": {"app": "web"}}}], "ports": [{"port": 80, "protocol": "TCP"}]}]}


def world(c):
    web = c.pod("shop/web", sa="web", labels={"app": "web"})
    other = c.pod("shop/other", sa="other", labels={"app": "other"})
    db = c.pod("shop/db", sa="db", labels={"app": "db"})
    c.policy("shop", "db", ALLOW_WEB)
    c.start()
    return web, other, db


@scenario("an allowed connection, ping and datagram pass")
def allowed():
    for topology in ("routed", "bridged"):
        with Cluster(topology, families=(4, 6)) as c:
            web, other, db = world(c)
            for family in (4, 6):
                check(web.tcp(db, 80, family), "ok:shop/db", topology)
                check(db.tcp(web, 80, family), "ok:shop/web", topology)
                check(db.udp(other, 81, family), "ok:shop/other", topology)
                check(other.ping(web, family), "ok", topology)
                check(other.tcp(c.outside, 80, family), "ok:outside", topology)
                check(c.host.tcp(db, 81, family), "ok:shop/db", topology)
            check(c.alerts(), [])


@scenario("a refused connection fails and its alert names both sides and the policy")
def refused():
    for topology in ("routed", "bridged"):
        with Cluster(topology, families=(4, 6)) as c:
            web, other, db = world(c)
            for family in (4, 6):
                check_in(web.tcp(db, 81, family, timeout=0.5), ("EPERM", "timeout"), topology)
                check_in(other.tcp(db, 80, family, timeout=0.5), ("EPERM", "timeout"), topology)
                check_in(other.udp(db, 80, family, timeout=0.5), ("EPERM", "timeout"), topology)
                check_in(other.ping(db, family, timeout=0.5), ("EPERM", "timeout"), topology)
                check(c.outside.tcp(db, 80, family, timeout=0.5), "timeout", topology)
            fields = c.alert(warder_reason="policy-denied", warder_src_pod="other", warder_dst_pod="db", warder_dst_port=80,
                             fd_l4proto="tcp", warder_src_ip=other.ip(4))["output_fields"]
            check(fields["warder.src.identity"], "spiffe://cluster.local/ns/shop/sa/other")
            check(fields["warder.dst.identity"], "spiffe://cluster.local/ns/shop/sa/db")
            check(fields["warder.policies"], ["NetworkPolicy shop/db"])

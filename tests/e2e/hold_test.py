# SPDX-License-Identifier: Apache-2.0
"""A new pod before its object is known: with hold on (the default in enforce mode) nothing passes, since not even its
addresses are known; that is no attack."""
import time

from cluster import Cluster, command, ip
from scenario import check, check_in, scenario
from traffic import Traffic


def is_held(c):
    return c.ctl_json("status")["endpoints"]["held"]


def wait_for(what, so, timeout=5.0):
    end = time.monotonic() + timeout
    while not so():
        assert time.monotonic() < end, what
        time.sleep(0.01)


@scenario("a pod that no object names passes nothing until its object is there")
def held():
    for topology in ("routed", "bridged"):
        with Cluster(topology, families=(4, 6)) as c:
            a = c.pod("x/a")
            c.start()
            new = c.pod("x/new", manifest=False)
            wait_for("it is held", lambda: is_held(c) == 1)
            for family in (4, 6):
                check_in(new.tcp(a, 80, family, timeout=0.2), ("timeout", "EPERM"), topology)
                check(a.tcp(new, 80, family, timeout=0.2), "timeout", topology)
                check_in(new.udp(c.outside, 80, family, timeout=0.2), ("timeout", "EPERM"), topology)
                check_in(new.ping(a, family, timeout=0.2), ("timeout", "EPERM"), topology)
                check(c.host.tcp(new, 80, family, timeout=0.2), "timeout", topology)
                check_in(new.tcp(c.host, 80, family, timeout=0.2), ("timeout", "EPERM"), topology)
            c.alert(warder_reason="held")
            reasons = {a["output_fields"]["warder.reason"] for a in c.alerts()}
            check(reasons & {"spoofed-source", "spoofed-neighbour", "wrong-destination"}, set(), topology)
            c.put(new.object())
            c.apply()
            for family in (4, 6):
                check(new.tcp(a, 80, family, timeout=4.0), "ok:x/a", topology)  # ARP asks once a second
                check(a.tcp(new, 80, family, timeout=4.0), "ok:x/new", topology)


@scenario("with hold off a pod that no object names is left alone, and judged from its object on")
def not_held():
    with Cluster("routed", flags=["--hold=off"]) as c:
        a, db = c.pod("x/a"), c.pod("x/db", labels={"app": "db"})
        c.policy("x", "db", {"podSelector": {"matchLabels": {"app": "db"}}, "policyTypes": ["Ingress"], "ingress": []})
        c.start()
        new = c.pod("x/new", manifest=False)
        check(new.tcp(a, 80), "ok:x/a")
        check(new.tcp(db, 80, timeout=0.2), "timeout", "others are judged all the same")
        c.policy("x", "new", {"podSelector": {"matchLabels": {"app": "new"}}, "policyTypes": ["Egress"], "egress": []})
        new.labels = {"app": "new"}
        c.put(new.object())
        c.apply()
        check(new.tcp(a, 80, timeout=0.2), "EPERM")


@scenario("in audit mode a pod that no object names is counted and passes")
def audited():
    with Cluster("routed", mode="audit", flags=["--hold=on"]) as c:
        a = c.pod("x/a")
        c.start()
        new = c.pod("x/new", manifest=False)
        time.sleep(0.2)
        check(new.tcp(a, 80), "ok:x/a")
        check(a.tcp(new, 80), "ok:x/new")


@scenario("a link is held by its namespace or its name, and no other veth ever is")
def links():
    with Cluster("routed", flags=["--link-pattern=cali*"]) as c:
        a = c.pod("x/a")
        c.start()
        inner = c.tag + "-inner"
        command(["ip", "netns", "add", inner])
        for link, address in (("calix", "10.244.1.77"), ("dockerx", "10.244.1.78")):
            ip(c.netns, "link add %s type veth peer name e-%s netns %s" % (link, link, inner), "link set %s up" % link,
               "addr add 169.254.1.1/32 dev " + link, "route add %s dev %s" % (address, link))
            ip(inner, "link set e-%s up" % link, "addr add %s/32 dev e-%s" % (address, link))
        ip(inner, "route add 169.254.1.1 dev e-calix scope link", "route add default via 169.254.1.1 dev e-calix")
        wait_for("calix is held", lambda: is_held(c) == 1)
        connect = "timeout 0.3 bash -c 'exec 3<>/dev/tcp/%s/80' && echo passed || echo refused"
        probe = lambda to: command(["nsenter", "--net=/run/netns/" + inner, "sh", "-c", connect % to]).strip()
        check(probe(a.ip()), "refused", "calix to a pod")
        ip(inner, "route add 169.254.1.1 dev e-dockerx scope link metric 1", "route del default",
           "route add default via 169.254.1.1 dev e-dockerx")
        check(probe(a.ip()), "passed", "dockerx to a pod")
        command(["ip", "-n", c.netns, "link", "del", "calix"])
        wait_for("it is gone", lambda: is_held(c) == 0)
        check(a.tcp(c.host, 80), "ok:host")


@scenario("a new pod's connections from its first moment: none passes before it is known, then all that policy allows")
def first_packets():
    with Cluster("routed") as c:
        a, db = c.pod("x/a"), c.pod("x/db", labels={"app": "db"})
        c.policy("x", "db", {"podSelector": {"matchLabels": {"app": "db"}}, "policyTypes": ["Ingress"],
                             "ingress": [{"from": [{"podSelector": {"matchLabels": {"app": "web"}}}]}]})
        c.start()
        for turn in range(5):
            new = c.pod("x/new%d" % turn, labels={"app": "web" if turn % 2 else "no"}, manifest=False)
            to_db, to_a = (Traffic(new, "connect", target, 80, wait=0.1) for target in (db, a))
            time.sleep(0.1)
            c.put(new.object())
            c.apply()
            check(new.tcp(a, 80, timeout=4.0), "ok:x/a", "turn %d" % turn)  # ARP asks once a second
            time.sleep(0.3)
            if turn % 2:
                assert to_db.passed() > 1, to_db.counts
            else:
                check(to_db.passed(), 0, "turn %d" % turn)
            assert to_a.passed() > 1, to_a.counts
            c.delete_pod(new)
        c.apply()

# SPDX-License-Identifier: Apache-2.0
"""Addresses, ifindexes and namespace ids are used again by other pods: nothing of the one before may be left.

db takes port 80 from app=web alone; out of app=web only db may be reached.  All that time x/a talks to x/b, which no
policy concerns, and x/no is refused by db.
"""
from cluster import Cluster
from scenario import check, scenario
from traffic import Traffic

DB = {"podSelector": {"matchLabels": {"app": "db"}}, "policyTypes": ["Ingress"],
      "ingress": [{"from": [{"podSelector": {"matchLabels": {"app": "web"}}}], "ports": [{"port": 80}]}]}
WEB = {"podSelector": {"matchLabels": {"app": "web"}}, "policyTypes": ["Egress"],
       "egress": [{"to": [{"podSelector": {"matchLabels": {"app": "db"}}}]}]}


class World:
    """The pods, the policies, and what must not be disturbed."""

    def __init__(self, topology, families=(4,), **more):
        self.c = Cluster(topology, families=families, **more)

    def __enter__(self):
        c = self.c
        self.db = c.pod("x/db", sa="db", labels={"app": "db"})
        self.a, self.b, self.no = c.pod("x/a"), c.pod("x/b"), c.pod("x/no")
        c.policy("x", "db", DB)
        c.policy("x", "web", WEB)
        c.start()
        self.stream = Traffic(self.a, "stream", self.b, 80)
        self.connects = Traffic(self.a, "connect", self.b, 81)
        self.refused = Traffic(self.no, "connect", self.db, 80, wait=0.1)
        return self

    def __exit__(self, kind, error, trace):
        self.c.__exit__(kind, error, trace)

    def undisturbed(self):
        check(self.stream.failed(), 0, "the stream: %s" % self.stream.counts)
        check(self.connects.failed(), 0, "new connections: %s" % self.connects.counts)
        check(self.refused.passed(), 0, "refused ones that passed")
        for t in (self.stream, self.connects):
            assert t.passed() > 10, t.counts

    def web(self, name, **more):
        return self.c.pod("x/" + name, sa="web", labels={"app": "web"}, **more)

    def evil(self, name, **more):
        return self.c.pod("x/" + name, sa="evil", labels={"app": "evil"}, **more)


@scenario("a pod with the address of one that is gone has its own identity, from its first packet")
def address():
    for topology in ("routed", "bridged"):
        with World(topology, (4, 6)) as w:
            c = w.c
            for turn in range(3):
                web = w.web("web%d" % turn, ips=["10.244.1.99", "fd00:10:244::1:99"])
                c.apply()
                for family in (4, 6):
                    check(web.tcp(w.db, 80, family), "ok:x/db", "web")
                    check(web.tcp(w.a, 80, family, timeout=0.2), "EPERM", "web to another")
                c.mark_alerts()
                check(Traffic(web, "connect", w.db, 81, wait=0.05).settle().passed(), 0, "web to db's other port")
                c.alert(warder_src_pod="web%d" % turn, warder_dst_port=81)
                c.delete_pod(web)
                c.apply()
                evil = w.evil("evil%d" % turn, ips=web.ips)
                first = [Traffic(evil, "connect", w.db, 80, family, wait=0.1) for family in (4, 6)]
                c.mark_alerts()
                c.apply()
                evil.tcp(w.db, 81, timeout=0.05)
                for t in first:
                    check(t.settle().passed(), 0, "evil to db, since it began")
                for family in (4, 6):
                    check(evil.tcp(w.a, 80, family), "ok:x/a", "evil to another")
                for port in (80, 81):  # not "unknown" and not web, which the same packets were of a moment ago
                    c.alert(warder_src_pod="evil%d" % turn, warder_src_sa="evil", warder_dst_pod="db", warder_dst_port=port)
                c.delete_pod(evil)
                c.apply()
            w.undisturbed()


@scenario("a link with the ifindex and the name of one that is gone is its new pod's")
def ifindex():
    for topology in ("routed", "bridged"):
        with World(topology) as w:
            c, before = w.c, None
            for turn in range(4):
                make = w.evil if turn % 2 else w.web
                c.link_name = "again"
                c.link_index = before["ifindex"] if before else None
                pod = make("pod%d" % turn)
                c.apply()
                now = c.link("again")
                if before:
                    check(now["ifindex"], before["ifindex"])
                if turn % 2:
                    check(pod.tcp(w.db, 80, timeout=0.2), "timeout", "evil to db")
                    check(pod.tcp(w.a, 80), "ok:x/a", "evil to another")
                else:
                    check(pod.tcp(w.db, 80), "ok:x/db", "web to db")
                    check(pod.tcp(w.a, 80, timeout=0.2), "EPERM", "web to another")
                before = now
                c.delete_pod(pod)
                if turn < 2:
                    c.apply()
            w.undisturbed()


@scenario("a namespace id that is used again finds the sockets of its new namespace")
def namespace_id():
    # db answers web by the proof of a socket that is looked up by namespace id: egress of db is isolated.
    with World("routed") as w:
        c, seen = w.c, []
        c.policy("x", "quiet", {"podSelector": {"matchLabels": {"app": "web"}}, "policyTypes": ["Ingress", "Egress"],
                                "egress": [{"to": [{"podSelector": {"matchLabels": {"app": "db"}}}]}]})
        for turn in range(6):
            c.link_name = "again"
            pod = (w.evil if turn % 2 else w.web)("pod%d" % turn, ips=["10.244.1.98"])
            c.apply()
            seen.append(c.link("again")["link_netnsid"])
            if turn % 2:
                check(pod.tcp(w.db, 80, timeout=0.2), "timeout", "evil to db")
            else:
                check(pod.tcp(w.db, 80), "ok:x/db", "web to db")
                pod.hold("h", w.db, 80)
                check(pod.talk("h"), "ok")
                check(w.b.tcp(pod, 80, timeout=0.2), "timeout", "another to web")
            c.delete_pod(pod)
        assert len(set(seen)) < len(seen), seen
        w.undisturbed()


CLOSED = {"podSelector": {"matchLabels": {"app": "closed"}}, "policyTypes": ["Ingress"], "ingress": []}
WAIT_UDP = """
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.bind(("", 5000))
s.settimeout(wait)
try:
    if to:
        s.sendto(b"hello", (to, 80))
    result = s.recv(100).decode()
except OSError:
    result = "nothing"
"""
SEND_UDP = """
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
for l in [k for k in inside.listeners if k[0] == "udp" and k[2] == 80]:
    s = inside.listeners[l]
s.sendto(b"late answer", (to, 5000))
"""


@scenario("an answer to the datagram of a pod that is gone does not reach the pod that has its address now")
def flows():
    for index_too in (False, True):
        with World("routed") as w:
            c = w.c
            c.policy("x", "closed", CLOSED)
            old = c.pod("x/old", labels={"app": "closed"}, ips=["10.244.1.95"])
            c.apply()
            check(old.python(WAIT_UDP, to=w.b.ip(), wait=2.0), "x/b hello", "an answer")
            ifindex = c.link(old.links[0])["ifindex"]
            check(old.python(WAIT_UDP, to=w.b.ip(), wait=2.0), "x/b hello")
            c.delete_pod(old)
            c.link_index = ifindex if index_too else None
            new = c.pod("x/new", labels={"app": "closed"}, ips=old.ips)
            c.apply()
            waiting = new.ask("python", code=WAIT_UDP, to=None, wait=0.5)
            for _ in range(5):
                w.b.python(SEND_UDP, to=new.ip())
            check(waiting.result(5), "nothing", "what the new one heard")
            c.alert(warder_src_pod="b", warder_dst_pod="new", fd_l4proto="udp")
            w.undisturbed()


@scenario("a pod whose sandbox is made anew keeps its verdicts: same UID and address, new namespace, cgroup and link")
def sandbox():
    for topology, driver in (("routed", "systemd"), ("bridged", "cgroupfs")):
        with World(topology, driver=driver) as w:
            c = w.c
            for turn in range(3):
                web = w.web("web", ips=["10.244.1.97"], uid="11111111-2222-4333-8444-555555555555")
                c.apply()
                check(web.tcp(w.db, 80), "ok:x/db", "web to db")
                check(web.tcp(w.a, 80, timeout=0.2), "EPERM", "web to another")
                c.delete_pod(web, manifest=False)
            w.undisturbed()


@scenario("a pod that comes and goes twenty times under traffic leaves nothing behind")
def comes_and_goes():
    with World("routed") as w:
        c = w.c
        for turn in range(20):
            pod = w.web("web", ips=["10.244.1.96"])
            c.apply()
            check(pod.tcp(w.db, 80), "ok:x/db", "turn %d" % turn)
            c.delete_pod(pod)
        c.apply()
        w.undisturbed()
        names = [e["pod"] for e in c.ctl_json("endpoint", "list")["endpoints"]]
        check(sorted(names), ["a", "b", "db", "no"])
        check(c.ctl_json("status")["endpoints"]["held"], 0)

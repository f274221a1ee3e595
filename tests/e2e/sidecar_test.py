# SPDX-License-Identifier: Apache-2.0
"""Proxies and address translation inside the pod's own namespace: the wire's tuple is not the socket's.

The rule: an answer counts as proven by the pod's own socket whatever its local port is, and where no lookup of the
wire's tuple can find a socket, by what an own socket sent before.  The counter-case, at each: the same pod in the
direction that its policy closes, with the same rules of nftables in it.
"""
import threading

from cluster import sysctl
from connection import CLIENT, Case, Ends, at_once, refused_packets, world
from scenario import check, check_in, scenario, skip

FAMILIES = (4, 6)


def pod(c, name, role, *rules):
    """A pod whose namespace has nftables rules."""
    made = c.pod("x/" + name, labels={"role": role}, ports=[])
    for n, rule in enumerate(rules):
        hook, priority, kind, text = rule
        made.run("nft", "add table inet side; add chain inet side c%d { type %s hook %s priority %d; }; add rule inet side c%d %s"
                 % (n, kind, hook, priority, n, text))
    return made


def run(name, role, rules, work, prepare=None, topologies=("routed", "bridged")):
    """work(case) for each family and topology, with the pod at its side; not one packet may be refused."""
    for topology in topologies:
        c = world(topology)
        try:
            side = pod(c, name, role, *rules)
        except AssertionError as error:
            skip("no such rule here: %s" % error)
        if prepare:
            prepare(side)
        c.apply()
        before, told = refused_packets(c), len(c.alerts())
        others = (c.pods["x/peer"], c.outside)
        cases = [Case(c, other, side, f) if role == "server" else Case(c, side, other, f) for other in others for f in FAMILIES]
        at_once(work, cases)
        check(refused_packets(c) - before, 0, "packets refused: %s" % [a["output"] for a in c.alerts()[told:]])
        for f in FAMILIES:  # the counter-case
            for other in others:
                asks, asked = (side, other) if role == "server" else (other, side)
                e = Ends(asks, asked, 8970 if role == "server" else 4970, f, wait=0.3)
                check_in(e.outcome, ("EPERM", "timeout"), e.what())
                check(e.accepted, "timeout", e.what())
                e.__exit__(None, None, None)
        c.delete_pod(side)
        c.apply()


def life(e):
    """Everything that a connection does, to its end."""
    e.both(100000)
    e.shut(e.server)
    e.move(e.client, 1000)
    e.shut(e.client)


def whole(*ports, at=None, **more):
    """A connection to each way through: its half-closes, a reset each way, and (where `at`) the closed port behind."""
    def work(case):
        # The two families and the two peers have listeners of their own, so a port each.
        port = ports[case.family == 6 and len(ports) > 1]
        for reset in (None, "client", "server"):
            with Ends(case.client, case.server, port, case.family, at=at and at(case), **more) as e:
                if not reset:
                    life(e)
                else:
                    e.both(1000)
                    e.reset(getattr(e, reset))
                    e.hears(e.other(getattr(e, reset)), "ECONNRESET")
    return work


def in_turn(work):
    """The cases of both peers share ports, so one after the other."""
    lock = threading.Lock()

    def locked(case):
        with lock:
            work(case)
    return locked


@scenario("sidecar: a server behind REDIRECT of nftables (8080 to 15006), its closed port too")
def redirect_server():
    def work(case):
        check(case.client.tcp(case.server, 8080, case.family, timeout=5.0), "ECONNREFUSED", "the closed port behind")
        whole(8080, at=lambda case: 15006)(case)
    run("redirect", "server", [("prerouting", -100, "nat", "tcp dport 8080 redirect to :15006")], in_turn(work))


@scenario("sidecar: a server behind REDIRECT that answers with syncookies")
def redirect_cookies():
    run("cookies", "server", [("prerouting", -100, "nat", "tcp dport 8080 redirect to :15006")],
        in_turn(whole(8080, at=lambda case: 15006)), lambda side: sysctl(side.netns, net__ipv4__tcp_syncookies=2))


@scenario("sidecar: a client whose connections a proxy in the pod takes by REDIRECT, and opens itself")
def redirect_client():
    # The application asks for port 4443; the proxy (another user, here another mark) has 15001 and goes on itself.
    proxy = """
lo = socket.socket(socket.AF_INET6 if family == 6 else socket.AF_INET, socket.SOCK_STREAM)
lo.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
if family == 6:
    lo.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
lo.bind(("", 15001)); lo.listen(4)
def serve():
    near, _ = lo.accept()
    far = socket.socket(lo.family, socket.SOCK_STREAM)
    far.setsockopt(socket.SOL_SOCKET, 36, 7)
    far.connect((address, 4443))
    def copy(a, b):
        while data := a.recv(65536):
            b.sendall(data)
        b.shutdown(socket.SHUT_WR)
    threads = [threading.Thread(target=copy, args=pair) for pair in ((near, far), (far, near))]
    [t.start() for t in threads]; [t.join() for t in threads]
    near.close(); far.close(); lo.close()
threading.Thread(target=serve, daemon=True).start()
"""

    def work(case):
        case.client.python(proxy, family=case.family, address=case.server.ip(case.family))
        with Ends(case.client, case.server, 4443, case.family) as e:
            life(e)
    run("app", "client", [("output", -100, "nat", "tcp dport 4443 meta mark != 7 redirect to :15001")], in_turn(work))


@scenario("sidecar: a server behind TPROXY: the socket has the wire's addresses, its listener another port")
def tproxy():
    def prepare(side):
        side.run("sh", "-c", "ip rule add fwmark 1 lookup 99 && ip -6 rule add fwmark 1 lookup 99 && "
                 "ip route add local default dev lo table 99 && ip -6 route add local default dev lo table 99")
    rule = "meta l4proto tcp tcp dport 8080 tproxy to :15006 meta mark set 1 accept"
    run("tproxy", "server", [("prerouting", -150, "filter", rule)],
        in_turn(whole(8080, at=lambda case: 15006, on_server={"transparent": True})), prepare)


@scenario("sidecar: a client whose source port is translated inside its pod")
def source_nat():
    run("snat", "client", [("postrouting", 100, "nat", "tcp dport 4443 masquerade to :6000-6100")], in_turn(whole(4443)))


@scenario("sidecar: a client whose destination is translated inside its pod: policy is asked for what is on the wire")
def destination_nat():
    run("dnat", "client", [("output", -100, "nat", "tcp dport 7443 dnat to :4443")], in_turn(whole(7443, at=lambda case: 4443)))


@scenario("sidecar: a revocation cuts what a proxy in the pod began, though the other direction is open")
def revoked():
    for topology in ("routed", "bridged"):
        c = world(topology)
        side = pod(c, "revoked", "client", ("postrouting", 100, "nat", "tcp dport 4443 masquerade to :6000-6100"))
        side.labels = {"role": "other"}
        c.put(side.object())
        spec = {"podSelector": {"matchLabels": {"role": "other"}}, "policyTypes": ["Egress"], "egress": CLIENT["egress"]}
        for family in FAMILIES:
            c.policy("x", "revoked", spec)
            c.apply()
            with Ends(side, c.pods["x/peer"], 4443, family) as e:
                e.both(1000)
                c.policy("x", "revoked", {**spec, "egress": []})
                c.apply()
                e.move(e.client, 1000, wait=0.4, want="timeout")
        c.remove("NetworkPolicy", "x", "revoked")
        c.delete_pod(side)
        c.apply()

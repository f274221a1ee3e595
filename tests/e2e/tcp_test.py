# SPDX-License-Identifier: Apache-2.0
"""TCP through the whole agent: a connection belongs to the direction of its SYN, and every answer is proven by a socket.

Each scenario opens with its rule; its counter-case is what connection.py's policies refuse: the same pods in the other
direction ("the other direction" below), so that nothing here passes for want of isolation.
"""
import time

from cluster import sysctl
from connection import WAYS, Ends, actor, at_once, everywhere, refused_packets, world
from scenario import check, check_in, scenario, skip

FROM_POD = [w for w in WAYS if w[0] == "client"]
TO_POD = [w for w in WAYS if w[1] == "server"]


@scenario("tcp: what nobody may begin is refused, both ways, and nothing of it arrives")
def other_direction():
    def refused(way):
        c, a, b, family, port = way
        at = "%s to %s:%d" % (a.name, b.name, port)
        e = Ends(a, b, port, family, wait=0.5)
        check_in(e.outcome, ("EPERM", "timeout"), at)
        check(e.accepted, "timeout", at)
        e.__exit__(None, None, None)
    ways = []
    for topology in ("routed", "bridged"):
        c = world(topology)
        for a, b, port in (("peer", "client", 4900), ("outside", "client", 4901), ("server", "peer", 8900),
                           ("server", "outside", 8901), ("client", "peer", 5000), ("peer", "server", 7999),
                           ("client", "server", 8902), ("server", "client", 4902)):
            ways += [(c, actor(c, a), actor(c, b), family, port) for family in (4, 6)]
    at_once(refused, ways)


@scenario("tcp: half-close: each direction lives on after the other was closed")
def half_close():
    def work(case):
        for first in ("client", "server"):
            with case.open() as e:
                e.both(1000)
                first_end = getattr(e, first)
                e.shut(first_end)
                e.move(e.other(first_end), 100000)
                time.sleep(0.05)
                e.move(e.other(first_end), 1)
                e.shut(e.other(first_end))
    everywhere(work)


@scenario("tcp: slow close: who closed first acknowledges a late FIN from TIME-WAIT and FIN-WAIT")
def slow_close():
    def work(case):
        for first in ("client", "server"):
            with case.open() as e:
                e.both(10)
                first_end = getattr(e, first)
                e.drop(first_end)  # an orphan in FIN-WAIT-2 has no process
                time.sleep(0.3)
                e.hears(e.other(first_end), "closed")
                e.drop(e.other(first_end))
                e.gone(e.client)
                e.gone(e.server)
    everywhere(work)


@scenario("tcp: a lost last ACK: the FIN that is sent again is acknowledged by the TIME-WAIT socket, and none hangs")
def last_ack():
    def work(case):
        pod, peer = (case.client, case.server) if case.client.name != "x/peer" and case.client.name != "outside" else (
            case.server, case.client)
        for first in (pod, peer):
            with case.open() as e:
                e.both(10)
                match = "tcp %s %d" % ("dport" if peer is e.client else "sport", e.port)
                # First the pod closes, and its ACK of the peer's FIN is lost; then the other way round.
                table = "lost%d" % e.port
                e.drop(first)
                e.hears(e.other(first), "closed")
                hook = "input" if first is pod else "output"
                if hook == "input":
                    match = match.replace("dport", "SPORT").replace("sport", "dport").replace("SPORT", "sport")
                peer.run("nft", "add table inet %s; add chain inet %s c { type filter hook %s priority 0; }; add rule inet %s c %s drop"
                         % (table, table, hook, table, match))
                e.drop(e.other(first))
                time.sleep(0.1)
                peer.run("nft", "delete table inet " + table)
                e.gone(e.client)
                e.gone(e.server)
    everywhere(work, [w for w in WAYS if w != ("client", "server")])


@scenario("tcp: a reset reaches the other end, from the client and from the server, idle and under data")
def resets():
    def work(case):
        for who in ("client", "server"):
            for under_data in (False, True):
                with case.open() as e:
                    e.both(100)
                    end = getattr(e, who)
                    if under_data:
                        e.other(end).python("inside.held[name].sendall(b'w' * 20000)", name=e.name)
                    e.reset(end)
                    e.hears(e.other(end), "ECONNRESET")
                    e.gone(e.client)
                    e.gone(e.server)
    everywhere(work)


@scenario("tcp: a closed port that may be asked refuses at once: the kernel's RST, which has no socket, is an answer")
def closed_port():
    def work(case):
        port = case.port()
        check(case.client.tcp(case.server, port, case.family, timeout=5.0), "ECONNREFUSED",
              "%s to %s, IPv%d" % (case.client.name, case.server.name, case.family))
    everywhere(work)


@scenario("tcp: the tuple of a TIME-WAIT is used again, whoever closed first")
def time_wait():
    for topology in ("routed", "bridged"):
        c = world(topology)
        for end in (c.outside, c.pods["x/client"], c.pods["x/peer"]):
            sysctl(end.netns, net__ipv4__tcp_tw_reuse=1, net__ipv4__tcp_tw_reuse_delay=1)

    def work(case):
        for first in ("client", "server"):
            port = case.port()
            with case.open(port, source_port=30000 + port) as e:
                for turn in range(3):
                    e.both(10)
                    first_end = getattr(e, first)
                    e.drop(first_end)
                    e.hears(e.other(first_end), "closed")
                    e.drop(e.other(first_end))
                    e.gone(e.client)
                    e.gone(e.server)
                    if first == "client":
                        time.sleep(1.1)  # the kernel's own rule for a client that was first: a timestamp later
                        if turn:
                            break
                    check(e.connect(30000 + port), "ok", "%s again" % e.what())
    everywhere(work)


@scenario("tcp: sockets bound to a device, which lookups by tuple alone do not find, get their answers")
def bound():
    def work(case):
        for where in ("client", "server"):
            with case.open(**{"on_" + where: {"device": "eth0"}}) as e:
                e.both(50000)
                e.shut(e.server)
                e.shut(e.client)
    everywhere(work)


@scenario("tcp: fast open: without a cookie, then data in the SYN and in the answer")
def fast_open():
    for topology in ("routed", "bridged"):
        c = world(topology)
        for end in (c.outside, *c.pods.values()):
            sysctl(end.netns, net__ipv4__tcp_fastopen=3)

    def work(case):
        port = case.port()
        with case.open(port, on_client={"fastopen": "fast\n"}, on_server={"fastopen": True}) as e:
            for turn in range(3):
                check(e.server.python(RECEIVED, name=e.name), "fast\n", e.what())
                e.both(20000)
                e.reset(e.client)
                e.hears(e.server, "ECONNRESET")
                e.drop(e.server)
                check((e.connect(), e.accepted), ("ok", "ok"), e.what() + " again")
    everywhere(work)
    for name in ("x/client", "x/peer"):
        lines = world("routed").pods[name].run("nstat", "-azs").splitlines()
        count = [int(line.split()[1]) for line in lines if line.startswith("TcpExtTCPFastOpenActive ")]
        assert count[0] > 0, "no SYN of %s carried data: %s" % (name, count)


RECEIVED = """
s = inside.held[name]
s.settimeout(5)
result = b""
while not result.endswith(b"\\n"):
    data = s.recv(1)
    if not data:
        break
    result += data
result = result.decode()
"""


SYN_SENT = """
s = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_STREAM)
s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
s.bind(("", source_port))
s.setblocking(False)
try:
    s.connect((address, port))
except BlockingIOError:
    pass
inside.held[name] = s
"""
CONNECTED = """
s = inside.held[name]
select.select([], [s], [], wait)
result = errno.errorcode.get(s.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR), "ok") if select.select([], [s], [], 0)[1] else "timeout"
"""


@scenario("tcp: simultaneous open: a SYN is an answer only to a socket that has sent its own to the same tuple")
def simultaneous():
    def work(case):
        pod, peer, port, table = case.client, case.server, case.port(), "simul%d" % case.family
        peer.run("nft", "add table inet %s; add chain inet %s c { type filter hook input priority 0; }; "
                 "add rule inet %s c tcp dport %d tcp flags syn / syn,ack drop" % (table, table, table, port))
        name = "simultaneous%d" % port
        pod.python(SYN_SENT, name=name, address=peer.ip(case.family), port=port, source_port=30000 + port)
        peer.python(SYN_SENT, name=name, address=pod.ip(case.family), port=30000 + port, source_port=port)
        for end in (pod, peer):
            check(end.python(CONNECTED, name=name, wait=5.0), "ok", end.name)
        peer.run("nft", "delete table inet " + table)
        for end, other in ((pod, peer), (peer, pod)):
            end.python("inside.held[name].send(b'w' * 1000)", name=name)
            check(other.python("s = inside.held[name]; select.select([s], [], [], 5); result = len(s.recv(2000))", name=name), 1000)
        pod.close(name), peer.close(name)
    everywhere(work, [("client", "peer"), ("client", "outside")])
    # The counter-case: no SYN of the pod's own to just this tuple.
    c = world("routed")
    before = refused_packets(c)
    pod, peer = c.pods["x/client"], c.pods["x/peer"]
    peer.run("nft", "add table inet simul; add chain inet simul c { type filter hook input priority 0; }; "
             "add rule inet simul c tcp dport 4990 drop")
    pod.python(SYN_SENT, name="other", address=peer.ip(4), port=4990, source_port=34990)
    peer.python(SYN_SENT, name="other", address=pod.ip(4), port=34990, source_port=4991)
    check(peer.python(CONNECTED, name="other", wait=0.5), "timeout", "from another port")
    assert refused_packets(c) > before
    pod.close("other"), peer.close("other")
    peer.run("nft", "delete table inet simul")


@scenario("tcp: MPTCP, whose subflows are sockets of the kernel, client and server")
def multipath():
    try:
        world("routed").pods["x/client"].python("socket.socket(socket.AF_INET, socket.SOCK_STREAM, 262).close()")
    except AssertionError as error:
        skip("no MPTCP here: %s" % error)

    def work(case):
        with case.open(on_client={"mptcp": True}, on_server={"mptcp": True}) as e:
            e.both(100000)
            e.shut(e.client)
            e.move(e.server, 1000)
            e.shut(e.server)
    everywhere(work)


@scenario("tcp: syncookies, where no request socket is left to find: client first and server first")
def cookies():
    for topology in ("routed", "bridged"):
        sysctl(world(topology).pods["x/server"].netns, net__ipv4__tcp_syncookies=2)

    def work(case):
        for first in ("client", "server"):
            with case.open() as e:
                e.move(getattr(e, first), 20000)
                e.both(1000)
                e.shut(e.client)
                e.shut(e.server)
    try:
        everywhere(work, TO_POD)
    finally:
        for topology in ("routed", "bridged"):
            sysctl(world(topology).pods["x/server"].netns, net__ipv4__tcp_syncookies=1)


@scenario("tcp: a connection outlives its listener")
def no_listener():
    def work(case):
        with case.open() as e:
            e.unlisten()
            e.both(50000)
            check(case.client.tcp(case.server, e.port, case.family, timeout=5.0), "ECONNREFUSED", e.what())
            e.both(1000)
            e.shut(e.server)
            e.move(e.client, 1000)
    everywhere(work)


@scenario("tcp: four megabytes each way in big segments, and with each offload of the pod's link switched off")
def large():
    def work(case):
        with case.open() as e:
            e.both(4 << 20)
    everywhere(work)
    c = world("routed")
    try:
        for off in ("tso off gso off", "gro off"):
            for pod in c.pods.values():
                pod.run("ethtool", "-K", "eth0", *off.split())
            everywhere(work, topologies=("routed",))
        for pod in c.pods.values():  # GRO at the host's side: what comes from the pod has lost its socket
            c.host.run("ethtool", "-K", pod.links[0], "gro", "on")
        everywhere(work, topologies=("routed",))
    finally:
        for pod in c.pods.values():
            c.host.run("ethtool", "-K", pod.links[0], "gro", "off", check=False)
            pod.run("ethtool", "-K", "eth0", "tso", "on", "gso", "on", check=False)

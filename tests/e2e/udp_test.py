# SPDX-License-Identifier: Apache-2.0
"""Datagrams and ICMP: an answer passes because a first packet was allowed, and only as long as that is so.

client may only ask ports 4000 to 4999 (its ingress is closed), server may only be asked on 8000 to 8999 and those (its egress is
closed), as in connection.py.  The counter-case of each rule is the same datagram without the question before it.
"""
import struct
import time

from cluster import Cluster
from connection import CLIENT, SERVER, Ends, actor, at_once, refused_packets, world
from packets import ICMP, ICMP6, UDP, ether, icmp, ip, udp
from scenario import check, check_in, scenario

REFUSED = ("EPERM", "timeout")
WAYS = [("client", "peer", 4800), ("client", "outside", 4801), ("client", "server", 4802), ("peer", "server", 8800),
        ("outside", "server", 8801)]
ANSWERER = """
s = socket.socket(socket.AF_INET6 if family == 6 else socket.AF_INET, socket.SOCK_DGRAM)
if family == 6:
    s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
s.bind(("", port))
heard = inside.__dict__.setdefault("heard", {}).setdefault((family, port), [])
def serve():
    peer = None
    while True:
        try:
            data, sender = s.recvfrom(2000)
            heard.append(data.decode())
            if connected and not peer:
                peer = sender
                s.connect(sender)
            if data == b"end":
                break
            for n in range(int(data.split()[1])):
                s.send(data) if connected else s.sendto(data, sender)
        except OSError:
            pass
    s.close()
threading.Thread(target=serve, daemon=True).start()
"""
ASK = """
s = inside.held.get(name)
if s is None:
    s = inside.held[name] = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_DGRAM)
    if source_port:
        s.bind(("", source_port))
    if connected:
        s.connect((address, port))
s.settimeout(wait)
result = []
try:
    s.send(text.encode()) if connected else s.sendto(text.encode(), (address, port))
    for n in range(int(text.split()[1])):
        result.append(s.recv(2000).decode())
except OSError as error:
    result.append("timeout" if isinstance(error, TimeoutError) else errno.errorcode.get(error.errno))
"""


def ask(end, name, address, port, text="q 1", connected=False, source_port=0, wait=3.0):
    return end.python(ASK, name=name, address=address, port=port, text=text, connected=connected, source_port=source_port, wait=wait)


def ways():
    return [(world(t), actor(world(t), a), actor(world(t), b), f, port) for t in ("routed", "bridged") for a, b, port in WAYS for f in (4, 6)]


@scenario("udp: questions and many answers without a rule for the answers, sockets connected and not, at both ends")
def answers():
    def work(way, connected, serves):
        c, a, b, family, port = way
        port += 10 * serves + 20 * connected
        b.python(ANSWERER, family=family, port=port, connected=serves)
        name = "udp%d.%d" % (family, port)
        for turn in range(3):
            check(ask(a, name, b.ip(family), port, "q%d 3" % turn, connected), ["q%d 3" % turn] * 3, "%s to %s" % (a.name, b.name))
        a.close(name)
    before = [refused_packets(world(t)) for t in ("routed", "bridged")]
    for connected in (False, True):
        for serves in (False, True):
            at_once(lambda way: work(way, connected, serves), ways())
    check([refused_packets(world(t)) for t in ("routed", "bridged")], before, "packets refused")


@scenario("udp: what nobody asked for does not arrive, from the right port to the right port")
def unasked():
    def work(way):
        c, a, b, family, port = way  # b answers a; now b speaks first, and a's own socket waits
        name = "waits%d" % port
        a.python("s = inside.held[name] = socket.socket(socket.AF_INET6 if family == 6 else socket.AF_INET, socket.SOCK_DGRAM)\n"
                 "if family == 6: s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)\ns.bind(('', port))", name=name + str(family), family=family, port=30000 + port)
        got = ask(b, name + "from" + str(family), a.ip(family), 30000 + port, "unasked 1", source_port=port + 40 + family, wait=0.3)
        check_in(got[0], REFUSED, "%s to %s" % (b.name, a.name))
        got = a.python("s = inside.held.pop(name); s.settimeout(0.05)\ntry: result = s.recv(100).decode()\nexcept OSError: result = None",
                       name=name + str(family))
        check(got, None, "what %s heard" % a.name)
    at_once(work, ways())


@scenario("udp: a connect to many addresses, as getaddrinfo makes to choose a source, sends nothing and raises no alert")
def resolver():
    for topology in ("routed", "bridged"):
        c = world(topology)
        told, before = len(c.alerts()), refused_packets(c)
        for pod in (c.pods["x/client"], c.pods["x/server"]):
            got = pod.python("""
result = []
for address in addresses:
    s = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_DGRAM)
    s.connect((address, port))
    result.append(s.getsockname()[0])
    s.close()
""", addresses=["198.51.100.%d" % n for n in range(1, 200)] + ["2001:db8:77::%x" % n for n in range(1, 200)], port=53)
            check(set(got), {pod.ip(4), pod.ip(6)})
        check((len(c.alerts()), refused_packets(c)), (told, before), topology)
        check_in(c.pods["x/client"].udp("198.51.100.1", 53, timeout=0.2), REFUSED, "but what is sent is refused")


@scenario("udp: after a revocation answers stop, of flows that are old too, and what is still allowed goes on")
def revoked():
    def work(topology):
        with Cluster(topology, families=(4, 6)) as c:
            client, server, peer = (c.pod("x/" + n, labels={"role": n}, ports=[]) for n in ("client", "server", "peer"))
            c.policy("x", "client", CLIENT)
            c.policy("x", "server", SERVER)
            c.start()
            flows = []
            for family in (4, 6):
                for a, b, cut, kept in ((client, peer, 4100, 4200), (peer, server, 8100, 8200)):
                    for port in (cut, kept):
                        b.python(ANSWERER, family=family, port=port, connected=False)
                        flows.append((a, "f%d.%d" % (family, port), b.ip(family), port, port == cut))
            for a, name, address, port, cut in flows:
                for turn in range(2):
                    check(ask(a, name, address, port), ["q 1"], name)
            c.policy("x", "client", {**CLIENT, "egress": [{"ports": [{"port": 4200, "protocol": p} for p in ("TCP", "UDP")]}]})
            c.policy("x", "server", {**SERVER, "ingress": [{"ports": [{"port": 8200, "protocol": p} for p in ("TCP", "UDP")]}]})
            c.apply()
            for a, name, address, port, cut in flows:
                got = ask(a, name, address, port, wait=0.25 if cut else 3.0)
                (check_in(got[0], REFUSED, name) if cut else check(got, ["q 1"], name))
            # A late answer of the peer to a question of before.
            heard = refused_packets(c)
            late = ask(peer, "late", client.ip(4), 9, "late 1", wait=0.1)
            check_in(late[0], REFUSED)
            assert refused_packets(c) > heard
    at_once(work, ["routed", "bridged"])


@scenario("udp: a pod that opens flows without end fills its own budget, not another's")
def budget():
    with Cluster("routed", flags=["--flows-per-endpoint=64", "--max-flows=1024"]) as c:
        pods = [c.pod("x/" + n, labels={"role": "client"}, ports=[]) for n in ("flood", "calm")]
        spec = {**CLIENT, "egress": [{"ports": [{"port": 80, "protocol": "UDP"}]}]}
        c.policy("x", "client", spec)
        c.start()
        flood, calm = pods
        check(calm.udp(c.outside, 80), "ok:outside")
        got = flood.python("""
opened, result = [], {}
for n in range(400):
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    opened.append(s)
    try:
        s.sendto(b"flood", ("203.0.113.99", 80))
        result["sent"] = result.get("sent", 0) + 1
    except OSError as error:
        name = errno.errorcode.get(error.errno)
        result[name] = result.get(name, 0) + 1
""")
        assert got["sent"] >= 64, got
        fields = c.alert(warder_reason="flow-budget-full", warder_src_pod="flood")["output_fields"]
        check(fields["warder.dst.port"], 80)
        for turn in range(5):
            check(calm.udp(c.outside, 80), "ok:outside", "the other pod")


LISTEN_ICMP = """
s = socket.socket(socket.AF_INET6 if family == 6 else socket.AF_INET, socket.SOCK_DGRAM)
s.setsockopt(socket.IPPROTO_IPV6 if family == 6 else socket.IPPROTO_IP, 25 if family == 6 else 11, 1)
s.connect((address, port))
s.settimeout(wait)
s.send(b"question")
try:
    s.recv(10)
    result = "answer"
except OSError as error:
    result = "timeout" if isinstance(error, TimeoutError) else errno.errorcode.get(error.errno)
s.close()
"""


@scenario("icmp: ping passes where all ports of a peer are allowed, and its answer with it; else it does not")
def pings():
    for topology in ("routed", "bridged"):
        c = world(topology)
        pinger = c.pod("x/pinger", labels={"role": "pinger"})
        c.policy("x", "pinger", {"podSelector": {"matchLabels": {"role": "pinger"}}, "policyTypes": ["Ingress", "Egress"],
                                 "egress": [{"to": [{"ipBlock": {"cidr": "203.0.113.0/24"}}, {"ipBlock": {"cidr": "2001:db8:1::/64"}}]}]})
        c.apply()
        for family in (4, 6):
            check(pinger.ping(c.outside, family), "ok", topology)
            check(pinger.ping(c.outside, family, size=1400), "ok", topology)
            check(c.outside.ping(pinger, family, timeout=0.2), "timeout", topology)
            check_in(pinger.ping(c.pods["x/peer"], family, timeout=0.2), REFUSED, topology)
            check(c.host.ping(pinger, family), "ok", topology)
        c.remove("NetworkPolicy", "x", "pinger")
        c.delete_pod(pinger)
        c.apply()


@scenario("icmp: errors about what was allowed come back: port unreachable, and fragmentation needed to TCP and UDP")
def errors():
    for topology in ("routed", "bridged"):
        c = world(topology)
        client, server = c.pods["x/client"], c.pods["x/server"]
        before = refused_packets(c)
        for family in (4, 6):
            for a, b, port in ((client, c.outside, 4990), (client, c.pods["x/peer"], 4990), (c.outside, server, 8990),
                               (c.pods["x/peer"], server, 8990)):
                got = a.python(LISTEN_ICMP, family=family, address=b.ip(family), port=port, wait=3.0)
                check(got, "ECONNREFUSED", "%s to %s, IPv%d" % (a.name, b.name, family))
        # The path outside is narrower than the link: who sends too much is told by the node.
        c.host.run("sh", "-c", "ip link set uplink mtu 1300")
        try:
            for family in (4, 6):
                with Ends(client, c.outside, 4991, family) as e:
                    e.both(200000)
                with Ends(c.outside, server, 8991, family) as e:
                    e.both(200000)
        finally:
            c.host.run("sh", "-c", "ip link set uplink mtu 1500")
        check(refused_packets(c), before, "packets refused: %s" % [a["output"] for a in c.alerts()[-3:]])


@scenario("icmp: errors about what was never sent do not reach the pod, from neighbours or from outside")
def unrelated():
    for topology in ("routed", "bridged"):
        c = world(topology)
        client, peer = c.pods["x/client"], c.pods["x/peer"]
        to = client.mac if topology == "bridged" else c.link(peer.links[0])["address"]
        client.sniff("unrelated")
        time.sleep(0.05)
        c.mark_alerts()
        for family in (4, 6):
            a, b = peer.ip(family), client.ip(family)
            # About a datagram to a port that the client may not ask, and about one of a pod that is not the client.
            for inner in (ip(b, a, UDP, udp(b, a, 5, 53, b"unrelated")), ip(c.outside.ip(family), a, UDP, udp(
                    c.outside.ip(family), a, 5, 4000, b"unrelated"))):
                kind, code, protocol = (3, 3, ICMP) if family == 4 else (1, 4, ICMP6)
                peer.frame(ether(peer.mac, to, ip(a, b, protocol, icmp(a, b, kind, code, struct.pack("!I", 0) + inner))))
        c.alert(warder_reason="unrelated-icmp-error", warder_src_pod="peer", warder_dst_pod="client")
        time.sleep(0.1)
        arrived = [f for out, f in client.sniffed("unrelated") if b"unrelated" in f and not out]
        check(arrived, [], topology)

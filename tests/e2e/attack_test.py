# SPDX-License-Identifier: Apache-2.0
"""What a pod sends by raw and packet sockets: each frame is refused for its own reason, told, and seen nowhere else.

evil may send to nobody (egress closed, ingress open), closed may be asked by nobody (ingress closed, egress open), shut has
both closed, open and victim have no policy.  Every frame carries a mark of its own; victim, closed and the world outside listen for it.  The
counter-case of each table is its first row, which has the same shape and passes.
"""
import atexit
import concurrent.futures
import itertools
import struct
import time

from cluster import Cluster
from packets import (ACK, FIN, ICMP, ICMP6, PSH, RST, SYN, TCP, UDP, URG, arp, ether, fragment6, icmp, ip, ipv4, ipv6, mac, packed,
                     tcp, udp)
from scenario import check, scenario

FORGED_MAC, BROADCAST, ROUTERS = "0a:58:0a:00:00:99", "ff:ff:ff:ff:ff:ff", "33:33:00:00:00:01"
numbers = itertools.count()
clusters = {}


class World:
    def __init__(self, topology):
        c = self.c = Cluster(topology, families=(4, 6))
        atexit.register(c.close)
        self.evil, self.open, self.victim, self.closed, self.shut = (
            c.pod("x/" + n, labels={"app": n}) for n in ("evil", "open", "victim", "closed", "shut"))
        for name, directions in (("evil", ["Egress"]), ("closed", ["Ingress"]), ("shut", ["Egress", "Ingress"])):
            c.policy("x", name, {"podSelector": {"matchLabels": {"app": name}}, "policyTypes": directions})
        c.start()
        # Neighbours that are known: what is looked for is not an answer to ARP.
        check(self.open.tcp(self.victim, 80), "ok:x/victim")
        check(self.open.tcp(self.victim, 80, 6), "ok:x/victim")
        self.next_hop = {p: self.c.link(p.links[0])["address"] for p in (self.evil, self.open, self.victim, self.shut)}

    def to(self, source, target):
        """The MAC that a frame of source's for target bears."""
        if self.c.topology == "bridged" and target in self.c.pods.values():
            return target.mac
        if self.c.topology == "bridged":
            return self.c.link("br0")["address"]
        return self.next_hop[source]

    def counts(self, pod):
        return {(n["direction"], n["reason"]): n["packets"] for n in self.c.ctl_json("counters")["counters"]
                if (n["namespace"], n["pod"]) == (pod.ns, pod.pod)}

    def listen(self):
        self.name = "attack%d" % next(numbers)
        self.ears = (self.victim, self.closed, self.c.outside)
        for ear in self.ears:
            ear.sniff(self.name)
        time.sleep(0.05)

    def heard(self, marks):
        """Which marks arrived anywhere."""
        time.sleep(0.25)
        frames = [data for ear in self.ears for out, data in ear.sniffed(self.name) if not out]
        return {m for m in marks if any(m in f for f in frames)}

    def send(self, source, rows, judge=None, direction="egress"):
        """rows: (name, reason or None where it passes, mark -> frame); each judged at `judge`, by default its sender."""
        judge = judge or source
        self.listen()
        self.c.mark_alerts()
        wrong, passes, stays, now = [], {}, {}, self.counts(judge)
        for name, reason, make in rows:
            mark = b"mark%06d" % next(numbers)
            (stays if reason else passes)[mark] = name
            before = now
            source.frame(make(mark))
            until = time.monotonic() + 2
            while reason and time.monotonic() < until:
                now = self.counts(judge)
                if now.get((direction, reason), 0) > before.get((direction, reason), 0):
                    break
            else:
                if reason:
                    changed = {k: v - before.get(k, 0) for k, v in now.items() if v != before.get(k, 0)}
                    wrong.append("%s: not %s but %s" % (name, reason, changed))
        heard = self.heard({**passes, **stays})
        wrong += ["%s: arrived" % stays[m] for m in stays if m in heard]
        wrong += ["%s: did not arrive" % passes[m] for m in passes if m not in heard]
        assert not wrong, "%s, from %s: %s" % (self.c.topology, source.name, "; ".join(wrong))
        for reason in {r for _, r, _ in rows if r}:
            fields = self.c.alert(warder_reason=reason)["output_fields"]
            check(fields["warder.packets"] > 0, True, reason)


def everywhere(work):
    for topology in ("routed", "bridged"):
        if topology not in clusters:
            clusters[topology] = World(topology)
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        for done in [pool.submit(work, clusters[t]) for t in ("routed", "bridged")]:
            done.result()


def segment(w, source, target, flags, sport, dport, data=True):
    """For each family a maker of a raw segment; without data the mark is in the options' place of a datagram, so not there."""
    def of(family):
        a, b = source.ip(family), target.ip(family)
        return lambda mark: ether(source.mac, w.to(source, target), ip(a, b, TCP, tcp(a, b, sport, dport, flags, mark if data else b"")))
    return of


FLAGS = [("SYN-ACK", SYN | ACK, False, "no-such-connection"), ("SYN-ACK with data", SYN | ACK, True, "no-such-connection"),
         ("RST", RST, False, "no-such-connection"), ("RST with data", RST | ACK, True, "no-such-connection"),
         ("ACK with data", ACK | PSH, True, "no-such-connection"), ("ACK", ACK, False, "no-such-connection"),
         ("FIN-ACK", FIN | ACK, True, "no-such-connection"), ("FIN", FIN, True, "bad-tcp-flags"), ("NULL", 0, True, "bad-tcp-flags"),
         ("Xmas", FIN | PSH | URG, True, "bad-tcp-flags"), ("SYN-FIN", SYN | FIN, True, "bad-tcp-flags"),
         ("SYN with data", SYN, True, "policy-denied")]


@scenario("attack: raw segments of a pod with egress closed are nobody's answers")
def raw_out():
    def work(w):
        rows = []
        for family in (4, 6):
            rows += [("%s, IPv%d" % (name, family), reason, segment(w, w.evil, w.victim, flags, 7777, port, data)(family))
                     for name, flags, data, reason in FLAGS for port in (80, 9)]
        w.send(w.open, [("the same of a pod without policy", None, segment(w, w.open, w.victim, ACK | PSH, 7777, 80)(f)) for f in (4, 6)])
        w.send(w.evil, rows)
    everywhere(work)


@scenario("attack: a peer's raw segments to a listening and a closed port of a pod with ingress closed do not arrive")
def raw_in():
    def work(w):
        rows = []
        for family in (4, 6):
            rows += [("%s to %d, IPv%d" % (name, port, family), reason, segment(w, w.open, w.closed, flags, 443, port, data)(family))
                     for name, flags, data, reason in FLAGS for port in (80, 9)]
        w.send(w.open, rows, judge=w.closed, direction="ingress")
    everywhere(work)


def datagram(w, source, target, family, src=None, src_mac=None, dport=9, **more):
    a, b = src or source.ip(family), target.ip(family)
    return lambda mark: ether(src_mac or source.mac, w.to(source, target), ip(a, b, UDP, udp(a, b, 9, dport, mark), **more))


@scenario("attack: forged sources and MACs leave no pod, though it has no policy at all")
def forged():
    def work(w):
        rows = [("its own, IPv%d" % f, None, datagram(w, w.open, w.victim, f)) for f in (4, 6)]
        for family in (4, 6):
            sources = [w.closed.ip(family), w.c.host.ip(family), w.c.outside.ip(family)]
            sources += ["0.0.0.0", "127.0.0.1", "224.0.0.1"] if family == 4 else ["::", "::1", "fe80::1", "ff02::1"]
            rows += [("from " + a, "spoofed-source", datagram(w, w.open, w.victim, family, src=a)) for a in sources]
            rows += [("from MAC " + m, "spoofed-mac", datagram(w, w.open, w.victim, family, src_mac=m))
                     for m in (FORGED_MAC, w.victim.mac, BROADCAST)]
            rows += [("a segment from outside's address", "spoofed-source", lambda mark, f=family: ether(
                w.open.mac, w.to(w.open, w.victim), ip(w.c.outside.ip(f), w.victim.ip(f), TCP,
                                                       tcp(w.c.outside.ip(f), w.victim.ip(f), 80, 80, SYN, mark))))]
        w.send(w.open, rows)
    everywhere(work)


@scenario("attack: claims of others' addresses by ARP and neighbour discovery")
def neighbours():
    def advert(w, target, src=None, option=None, kind=136, dst="ff02::1"):
        src = src or w.open.ip(6)
        body = struct.pack("!I", 0x20000000) + packed(target) + struct.pack("!BB", 2, 1) + mac(option or w.open.mac)
        # The mark is an option of an unknown kind.
        return lambda mark: ether(w.open.mac, ROUTERS, ipv6(src, dst, ICMP6, icmp(src, dst, kind, 0, body + b"\xfd\x02" + mark + b"    "),
                                                            hops=255))

    def claim(w, operation, sender, sender_mac=None, dst=BROADCAST):
        return lambda mark: ether(w.open.mac, dst, arp(operation, sender_mac or w.open.mac, sender, dst, w.victim.ip(4)) + mark, 0x806)

    def work(w):
        own = None if w.c.topology == "bridged" else "allowed-neighbour"  # on a routed link it ends at the node
        rows = [("own, ARP", own, claim(w, 1, w.open.ip(4)))]
        gateway = "10.244.0.1" if w.c.topology == "bridged" else "169.254.1.1"
        for operation in (1, 2):
            rows += [("ARP claims " + a, "spoofed-neighbour", claim(w, operation, a)) for a in (w.closed.ip(4), gateway)]
            rows += [("ARP with another MAC", "spoofed-neighbour", claim(w, operation, w.open.ip(4), FORGED_MAC))]
        gateway = "fd00:10:244::1" if w.c.topology == "bridged" else "fe80::1"
        rows += [("advert of " + a, "spoofed-neighbour", advert(w, a)) for a in (w.closed.ip(6), gateway)]
        rows += [("advert with another MAC", "spoofed-neighbour", advert(w, w.open.ip(6), option=FORGED_MAC)),
                 ("advert in another's name", "spoofed-source", advert(w, w.closed.ip(6), src=w.closed.ip(6)))]
        if w.c.topology == "bridged":
            # The bridge's MAC is 0a:58:0a:f4:00:01: this address is what a router there is known by.
            router = "fe80::858:aff:fef4:1"
            rows += [("advert of the bridge's " + router, "spoofed-neighbour", advert(w, router, src=s)) for s in (router, w.open.ip(6))]
        w.send(w.open, rows[1:])
        if own is None:
            w.send(w.open, rows[:1])
        check(w.victim.tcp(w.closed, 80, timeout=0.2), "timeout", "which has ingress closed")
        check(w.closed.tcp(w.victim, 80), "ok:x/victim", "after the claims")
        check(w.closed.tcp(w.victim, 80, 6), "ok:x/victim", "after the claims")
    everywhere(work)


@scenario("attack: a pod is no router and no DHCP server, speaks no VLAN, no other ethertype, and no tunnel to a node")
def not_a_router():
    def work(w):
        o, v, me, to = w.open, w.victim, w.open.ip(4), w.to(w.open, w.victim)
        node = {f: w.c.host.ip(f) for f in (4, 6)}
        advert = lambda src: lambda m: ether(o.mac, ROUTERS, ipv6(src, "ff02::1", ICMP6, icmp(
            src, "ff02::1", 134, 0, struct.pack("!BBHII", 64, 0, 1800, 0, 0) + b"\xfd\x02" + m + b"    "), hops=255))
        redirect = lambda m: ether(o.mac, to, ipv4(me, v.ip(4), ICMP, icmp(me, v.ip(4), 5, 1, packed(me) + ipv4(
            v.ip(4), w.c.outside.ip(4), UDP, udp(v.ip(4), w.c.outside.ip(4), 1, 2, m)))))
        redirect6 = lambda m: ether(o.mac, to, ipv6(o.ip(6), v.ip(6), ICMP6, icmp(o.ip(6), v.ip(6), 137, 0, bytes(4) + packed(
            o.ip(6)) + packed(w.c.outside.ip(6)) + b"\xfd\x02" + m + b"    "), hops=255))
        dhcp = lambda dst_mac, dst: lambda m: ether(o.mac, dst_mac, ipv4(me, dst, UDP, udp(me, dst, 67, 68, m * 30)))
        dhcp6 = lambda m: ether(o.mac, to, ipv6(o.ip(6), v.ip(6), UDP, udp(o.ip(6), v.ip(6), 547, 546, m * 3)))
        inner = lambda m: ipv4(me, v.ip(4), UDP, udp(me, v.ip(4), 9, 9, m))
        tag = lambda kind, number: lambda m: ether(o.mac, to, struct.pack("!HH", number, 0x800) + inner(m), kind)
        double = lambda m: ether(o.mac, to, struct.pack("!HHHH", 5, 0x8100, 6, 0x800) + inner(m), 0x88a8)
        raw = lambda kind: lambda m: ether(o.mac, to, m * 5, kind)
        tunnel = lambda f, protocol: lambda m: ether(o.mac, w.to(o, w.c.host), ip(o.ip(f), node[f], protocol, inner(m)))
        overlay = lambda f, port: lambda m: ether(o.mac, w.to(o, w.c.host), ip(o.ip(f), node[f], UDP, udp(
            o.ip(f), node[f], 5000, port, struct.pack("!II", 0x08000000, 0x100) + ether(FORGED_MAC, v.mac, inner(m)))))
        rows = [("datagram", None, datagram(w, o, v, 4)), ("datagram", None, datagram(w, o, v, 6)),
                ("router advert", "router-message", advert(o.ip(6))), ("redirect", "router-message", redirect),
                ("redirect, IPv6", "router-message", redirect6), ("DHCP answer", "router-message", dhcp(to, v.ip(4))),
                ("DHCP answer to all", "router-message", dhcp(BROADCAST, "255.255.255.255")), ("DHCPv6 answer", "router-message", dhcp6),
                ("VLAN 5", "vlan-tag", tag(0x8100, 5)), ("VLAN 5, 802.1ad", "vlan-tag", tag(0x88a8, 5)), ("QinQ", "vlan-tag", double),
                ("LLC", "foreign-ethertype", raw(50)), ("local experiment", "foreign-ethertype", raw(0x88b5)),
                ("MPLS", "foreign-ethertype", raw(0x8847)), ("PPPoE", "foreign-ethertype", raw(0x8864)),
                ("LLDP", "foreign-ethertype", raw(0x88cc))]
        rows += [("VXLAN to its node, IPv%d" % f, "tunnel-to-node", overlay(f, port)) for f in (4, 6) for port in (8472, 4789, 6081)]
        rows += [("protocol %d to its node, IPv%d" % (p, f), "tunnel-to-node", tunnel(f, p)) for f in (4, 6) for p in (4, 41, 47, 50)]
        w.send(o, rows)
    everywhere(work)


@scenario("attack: fragments: tiny, over the header, later ones alone; extension headers, routing headers, options")
def fragments():
    def work(w):
        o, v, e = w.open, w.victim, w.evil

        def four(source, protocol, payload, fragment=0, options=b""):
            return lambda m: ether(source.mac, w.to(source, v), ipv4(source.ip(4), v.ip(4), protocol, payload(source, 4, m), options, fragment))

        def six(source, first, headers, protocol=UDP, payload=None):
            return lambda m: ether(source.mac, w.to(source, v), ipv6(source.ip(6), v.ip(6), first, headers(
                protocol, (payload or full)(source, 6, m))))

        full = lambda s, f, m: udp(s.ip(f), v.ip(f), 9, 9, m * 2 + b"    ")
        syn = lambda s, f, m: tcp(s.ip(f), v.ip(f), 7778, 80, SYN, m)
        part = lambda size: lambda s, f, m: syn(s, f, m)[:size]
        only = lambda s, f, m: m + b"......"
        piece = lambda offset, more: lambda protocol, data: fragment6(protocol, data, offset, more)
        routing = lambda kind: lambda protocol, data: struct.pack("!BBBBI", protocol, 2, kind, 1, 0) + packed(w.c.outside.ip(6)) + data
        option = lambda protocol, data: struct.pack("!BBBBI", protocol, 0, 1, 4, 0) + data
        padded = lambda n: lambda protocol, data: (struct.pack("!BBBBI", 60, 0, 1, 4, 0) * (n - 1)) + option(protocol, data)
        nop, record, source_route = b"\1" * 4, b"\7\7\4\0\0\0\0\0", b"\x83\7\4\xcb\0\x71\n\0"
        passes = [("options", None, four(o, UDP, full, options=nop)), ("record route", None, four(o, UDP, full, options=record)),
                  ("a later fragment", None, four(o, UDP, only, 0x00b9)), ("a first fragment", None, four(o, UDP, full, 0x2000)),
                  ("destination options", None, six(o, 60, option)), ("later, IPv6", None, six(o, 44, piece(1480, False), UDP, only)),
                  ("seven headers", None, six(o, 60, padded(7)))]
        w.send(o, passes + [
            ("tiny", "bad-fragment", four(o, TCP, part(8), 0x2000)), ("over the header", "bad-fragment", four(o, TCP, only, 0x2001)),
            ("tiny, IPv6", "bad-fragment", six(o, 44, piece(0, True), TCP, part(8))),
            ("over the header, IPv6", "bad-fragment", six(o, 44, piece(8, True), TCP, only)),
            ("nested", "bad-fragment", six(o, 44, lambda p, d: fragment6(44, fragment6(p, d), more=True))),
            ("routing header 0", "extension-headers", six(o, 43, routing(0))),
            ("segment routing", "extension-headers", six(o, 43, routing(4))),
            ("source route", "extension-headers", four(o, UDP, full, options=source_route)),
            ("twelve headers", "extension-headers", six(o, 60, padded(12)))])
        # A later fragment has no ports: it passes where the pair may talk in either direction, so that answers can be long.
        w.send(e, [("a later fragment", None, four(e, UDP, only, 0x00b9))])
        w.send(w.shut, [("a later fragment", "fragment-denied", four(w.shut, UDP, only, 0x00b9)),
                        ("a later fragment, IPv6", "fragment-denied", six(w.shut, 44, piece(1480, False), TCP, only))])
        w.send(e, [("options", "policy-denied", four(e, UDP, full, options=nop)),
                   ("SYN behind options", "policy-denied", four(e, TCP, syn, options=record)),
                   ("a first fragment", "policy-denied", four(e, UDP, full, 0x2000)),
                   ("behind options, IPv6", "policy-denied", six(e, 60, option)),
                   ("SYN behind a whole fragment header", "policy-denied", six(e, 44, piece(0, False), TCP, syn)),
                   ("SCTP", "policy-denied", lambda m: ether(e.mac, w.to(e, v), ipv4(e.ip(4), v.ip(4), 132, struct.pack(
                       "!HHIIBBHIIHHI", 9, 9, 0, 0, 1, 0, 20, 1, 1000, 1, 1, 1) + m))),
                   ("protocol 253", "policy-denied", lambda m: ether(e.mac, w.to(e, v), ipv4(e.ip(4), v.ip(4), 253, m)))])
    everywhere(work)


HANDMADE = """
tap = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
tap.settimeout(2)
raw = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW)
raw.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, b"lo")
raw.sendto(bytes.fromhex(syn), (me, 0))
end = time.monotonic() + 2
result = "no SYN-ACK"
while time.monotonic() < end:
    frame = tap.recv(2000)
    if frame[12:14] == b"\\x08\\x00" and frame[23] == 6 and frame[47] == 0x12 and frame[36:38] == struct.pack("!H", 5555):
        number = struct.unpack("!I", frame[38:42])[0] + 1
        segment = bytearray(bytes.fromhex(ack))
        segment[28:32] = struct.pack("!I", number)
        segment[36:38] = b"\\0\\0"
        pseudo = bytes(segment[12:20]) + struct.pack("!xBH", 6, len(segment) - 20)
        segment[36:38] = struct.pack("!H", checksum(pseudo + bytes(segment[20:])))
        raw.sendto(bytes(segment), (me, 0))
        result = "ok"
        break
"""


@scenario("attack: a handshake that a process makes with itself over lo, in another's name, proves nothing")
def handmade():
    # The listener on 80 greets whom it accepts: that greeting must not leave.  203.0.113.77 never answers.
    def work(w):
        w.c.outside.run("sh", "-c", "ip addr replace 203.0.113.77/32 dev eth0; nft 'add table ip mute; add chain ip mute c "
                        "{ type filter hook input priority 0; }; add rule ip mute c ip daddr 203.0.113.77 drop'")
        w.evil.run("sh", "-c", "echo 0 > /proc/sys/net/ipv4/conf/lo/rp_filter")
        x, me = "203.0.113.77", w.evil.ip(4)
        before = w.counts(w.evil)
        w.c.mark_alerts()
        w.c.outside.sniff("handmade")
        got = w.evil.python(HANDMADE, me=me, syn=ipv4(x, me, TCP, tcp(x, me, 5555, 80, SYN, seq=100)).hex(),
                            ack=ipv4(x, me, TCP, tcp(x, me, 5555, 80, ACK, seq=101)).hex())
        check(got, "ok", w.c.topology)
        w.c.alert(warder_reason="no-such-connection", warder_src_pod="evil", warder_dst_ip=x)
        time.sleep(0.3)
        frames = [data for out, data in w.c.outside.sniffed("handmade") if packed(x) in data and b"x/evil" in data]
        check(frames, [], "the greeting left")
        key = ("egress", "no-such-connection")
        assert w.counts(w.evil)[key] > before.get(key, 0)
    everywhere(work)


FILL = """
s = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
s.settimeout(wait)
keys, result = 0, None
while keys < most:
    to = struct.pack("=HH", 2, 0) + socket.inet_aton("192.0.%d.%d" % (keys >> 8, keys & 255))
    try:
        s.setsockopt(socket.IPPROTO_TCP, 14, to.ljust(128, b"\\0") + struct.pack("=BBHi", 0, 0, 3, 0) + b"key".ljust(80, b"\\0"))
    except OSError as error:
        result = [keys, errno.errorcode.get(error.errno), None]
        break
    keys += 1
result = result or [keys, None, None]
try:
    s.connect((address, 80))
    result[2] = "ok"
except OSError as error:
    result[2] = "timeout" if isinstance(error, TimeoutError) else errno.errorcode.get(error.errno)
s.close()
"""


@scenario("attack: a socket whose option memory is full cannot begin a connection: its answers could never be proven")
def option_memory():
    def work(w):
        few = w.open.python(FILL, address=w.victim.ip(4), most=10, wait=2.0)
        check(few, [10, None, "ok"], "the counter-case: few keys")
        w.c.mark_alerts()
        keys, error, outcome = w.open.python(FILL, address=w.victim.ip(4), most=20000, wait=0.4)
        check(error, "ENOMEM", "after %d keys" % keys)
        check(outcome, "timeout", w.c.topology)
        w.c.alert(warder_reason="socket-storage-full", warder_src_pod="open")
    everywhere(work)

# SPDX-License-Identifier: Apache-2.0
"""Alerts and counters tell the same: the sum of warder.packets over all alerts is what the counters have, reason by reason.

The rule: one alert at once for each line, then one a window with the exact count; nothing is told twice or not at all.
"""
import collections
import time

from cluster import Cluster
from packets import ACK, PSH, TCP, UDP, ether, ip, tcp, udp
from scenario import check, check_in, scenario
from traffic import Traffic


def add(rows):
    sums = collections.defaultdict(lambda: [0, 0])
    for *key, packets, size in rows:
        sums[tuple(key)][0] += packets
        sums[tuple(key)][1] += size
    return {key: tuple(n) for key, n in sums.items() if n[0]}


def told(c):
    """By direction, verdict and reason: a scanner's gathered line names no destination, so not by pod."""
    fields = (a["output_fields"] for a in c.alerts())
    return add((f["warder.direction"], f["warder.verdict"], f["warder.reason"], f["warder.packets"], f["warder.bytes"]) for f in fields)


def counted(c):
    return add((n["direction"], n["verdict"], n["reason"], n["packets"], n["bytes"])
               for n in c.ctl_json("counters")["counters"] if n["verdict"] != "allow")


def settled(c, timeout=10.0):
    """Waits until the last window is told; both sums."""
    end = time.monotonic() + timeout
    while (a := told(c)) != (b := counted(c)) and time.monotonic() < end:
        time.sleep(0.1)
    return a, b


def world(topology):
    c = Cluster(topology, families=(4, 6), flags=["--alert-window=1s"])
    pods = [c.pod("x/" + n, labels={"app": n}) for n in ("evil", "closed", "audited", "free")]
    c.policy("x", "evil", {"podSelector": {"matchLabels": {"app": "evil"}}, "policyTypes": ["Egress"]})
    c.policy("x", "closed", {"podSelector": {"matchLabels": {"app": "closed"}}, "policyTypes": ["Ingress"]})
    c.policy("x", "audited", {"podSelector": {"matchLabels": {"app": "audited"}}, "policyTypes": ["Ingress"]},
             annotations={"warder.io/mode": "audit"})
    return c, pods


@scenario("alerts: of a refused connect and of a raw packet: who, whom, where and why")
def fields():
    for topology in ("routed", "bridged"):
        c, (evil, closed, audited, free) = world(topology)
        with c:
            c.start()
            check(evil.tcp(free, 80), "EPERM", "at connect")
            f = c.alert(warder_src_pod="evil", warder_dst_port=80, fd_l4proto="tcp")["output_fields"]
            check((f["warder.direction"], f["warder.dst.pod"], f["warder.policies"]), ("egress", "free", ["NetworkPolicy x/evil"]))
            assert f["warder.hook"] not in ("from-pod", "to-pod"), f
            check(f["proc.name"][:6], "python", "the process that asked")
            to = free.mac if topology == "bridged" else c.link(evil.links[0])["address"]
            for family in (4, 6):
                a, b = evil.ip(family), free.ip(family)
                evil.frame(ether(evil.mac, to, ip(a, b, TCP, tcp(a, b, 7000, 90 + family, ACK | PSH, b"x"))))
                f = c.alert(warder_src_pod="evil", warder_dst_port=90 + family)["output_fields"]
                check((f["warder.reason"], f["warder.hook"], f["warder.interface"]), ("no-such-connection", "from-pod", evil.links[0]))
                check((f["warder.src.ip"], f["warder.dst.ip"], f["warder.tcp_flags"], f["warder.src.port"]), (a, b, ACK | PSH, 7000))
            check(audited.tcp(free, 80), "ok:x/free")
            check(free.tcp(audited, 80), "ok:x/audited")
            a = c.alert(warder_dst_pod="audited", warder_verdict="would-deny")
            check((a["rule"], a["output_fields"]["warder.policies"]), ("Warder policy would deny", ["NetworkPolicy x/audited"]))


@scenario("alerts: their sum is the counters, packets and bytes, for a mixed load of all kinds, and after a restart")
def sums():
    for topology in ("routed", "bridged"):
        c, (evil, closed, audited, free) = world(topology)
        with c:
            c.start()
            to = free.mac if topology == "bridged" else c.link(evil.links[0])["address"]
            frame = lambda src, port, flags: ether(evil.mac, to, ip(src, free.ip(4), TCP, tcp(src, free.ip(4), 7000, port, flags, b"x")))
            spray = """
s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
s.bind(("eth0", 0))
for turn in range(times):
    for f in frames:
        s.send(bytes.fromhex(f))
"""
            def load():
                loads = [Traffic(evil, "connect", free, 80, pause=0.001), Traffic(free, "connect", closed, 80, wait=0.02),
                         Traffic(free, "datagram", closed, 81, 6, wait=0.02), Traffic(free, "stream", audited, 80),
                         Traffic(c.outside, "connect", closed, 80, 6, wait=0.02), Traffic(free, "connect", evil, 80)]
                frames = [frame(evil.ip(4), port, ACK) for port in range(2000, 2040)] + [frame("198.51.100.7", 9, ACK)] * 20
                frames += [ether(evil.mac, to, ip(evil.ip(6), free.ip(6), UDP, udp(evil.ip(6), free.ip(6), 9, 9, b"x" * 100)))] * 20
                evil.python(spray, times=20, frames=[f.hex() for f in frames])
                closed_scan = [free.ask("tcp", address=closed.ip(4), port=3000 + n, timeout=0.1) for n in range(300)]
                for future in closed_scan:
                    check_in(future.result(30), ("timeout",))
                time.sleep(0.3)
                check(loads[0].passed() + loads[1].passed() + loads[2].passed() + loads[4].passed(), 0, "what is refused")
                for t in (loads[3], loads[5]):
                    check(t.failed(), 0, t.counts)
            load()
            a, b = settled(c)
            check(a, b, topology)
            assert len(a) >= 5 and sum(n for n, _ in a.values()) > 1500, a
            c.stop()
            c.start()
            load()
            a, b = settled(c)
            check(a, b, topology + ", after a restart")
            check(c.ctl_json("status")["alerts"]["lost"], 0)

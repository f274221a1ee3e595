# SPDX-License-Identifier: Apache-2.0
"""A TCP connection of which the test holds both ends, and the pods whose every answer needs the proof by socket.

    with Ends(client, server, port, family) as e:
        e.move(e.client, 100000)
        e.shut(e.client)

World: "client" may only begin connections to ports 4000 to 4999 (egress; its ingress is closed), "server" may only
be asked on 8000 to 8999 and those (ingress; its egress is closed); "peer" has no policy.
"""
import atexit
import concurrent.futures
import itertools
import time

from cluster import Cluster
from scenario import check

LISTEN = """
s = socket.socket(socket.AF_INET6 if family == 6 else socket.AF_INET, socket.SOCK_STREAM, 262 if mptcp else 0)
s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
if family == 6:
    s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
if device:
    s.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, device.encode())
if transparent:
    s.setsockopt(socket.IPPROTO_IP if family == 4 else socket.IPPROTO_IPV6, 19 if family == 4 else 75, 1)
if fastopen:
    s.setsockopt(socket.IPPROTO_TCP, 23, 16)
s.bind(("", port))
s.listen(16)
inside.held[name + ".listen"] = s
"""
ACCEPT = """
s = inside.held[name + ".listen"]
s.settimeout(wait)
try:
    inside.held[name], result = s.accept()
    result = "ok"
except OSError as error:
    result = "timeout" if isinstance(error, TimeoutError) else errno.errorcode.get(error.errno)
"""
CONNECT = """
s = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_STREAM, 262 if mptcp else 0)
s.settimeout(wait)
result = "ok"
try:
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if device:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, device.encode())
    if source_port:
        s.bind(("", source_port))
    if fastopen:  # to a socket with a timeout of Python's, which does not block, it would be in progress
        s.settimeout(None)
        s.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, struct.pack("ll", int(wait), 0))
        s.sendto(fastopen.encode(), 0x20000000, (address, port))
    else:
        s.connect((address, port))
    inside.held[name] = s
except OSError as error:
    result = "timeout" if isinstance(error, TimeoutError) else errno.errorcode.get(error.errno)
"""
SEND = """
s = inside.held[name]
s.settimeout(wait)
try:
    s.sendall(b"w" * size)
    result = "ok"
except OSError as error:
    result = "timeout" if isinstance(error, TimeoutError) else errno.errorcode.get(error.errno)
"""
RECEIVE = """
s = inside.held[name]
s.settimeout(wait)
left, result = size, None
while left and result is None:
    try:
        data = s.recv(min(left, 1 << 20))
        left -= len(data)
        if not data:
            result = "closed"
    except OSError as error:
        result = "timeout" if isinstance(error, TimeoutError) else errno.errorcode.get(error.errno)
result = result or "ok"
"""
SHUT = "inside.held[name].shutdown(socket.SHUT_WR)"
DROP = "inside.held.pop(name).close()"
names, ports = ("ends%d" % n for n in itertools.count()), {4: itertools.count(4000), 8: itertools.count(8000)}
WAIT_S = 8.0  # a busy machine may be late; what is lawful is never waited for so long
KEYS = {"device": None, "fastopen": None, "mptcp": False}


class Ends:
    def __init__(self, client, server, port, family, to=None, at=None, on_client=None, on_server=None, source_port=0, wait=WAIT_S):
        """to: another address or port that the client asks for; at: another port that the server listens on."""
        self.client, self.server, self.port, self.family, self.name = client, server, port, family, next(names)
        self.on_server = {"transparent": False, **KEYS, **(on_server or {})}
        self.on_client = {**KEYS, **(on_client or {})}
        server.python(LISTEN, name=self.name, family=family, port=at or port, **self.on_server)
        self.outcome = self.connect(source_port, wait)

    def connect(self, source_port=0, wait=WAIT_S):
        accepting = self.server.ask("python", code=ACCEPT, name=self.name, wait=wait)
        got = self.client.python(CONNECT, name=self.name, address=self.server.ip(self.family), port=self.port, wait=wait,
                                 source_port=source_port, **self.on_client)
        self.accepted = accepting.result(30)
        return got

    def __enter__(self):
        check((self.outcome, self.accepted), ("ok", "ok"), self.what())
        return self

    def __exit__(self, kind, error, trace):
        for end in (self.client, self.server):
            end.python("for n in [n for n in inside.held if n.split('.')[0] == name]: inside.held.pop(n).close()", name=self.name)

    def what(self):
        return "%s to %s:%d, IPv%d" % (self.client.name, self.server.name, self.port, self.family)

    def other(self, end):
        return self.server if end is self.client else self.client

    def move(self, end, size, wait=WAIT_S, want="ok"):
        """Sends from one end; what the other end got."""
        heard = self.other(end).ask("python", code=RECEIVE, name=self.name, size=size, wait=wait)
        end.python(SEND, name=self.name, size=size, wait=wait)
        check(heard.result(30), want, "%s, %d bytes from %s" % (self.what(), size, end.name))

    def both(self, size):
        self.move(self.client, size)
        self.move(self.server, size)

    def shut(self, end):
        """Closes one direction; the other end hears of it."""
        end.python(SHUT, name=self.name)
        self.hears(self.other(end), "closed")

    def hears(self, end, want):
        check(end.python(RECEIVE, name=self.name, size=1, wait=WAIT_S), want, "%s at %s" % (self.what(), end.name))

    def drop(self, end):
        end.python(DROP, name=self.name)

    def reset(self, end):
        end.close(self.name, reset=True)

    def unlisten(self):
        self.server.python(DROP, name=self.name + ".listen")

    def gone(self, end, states=("TIME-WAIT",)):
        """No socket of this connection is left at an end, but in these states."""
        until = time.monotonic() + WAIT_S
        while True:
            # A timer that the process sent no packet for may take a moment.
            lines = end.run("ss", "-Htan", "( sport = :%d or dport = :%d )" % (self.port, self.port)).splitlines()
            left = [line for line in lines if line.split()[0] not in ("LISTEN",) + states and (("[" in line) == (self.family == 6))]
            if not left:
                return
            assert time.monotonic() < until, "%s: left at %s: %s" % (self.what(), end.name, left)
            time.sleep(0.05)


def span(first):
    return [{"port": first, "endPort": first + 999, "protocol": protocol} for protocol in ("TCP", "UDP")]


CLIENT = {"podSelector": {"matchLabels": {"role": "client"}}, "policyTypes": ["Ingress", "Egress"],
          "egress": [{"ports": span(4000)}]}
SERVER = {"podSelector": {"matchLabels": {"role": "server"}}, "policyTypes": ["Ingress", "Egress"],
          "ingress": [{"ports": span(8000) + span(4000)}]}
clusters = {}


class Case:
    """One way through a cluster: who asks whom, in one family."""

    def __init__(self, c, client, server, family):
        self.c, self.client, self.server, self.family = c, client, server, family

    def port(self):
        return next(ports[8 if self.server.name.startswith("x/server") and not self.client.name.startswith("x/client") else 4])

    def open(self, port=None, **more):
        return Ends(self.client, self.server, port or self.port(), self.family, **more)


def world(topology):
    if topology not in clusters:
        c = Cluster(topology, families=(4, 6))
        atexit.register(c.close)
        for name, role in (("client", "client"), ("server", "server"), ("peer", "peer")):
            c.pod("x/" + name, labels={"role": role}, ports=[])
        c.policy("x", "client", CLIENT)
        c.policy("x", "server", SERVER)
        c.start()
        clusters[topology] = c
    return clusters[topology]


WAYS = [("client", "peer"), ("client", "outside"), ("client", "server"), ("peer", "server"), ("outside", "server")]


def actor(c, name):
    return c.outside if name == "outside" else c.pods["x/" + name]


def refused_packets(c):
    """Of all pods; but what a bridge floods to every port while it learns where an address is, is no connection's."""
    return sum(n["packets"] for n in c.ctl_json("counters")["counters"] if n["verdict"] == "deny" and n["reason"] != "flooded-frame")


def at_once(work, cases):
    """Runs one function for each case side by side, and raises the first failure."""
    with concurrent.futures.ThreadPoolExecutor(32) as pool:
        for done in [pool.submit(work, case) for case in cases]:
            done.result()


def everywhere(work, ways=WAYS, topologies=("routed", "bridged"), families=(4, 6)):
    """Runs work(case) for every way, family and topology; not one packet may be refused in it."""
    cases = [Case(world(t), actor(world(t), a), actor(world(t), b), f) for t in topologies for a, b in ways for f in families]
    before = {t: refused_packets(world(t)) for t in topologies}
    told = {t: len(world(t).alerts()) for t in topologies}
    at_once(work, cases)
    for t in topologies:
        check(refused_packets(world(t)) - before[t], 0, "%s: packets refused: %s" % (
            t, [a["output"] for a in world(t).alerts()[told[t]:]]))

# SPDX-License-Identifier: Apache-2.0
"""Traffic that goes on while something else happens: every outcome of it is counted.

    with Traffic(a, "connect", b, 80) as t:
        ...
    t.counts      # {"ok": 512, "timeout": 1}

kinds: connect (a new TCP connection each time, its banner read), datagram (a datagram from a new port, its answer
read), stream (one TCP connection, opened before `with` goes on; a line there and back each time).
"""
import time

LOOP = """
import collections
counts, first = collections.Counter(), {}
stop = inside.__dict__.setdefault("stop", {})
number = 0
while not stop.get(name):
    if kind == "connect":
        got = inside.tcp(address, port, timeout=wait)
    elif kind == "datagram":
        got = inside.udp(address, port, timeout=wait)
    else:
        number += 1
        got = inside.talk(hold, text=str(number), timeout=wait)
    got = "ok" if got.startswith("ok") else got
    counts[got] += 1
    first.setdefault(got, time.monotonic())
    if kind == "stream" and got != "ok":
        break
    time.sleep(pause)
result = dict(counts)
"""


class Traffic:
    numbers = iter(range(1 << 30))

    def __init__(self, source, kind, target, port, family=None, wait=3.0, pause=0.002):
        self.source, self.kind, self.name = source, kind, "traffic%d" % next(self.numbers)
        self.address, self.port, self.wait, self.pause = source.address(target, family), port, wait, pause
        self.counts = None
        if kind == "stream":
            source.hold(self.name, target, port, family)
        self.future = source.ask("python", code=LOOP, kind=kind, name=self.name, hold=self.name, address=self.address, port=port,
                                 wait=wait, pause=pause)

    def __enter__(self):
        return self

    def __exit__(self, kind, error, trace):
        self.stop()

    def stop(self):
        """Ends it; the counts by outcome."""
        if self.counts is None:
            self.source.python("inside.__dict__.setdefault('stop', {})[name] = True", name=self.name)
            self.counts = self.future.result(self.wait + 30)
        return self.counts

    def passed(self):
        return self.stop().get("ok", 0)

    def failed(self):
        return sum(n for outcome, n in self.stop().items() if outcome != "ok")

    def settle(self):
        """Lets it go on for a while."""
        time.sleep(0.2)
        return self

# SPDX-License-Identifier: Apache-2.0
"""What manifests_test.py leaves: readiness turned and mended, restarts, duplicates, large edits, agents side by side.

The rule: what cannot be read changes nothing and is told by file and line; what is told goes away with its cause.
"""
import json
import os
import signal
import time

from cluster import Cluster
from scenario import check, check_in, scenario
from traffic import Traffic

REFUSED = ("EPERM", "timeout")
ISOLATE = {"podSelector": {}, "policyTypes": ["Ingress"]}


def np(name, spec, ns="x"):
    return json.dumps({"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": {"namespace": ns, "name": name},
                       "spec": spec})


def status(c):
    done = c.ctl("status", "-o", "json", check=False)
    return done.returncode, json.loads(done.stdout)


def until(what, so, timeout=10.0):
    end = time.monotonic() + timeout
    while not so():
        assert time.monotonic() < end, what
        time.sleep(0.01)


BROKEN = [("a brace", '{"apiVersion": "v1",\n "kind": }\n', ":2:"), ("a tab", "apiVersion: v1\nkind:\n\t- x\n", ":3"),
          ("no end", "apiVersion: v1\nkind: Pod\nmetadata: {name: 'x\n", ":"),
          ("a wrong type", "apiVersion: v1\nkind: Namespace\nmetadata:\n  name: 7\n  labels: [a]\n", ":4"),
          ("an alias bomb", "a: &a [x,x,x,x,x,x,x,x,x]\n" + "".join("%s: &%s [%s]\n" % (k, k, ",".join(["*" + p] * 9))
                                                                 for p, k in zip("abcdefgh", "bcdefghi")), ":"),
          ("bytes", "\x00\x01\x02 nothing", ":")]


@scenario("source: each kind of broken file keeps the last good state, turns readiness with file and line, and mends")
def broken():
    with Cluster() as c:
        a, b, free = c.pod("x/a"), c.pod("x/b"), c.pod("y/free")
        c.write(np("p", ISOLATE), "p.yaml")
        c.start()
        with Traffic(a, "connect", free, 80) as going_on, Traffic(free, "connect", b, 80, wait=0.05) as refused:
            for title, text, where in BROKEN:
                c.write(text, "p.yaml")
                until("%s: readiness" % title, lambda: not status(c)[1]["ready"])
                code, told = status(c)
                assert code != 0, title
                problems = told["source"]["problems"]
                assert any("p.yaml" + where in p["where"] and p["fatal"] for p in problems), "%s: %s" % (title, problems)
                assert "p.yaml" in c.ctl("status", check=False).stdout, title
                check(free.tcp(b, 80, timeout=0.2), "timeout", title)
                # What is right in other files goes on being applied beside it.
                c.write(np("q", ISOLATE, "y"), "q.yaml")
                until("another file", lambda: free.udp(b, 80, timeout=0.05) != "ok" and a.tcp(free, 80, timeout=0.1) in REFUSED)
                os.unlink(c.manifests + "/q.yaml")
                until("another file is gone", lambda: a.tcp(free, 80, timeout=0.1) == "ok:y/free")
                c.write(np("p", ISOLATE), "p.yaml")
                until("%s: mended" % title, lambda: status(c)[1]["ready"])
                check((status(c)[0], status(c)[1]["source"]["problems"]), (0, []), title)
        check(refused.passed(), 0, "what was refused all the time")
        assert going_on.passed() > 10, going_on.counts


@scenario("source: a restart with a broken file keeps its last good copy, under traffic; kill -9 too")
def broken_restart():
    with Cluster() as c:
        a, b, free = c.pod("x/a", labels={"app": "a"}), c.pod("x/b"), c.pod("y/free")
        c.write(np("p", {**ISOLATE, "ingress": [{"from": [{"podSelector": {"matchLabels": {"app": "a"}}}]}]}), "p.yaml")
        c.start()
        allowed, refused = Traffic(a, "connect", b, 80), Traffic(free, "connect", b, 80, wait=0.05)
        stream = Traffic(a, "stream", b, 81)
        c.write("kind: [\n", "p.yaml")
        until("readiness", lambda: not status(c)[1]["ready"])
        for how in (signal.SIGTERM, signal.SIGKILL):
            c.stop(how)
            c.start(wait=False)
            until("its answer", lambda: c.ctl("status", "-o", "json", check=False).stdout.startswith("{")
                  and status(c)[1]["source"]["problems"] and status(c)[1]["endpoints"]["attached"] == 3)
            told = status(c)[1]
            check(told["ready"], False)
            assert "p.yaml" in told["source"]["problems"][0]["where"], told["source"]
            check(a.tcp(b, 80), "ok:x/b", "allowed by the copy")
            check(free.tcp(b, 80, timeout=0.2), "timeout", "refused by the copy")
        for t in (allowed, stream):
            check(t.failed(), 0, "%s: %s" % (t.kind, t.counts))
        check(refused.passed(), 0, "passed")
        c.write(np("p", ISOLATE), "p.yaml")
        until("mended", lambda: status(c)[1]["ready"])
        check(a.tcp(b, 80, timeout=0.2), "timeout", "the mended file")


@scenario("source: an object that is in two files is told with both, and which counts does not hang on the order")
def duplicates():
    with Cluster() as c:
        a, b = c.pod("x/a"), c.pod("x/b")
        open_, closed = np("p", {**ISOLATE, "ingress": [{}]}), np("p", ISOLATE)
        got = []
        c.start()
        for first, second in (("one.yaml", "two.yaml"), ("two.yaml", "one.yaml")):
            for name in (first, second):
                c.write(open_ if name == "one.yaml" else closed, name)
                c.ctl("wait", "--timeout", "1s", check=False)
            told = status(c)[1]["source"]["problems"]
            assert any("one.yaml" in json.dumps(p) and "two.yaml" in json.dumps(p) and "x/p" in p["what"] for p in told), told
            got.append(a.tcp(b, 80, timeout=0.2))
            os.unlink(c.manifests + "/" + first)
            c.ctl("wait", "--timeout", "5s")
            check(status(c)[1]["source"]["problems"], [], "one is gone")
            os.unlink(c.manifests + "/" + second)
            c.wait()
        check(got[0] == got[1], True, "the same from either order: %s" % got)


@scenario("source: two agents side by side on one machine know nothing of each other")
def side_by_side():
    with Cluster("routed") as one, Cluster("bridged") as two:
        sides = []
        for c, ingress in ((one, []), (two, [{}])):
            a, b = c.pod("x/a"), c.pod("x/b", labels={"app": "b"})
            c.policy("x", "p", {"podSelector": {"matchLabels": {"app": "b"}}, "policyTypes": ["Ingress"], "ingress": ingress})
            c.start()
            sides.append((c, a, b))
        (one, a1, b1), (two, a2, b2) = sides
        check(a1.tcp(b1, 80, timeout=0.3), "timeout", "the one that is closed")
        check(a2.tcp(b2, 80), "ok:x/b", "the one that is open")
        one.alert(warder_src_pod="a", warder_dst_pod="b")
        check(two.alerts(), [], "the other one's alerts")
        going_on, refused = Traffic(a2, "stream", b2, 80), Traffic(a1, "connect", b1, 80, wait=0.05)
        one.stop(signal.SIGKILL)
        time.sleep(0.1)
        one.start()
        one.stop()
        one.ctl("uninstall", "--bpffs", one.bpffs)
        check(a1.tcp(b1, 80), "ok:x/b", "after uninstall")
        refused.stop()
        two.policy("x", "p", {"podSelector": {"matchLabels": {"app": "b"}}, "policyTypes": ["Ingress"], "ingress": []})
        check(going_on.failed(), 0, "of the other: %s" % going_on.counts)
        two.apply()
        check(a2.tcp(b2, 80, timeout=0.3), "timeout", "the other one goes on")
        check_in(two.ctl_json("status")["endpoints"]["attached"], (2,))

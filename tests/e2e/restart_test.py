# SPDX-License-Identifier: Apache-2.0
"""The agent is killed under traffic: what is in the kernel goes on, and a new agent takes it over without a gap."""
import os
import random
import signal
import subprocess
import time

from cluster import BIN, Cluster
from scenario import check, scenario
from traffic import Traffic

FROM_WEB = {"from": [{"podSelector": {"matchLabels": {"app": "web"}}}], "ports": [{"port": 80}, {"port": 80, "protocol": "UDP"}]}
DB = {"podSelector": {"matchLabels": {"app": "db"}}, "policyTypes": ["Ingress"], "ingress": [FROM_WEB]}
DB_CLOSED = {"podSelector": {"matchLabels": {"app": "db"}}, "policyTypes": ["Ingress"], "ingress": []}
EVERY = [("routed", (4,)), ("bridged", (6,))]


def pods(c):
    return (c.pod("x/web", labels={"app": "web"}), c.pod("x/no", labels={"app": "no"}), c.pod("x/db", sa="db", labels={"app": "db"}))


def unharmed(*traffic):
    for t in traffic:
        check(t.failed(), 0, "%s of %s: %s" % (t.kind, t.source.name, t.counts))
        assert t.passed() > 10, t.counts


def refused(*traffic):
    for t in traffic:
        check(t.passed(), 0, "%s of %s: %s" % (t.kind, t.source.name, t.counts))
        assert t.failed() > 1, t.counts


@scenario("kill -9 under traffic: nothing refused passes, nothing allowed breaks, and the new agent takes over")
def killed():
    for topology, families in EVERY:
        with Cluster(topology, families=families) as c:
            web, no, db = pods(c)
            c.policy("x", "db", DB)
            c.start()
            allowed = [Traffic(web, kind, db, 80) for kind in ("stream", "connect", "datagram")]
            denied = [Traffic(no, kind, db, 80, wait=0.05) for kind in ("connect", "datagram")]
            denied.append(Traffic(c.outside, "connect", db, 80, wait=0.05))
            before = {p: c.ctl_json("endpoint", "get", "x/" + p)["slot"] for p in ("web", "no", "db")}
            for turn in range(3):
                time.sleep(0.2)
                c.stop(signal.SIGKILL)
                time.sleep(0.2)
                c.start()
            after = {p: c.ctl_json("endpoint", "get", "x/" + p)["slot"] for p in ("web", "no", "db")}
            check(after, before, "slots that the new agent adopted")
            time.sleep(0.3)
            refused(*denied)
            unharmed(*allowed)
            c.mark_alerts()
            check(no.tcp(db, 81, timeout=0.2), "timeout")
            c.alert(warder_src_pod="no", warder_dst_port=81)


@scenario("manifests that changed while the agent was dead take effect at its start, without a gap")
def changed_while_dead():
    for topology, families in EVERY:
        with Cluster(topology, families=families) as c:
            web, no, db = pods(c)
            other = c.pod("x/other", labels={"app": "other"})
            c.policy("x", "db", DB)
            c.start()
            going_on = [Traffic(other, "stream", web, 80), Traffic(other, "connect", web, 80)]
            denied = Traffic(no, "connect", db, 80, wait=0.05)
            web.hold("cut", db, 80)
            check(web.talk("cut"), "ok")
            time.sleep(0.2)
            c.stop(signal.SIGKILL)
            c.policy("x", "db", DB_CLOSED)
            c.apply(wait=False)
            check(web.talk("cut"), "ok", "while the agent is dead the old policy is in force")
            check(web.tcp(db, 80), "ok:x/db")
            c.start()
            check(web.talk("cut", timeout=0.3), "timeout", "an established connection that is allowed no more")
            check(web.tcp(db, 80, timeout=0.2), "timeout")
            time.sleep(0.2)
            c.stop(signal.SIGKILL)
            c.policy("x", "db", DB)
            c.apply(wait=False)
            c.start()
            check(web.tcp(db, 80), "ok:x/db", "allowed again")
            refused(denied)
            unharmed(*going_on)


@scenario("a pod that took another's address and ifindex while the agent was dead is itself when it starts")
def reused_while_dead():
    for topology in ("routed", "bridged"):
        with Cluster(topology) as c:
            _, no, db = pods(c)
            old = c.pod("x/old", labels={"app": "web"})
            c.policy("x", "db", DB)
            c.start()
            check(old.tcp(db, 80), "ok:x/db")
            going_on = Traffic(no, "stream", c.host, 80)
            c.stop(signal.SIGKILL)
            c.link_index = c.link(old.links[0])["ifindex"]
            c.delete_pod(old)
            new = c.pod("x/new", ips=old.ips, sa="new", labels={"app": "new"})
            c.start()
            check(new.tcp(db, 80, timeout=0.2), "timeout", "the new pod is not the old one")
            check(new.tcp(no, 80), "ok:x/no")
            c.alert(warder_src_pod="new", warder_src_sa="new", warder_dst_pod="db")
            unharmed(going_on)


@scenario("killed at any moment of a change, the next agent finds its way")
def killed_while_writing():
    seed = random.randrange(1 << 32)
    choose = random.Random(seed)
    with Cluster("routed") as c:
        web, no, db = pods(c)
        going_on = None
        c.policy("x", "db", DB)
        c.start()
        going_on = [Traffic(no, "stream", web, 80), Traffic(no, "connect", web, 80)]
        denied = Traffic(no, "connect", db, 80, wait=0.05)
        for turn in range(12):
            for number in range(choose.randrange(1, 40)):
                c.policy("x", "more%d" % number, {
                    "podSelector": {"matchLabels": {"app": "db"}}, "policyTypes": ["Ingress"],
                    "ingress": [{"from": [{"ipBlock": {"cidr": "192.0.2.%d/32" % choose.randrange(256)}}],
                                 "ports": [{"port": choose.randrange(1000, 60000)}]}]})
            is_open = choose.random() < 0.5
            c.policy("x", "db", DB if is_open else DB_CLOSED)
            c.apply(wait=False)
            time.sleep(choose.random() * 0.06)
            c.stop(signal.SIGKILL)
            c.start()
            want = "ok:x/db" if is_open else "timeout"
            check(web.tcp(db, 80, timeout=1.0 if is_open else 0.2), want, "seed %d, turn %d" % (seed, turn))
        refused(denied)
        unharmed(*going_on)


@scenario("stopped in order and started again: the same, and uninstall leaves nothing")
def stopped():
    with Cluster("routed") as c:
        web, no, db = pods(c)
        c.policy("x", "db", DB)
        c.start()
        allowed, denied = Traffic(web, "stream", db, 80), Traffic(no, "connect", db, 80, wait=0.05)
        check(c.stop(), 0, "warderd's exit code")
        time.sleep(0.2)
        c.start()
        time.sleep(0.2)
        unharmed(allowed)
        refused(denied)
        c.stop()
        c.ctl("uninstall")  # it finds where the agent of the run directory pinned
        check(no.tcp(db, 80), "ok:x/db", "after uninstall")
        check([os.path.exists(c.bpffs), os.path.exists(c.run_dir)], [False, False], "what is left")


@scenario("two agents never write the same maps: the second one says so and ends")
def second():
    with Cluster("routed") as c:
        web, no, db = pods(c)
        c.policy("x", "db", DB)
        c.start()
        flags = ["--manifests", c.manifests, "--node", c.node_name, "--cgroup-root", c.cgroup + "/node", "--bpffs", c.bpffs]
        for run_dir in (c.run_dir, c.dir + "/other"):
            done = subprocess.run(["nsenter", "--net=/run/netns/" + c.netns, BIN + "/warderd", "--run-dir", run_dir, *flags],
                                  capture_output=True, text=True, timeout=20)
            check(done.returncode, 1, done.stderr)
            check("another warderd" in done.stderr, True, done.stderr)
        # Nor does uninstall pull the maps from under one that another run directory knows of.
        done = c.ctl("--run-dir", c.dir + "/none", "uninstall", "--bpffs", c.bpffs, check=False)
        check(done.returncode, 1, done.stdout)
        check(web.tcp(db, 80), "ok:x/db")
        check(no.tcp(db, 80, timeout=0.2), "timeout")

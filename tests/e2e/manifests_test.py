# SPDX-License-Identifier: Apache-2.0
"""The manifest directory under a running agent: edits bite, broken files change nothing and are told."""
import json
import os
import signal
import subprocess
import time

from cluster import BIN, Cluster
from scenario import check, check_in, scenario

REFUSED = ("EPERM", "timeout")
ISOLATE = {"podSelector": {}, "policyTypes": ["Ingress"]}


def np(name, spec):
    return json.dumps({"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy",
                       "metadata": {"namespace": "x", "name": name}, "spec": spec})


def until(ask, want, what):
    """Asks again until the answer is the wanted one, without a barrier: what the watch alone brings."""
    end = time.monotonic() + 10
    while (got := ask()) not in want:
        if time.monotonic() > end:
            raise AssertionError("%s: still %r" % (what, got))


def problems(c):
    return c.ctl("status", "-o", "json", check=False).stdout  # its exit code says that something is wrong


@scenario("files that are added, edited, renamed and removed take effect by themselves")
def watched():
    with Cluster() as c:
        a, b = c.pod("x/a"), c.pod("x/b")
        c.start()

        def probe():
            return a.tcp(b, 80, timeout=0.3)

        check(probe(), "ok:x/b")
        c.write(np("p", ISOLATE), "p.yaml")
        until(probe, REFUSED, "added")
        path = c.manifests + "/p.yaml"
        with open(path, "w") as f:  # in place
            f.write(np("p", {**ISOLATE, "ingress": [{"ports": [{"port": 80}]}]}))
        until(probe, ["ok:x/b"], "edited in place")
        c.write(np("p", {**ISOLATE, "ingress": [{"ports": [{"port": 81}]}]}), "p.yaml")
        until(probe, REFUSED, "replaced")
        os.rename(path, c.manifests + "/q.yml")
        c.wait()
        check_in(probe(), REFUSED, "renamed")
        os.rename(c.manifests + "/q.yml", c.manifests + "/q.off")
        until(probe, ["ok:x/b"], "renamed away")
        os.rename(c.manifests + "/q.off", path)
        until(probe, REFUSED, "renamed back")
        os.unlink(path)
        until(probe, ["ok:x/b"], "removed")


@scenario("a broken file leaves its last good state, is told with line and field, and a restart changes nothing")
def broken():
    with Cluster() as c:
        a, b = c.pod("x/a"), c.pod("x/b")
        c.write(np("p", ISOLATE), "p.yaml")
        c.start()
        check_in(a.tcp(b, 80, timeout=0.3), REFUSED)
        c.write("apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {name: p, namespace: [x]}\n", "p.yaml")
        c.ctl("wait", check=False)
        told = problems(c)
        check("p.yaml:3:" in told and "metadata.namespace" in told and "stays in force" in told, True, told)
        check_in(a.tcp(b, 80, timeout=0.3), REFUSED, "broken")
        c.stop()
        c.start(wait=False)
        c.ctl("wait", check=False)
        until(lambda: c.ctl("status", check=False).returncode >= 0 and a.tcp(b, 80, timeout=0.3), REFUSED, "restarted")
        os.unlink(c.manifests + "/p.yaml")
        until(lambda: a.tcp(b, 80, timeout=0.3), ["ok:x/b"], "removed")


@scenario("policy of other engines is listed, unknown kinds and versions are told, and a policy of an unknown version isolates")
def kinds():
    with Cluster() as c:
        a, b = c.pod("x/a"), c.pod("y/b")
        c.start()
        check(a.tcp(b, 80), "ok:y/b")
        c.put({"apiVersion": "cilium.io/v2", "kind": "CiliumNetworkPolicy", "metadata": {"name": "cnp", "namespace": "y"}, "spec": {}},
              {"apiVersion": "warder.io/v1alpha1", "kind": "IdentityPolcy", "metadata": {"name": "typo", "namespace": "y"}},
              {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "d", "namespace": "y"}})
        c.apply(wait=False)
        c.ctl("wait", check=False)
        told = problems(c)
        check([(p["kind"], p["namespace"], p["name"]) for p in json.loads(told)["not_enforced"]], [("CiliumNetworkPolicy", "y", "cnp")])
        check("IdentityPolcy" in told, True, told)
        check(a.tcp(b, 80), "ok:y/b")
        c.put({"apiVersion": "networking.k8s.io/v9", "kind": "NetworkPolicy", "metadata": {"name": "new", "namespace": "y"},
               "spec": {"podSelector": {}, "ingress": [{}]}})
        c.apply(wait=False)
        until(lambda: a.tcp(b, 80, timeout=0.3), REFUSED, "unknown version")
        check("networking.k8s.io/v9" in problems(c), True)


@scenario("one configuration file, every key a flag: values, origins and faults")
def configuration():
    with Cluster() as c:
        path = c.dir + "/warder.yaml"
        with open(path, "w") as f:
            f.write("cluster: moon\nalert-window: 2s\npod-ranges:\n- 10.244.0.0/16\n")
        c.pod("x/a")
        c.start(config=path, alert_window="1s")
        shown = {e["key"]: e for e in c.ctl_json("config")["keys"]}
        check(shown["cluster"]["value"], "moon")
        check((shown["cluster"]["origin"], shown["cluster"]["where"]), ("file", path + ":1"))
        check((shown["alert-window"]["value"], shown["alert-window"]["where"]), ("1s", "--alert-window"))
        check(shown["trust-domain"]["origin"], "default")
        for text, says in (("modes: audit\n", "is mode meant"), ("mode: strict\n", "enforce or audit"), ("mode: [\n", ":2:")):
            with open(path, "w") as f:
                f.write(text)
            done = subprocess.run([BIN + "/warderd", "--config", path], capture_output=True, text=True)
            check(done.returncode, 2)
            check(says in done.stderr and path in done.stderr, True, done.stderr)


@scenario("status is not ready where alerts cannot be written, and names a node that no manifest knows")
def unready():
    with Cluster("routed") as c:
        a, b = c.pod("x/a"), c.pod("y/b")
        c.policy("y", "closed", {"podSelector": {}, "policyTypes": ["Ingress"]})
        c.start(alerts="/dev/full")
        status = c.ctl_json("status")
        check([f["ready"] for f in status["features"]], [True, True])
        check(a.tcp(b, 80, timeout=0.3), "timeout")
        end = time.monotonic() + 5
        while status["ready"] and time.monotonic() < end:
            time.sleep(0.05)
            done = c.ctl("status", "-o", "json", check=False)
            status = json.loads(done.stdout)
        check([(f["name"], f["ready"]) for f in status["features"]], [("policy", True), ("alerts", False)])
        check(done.returncode, 1)
        check("No space left" in status["features"][1]["message"], True, status["features"])
        c.stop(signal.SIGKILL)
        c.start(node="mistaken", features="policy,mesh", wait=False)
        c.wait()
        status = json.loads(c.ctl("status", "-o", "json", check=False).stdout)
        check([(f["name"], f["ready"]) for f in status["features"]], [("policy", True), ("mesh", False)])
        check([p["object"] for p in status["problems"]], ["Node mistaken"])

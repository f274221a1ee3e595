# SPDX-License-Identifier: Apache-2.0
"""Many pods at once, made as runtimes make them: cgroup first, namespace a moment later, the object whenever it comes."""
import os
import subprocess

from cluster import Cluster, cgroup_path, command, pod_uid
from scenario import check, scenario

PODS = 60
# Joins the cgroup, enters the namespace a little later without any event, and stays.
PROCESS = 'echo 0 > "$0/cgroup.procs"; sleep 0.$2; exec nsenter --net="$1" sleep 1000'


def crowd(c, numbers):
    """Pods that only are there: (name, address, process)."""
    pods = []
    for n in numbers:
        name, address, uid = "p%d" % n, "10.244.2.%d" % n, pod_uid("crowd %d" % n)
        netns, cgroup = "%s-crowd%d" % (c.tag, n), os.path.join(c.cgroup, "node", cgroup_path("cgroupfs", uid))
        command(["ip", "netns", "add", netns])
        os.makedirs(cgroup)
        process = subprocess.Popen(["sh", "-c", PROCESS, cgroup, "/run/netns/" + netns, str(n % 4)], start_new_session=True)
        c._link(netns, "eth0", [address], True)
        c.put({"apiVersion": "v1", "kind": "Pod",
               "metadata": {"namespace": "crowd", "name": name, "uid": uid, "labels": {"app": "open" if n % 2 else "closed"}},
               "spec": {"nodeName": c.node_name, "containers": [{"name": "main", "image": "none"}]},
               "status": {"phase": "Running", "podIP": address, "podIPs": [{"ip": address}]}})
        pods.append((name, address, netns, process))
    return pods


@scenario("sixty pods at once, whose processes enter their namespaces late, are attached and judged")
def at_once():
    with Cluster("routed") as c:
        a = c.pod("x/a")
        c.namespace("crowd")
        c.policy("crowd", "closed", {"podSelector": {"matchLabels": {"app": "closed"}}, "policyTypes": ["Ingress"], "ingress": []})
        c.start()
        pods = crowd(c, range(1, PODS + 1))
        c.apply()
        rows = [e for e in c.ctl_json("endpoint", "list")["endpoints"] if e["namespace"] == "crowd"]
        check(len(rows), PODS)
        check({e["state"] for e in rows}, {"attached"})
        for name, address, netns, _ in pods[:6]:
            # Nobody listens: an allowed SYN is answered by a reset.
            check(a.tcp(address, 80, timeout=0.2), "ECONNREFUSED" if int(name[1:]) % 2 else "timeout", name)
        for _, _, netns, process in pods[::2]:
            process.kill()
            process.wait()
            command(["ip", "netns", "del", netns])
        for n in range(1, PODS + 1, 2):
            c.remove("Pod", "crowd", "p%d" % n)
        c.apply()
        rows = [e for e in c.ctl_json("endpoint", "list")["endpoints"] if e["namespace"] == "crowd"]
        check(len(rows), PODS // 2)
        check(c.ctl_json("status")["endpoints"]["held"], 0)
        check(a.tcp(pods[1][1], 80, timeout=0.2), "timeout", "one that is still there")
        for _, _, _, process in pods[1::2]:
            process.kill()
            process.wait()

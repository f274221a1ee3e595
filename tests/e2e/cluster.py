# SPDX-License-Identifier: Apache-2.0
"""One node of a cluster on this machine, with real pods, real packets and a real warderd.

                    outside (203.0.113.10, 2001:db8:1::10)
                       |  veth
    node  -------------+--------------------------  namespace TAG-node, 203.0.113.1 on the uplink
      |  wv0              |  wv1            |  wv2      host sides of veths
    x/a eth0            x/b eth0          y/c eth0      namespaces TAG-x.a ..., each pod a process in a
    10.244.1.10         10.244.1.11       10.244.1.12   cgroup of its own (inside.py)

routed: 169.254.1.1 and fe80::1 on every host side, /32 and /128 routes to the pods.
bridged: all host sides on br0, which has 10.244.0.1/16 and fd00:10:244::1/64.

    with Cluster() as c:
        a, b = c.pod("x/a"), c.pod("y/b", ports=[80])
        c.put({"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", ...})
        c.start()
        assert a.tcp(b, 80) == "EPERM"

What a cluster made is removed by janitor.py, a process of its own, as soon as this one is gone or done.
"""
import concurrent.futures
import hashlib
import itertools
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
BIN = os.environ.get("WARDER_BIN") or os.path.join(os.environ.get("O") or os.path.join(ROOT, "build"), "bin")
TAG = os.environ.get("WARDER_E2E_TAG", "warder-e2e")
ANSWER_S = 30.0  # until a pod's process must have answered, beside the probe's own time
numbers = itertools.count()


class Failure(AssertionError):
    pass


def command(argv, **more):
    done = subprocess.run(argv, capture_output=True, text=True, stdin=subprocess.DEVNULL, **more)
    if done.returncode:
        raise Failure("%s: %s" % (" ".join(argv), (done.stderr or done.stdout).strip()))
    return done.stdout


def ip(netns, *lines):
    """Lines of `ip -batch` in a namespace."""
    done = subprocess.run(["nsenter", "--net=/run/netns/" + netns, "ip", "-batch", "-"], input="\n".join(lines) + "\n", capture_output=True, text=True)
    if done.returncode:
        raise Failure("ip -n %s: %s\n%s" % (netns, done.stderr.strip(), "\n".join(lines)))


def cgroup_mount():
    with open("/proc/self/mountinfo") as mounts:
        for line in mounts:
            fields = line.split()
            if fields[fields.index("-") + 1] == "cgroup2":
                return fields[4]
    raise Failure("no cgroup v2 is mounted")


def sysctl(netns, **values):
    """sysctl(ns, net__ipv4__ip_forward=1): the files of /proc/sys that a process in there sees."""
    script = "; ".join("echo %s > /proc/sys/%s" % (v, k.replace("__", "/")) for k, v in values.items())
    command(["nsenter", "--net=/run/netns/" + netns, "sh", "-c", script])


class Actor:
    """Something that sends and receives: a pod, the node's host stack, the world outside."""

    def __init__(self, name, ips, netns, cgroup, ports, families):
        self.name, self.ips, self.netns, self.cgroup = name, list(ips), netns, cgroup
        self.waiting, self.ids, self.lock = {}, itertools.count(), threading.Lock()
        how = {"name": name, "netns": "/run/netns/" + netns, "cgroup": cgroup, "families": families,
               "tcp": [p for p in ports], "udp": [p for p in ports]}
        self.process = subprocess.Popen([sys.executable, HERE + "/inside.py", json.dumps(how)], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, text=True, start_new_session=True)
        self.is_ready = False

    def ready(self):
        if not self.is_ready:
            line = self.process.stdout.readline().strip()
            if line != "ready":
                raise Failure("the process of %s did not start: %s" % (self.name, line))
            self.is_ready = True
            threading.Thread(target=self._read, daemon=True).start()
        return self

    def _read(self):
        for line in self.process.stdout:
            reply = json.loads(line)
            future = self.waiting.pop(reply["id"])
            if "error" in reply:
                future.set_exception(Failure("%s: %s" % (self.name, reply["error"])))
            else:
                future.set_result(reply["result"])
        for future in list(self.waiting.values()):
            future.set_exception(Failure("%s: its process is gone" % self.name))

    def ask(self, call, /, **arguments):
        """Begins a call of inside.py; returns a future."""
        self.ready()
        future, number = concurrent.futures.Future(), next(self.ids)
        self.waiting[number] = future
        with self.lock:
            self.process.stdin.write(json.dumps({"id": number, "call": call, **arguments}) + "\n")
            self.process.stdin.flush()
        return future

    def call(self, call, /, **arguments):
        return self.ask(call, **arguments).result(ANSWER_S + (arguments.get("timeout") or 0))

    def ip(self, family=None):
        """The first address (of a family, 4 or 6)."""
        return next(a for a in self.ips if family is None or (":" in a) == (family == 6))

    @staticmethod
    def address(target, family=None):
        return target.ip(family) if isinstance(target, Actor) else target

    # ---- what a test says: outcomes are "ok:NAME OF WHO ANSWERED", "EPERM", "ECONNREFUSED", "timeout", ...

    def tcp(self, target, port, family=None, **more):
        return self.call("tcp", address=self.address(target, family), port=port, **more)

    def udp(self, target, port, family=None, **more):
        return self.call("udp", address=self.address(target, family), port=port, **more)

    def ping(self, target, family=None, **more):
        return self.call("ping", address=self.address(target, family), **more)

    def hold(self, name, target, port, family=None, **more):
        """Opens a TCP connection that stays; talk(name), shut(name) and close(name) go on with it."""
        got = self.tcp(target, port, family, hold=name, **more)
        if not got.startswith("ok:"):
            raise Failure("%s cannot connect to %s: %s" % (self.name, self.address(target, family), got))

    def talk(self, name, **more):
        return self.call("talk", hold=name, **more)

    def shut(self, name, **more):
        return self.call("shut", hold=name, **more)

    def close(self, name, reset=False):
        return self.call("close", hold=name, reset=reset)

    def frame(self, data, device="eth0"):
        return self.call("frame", data=data.hex() if isinstance(data, bytes) else data, device=device)

    def sniff(self, name="sniff", device="eth0"):
        return self.call("sniff", name=name, device=device)

    def sniffed(self, name="sniff"):
        """Ends it: [(out, frame bytes)]."""
        return [(f["out"], bytes.fromhex(f["data"])) for f in self.call("sniffed", name=name)]

    def python(self, code, **arguments):
        return self.call("python", code=code, **arguments)

    def run(self, *argv, timeout=10.0, check=True):
        done = self.call("run", argv=list(argv), timeout=timeout)
        if check and done["code"]:
            raise Failure("%s: %s: %s" % (self.name, " ".join(argv), done["err"].strip()))
        return done["out"] if check else done

    def stop(self):
        self.process.kill()
        self.process.wait()
        self.process.stdin.close()


class Pod(Actor):
    """ns, pod, uid, sa, links (host sides' names), mac (of eth0)."""

    def object(self):
        containers = [{"name": "main", "image": "none", "ports": self.container_ports}]
        return {"apiVersion": "v1", "kind": "Pod",
                "metadata": {"namespace": self.ns, "name": self.pod, "uid": self.uid, "labels": self.labels},
                "spec": {"nodeName": self.node, "serviceAccountName": self.sa, "containers": containers, **self.spec},
                "status": {"phase": self.phase, "podIP": self.ips[0], "podIPs": [{"ip": a} for a in self.ips]}}


def pod_uid(text):
    h = hashlib.sha256(text.encode()).hexdigest()
    return "%s-%s-4%s-8%s-%s" % (h[:8], h[8:12], h[13:16], h[17:20], h[20:32])


def cgroup_path(driver, uid):
    """Where the kubelet puts a pod's container, by its cgroup driver."""
    container = hashlib.sha256(uid.encode()).hexdigest()
    if driver == "systemd":
        return "kubepods.slice/kubepods-besteffort.slice/kubepods-besteffort-pod%s.slice/cri-containerd-%s.scope" % (
            uid.replace("-", "_"), container)
    return "kubepods/besteffort/pod%s/%s" % (uid, container)


class Cluster:
    def __init__(self, topology="routed", families=(4,), driver="cgroupfs", flags=(), mode="enforce"):
        self.topology, self.families, self.driver = topology, families, driver
        self.flags, self.mode = list(flags), mode
        self.tag = "%s-%d-%d" % (TAG, os.getpid(), next(numbers))
        self.dir = tempfile.mkdtemp(prefix=self.tag + ".")
        self.cgroup = os.path.join(cgroup_mount(), self.tag)
        self.pods, self.objects, self.files, self.agent = {}, {}, set(), None
        self.next_pod, self.next_link, self.alerts_read = 10, itertools.count(), 0
        self.link_name = self.link_index = None  # of the next pod's link, where a test wants one that was another's
        self.manifests, self.run_dir = self.dir + "/manifests", self.dir + "/run"
        self.bpffs, self.alert_file, self.log = self.dir + "/bpf/warder", self.dir + "/alerts.json", self.dir + "/warderd.log"
        self.node_name = "node-1"
        self.janitor = subprocess.Popen([sys.executable, HERE + "/janitor.py", self.tag, self.cgroup, self.dir],
                                        stdin=subprocess.PIPE, start_new_session=True)
        try:
            self._make_node()
        except BaseException:
            self.close()
            raise

    def __enter__(self):
        return self

    def __exit__(self, kind, error, trace):
        if kind and issubclass(kind, Exception) and os.path.exists(self.log):
            with open(self.log) as log:
                print("--- warderd's log, its end:\n%s---" % log.read()[-3000:])
        self.close()

    def close(self):
        """Everything is removed when this returns; the same happens where the process ends without it."""
        if self.janitor.stdin.closed:
            return
        self.janitor.stdin.close()
        left = self.janitor.wait()
        for actor in [*self.pods.values(), getattr(self, "host", None), getattr(self, "outside", None)]:
            if actor:
                actor.process.wait()
                actor.process.stdin.close()
        if self.agent:
            self.agent.wait()
        if left:
            raise Failure("the janitor left something behind")

    # ---- the node

    def _make_node(self):
        for path in (self.manifests, self.run_dir, self.dir + "/bpf"):
            os.mkdir(path)
        for path in ("agent", "host", "outside", "node/kubepods"):
            os.makedirs(os.path.join(self.cgroup, path))
        command(["mount", "-t", "bpf", "bpf", self.dir + "/bpf"])
        self.netns, outside = self.tag + "-node", self.tag + "-outside"
        for name in (self.netns, outside):
            command(["ip", "netns", "add", name])
            sysctl(name, net__ipv6__conf__all__disable_ipv6=0, net__ipv6__conf__all__accept_dad=0, net__ipv6__conf__default__accept_dad=0,
                   net__ipv4__conf__all__rp_filter=0, net__ipv4__conf__default__rp_filter=0)
        sysctl(self.netns, net__ipv4__ip_forward=1, net__ipv6__conf__all__forwarding=1)
        # Unlike indexes on both sides: else linkwatch takes up to a second to let packets through.
        ip(self.netns, "link set lo up", "link add uplink index 1000 type veth peer name eth0 netns " + outside,
           "addr add 203.0.113.1/24 dev uplink", "addr add 2001:db8:1::1/64 dev uplink nodad", "link set uplink up")
        ip(outside, "link set lo up", "addr add 203.0.113.10/24 dev eth0", "addr add 2001:db8:1::10/64 dev eth0 nodad",
           "link set eth0 up", "route add default via 203.0.113.1", "route add default via 2001:db8:1::1")
        if self.topology == "bridged":
            # Its own MAC, as CNI plugins give it one: else that of a port, which goes with the port.
            ip(self.netns, "link add br0 address 0a:58:0a:f4:00:01 type bridge", "link set br0 up", "addr add 10.244.0.1/16 dev br0",
               "addr add fd00:10:244::1/64 dev br0 nodad")
        self.put({"apiVersion": "v1", "kind": "Node", "metadata": {"name": self.node_name},
                  "spec": {"podCIDRs": ["10.244.0.0/16", "fd00:10:244::/64"]},
                  "status": {"addresses": [{"type": "InternalIP", "address": a} for a in ("203.0.113.1", "2001:db8:1::1")]}})
        self.host = Actor("host", ["203.0.113.1", "2001:db8:1::1"], self.netns, self.cgroup + "/host", [80, 81], [4, 6])
        self.outside = Actor("outside", ["203.0.113.10", "2001:db8:1::10"], outside, self.cgroup + "/outside", [80, 81], [4, 6])
        self.host.ready(), self.outside.ready()

    # ---- pods

    def _link(self, netns, inner, ips, first):
        """A veth from the node to the pod's namespace; returns the host side's name and the pod's MAC."""
        number = next(self.next_link)
        host, mac = "wv%d" % number, "0a:58:00:00:%02x:%02x" % (number >> 8, number & 255)
        host, self.link_name = self.link_name or host, None
        index, self.link_index = self.link_index or 100 + number, None
        ip(self.netns, "link add %s index %d type veth peer name %s netns %s address %s" % (host, index, inner, netns, mac))
        node, pod = ["link set %s up" % host], ["link set %s up" % inner]
        if self.topology == "bridged":
            node.append("link set %s master br0" % host)
        else:
            node += ["addr add 169.254.1.1/32 dev " + host, "addr add fe80::1/64 dev %s nodad" % host]
        for a in ips:
            v6 = ":" in a
            if self.topology == "bridged":
                pod.append("addr add %s/%d dev %s%s" % (a, 64 if v6 else 16, inner, " nodad" if v6 else ""))
            else:
                pod.append("addr add %s/%d dev %s%s" % (a, 128 if v6 else 32, inner, " nodad" if v6 else ""))
                node.append("route add %s dev %s" % (a, host))
        if first and self.topology == "bridged":
            pod += ["route add default via 10.244.0.1"] if any(":" not in a for a in ips) else []
            pod += ["route add default via fd00:10:244::1"] if any(":" in a for a in ips) else []
        elif first:
            pod += ["route add 169.254.1.1 dev %s scope link" % inner, "route add default via 169.254.1.1 dev " + inner,
                    "route add default via fe80::1 dev " + inner]
        ip(self.netns, *node)
        ip(netns, *pod)
        return host, mac

    def link(self, name):
        """What the kernel says of a link of the node: ifindex, link_netnsid, ..."""
        return json.loads(command(["nsenter", "--net=/run/netns/" + self.netns, "ip", "-j", "link", "show", "dev", name]))[0]

    def addresses(self):
        """Fresh pod addresses of the cluster's families."""
        number, self.next_pod = self.next_pod, self.next_pod + 1
        return [("fd00:10:244::1:%x" if f == 6 else "10.244.1.%d") % number for f in self.families]

    def pod(self, key, ips=None, sa="default", labels=None, ports=(80, 81), named=None, more_links=(), uid=None,
            host_network=False, phase="Running", spec=None, manifest=True):
        """Makes a running pod "NS/NAME" and puts its object (where `manifest`); applied by start() or apply().

        ports: TCP and UDP ports that it serves; named: {name: (port, protocol)} container ports;
        more_links: for each further interface (eth1, ...) its addresses.
        """
        ns, name = key.split("/")
        if not any(k == ("v1", "Namespace", "", ns) for k in self.objects):
            self.namespace(ns)
        uid = uid or pod_uid("%s %d" % (key, next(numbers)))
        links, mac = [], None
        if host_network:
            netns, ips = self.netns, ["203.0.113.1", "2001:db8:1::1"]
        else:
            netns = "%s-%s.%s.%s" % (self.tag, ns, name, uid[:4])
            ips = list(ips or self.addresses())
            command(["ip", "netns", "add", netns])
            sysctl(netns, net__ipv6__conf__all__disable_ipv6=0, net__ipv6__conf__all__accept_dad=0, net__ipv6__conf__default__accept_dad=0,
                   net__ipv4__conf__all__rp_filter=0, net__ipv4__conf__default__rp_filter=0)
            ip(netns, "link set lo up")
            host, mac = self._link(netns, "eth0", ips, True)
            links.append(host)
            for i, further in enumerate(more_links):
                links.append(self._link(netns, "eth%d" % (i + 1), further, False)[0])
                ips += further
        cgroup = os.path.join(self.cgroup, "node", cgroup_path(self.driver, uid))
        os.makedirs(cgroup)
        pod = Pod(key, ips, netns, cgroup, ports, sorted({6 if ":" in a else 4 for a in ips}))
        pod.ns, pod.pod, pod.uid, pod.sa, pod.links, pod.mac = ns, name, uid, sa, links, mac
        pod.labels, pod.phase, pod.node = labels or {}, phase, self.node_name
        pod.spec = dict(spec or {}, **({"hostNetwork": True} if host_network else {}))
        pod.container_ports = [{"containerPort": p, "protocol": t} for p in ports for t in ("TCP", "UDP")]
        pod.container_ports += [{"name": n, "containerPort": p, "protocol": t} for n, (p, t) in (named or {}).items()]
        self.pods[key] = pod
        if manifest:
            self.put(pod.object())
        return pod.ready()

    def delete_pod(self, pod, manifest=True):
        """Ends its process, removes its links, its namespace and its cgroup, and its object."""
        pod.stop()
        if pod.netns != self.netns:
            # As a CNI plugin does: with the namespace alone they would go a little later.
            ip(self.netns, *("link del " + link for link in pod.links))
            command(["ip", "netns", "del", pod.netns])
        path = pod.cgroup
        while os.path.basename(path).find("pod" + pod.uid[:4]) < 0 and path != self.cgroup:
            os.rmdir(path)
            path = os.path.dirname(path)
        os.rmdir(path)
        self.pods.pop(pod.name, None)
        if manifest:
            self.remove("Pod", pod.ns, pod.pod)

    # ---- objects: put and remove change them here, apply() makes them true

    @staticmethod
    def key(o):
        return (o["apiVersion"], o["kind"], o["metadata"].get("namespace", ""), o["metadata"]["name"])

    def put(self, *objects):
        for o in objects:
            self.objects[self.key(o)] = o

    def remove(self, kind, ns, name):
        for key in [k for k in self.objects if k[1:] == (kind, ns, name)]:
            del self.objects[key]

    def namespace(self, name, labels=None, annotations=None):
        self.put({"apiVersion": "v1", "kind": "Namespace",
                  "metadata": {"name": name, "labels": labels or {}, "annotations": annotations or {}}})

    def policy(self, ns, name, spec, kind="NetworkPolicy", annotations=None):
        version = {"NetworkPolicy": "networking.k8s.io/v1", "IdentityPolicy": "warder.io/v1alpha1",
                   "ClusterNetworkPolicy": "policy.networking.k8s.io/v1alpha2"}[kind]
        metadata = {"name": name, "annotations": annotations or {}}
        if kind != "ClusterNetworkPolicy":
            metadata["namespace"] = ns
        self.put({"apiVersion": version, "kind": kind, "metadata": metadata, "spec": spec})

    def clear_policies(self):
        for key in [k for k in self.objects if k[1].endswith("Policy")]:
            del self.objects[key]

    def write(self, text, name="world.yaml"):
        """Puts a file into the manifest directory, atomically."""
        path = os.path.join(self.manifests, "." + name)
        with open(path, "w") as f:
            f.write(text)
        os.rename(path, os.path.join(self.manifests, name))

    def apply(self, wait=True):
        self.write("\n---\n".join(json.dumps(o) for o in self.objects.values()) + "\n")
        if wait and self.agent:
            self.wait()

    # ---- the agent

    def start(self, wait=True, **changes):
        """Writes the objects and starts warderd."""
        self.apply(wait=False)
        flags = {"manifests": self.manifests, "node": self.node_name, "cgroup-root": self.cgroup + "/node", "bpffs": self.bpffs,
                 "run-dir": self.run_dir, "mode": self.mode, "alerts": self.alert_file, **changes}
        argv = [BIN + "/warderd"] + ["--%s=%s" % (k.replace("_", "-"), v) for k, v in flags.items()] + self.flags
        script = 'echo 0 > "$0/cgroup.procs" && exec nsenter --net=/run/netns/%s -- "$@"' % self.netns
        with open(self.log, "a") as log:
            self.agent = subprocess.Popen(["sh", "-c", script, self.cgroup + "/agent", *argv], stdout=log, stderr=log,
                                          stdin=subprocess.DEVNULL, start_new_session=True)
        end = time.monotonic() + 20
        while wait:
            # The socket may be that of an agent before this one: only its own answer counts.
            done = subprocess.run([BIN + "/warderctl", "--run-dir", self.run_dir, "wait", "--timeout", "10s"],
                                  capture_output=True, text=True)
            if not done.returncode:
                return
            if self.agent.poll() is not None or time.monotonic() > end:
                raise Failure("warderd is not ready: %s" % (done.stderr or done.stdout).strip())
            time.sleep(0.05)

    def stop(self, how=signal.SIGTERM):
        """Ends the agent (signal.SIGKILL: as if it crashed); what it pinned stays."""
        self.agent.send_signal(how)
        code = self.agent.wait(20)
        self.agent = None
        return code

    def ctl(self, *argv, check=True):
        done = subprocess.run(["nsenter", "--net=/run/netns/" + self.netns, BIN + "/warderctl", "--run-dir", self.run_dir, *argv],
                              capture_output=True, text=True, timeout=60)
        if check and done.returncode:
            raise Failure("warderctl %s: %s" % (" ".join(argv), (done.stderr or done.stdout).strip()))
        return done.stdout if check else done

    def ctl_json(self, *argv):
        return json.loads(self.ctl(*argv, "-o", "json"))

    def wait(self):
        self.ctl("wait", "--timeout", "10s")

    # ---- alerts

    def alerts(self):
        """All alerts so far: the objects of the JSON lines."""
        if not os.path.exists(self.alert_file):
            return []
        with open(self.alert_file) as f:
            return [json.loads(line) for line in f if line.endswith("\n")]

    def mark_alerts(self):
        """Only what comes from now on counts for alert()."""
        self.alerts_read = len(self.alerts())

    def alert(self, timeout=5.0, **fields):
        """Waits for one whose output fields are as given: alert(warder_reason="policy-denied").

        "_" stands for the dots of a field's name.
        """
        end = time.monotonic() + timeout
        while True:
            seen = self.alerts()[self.alerts_read:]
            for a in seen:
                f = {k.replace(".", "_"): v for k, v in a["output_fields"].items()}
                if all(f.get(k) == v for k, v in fields.items()):
                    return a
            if time.monotonic() > end:
                raise Failure("no alert %s; there are %d: %s" % (fields, len(seen), json.dumps(seen)[:2000]))
            time.sleep(0.02)

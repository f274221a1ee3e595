#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Cleans up after a cluster, whatever became of the test: it waits until its stdin ends.

usage: janitor.py TAG CGROUP DIRECTORY
Ends every process in the cgroup, removes the network namespaces whose names begin with TAG-, unmounts
DIRECTORY/bpf, and removes the directory and the cgroup.  Says what it could not remove, and exits 1 then.
"""
import os
import shutil
import subprocess
import sys
import time

PATIENCE_S = 5.0


def populated(cgroup):
    try:
        with open(cgroup + "/cgroup.events") as events:
            return "populated 1" in events.read()
    except FileNotFoundError:
        return False


def main():
    tag, cgroup, directory = sys.argv[1:]
    while sys.stdin.buffer.read(4096):
        pass
    left = []
    try:
        with open(cgroup + "/cgroup.kill", "w") as kill:
            kill.write("1")
    except OSError:
        pass
    end = time.monotonic() + PATIENCE_S
    while populated(cgroup) and time.monotonic() < end:
        time.sleep(0.005)
    for name in os.listdir("/run/netns") if os.path.isdir("/run/netns") else []:
        if name.startswith(tag + "-") and subprocess.run(["ip", "netns", "del", name], stderr=subprocess.DEVNULL).returncode:
            left.append("network namespace " + name)
    bpf = directory + "/bpf"
    if os.path.ismount(bpf) and subprocess.run(["umount", bpf], stderr=subprocess.DEVNULL).returncode:
        subprocess.run(["umount", "-l", bpf])
        left.append("mount " + bpf + " (detached)")
    if not os.path.ismount(bpf):
        shutil.rmtree(directory, ignore_errors=True)
    for path, _, _ in os.walk(cgroup, topdown=False):
        try:
            os.rmdir(path)
        except OSError:
            left.append("cgroup " + path)
    for what in left:
        print("left behind: " + what, file=sys.stderr)
    sys.exit(1 if left else 0)


if __name__ == "__main__":
    main()

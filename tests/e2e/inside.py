#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The process inside a pod: serves TCP and UDP, and does what the test asks it by JSON lines.

It enters the network namespace first and the cgroup second, as a container runtime's processes
appear to the node, and only then starts threads and sockets.  A request is {"id", "call", ...}; the answer
{"id", "result"} or {"id", "error"}.  Requests run side by side.
"""
import ctypes
import errno
import json
import os
import select
import socket
import struct
import subprocess
import sys
import threading
import time

CLONE_NEWNET = 0x40000000
ETH_P_ALL = 3


def enter(netns, cgroup):
    if netns:
        fd = os.open(netns, os.O_RDONLY)
        if ctypes.CDLL(None, use_errno=True).setns(fd, CLONE_NEWNET):
            raise OSError(ctypes.get_errno(), "setns " + netns)
        os.close(fd)
    with open(cgroup + "/cgroup.procs", "w") as procs:
        procs.write("0")


def family_of(address):
    return socket.AF_INET6 if ":" in address else socket.AF_INET


def outcome_of(error):
    """The name of an error: "EPERM", "ECONNREFUSED", "timeout"."""
    if isinstance(error, (socket.timeout, BlockingIOError)):
        return "timeout"
    return errno.errorcode.get(error.errno, str(error))


class Inside:
    def __init__(self, name):
        self.name = name
        self.output = threading.Lock()
        self.held = {}       # name -> TCP socket
        self.listeners = {}  # (protocol, family, port) -> socket
        self.sniffers = {}   # name -> (stop event, thread, frames)

    # ---- serving

    def serve_connection(self, connection):
        try:
            connection.sendall((self.name + "\n").encode())
            while True:
                data = connection.recv(65536)
                if not data:
                    connection.sendall(b"eof\n")  # a peer that closed its half can still hear
                    break
                connection.sendall(data)
        except OSError:
            pass
        connection.close()

    def serve_tcp(self, listener):
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=self.serve_connection, args=(connection,), daemon=True).start()

    def serve_udp(self, listener):
        while True:
            try:
                data, sender = listener.recvfrom(65536)
                listener.sendto(self.name.encode() + b" " + data, sender)
            except OSError as error:
                if error.errno == errno.EBADF:
                    return

    def listen(self, protocol, port, families=(4, 6), device=None, fastopen=False):
        for family in families:
            af = socket.AF_INET6 if family == 6 else socket.AF_INET
            kind = socket.SOCK_STREAM if protocol == "tcp" else socket.SOCK_DGRAM
            listener = socket.socket(af, kind)
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if af == socket.AF_INET6:
                listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            if device:
                listener.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, device.encode())
            listener.bind(("", port))
            if protocol == "tcp":
                if fastopen:
                    listener.setsockopt(socket.IPPROTO_TCP, 23, 16)  # TCP_FASTOPEN
                listener.listen(128)
            self.listeners[protocol, family, port] = listener
            serve = self.serve_tcp if protocol == "tcp" else self.serve_udp
            threading.Thread(target=serve, args=(listener,), daemon=True).start()

    def unlisten(self, protocol, port):
        for key in [k for k in self.listeners if k[0] == protocol and k[2] == port]:
            listener = self.listeners.pop(key)
            try:
                listener.shutdown(socket.SHUT_RDWR)  # wakes accept
            except OSError:
                pass
            listener.close()

    # ---- asking; each returns an outcome: "ok:NAME" or the name of an error

    def tcp(self, address, port, timeout=1.0, hold=None, device=None, source=None, source_port=0, fastopen=False):
        s = socket.socket(family_of(address), socket.SOCK_STREAM)
        s.settimeout(timeout)
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            if device:
                s.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, device.encode())
            if source or source_port:
                s.bind((source or "", source_port))
            if fastopen:
                s.sendto(b"fast\n", 0x20000000, (address, port))  # MSG_FASTOPEN
            else:
                s.connect((address, port))
            banner = b""
            while not banner.endswith(b"\n"):
                data = s.recv(1)
                if not data:
                    return "closed"
                banner += data
        except OSError as error:
            s.close()
            return outcome_of(error)
        if hold:
            self.held[hold] = s
        else:
            s.close()
        return "ok:" + banner.decode().strip()

    def talk(self, hold, text="hello", timeout=1.0):
        """Sends on a held connection and waits for the echo."""
        s = self.held[hold]
        s.settimeout(timeout)
        want = text.encode() + b"\n"
        try:
            s.sendall(want)
            got = b""
            while not got.endswith(b"\n"):
                data = s.recv(65536)
                if not data:
                    return "closed"
                got += data
            return "ok" if got.endswith(want) else "other:" + got.decode(errors="replace")
        except OSError as error:
            return outcome_of(error)

    def shut(self, hold, timeout=1.0):
        """Closes the writing half and waits for what the peer still says."""
        s = self.held[hold]
        s.settimeout(timeout)
        try:
            s.shutdown(socket.SHUT_WR)
            got = b""
            while True:
                data = s.recv(65536)
                if not data:
                    return "ok" if got.endswith(b"eof\n") else "closed"
                got += data
        except OSError as error:
            return outcome_of(error)

    def close(self, hold, reset=False):
        s = self.held.pop(hold)
        if reset:
            s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        s.close()

    def udp(self, address, port, timeout=1.0, text="hello", connected=False, source_port=0):
        s = socket.socket(family_of(address), socket.SOCK_DGRAM)
        s.settimeout(timeout)
        try:
            if source_port:
                s.bind(("", source_port))
            if connected:
                s.connect((address, port))
                s.send(text.encode())
            else:
                s.sendto(text.encode(), (address, port))
            data = s.recv(65536).decode()
            return "ok:" + data.split(" ", 1)[0]
        except OSError as error:
            return outcome_of(error)
        finally:
            s.close()

    def ping(self, address, timeout=1.0, size=16):
        """An echo request by a raw socket, so that sysctls have no say."""
        v6 = ":" in address
        s = socket.socket(family_of(address), socket.SOCK_RAW, socket.IPPROTO_ICMPV6 if v6 else socket.IPPROTO_ICMP)
        ident = threading.get_native_id() & 0xffff
        body = struct.pack("!HH", ident, 1) + b"w" * size
        packet = struct.pack("!BBH", 128 if v6 else 8, 0, 0) + body
        if not v6:
            packet = struct.pack("!BBH", 8, 0, checksum(packet)) + body
        try:
            s.sendto(packet, (address, 0))
            end = time.monotonic() + timeout
            while (left := end - time.monotonic()) > 0:
                s.settimeout(left)
                data, _ = s.recvfrom(65536)
                reply = data if v6 else data[(data[0] & 15) * 4:]
                if reply[0] == (129 if v6 else 0) and reply[4:6] == body[:2]:
                    return "ok"
            return "timeout"
        except OSError as error:
            return outcome_of(error)
        finally:
            s.close()

    def frame(self, data, device="eth0"):
        """One raw Ethernet frame, hexadecimal."""
        s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
        try:
            s.bind((device, 0))
            s.send(bytes.fromhex(data))
            return "ok"
        except OSError as error:
            return outcome_of(error)
        finally:
            s.close()

    # ---- seeing

    def sniff(self, name, device="eth0", most=1000):
        s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
        s.bind((device, ETH_P_ALL))
        stop, frames = threading.Event(), []

        def work():
            while not stop.is_set():
                if not select.select([s], [], [], 0.05)[0]:
                    continue
                data, where = s.recvfrom(65536)
                if len(frames) < most:
                    frames.append({"out": where[2] == socket.PACKET_OUTGOING, "data": data.hex()})
            s.close()

        thread = threading.Thread(target=work, daemon=True)
        thread.start()
        self.sniffers[name] = (stop, thread, frames)

    def sniffed(self, name):
        """Stops, and returns [{"out", "data"}]."""
        stop, thread, frames = self.sniffers.pop(name)
        stop.set()
        thread.join()
        return frames

    # ---- anything else

    def python(self, code, **arguments):
        """Runs code, which leaves its answer in `result`; arguments are its names."""
        names = {"inside": self, "socket": socket, "struct": struct, "time": time, "os": os, "threading": threading,
                 "select": select, "errno": errno, "checksum": checksum, "result": None, **arguments}
        exec(code, names)
        return names["result"]

    def run(self, argv, timeout=10.0):
        done = subprocess.run(argv, capture_output=True, text=True, timeout=timeout, stdin=subprocess.DEVNULL)
        return {"code": done.returncode, "out": done.stdout, "err": done.stderr}

    def answer(self, request):
        number, call = request.pop("id"), request.pop("call")
        try:
            reply = {"id": number, "result": getattr(self, call)(**request)}
        except Exception as error:  # told to the test, which fails with it
            reply = {"id": number, "error": "%s: %s: %s" % (call, type(error).__name__, error)}
        with self.output:
            print(json.dumps(reply), flush=True)


def checksum(data):
    if len(data) & 1:
        data += b"\0"
    total = sum(struct.unpack("!%dH" % (len(data) // 2), data))
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return ~total & 0xffff


def main():
    how = json.loads(sys.argv[1])
    enter(how["netns"], how["cgroup"])
    inside = Inside(how["name"])
    for protocol in ("tcp", "udp"):
        for port in how[protocol]:
            inside.listen(protocol, port, how["families"])
    print("ready", flush=True)
    for line in sys.stdin:
        threading.Thread(target=inside.answer, args=(json.loads(line),), daemon=True).start()


if __name__ == "__main__":
    main()

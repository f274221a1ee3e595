#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What the demo's pods run.

pod.py serve NAME PORT...         answers each TCP line with "NAME: line"
pod.py ask ADDRESS PORT TEXT      one line there and back
pod.py hold ADDRESS PORT SECONDS  one connection: a line every 100 ms, says when answers stop
pod.py raw SOURCE ADDRESS PORT    a TCP SYN made by hand, out of a raw socket
"""
import errno
import socket
import socketserver
import struct
import sys
import threading
import time


def serve(name, ports):
    class Handler(socketserver.StreamRequestHandler):
        def handle(self):
            for line in self.rfile:
                self.wfile.write(name.encode() + b": " + line)

    class Server(socketserver.ThreadingTCPServer):
        allow_reuse_address = True
        daemon_threads = True

    for port in ports:
        threading.Thread(target=Server(("0.0.0.0", port), Handler).serve_forever).start()
    print("ready", flush=True)


def ask(address, port, text):
    began = time.monotonic()
    try:
        with socket.create_connection((address, port), timeout=2) as s:
            s.sendall(text.encode() + b"\n")
            print("answer:", s.makefile().readline().strip())
    except OSError as e:
        name = errno.errorcode.get(e.errno, "no answer")
        sys.exit("refused: %s (%s) after %.1f ms" % (name, e.strerror or e, 1000 * (time.monotonic() - began)))


def hold(address, port, seconds):
    s = socket.create_connection((address, port), timeout=2)
    s.settimeout(1)
    answers, end = 0, time.monotonic() + seconds
    while time.monotonic() < end:
        s.sendall(b"still there?\n")
        try:
            if not s.recv(200):
                break
        except OSError:
            print("cut after %d answers on this connection" % answers, flush=True)
            return
        answers += 1
        time.sleep(0.1)
    print("not cut: %d answers" % answers, flush=True)


def checksum(data):
    total = sum(struct.unpack("!%dH" % (len(data) // 2), data))
    total = (total >> 16) + (total & 0xFFFF)
    return ~(total + (total >> 16)) & 0xFFFF


def raw(source, address, port):
    a, b = socket.inet_aton(source), socket.inet_aton(address)
    tcp = struct.pack("!HHIIBBHHH", 44444, port, 1, 0, 5 << 4, 2, 1024, 0, 0)
    tcp = tcp[:16] + struct.pack("!H", checksum(a + b + struct.pack("!BBH", 0, 6, len(tcp)) + tcp)) + tcp[18:]
    ip = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 40, 1, 0, 64, 6, 0, a, b)
    with socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW) as s:
        s.sendto(ip + tcp, (address, 0))
    print("sent one SYN from %s to %s:%d by hand" % (source, address, port))


command, args = sys.argv[1], sys.argv[2:]
if command == "serve":
    serve(args[0], [int(p) for p in args[1:]])
elif command == "ask":
    ask(args[0], int(args[1]), args[2])
elif command == "hold":
    hold(args[0], int(args[1]), float(args[2]))
elif command == "raw":
    raw(args[0], args[1], int(args[2]))

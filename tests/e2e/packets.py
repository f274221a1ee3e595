# SPDX-License-Identifier: Apache-2.0
"""Frames as bytes, for what no socket would send: ether(...), ipv4(...), ipv6(...), tcp(...), udp(...), icmp(...)."""
import ipaddress
import struct

FIN, SYN, RST, PSH, ACK, URG = 1, 2, 4, 8, 16, 32
TCP, UDP, ICMP, ICMP6 = 6, 17, 1, 58


def checksum(data):
    if len(data) & 1:
        data += b"\0"
    total = sum(struct.unpack("!%dH" % (len(data) // 2), data))
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return ~total & 0xffff


def packed(address):
    return ipaddress.ip_address(address).packed


def mac(text):
    return bytes.fromhex(text.replace(":", ""))


def ether(src, dst, payload, ethertype=None):
    if ethertype is None:
        ethertype = 0x86dd if payload[0] >> 4 == 6 else 0x800
    return mac(dst) + mac(src) + struct.pack("!H", ethertype) + payload


def pseudo(src, dst, protocol, size):
    a, b = packed(src), packed(dst)
    return a + b + (struct.pack("!IxxxB", size, protocol) if len(a) == 16 else struct.pack("!xBH", protocol, size))


def tcp(src, dst, sport, dport, flags, payload=b"", seq=1, ack=1):
    ack = ack if flags & ACK else 0
    head = struct.pack("!HHIIBBHHH", sport, dport, seq, ack, 5 << 4, flags, 1024, 0, 0)
    total = checksum(pseudo(src, dst, TCP, len(head) + len(payload)) + head + payload)
    return head[:16] + struct.pack("!H", total) + head[18:] + payload


def udp(src, dst, sport, dport, payload=b""):
    head = struct.pack("!HHHH", sport, dport, 8 + len(payload), 0)
    total = checksum(pseudo(src, dst, UDP, len(head) + len(payload)) + head + payload) or 0xffff
    return head[:6] + struct.pack("!H", total) + payload


def icmp(src, dst, kind, code, body):
    head = struct.pack("!BBH", kind, code, 0)
    before = pseudo(src, dst, ICMP6, len(head) + len(body)) if ":" in src else b""
    return head[:2] + struct.pack("!H", checksum(before + head + body)) + body


def ipv4(src, dst, protocol, payload, options=b"", fragment=0, ident=77):
    """fragment: flags and offset as in the header (0x2000: more; then eights of bytes)."""
    size = 20 + len(options)
    head = struct.pack("!BBHHHBBH4s4s", 4 << 4 | size // 4, 0, size + len(payload), ident, fragment, 64, protocol, 0,
                       packed(src), packed(dst)) + options
    return head[:10] + struct.pack("!H", checksum(head)) + head[12:] + payload


def ipv6(src, dst, protocol, payload, hops=64):
    return struct.pack("!IHBB", 6 << 28, len(payload), protocol, hops) + packed(src) + packed(dst) + payload


def ip(src, dst, protocol, payload, **more):
    return (ipv6 if ":" in src else ipv4)(src, dst, protocol, payload, **more)


def fragment6(protocol, payload, offset=0, more=False, ident=77):
    """The fragment header and what follows; offset in bytes."""
    return struct.pack("!BxHI", protocol, offset | more, ident) + payload


def arp(operation, sender_mac, sender, target_mac, target):
    return struct.pack("!HHBBH", 1, 0x800, 6, 4, operation) + mac(sender_mac) + packed(sender) + mac(target_mac) + packed(target)

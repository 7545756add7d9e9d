#!/usr/bin/env python3
"""How much later a packet leaves riverrun's relay than it came, with many viewers.

    cargo build --release --example relay --example rtsp_load
    benches/relay_latency.py [--clients 200] [--seconds S] [--burst N] [--transport udp]

Publishes a stream of 4 Mbit/s whose packets hold the time at which they were sent, in bursts of N,
over TCP. rtsp_load is the viewers but two: the first and the last to come are sockets of this
program's own, over UDP, and the kernel tells when a packet reached them (SO_TIMESTAMPNS). It prints
percentiles of the time between, in microseconds, and for how long the hypervisor took processor 0 away
meanwhile (steal in /proc/stat; a packet that comes then is late by all of that). Beside it is what the
system takes: the time of a sendmmsg with one such packet to each of as many sockets, at the same
intervals, and nothing else. The relay is on processor 0, all else on processor 1. Needs Linux.
"""

import argparse
import contextlib
import ctypes
import os
import select
import shutil
import signal
import socket
import struct
import subprocess
import tempfile
import time

EXAMPLES = os.path.join(os.path.dirname(__file__), "..", "target", "release", "examples")
ENVIRONMENT = {**os.environ, "RUST_LOG": "warn"}
SO_TIMESTAMPNS = 35
PAYLOAD = 1400
RATE = 4_000_000
SDP = ("v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=latency\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n"
       "m=video 0 RTP/AVP 96\r\na=rtpmap:96 X-SENT-AT/90000\r\na=control:track1\r\n")


class Rtsp:
    """A connection on which one request waits for its answer."""

    def __init__(self, port, url):
        self.socket = socket.create_connection(("127.0.0.1", port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.url, self.session, self.cseq, self.input = url, None, 0, b""

    def ask(self, method, path="", body="", **headers):
        self.cseq += 1
        headers = {"CSeq": self.cseq, **{k.replace("_", "-"): v for k, v in headers.items()}}
        if self.session:
            headers["Session"] = self.session
        if body:
            headers["Content-Length"] = len(body)
        lines = [f"{method} {self.url}{path} RTSP/1.0"] + [f"{k}: {v}" for k, v in headers.items()]
        self.socket.sendall(("\r\n".join(lines) + "\r\n\r\n" + body).encode())
        while b"\r\n\r\n" not in self.input:
            piece = self.socket.recv(4096)
            if not piece:
                raise SystemExit(f"{method}: the relay has ended the connection")
            self.input += piece
        head, _, self.input = self.input.partition(b"\r\n\r\n")
        head = head.decode()
        found = dict(line.split(":", 1) for line in head.split("\r\n")[1:])
        missing = int(found.get("Content-Length", 0)) - len(self.input)
        while missing > 0:
            missing -= len(piece := self.socket.recv(missing))
        self.input = b""
        if " 200 " not in head.split("\r\n")[0]:
            raise SystemExit(f"{method}: {head}")
        if "Session" in found:
            self.session = found["Session"].split(";")[0].strip()


def view(port, url):
    """Plays over UDP; returns the connection and the socket to which packets come."""
    port_of_rtp = 1
    while port_of_rtp % 2:
        rtp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        rtp.bind(("127.0.0.1", 0))
        port_of_rtp = rtp.getsockname()[1]
    rtp.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
    rtp.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
    rtsp = Rtsp(port, url)
    rtsp.ask("DESCRIBE")
    ports = f"{port_of_rtp}-{port_of_rtp + 1}"
    rtsp.ask("SETUP", "/track1", Transport=f"RTP/AVP;unicast;client_port={ports}")
    rtsp.ask("PLAY")
    return rtsp, rtp


def delays(rtp):
    """Nanoseconds from the sending of each packet that waits to its arrival."""
    while select.select([rtp], [], [], 0)[0]:
        packet, control, _, _ = rtp.recvmsg(2048, 256)
        if len(packet) != 12 + PAYLOAD:
            continue
        for level, kind, data in control:
            if (level, kind) == (socket.SOL_SOCKET, SO_TIMESTAMPNS):
                seconds, nanoseconds = struct.unpack("qq", data[:16])
                (sent,) = struct.unpack_from("!Q", packet, 12)
                yield seconds * 1_000_000_000 + nanoseconds - sent


def publish(rtsp, options, viewers):
    """Sends for a time; returns the delays that each viewer saw."""
    seen = {name: [] for name in viewers}
    interval = options.burst * PAYLOAD * 8 / RATE
    began, sequence, bursts = time.monotonic(), 0, 0
    while time.monotonic() < began + options.seconds:
        time.sleep(max(0, began + bursts * interval - time.monotonic()))
        bursts += 1
        timestamp = int(bursts * interval * 90_000) & 0xffffffff
        for number in range(options.burst):
            marker = 0x80 if number + 1 == options.burst else 0
            head = struct.pack("!BBHII", 0x80, marker | 96, sequence & 0xffff, timestamp, 1)
            sequence += 1
            prefix = struct.pack("!cBH", b"$", 0, 12 + PAYLOAD)
            sent = struct.pack("!Q", time.time_ns())
            rtsp.socket.sendall(prefix + head + sent + bytes(PAYLOAD - 8))
        for name, (_, rtp) in viewers.items():
            seen[name].extend(delays(rtp))
    return seen


class Header(ctypes.Structure):
    """struct msghdr"""
    _fields_ = [("name", ctypes.c_void_p), ("name_length", ctypes.c_uint32),
                ("parts", ctypes.c_void_p), ("part_count", ctypes.c_size_t),
                ("control", ctypes.c_void_p), ("control_length", ctypes.c_size_t),
                ("flags", ctypes.c_int)]


class Message(ctypes.Structure):
    """struct mmsghdr"""
    _fields_ = [("header", Header), ("sent", ctypes.c_uint)]


class Part(ctypes.Structure):
    """struct iovec"""
    _fields_ = [("base", ctypes.c_void_p), ("length", ctypes.c_size_t)]


def sending(ports, options):
    """Nanoseconds that each sendmmsg of a packet to all these ports takes."""
    library = ctypes.CDLL(None, use_errno=True)
    packet = ctypes.create_string_buffer(12 + PAYLOAD)
    part = Part(ctypes.addressof(packet), len(packet))
    names = [ctypes.create_string_buffer(struct.pack("=HH4s8x", socket.AF_INET, socket.htons(port),
                                                     socket.inet_aton("127.0.0.1")), 16)
             for port in ports]
    messages = (Message * len(ports))()
    for message, name in zip(messages, names):
        header = message.header
        header.name, header.name_length = ctypes.addressof(name), len(name)
        header.parts, header.part_count = ctypes.addressof(part), 1
    interval, took = PAYLOAD * 8 / RATE, []
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        began = time.monotonic()
        while time.monotonic() < began + options.seconds:
            time.sleep(max(0, began + len(took) * interval - time.monotonic()))
            before, sent = time.perf_counter_ns(), 0
            while sent < len(ports):
                n = library.sendmmsg(sender.fileno(), ctypes.byref(messages[sent]),
                                     len(ports) - sent, 0)
                if n < 0:
                    raise OSError(ctypes.get_errno(), "sendmmsg")
                sent += n
            took.append(time.perf_counter_ns() - before)
    return took


def limit(options, pinned):
    """What `sending` takes on processor 0 while another process reads on processor 1."""
    receivers = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(options.clients)]
    for receiver in receivers:
        receiver.bind(("127.0.0.1", 0))
    reader = os.fork()
    if reader == 0:
        poll = select.epoll()
        by_number = {receiver.fileno(): receiver for receiver in receivers}
        for number in by_number:
            poll.register(number, select.EPOLLIN)
        while True:
            for number, _ in poll.poll():
                by_number[number].recv(2048)
    try:
        if pinned:
            os.sched_setaffinity(0, {0})
        return sending([receiver.getsockname()[1] for receiver in receivers], options)
    finally:
        os.kill(reader, signal.SIGKILL)
        os.waitpid(reader, 0)


def stolen(processor):
    """Milliseconds for which the hypervisor has taken a processor away."""
    with open("/proc/stat", encoding="ascii") as file:
        fields = next(line.split() for line in file if line.startswith(f"cpu{processor} "))
    return int(fields[8]) * 1000 // os.sysconf("SC_CLK_TCK")


def percentiles(values):
    values.sort()
    shares = {"p50": 0.5, "p99": 0.99, "p99.9": 0.999}
    shown = ", ".join(f"{share} {values[int(len(values) * part)] / 1000:.0f}"
                      for share, part in shares.items())
    return f"{len(values)} packets: {shown}, most {values[-1] / 1000:.0f} us"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--clients", type=int, default=200)
    parser.add_argument("--transport", default="udp", help="of the other viewers")
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--burst", type=int, default=1)
    parser.add_argument("--examples", default=EXAMPLES)
    options = parser.parse_args()
    pinned = os.cpu_count() > 1 and shutil.which("taskset")
    on = (lambda processor: ["taskset", "-c", str(processor)]) if pinned else (lambda _: [])
    if pinned:
        os.sched_setaffinity(0, {1})
    with contextlib.ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory())
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        with open(f"{folder}/relay.toml", "w", encoding="utf-8") as file:
            file.write(f'[[listen]]\naddress = "127.0.0.1:{port}"\n[limits]\nper_address = 0\n')

        def start(processor, *command):
            process = subprocess.Popen(on(processor) + list(command), env=ENVIRONMENT,
                                       stdout=subprocess.DEVNULL)
            stack.callback(process.wait)
            stack.callback(process.kill)

        start(0, f"{options.examples}/relay", f"{folder}/relay.toml")
        time.sleep(1)
        url = f"rtsp://127.0.0.1:{port}/latency"
        publisher = Rtsp(port, url)
        publisher.ask("ANNOUNCE", body=SDP, Content_Type="application/sdp")
        publisher.ask("SETUP", "/track1",
                      Transport="RTP/AVP/TCP;unicast;interleaved=0-1;mode=record")
        publisher.ask("RECORD")
        viewers = {"first": view(port, url)}
        start(1, f"{options.examples}/rtsp_load", "--clients", str(max(0, options.clients - 2)),
              "--transport", options.transport, "--seconds", "3600", url)
        time.sleep(3)
        viewers["last"] = view(port, url)
        before = stolen(0)
        delays_of = publish(publisher, options, viewers)
        taken = stolen(0) - before
    for name, seen in delays_of.items():
        print(f"{name} viewer, {percentiles(seen)}")
    print(f"processor 0 taken away: {taken} ms of {options.seconds:.0f} s")
    before = stolen(0)
    took = limit(options, pinned)
    print(f"sendmmsg to {options.clients}, {percentiles(took)}")
    print(f"processor 0 taken away: {stolen(0) - before} ms of {options.seconds:.0f} s")


if __name__ == "__main__":
    main()

#!/usr/bin/env python3
"""Soak of riverrun's relay: it pulls two sources that are killed at random, and ten viewers stay.

    cargo build --release --example media_server --example relay
    benches/relay_soak.py [--minutes 30]

Each source is a media_server that plays testdata/media/h264_aac.mkv over and over. Every 20 s on
average it is killed, and started again after up to 5 s. The viewers are FFmpeg, half of them over UDP
and half over TCP. It fails if a viewer ends, or receives nothing for longer than a minute, or if the
relay's memory at the end differs from that after the first tenth of the time by more than a tenth, or
its descriptors by more than two. Needs Linux' /proc and FFmpeg.
"""

import argparse
import contextlib
import os
import random
import re
import socket
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
MEDIA = os.path.join(HERE, "..", "testdata", "media")
ENVIRONMENT = {**os.environ, "RUST_LOG": "warn"}
INTERVAL = 20
VIEWERS = 10


def free_port():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


class Source:
    """A media_server on a port of its own, which is killed and started again."""

    def __init__(self, examples):
        self.examples, self.port, self.process, self.cuts = examples, free_port(), None, 0
        self.start()

    def start(self):
        self.process = subprocess.Popen(
            [f"{self.examples}/media_server", "--bind", "127.0.0.1", "--port", str(self.port),
             "--loop", "--reuse-first-source", MEDIA],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=ENVIRONMENT)
        self.due = time.monotonic() + random.uniform(INTERVAL / 2, INTERVAL * 3 / 2)

    def run(self):
        if time.monotonic() < self.due:
            return
        if self.process:
            self.end()
            self.cuts += 1
            self.due = time.monotonic() + random.uniform(0, 5)
        else:
            self.start()

    def end(self):
        if self.process:
            self.process.kill()
            self.process.wait()
            self.process = None


class Viewer:
    """FFmpeg, whose progress tells how much it has received."""

    def __init__(self, url, transport, folder, number):
        self.name, self.path = f"viewer {number} ({transport})", f"{folder}/{number}"
        self.seen, self.since, self.longest = None, time.monotonic(), 0
        self.process = subprocess.Popen(
            ["ffmpeg", "-nostdin", "-v", "error", "-rtsp_transport", transport, "-i", url,
             "-map", "0", "-c", "copy", "-f", "null", "-progress", self.path, "-"],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def look(self):
        """What is wrong with it, if anything."""
        if self.process.poll() is not None:
            return f"{self.name} has ended: {self.process.returncode}"
        with contextlib.suppress(OSError):
            with open(self.path, "rb") as file:
                file.seek(max(0, os.path.getsize(self.path) - 1000))
                frames = re.findall(rb"frame=(\d+)", file.read())
            if frames and frames[-1] != self.seen:
                self.longest = max(self.longest, time.monotonic() - self.since)
                self.seen, self.since = frames[-1], time.monotonic()
        if time.monotonic() > self.since + 60:
            return f"{self.name} receives nothing for a minute"
        return None


def usage(pid, sources):
    """Resident KiB and open descriptors, with all sources there: those of one that is away are closed."""
    for source in sources:
        if not source.process:
            source.start()
    time.sleep(20)
    with open(f"/proc/{pid}/status", encoding="ascii") as file:
        resident = int(re.search(r"VmRSS:\s+(\d+)", file.read()).group(1))
    return resident, len(os.listdir(f"/proc/{pid}/fd"))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=30)
    parser.add_argument("--examples", default=os.path.join(HERE, "../target/release/examples"))
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    random.seed(options.seed)
    faults = []
    with contextlib.ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory())
        sources = [Source(options.examples) for _ in range(2)]
        for source in sources:
            stack.callback(source.end)
        port = free_port()
        with open(f"{folder}/relay.toml", "w", encoding="utf-8") as file:
            file.write(f'[[listen]]\naddress = "127.0.0.1:{port}"\n')
            for number, source in enumerate(sources):
                file.write(f'[stream.cam{number}]\n'
                           f'pull.url = "rtsp://127.0.0.1:{source.port}/h264_aac.mkv"\n'
                           f'pull.when = "always"\n')
        relay = subprocess.Popen([f"{options.examples}/relay", f"{folder}/relay.toml"],
                                 stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                                 env=ENVIRONMENT)
        stack.callback(relay.wait)
        stack.callback(relay.kill)
        time.sleep(3)
        viewers = []
        for number in range(VIEWERS):
            url = f"rtsp://127.0.0.1:{port}/cam{number % 2}"
            transport = "udp" if number // 2 % 2 else "tcp"
            viewers.append(Viewer(url, transport, folder, number))
            stack.callback(viewers[-1].process.wait)
            stack.callback(viewers[-1].process.kill)
        began, first = time.monotonic(), None
        ends = began + options.minutes * 60
        while time.monotonic() < ends and not faults:
            time.sleep(0.2)
            if relay.poll() is not None:
                faults.append(f"the relay has ended: {relay.returncode}")
                break
            for source in sources:
                source.run()
            faults.extend(filter(None, (viewer.look() for viewer in viewers)))
            if first is None and time.monotonic() > began + options.minutes * 6:
                first = usage(relay.pid, sources)
        if not faults:
            last = usage(relay.pid, sources)
            print(f"KiB and descriptors: {first} after a tenth of the time, {last} at the end")
            if abs(last[0] - first[0]) > first[0] / 10 or abs(last[1] - first[1]) > 2:
                faults.append("the relay's memory or descriptors have changed")
        cuts = sum(source.cuts for source in sources)
        longest = max(viewer.longest for viewer in viewers)
        print(f"{(time.monotonic() - began) / 60:.1f} minutes, {cuts} cuts, {VIEWERS} viewers, "
              f"longest time without a packet {longest:.1f} s")
    if faults:
        sys.exit("\n".join(faults))


if __name__ == "__main__":
    main()

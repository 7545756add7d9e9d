#!/usr/bin/env python3
"""What it costs to receive many streams: riverrun in one process, beside what the kernel alone
charges, and beside one process a stream of FFmpeg and of live555's openRTSP, if they are there.

    cargo build --release --example media_server --example rtsp_load --example receive_limit
    benches/receiving.py MEDIA [--clients N] [--seconds S] [--rounds R] [--openrtsp PATH]

MEDIA is a folder with a file live.264 (BENCHMARKS.md tells how to make it). Each measurement has a
fresh media_server, which sends one shared stream, on processor 0; what receives is on processor 1.
Rounds alternate between the receivers, and medians are printed: nanoseconds of processor time a
packet, user and kernel, and the ratios. Needs Linux' /proc.
"""

import argparse
import glob
import json
import os
import re
import shutil
import statistics
import subprocess
import sys
import time

EXAMPLES = os.path.join(os.path.dirname(__file__), "..", "target", "release", "examples")


def pinned(processor, command):
    several = (os.cpu_count() or 1) > 1 and shutil.which("taskset")
    return (["taskset", "-c", str(processor)] if several else []) + command


class Server:
    """A media_server on a free port."""

    def __init__(self, options):
        self.process = subprocess.Popen(
            pinned(0, [f"{options.examples}/media_server", "--bind", "127.0.0.1", "--port", "0",
                       "--reuse-first-source", "--loop", "--shared-ports", options.media]),
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
            env={**os.environ, "RUST_LOG": "warn"})
        line = self.process.stdout.readline()
        self.url = re.search(r"rtsp://[^/]+", line).group() + "/live.264"

    def __enter__(self):
        return self.url

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()


def processor_time(pid):
    """Nanoseconds that the threads of a process have run, by the scheduler's count."""
    total = 0
    for path in glob.glob(f"/proc/{pid}/task/*/schedstat"):
        with open(path, encoding="ascii") as file:
            total += int(file.read().split()[0])
    return total


def memory(pid):
    """Resident KiB of a process; None if it has ended."""
    with open(f"/proc/{pid}/status", encoding="ascii") as file:
        found = re.search(r"VmRSS:\s+(\d+)", file.read())
    return found and int(found.group(1))


def one_process(command, url, options):
    """Figures of a program that measures itself."""
    times = ["--clients", str(options.clients), "--seconds", str(options.seconds), "--json"]
    result = subprocess.run(pinned(1, command + times + [url]), capture_output=True, text=True,
                            env={**os.environ, "RUST_LOG": "warn"})
    if result.returncode != 0:
        print(result.stdout, result.stderr, file=sys.stderr)
    figures = json.loads(result.stdout)
    options.rate = figures["packets"] / figures["seconds"] / options.clients
    return figures["load_ns_per_packet"]


def many_processes(command, url, options):
    """Figures of one process a stream, in a time in which all of them receive."""
    processes = []
    try:
        for _ in range(options.clients):
            processes.append(subprocess.Popen(
                pinned(1, [part.replace("URL", url) for part in command]),
                stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL))
            time.sleep(0.02)
        # They look at a stream for some seconds before they take it for one.
        time.sleep(options.settle)
        alive = [p.pid for p in processes if p.poll() is None]
        before, since = [processor_time(pid) for pid in alive], time.monotonic()
        time.sleep(options.seconds)
        after, passed = [processor_time(pid) for pid in alive], time.monotonic() - since
        resident = [memory(pid) for pid in alive]
    finally:
        for process in processes:
            process.kill()
        for process in processes:
            process.wait()
    used = [b - a for a, b, kib in zip(before, after, resident) if kib and b > a]
    if len(used) < options.clients:
        print(f"{command[0]}: only {len(used)} receive", file=sys.stderr)
    kib = statistics.mean(kib for kib in resident if kib)
    print(f"{command[0]}: {kib:.0f} KiB a process", file=sys.stderr)
    return sum(used) / (options.rate * passed * len(used))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("media")
    parser.add_argument("--clients", type=int, default=100)
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--settle", type=float, default=8)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--examples", default=EXAMPLES)
    parser.add_argument("--ffmpeg", default=shutil.which("ffmpeg"))
    parser.add_argument("--openrtsp", default=shutil.which("openRTSP"))
    parser.add_argument("--only", default="", help="names of receivers begin with this")
    options = parser.parse_args()

    load, limit = f"{options.examples}/rtsp_load", f"{options.examples}/receive_limit"
    receivers = {}
    for transport in "tcp", "udp":
        bare = [limit] + (["--tcp"] if transport == "tcp" else [])
        receivers[f"{transport} riverrun"] = (one_process, [load, "--transport", transport])
        receivers[f"{transport} limit"] = (one_process, bare)
        if options.ffmpeg:
            receivers[f"{transport} ffmpeg"] = (many_processes, [
                options.ffmpeg, "-nostdin", "-v", "error", "-rtsp_transport", transport,
                "-i", "URL", "-c", "copy", "-f", "null", "-"])
        if options.openrtsp:
            receivers[f"{transport} openRTSP"] = (many_processes, [
                options.openrtsp, *(["-t"] if transport == "tcp" else []), "-v", "-V",
                "-b", "200000", "URL"])
    results = {name: [] for name in receivers if name.startswith(options.only)}
    for number in range(options.rounds):
        for name, values in results.items():
            measure, command = receivers[name]
            with Server(options) as url:
                values.append(measure(command, url, options))
            print(f"round {number + 1}: {name}: {values[-1]:.0f} ns", file=sys.stderr)
    for transport in "tcp", "udp":
        own = statistics.median(results.get(f"{transport} riverrun") or [float("nan")])
        for name, values in results.items():
            if name.startswith(transport):
                median = statistics.median(values)
                print(f"{name:>16}: {median:8.0f} ns a packet, riverrun is {own / median:.2f} x that")


if __name__ == "__main__":
    main()

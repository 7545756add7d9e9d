#!/usr/bin/env python3
"""What files on demand cost by their kind: the same pictures as a H.264 file, in MP4, in a fragmented MP4
and in Matroska, each client with a stream of its own.

    cargo build --release --example media_server --example rtsp_load
    benches/files.py MEDIA [--clients 50] [--transports udp,tcp] [--rounds R]

MEDIA is a folder with a file live.264 (BENCHMARKS.md tells how to make it), of which FFmpeg makes the
others. Each measurement has a fresh media_server on processor 0; the clients are on processor 1. Rounds
alternate, and medians are printed: nanoseconds of processor time of the server a packet that clients
receive, beside that of the H.264 file, and the memory of the server. What opening a file of two hours
takes is in `cargo bench --features simulation -- "MP4 of two hours"`, and what its session holds in
`cargo test --test mp4_sessions`. Needs Linux' /proc.
"""

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import tempfile

import relaying

# The files, and how FFmpeg makes them of the first.
KINDS = {
    "live.264": None,
    "live.mp4": ["-movflags", "+faststart"],
    "fragments.mp4": ["-movflags", "+frag_keyframe+empty_moov+default_base_moof"],
    "live.mkv": [],
}
# Options of a server whose streams are shared.
SHARED = ("--reuse-first-source", "--shared-ports")


def make_files(media, folder):
    source = os.path.join(media, "live.264")
    shutil.copy(source, folder)
    for name, how in KINDS.items():
        if how is not None:
            command = ["ffmpeg", "-v", "error", "-nostdin", "-i", source, "-c", "copy", *how]
            subprocess.run([*command, os.path.join(folder, name)], check=True)


def on_demand(name):
    def start(options, stack, port):
        command = [part for part in relaying.media_server(options, port) if part not in SHARED]
        server = stack.enter_context(relaying.running(0, command))
        relaying.wait_for(port)
        return server, f"rtsp://127.0.0.1:{port}/{name}"

    start.__name__ = name
    return start


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("media")
    parser.add_argument("--clients", default="50")
    parser.add_argument("--transports", default="udp,tcp")
    parser.add_argument("--seconds", type=float, default=5)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--examples", default=relaying.EXAMPLES)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        make_files(options.media, folder)
        options.media = folder
        for transport in options.transports.split(","):
            for clients in options.clients.split(","):
                results = {name: [] for name in KINDS}
                for _ in range(options.rounds):
                    for name, found in results.items():
                        start = on_demand(name)
                        nanoseconds, kib, lost = relaying.measure(start, clients, transport, options)
                        print(f"{transport} {clients} {name}: {nanoseconds} ns, {kib} KiB, "
                              f"{lost} lost", file=sys.stderr)
                        if nanoseconds:
                            found.append((nanoseconds, kib or 0))
                medians = {name: [statistics.median(values) for values in zip(*found)]
                           for name, found in results.items() if found}
                of_h264 = medians.get("live.264", [float("nan")])[0]
                print(f"{transport}, {clients} clients:", ", ".join(
                    f"{name} {ns:.0f} ns ({ns / of_h264:.2f}), {kib:.0f} KiB"
                    for name, (ns, kib) in medians.items()))


if __name__ == "__main__":
    main()

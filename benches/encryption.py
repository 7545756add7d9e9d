#!/usr/bin/env python3
"""What it costs a server to encrypt: plain TCP beside TLS, and plain UDP beside SRTP, for a stream
that all clients share; and what OpenSSL takes to encrypt as many bytes.

    cargo build --release --features tls,srtp --example media_server --example rtsp_load
    benches/encryption.py MEDIA [--clients 50,200] [--seconds S] [--rounds R]

MEDIA is a folder with a file live.264 (BENCHMARKS.md tells how to make it). Each measurement has a
fresh media_server on processor 0; the clients are on processor 1. Rounds alternate, and medians are
printed: nanoseconds of processor time a packet. Needs Linux' /proc and the program openssl.
"""

import argparse
import json
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile

EXAMPLES = os.path.join(os.path.dirname(__file__), "..", "target", "release", "examples")
# Transport of the clients, whether they come over TLS, options of the server.
CASES = {
    "tcp": ("tcp", False, []),
    "tls": ("tcp", True, []),
    "udp": ("udp", False, ["--shared-ports"]),
    "srtp": ("udp", True, ["--shared-ports", "--srtp", "require"]),
}


def pinned(processor, command):
    several = (os.cpu_count() or 1) > 1 and shutil.which("taskset")
    return (["taskset", "-c", str(processor)] if several else []) + command


def certificate(folder):
    """The options for a certificate of its own."""
    files = [f"{folder}/cert.pem", f"{folder}/key.pem"]
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
                    "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2", "-subj",
                    "/CN=localhost", "-out", files[0], "-keyout", files[1]],
                   check=True, capture_output=True)
    return ["--tls-cert", files[0], "--tls-key", files[1], "--tls-port", "0"]


def measure(case, clients, tls, options):
    """Nanoseconds of the server a packet, and bytes of a packet."""
    transport, is_secure, more = CASES[case]
    command = [f"{options.examples}/media_server", "--bind", "127.0.0.1", "--port", "0",
               "--max-per-address", "0", "--reuse-first-source", "--loop", *more, *tls,
               options.media]
    environment = {**os.environ, "RUST_LOG": "warn"}
    server = subprocess.Popen(pinned(0, command), stdout=subprocess.PIPE,
                              stderr=subprocess.DEVNULL, text=True, env=environment)
    try:
        scheme = "rtsps" if is_secure else "rtsp"
        for line in server.stdout:
            found = re.search(rf"\b{scheme}://[^/]+", line)
            if found:
                break
        else:
            sys.exit(f"media_server prints no URL of {scheme}")
        load = [f"{options.examples}/rtsp_load", "--insecure", "--clients", str(clients),
                "--transport", transport, "--seconds", str(options.seconds), "--json",
                "--pid", str(server.pid), f"{found.group()}/live.264"]
        result = subprocess.run(pinned(1, load), capture_output=True, text=True, env=environment)
        if result.returncode != 0:
            sys.exit(result.stdout + result.stderr)
        figures = json.loads(result.stdout)
        return (figures["server_ns_per_packet"],
                figures["mbit_per_s"] * figures["seconds"] * 125_000 / figures["packets"])
    finally:
        server.kill()
        server.wait()


def openssl():
    """Nanoseconds that OpenSSL takes to encrypt a byte, in records as large as those of TLS."""
    command = ["openssl", "speed", "-seconds", "1", "-bytes", "16384", "-evp", "aes-256-gcm"]
    result = subprocess.run(pinned(0, command), capture_output=True, text=True, check=True)
    return 1e6 / float(result.stdout.split()[-1].rstrip("k"))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("media")
    parser.add_argument("--clients", default="50,200")
    parser.add_argument("--seconds", type=float, default=5)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--examples", default=EXAMPLES)
    options = parser.parse_args()

    with tempfile.TemporaryDirectory() as folder:
        tls = certificate(folder)
        for clients in options.clients.split(","):
            results = {name: [] for name in [*CASES, "openssl"]}
            for _ in range(options.rounds):
                for case in CASES:
                    nanoseconds, size = measure(case, clients, tls, options)
                    results[case].append(nanoseconds)
                results["openssl"].append(openssl() * size)
            medians = {name: statistics.median(values) for name, values in results.items()}
            print(f"{clients} clients:", ", ".join(f"{n} {v:.0f} ns" for n, v in medians.items()))
            print(f"  TLS is {medians['tls'] / (medians['tcp'] + medians['openssl']):.2f} x plain "
                  f"TCP and OpenSSL, SRTP {medians['srtp'] / medians['udp']:.2f} x plain UDP")


if __name__ == "__main__":
    main()

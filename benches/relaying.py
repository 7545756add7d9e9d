#!/usr/bin/env python3
"""What it costs to relay a stream: riverrun's relay and proxy_server, beside a stream of media_server's
own, and beside live555ProxyServer and mediamtx, if they are there.

    cargo build --release --example media_server --example relay --example proxy_server \\
        --example rtsp_load --example receive_limit
    benches/relaying.py MEDIA [--clients 1,50,200] [--transports udp,tcp] [--rounds R]
        [--only NAMES] [--live555 PATH] [--mediamtx PATH]
    benches/relaying.py MEDIA --cameras 100

MEDIA is a folder with a file live.264 (BENCHMARKS.md tells how to make it). Each measurement has a
fresh server on processor 0; its source and the clients are on processor 1. relay and mediamtx are
published to by FFmpeg, the proxies pull from a media_server. Rounds alternate, and medians are
printed: nanoseconds of processor time of the server a packet that viewers receive. Where the first
number of clients is 1, what relay takes more than the own stream there is the price of receiving, of
which each of N viewers has an Nth. With --cameras, proxy_server pulls so many streams over UDP and has
one viewer for each; beside it is what the kernel takes: for receiving, the time of receive_limit, which
does nothing with what it receives, and for sending, the system time of the media_server that is the
cameras. Needs Linux' /proc.
"""

import argparse
import contextlib
import json
import os
import re
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time

EXAMPLES = os.path.join(os.path.dirname(__file__), "..", "target", "release", "examples")
ENVIRONMENT = {**os.environ, "RUST_LOG": "warn"}


def pinned(processor, command):
    several = (os.cpu_count() or 1) > 1 and shutil.which("taskset")
    return (["taskset", "-c", str(processor)] if several else []) + command


@contextlib.contextmanager
def running(processor, command, **options):
    options = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "env": ENVIRONMENT,
               "stdin": subprocess.DEVNULL, **options}
    process = subprocess.Popen(pinned(processor, command), **options)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def wait_for(port):
    for _ in range(100):
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        time.sleep(0.1)
    sys.exit(f"nothing listens on port {port}")


def media_server(options, port):
    return [f"{options.examples}/media_server", "--bind", "127.0.0.1", "--port", str(port),
            "--max-per-address", "0", "--reuse-first-source", "--loop", "--shared-ports",
            options.media]


def own(options, stack, port):
    server = stack.enter_context(running(0, media_server(options, port)))
    wait_for(port)
    return server, f"rtsp://127.0.0.1:{port}/live.264"


def publish(options, stack, url):
    stack.enter_context(running(1, [
        "ffmpeg", "-v", "error", "-nostdin", "-re", "-stream_loop", "-1", "-i",
        f"{options.media}/live.264", "-c", "copy", "-f", "rtsp", "-rtsp_transport", "tcp", url]))
    time.sleep(3)
    return url


def relay(options, stack, port):
    folder = stack.enter_context(tempfile.TemporaryDirectory())
    with open(f"{folder}/relay.toml", "w", encoding="utf-8") as file:
        file.write(f'[[listen]]\naddress = "127.0.0.1:{port}"\n[limits]\nper_address = 0\n')
    server = stack.enter_context(
        running(0, [f"{options.examples}/relay", f"{folder}/relay.toml"]))
    wait_for(port)
    return server, publish(options, stack, f"rtsp://127.0.0.1:{port}/live")


def mediamtx(options, stack, port):
    environment = {**ENVIRONMENT, "MTX_RTSPADDRESS": f"127.0.0.1:{port}", "MTX_RTMP": "no",
                   "MTX_HLS": "no", "MTX_WEBRTC": "no", "MTX_SRT": "no",
                   "MTX_RTPADDRESS": f":{free_port() // 2 * 2}", "MTX_LOGLEVEL": "error"}
    folder = stack.enter_context(tempfile.TemporaryDirectory())
    command = [os.path.abspath(options.mediamtx)]
    server = stack.enter_context(running(0, command, env=environment, cwd=folder))
    wait_for(port)
    return server, publish(options, stack, f"rtsp://127.0.0.1:{port}/live")


def source(options, stack):
    port = free_port()
    stack.enter_context(running(1, media_server(options, port)))
    wait_for(port)
    return f"rtsp://127.0.0.1:{port}/live.264"


def proxy(options, stack, port):
    server = stack.enter_context(running(0, [
        f"{options.examples}/proxy_server", "--bind", "127.0.0.1", "-p", str(port), "-t",
        "--max-per-address", "0", "--always", source(options, stack)]))
    wait_for(port)
    return server, f"rtsp://127.0.0.1:{port}/proxyStream"


def live555(options, stack, port):
    server = stack.enter_context(running(
        0, [options.live555, "-t", "-p", str(port), source(options, stack)],
        stderr=subprocess.PIPE, text=True))
    for line in server.stderr:
        found = re.search(r"rtsp://[^:/]+:(\d+)/proxyStream", line)
        if found:
            return server, f"rtsp://127.0.0.1:{found.group(1)}/proxyStream"
    sys.exit("live555ProxyServer tells no URL")


def measure(start, clients, transport, options):
    with contextlib.ExitStack() as stack:
        server, url = start(options, stack, free_port())
        load = [f"{options.examples}/rtsp_load", "--clients", str(clients), "--transport",
                transport, "--seconds", str(options.seconds), "--json", "--pid", str(server.pid),
                url]
        result = subprocess.run(pinned(1, load), capture_output=True, text=True, env=ENVIRONMENT)
        try:
            figures = json.loads(result.stdout)
        except ValueError:
            sys.exit(f"{start.__name__}: {result.stdout}{result.stderr}")
        if result.returncode != 0:
            print(f"{start.__name__}: {result.stderr.strip()}", file=sys.stderr)
        return figures.get("server_ns_per_packet"), figures.get("server_kib"), figures["lost"]


def system_seconds(pid):
    """Processor time that a process has had in the kernel."""
    with open(f"/proc/{pid}/stat", encoding="ascii") as file:
        return int(file.read().rpartition(")")[2].split()[12]) / os.sysconf("SC_CLK_TCK")


def load(options, count, pid, urls):
    return pinned(1, [f"{options.examples}/rtsp_load", "--clients", str(count), "--seconds",
                      str(options.seconds), "--warm-up", "4", "--json", "--pid", str(pid), *urls])


def start_cameras(options, stack):
    """A media_server that has a stream of its own for each who pulls."""
    port = free_port()
    command = [part for part in media_server(options, port) if part != "--reuse-first-source"]
    command += ["--max-sessions", "1000", "--max-connections", "1000"]
    cameras = stack.enter_context(running(1, command))
    wait_for(port)
    return cameras, f"rtsp://127.0.0.1:{port}/live.264"


def measure_cameras(options, count):
    """Nanoseconds a packet: of proxy_server, of receiving alone, and of sending in the kernel."""
    with contextlib.ExitStack() as stack:
        cameras, url = start_cameras(options, stack)
        port = free_port()
        named = [part for number in range(count) for part in ("--name", f"cam{number}", url)]
        proxy = stack.enter_context(running(0, [
            f"{options.examples}/proxy_server", "--bind", "127.0.0.1", "-p", str(port), "--udp",
            "--max-per-address", "0", "--max-sessions", "1000", "--max-connections", "1000",
            "--always", *named]))
        wait_for(port)
        time.sleep(3)
        urls = [f"rtsp://127.0.0.1:{port}/cam{number}" for number in range(count)]
        viewers = subprocess.Popen(load(options, count, proxy.pid, urls), text=True,
                                   stdout=subprocess.PIPE, env=ENVIRONMENT)
        stack.callback(viewers.wait)
        stack.callback(viewers.kill)
        time.sleep(5)
        before, began = system_seconds(cameras.pid), time.monotonic()
        time.sleep(options.seconds)
        sending, passed = system_seconds(cameras.pid) - before, time.monotonic() - began
        figures = json.loads(viewers.communicate()[0])
        rate = figures["packets"] / figures["seconds"]
        print(f"proxy_server with {count} cameras: {rate:.0f} packets a second, "
              f"{figures['lost']} lost, {figures.get('server_kib')} KiB", file=sys.stderr)
    # With cameras that send to nobody else.
    with contextlib.ExitStack() as stack:
        _, url = start_cameras(options, stack)
        limit = pinned(0, [f"{options.examples}/receive_limit", "--clients", str(count),
                           "--seconds", str(options.seconds), "--json", url])
        received = json.loads(subprocess.run(limit, capture_output=True, text=True, check=True,
                                             env=ENVIRONMENT).stdout)
        return (figures["server_ns_per_packet"], received["load_ns_per_packet"],
                sending / passed / rate * 1e9)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("media")
    parser.add_argument("--clients", default="1,50,200")
    parser.add_argument("--transports", default="udp,tcp")
    parser.add_argument("--seconds", type=float, default=5)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--examples", default=EXAMPLES)
    parser.add_argument("--live555", default=shutil.which("live555ProxyServer"))
    parser.add_argument("--mediamtx", default=shutil.which("mediamtx"))
    parser.add_argument("--only", help="these servers, by their names with commas between")
    parser.add_argument("--cameras", type=int, help="measure so many pulled streams, nothing else")
    options = parser.parse_args()

    if options.cameras:
        rounds = [measure_cameras(options, options.cameras) for _ in range(options.rounds)]
        proxy_ns, receiving, sending = (statistics.median(values) for values in zip(*rounds))
        print(f"{options.cameras} cameras with a viewer each: proxy_server {proxy_ns:.0f} ns, "
              f"receiving alone {receiving:.0f} ns, sending in the kernel {sending:.0f} ns "
              f"({proxy_ns / (receiving + sending):.2f} of their sum)")
        return
    servers = {"own stream": own, "relay": relay, "proxy_server": proxy}
    if options.live555:
        servers["live555ProxyServer"] = live555
    if options.mediamtx:
        servers["mediamtx"] = mediamtx
    if options.only:
        servers = {name: start for name, start in servers.items()
                   if name in options.only.split(",")}
    for transport in options.transports.split(","):
        receiving = None
        for clients in options.clients.split(","):
            results = {name: [] for name in servers}
            for _ in range(options.rounds):
                for name, start in servers.items():
                    nanoseconds, kib, lost = measure(start, clients, transport, options)
                    print(f"{transport} {clients} {name}: {nanoseconds} ns, {kib} KiB, "
                          f"{lost} lost", file=sys.stderr)
                    if nanoseconds:
                        results[name].append(nanoseconds)
            medians = {n: statistics.median(v) for n, v in results.items() if v}
            of_own = medians.get("own stream", float("nan"))
            print(f"{transport}, {clients} viewers:", ", ".join(
                f"{name} {value:.0f} ns ({value / of_own:.2f})" for name, value in medians.items()))
            relayed = medians.get("relay", float("nan"))
            if clients == "1":
                receiving = relayed - of_own
            elif receiving is not None:
                expected = of_own + receiving / int(clients)
                print(f"    relay is {relayed / expected:.3f} of the own stream with its share of "
                      f"receiving, {receiving / int(clients):.0f} ns")


if __name__ == "__main__":
    main()

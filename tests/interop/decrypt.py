"""Receives the first track of a stream over UDP, by SRTP, with GStreamer's srtpdec.

decrypt.py URL CIPHER AUTH MKI OUT

GStreamer's RTSP client makes of the MIKEY message of a description what its own server may say there. So
the requests are this program's, and srtpdec is told the cipher and the authentication by their names and
the length MKI of the key identifier; the key is that of the description. The track is PCMU, and OUT gets
its samples until the server says goodbye (its BYE, or silence). URL is rtsps; nobody is trusted less.
"""

import base64
import re
import socket
import ssl
import sys
import urllib.parse

import gi

gi.require_version("Gst", "1.0")
from gi.repository import Gst  # noqa: E402

# Nanoseconds of silence after which the stream is over.
SILENCE = 2 * 1000 * 1000 * 1000


def key_of(message):
    """The key with its salt, and its identifier, in a MIKEY message (RFC 3830 section 6)."""
    kind, at = message[2], 10 + 9 * message[8]
    while kind:
        following = message[at]
        if kind == 5:  # T
            at += 2 + 8
        elif kind == 11:  # RAND
            at += 2 + message[at + 1]
        elif kind == 10:  # SP
            at += 5 + int.from_bytes(message[at + 3:at + 5], "big")
        elif kind == 1:  # KEMAC, with one key in it
            data = message[at + 4:]
            length = int.from_bytes(data[2:4], "big")
            key, rest = data[4:4 + length], data[4 + length:]
            return key, rest[1:1 + rest[0]] if data[1] & 15 == 1 else b""
        else:
            sys.exit(f"a payload of type {kind}")
        kind = following
    sys.exit("a message without a key")


class Session:
    def __init__(self, url):
        self.url, parts = url, urllib.parse.urlsplit(url)
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        plain = socket.create_connection((parts.hostname, parts.port), 10)
        self.connection = context.wrap_socket(plain)
        self.stream, self.number, self.session = self.connection.makefile("rb"), 0, None

    def ask(self, method, url, **headers):
        self.number += 1
        lines = [f"{method} {url} RTSP/1.0", f"CSeq: {self.number}"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        if self.session:
            lines.append(f"Session: {self.session}")
        self.connection.sendall("\r\n".join([*lines, "", ""]).encode())
        status = self.stream.readline().decode().split()[1]
        if status != "200":
            sys.exit(f"{method}: {status}")
        answer = {}
        for line in iter(self.stream.readline, b"\r\n"):
            name, _, value = line.decode().partition(":")
            answer[name.lower()] = value.strip()
        self.session = self.session or answer.get("session", "").split(";")[0] or None
        return answer, self.stream.read(int(answer.get("content-length", 0))).decode()


def free_port():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1] // 2 * 2


def main(url, cipher, auth, mki_len, out):
    Gst.init(None)
    session, port = Session(url), free_port()
    _, sdp = session.ask("DESCRIBE", url, Accept="application/sdp")
    message = re.search(r"key-mgmt:mikey (\S+)", sdp).group(1)
    key, mki = key_of(base64.b64decode(message))
    if len(mki) != int(mki_len):
        sys.exit(f"an identifier of {len(mki)} octets")
    transport = f"RTP/SAVP;unicast;client_port={port}-{port + 1}"
    answer, _ = session.ask("SETUP", f"{url}/track1", Transport=transport)
    ssrc = int(re.search(r"ssrc=([0-9A-Fa-f]+)", answer["transport"]).group(1), 16)
    identifier = f", mki=(buffer){mki.hex()}" if mki else ""
    caps = (f"application/x-srtp, media=(string)audio, encoding-name=(string)PCMU, payload=(int)0, "
            f"clock-rate=(int)8000, ssrc=(uint){ssrc}, srtp-key=(buffer){key.hex()}, "
            f"srtp-cipher=(string){cipher}, srtp-auth=(string){auth}, "
            f"srtcp-cipher=(string){cipher}, srtcp-auth=(string){auth}{identifier}")
    pipeline = Gst.parse_launch(
        f"udpsrc name=in address=127.0.0.1 port={port} caps=\"{caps}\" ! srtpdec "
        f"! rtppcmudepay ! filesink name=out async=false")
    pipeline.get_by_name("out").set_property("location", out)
    pipeline.set_state(Gst.State.PLAYING)
    # Neither a live source nor this sink waits for data to come to this state.
    pipeline.get_state(5 * Gst.SECOND)
    session.ask("PLAY", url, Range="npt=0-")
    pipeline.get_by_name("in").set_property("timeout", SILENCE)
    bus, ends = pipeline.get_bus(), Gst.MessageType.EOS | Gst.MessageType.ERROR
    while True:
        said = bus.timed_pop_filtered(60 * Gst.SECOND, ends | Gst.MessageType.ELEMENT)
        if said is None or said.type == Gst.MessageType.ERROR:
            sys.exit(f"{said and said.parse_error()}")
        if said.type == Gst.MessageType.EOS:
            break
        if said.get_structure().get_name() == "GstUDPSrcTimeout":
            pipeline.send_event(Gst.Event.new_eos())
    pipeline.set_state(Gst.State.NULL)


main(*sys.argv[1:])

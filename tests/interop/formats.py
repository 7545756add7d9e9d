"""Turns the frames of an encoder into RTP packets with GStreamer, and RTP packets into frames.

    formats.py pay ENCODER PAYLOADER
    formats.py depay DEPAYLOADER

`pay` writes what comes out of ENCODER (in the syntax of gst-launch-1.0) to `frames`, what PAYLOADER
makes of it to `packets`, and their description to `sdp`. If there is an appsrc named `made` in
ENCODER, what is in the file of that name comes out of it. `depay` writes what DEPAYLOADER makes of
`packets`, as `sdp` describes them, to `arrived`. Each frame and packet has 16 bytes of time and
duration in nanoseconds and 4 bytes of length in front.
"""

import struct
import sys
import traceback

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstApp", "1.0")
gi.require_version("GstSdp", "1.0")
from gi.repository import Gst, GstApp, GstSdp  # noqa: E402,F401

SINK = "appsink name={} emit-signals=true sync=false async=false"

# Looked up here, as streaming threads may ask at the same time.
NONE = Gst.CLOCK_TIME_NONE
HEADER = Gst.BufferFlags.HEADER
DONE, FAILED = Gst.FlowReturn.OK, Gst.FlowReturn.ERROR


def known(time):
    return 0 if time == NONE else time


def write_to(name, pipeline, is_whole):
    """What arrives at the sink `name` goes to the file of that name. Headers are in the caps, and in
    the description, unless the stream `is_whole`."""
    file = open(name, "wb")

    def new_sample(sink):
        try:
            buffer = sink.emit("pull-sample").get_buffer()
            if is_whole or not buffer.has_flags(HEADER):
                data = buffer.extract_dup(0, buffer.get_size())
                times = (known(buffer.pts), known(buffer.duration), len(data))
                file.write(struct.pack(">QQI", *times) + data)
        except Exception:
            # It would be printed, and the stream go on without the sample.
            traceback.print_exc()
            return FAILED
        return DONE

    pipeline.get_by_name(name).connect("new-sample", new_sample)
    return file


def push(source, name):
    """All that is in the file `name` comes out of `source`."""
    data = open(name, "rb").read()
    while data:
        time, duration, length = struct.unpack(">QQI", data[:20])
        buffer = Gst.Buffer.new_wrapped(data[20 : 20 + length])
        buffer.pts, buffer.duration = time, duration
        source.push_buffer(buffer)
        data = data[20 + length :]
    source.end_of_stream()


def run(pipeline, files):
    pipeline.set_state(Gst.State.PLAYING)
    wanted = Gst.MessageType.EOS | Gst.MessageType.ERROR
    message = pipeline.get_bus().timed_pop_filtered(50 * Gst.SECOND, wanted)
    if message is None or message.type == Gst.MessageType.ERROR:
        # Else it complains of being left as it is, at length.
        pipeline.set_state(Gst.State.NULL)
        sys.exit("it does not end" if message is None else "%s: %s" % message.parse_error())
    for file in files:
        file.close()


def description(caps):
    """The SDP of a stream, as GStreamer's RTSP server makes it of caps."""
    names = [caps.nth_field_name(i) for i in range(caps.n_fields())]
    fields = {name: caps.get_value(name) for name in names}
    described = ("media", "payload", "encoding-name", "clock-rate")
    media, pt, name, rate = (fields.pop(field) for field in described)
    channels = fields.pop("encoding-params", None)
    size = fields.pop("x-dimensions", None)
    parameters = [f"{field}={value}" for field, value in fields.items() if isinstance(value, str)]
    fmtp = ";".join(parameters)
    lines = ["v=0", f"m={media} 0 RTP/AVP {pt}"]
    lines.append(f"a=rtpmap:{pt} {name}/{rate}" + (f"/{channels}" if channels else ""))
    if fmtp:
        lines.append(f"a=fmtp:{pt} {fmtp}")
    if size:
        lines.append(f"a=x-dimensions:{size}")
    return "\r\n".join(lines) + "\r\n"


def pay(encoder, payloader):
    pipeline = Gst.parse_launch(
        f"{encoder} ! tee name=t  t. ! queue ! {SINK.format('frames')}"
        f"  t. ! queue ! {payloader} ! {SINK.format('packets')}"
    )
    is_whole = "byte-stream" in encoder
    files = [write_to(name, pipeline, is_whole) for name in ("frames", "packets")]
    caps = []

    def look(pad, info):
        if info.get_event().type == Gst.EventType.CAPS:
            caps.append(info.get_event().parse_caps())
        return Gst.PadProbeReturn.OK

    pad = pipeline.get_by_name("packets").get_static_pad("sink")
    pad.add_probe(Gst.PadProbeType.EVENT_DOWNSTREAM, look)
    made = pipeline.get_by_name("made")
    if made:
        push(made, "made")
    run(pipeline, files)
    with open("sdp", "w") as file:
        file.write(description(caps[-1].get_structure(0)))
    pipeline.set_state(Gst.State.NULL)


def depay(depayloader):
    _, sdp = GstSdp.SDPMessage.new_from_text(open("sdp").read())
    media = sdp.get_media(0)
    caps = media.get_caps_from_media(int(media.get_format(0)))
    media.attributes_to_caps(caps)
    described = caps.to_string().replace("application/x-unknown", "application/x-rtp")
    caps = Gst.Caps.from_string(described)
    pipeline = Gst.parse_launch(
        f"appsrc name=source format=time ! {depayloader} ! {SINK.format('arrived')}"
    )
    files = [write_to("arrived", pipeline, "byte-stream" in depayloader)]
    source = pipeline.get_by_name("source")
    source.set_caps(caps)
    push(source, "packets")
    run(pipeline, files)
    pipeline.set_state(Gst.State.NULL)


Gst.init(None)
{"pay": pay, "depay": depay}[sys.argv[1]](*sys.argv[2:])

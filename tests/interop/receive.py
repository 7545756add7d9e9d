"""Receives an RTSP URL with GStreamer's rtspsrc and writes what arrives to files.

    receive.py URL udp|tcp MEDIA=ELEMENTS...

For each MEDIA (`video`, `audio`: the `media` of a stream's caps), what comes out of ELEMENTS (in the
syntax of gst-launch-1.0) goes to `arrived0`, `arrived1` and so on. Ends when all have ended.

gst-launch-1.0 is not used, as it links pads that appear in two threads at the same time without a
lock: now and then it links one of them twice, and then waits for ever.
"""

import sys
import threading

import gi

gi.require_version("Gst", "1.0")
from gi.repository import Gst

# A sink leaves out what lies past the end of the range that PLAY announced, and putting tracks in
# step may move the last picture there. All that arrives is of interest here.
TO_FILE = "identity single-segment=true ! filesink location=arrived{}"


def main(url, transport, *branches):
    Gst.init(None)
    pipeline = Gst.Pipeline()
    source = Gst.ElementFactory.make("rtspsrc")
    source.set_property("location", url)
    source.set_property("latency", 300)
    Gst.util_set_object_arg(source, "protocols", transport)
    if url.startswith("rtsps:"):
        # The authority of the test certificate is known to nobody.
        Gst.util_set_object_arg(source, "tls-validation-flags", "0")
    pipeline.add(source)

    free, lock = {}, threading.Lock()
    for index, branch in enumerate(branches):
        media, elements = branch.split("=", 1)
        description = f"queue ! {elements} ! {TO_FILE.format(index)}"
        free[media] = Gst.parse_bin_from_description(description, True)
        pipeline.add(free[media])

    def pad_added(_, pad):
        media = pad.query_caps(None).get_structure(0).get_string("media")
        with lock:
            branch = free.pop(media, None)
        if branch is None:
            print(f"a stream of {media} that is not expected", file=sys.stderr)
        elif pad.link(branch.get_static_pad("sink")) != Gst.PadLinkReturn.OK:
            print(f"the stream of {media} does not fit its elements", file=sys.stderr)

    source.connect("pad-added", pad_added)
    pipeline.set_state(Gst.State.PLAYING)
    wanted = Gst.MessageType.EOS | Gst.MessageType.ERROR
    message = pipeline.get_bus().timed_pop_filtered(Gst.CLOCK_TIME_NONE, wanted)
    if message.type == Gst.MessageType.ERROR:
        error, details = message.parse_error()
        print(f"{error.message}\n{details}", file=sys.stderr)
    pipeline.set_state(Gst.State.NULL)
    return message.type == Gst.MessageType.EOS


sys.exit(0 if main(*sys.argv[1:]) else 1)

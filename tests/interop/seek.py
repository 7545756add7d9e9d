"""Receives an RTSP URL with GStreamer's rtspsrc, seeks at a rate, and writes what arrives then.

    seek.py URL CODEC RATE server|client START [STOP]

CODEC is `h264` or `h265`. With `server` the seek has the flag for trick modes, which rtspsrc turns
into a Scale; with `client` it has not, and the rate becomes a Speed (and, backwards, a Scale of -1). The
pictures that arrive behind the seek go to `arrived0`. Before that the same is begun, and broken off by a
seek at rate 1 to START, of which ten pictures go to `arrived1`. Standard output has the milliseconds from one picture to
the next as they came.
"""

import sys
import time

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstApp", "1.0")
from gi.repository import Gst, GstApp

PATIENCE = 20 * Gst.SECOND


def pictures(sink, most, patience):
    """What arrives until the stream ends, or nothing more comes."""
    found = []
    while len(found) < most:
        sample = sink.try_pull_sample(patience)
        if sample is None:
            break
        buffer = sample.get_buffer()
        found.append((time.monotonic(), buffer.extract_dup(0, buffer.get_size())))
    return found


def main(url, codec, rate, who, start, stop="-1"):
    Gst.init(None)
    depay = f"rtp{codec}depay ! video/x-{codec},stream-format=byte-stream,alignment=au"
    pipeline = Gst.parse_launch(
        f"rtspsrc name=source protocols=tcp latency=100 location={url} "
        f"source. ! application/x-rtp,media=video ! {depay} ! appsink name=sink sync=false max-buffers=0"
    )
    sink = pipeline.get_by_name("sink")
    pipeline.set_state(Gst.State.PLAYING)
    if not pictures(sink, 3, PATIENCE):
        print("nothing arrives", file=sys.stderr)
        return False

    def seek(rate, flags, start, stop):
        flags |= Gst.SeekFlags.FLUSH
        # Not NONE: that keeps the stop of the seek before.
        to = Gst.SeekType.SET
        return pipeline.seek(rate, Gst.Format.TIME, flags, to, start, to, stop)

    start, stop, rate = float(start), float(stop), float(rate)
    flags = Gst.SeekFlags.TRICKMODE if who == "server" else Gst.SeekFlags(0)
    # Backwards the seek's stop is where it begins.
    begin, end = (start, stop) if rate > 0 else (max(stop, 0), start)
    in_ns = lambda seconds: int(seconds * Gst.SECOND)
    at_rate = lambda: seek(rate, flags, in_ns(begin), in_ns(end) if end >= 0 else -1)
    if not at_rate():
        print("the seek fails", file=sys.stderr)
        return False
    # In the middle of it back to rate 1, and once more at the rate.
    pictures(sink, 2, 3 * Gst.SECOND)
    seek(1.0, Gst.SeekFlags(0), in_ns(start), -1)
    normal = pictures(sink, 10, PATIENCE)
    with open("arrived1", "wb") as out:
        out.writelines(picture for _, picture in normal)
    at_rate()
    found = pictures(sink, 1000, 3 * Gst.SECOND)
    with open("arrived0", "wb") as out:
        out.writelines(picture for _, picture in found)
    times = [at for at, _ in found]
    print(" ".join(str(round((b - a) * 1000)) for a, b in zip(times, times[1:])))
    pipeline.set_state(Gst.State.NULL)
    return True


sys.exit(0 if main(*sys.argv[1:]) else 1)

# Talks over the ONVIF back channel with GStreamer's rtspsrc: talk.py URL udp|tcp FILE
# Writes what it says, mu-law, into FILE.
import os
import sys

import gi

gi.require_version("Gst", "1.0")
from gi.repository import GLib, Gst

Gst.init(None)
url, over, said = sys.argv[1:4]
loop = GLib.MainLoop()
result = {"stream": None, "heard": False, "sent": 0, "failed": None}

# Two seconds of sound, packets of 20 ms, as fast as they are spoken.
voice = Gst.parse_launch(
    "audiotestsrc is-live=true num-buffers=100 samplesperbuffer=160 freq=440"
    " ! audio/x-raw,rate=8000,channels=1 ! mulawenc ! tee name=t"
    " t. ! queue ! filesink location=\"%s\""
    " t. ! queue ! rtppcmupay min-ptime=20000000 max-ptime=20000000"
    " ! appsink name=out emit-signals=true sync=false" % said
)
listener = Gst.parse_launch(
    "rtspsrc name=src backchannel=onvif protocols=%s location=%s latency=0" % (over, url)
)
source = listener.get_by_name("src") or listener
newer = Gst.version() >= (1, 21, 0, 0)
signal = "push-backchannel-sample" if newer else "push-backchannel-buffer"


samples = []


def select(source, index, caps):
    if caps.get_structure(0).has_field("a-sendonly"):
        result["stream"] = index
    return True


def speak(sink):
    pulled = sink.emit("pull-sample")
    # Versions of rtspsrc take a reference that is not theirs: of a sample that nobody uses again,
    # and that is not released before the end.
    sample = Gst.Sample.new(pulled.get_buffer(), pulled.get_caps(), None, None)
    samples.append(sample)
    flow = source.emit(signal, result["stream"], sample)
    result["sent"] += 1
    if flow not in (None, Gst.FlowReturn.OK):
        fail("a packet is not sent: %s" % flow)
    return Gst.FlowReturn.OK


def fail(why):
    result["failed"] = result["failed"] or why
    loop.quit()


def added(source, pad):
    drain = Gst.ElementFactory.make("fakesink")
    drain.set_property("sync", False)
    pipeline.add(drain)
    drain.sync_state_with_parent()
    pad.link(drain.get_static_pad("sink"))
    # Media come: PLAY was answered.
    if not result["heard"]:
        result["heard"] = True
        GLib.timeout_add(200, begin)


def begin(*_):
    if result["stream"] is None:
        fail("no back channel was described")
    voice.set_state(Gst.State.PLAYING)
    return False


def message(bus, message):
    if message.type == Gst.MessageType.ERROR:
        fail("%s: %s" % message.parse_error())
    elif message.type == Gst.MessageType.EOS and message.src == voice:
        # What is on its way arrives.
        GLib.timeout_add(500, loop.quit)


pipeline = Gst.Pipeline()
if listener is source:
    pipeline.add(source)
source.connect("select-stream", select)
source.connect("pad-added", added)
voice.get_by_name("out").connect("new-sample", speak)
for element in (pipeline, voice):
    bus = element.get_bus()
    bus.add_signal_watch()
    bus.connect("message", message)
pipeline.set_state(Gst.State.PLAYING)
GLib.timeout_add_seconds(20, lambda: fail("it takes too long"))
loop.run()
for element in (voice, pipeline):
    element.set_state(Gst.State.NULL)
print(result["failed"] or result["sent"], file=sys.stderr if result["failed"] else sys.stdout)
sys.stdout.flush()
sys.stderr.flush()
os._exit(1 if result["failed"] else 0)

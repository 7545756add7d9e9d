# Talks over the ONVIF back channel with GStreamer's rtspsrc: talk.py URL udp|tcp FILE
# Writes what it says, mu-law, into FILE.
import sys

import gi

gi.require_version("Gst", "1.0")
from gi.repository import GLib, Gst

Gst.init(None)
url, over, said = sys.argv[1:4]
loop = GLib.MainLoop()
result = {"stream": None, "sent": 0, "failed": None}

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


def select(source, index, caps):
    if caps.get_structure(0).has_field("a-sendonly"):
        result["stream"] = index
    return True


def speak(sink):
    sample = sink.emit("pull-sample")
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
# When all has been set up and PLAY was answered.
source.connect("no-more-pads", lambda *_: GLib.timeout_add(500, begin))
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
if result["failed"]:
    sys.exit(result["failed"])
print(result["sent"])

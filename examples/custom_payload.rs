//! A live track of an application's own codec: all that it takes is an entry in the registry of
//! payload formats, with a packetizer and the name for `a=rtpmap`.

mod support;

use riverrun::Frame;
use riverrun::codec::{CodecParameters, OtherCodec};
use riverrun::media::live::{LiveSender, Sent, live_stream};
use riverrun::media::queue::QueueLimits;
use riverrun::payload::{FormatEntry, FormatRegistry, PacketBuffer, Packetizer};
use riverrun::server::{
    LiveTrack, OnDemandServerMediaSubsession, ServerConfig, ServerMediaSession,
};
use std::num::NonZeroU8;
use std::thread;
use std::time::{Duration, Instant};
use support::{Arguments, Failure, Listen, Program, Stop};

const HELP: &str = "\
Serves the readings of a sensor over RTSP, in a payload format that the program brings itself.

Usage: custom_payload [OPTIONS]

  --bind ADDR  listen on this address only (default: all)
  --port N     listen on this port (default: 8554; 0: any)
  --rate N     readings a second, 1 to 255 (default: 50)
  --help       this text

Ctrl-C ends it: clients are told (RTCP BYE). RUST_LOG sets what is logged (default: info).
";

// The payload format, from here …

/// A frame is a run of readings of two bytes. A packet has a two-byte count of readings, and then
/// as many of them as fit.
struct ReadingsPacketizer;

impl Packetizer for ReadingsPacketizer {
    fn packetize(&mut self, frame: &Frame, out: &mut PacketBuffer) {
        for readings in frame.data.chunks((out.max_payload() - 2) & !1) {
            out.begin_packet();
            out.put(&(readings.len() as u16 / 2).to_be_bytes());
            out.put(readings);
            out.finish_packet(false, 0);
        }
        out.mark_last();
    }
}

struct ReadingsFormat;

impl FormatEntry for ReadingsFormat {
    fn media(&self) -> &str {
        "application"
    }

    fn encoding_names(&self) -> &[&str] {
        &["X-READINGS"]
    }

    fn packetizer(&self, _: &CodecParameters) -> Box<dyn Packetizer> {
        Box::new(ReadingsPacketizer)
    }
}

// … to here.

const RATE: NonZeroU8 = NonZeroU8::new(50).unwrap();

struct Options {
    listen: Listen,
    rate: NonZeroU8,
}

fn main() -> std::process::ExitCode {
    support::run("custom_payload", HELP, options, serve)
}

fn options(arguments: &mut Arguments) -> Result<Options, Stop> {
    let mut options = Options { listen: Listen::default(), rate: RATE };
    while let Some(argument) = arguments.next(&mut options.listen)? {
        match argument.name() {
            Some(name @ "--rate") => options.rate = arguments.number(name)?,
            _ => return Err(argument.unexpected()),
        }
    }
    Ok(options)
}

fn serve(options: Options) -> Result<(), Failure> {
    let mut program = Program::new(ServerConfig::unlimited(), options.listen)?;
    let (input, wake) = program.with(|server, env| server.create_live_input(env))?;
    // The RTP clock counts milliseconds; the fmtp is for who receives.
    let codec = OtherCodec::new("application", "X-READINGS", 1000)
        .with_fmtp(format!("rate={};unit=celsius", options.rate));
    let (sender, stream) = live_stream(codec.into(), QueueLimits::default(), wake);
    let track =
        LiveTrack::new(stream, input).with_formats(FormatRegistry::new().with(ReadingsFormat));
    let session = ServerMediaSession::new("sensor", "sensor", "The readings of a sensor")
        .with_subsession(OnDemandServerMediaSubsession::new(track));
    program.with(|server, env| server.add_server_media_session(env, session))??;
    let sensor = thread::spawn(move || measure(&sender, options.rate.get().into()));
    program.print_url("sensor", "")?;
    program.serve()?;
    sensor.join().map_err(|_| "the sensor's thread has panicked".into())
}

/// Stands in for a sensor: hands readings over until nobody will take them any more.
fn measure(sender: &LiveSender, rate: u32) {
    let start = Instant::now();
    for n in 0.. {
        let at = Duration::from_secs(n) / rate;
        thread::sleep((start + at).saturating_duration_since(Instant::now()));
        let reading = 2000 + (n % 100) as u16; // hundredths of a degree
        if sender.send_access_unit(reading.to_be_bytes().to_vec(), at) == Sent::Closed {
            return;
        }
    }
}

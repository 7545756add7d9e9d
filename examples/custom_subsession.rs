//! A track of an application's own making: a tone, computed for each client anew. All that the
//! server needs of it is a source of frames and a factory of sources, about twenty lines.

mod support;

use riverrun::codec::{CodecParameters, PcmEncoding};
use riverrun::media::{FramePoll, FramedSource, SourceContext};
use riverrun::server::{
    OnDemandServerMediaSubsession, ServerConfig, ServerMediaSession, StreamFactory, StreamRequest,
};
use riverrun::{Error, Frame};
use std::time::Duration;
use support::{Arguments, Failure, Listen, Program, Stop};

const HELP: &str = "\
Serves a tone of 440 Hz over RTSP, from a source that the program brings itself.

Usage: custom_subsession [OPTIONS]

  --bind ADDR  listen on this address only (default: all)
  --port N     listen on this port (default: 8554; 0: any)
  --help       this text

Ctrl-C ends it: clients are told (RTCP BYE). RUST_LOG sets what is logged (default: info).
";

// The extension, from here …

struct Tone(u64);

impl FramedSource for Tone {
    fn poll_frame(&mut self, _: &mut SourceContext<'_>) -> FramePoll {
        let sample = |i| (i as f64 * 440.0 / 8000.0 * std::f64::consts::TAU).sin() * 8000.0;
        let first = self.0 * 160; // in 20 ms at 8,000 Hz
        let data: Vec<u8> =
            (first..first + 160).flat_map(|i| (sample(i) as i16).to_be_bytes()).collect();
        let (pts, duration) = (Duration::from_millis(20 * self.0), Duration::from_millis(20));
        self.0 += 1;
        FramePoll::Ready(Frame::new(data, pts, duration))
    }
}

struct ToneTrack;

impl StreamFactory for ToneTrack {
    fn parameters(&self) -> Option<CodecParameters> {
        let encoding = PcmEncoding::L16;
        Some(CodecParameters::Pcm { encoding, sampling_rate: 8000, channels: 1 })
    }

    fn create_new_stream_source(
        &mut self,
        _: &StreamRequest,
        _: &mut SourceContext<'_>,
    ) -> Result<Box<dyn FramedSource>, Error> {
        Ok(Box::new(Tone(0)))
    }
}

// … to here.

fn main() -> std::process::ExitCode {
    support::run("custom_subsession", HELP, options, serve)
}

fn options(arguments: &mut Arguments) -> Result<Listen, Stop> {
    let mut listen = Listen::default();
    match arguments.next(&mut listen)? {
        None => Ok(listen),
        Some(argument) => Err(argument.unexpected()),
    }
}

fn serve(listen: Listen) -> Result<(), Failure> {
    let mut program = Program::new(ServerConfig::unlimited(), listen)?;
    let session = ServerMediaSession::new("tone", "tone", "A tone of 440 Hz")
        .with_subsession(OnDemandServerMediaSubsession::new(ToneTrack));
    program.with(|server, env| server.add_server_media_session(env, session))??;
    program.print_url("tone", "")?;
    program.serve()
}

//! Receives an RTP stream over UDP, from one sender or a group, and writes its frames to a file.
mod support;

use riverrun::payload::{FormatRegistry, PayloadFormat};
use riverrun::receive::{RtpReceiver, RtpReceiverConfig};
use riverrun::rtp::{StreamReceiverConfig, receiver::KeyFrameMessage};
use riverrun::{env::UsageEnvironment, net::MulticastInterface, wire::sdp::SessionDescription};
use std::io::{self, BufWriter, Write, stdout};
use std::{fs::File, path::PathBuf, sync::atomic::Ordering};
use support::{Arguments, Failure, Listen, Stop};

const HELP: &str = "\
Receives an RTP stream and writes its frames one after the other (H.264, H.265: Annex B).

Usage: receiver [OPTIONS] FORMAT [FILE]    FORMAT is media and a=rtpmap of the stream's SDP:
                                           video/H264/90000, audio/L16/44100/2

  --bind ADDR       receive at this address of the host, or join this group (default: 0.0.0.0)
  --port N          RTP's port, RTCP's is the next (default: 5004; 0: any pair)
  --interface ADDR  IPv4 address of the interface on which a group is joined (default: any)
  --payload-type N  RTP payload type (default: 96)
  --fmtp TEXT       a=fmtp of the stream's SDP
  --pli             ask for key frames after losses (RFC 4585)
  --help            this text

It ends with the stream (RTCP BYE) or Ctrl-C. RUST_LOG sets what is logged (default: info).
";

type Options = (RtpReceiverConfig, PayloadFormat, Option<PathBuf>);

fn main() -> std::process::ExitCode {
    support::run("receiver", HELP, options, receive)
}

fn options(arguments: &mut Arguments) -> Result<Options, Stop> {
    let mut listen = Listen::with_port_option("--port").at_port(5004);
    let (mut interface, mut payload_type, mut fmtp) = (MulticastInterface::Any, 96, String::new());
    let (mut message, mut format, mut file) = (None, None, None);
    while let Some(argument) = arguments.next(&mut listen)? {
        match argument.name() {
            Some("--interface") => interface = arguments.interface("--interface")?,
            Some("--payload-type") => payload_type = arguments.number::<u8>("--payload-type")?,
            Some("--fmtp") => fmtp = arguments.parsed("--fmtp", "text")?,
            Some("--pli") => message = Some(KeyFrameMessage::PictureLoss),
            None if format.is_none() => format = Some(argument.into_value()),
            None if file.is_none() => file = Some(PathBuf::from(argument.into_value())),
            _ => return Err(argument.unexpected()),
        }
    }
    let format = format.ok_or_else(|| support::wrong("FORMAT is missing"))?;
    let format = described(&format.to_string_lossy(), payload_type, &fmtp)
        .map_err(|e| support::wrong(format!("{format:?}: {e}")))?;
    let mut stream = StreamReceiverConfig::new(payload_type, format.clock_rate, "riverrun");
    stream.key_frame_message = message;
    let mut config = RtpReceiverConfig::new(stream, listen.address());
    config.interface = interface;
    Ok((config, format, file))
}

/// A format as the description of a stream would state it.
fn described(format: &str, payload_type: u8, fmtp: &str) -> Result<PayloadFormat, Failure> {
    let (media, map) = format.split_once('/').ok_or("has no encoding name")?;
    let n = payload_type;
    let sdp = format!("v=0\nm={media} 0 RTP/AVP {n}\na=rtpmap:{n} {map}\na=fmtp:{n} {fmtp}\n");
    let sdp = SessionDescription::parse(sdp.as_bytes())?;
    Ok(FormatRegistry::standard().format_in(sdp.media.first().ok_or("is none")?)?)
}

fn receive((config, format, file): Options) -> Result<(), Failure> {
    let mut env = UsageEnvironment::new()?;
    let stop = support::stop_on_signal(&mut env)?;
    let depacketizer = FormatRegistry::standard().depacketizer(&format)?;
    let mut out: Box<dyn Write> = match file {
        Some(path) => Box::new(BufWriter::new(File::create(path)?)),
        None => Box::new(io::sink()),
    };
    let receiver = RtpReceiver::open(&mut env, config, depacketizer, |_, _| ())?;
    let at = env.medium(receiver).and_then(RtpReceiver::local_addr).ok_or("it is closed")?;
    writeln!(stdout(), "receives at {at}")?;
    while !stop.load(Ordering::Relaxed) {
        env.turn(None)?;
        let ended = env.with(receiver, |receiver, env| {
            receiver.with_stream(env, |stream, _| -> io::Result<bool> {
                while let Some(frame) = stream.poll_frame() {
                    out.write_all(&frame.data)?;
                }
                Ok(stream.is_ended())
            })
        })??;
        stop.fetch_or(ended, Ordering::Relaxed);
    }
    out.flush()?;
    let counted = env.medium(receiver).map(|receiver| receiver.stream().source().counters());
    if let Some(riverrun::rtp::source::SourceCounters { frames, packets, missing, .. }) = counted {
        writeln!(stdout(), "{frames} frames, {packets} packets, {missing} lost")?;
    }
    env.close(receiver);
    Ok(())
}

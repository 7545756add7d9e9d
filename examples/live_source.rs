//! A live stream from another thread: a stand-in for an encoder hands frames over as they come,
//! and clients begin with a key frame.

#[path = "support/encoder.rs"]
mod encoder;
mod support;

use bytes::Bytes;
use encoder::{Next, encode};
use riverrun::codec::{CodecParameters, jpeg};
use riverrun::media::live::{LiveSender, Sent};
use riverrun::media::queue::QueueLimits;
use riverrun::relay::{PushConfig, Pusher};
use riverrun::server::{
    BackChannelOptions, FastStart, LiveStreamOptions, LiveTrackOptions, ServerConfig,
};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};
use support::talk::FileOfTalk;
use support::{Access, Arguments, Failure, Listen, Program, Srtp, Stop, Tls};

const HELP: &str = concat!(
    "\
Feeds a live stream from another thread, which stands in for an encoder: it reads a file at its
frame rate, over and over.

Usage: live_source [OPTIONS] [FILE]

  FILE                  H.264, H.265 or AAC (default: testdata/media/bframes.h264); of a file with
                        several tracks, the first
  --bind ADDR           listen on this address only (default: all)
  --port N              listen on this port (default: 8554; 0: any)
  --reuse-first-source  all clients share one stream
  --fast-start MODE     what a newcomer to such a stream of video gets first: wait (nothing before
                        the next key frame, default), cache (all since the last key frame), off
                        (the next packet, whatever it is)
  --queue N             frames that wait for a client before frames are dropped (default: 60)
  --mjpeg FILE          a second track of video: the JPEG pictures of this file, one behind the other
                        (.mjpeg, or a single .jpg), ten a second, over and over
  --metadata FILE       a track of ONVIF metadata: the XML document in this file, each second
  --report SECONDS      how often the encoder logs its counters (default: 5; 0: never)
  --name NAME           stream name (default: live)
  --push URL            push the stream to this server too (ANNOUNCE and RECORD), again after every
                        failure: for a camera that nobody can connect to; may be repeated
  --back-channel FILE   let one viewer at a time talk (ONVIF back channel), and write what is said
                        into this file: WAV, or ADTS for AAC
  --back-channel-codec NAME
                        what a viewer may say: pcmu, pcma, l16 (16 kHz) or aac (16 kHz), of one
                        channel (default: pcmu)
",
    support::server_help!(),
    "  --help                this text

Ctrl-C ends it: clients are told (RTCP BYE). RUST_LOG sets what is logged (default: info).
"
);

struct Options {
    listen: Listen,
    tls: Tls,
    srtp: Srtp,
    access: Access,
    config: ServerConfig,
    file: PathBuf,
    reuse_first_source: bool,
    fast_start: FastStart,
    queue: usize,
    mjpeg: Option<PathBuf>,
    metadata: Option<PathBuf>,
    report: Duration,
    name: String,
    push: Vec<String>,
    back_channel: Option<PathBuf>,
    talk: Option<CodecParameters>,
}

fn main() -> std::process::ExitCode {
    support::run("live_source", HELP, options, serve)
}

fn options(arguments: &mut Arguments) -> Result<Options, Stop> {
    let mut file = None;
    let mut options = Options {
        listen: Listen::default(),
        tls: Tls::default(),
        srtp: Srtp::default(),
        access: Access::default(),
        config: ServerConfig::default(),
        file: "testdata/media/bframes.h264".into(),
        reuse_first_source: false,
        fast_start: FastStart::default(),
        queue: 60,
        mjpeg: None,
        metadata: None,
        report: Duration::from_secs(5),
        name: "live".into(),
        push: Vec::new(),
        back_channel: None,
        talk: None,
    };
    while let Some(argument) = arguments.next(&mut options.listen)? {
        match argument.name() {
            Some(name) if options.tls.takes(name, arguments)? => {}
            Some(name) if options.srtp.takes(name, arguments)? => {}
            Some(name) if options.access.takes(name, arguments)? => {}
            Some(name) if support::takes_limit(&mut options.config, name, arguments)? => {}
            Some("--reuse-first-source") => options.reuse_first_source = true,
            Some(name @ "--fast-start") => {
                options.fast_start = support::fast_start(arguments, name)?;
            }
            Some(name @ "--queue") => options.queue = arguments.number(name)?,
            Some("--mjpeg") => options.mjpeg = Some(arguments.value()?.into()),
            Some("--metadata") => options.metadata = Some(arguments.value()?.into()),
            Some(name @ "--report") => {
                options.report = Duration::from_secs(arguments.number(name)?);
            }
            Some(name @ "--name") => options.name = arguments.parsed(name, "text")?,
            Some(name @ "--push") => {
                let url: String = arguments.parsed(name, "a URL")?;
                Pusher::check(&url, &PushConfig::default())
                    .map_err(|e| support::wrong(format!("{name}: {e}")))?;
                options.push.push(url);
            }
            Some("--back-channel") => options.back_channel = Some(arguments.value()?.into()),
            Some(name @ "--back-channel-codec") => {
                options.talk = Some(support::talk::codec(arguments, name)?);
            }
            None if file.is_none() => file = Some(PathBuf::from(argument.into_value())),
            _ => return Err(argument.unexpected()),
        }
    }
    options.file = file.unwrap_or(options.file);
    if options.talk.is_some() && options.back_channel.is_none() {
        return Err(support::wrong("--back-channel-codec wants --back-channel"));
    }
    Ok(options)
}

fn serve(options: Options) -> Result<(), Failure> {
    let file = support::probe_file(&options.file)?;
    let track = file.tracks().first().ok_or("the file has no track")?;
    // Parameter sets of video are picked up from the stream, as those of a camera would be.
    let mut live = match &track.parameters {
        CodecParameters::H264 { .. } => LiveTrackOptions::h264(),
        CodecParameters::H265 { .. } => LiveTrackOptions::h265(),
        others => LiveTrackOptions::new(others.clone()),
    };
    if let Some(bits) = track.bitrate {
        live = live.with_bandwidth_kbps(bits.div_ceil(1000));
    }
    // What an ONVIF device has beside its main stream.
    let mut tracks = vec![live];
    let mut repeated = Vec::new();
    if let Some(file) = &options.mjpeg {
        tracks.push(LiveTrackOptions::jpeg());
        repeated.push((pictures(file)?, Duration::from_millis(100)));
    }
    if let Some(file) = &options.metadata {
        tracks.push(LiveTrackOptions::onvif_metadata());
        repeated.push((vec![std::fs::read(file)?.into()], Duration::from_secs(1)));
    }
    let limits = QueueLimits::new(options.queue, QueueLimits::default().bytes())?;
    let mut stream = LiveStreamOptions::new(&options.name)
        .with_queue_limits(limits)
        .with_shared_streams(options.reuse_first_source)
        .with_fast_start(options.fast_start);
    let config = options.srtp.configured(options.config);
    let mut program = Program::new(config, options.listen)?;
    options.access.guard(&mut program)?;
    options.tls.listen(&mut program, options.listen)?;
    let mut writer = None;
    if let Some(file) = &options.back_channel {
        let codec = options.talk.or_else(|| support::talk::codec_of("pcmu"));
        let codec = codec.ok_or("no codec of this name")?;
        let channel = BackChannelOptions::for_codecs(std::slice::from_ref(&codec))?;
        let (talk, thread) = FileOfTalk::create(file, &codec)?;
        let channel = program.with(|server, _| server.add_back_channel(channel, talk))??;
        stream = stream.with_back_channel(channel);
        writer = Some(thread);
    }
    let senders = program.with(|server, env| server.add_live_tracks(env, stream, tracks))??;
    let mut senders = senders.into_iter();
    let sender = senders.next().ok_or("each track has a sender")?;
    for url in &options.push {
        let config = PushConfig::default();
        Pusher::open(&mut program.env, program.server, &options.name, url, config, |_, event| {
            log::info!("the stream is pushed: {event}");
        })?;
    }
    let (period, mut reported_at) = (options.report, Instant::now());
    let report = move |sender: &LiveSender| {
        if !period.is_zero() && reported_at.elapsed() >= period {
            reported_at = Instant::now();
            let stats = sender.stats();
            log::info!(
                "encoder: {} frames sent, {} dropped, {} viewers, {} frames wait",
                stats.sent,
                stats.dropped,
                stats.sources,
                stats.queued,
            );
        }
        Next::Frame
    };
    let encoder = thread::Builder::new().name("encoder".into());
    let encoder = encoder.spawn(move || encode(file, &sender, report))?;
    let mut others = Vec::new();
    for (sender, (frames, period)) in senders.zip(repeated) {
        others.push(thread::spawn(move || repeat(&frames, period, &sender)));
    }
    program.print_url(&options.name, "")?;
    program.serve()?;
    // With the server the sink of the back channel has gone.
    if let Some(writer) = writer {
        writer.join().map_err(|_| "the thread of the back channel has panicked")?;
    }
    // With the server the receiving end has gone, and the encoder has seen that.
    for thread in [encoder].into_iter().chain(others) {
        thread.join().map_err(|_| "an encoder's thread has panicked")?;
    }
    Ok(())
}

/// The JPEG pictures of a file.
fn pictures(path: &Path) -> Result<Vec<Bytes>, Failure> {
    let mut rest = Bytes::from(std::fs::read(path)?);
    let mut pictures = Vec::new();
    while !rest.is_empty() {
        let len = jpeg::file_len(&rest).map_err(|e| format!("{}: {e}", path.display()))?;
        pictures.push(rest.split_to(len));
    }
    if pictures.is_empty() { Err("there is no picture".into()) } else { Ok(pictures) }
}

/// Sends frames one after the other, over and over, until nobody will take them any more.
fn repeat(frames: &[Bytes], period: Duration, sender: &LiveSender) {
    let start = Instant::now();
    let mut at = Duration::ZERO;
    for frame in frames.iter().cycle() {
        thread::sleep((start + at).saturating_duration_since(Instant::now()));
        match sender.send_access_unit(frame.clone(), at) {
            Sent::Closed => return,
            Sent::Refused(error) => return log::error!("refused: {error}"),
            Sent::Accepted | Sent::Dropped | Sent::NoReceiver => at += period,
        }
    }
}

//! Records an RTSP presentation into files, with the options of live555's openRTSP.

mod support;

use riverrun::Frame;
use riverrun::client::{
    MediaKind, MediaSession, PlayedTrack, Player, PlayerConfig, PlayerEnd, PlayerError,
    PlayerEvent, ReconnectPolicy, TrackChoice, TransportPolicy,
};
use riverrun::codec::CodecParameters;
use riverrun::env::{MediumId, UsageEnvironment};
use riverrun::media::sinks::{
    FileForm, FileRecorder, FileRecorderConfig, FileSink, MediaSink, Mp4Config, Mp4Recorder,
    OneFile, Pipe, Recorder,
};
use riverrun::wire::auth::UserCredentials;
use riverrun::wire::rtsp::Range;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::{IsTerminal, Stdout, Write, stderr, stdout};
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Sender, channel};
use std::time::{Duration, Instant};
use support::{Arguments, Failure, Stop};

const HELP: &str = "\
Plays an RTSP URL and records each track into a file: video-H264-1, audio-MPEG4-GENERIC-2.

Usage: open_rtsp [OPTIONS] URL

  -t             receive over the RTSP connection (default: over UDP, and TCP where that fails)
  -T PORT        RTSP and media through an HTTP tunnel at this port of the server
  -C             receive from the multicast group that the server sends to
  -u USER SECRET name and password (or in the URL: rtsp://USER:SECRET@host/path, percent-encoded)
  -a             audio only, to standard output
  -v             video only, to standard output
  -F PREFIX      begin the names of files with this, a folder for example
  -4             write one fragmented MP4 file to standard output
  --mp4 FILE     write one fragmented MP4 file
  -P SECONDS     begin new files after so many seconds, at key frames
  -m             write each frame into a file of its own
  -r             write nothing
  -s SECONDS     start at this time of the presentation
  -d SECONDS     end after so many seconds
  -D SECONDS     end when a track has been silent for so long (default: 10)
  -z SCALE       play at this scale
  -c             play again at the end, and connect again after a failure
  -B BYTES       receive buffer of a socket (default: 1 MiB)
  -g AGENT       value of User-Agent
  -n             say when the first packet has arrived
  -Q             print what was received of each track at the end
  -V             say less
  --help         this text

Ctrl-C ends it in order: TEARDOWN, and all files are completed. RUST_LOG sets what is logged.
";

/// What is recorded, and how.
#[derive(Clone, Debug, Default)]
struct Options {
    url: String,
    config: PlayerConfig,
    output: Target,
    prefix: String,
    period: Option<Duration>,
    per_frame: bool,
    duration: Option<Duration>,
    repeats: bool,
    says_first: bool,
    quality: bool,
    is_quiet: bool,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
enum Target {
    #[default]
    Files,
    Stdout,
    Mp4Stdout,
    Mp4(std::path::PathBuf),
    Nothing,
}

fn main() -> std::process::ExitCode {
    support::run("open_rtsp", HELP, options, record)
}

fn options(arguments: &mut Arguments) -> Result<Options, Stop> {
    let mut options = Options::default();
    let config = &mut options.config;
    config.reconnect = ReconnectPolicy::never();
    let mut url = None;
    while let Some(argument) = arguments.next_of_client()? {
        match argument.name() {
            Some("-t") => config.transport = TransportPolicy::Tcp,
            Some("-C") => config.transport = TransportPolicy::Multicast,
            Some("-T") => config.client.http_tunnel_port = Some(arguments.number("-T")?),
            Some("-u") => {
                let user: String = arguments.parsed("-u", "text")?;
                let secret: String = arguments.parsed("-u", "text")?;
                config.client.credentials = Some(UserCredentials::new(user, secret));
            }
            Some("-a") => {
                config.tracks = TrackChoice::all().kind(MediaKind::Audio);
                options.output = Target::Stdout;
            }
            Some("-v") => {
                config.tracks = TrackChoice::all().kind(MediaKind::Video);
                options.output = Target::Stdout;
            }
            Some("-F") => options.prefix = arguments.parsed("-F", "text")?,
            Some("-4") => options.output = Target::Mp4Stdout,
            Some("--mp4") => options.output = Target::Mp4(arguments.value()?.into()),
            Some("-P") => options.period = Some(seconds(arguments, "-P")?),
            Some("-m") => options.per_frame = true,
            Some("-r") => options.output = Target::Nothing,
            Some("-s") => config.play.range = Some(Range::npt(seconds(arguments, "-s")?, None)),
            Some("-d") => options.duration = Some(seconds(arguments, "-d")?),
            Some("-D") => config.stall_timeout = seconds(arguments, "-D")?,
            Some("-z") => config.play.scale = Some(arguments.number("-z")?),
            Some("-c") => options.repeats = true,
            Some("-B") => config.receive_buffer = arguments.number("-B")?,
            Some("-g") => config.client.user_agent = arguments.parsed("-g", "text")?,
            Some("-n") => options.says_first = true,
            Some("-Q") => options.quality = true,
            Some("-V") => options.is_quiet = true,
            None if url.is_none() => {
                url = Some(argument.into_value().to_string_lossy().into_owned());
            }
            _ => return Err(argument.unexpected()),
        }
    }
    if options.repeats {
        config.reconnect = ReconnectPolicy::default();
    }
    config.check().map_err(|e| support::wrong(e.to_string()))?;
    options.url = url.ok_or_else(|| support::wrong("URL is missing"))?;
    Ok(options)
}

/// The value of an option in seconds, with a fraction.
fn seconds(arguments: &mut Arguments, option: &str) -> Result<Duration, Stop> {
    let seconds: f64 = arguments.parsed(option, "a number of seconds")?;
    Duration::try_from_secs_f64(seconds)
        .map_err(|e| support::wrong(format!("{option}: {seconds}: {e}")))
}

/// What the player tells the program.
enum News {
    Playing,
    Ended(Result<(), String>),
}

fn record(options: Options) -> Result<(), Failure> {
    let mut env = UsageEnvironment::new()?;
    let stop = support::stop_on_signal(&mut env)?;
    let shows_progress = !options.is_quiet && stderr().is_terminal();
    loop {
        let (teller, news) = channel();
        let player = open(&mut env, &options, teller)?;
        let (mut deadline, mut is_stopping, mut quality) = (None, false, None);
        let outcome = loop {
            env.turn(Some(Duration::from_millis(500)))?;
            match news.try_recv() {
                Ok(News::Playing) => deadline = options.duration.map(|d| Instant::now() + d),
                Ok(News::Ended(outcome)) => break outcome,
                Err(_) => {}
            }
            let is_over = deadline.is_some_and(|at| Instant::now() >= at);
            if !is_stopping && (is_over || stop.load(Ordering::Relaxed)) {
                is_stopping = true;
                env.with(player, |player, env| player.stop(env))?;
            }
            if shows_progress {
                show_progress(&env, player);
            }
            quality = quality_of(&env, player).or(quality);
        };
        env.close(player);
        if let Some(quality) = quality.filter(|_| options.quality) {
            write!(stderr(), "{quality}")?;
        }
        outcome?;
        if !options.repeats || is_stopping {
            return Ok(());
        }
    }
}

fn open(
    env: &mut UsageEnvironment,
    options: &Options,
    teller: Sender<News>,
) -> Result<MediumId<Player>, Failure> {
    let mut recording = Recording::new(options)?;
    let (says_first, is_quiet) = (options.says_first, options.is_quiet);
    let player = Player::open(env, &options.url, options.config.clone(), move |_, event| {
        let say = |text: String| {
            if !is_quiet {
                // Where standard error is closed there is nobody left to tell.
                let _ = writeln!(stderr(), "{text}");
            }
        };
        let result = match event {
            PlayerEvent::Described(media) => recording.describe(media),
            PlayerEvent::Frame { track, frame } => {
                if says_first && recording.frames == 0 {
                    say("the first frame has arrived\x07".to_owned());
                }
                let time = frame.pts;
                recording.handle_frame(track, &frame.into_frame(time))
            }
            PlayerEvent::Playing { transport, tracks, .. } => {
                say(format!("plays {} tracks over {transport}", tracks.len()));
                let _ = teller.send(News::Playing);
                Ok(())
            }
            PlayerEvent::TrackFailed { track, why } => {
                say(format!("track {track} is left out: {why}"));
                Ok(())
            }
            PlayerEvent::Lost(why) => {
                say(format!("lost: {why}"));
                Ok(())
            }
            PlayerEvent::Ended(end) => {
                let finished = recording.finish();
                let ended = match end {
                    // Where the description tells no end, this is how it comes.
                    PlayerEnd::Failed(PlayerError::EndedByServer) => Ok(()),
                    PlayerEnd::Failed(why) => Err(why.to_string()),
                    _ => Ok(()),
                };
                let _ = teller.send(News::Ended(ended));
                finished
            }
            _ => Ok(()),
        };
        if let Err(e) = result {
            let _ = writeln!(stderr(), "{e}");
        }
    });
    Ok(player?)
}

/// The recorder, and the numbers of its tracks by those of the description.
struct Recording {
    recorder: Option<Box<dyn Recorder>>,
    tracks: BTreeMap<usize, usize>,
    config: PlayerConfig,
    frames: u64,
}

impl Recording {
    fn new(options: &Options) -> Result<Self, Failure> {
        let mut mp4 = Mp4Config::default();
        let recorder: Option<Box<dyn Recorder>> = match &options.output {
            Target::Nothing => None,
            Target::Stdout => Some(Box::new(ToStandardOutput(None))),
            Target::Mp4Stdout => {
                let file = OneFile::pipe(stdout(), "standard output");
                Some(Box::new(Mp4Recorder::new(file, mp4)?))
            }
            Target::Mp4(path) => {
                mp4.segment_duration = options.period;
                Some(Box::new(Mp4Recorder::create(path, mp4)?))
            }
            Target::Files => {
                let mut config = FileRecorderConfig::new(&options.prefix);
                (config.period, config.file_per_frame) = (options.period, options.per_frame);
                Some(Box::new(FileRecorder::new(config)))
            }
        };
        let config = options.config.clone();
        Ok(Self { recorder, tracks: BTreeMap::new(), config, frames: 0 })
    }

    fn describe(&mut self, media: &MediaSession) -> Result<(), riverrun::Error> {
        let Some(recorder) = &mut self.recorder else { return Ok(()) };
        let mut outcome = Ok(());
        for described in self.config.tracks.chosen(media) {
            let result = match self.tracks.get(&described.number) {
                Some(track) => recorder.handle_parameters(*track, &described.parameters),
                None => recorder
                    .add_track(&described.parameters)
                    .map(|track| _ = self.tracks.insert(described.number, track)),
            };
            // The other tracks are recorded.
            outcome = outcome.and(result);
        }
        outcome
    }

    fn handle_frame(&mut self, track: usize, frame: &Frame) -> Result<(), riverrun::Error> {
        self.frames += 1;
        match (&mut self.recorder, self.tracks.get(&track)) {
            (Some(recorder), Some(track)) => recorder.handle_frame(*track, frame),
            _ => Ok(()),
        }
    }

    fn finish(&mut self) -> Result<(), riverrun::Error> {
        self.recorder.as_mut().map_or(Ok(()), |recorder| recorder.finish())
    }
}

/// Records the one track that is chosen.
struct ToStandardOutput(Option<FileSink<Pipe<Stdout>>>);

impl Recorder for ToStandardOutput {
    fn add_track(&mut self, parameters: &CodecParameters) -> Result<usize, riverrun::Error> {
        if self.0.is_some() {
            return Err(riverrun::Error::Usage("standard output takes one track"));
        }
        let form = FileForm::of(parameters);
        self.0 = Some(FileSink::new(form, Pipe(stdout()), "standard output", parameters)?);
        Ok(0)
    }

    fn handle_frame(&mut self, track: usize, frame: &Frame) -> Result<(), riverrun::Error> {
        let sink = self.0.as_mut().filter(|_| track == 0);
        sink.map_or(Ok(()), |sink| sink.handle_frame(frame))
    }

    fn handle_parameters(
        &mut self,
        _: usize,
        parameters: &CodecParameters,
    ) -> Result<(), riverrun::Error> {
        self.0.as_mut().map_or(Ok(()), |sink| sink.handle_parameters(parameters))
    }

    fn finish_track(&mut self, _: usize) -> Result<(), riverrun::Error> {
        self.finish()
    }

    fn finish(&mut self) -> Result<(), riverrun::Error> {
        self.0.as_mut().map_or(Ok(()), MediaSink::finish)
    }
}

/// One line on the terminal, written over the one before.
fn show_progress(env: &UsageEnvironment, player: MediumId<Player>) {
    let Some(player) = env.medium(player).filter(|player| player.is_playing()) else { return };
    let mut line = String::new();
    for PlayedTrack { number, frames, receiver, .. } in player.tracks() {
        let (rate, reception) = (receiver.source().rate(env.now()), receiver.source().reception());
        let _ = write!(
            line,
            "  {number}: {frames} frames, {} kbit/s, {} lost",
            rate.bits / 1000,
            reception.lost
        );
    }
    let _ = write!(stderr(), "\r{line}\x1B[K");
}

/// What was received of each track, a line each.
fn quality_of(env: &UsageEnvironment, player: MediumId<Player>) -> Option<String> {
    let player = env.medium(player).filter(|player| player.is_playing())?;
    let mut lines = String::new();
    for PlayedTrack { number, transport, frames, counters, receiver, .. } in player.tracks() {
        let (source, reception) = (receiver.source().counters(), receiver.source().reception());
        let _ = writeln!(
            lines,
            "track {number}: over {transport}: {frames} frames, {} packets, {} bytes, {} lost, {} late, \
             jitter {:.1?}, {} from strangers",
            source.packets,
            source.octets,
            reception.lost,
            source.late,
            reception.jitter,
            counters.foreign
        );
    }
    Some(lines).filter(|lines| !lines.is_empty())
}

//! The options: those of openRTSP with the same letters where they mean the same.

use crate::support::{self, Arguments, Stop};
use riverrun::client::{MediaKind, PlayerConfig, ReconnectPolicy, TransportPolicy};
use riverrun::wire::auth::UserCredentials;
use riverrun::wire::rtsp::Range;
use riverrun::wire::rtsp::date::UtcTime;
use std::path::PathBuf;
use std::time::Duration;

pub(crate) const HELP: &str = "\
Plays an RTSP URL and records each track into a file: video-H264-1, audio-MPEG4-GENERIC-2.

Usage: open_rtsp [OPTIONS] URL

How media come (default: over UDP, and over TCP where that does not work)
  -t             over the RTSP connection
  -T PORT        RTSP and media through an HTTP tunnel at this port of the server
  -C             from the multicast group that the server sends to
  --udp          over UDP alone
  -p PORT        over UDP to this port, an even one, and those behind it (default: any)
  -I ADDRESS     to this address of this host, and its interface
  -B BYTES       with this receive buffer for each socket (default: 1 MiB)

Who asks for them
  -u USER SECRET name and password (or in the URL: rtsp://USER:SECRET@host/path, percent-encoded)
  -g AGENT       value of User-Agent
  --ca FILE, --fingerprint SHA256 or --insecure
                 which rtsps servers are trusted, as in rtsp_client
  -O             without OPTIONS before DESCRIBE
  -o             OPTIONS alone: print what the server can do

What is played
  -a, -v or -L   the first track of audio, video or application data, to standard output
  --codec NAME   tracks of this codec, by its name in SDP; may be given several times
  --track N      the track with this number; may be given several times
  -s SECONDS     from this time of the presentation on
  -U TIME        from this absolute time on, such as 20261129T093000Z, of what is recorded there
  -E TIME        up to this time of the presentation, in seconds; with -U, an absolute time
  -z SCALE       at this scale
  -d SECONDS     for so long
  -D SECONDS     until a track has been silent for so long (default: 10)
  -c             again at the end, and after a failure, until -d or a signal ends it; after a
                 while if the server ends it at once

What is written
  -F PREFIX      files whose names begin so, with a folder for example
  -P SECONDS     new files after so many seconds, at key frames
  -m             each frame into a file of its own
  -4 or -q       one fragmented MP4 file, to standard output
  --mp4 FILE     one fragmented MP4 file; with -P FILE-00001 and so on
  -S BYTES       without so many bytes at the start of each packet of an unknown format
  -r             nothing

What is told
  -n             that the first packet has arrived
  -Q [N]         statistics at the end, measured every N tenths of a second (default: 10)
  -V             less
  --help or -h   this text

The options -K, -b BYTES and -y of openRTSP change nothing here: sessions are always kept alive,
frames are of any size, and tracks are always in time with each other. Its -A, -f, -H, -i, -k, -l,
-M, -R and -w are refused with what to use instead; its -h, a height, is this text.

SIGINT (Ctrl-C), SIGTERM, SIGHUP and SIGUSR1 end it in order: TEARDOWN, and all files are
completed. It ends with status 1 if the presentation was not played or not all of it was written.
RUST_LOG sets what is logged.
";

/// What is recorded, and how.
#[derive(Clone, Debug, Default)]
pub(crate) struct Options {
    pub(crate) url: String,
    pub(crate) config: PlayerConfig,
    pub(crate) output: Target,
    pub(crate) prefix: String,
    pub(crate) period: Option<Duration>,
    pub(crate) is_per_frame: bool,
    /// Bytes of unknown payloads that are left out.
    pub(crate) skipped_bytes: usize,
    pub(crate) duration: Option<Duration>,
    pub(crate) repeats: bool,
    pub(crate) tells_first: bool,
    /// How long statistics are measured for one value.
    pub(crate) quality: Option<Duration>,
    pub(crate) is_quiet: bool,
    /// OPTIONS alone.
    pub(crate) asks_only: bool,
}

/// Where it is written to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) enum Target {
    #[default]
    Files,
    Stdout,
    Mp4Stdout,
    Mp4(PathBuf),
    Nothing,
}

/// Why an option of openRTSP's is not taken, and what is in its place.
fn refusal(option: &str) -> Option<&'static str> {
    Some(match option {
        "-A" | "-M" => "the server chooses formats; --codec NAME and --track N choose tracks",
        "-f" | "-w" => "the size and rate of pictures are in the stream: leave -f, -w and -h out",
        "-H" => "hint tracks are not written; media_server serves recordings without them",
        "-i" => "AVI is not written; -4 writes MP4 to standard output, --mp4 FILE to a file",
        "-k" | "-R" => "streams that others REGISTER are not taken: give the URL",
        "-l" => "lost frames are not repeated; players show the frame before for as long",
        _ => return None,
    })
}

pub(crate) fn options(arguments: &mut Arguments) -> Result<Options, Stop> {
    let mut options = Options::default();
    let config = &mut options.config;
    config.reconnect = ReconnectPolicy::never();
    // Options that exclude each other, as they are given.
    let (mut media, mut targets, mut transports) = (Vec::new(), Vec::new(), Vec::new());
    let (mut starts, mut end, mut url) = (Vec::new(), None, None);
    while let Some(argument) = arguments.next_of_client()? {
        match argument.name() {
            Some("-t") => transports.push(("-t", TransportPolicy::Tcp)),
            Some("-C") => transports.push(("-C", TransportPolicy::Multicast)),
            Some("--udp") => transports.push(("--udp", TransportPolicy::Udp)),
            Some("-T") => {
                config.client.http_tunnel_port = Some(arguments.number("-T")?);
                transports.push(("-T", TransportPolicy::Tcp));
            }
            Some("-p") => config.first_port = Some(arguments.number("-p")?),
            Some("-I") => {
                config.client.local_address = Some(arguments.parsed("-I", "an IP address")?);
            }
            Some("-B") => config.receive_buffer = arguments.number("-B")?,
            Some("-u") => {
                let user: String = arguments.parsed("-u", "text")?;
                let secret: String = arguments.parsed("-u", "text")?;
                config.client.credentials = Some(UserCredentials::new(user, secret));
            }
            Some("-g") => config.client.user_agent = arguments.parsed("-g", "text")?,
            Some("-O") => config.options_first = false,
            Some("-o") => options.asks_only = true,
            Some("-a") => media.push(("-a", MediaKind::Audio)),
            Some("-v") => media.push(("-v", MediaKind::Video)),
            Some("-L") => media.push(("-L", MediaKind::Application)),
            Some("--codec") => {
                let name: String = arguments.parsed("--codec", "text")?;
                config.tracks = std::mem::take(&mut config.tracks).codec(name);
            }
            Some("--track") => {
                let number = arguments.number("--track")?;
                config.tracks = std::mem::take(&mut config.tracks).number(number);
            }
            Some("-s") => starts.push(("-s", Time::Played(seconds(arguments, "-s")?))),
            Some("-U") => {
                let time: String = arguments.parsed("-U", "text")?;
                starts.push(("-U", Time::Absolute(absolute(&time, "-U")?)));
            }
            Some("-E") => {
                let time: String = arguments.parsed("-E", "text")?;
                end = Some(match time.parse() {
                    Ok(seconds) => Time::Played(duration(seconds, "-E")?),
                    Err(_) => Time::Absolute(absolute(&time, "-E")?),
                });
            }
            Some("-z") => config.play.scale = Some(arguments.number("-z")?),
            Some("-d") => options.duration = Some(seconds(arguments, "-d")?),
            Some("-D") => config.stall_timeout = seconds(arguments, "-D")?,
            Some("-c") => options.repeats = true,
            Some("-F") => options.prefix = arguments.parsed("-F", "text")?,
            Some("-P") => options.period = Some(seconds(arguments, "-P")?),
            Some("-m") => options.is_per_frame = true,
            Some("-4") => targets.push(("-4", Target::Mp4Stdout)),
            Some("-q") => targets.push(("-q", Target::Mp4Stdout)),
            Some("--mp4") => targets.push(("--mp4", Target::Mp4(arguments.value()?.into()))),
            Some("-r") => targets.push(("-r", Target::Nothing)),
            Some("-S") => options.skipped_bytes = arguments.number("-S")?,
            Some("-n") => options.tells_first = true,
            Some("-Q") => {
                let tenths = arguments.number_if_any("-Q")?.unwrap_or(10);
                options.quality = Some(Duration::from_millis(100) * tenths);
            }
            Some("-V") => options.is_quiet = true,
            Some(name) if support::takes_trust(&mut config.client, name, arguments)? => {}
            // These are the rule here.
            Some("-K" | "-y") => {}
            Some("-b") => _ = arguments.number::<u64>("-b")?,
            Some(name) => {
                let why = refusal(name).map(|why| support::wrong(format!("{name}: {why}")));
                return Err(why.unwrap_or_else(|| argument.unexpected()));
            }
            None if url.is_none() => {
                url = Some(argument.into_value().to_string_lossy().into_owned());
            }
            None => return Err(argument.unexpected()),
        }
    }
    if let Some((_, policy)) = one_of(transports)? {
        config.transport = policy;
    }
    let medium = one_of(media)?;
    if let Some((_, kind)) = &medium {
        config.tracks = std::mem::take(&mut config.tracks).kind(kind.clone()).at_most(1);
    }
    config.play.range = range(one_of(starts)?.map(|(_, start)| start), end)?;
    if options.repeats {
        config.reconnect = ReconnectPolicy::default();
    }
    config.check().map_err(|e| support::wrong(e.to_string()))?;
    let (period, is_per_frame) = (options.period.is_some(), options.is_per_frame);
    options.output = match (one_of(targets)?, medium) {
        (Some((name, Target::Mp4Stdout | Target::Nothing)), _) if period => {
            return Err(excluding(name, "-P"));
        }
        (Some((name, _)), _) if is_per_frame => return Err(excluding(name, "-m")),
        (Some((_, target)), _) => target,
        (None, _) if period && is_per_frame => return Err(excluding("-m", "-P")),
        (None, Some(_)) if !period && !is_per_frame => Target::Stdout,
        (None, _) => Target::Files,
    };
    if options.period.is_some_and(|period| period < Duration::from_secs(1)) {
        return Err(support::wrong("-P: a second is the least"));
    }
    if options.quality.is_some_and(|interval| interval.is_zero()) {
        return Err(support::wrong("-Q: a tenth of a second is the least"));
    }
    options.url = url.ok_or_else(|| support::wrong("URL is missing"))?;
    Ok(options)
}

/// The one option that was given of some that exclude each other.
fn one_of<T: PartialEq>(given: Vec<(&str, T)>) -> Result<Option<(&str, T)>, Stop> {
    let mut given = given.into_iter();
    let first = given.next();
    let other = given.find(|(name, _)| first.as_ref().is_some_and(|(first, _)| first != name));
    match (first, other) {
        (Some((first, _)), Some((other, _))) => Err(excluding(first, other)),
        (first, _) => Ok(first),
    }
}

fn excluding(first: &str, other: &str) -> Stop {
    support::wrong(format!("{first} and {other} exclude each other"))
}

/// A time of the presentation.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Time {
    /// Since its beginning.
    Played(Duration),
    /// When it was recorded.
    Absolute(UtcTime),
}

/// What is asked for by a start and an end.
fn range(start: Option<Time>, end: Option<Time>) -> Result<Option<Range>, Stop> {
    let range = match (start, end) {
        (None, None) => return Ok(None),
        (None, Some(Time::Played(end))) => Range::npt(Duration::ZERO, Some(end)),
        (Some(Time::Played(start)), None) => Range::npt(start, None),
        (Some(Time::Played(start)), Some(Time::Played(end))) => Range::npt(start, Some(end)),
        (Some(Time::Absolute(start)), None) => clock(start, None)?,
        (Some(Time::Absolute(start)), Some(Time::Absolute(end))) => clock(start, Some(end))?,
        (Some(Time::Absolute(_)), Some(Time::Played(_)))
        | (None | Some(Time::Played(_)), Some(Time::Absolute(_))) => {
            return Err(support::wrong("-E: it is an absolute time with -U, and only then"));
        }
    };
    Ok(Some(range))
}

fn clock(start: UtcTime, end: Option<UtcTime>) -> Result<Range, Stop> {
    let end = end.map_or_else(String::new, |end| end.to_string());
    let range = format!("clock={start}-{end}").parse();
    range.map_err(|e| support::wrong(format!("-U: {e}")))
}

/// An absolute time as RTSP writes it.
fn absolute(time: &str, option: &str) -> Result<UtcTime, Stop> {
    let wrong = || format!("{option}: {time:?} is not a time such as 20261129T093000Z");
    UtcTime::parse(time).ok_or_else(|| support::wrong(wrong()))
}

/// The value of an option in seconds, with a fraction.
fn seconds(arguments: &mut Arguments, option: &str) -> Result<Duration, Stop> {
    duration(arguments.parsed(option, "a number of seconds")?, option)
}

fn duration(seconds: f64, option: &str) -> Result<Duration, Stop> {
    Duration::try_from_secs_f64(seconds)
        .map_err(|e| support::wrong(format!("{option}: {seconds}: {e}")))
}

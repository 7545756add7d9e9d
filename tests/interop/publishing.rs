//! FFmpeg and GStreamer publish files to a server of the test's own (ANNOUNCE, RECORD), and FFmpeg
//! watches: what arrives is what was published, bit by bit.

use crate::ffmpeg::{extract, ffmpeg, outputs, read_all};
use crate::gstreamer::receive_by;
use crate::media::{Kind, of_file};
use crate::server::testdata;
use crate::streams::{adts_frames, nals};
use crate::tools::{all, have, have_optional, once_more_over_udp, run_light, scratch};
use riverrun::env::{MediumId, UsageEnvironment};
use riverrun::server::pool::{RemovalReason, SessionInfo};
use riverrun::server::{PublishPolicy, RtspServer, ServerConfig, ServerHooks};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, mpsc};
use std::thread::JoinHandle;
use std::time::Duration;

pub(crate) const FILE: &str = "h264_aac.mkv";
pub(crate) const TRACKS: [Kind; 2] = [Kind::H264, Kind::Aac];
/// How often a publisher repeats the file.
const TIMES: usize = 3;
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// What the server tells of a publisher.
#[derive(Debug, PartialEq, Eq)]
enum Told {
    Recorded,
    Lost(RemovalReason),
}

struct Hooks(mpsc::Sender<Told>);

impl ServerHooks for Hooks {
    fn recorded(&mut self, _: &SessionInfo) {
        let _ = self.0.send(Told::Recorded);
    }

    fn publisher_lost(&mut self, _: &SessionInfo, reason: RemovalReason) {
        let _ = self.0.send(Told::Lost(reason));
    }
}

/// A server on a thread of its own, to which everybody on this host may publish.
struct Relay {
    url: String,
    /// Over TLS, if it has that.
    secure_url: Option<String>,
    told: mpsc::Receiver<Told>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Relay {
    fn start(kept_for: Duration) -> Self {
        Self::start_with(move |config| config.publish.kept_for = kept_for, |_, _| None)
    }

    /// One that takes SRTP over TLS, too.
    #[cfg(all(feature = "tls", feature = "srtp"))]
    fn start_secure(kept_for: Duration) -> Self {
        use riverrun::net::tls::{TlsAcceptor, TlsFiles};
        let configure = move |config: &mut ServerConfig| {
            config.publish.kept_for = kept_for;
            config.srtp = Some(riverrun::server::SrtpConfig::default());
        };
        Self::start_with(configure, |env, server| {
            let pem = |name: &str| testdata("tls").join(name);
            let files = TlsFiles::new(pem("server.pem"), pem("server.key"));
            let acceptor = TlsAcceptor::from_files(files).expect("a certificate and its key");
            let address = "127.0.0.1:0".parse().expect("an address");
            let listens = env.with(server, |server, env| server.listen_tls(env, address, acceptor));
            Some(listens.expect("it is there").expect("a free port").port())
        })
    }

    /// `open_more` may open another port, and returns it.
    fn start_with(
        configure: impl FnOnce(&mut ServerConfig) + Send + 'static,
        open_more: impl FnOnce(&mut UsageEnvironment, MediumId<RtspServer>) -> Option<u16>
        + Send
        + 'static,
    ) -> Self {
        let (sender, told) = mpsc::channel();
        let (tell_port, port) = mpsc::channel();
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let thread = std::thread::spawn(move || {
            let mut env = UsageEnvironment::new().expect("an event loop");
            let mut config = ServerConfig::default();
            config.publish.policy = PublishPolicy::Loopback;
            configure(&mut config);
            let address = "127.0.0.1:0".parse().expect("an address");
            let server: MediumId<RtspServer> =
                RtspServer::new(&mut env, config, &[address]).expect("a server");
            env.with(server, |server, _| server.set_hooks(Hooks(sender))).expect("it is there");
            let address = env.medium(server).expect("it is there").local_addrs()[0];
            let more = open_more(&mut env, server);
            tell_port.send((address.port(), more)).expect("the test waits");
            while !stopped.load(Ordering::Relaxed) {
                env.turn(Some(Duration::from_millis(100))).expect("a turn");
            }
        });
        let (port, more) = port.recv().expect("the server starts");
        let url = format!("rtsp://127.0.0.1:{port}/cam");
        let secure_url = more.map(|port| format!("rtsps://127.0.0.1:{port}/cam"));
        Self { url, secure_url, told, stop, thread: Some(thread) }
    }

    fn expect(&self, expected: &Told) -> Result<(), String> {
        match self.told.recv_timeout(Duration::from_secs(40)) {
            Ok(told) if told == *expected => Ok(()),
            other => Err(format!("the server told {other:?}, not {expected:?}")),
        }
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        let ended = self.thread.take().map(JoinHandle::join);
        assert!(std::thread::panicking() || matches!(ended, Some(Ok(()))), "the server fails");
    }
}

/// A publisher, which is killed when this is dropped.
struct Publisher(Child);

impl Publisher {
    fn start(command: &mut Command, folder: &Path) -> Result<Self, String> {
        let log = std::fs::File::create(folder.join("publisher")).map_err(|e| e.to_string())?;
        let process = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log).spawn();
        process.map(Self).map_err(|e| e.to_string())
    }
}

impl Drop for Publisher {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn ffmpeg_publishes(url: &str, over: &str) -> Command {
    let mut command = ffmpeg();
    let times = (TIMES - 1).to_string();
    command.args(["-re", "-stream_loop", &times, "-i"]).arg(testdata("media").join(FILE));
    command.args(["-map", "0:v:0", "-map", "0:a:0", "-c", "copy", "-f", "rtsp"]);
    command.args(["-rtsp_transport", over, url]);
    command
}

/// The file [`TIMES`] times in one, for a publisher that does not repeat: a viewer that takes its time
/// to start finds the publisher there.
fn repeated(folder: &Path) -> Result<PathBuf, String> {
    let file = folder.join("repeated.mkv");
    let mut command = ffmpeg();
    command.args(["-stream_loop", &(TIMES - 1).to_string(), "-i"]);
    command.arg(testdata("media").join(FILE)).args(["-map", "0", "-c", "copy"]).arg(&file);
    let made = command.status().map_err(|e| e.to_string())?;
    if made.success() { Ok(file) } else { Err(format!("FFmpeg repeats no file: {made}")) }
}

fn gstreamer_publishes(file: &Path, url: &str, over: &str) -> Command {
    let mut command = Command::new("gst-launch-1.0");
    command.args(["-q", "filesrc"]).arg(format!("location={}", file.display()));
    command.args(["!", "matroskademux", "name=d"]);
    command.args(["d.video_0", "!", "queue", "!", "h264parse", "!", "s."]);
    command.args(["d.audio_0", "!", "queue", "!", "aacparse", "!", "s."]);
    command.args(["rtspclientsink", "name=s", &format!("location={url}")]);
    command.arg(format!("protocols={over}"));
    command
}

/// Watches until the stream ends; returns an elementary stream for each track.
fn watch(url: &str, over: &str, folder: &Path) -> Result<Vec<Vec<u8>>, String> {
    watch_with(&[], url, over, folder)
}

/// Watches ten seconds, two thirds of the file that is [repeated]. GStreamer's rtspclientsink, which
/// publishes it, does not always come to an end: once in fifty times it sends the BYE of each track,
/// and then reports for one of them as long as it is let.
fn watch_a_part(url: &str, over: &str, folder: &Path) -> Result<Vec<Vec<u8>>, String> {
    watch_with(&["-t", "10"], url, over, folder)
}

fn watch_with(
    options: &[&str],
    url: &str,
    over: &str,
    folder: &Path,
) -> Result<Vec<Vec<u8>>, String> {
    let mut command = ffmpeg();
    command.args(["-rtsp_transport", over]).args(options).args(["-i", url]);
    outputs(&mut command, &TRACKS, "arrived");
    let played = run_light(&mut command, folder, PATIENCE);
    let complaints = std::fs::read_to_string(folder.join("publisher")).unwrap_or_default();
    read_all(folder, "arrived", TRACKS.len())
        .map_err(|e| format!("{e}: {}; the publisher: {complaints}", played.complaints))
}

/// Slices of video, or frames of sound.
fn units(kind: Kind, stream: &[u8]) -> Result<Vec<&[u8]>, String> {
    if kind == Kind::Aac {
        return adts_frames(stream);
    }
    Ok(nals(stream).into_iter().filter(|nal| matches!(nal[0] & 0x1f, 1..=5)).collect())
}

/// Says whether `arrived` is a piece of the units of a file that is repeated; at least as long as
/// `least`.
fn is_piece(file: &[&[u8]], arrived: &[&[u8]], least: usize) -> Result<(), String> {
    if arrived.len() < least {
        return Err(format!("{} units arrived, fewer than {least}", arrived.len()));
    }
    let alike = |from: usize| {
        let file = file.iter().cycle().skip(from);
        arrived.iter().zip(file).take_while(|(arrived, sent)| arrived == sent).count()
    };
    let most = (0..file.len()).map(|from| (alike(from), from)).max();
    match most {
        Some((count, _)) if count == arrived.len() => Ok(()),
        Some((count, from)) => {
            let unit = arrived[count];
            Err(format!(
                "of {} units the first {count} are the file's from unit {from} on; the next, of {} \
                 bytes, is its unit {:?}",
                arrived.len(),
                unit.len(),
                file.iter().position(|sent| *sent == unit)
            ))
        }
        None => Err("the file has no units".to_owned()),
    }
}

pub(crate) fn compare(folder: &Path, arrived: &[Vec<u8>], share: f64) -> Result<(), String> {
    let file = extract(&testdata("media").join(FILE), &TRACKS, "sent", folder)?;
    for ((kind, sent), arrived) in TRACKS.into_iter().zip(&file).zip(arrived) {
        let (sent, arrived) = (units(kind, sent)?, units(kind, arrived)?);
        let least = (sent.len() as f64 * share) as usize;
        is_piece(&sent, &arrived, least).map_err(|e| format!("{kind:?}: {e}"))?;
    }
    Ok(())
}

/// Says whether `arrived` is a piece of the bytes of a file that is repeated; at least as long as it.
fn are_bytes_of(file: &[u8], arrived: &[u8]) -> Result<(), String> {
    let repeated = file.repeat(TIMES);
    let found = repeated.windows(arrived.len().max(1)).any(|piece| piece == arrived);
    match arrived.len() < file.len() {
        true => Err(format!("{} bytes arrived of {}", arrived.len(), file.len())),
        false if found => Ok(()),
        false => Err(format!("the {} bytes are not the file's", arrived.len())),
    }
}

fn there() -> bool {
    crate::ffmpeg::there()
}

/// FFmpeg publishes, and another player watches until the end, over UDP and TCP.
fn watch_ffmpeg(player: impl Fn(&str, &str, &Path) -> Result<Vec<Vec<u8>>, String> + Sync) {
    let jobs = ["tcp", "udp"].map(|over| (over.to_owned(), over)).into();
    all(jobs, |over| {
        let (_folder, folder) = scratch();
        let relay = Relay::start(Duration::from_secs(1));
        let publisher = Publisher::start(&mut ffmpeg_publishes(&relay.url, "tcp"), &folder)?;
        relay.expect(&Told::Recorded)?;
        let arrived = player(&relay.url, over, &folder)?;
        drop(publisher);
        let sent = extract(&testdata("media").join(FILE), &TRACKS, "sent", &folder)?;
        let [pictures, sound] = arrived.as_slice() else {
            return Err(format!("{} tracks arrived", arrived.len()));
        };
        let (expected, pictures) = (units(Kind::H264, &sent[0])?, units(Kind::H264, pictures)?);
        is_piece(&expected, &pictures, expected.len()).map_err(|e| format!("H264: {e}"))?;
        // What comes without headers is compared without them.
        let raw = adts_frames(&sent[1])?.concat();
        are_bytes_of(&raw, sound).or_else(|e| {
            let sound = adts_frames(sound).map_err(|_| format!("AAC: {e}"))?.concat();
            are_bytes_of(&raw, &sound).map_err(|e| format!("AAC: {e}"))
        })
    });
}

#[test]
fn what_ffmpeg_publishes_arrives_bit_by_bit() {
    if !there() {
        return;
    }
    let ways = [("tcp", "tcp"), ("udp", "tcp"), ("tcp", "udp"), ("udp", "udp")];
    let jobs = ways.map(|way| (format!("{way:?}"), way)).into();
    all(jobs, |(publishes, watches)| {
        let (_folder, folder) = scratch();
        let relay = Relay::start(Duration::from_secs(1));
        let publisher = Publisher::start(&mut ffmpeg_publishes(&relay.url, publishes), &folder)?;
        relay.expect(&Told::Recorded)?;
        let arrived = watch(&relay.url, watches, &folder)?;
        relay.expect(&Told::Lost(RemovalReason::TornDown))?;
        drop(publisher);
        compare(&folder, &arrived, 1.0)
    });
}

#[test]
fn a_viewer_goes_on_when_ffmpeg_is_killed_and_started_again() {
    if !there() {
        return;
    }
    let jobs = ["tcp", "udp"].map(|over| (over.to_owned(), over)).into();
    all(jobs, |over| {
        let (_folder, folder) = scratch();
        let relay = Relay::start(Duration::from_secs(5));
        let mut publisher = Publisher::start(&mut ffmpeg_publishes(&relay.url, over), &folder)?;
        relay.expect(&Told::Recorded)?;
        std::thread::scope(|scope| {
            let watcher = scope.spawn(|| watch(&relay.url, "tcp", &folder));
            std::thread::sleep(Duration::from_secs(4));
            let mut again = || {
                drop(publisher.0.kill());
                drop(publisher.0.wait());
                if over == "tcp" {
                    relay.expect(&Told::Lost(RemovalReason::ConnectionLost))?;
                }
                std::thread::sleep(Duration::from_secs(1));
                publisher = Publisher::start(&mut ffmpeg_publishes(&relay.url, over), &folder)?;
                if over == "udp" {
                    relay.expect(&Told::Lost(RemovalReason::TakenOver))?;
                }
                relay.expect(&Told::Recorded)?;
                relay.expect(&Told::Lost(RemovalReason::TornDown))
            };
            let went_on = again();
            let arrived = watcher.join().map_err(|_| "the watcher panicked".to_owned())??;
            went_on?;
            let file = extract(&testdata("media").join(FILE), &TRACKS, "sent", &folder)?;
            let (sent, arrived) = (units(Kind::H264, &file[0])?, units(Kind::H264, &arrived[0])?);
            // What the second publisher has sent arrived to its end.
            let least = sent.len() * TIMES * 3 / 4;
            let tail = &arrived[arrived.len().saturating_sub(least)..];
            is_piece(&sent, tail, least)
        })
    });
}

#[test]
fn what_gstreamer_publishes_arrives_bit_by_bit() {
    let probe = ["gst-inspect-1.0", "--exists", "rtspclientsink"];
    if !there() || !have("GStreamer's rtspclientsink", &probe) {
        return;
    }
    let jobs = ["tcp", "udp"].map(|over| (over.to_owned(), over)).into();
    let play = |over: &str| {
        let (_folder, folder) = scratch();
        let relay = Relay::start(Duration::from_secs(1));
        let file = repeated(&folder)?;
        let publisher =
            Publisher::start(&mut gstreamer_publishes(&file, &relay.url, over), &folder)?;
        relay.expect(&Told::Recorded)?;
        let arrived = watch_a_part(&relay.url, "tcp", &folder)?;
        drop(publisher);
        compare(&folder, &arrived, 1.0)
    };
    all(jobs, |over| once_more_over_udp(over, || play(over)));
}

/// Over TLS, media by SRTP with keys that the publisher chooses.
#[cfg(all(feature = "tls", feature = "srtp"))]
#[test]
fn what_gstreamer_publishes_by_srtp_arrives_bit_by_bit() {
    let probe = ["gst-inspect-1.0", "--exists", "rtspclientsink"];
    if !there()
        || !have("GStreamer's rtspclientsink", &probe)
        || !crate::secure::gstreamer_has_srtp()
    {
        return;
    }
    let jobs = ["tcp", "udp"].map(|over| (over.to_owned(), over)).into();
    let play = |over: &str| {
        let (_folder, folder) = scratch();
        let relay = Relay::start_secure(Duration::from_secs(1));
        let file = repeated(&folder)?;
        let url = relay.secure_url.as_deref().unwrap_or_default();
        let mut command = gstreamer_publishes(&file, url, over);
        command.args(["profiles=savp", "tls-validation-flags=0"]);
        let publisher = Publisher::start(&mut command, &folder)?;
        relay.expect(&Told::Recorded)?;
        let arrived = watch_a_part(&relay.url, "tcp", &folder)?;
        drop(publisher);
        compare(&folder, &arrived, 1.0)
    };
    all(jobs, |over| once_more_over_udp(over, || play(over)));
}

#[test]
fn gstreamer_watches_what_ffmpeg_publishes() {
    if !there() || !crate::gstreamer::there() {
        return;
    }
    watch_ffmpeg(|url, over, folder| {
        let (arrived, _) = receive_by(run_light, &of_file(FILE), url, over, folder)?;
        Ok(arrived)
    });
}

#[test]
fn openrtsp_watches_what_ffmpeg_publishes() {
    if !there() || !have_optional("openRTSP", &["sh", "-c", "command -v openRTSP"]) {
        return;
    }
    watch_ffmpeg(|url, over, folder| {
        let mut command = Command::new("openRTSP");
        command.args((over == "tcp").then_some("-t")).arg(url);
        let played = run_light(&mut command, folder, PATIENCE);
        if !played.succeeded {
            return Err(format!("openRTSP: {}", played.complaints));
        }
        Ok(crate::live555::arrived(folder))
    });
}

//! [`World`]: a simulated world with players, and the words in which the tests are written.

use riverrun::client::{
    AttemptError, Player, PlayerConfig, PlayerEnd, PlayerEvent, RtspClientConfig,
};
use riverrun::codec::{CodecParameters, PcmEncoding};
use riverrun::env::{LinkProfile, MediumId, Simulation, UsageEnvironment};
use riverrun::media::live::{LiveSender, Sent};
use riverrun::rtp::rtcp::NtpTime;
use riverrun::server::{
    FileSessionOptions, FolderProvider, LiveTrackOptions, RtspServer, ServerConfig,
};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, Instant};

pub(crate) const SERVER: &str = "10.0.0.1:554";
/// Host of the players.
pub(crate) const PLAYER_HOST: &str = "10.0.0.2";
/// Frames of sound: 20 ms of G.711.
pub(crate) const FRAME: Duration = Duration::from_millis(20);
const FRAME_BYTES: usize = 160;

/// What a player told, in short.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Told {
    Connected,
    Described(usize),
    TrackFailed(usize),
    Playing(String),
    Paused,
    Lost(String),
    Reconnecting(Duration),
    EndOfStream,
    Stopped,
    Failed(String),
}

/// A frame that a player handed out.
#[derive(Clone, Debug)]
pub(crate) struct Got {
    pub(crate) track: usize,
    pub(crate) pts: Duration,
    pub(crate) at: Instant,
    pub(crate) data: Vec<u8>,
    pub(crate) discontinuity: bool,
    pub(crate) damaged: bool,
    pub(crate) synchronized: bool,
    /// When it was captured, since the Unix epoch.
    pub(crate) wall_clock: Option<Duration>,
}

enum News {
    Told(Instant, Told),
    Frame(Got),
    TrackEnded(Ended),
}

/// What was received of a track when it ended.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Ended {
    pub(crate) track: usize,
    pub(crate) frames: u64,
    pub(crate) packets: u64,
}

#[derive(Debug, Default)]
pub(crate) struct Log {
    pub(crate) told: Vec<(Instant, Told)>,
    pub(crate) frames: Vec<Got>,
    pub(crate) ended: Vec<Ended>,
}

pub(crate) struct World {
    pub(crate) env: UsageEnvironment,
    pub(crate) log: Log,
    /// What the players tell, and where it comes out.
    teller: Sender<News>,
    news: Receiver<News>,
}

pub(crate) fn secs(seconds: f64) -> Duration {
    Duration::from_secs_f64(seconds)
}

/// A configuration whose players live on a host of their own.
pub(crate) fn config() -> PlayerConfig {
    let mut config = PlayerConfig::default();
    config.client = client_config();
    config
}

pub(crate) fn client_config() -> RtspClientConfig {
    let mut config = RtspClientConfig::default();
    config.local_address = PLAYER_HOST.parse().ok();
    config
}

impl World {
    pub(crate) fn new(seed: u64) -> Self {
        crate::secrets::search_the_log();
        let env = UsageEnvironment::simulated(seed);
        let (teller, news) = channel();
        Self { env, log: Log::default(), teller, news }
    }

    pub(crate) fn network(&mut self) -> &mut Simulation {
        self.env.simulation().expect("a simulated world")
    }

    pub(crate) fn set_profile(&mut self, change: impl FnOnce(&mut LinkProfile)) {
        let mut profile = LinkProfile::default();
        change(&mut profile);
        self.network().set_profile(profile);
    }

    pub(crate) fn play(&mut self, url: &str, config: PlayerConfig) -> MediumId<Player> {
        let teller = self.teller.clone();
        Player::open(&mut self.env, url, config, move |env, event| {
            let now = env.now();
            let told = match event {
                PlayerEvent::Frame { track, frame } => {
                    let got = Got {
                        track,
                        pts: frame.pts,
                        at: now,
                        data: frame.data.to_vec(),
                        discontinuity: frame.discontinuity,
                        damaged: frame.damaged,
                        synchronized: frame.synchronized,
                        wall_clock: frame.wall_clock.map(NtpTime::to_unix),
                    };
                    return teller.send(News::Frame(got)).expect("the world is there");
                }
                PlayerEvent::TrackEnded(track) => {
                    let packets = track.receiver.source().counters().packets;
                    let ended = Ended { track: track.number, frames: track.frames, packets };
                    return teller.send(News::TrackEnded(ended)).expect("the world is there");
                }
                PlayerEvent::Connected { .. } => Told::Connected,
                PlayerEvent::Described(media) => Told::Described(media.subsessions.len()),
                PlayerEvent::TrackFailed { track, .. } => Told::TrackFailed(track),
                PlayerEvent::Playing { transport, .. } => Told::Playing(transport.to_string()),
                PlayerEvent::Paused => Told::Paused,
                PlayerEvent::SetUp { .. }
                | PlayerEvent::PacketsEnd
                | PlayerEvent::FirstFrame { .. }
                | PlayerEvent::Source { .. } => return,
                PlayerEvent::Lost(why) => Told::Lost(why.to_string()),
                PlayerEvent::Reconnecting { delay, .. } => Told::Reconnecting(delay),
                PlayerEvent::Ended(PlayerEnd::EndOfStream) => Told::EndOfStream,
                PlayerEvent::Ended(PlayerEnd::Stopped) => Told::Stopped,
                PlayerEvent::Ended(PlayerEnd::Failed(why)) => Told::Failed(why.to_string()),
                other => panic!("{other:?}"),
            };
            teller.send(News::Told(now, told)).expect("the world is there");
        })
        .expect("a player")
    }

    /// Lets virtual time pass.
    pub(crate) fn run(&mut self, time: Duration) {
        let end = self.env.now() + time;
        self.run_until(end, |_| false);
    }

    pub(crate) fn run_secs(&mut self, seconds: f64) {
        self.run(secs(seconds));
    }

    /// Lets time pass until `end`, or `is_enough`; returns whether it was enough.
    pub(crate) fn run_until(
        &mut self,
        end: Instant,
        mut is_enough: impl FnMut(&Log) -> bool,
    ) -> bool {
        loop {
            self.take_news();
            if is_enough(&self.log) {
                return true;
            }
            let now = self.env.now();
            if now >= end {
                return false;
            }
            self.env.turn(Some(end - now)).expect("the loop goes on");
        }
    }

    fn take_news(&mut self) {
        for news in self.news.try_iter() {
            match news {
                News::Told(at, told) => self.log.told.push((at, told)),
                News::Frame(got) => self.log.frames.push(got),
                News::TrackEnded(ended) => self.log.ended.push(ended),
            }
        }
    }

    /// Waits until a player tells what `is_it` looks for, from the `from`th news on.
    #[track_caller]
    pub(crate) fn wait_for(&mut self, within: Duration, is_it: impl Fn(&Told) -> bool) -> Instant {
        let from = self.log.told.len();
        let end = self.env.now() + within;
        let found =
            self.run_until(end, |log| log.told.iter().skip(from).any(|(_, told)| is_it(told)));
        assert!(found, "not within {within:?}: {:?}", self.told());
        self.env.now()
    }

    pub(crate) fn told(&self) -> Vec<Told> {
        self.log.told.iter().map(|(_, told)| told.clone()).collect()
    }

    pub(crate) fn frames(&self) -> usize {
        self.log.frames.len()
    }

    /// Opens the crate's server, with the files of `testdata/media` and a live stream of sound.
    pub(crate) fn serve(&mut self) -> MediumId<RtspServer> {
        self.serve_with(ServerConfig::default())
    }

    /// The same with another configuration.
    pub(crate) fn serve_with(&mut self, config: ServerConfig) -> MediumId<RtspServer> {
        let sound =
            CodecParameters::Pcm { encoding: PcmEncoding::Pcmu, sampling_rate: 8000, channels: 1 };
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/testdata/media");
        let options = FileSessionOptions::default();
        let provider = FolderProvider::new(folder.as_ref(), options).expect("files");
        let server = self.open_server(config, LiveTrackOptions::new(sound), FRAME);
        self.env
            .with(server, |server, _| server.set_session_provider(provider))
            .expect("the server is there");
        server
    }

    /// Opens the crate's server with one live stream of one track, which has a frame of 160 bytes
    /// with its number in it every `interval`.
    pub(crate) fn serve_track(
        &mut self,
        track: LiveTrackOptions,
        interval: Duration,
    ) -> MediumId<RtspServer> {
        self.open_server(ServerConfig::default(), track, interval)
    }

    fn open_server(
        &mut self,
        config: ServerConfig,
        track: LiveTrackOptions,
        interval: Duration,
    ) -> MediumId<RtspServer> {
        let address = [SERVER.parse().expect("an address")];
        let server = RtspServer::new(&mut self.env, config, &address).expect("a server");
        let added =
            self.env.with(server, |server, env| server.add_live_stream(env, "live", [track]));
        let [sender] = added.expect("the server is there").expect("a live stream");
        feed(&mut self.env, sender, interval, 0);
        server
    }
}

/// Sends the frames that follow, until the server is closed.
pub(crate) fn feed(
    env: &mut UsageEnvironment,
    sender: LiveSender,
    interval: Duration,
    number: u32,
) {
    let mut frame = vec![0xFF; FRAME_BYTES];
    frame[..4].copy_from_slice(&number.to_be_bytes());
    if sender.send_access_unit(frame, interval * number) != Sent::Closed {
        env.schedule_delayed_task(interval, move |env| feed(env, sender, interval, number + 1));
    }
}

/// The errors of a player are told in full sentences.
#[test]
fn errors_are_told_in_words() {
    assert_eq!(AttemptError::NoTracks.to_string(), "there is no track to play");
}

//! Records an RTSP presentation into files, with the options of live555's openRTSP.

#[path = "../support/mod.rs"]
mod support;

mod ask;
mod options;
mod recording;
mod report;

use options::{HELP, Options};
use recording::Recording;
use report::{Counts, Quality};
use riverrun::client::{AttemptError, Player, PlayerEnd, PlayerEvent};
use riverrun::env::{MediumId, UsageEnvironment};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM, SIGUSR1, SIGXFSZ};
use std::io::{IsTerminal, stderr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Sender, channel};
use std::time::{Duration, Instant};
use support::Failure;

/// How often the progress line is written.
const PROGRESS_INTERVAL: Duration = Duration::from_millis(500);
/// With -c, time from the begin of a play to that of the next at the least. It doubles with each play
/// that brings no frame.
const SHORTEST_PLAY: Duration = Duration::from_millis(500);
/// The longest time that is waited so.
const LONGEST_REST: Duration = Duration::from_secs(8);

fn main() -> std::process::ExitCode {
    support::run("open_rtsp", HELP, options::options, run)
}

fn run(options: Options) -> Result<(), Failure> {
    let mut env = UsageEnvironment::new()?;
    let stop = support::stop_on_signals(&mut env, &[SIGINT, SIGTERM, SIGHUP, SIGUSR1])?;
    // A file that reaches the limit on its size is an error of that file, and not of the program.
    signal_hook::flag::register(SIGXFSZ, Arc::default())?;
    if options.asks_only {
        return ask::ask(&mut env, &options.url, options.config.client, &stop);
    }
    let mut recording = Recording::new(&options)?;
    let quality = options.quality.map(Quality::new);
    let mut session = Session::new(env, options, stop, quality);
    loop {
        let (outcome, given_back) = session.play(recording)?;
        recording = given_back;
        if outcome.is_ok() && session.options.repeats && !session.is_over {
            session.rest()?;
        }
        if outcome.is_err() || !session.options.repeats || session.is_over {
            if let Some(quality) = &session.quality {
                report::say(&quality.to_string().trim_end());
            }
            let finished = recording.finish();
            outcome?;
            if !session.has_played {
                return Err("it was ended before anything was played".into());
            }
            return finished;
        }
        recording.begin_play();
    }
}

/// What the handler of the player tells the program.
enum News {
    Playing,
    TrackEnded(usize, Counts),
    /// What still comes cannot be written.
    NothingToWrite,
    /// The player is at its end, and gives the recording back.
    Ended(Result<(), String>, Box<Recording>),
}

/// All plays of the presentation: one, or one after the other.
struct Session {
    env: UsageEnvironment,
    options: Options,
    stop: Arc<AtomicBool>,
    quality: Option<Quality>,
    /// When all of it is to end.
    deadline: Option<Instant>,
    /// It ends with this play.
    is_over: bool,
    /// The server has begun to play once.
    has_played: bool,
    /// When the present play began, and whether it has brought a frame.
    begun: Instant,
    has_frames: bool,
    /// Plays in succession that have brought none.
    empty_plays: u32,
}

impl Session {
    fn new(
        env: UsageEnvironment,
        options: Options,
        stop: Arc<AtomicBool>,
        quality: Option<Quality>,
    ) -> Self {
        Self {
            begun: env.now(),
            env,
            options,
            stop,
            quality,
            deadline: None,
            is_over: false,
            has_played: false,
            has_frames: false,
            empty_plays: 0,
        }
    }

    /// Waits between two plays, if the server ends them as soon as they have begun: it is not to be
    /// asked all the time.
    fn rest(&mut self) -> Result<(), Failure> {
        self.empty_plays = if self.has_frames { 0 } else { self.empty_plays.saturating_add(1) };
        let delay = SHORTEST_PLAY.saturating_mul(1 << self.empty_plays.min(20)).min(LONGEST_REST);
        let until = self.begun + delay;
        loop {
            let now = self.env.now();
            let is_at_end = self.deadline.is_some_and(|deadline| now >= deadline);
            if is_at_end || self.stop.load(Ordering::Relaxed) {
                self.is_over = true;
            }
            if now >= until || self.is_over {
                return Ok(());
            }
            let next = self.deadline.map_or(until, |deadline| deadline.min(until));
            self.env.turn(Some(next.saturating_duration_since(now)))?;
        }
    }

    /// Plays once; returns how it ended.
    fn play(&mut self, recording: Recording) -> Result<(Result<(), String>, Recording), Failure> {
        let (teller, news) = channel();
        let player = open(&mut self.env, &self.options, recording, teller)?;
        let shows_progress = !self.options.is_quiet && stderr().is_terminal();
        let (mut begun, mut next_progress) = (None, None);
        let mut awaits_first = self.options.tells_first;
        let mut is_stopping = false;
        (self.begun, self.has_frames) = (self.env.now(), false);
        loop {
            let now = self.env.now();
            for news in news.try_iter() {
                match news {
                    News::Playing => {
                        self.has_played = true;
                        let begun = *begun.get_or_insert(now);
                        next_progress = shows_progress.then_some(begun);
                        let duration = self.options.duration;
                        let end = || duration.and_then(|duration| now.checked_add(duration));
                        self.deadline = self.deadline.or_else(end);
                        if let (Some(quality), Some(player)) =
                            (&mut self.quality, self.env.medium(player))
                        {
                            quality.begin(player, now);
                        }
                    }
                    News::TrackEnded(number, counts) => {
                        self.has_frames |= counts.has_frames();
                        if let Some(quality) = &mut self.quality {
                            quality.end_track(number, &counts, now);
                        }
                    }
                    News::NothingToWrite => self.is_over = true,
                    News::Ended(outcome, recording) => {
                        self.env.close(player);
                        if shows_progress {
                            report::end_progress();
                        }
                        return Ok((outcome, *recording));
                    }
                }
            }
            let is_due = |at: Option<Instant>| at.is_some_and(|at| now >= at);
            if awaits_first && has_packets(&self.env, player) {
                awaits_first = false;
                report::say(&"the first packet has arrived\x07");
            }
            if let (Some(quality), Some(player)) = (&mut self.quality, self.env.medium(player)) {
                quality.measure(player, now);
            }
            if let (Some(begun), true) = (begun, is_due(next_progress)) {
                report::show_progress(&self.env, player, begun);
                next_progress = Some(now + PROGRESS_INTERVAL);
            }
            if is_due(self.deadline) || self.stop.load(Ordering::Relaxed) {
                self.is_over = true;
            }
            if self.is_over && !is_stopping {
                is_stopping = true;
                self.deadline = None;
                self.env.with(player, |player, env| player.stop(env))?;
                // That may have been the end.
                continue;
            }
            let quality = self.quality.as_ref().and_then(Quality::next);
            let next = [next_progress, self.deadline, quality].into_iter().flatten().min();
            self.env.turn(next.map(|at| at.saturating_duration_since(now)))?;
        }
    }
}

fn has_packets(env: &UsageEnvironment, player: MediumId<Player>) -> bool {
    let has_some = |player: &Player| {
        player.tracks().any(|track| track.receiver.source().counters().packets > 0)
    };
    env.medium(player).is_some_and(has_some)
}

fn open(
    env: &mut UsageEnvironment,
    options: &Options,
    recording: Recording,
    teller: Sender<News>,
) -> Result<MediumId<Player>, Failure> {
    let mut recording = Some(Box::new(recording));
    let is_quiet = options.is_quiet;
    let say = move |text: String| {
        if !is_quiet {
            report::say(&text);
        }
    };
    let player = Player::open(env, &options.url, options.config.clone(), move |_, event| {
        let Some(recorder) = &mut recording else { return };
        let news = match event {
            PlayerEvent::Described(media) => {
                recorder.describe(media);
                recorder.is_over().then_some(News::NothingToWrite)
            }
            PlayerEvent::Frame { track, frame } => {
                recorder.handle_frame(track, frame);
                recorder.is_over().then_some(News::NothingToWrite)
            }
            PlayerEvent::Playing { transport, tracks, .. } => {
                say(format!("plays {} tracks over {transport}", tracks.len()));
                Some(News::Playing)
            }
            PlayerEvent::TrackEnded(track) => {
                Some(News::TrackEnded(track.number, Counts::of(&track)))
            }
            PlayerEvent::TrackFailed { track, why } => {
                say(format!("track {track} is left out: {why}"));
                None
            }
            PlayerEvent::Lost(why) => {
                say(format!("lost: {why}"));
                None
            }
            PlayerEvent::Ended(end) => {
                let outcome = match end {
                    // Where the description tells no end, this is how it comes.
                    PlayerEnd::Failed(AttemptError::EndedByServer) => Ok(()),
                    PlayerEnd::Failed(why) => Err(why.to_string()),
                    _ => Ok(()),
                };
                recording.take().map(|recording| News::Ended(outcome, recording))
            }
            _ => None,
        };
        if let Some(news) = news {
            // The program listens as long as there is a player.
            let _ = teller.send(news);
        }
    });
    Ok(player?)
}

//! The clients of a load, each a player.

use crate::load_report::{Counts, Report, ServerCost};
use crate::support::Failure;
use crate::support::process::{Usage, own_time};
use riverrun::client::{PlayedTrack, Player, PlayerConfig, PlayerEnd, PlayerEvent};
use riverrun::env::{MediumId, UsageEnvironment};
use std::collections::BTreeMap;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, Instant};

/// Clients of which the lateness is measured.
const TIMED: usize = 64;

/// What the clients are to do.
pub(crate) struct Plan {
    pub(crate) urls: Vec<String>,
    pub(crate) config: PlayerConfig,
    pub(crate) clients: usize,
    /// Clients that begin in a second.
    pub(crate) rate: f64,
    /// Longest time until all play.
    pub(crate) patience: Duration,
    /// Each leaves when it has got a frame, and comes again.
    pub(crate) churn: bool,
    /// The process of the server.
    pub(crate) pid: Option<u32>,
}

/// What a client tells.
enum News {
    Playing,
    /// A frame has come so long after the beginning, of this time of presentation.
    Frame(Duration, Duration),
    Ended(PlayerEnd),
}

#[derive(Default)]
struct Client {
    player: Option<MediumId<Player>>,
    began: Option<Instant>,
    is_up: bool,
    /// Of the present player, when they were looked at last.
    seen: Counts,
    /// Of all its players in the time that is measured.
    counts: Counts,
    first_packet: Option<Duration>,
    /// Times of arrival less times of presentation, of the present player, in seconds.
    offsets: Vec<f64>,
    /// By how much each frame of earlier ones was later than the earliest, in seconds.
    lateness: Vec<f64>,
}

/// Clients that play, and what they have seen.
pub(crate) struct Load {
    plan: Plan,
    env: UsageEnvironment,
    teller: Sender<(usize, News)>,
    news: Receiver<(usize, News)>,
    clients: Vec<Client>,
    began: Instant,
    /// Seconds that each cycle took.
    cycles: Vec<f64>,
    failures: BTreeMap<String, u64>,
    /// What this program used before it had clients.
    idle: Option<Usage>,
}

/// The time that is measured, and what was used before it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Window {
    pub(crate) since: Instant,
    pub(crate) own: Duration,
    pub(crate) server: Option<Usage>,
}

impl Load {
    pub(crate) fn new(plan: Plan, env: UsageEnvironment) -> Self {
        let (teller, news) = channel();
        let (clients, began) = (Vec::new(), Instant::now());
        let (cycles, failures) = (Vec::new(), BTreeMap::new());
        let idle = Usage::of(std::process::id());
        Self { plan, env, teller, news, clients, began, cycles, failures, idle }
    }

    pub(crate) const fn began(&self) -> Instant {
        self.began
    }

    /// Starts the clients whose time has come; returns whether there are more.
    pub(crate) fn start_due(&mut self) -> Result<bool, Failure> {
        let due = (self.began.elapsed().as_secs_f64() * self.plan.rate) as usize;
        while self.clients.len() < self.plan.clients.min(due.saturating_add(1)) {
            self.clients.push(Client::default());
            self.start(self.clients.len() - 1)?;
        }
        Ok(self.clients.len() < self.plan.clients)
    }

    fn start(&mut self, number: usize) -> Result<(), Failure> {
        let Plan { urls, config, .. } = &self.plan;
        let (teller, began, mut timed) = (self.teller.clone(), self.began, None);
        let handler = move |_: &mut UsageEnvironment, event: PlayerEvent<'_>| {
            let news = match event {
                PlayerEvent::Playing { .. } => News::Playing,
                // Tracks are not equally early: of one only.
                PlayerEvent::Frame { track, frame }
                    if timed.is_none() || number < TIMED && timed == Some(track) =>
                {
                    timed = Some(track);
                    News::Frame(frame.arrived_at.saturating_duration_since(began), frame.pts)
                }
                PlayerEvent::Ended(why) => News::Ended(why),
                _ => return,
            };
            // Nobody hears it when the program is at its end.
            let _ = teller.send((number, news));
        };
        let url = &urls[number % urls.len()];
        let client = &mut self.clients[number];
        client.close_offsets();
        client.player = Some(Player::open(&mut self.env, url, config.clone(), handler)?);
        (client.began, client.seen) = (Some(Instant::now()), Counts::default());
        Ok(())
    }

    /// One turn of the event loop.
    pub(crate) fn turn(&mut self, longest: Duration) -> Result<(), Failure> {
        self.env.turn(Some(longest))?;
        self.take_news()
    }

    fn take_news(&mut self) -> Result<(), Failure> {
        while let Ok((number, news)) = self.news.try_recv() {
            let client = &mut self.clients[number];
            match (news, client.player) {
                (News::Playing, _) => client.is_up = true,
                (News::Frame(arrived, presented), Some(player)) => {
                    client.offsets.push(arrived.as_secs_f64() - presented.as_secs_f64());
                    client.first_packet = client.first_packet.or_else(|| {
                        let player = self.env.medium(player)?;
                        let first = player.tracks().filter_map(|t| t.first_packet_at).min()?;
                        Some(first.saturating_duration_since(player.play_sent_at()?))
                    });
                    if self.plan.churn {
                        client.count(&self.env);
                        self.env.with(player, |player, env| player.stop(env))?;
                    }
                }
                (News::Ended(why), Some(player)) => {
                    self.env.close(player);
                    self.handle_end(number, &why)?;
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn handle_end(&mut self, number: usize, why: &PlayerEnd) -> Result<(), Failure> {
        let client = &mut self.clients[number];
        (client.player, client.is_up) = (None, false);
        match why {
            PlayerEnd::Failed(why) => {
                *self.failures.entry(why.to_string()).or_default() += 1;
                // In a churn it tries again in a while.
                return Ok(());
            }
            PlayerEnd::Stopped => {
                self.cycles.extend(client.began.map(|at| at.elapsed().as_secs_f64()))
            }
            _ => {}
        }
        self.start(number)
    }

    /// Counts what all have received, and lets those try again that have failed.
    pub(crate) fn look(&mut self) -> Result<(), Failure> {
        for number in 0..self.clients.len() {
            self.clients[number].count(&self.env);
            if self.plan.churn && self.clients[number].player.is_none() {
                self.start(number)?;
            }
        }
        Ok(())
    }

    /// Whether all play, or have had the time for it.
    pub(crate) fn is_settled(&self, is_ramp: bool) -> bool {
        let ramp = Duration::from_secs_f64(self.plan.clients as f64 / self.plan.rate);
        let is_done = |client: &Client| client.is_up || client.player.is_none();
        !is_ramp && (self.plan.churn || self.clients.iter().all(is_done))
            || self.began.elapsed() >= ramp.saturating_add(self.plan.patience)
    }

    /// Whether none plays any more, nor will.
    pub(crate) fn is_over(&self) -> bool {
        let is_idle = |client: &Client| client.player.is_none();
        !self.plan.churn
            && self.clients.len() == self.plan.clients
            && self.clients.iter().all(is_idle)
    }

    pub(crate) fn begin_window(&mut self) -> Result<Window, Failure> {
        self.look()?;
        for client in &mut self.clients {
            client.counts = Counts::default();
            client.offsets.clear();
            client.lateness.clear();
        }
        self.cycles.clear();
        let server = self.plan.pid.and_then(Usage::of);
        Ok(Window { since: Instant::now(), own: own_time(), server })
    }

    /// How it goes, in a line.
    pub(crate) fn progress(&self) -> String {
        let up = self.clients.iter().filter(|client| client.is_up).count();
        let failures: u64 = self.failures.values().sum();
        let Counts { packets, lost, .. } = total(&self.clients);
        let (seconds, of) = (self.began.elapsed().as_secs(), self.plan.clients);
        format!("{seconds} s: {up} of {of} up, {failures} failures, {packets} packets, {lost} lost")
    }

    /// What was seen since the window began.
    pub(crate) fn report(
        &mut self,
        window: &Window,
        idle: Option<Usage>,
    ) -> Result<Report, Failure> {
        self.look()?;
        let server = self.plan.pid.and_then(Usage::of);
        let server = idle.zip(window.server).zip(server);
        let mut report = Report {
            clients: self.plan.clients,
            up: self.clients.iter().filter(|client| client.is_up).count(),
            silent: self.clients.iter().filter(|client| client.is_silent()).count(),
            seconds: window.since.elapsed().as_secs_f64(),
            counts: total(&self.clients),
            memory: self.idle.zip(Usage::of(std::process::id())).map(|(a, b)| (a.memory, b.memory)),
            own: own_time().saturating_sub(window.own),
            server: server.map(|((idle, before), after)| ServerCost { idle, before, after }),
            failures: std::mem::take(&mut self.failures),
            ..Report::default()
        };
        for client in &mut self.clients {
            client.close_offsets();
            report.first_packets.extend(client.first_packet.map(|time| time.as_secs_f64()));
            report.lateness.append(&mut client.lateness);
        }
        report.cycles = self.plan.churn.then(|| std::mem::take(&mut self.cycles));
        Ok(report)
    }

    /// Leaves in order: with a TEARDOWN of each client.
    pub(crate) fn end(&mut self) -> Result<(), Failure> {
        for client in &mut self.clients {
            if let Some(player) = client.player.take() {
                self.env.close(player);
            }
        }
        Ok(self.env.turn(Some(Duration::ZERO))?)
    }
}

impl Client {
    /// Adds what its tracks have received since the last time.
    fn count(&mut self, env: &UsageEnvironment) {
        let Some(player) = self.player.and_then(|player| env.medium(player)) else { return };
        let mut now = Counts::default();
        for PlayedTrack { receiver, .. } in player.tracks() {
            let counted = receiver.source().counters();
            now.packets += counted.packets;
            now.bytes += counted.octets;
            now.lost += counted.missing;
        }
        self.counts.add(now.since(self.seen));
        self.seen = now;
    }

    const fn is_silent(&self) -> bool {
        self.is_up && self.counts.packets == 0
    }

    /// The times of the present player are all that it has.
    fn close_offsets(&mut self) {
        let earliest = self.offsets.iter().copied().fold(f64::INFINITY, f64::min);
        self.lateness.extend(self.offsets.drain(..).map(|offset| offset - earliest));
    }
}

fn total(clients: &[Client]) -> Counts {
    let mut sum = Counts::default();
    clients.iter().for_each(|client| sum.add(client.counts));
    sum
}

//! Requests that cannot be answered yet: what they wait for, and how they go on.
//!
//! A request that waits has been admitted, and it is not asked about again. It goes on where it
//! waited: at the provider's answer for the one name that was not known yet.

use crate::env::turn_budget::TurnBudget;
use crate::env::{EventTrigger, Timer, UsageEnvironment};
use crate::ids::ConnectionId;
use crate::server::method::outcome::{Awaited, Until};
use crate::server::method::refusal::{Refusal, Refused};
use crate::server::method::targets::Lookup;
use crate::server::rtsp_server::{RtspServer, plain_key};
use crate::wire::rtsp::{Request, StatusCode};
use std::collections::BTreeMap;
use std::time::Instant;

/// Requests that are gone on with in one turn; each may cost some calls of the file system.
const WAITING_PER_TURN: usize = 64;

/// A request that waits, and what is known of it.
#[derive(Debug)]
pub(crate) struct WaitingRequest {
    request: Request<'static>,
    user: Option<String>,
    awaited: Awaited,
    /// What the provider has said about the names that it asked for so far.
    known: Vec<(String, Lookup)>,
    since: Instant,
    /// Its place in the queue.
    place: u64,
}

/// The requests that wait, one of a connection at the most, and the queues that they wait in.
#[derive(Debug, Default)]
pub(crate) struct Waiting {
    requests: BTreeMap<ConnectionId, WaitingRequest>,
    /// Those that are gone on with in the next turn, in the order of their places.
    next_turn: BTreeMap<u64, ConnectionId>,
    /// Those that are gone on with when the provider wakes the server.
    parked: BTreeMap<u64, ConnectionId>,
    /// Those that are gone on with when a live input has something.
    undescribed: BTreeMap<u64, ConnectionId>,
    places: u64,
    pub(crate) timer: Timer,
    /// What the provider calls, from any thread.
    pub(crate) trigger: Option<EventTrigger>,
    /// Bytes that probes read.
    budget: TurnBudget,
    /// What is known for the request that is being answered.
    known: Vec<(String, Lookup)>,
}

impl Waiting {
    /// A place behind all others.
    fn enqueue(&mut self, id: ConnectionId, until: Until) -> u64 {
        self.places += 1;
        self.insert(self.places, id, until);
        self.places
    }

    fn insert(&mut self, place: u64, id: ConnectionId, until: Until) {
        let queue = match until {
            Until::NextTurn => &mut self.next_turn,
            Until::ProviderWakes => &mut self.parked,
            Until::InputWakes => &mut self.undescribed,
        };
        queue.insert(place, id);
    }

    /// Takes out the request of a connection: it waits no more.
    pub(crate) fn remove(&mut self, id: ConnectionId) -> Option<WaitingRequest> {
        let waiting = self.requests.remove(&id)?;
        self.next_turn.remove(&waiting.place);
        self.parked.remove(&waiting.place);
        self.undescribed.remove(&waiting.place);
        Some(waiting)
    }

    /// What the provider has said about a name while the present request waited.
    pub(crate) fn known(&self, name: &str) -> Option<Lookup> {
        self.known.iter().find(|(known, _)| known == name).map(|(_, lookup)| *lookup)
    }
}

/// What of a request outlives its waiting.
#[derive(Debug, Default)]
pub(crate) struct Resumed {
    pub(crate) since: Option<Instant>,
    place: Option<u64>,
}

impl RtspServer {
    /// Puts a request into the queue. One that has waited for room before keeps its place.
    pub(crate) fn let_wait(
        &mut self,
        env: &mut UsageEnvironment,
        id: ConnectionId,
        request: Request<'_>,
        user: Option<String>,
        awaited: Awaited,
        resumed: &Resumed,
    ) {
        let known = std::mem::take(&mut self.waiting.known);
        let Some(connection) = self.connections.get_mut(id) else { return };
        let since = resumed.since.unwrap_or_else(|| env.now());
        let place = match (&awaited, resumed.place) {
            (Awaited::Room, Some(place)) => {
                self.waiting.insert(place, id, Until::NextTurn);
                place
            }
            _ => self.waiting.enqueue(id, awaited.until()),
        };
        let patience = match awaited {
            Awaited::Description => self.config.describe_timeout,
            Awaited::Session { .. } | Awaited::Room => self.config.lookup_timeout,
        };
        connection.hold_input(since.checked_add(patience));
        let request = request.into_owned();
        let waiting = WaitingRequest { request, user, awaited, known, since, place };
        self.waiting.requests.insert(id, waiting);
        self.arm_work_timer(env);
    }

    fn arm_work_timer(&mut self, env: &mut UsageEnvironment) {
        if let (false, Some(me)) = (self.waiting.next_turn.is_empty(), self.me) {
            let now = env.now();
            env.arm_timer(&mut self.waiting.timer, me, plain_key(crate::ids::KEY_WORK), now);
        }
    }

    /// Goes on with requests that wait, in turn. What probes may read is shared among them, so
    /// that a large file keeps nobody from a small one.
    pub(crate) fn go_on_with_waiting(&mut self, env: &mut UsageEnvironment) {
        let round = self.waiting.next_turn.len().min(WAITING_PER_TURN);
        let mut from = 0;
        for n in 0..round {
            let next = self.waiting.next_turn.range(from..).next();
            let Some((&place, &id)) = next else { break };
            from = place + 1;
            self.waiting.next_turn.remove(&place);
            let Some(mut waiting) = self.waiting.remove(id) else { continue };
            if let Awaited::Session { name, until } = &mut waiting.awaited {
                let left = self.waiting.budget.left(env, self.config.probe_budget);
                let share = (left / (round - n)).max(1);
                let lookup = self.look_up_with(env, name, Some(share));
                if let Lookup::Pending(again) = lookup {
                    *until = again;
                    waiting.place = self.waiting.enqueue(id, again);
                    self.waiting.requests.insert(id, waiting);
                    continue;
                }
                waiting.known.push((std::mem::take(name), lookup));
            }
            self.resume(env, id, waiting);
        }
        self.arm_work_timer(env);
    }

    fn resume(&mut self, env: &mut UsageEnvironment, id: ConnectionId, waiting: WaitingRequest) {
        let WaitingRequest { request, user, known, since, place, .. } = waiting;
        self.waiting.known = known;
        self.release_input(id);
        let resumed = Resumed { since: Some(since), place: Some(place) };
        self.answer_request(env, id, request, user, &resumed);
        self.waiting.known.clear();
        self.after_waiting(env, id);
    }

    fn release_input(&mut self, id: ConnectionId) {
        if let Some(connection) = self.connections.get_mut(id) {
            connection.release_input();
        }
    }

    /// Looks at what has come in behind a request that waits no more.
    fn after_waiting(&mut self, env: &mut UsageEnvironment, id: ConnectionId) {
        if self.connections.get(id).is_some_and(|c| !c.is_input_held()) {
            self.process_input(env, id, &[]);
        }
        self.update_connection(env, id);
    }

    /// The provider has something to tell: those who wait for it are gone on with.
    pub(crate) fn wake_parked(&mut self, env: &mut UsageEnvironment) {
        let Waiting { next_turn, parked, .. } = &mut self.waiting;
        next_turn.append(parked);
        self.arm_work_timer(env);
    }

    /// A live input has something: it may be what a track's description needs.
    pub(crate) fn wake_undescribed(&mut self, env: &mut UsageEnvironment) {
        let Waiting { next_turn, undescribed, .. } = &mut self.waiting;
        if !undescribed.is_empty() {
            next_turn.append(undescribed);
            self.arm_work_timer(env);
        }
    }

    /// Answers a request that has waited for too long.
    pub(crate) fn give_up_waiting(&mut self, env: &mut UsageEnvironment, id: ConnectionId) {
        let Some(waiting) = self.waiting.remove(id) else { return };
        self.release_input(id);
        let refused = Refused::new(StatusCode::SERVICE_UNAVAILABLE).field("Retry-After", 1);
        let refusal = Refusal::from(refused);
        self.refuse_request(env, id, &waiting.request, &refusal, Some(waiting.since));
        self.after_waiting(env, id);
    }

    /// By name in the table, then through the application's provider.
    pub(crate) fn look_up(&mut self, env: &mut UsageEnvironment, name: &str) -> Lookup {
        if let Some(known) = self.waiting.known(name) {
            return known;
        }
        self.look_up_with(env, name, None)
    }

    /// How much the provider may read for a request that asks for the first time. `None`: it has
    /// to queue behind those that wait.
    pub(crate) fn first_share(&mut self, env: &UsageEnvironment) -> Option<usize> {
        let is_alone = self.waiting.next_turn.is_empty();
        is_alone.then(|| self.waiting.budget.left(env, self.config.probe_budget))
    }

    /// Notes what the provider has read in this turn.
    pub(crate) fn note_probing(&mut self, bytes: usize) {
        self.waiting.budget.take(bytes);
    }
}

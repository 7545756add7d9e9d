//! Suspends and resumes requests. The application decides about each request once. A request
//! resumes where it was suspended: at the application's decision, or at the provider's answer for
//! the name that was unknown.

use crate::env::UsageEnvironment;
use crate::ids::{ConnectionId, KEY_WORK};
use crate::server::hooks::{Decision, DecisionState};
use crate::server::method::lookup::Lookup;
use crate::server::method::outcome::{Awaited, Identity, Stage, Until};
use crate::server::method::refusal::{Refusal, Refused};
use crate::server::rtsp_server::{RtspServer, plain_key};
use crate::server::waiting::{Progress, WaitingRequest};
use crate::wire::rtsp::{Request, StatusCode};

/// Requests resumed in one turn; each may cost several file system calls.
const RESUMED_PER_TURN: usize = 64;

impl RtspServer {
    /// Suspends a request and the input of its connection.
    pub(crate) fn let_wait(
        &mut self,
        env: &mut UsageEnvironment,
        id: ConnectionId,
        (request, identity): (Request<'_>, Identity),
        awaited: Awaited,
        mut progress: Progress,
    ) {
        let Some(connection) = self.connections.get_mut(id) else { return };
        let since = *progress.since.get_or_insert_with(|| env.now());
        let patience = match awaited {
            Awaited::Description | Awaited::BackChannel => self.config.describe_timeout,
            Awaited::Delay { delay, .. } => delay,
            Awaited::Decision(..) | Awaited::Session { .. } | Awaited::Room => {
                self.config.lookup_timeout
            }
        };
        connection.hold_input(since.checked_add(patience));
        let request = request.into_owned();
        self.waiting.insert(id, WaitingRequest { request, identity, awaited, progress });
        self.arm_work_timer(env);
    }

    fn arm_work_timer(&mut self, env: &mut UsageEnvironment) {
        if let (true, Some(me)) = (self.waiting.has_ready(), self.me) {
            let now = env.now();
            env.arm_timer(&mut self.waiting.timer, me, plain_key(KEY_WORK), now);
        }
    }

    /// Resumes waiting requests in order. They share the read budget of probes, so that a large
    /// file does not delay a small one.
    pub(crate) fn resume_requests(&mut self, env: &mut UsageEnvironment) {
        let round = self.waiting.count_ready(RESUMED_PER_TURN);
        let mut from = 0;
        for n in 0..round {
            let Some((place, id)) = self.waiting.next_ready(from) else { break };
            from = place + 1;
            let Some(mut waiting) = self.waiting.remove(id) else { continue };
            if let Awaited::Decision(stage, pending) = &waiting.awaited {
                match pending.made() {
                    None => self.waiting.insert(id, waiting),
                    Some(decision) => {
                        let stage = *stage;
                        self.decide_waiting(env, id, waiting, (stage, decision));
                    }
                }
                continue;
            }
            if let Awaited::Session { name, until } = &mut waiting.awaited {
                let share = (self.lookups.bytes_left(env) / (round - n)).max(1);
                let tables = (&mut self.media_sessions, &mut self.streams);
                let lookup = self.lookups.look_up(env, tables, name, Some(share));
                if let Lookup::Pending(again) = lookup {
                    *until = again;
                    self.waiting.insert(id, waiting);
                    continue;
                }
                waiting.progress.known.push((std::mem::take(name), lookup));
            }
            self.release_input(id);
            let WaitingRequest { request, identity, progress, .. } = waiting;
            self.answer_request(env, id, request, identity, progress);
            self.after_waiting(env, id);
        }
        self.arm_work_timer(env);
    }

    /// Marks requests as ready whose awaited event may have happened; they resume in the next turn.
    pub(crate) fn wake_requests(&mut self, env: &mut UsageEnvironment, until: Until) {
        self.waiting.wake(until);
        self.arm_work_timer(env);
    }

    /// Goes on with a request about which a decision has been made.
    fn decide_waiting(
        &mut self,
        env: &mut UsageEnvironment,
        id: ConnectionId,
        waiting: WaitingRequest,
        (stage, decision): (Stage, DecisionState),
    ) {
        self.release_input(id);
        let WaitingRequest { request, identity, progress, .. } = waiting;
        self.follow_decision(env, id, (request, identity), progress, (stage, decision));
        self.after_waiting(env, id);
    }

    /// Answers a request that has waited for too long, or goes on with one that has waited for as
    /// long as was decided.
    pub(crate) fn give_up_waiting(&mut self, env: &mut UsageEnvironment, id: ConnectionId) {
        let Some(mut waiting) = self.waiting.remove(id) else { return };
        waiting.awaited = match waiting.awaited {
            Awaited::Delay { stage, admission, .. } => {
                let decision = Decision::from(admission).0;
                waiting.awaited = Awaited::Room;
                return self.decide_waiting(env, id, waiting, (stage, decision));
            }
            awaited => awaited,
        };
        let refused = Refused::new(StatusCode::SERVICE_UNAVAILABLE).field("Retry-After", 1);
        self.refuse_waiting(env, id, &waiting, &refused.into());
    }

    fn refuse_waiting(
        &mut self,
        env: &mut UsageEnvironment,
        id: ConnectionId,
        waiting: &WaitingRequest,
        refusal: &Refusal,
    ) {
        self.release_input(id);
        self.refuse_request(env, id, &waiting.request, refusal, waiting.progress.since);
        self.after_waiting(env, id);
    }

    fn release_input(&mut self, id: ConnectionId) {
        if let Some(connection) = self.connections.get_mut(id) {
            connection.release_input();
        }
    }

    /// Parses the input that has arrived behind a request which no longer waits.
    fn after_waiting(&mut self, env: &mut UsageEnvironment, id: ConnectionId) {
        if self.connections.get(id).is_some_and(|c| !c.is_input_held()) {
            self.process_input(env, id, &[]);
        }
        self.update_connection(env, id);
    }
}

//! How requests wait, and how they go on. The application is asked about each once. A request goes
//! on where it waited: at the application's decision, or at the provider's answer for the one name
//! that was not known yet.

use crate::env::UsageEnvironment;
use crate::ids::{ConnectionId, KEY_WORK};
use crate::server::hooks::Admission;
use crate::server::method::lookup::Lookup;
use crate::server::method::outcome::{Awaited, Until};
use crate::server::method::refusal::{Refusal, Refused};
use crate::server::rtsp_server::{RtspServer, plain_key};
use crate::server::waiting::{Progress, WaitingRequest};
use crate::wire::rtsp::{Request, StatusCode};

/// Requests that go on in one turn; each may cost some calls of the file system.
const RESUMED_PER_TURN: usize = 64;

impl RtspServer {
    /// Lets a request wait, and the input of its connection behind it.
    pub(crate) fn let_wait(
        &mut self,
        env: &mut UsageEnvironment,
        id: ConnectionId,
        (request, user): (Request<'_>, Option<String>),
        awaited: Awaited,
        mut progress: Progress,
    ) {
        let Some(connection) = self.connections.get_mut(id) else { return };
        let since = *progress.since.get_or_insert_with(|| env.now());
        let patience = match awaited {
            Awaited::Description => self.config.describe_timeout,
            Awaited::Decision(_) | Awaited::Session { .. } | Awaited::Room => {
                self.config.lookup_timeout
            }
        };
        connection.hold_input(since.checked_add(patience));
        let request = request.into_owned();
        self.waiting.insert(id, WaitingRequest { request, user, awaited, progress });
        self.arm_work_timer(env);
    }

    fn arm_work_timer(&mut self, env: &mut UsageEnvironment) {
        if let (true, Some(me)) = (self.waiting.has_ready(), self.me) {
            let now = env.now();
            env.arm_timer(&mut self.waiting.timer, me, plain_key(KEY_WORK), now);
        }
    }

    /// Goes on with requests that wait, in turn. What probes may read is shared among them, so
    /// that a large file keeps nobody from a small one.
    pub(crate) fn resume_requests(&mut self, env: &mut UsageEnvironment) {
        let round = self.waiting.count_ready(RESUMED_PER_TURN);
        let mut from = 0;
        for n in 0..round {
            let Some((place, id)) = self.waiting.next_ready(from) else { break };
            from = place + 1;
            let Some(mut waiting) = self.waiting.remove(id) else { continue };
            if let Awaited::Decision(pending) = &waiting.awaited {
                match pending.made() {
                    None => {
                        self.waiting.insert(id, waiting);
                        continue;
                    }
                    Some(Admission::Allow(user)) => waiting.user = user,
                    Some(Admission::Refuse { status, headers }) => {
                        let refusal = Refused::new(status).fields(&headers).into();
                        self.refuse_waiting(env, id, &waiting, &refusal);
                        continue;
                    }
                }
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
            let WaitingRequest { request, user, progress, .. } = waiting;
            self.answer_request(env, id, request, user, progress);
            self.after_waiting(env, id);
        }
        self.arm_work_timer(env);
    }

    /// What some requests wait for may have come: they go on in the next turn.
    pub(crate) fn wake_requests(&mut self, env: &mut UsageEnvironment, until: Until) {
        self.waiting.wake(until);
        self.arm_work_timer(env);
    }

    /// Answers a request that has waited for too long.
    pub(crate) fn give_up_waiting(&mut self, env: &mut UsageEnvironment, id: ConnectionId) {
        let Some(waiting) = self.waiting.remove(id) else { return };
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

    /// Looks at what has come in behind a request that waits no more.
    fn after_waiting(&mut self, env: &mut UsageEnvironment, id: ConnectionId) {
        if self.connections.get(id).is_some_and(|c| !c.is_input_held()) {
            self.process_input(env, id, &[]);
        }
        self.update_connection(env, id);
    }
}

//! The pool against a model that keeps a list and looks at all of it each time.

use super::*;
use std::collections::BTreeMap;

#[derive(Debug)]
struct Known {
    id: String,
    peer: u8,
    stream: &'static str,
    touched_at: Instant,
    timeout: Duration,
    grace: Duration,
    guards: Vec<ExpireGuard>,
}

impl Known {
    fn expires_at(&self) -> Option<Instant> {
        let life = self.timeout.checked_add(self.grace)?;
        (!self.timeout.is_zero()).then(|| self.touched_at.checked_add(life))?
    }

    fn is_expired(&self, now: Instant) -> bool {
        self.guards.is_empty() && self.expires_at().is_some_and(|at| at <= now)
    }
}

struct Trial {
    w: World,
    known: BTreeMap<SessionId, Known>,
    gone: Vec<(SessionId, String)>,
    /// What the pool takes for the present: the latest time that it was told.
    latest: Instant,
    removed: usize,
}

const STREAMS: [&str; 3] = ["a", "b", "c"];

impl Trial {
    fn below(&mut self, limit: u64) -> u64 {
        self.w.random.below(limit)
    }

    /// A session, more often than not one that is there.
    fn any(&mut self) -> Option<(SessionId, String)> {
        let (present, gone) = (self.known.len() as u64, self.gone.len() as u64);
        if present > 0 && self.below(8) > 0 {
            let n = self.below(present) as usize;
            return self.known.iter().nth(n).map(|(key, known)| (*key, known.id.clone()));
        }
        let n = self.below(gone.max(1)) as usize;
        self.gone.get(n).cloned()
    }

    fn leaves(&mut self, key: SessionId) {
        let known = self.known.remove(&key).unwrap();
        self.gone.push((key, known.id));
        if self.gone.len() > 64 {
            self.gone.remove(0);
        }
    }

    fn look(&mut self) -> Instant {
        self.latest = self.latest.max(self.w.now);
        self.latest
    }

    fn cleanup(&mut self) -> usize {
        let now = self.look();
        let due: Vec<SessionId> =
            self.known.iter().filter(|(_, k)| k.is_expired(now)).map(|(key, _)| *key).collect();
        due.iter().for_each(|key| self.leaves(*key));
        // Sessions that are held count as touched when their moment comes.
        for known in self.known.values_mut().filter(|known| !known.guards.is_empty()) {
            if known.expires_at().is_some_and(|at| at <= now) {
                known.touched_at = now;
            }
        }
        due.len()
    }

    fn time_passes(&mut self) {
        let step = match self.below(100) {
            0 => 3_600 * SECOND,
            1 => 86_400 * SECOND,
            2..=20 => Duration::from_millis(self.below(70_000)),
            _ => Duration::from_micros(self.below(900_000)),
        };
        if self.below(50) == 0 {
            self.w.now = self.w.now.checked_sub(step).unwrap_or(self.w.now);
        } else {
            self.w.now += step;
        }
    }

    fn create(&mut self) {
        let peer = self.below(6) as u8;
        let stream = STREAMS[self.below(3) as usize];
        let result = self.w.try_create(peer, stream);
        let now = self.look();
        let config = self.w.pool.config().clone();
        let full = |t: &Self| {
            t.known.len() >= config.max_sessions
                || t.known.values().filter(|k| k.peer == peer).count()
                    >= config.max_sessions_per_peer
                || t.known.values().filter(|k| k.stream == stream).count()
                    >= config.max_sessions_per_stream
        };
        if full(self) {
            self.removed += self.cleanup();
        }
        assert_eq!(result.is_err(), full(self), "{result:?}");
        if let Ok(key) = result {
            let known = Known {
                id: self.w.id(key),
                peer,
                stream,
                touched_at: now,
                timeout: config.timeout,
                grace: config.grace,
                guards: Vec::new(),
            };
            assert!(self.known.insert(key, known).is_none());
        }
    }

    /// The session, unless it has expired at `now`.
    fn alive(&mut self, key: SessionId, now: Instant) -> Option<&mut Known> {
        self.known.get_mut(&key).filter(|known| !known.is_expired(now))
    }

    /// The pool has looked at the session, which counts as a sign of life if there is one.
    fn is_touched(&mut self, key: SessionId, found: bool) {
        let now = self.look();
        let known = self.alive(key, now);
        assert_eq!(found, known.is_some());
        if let Some(known) = known {
            known.touched_at = now;
        }
    }

    fn step(&mut self) {
        self.time_passes();
        let operation = self.below(100);
        if operation < 25 {
            return self.create();
        }
        let Some((key, id)) = self.any() else { return };
        let now = self.w.now;
        let seconds = [0, 1, 5, 60, 600, u64::MAX][self.below(6) as usize];
        let time = Duration::from_secs(seconds);
        match operation {
            25..=39 => {
                let found = self.w.find(&id);
                self.is_touched(key, found.is_some());
            }
            40..=44 => {
                let latest = self.latest.max(now);
                let expected = self.known.get(&key).filter(|k| !k.is_expired(latest)).map(|_| key);
                assert_eq!(self.w.peek(&id), expected);
            }
            45..=64 => {
                let touched = self.w.pool.touch(key, now);
                self.is_touched(key, touched);
            }
            65..=69 => {
                let is_set = self.w.pool.set_timeout(key, time);
                let known = self.alive(key, self.latest);
                assert_eq!(is_set, known.is_some());
                if let Some(known) = known {
                    known.timeout = time;
                }
            }
            70..=72 => {
                let is_set = self.w.pool.set_grace(key, time);
                let known = self.alive(key, self.latest);
                assert_eq!(is_set, known.is_some());
                if let Some(known) = known {
                    known.grace = time;
                }
            }
            73..=77 => {
                let guard = self.w.pool.prevent_expire(key, now);
                let now = self.look();
                let known = self.alive(key, now);
                assert_eq!(guard.is_some(), known.is_some());
                if let (Some(known), Some(guard)) = (known, guard) {
                    known.guards.push(guard);
                }
            }
            78..=84 => {
                let known = self.known.get_mut(&key);
                if let Some(guard) = known.and_then(|known| known.guards.pop()) {
                    self.w.pool.allow_expire(guard, now);
                    let now = self.look();
                    self.known.get_mut(&key).unwrap().touched_at = now;
                }
            }
            85..=88 => {
                let reason = RemovalReason::TornDown;
                let present = self.known.contains_key(&key);
                assert_eq!(self.w.pool.remove(key, reason).is_some(), present);
                if present {
                    self.leaves(key);
                }
            }
            89..=90 => {
                let removed = self.w.pool.close(key, RemovalReason::Removed);
                assert_eq!(removed, self.known.contains_key(&key));
                if removed {
                    self.removed += 1;
                    self.leaves(key);
                }
            }
            91 => {
                let mut visited = Vec::new();
                let sorted_out = self.w.pool.filter(|_, key| {
                    visited.push(key);
                    match key.raw().index % 5 {
                        0 => FilterResult::Remove,
                        1 => FilterResult::Reference,
                        _ => FilterResult::Keep,
                    }
                });
                visited.sort();
                assert!(visited.iter().eq(self.known.keys()));
                assert!(sorted_out.iter().all(|key| key.raw().index % 5 == 1));
                for key in visited.into_iter().filter(|key| key.raw().index % 5 == 0) {
                    self.removed += 1;
                    self.leaves(key);
                }
            }
            _ => {
                let went = self.w.pool.cleanup(now);
                assert_eq!(went, self.cleanup());
                self.removed += went;
            }
        }
    }

    fn check(&mut self) {
        let pool = &mut self.w.pool;
        assert_eq!(pool.len(), self.known.len());
        assert_eq!(pool.by_id.len(), self.known.len());
        for n in 0..6 {
            let count = self.known.values().filter(|k| k.peer == n).count();
            assert_eq!(pool.len_of_peer(peer(n)), count);
        }
        for stream in STREAMS {
            let count = self.known.values().filter(|k| k.stream == stream).count();
            assert_eq!(pool.len_of_stream(stream), count);
        }
        let mortal = self.known.values().filter(|k| k.expires_at().is_some()).count();
        assert!(pool.deadlines.len() <= self.known.len());
        assert_eq!(pool.deadlines.len(), mortal);
        while let Some(event) = pool.poll_event() {
            if let PoolEvent::Removed { session, .. } = event {
                self.removed -= 1;
                assert!(!self.known.contains_key(&session.key()));
            }
        }
        assert_eq!(self.removed, 0, "one event for each that left");
    }

    fn check_deadline(&mut self) {
        let next = self.w.pool.next_timeout(self.w.now);
        let now = self.look();
        // The query counts as a look at sessions that are held.
        for known in self.known.values_mut().filter(|known| !known.guards.is_empty()) {
            if known.expires_at().is_some_and(|at| at <= now) {
                assert!(next.is_some());
            }
        }
        let due = self.known.values().filter(|k| k.guards.is_empty());
        let exact = due.filter_map(Known::expires_at).min().map(|at| at.max(now));
        if self.known.values().all(|k| k.guards.is_empty()) {
            assert_eq!(next, exact);
        } else if let Some(exact) = exact {
            assert!(next.is_some_and(|at| at <= exact), "{next:?} {exact:?}");
        }
    }
}

#[test]
fn agrees_with_a_naive_model() {
    for (seed, guards) in [(1, true), (2, true), (3, false), (4, false)] {
        let w = world(PoolConfig {
            max_sessions: 40,
            max_sessions_per_peer: 12,
            max_sessions_per_stream: 20,
            ..PoolConfig::unlimited()
        });
        let latest = w.now;
        let mut trial = Trial { w, known: BTreeMap::new(), gone: Vec::new(), latest, removed: 0 };
        trial.w.random = Generator::new(seed);
        for _ in 0..50_000 {
            trial.step();
            if !guards {
                for known in trial.known.values_mut() {
                    if let Some(guard) = known.guards.pop() {
                        trial.w.pool.allow_expire(guard, trial.w.now);
                        trial.latest = trial.latest.max(trial.w.now);
                        known.touched_at = trial.latest;
                    }
                }
                trial.check_deadline();
            }
            trial.check();
        }
    }
}

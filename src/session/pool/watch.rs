//! [`PoolWatch`]: a timer for a pool's next expiry.

use super::SessionPool;
use crate::env::{EventKey, MediumHandle, Timer, UsageEnvironment};

/// Sessions that expire in one turn of the loop; others follow in the next turns.
const MOST_A_TURN: usize = 256;

/// A timer that wakes its owner when sessions of a pool expire, and removes them.
///
/// The owner calls [`update`](Self::update) after changes of the pool, at the latest when its event
/// ends, and [`handle_timer`](Self::handle_timer) when it receives
/// [`Event::Timer`](crate::env::Event::Timer) with the watch's key. Touching a session needs no
/// update. While no session can expire, the timer is not armed.
#[derive(Debug)]
pub struct PoolWatch {
    timer: Timer,
    owner: MediumHandle,
    key: EventKey,
}

impl<M> SessionPool<M> {
    /// Creates a watch for `owner`, whose timer event will have `key`.
    pub fn create_watch(
        &self,
        env: &mut UsageEnvironment,
        owner: MediumHandle,
        key: EventKey,
    ) -> PoolWatch {
        let mut watch = PoolWatch { timer: Timer::new(), owner, key };
        watch.update(env, self);
        watch
    }
}

impl PoolWatch {
    /// Adjusts the timer to the pool. Cheap if the next expiry has not changed.
    pub fn update<M>(&mut self, env: &mut UsageEnvironment, pool: &SessionPool<M>) {
        match pool.next_wakeup() {
            None => env.disarm_timer(&mut self.timer),
            Some(at) if self.timer.armed_at() == Some(at) && env.is_armed(&self.timer) => {}
            Some(at) => env.arm_timer(&mut self.timer, self.owner, self.key, at),
        }
    }

    /// Removes expired sessions, at most 256, and arms the timer for the next expiry. Returns the
    /// number removed; the pool has their events.
    pub fn handle_timer<M>(
        &mut self,
        env: &mut UsageEnvironment,
        pool: &mut SessionPool<M>,
    ) -> usize {
        let went = pool.cleanup_at_most(env.now(), MOST_A_TURN);
        self.update(env, pool);
        went
    }

    /// Disarms the timer. Closing the owner does not do that.
    pub fn close(mut self, env: &mut UsageEnvironment) {
        env.disarm_timer(&mut self.timer);
    }
}

#[cfg(test)]
mod tests {
    use super::super::{PoolConfig, PoolEvent, RemovalReason};
    use super::*;
    use crate::env::{Event, Medium, MediumId};
    use crate::ids::ClientSessionId as SessionId;
    use std::net::SocketAddr;
    use std::time::{Duration, Instant};

    const KEY: EventKey = EventKey { kind: 5, id: crate::arena::RawId { index: 0, generation: 0 } };
    const SECOND: Duration = Duration::from_secs(1);

    /// A medium that only owns a pool.
    struct Owner {
        pool: SessionPool<()>,
        watch: Option<PoolWatch>,
        expired: Vec<(Instant, SessionId)>,
        wakeups: usize,
    }

    impl Medium for Owner {
        fn kind(&self) -> &'static str {
            "Owner"
        }

        fn on_added(&mut self, env: &mut UsageEnvironment, me: MediumHandle) {
            self.watch = Some(self.pool.create_watch(env, me, KEY));
        }

        fn handle_event(&mut self, env: &mut UsageEnvironment, event: Event) {
            assert!(matches!(event, Event::Timer { key: KEY }));
            self.wakeups += 1;
            self.watch.as_mut().unwrap().handle_timer(env, &mut self.pool);
            while let Some(event) = self.pool.poll_event() {
                if let PoolEvent::Removed { session, reason } = event {
                    assert_eq!(reason, RemovalReason::Expired);
                    self.expired.push((env.now(), session.key()));
                }
            }
        }

        fn on_close(&mut self, env: &mut UsageEnvironment) {
            self.watch.take().unwrap().close(env);
        }
    }

    fn world() -> (UsageEnvironment, MediumId<Owner>) {
        let mut env = UsageEnvironment::simulated(1);
        let pool = SessionPool::new(PoolConfig::unlimited());
        let owner = env.add(Owner { pool, watch: None, expired: Vec::new(), wakeups: 0 });
        (env, owner)
    }

    fn change<R>(
        env: &mut UsageEnvironment,
        owner: MediumId<Owner>,
        f: impl FnOnce(&mut SessionPool<()>, &mut UsageEnvironment) -> R,
    ) -> R {
        env.with(owner, |owner, env| {
            let result = f(&mut owner.pool, env);
            owner.watch.as_mut().unwrap().update(env, &owner.pool);
            result
        })
        .unwrap()
    }

    fn create(env: &mut UsageEnvironment, owner: MediumId<Owner>) -> SessionId {
        let peer = SocketAddr::from(([10, 0, 0, 1], 5000));
        change(env, owner, |pool, env| {
            let now = env.now();
            pool.create(now, peer, "film", &mut |buf| env.fill_random(buf)).unwrap()
        })
    }

    fn run(env: &mut UsageEnvironment, time: Duration) {
        let end = env.now() + time;
        while env.now() < end {
            let left = end - env.now();
            env.turn(Some(left)).unwrap();
        }
        env.turn(Some(Duration::ZERO)).unwrap();
    }

    #[test]
    fn sessions_expire_by_themselves_at_their_moment() {
        let (mut env, owner) = world();
        let start = env.now();
        let (late, early, never) =
            (create(&mut env, owner), create(&mut env, owner), create(&mut env, owner));
        change(&mut env, owner, |pool, _| {
            pool.set_timeout(early, SECOND);
            pool.set_timeout(never, Duration::ZERO);
        });
        run(&mut env, 200 * SECOND);
        let owner = env.medium(owner).unwrap();
        assert_eq!(owner.expired, [(start + 6 * SECOND, early), (start + 65 * SECOND, late)]);
        assert_eq!((owner.pool.len(), owner.wakeups), (1, 2));
        assert_eq!(env.delayed_tasks(), 0, "nothing more can expire");
    }

    #[test]
    fn a_touched_session_costs_one_wakeup_a_timeout() {
        let (mut env, owner) = world();
        let session = create(&mut env, owner);
        for _ in 0..650 {
            run(&mut env, SECOND);
            let now = env.now();
            env.medium_mut(owner).unwrap().pool.touch(session, now);
        }
        let medium = env.medium(owner).unwrap();
        assert!(medium.wakeups <= 11 && medium.expired.is_empty(), "{}", medium.wakeups);
        let last = env.now();
        run(&mut env, 100 * SECOND);
        assert_eq!(env.medium(owner).unwrap().expired, [(last + 65 * SECOND, session)]);
    }

    #[test]
    fn a_crowd_expires_over_several_turns() {
        let (mut env, owner) = world();
        for _ in 0..1_000 {
            create(&mut env, owner);
        }
        env.turn(None).unwrap();
        assert_eq!(env.medium(owner).unwrap().expired.len(), MOST_A_TURN);
        for _ in 0..3 {
            env.turn(None).unwrap();
        }
        assert_eq!(env.medium(owner).unwrap().expired.len(), 1_000);
        assert_eq!(env.delayed_tasks(), 0);
    }

    #[test]
    fn nothing_is_armed_without_sessions_or_without_owner() {
        let (mut env, owner) = world();
        assert_eq!(env.delayed_tasks(), 0);
        let session = create(&mut env, owner);
        assert_eq!(env.delayed_tasks(), 1);
        change(&mut env, owner, |pool, _| pool.close(session, RemovalReason::TornDown));
        assert_eq!(env.delayed_tasks(), 0);
        create(&mut env, owner);
        assert!(env.close(owner));
        assert_eq!(env.delayed_tasks(), 0);
    }
}

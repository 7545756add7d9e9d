//! Waiting, waking, nesting.

use super::*;

#[test]
fn idle_means_no_wakeups() {
    let mut env = UsageEnvironment::new().unwrap();
    let id = env.add(Probe::quiet());
    let listener = {
        let mut listener = TcpListener::bind(&mut env, localhost()).unwrap();
        listener.watch(&mut env, id.handle(), key(0), Interest::READABLE).unwrap();
        listener
    };
    let mut connected = TcpStream::connect(&mut env, listener.local_addr().unwrap()).unwrap();
    connected.watch(&mut env, id.handle(), key(1), Interest::NONE).unwrap();
    env.turn(Some(millis(20))).unwrap();
    drop(listener);
    connected.close(&mut env);
    // The drop above has woken nothing that stays.
    env.turn(Some(millis(20))).unwrap();
    let stop = Arc::new(AtomicBool::new(false));
    let flag = stop.clone();
    let trigger = env.create_event_trigger(move |_, _| flag.store(true, Ordering::Release));
    let before = env.statistics();
    let thread = std::thread::spawn(move || {
        std::thread::sleep(millis(150));
        trigger.trigger();
    });
    env.do_event_loop(&stop).unwrap();
    thread.join().unwrap();
    let after = env.statistics();
    assert_eq!((after.turns - before.turns, after.wakeups - before.wakeups), (1, 1));
}

#[test]
fn nests_in_another_loop() {
    use nix::poll::{PollFd, PollFlags, PollTimeout};
    let mut env = UsageEnvironment::new().unwrap();
    let called = Rc::new(Cell::new(0));
    let count = called.clone();
    let trigger = env.create_event_trigger(move |_, _| count.set(count.get() + 1));
    let ready = |env: &UsageEnvironment, wait: u16| {
        let mut fds = [PollFd::new(env.as_fd().unwrap(), PollFlags::POLLIN)];
        nix::poll::poll(&mut fds, PollTimeout::from(wait)).unwrap() == 1
    };
    assert!(!ready(&env, 0));
    assert_eq!(env.next_deadline(), None);
    trigger.trigger();
    assert!(ready(&env, 1000));
    env.turn(Some(Duration::ZERO)).unwrap();
    assert_eq!(called.get(), 1);
    assert!(!ready(&env, 0));
    env.schedule_delayed_task(millis(5), |_| {});
    let wait = env.next_deadline().unwrap().saturating_duration_since(Instant::now());
    assert!(wait <= millis(5));
    assert!(UsageEnvironment::simulated(1).as_fd().is_err());
}

#[test]
fn a_simulated_world_without_a_future_says_so() {
    let mut env = UsageEnvironment::simulated(1);
    let stop = AtomicBool::new(false);
    env.schedule_delayed_task(Duration::from_secs(3600), |_| {});
    let start = env.now();
    let e = env.do_event_loop(&stop).unwrap_err();
    assert_eq!(e.kind(), io::ErrorKind::Deadlock);
    assert_eq!(env.now() - start, Duration::from_secs(3600));
}

#[test]
fn running_again_at_once_does_not_stop_simulated_time() {
    let mut env = UsageEnvironment::simulated(1);
    fn again(env: &mut UsageEnvironment) {
        env.schedule_delayed_task(Duration::ZERO, again);
    }
    again(&mut env);
    let done = Rc::new(Cell::new(false));
    let flag = done.clone();
    env.schedule_delayed_task(millis(1), move |_| flag.set(true));
    for _ in 0..2000 {
        env.turn(None).unwrap();
    }
    assert!(done.get());
}

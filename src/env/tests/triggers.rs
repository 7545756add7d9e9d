//! Triggers from other threads.

use super::*;

#[test]
fn triggers_from_many_threads_are_not_lost() {
    let mut env = UsageEnvironment::new().unwrap();
    let id = env.add(Probe::quiet());
    let medium = env.create_medium_trigger(id.handle(), key(9));
    let total = Rc::new(Cell::new(0));
    let sum = total.clone();
    let handler = env.create_event_trigger(move |_, count| sum.set(sum.get() + count));
    let sent = Arc::new(AtomicU64::new(0));
    let threads: Vec<_> = (0..8)
        .map(|_| {
            let (medium, handler, sent) = (medium.clone(), handler.clone(), sent.clone());
            std::thread::spawn(move || {
                for i in 0..20_000 {
                    medium.trigger();
                    handler.trigger();
                    sent.fetch_add(1, Ordering::SeqCst);
                    if i % 64 == 0 {
                        std::thread::yield_now();
                    }
                }
            })
        })
        .collect();
    while threads.iter().any(|thread| !thread.is_finished()) {
        env.turn(Some(millis(1))).unwrap();
    }
    for thread in threads {
        thread.join().unwrap();
    }
    env.turn(Some(Duration::ZERO)).unwrap();
    let told: u64 = env
        .medium(id)
        .unwrap()
        .events
        .iter()
        .map(|event| match event {
            Event::Trigger { key: k, count } if *k == key(9) => *count,
            _ => 0,
        })
        .sum();
    assert_eq!((told, total.get()), (160_000, 160_000));
    assert_eq!(sent.load(Ordering::SeqCst), 160_000);
}

#[test]
fn a_trigger_wakes_at_once() {
    let mut env = UsageEnvironment::new().unwrap();
    let stop = Arc::new(AtomicBool::new(false));
    let told: Rc<Cell<Option<Instant>>> = Rc::default();
    let (when, flag) = (told.clone(), stop.clone());
    let trigger = env.create_event_trigger(move |_, _| {
        when.set(Some(Instant::now()));
        flag.store(true, Ordering::Release);
    });
    let mut best = Duration::MAX;
    for _ in 0..5 {
        stop.store(false, Ordering::Release);
        let other = trigger.clone();
        let thread = std::thread::spawn(move || {
            std::thread::sleep(millis(20));
            let at = Instant::now();
            other.trigger();
            at
        });
        env.do_event_loop(&stop).unwrap();
        let at = thread.join().unwrap();
        best = best.min(told.get().unwrap().saturating_duration_since(at));
    }
    assert!(best < millis(5), "{best:?}");
}

#[test]
fn triggers_end() {
    let mut env = UsageEnvironment::simulated(1);
    let called = Rc::new(Cell::new(0));
    let count = called.clone();
    let trigger = env.create_event_trigger(move |_, n| count.set(count.get() + n));
    trigger.trigger();
    trigger.trigger();
    assert_eq!(trigger.pending(), 2);
    env.turn(None).unwrap();
    assert_eq!(called.get(), 2);
    trigger.trigger();
    assert!(env.delete_event_trigger(&trigger));
    assert!(!env.delete_event_trigger(&trigger));
    env.turn(None).unwrap();
    assert_eq!(called.get(), 2);
    assert_eq!(Rc::strong_count(&called), 1);
    // A medium takes its triggers along.
    let id = env.add(Probe::quiet());
    let trigger = env.create_medium_trigger(id.handle(), key(1));
    env.close(id);
    assert!(!env.delete_event_trigger(&trigger));
    let late = env.create_medium_trigger(id.handle(), key(1));
    late.trigger();
    assert_eq!(late.pending(), 1);
    let detached = EventTrigger::detached();
    detached.trigger();
    assert_eq!(detached.pending(), 1);
    assert!(!env.delete_event_trigger(&detached));
    // One that triggers itself is called once a turn.
    let me: Rc<std::cell::OnceCell<EventTrigger>> = Rc::default();
    let (mine, count) = (me.clone(), called.clone());
    let trigger = env.create_event_trigger(move |_, n| {
        count.set(count.get() + n);
        mine.get().unwrap().trigger();
    });
    me.set(trigger.clone()).unwrap();
    trigger.trigger();
    for i in 3..10 {
        env.turn(None).unwrap();
        assert_eq!(called.get(), i);
    }
}

#[test]
fn triggers_may_go_to_other_threads() {
    const fn sendable<T: Send + Sync + Clone + 'static>() {}
    sendable::<EventTrigger>();
}

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

#[test]
fn to_trigger_allocates_nothing() {
    let mut env = UsageEnvironment::new().unwrap();
    let triggers: Vec<_> = (0..100).map(|_| env.create_event_trigger(|_, _| ())).collect();
    for _ in 0..3 {
        let cost = allocation_counter::measure(|| {
            for trigger in &triggers {
                trigger.trigger();
                trigger.trigger();
            }
        });
        assert_eq!((cost.count_total, cost.bytes_total), (0, 0));
        env.turn(Some(Duration::ZERO)).unwrap();
        assert!(triggers.iter().all(|trigger| trigger.pending() == 0));
    }
}

#[test]
fn each_of_many_triggers_is_told_apart() {
    let mut env = UsageEnvironment::simulated(1);
    let (calls, told) = std::sync::mpsc::channel();
    let create = |env: &mut UsageEnvironment, name: usize| {
        let calls = calls.clone();
        env.create_event_trigger(move |_, n| calls.send((name, n)).unwrap())
    };
    let mut triggers: Vec<_> = (0..200).map(|i| create(&mut env, i)).collect();
    // One in the slot of another that is gone; the clone of what is gone reaches nobody.
    let gone = triggers[40].clone();
    assert!(env.delete_event_trigger(&gone));
    triggers[40] = create(&mut env, 1040);
    gone.trigger();
    for i in [199, 40, 0, 31, 32, 40] {
        triggers[i].trigger();
    }
    env.turn(None).unwrap();
    assert_eq!(
        told.try_iter().collect::<Vec<_>>(),
        [(0, 1), (31, 1), (32, 1), (1040, 2), (199, 1)]
    );
    gone.trigger();
    env.turn(Some(Duration::ZERO)).unwrap();
    assert_eq!(told.try_recv().ok(), None);
}

//! Delayed tasks and timers.

use super::*;

#[test]
fn a_million_tasks_leave_nothing_behind() {
    let mut env = UsageEnvironment::simulated(3);
    let ran = Rc::new(Cell::new(0u64));
    let mut tokens = Vec::new();
    let mut cancelled = 0;
    for _ in 0..1_000_000 {
        let delay = Duration::from_micros(u64::from(env.random_u32() % 10_000_000));
        let counter = ran.clone();
        tokens.push(env.schedule_delayed_task(delay, move |_| counter.set(counter.get() + 1)));
        match env.random_u32() % 4 {
            0 | 1 => {
                let k = env.random_u32() as usize % tokens.len();
                if env.unschedule_delayed_task(tokens.swap_remove(k)) {
                    cancelled += 1;
                }
            }
            2 => {
                let k = env.random_u32() as usize % tokens.len();
                env.reschedule_delayed_task(tokens[k], delay);
            }
            _ => {}
        }
        if env.random_u32() % 1000 == 0 {
            env.turn(Some(millis(1))).unwrap();
        }
    }
    while env.delayed_tasks() > 0 {
        env.turn(None).unwrap();
    }
    assert_eq!(ran.get() + cancelled, 1_000_000);
    assert!(!tokens.iter().any(|token| env.unschedule_delayed_task(*token)));
    assert_eq!(Rc::strong_count(&ran), 1);
}

#[test]
fn many_due_timers_fire_in_one_turn_and_new_ones_in_the_next() {
    for mut env in [UsageEnvironment::simulated(1), UsageEnvironment::new().unwrap()] {
        let first = Rc::new(Cell::new(0));
        let second = Rc::new(Cell::new(0));
        for _ in 0..10_000 {
            let (first, second) = (first.clone(), second.clone());
            env.schedule_delayed_task(Duration::ZERO, move |env| {
                first.set(first.get() + 1);
                env.schedule_delayed_task(Duration::ZERO, move |_| second.set(second.get() + 1));
            });
        }
        env.turn(None).unwrap();
        assert_eq!((first.get(), second.get()), (10_000, 0));
        env.turn(None).unwrap();
        assert_eq!((first.get(), second.get()), (10_000, 10_000));
    }
}

#[test]
fn tasks_are_timely_and_in_order() {
    let mut env = UsageEnvironment::new().unwrap();
    env.set_timer_slack(Duration::ZERO);
    let mut best = Duration::MAX;
    // A busy machine may delay any one of them, hardly all.
    for _ in 0..20 {
        let order: Rc<Cell<Vec<u64>>> = Rc::default();
        let late: Rc<Cell<Duration>> = Rc::new(Cell::new(Duration::MAX));
        for micros in [2500u64, 700, 1500, 300] {
            let (order, late) = (order.clone(), late.clone());
            let due = Instant::now() + Duration::from_micros(micros);
            env.schedule_delayed_task(Duration::from_micros(micros), move |env| {
                assert!(env.now() >= due, "too early");
                let mut so_far = order.take();
                so_far.push(micros);
                order.set(so_far);
                late.set(late.get().min(env.now() - due));
            });
        }
        let turns = env.statistics().turns;
        while env.delayed_tasks() > 0 {
            env.turn(None).unwrap();
        }
        assert_eq!(order.take(), [300, 700, 1500, 2500]);
        // Each had a wait of its own at most: no spinning towards the deadline.
        assert!(env.statistics().turns - turns <= 5, "{:?}", env.statistics());
        best = best.min(late.get());
    }
    assert!(best < Duration::from_micros(500), "{best:?}");
}

#[test]
fn a_timer_is_one_entry_however_often_armed() {
    let mut env = UsageEnvironment::simulated(1);
    let id = env.add(Probe::quiet());
    let mut timer = Timer::new();
    let start = env.now();
    for i in 0..100 {
        env.arm_timer(&mut timer, id.handle(), key(i), start + millis(u64::from(i)));
    }
    assert_eq!(env.delayed_tasks(), 1);
    env.turn(None).unwrap();
    assert_eq!(env.now(), start + millis(99));
    assert_eq!(env.medium(id).unwrap().events, [Event::Timer { key: key(99) }]);
    assert!(!env.is_armed(&timer));
    // A deadline in the past is the next turn's.
    env.arm_timer(&mut timer, id.handle(), key(1), start);
    env.turn(Some(Duration::ZERO)).unwrap();
    assert_eq!(env.medium(id).unwrap().events.len(), 2);
    env.arm_timer(&mut timer, id.handle(), key(1), start);
    env.disarm_timer(&mut timer);
    env.turn(None).unwrap();
    assert_eq!(env.medium(id).unwrap().events.len(), 2);
}

#[test]
fn loops_do_not_nest() {
    let mut env = UsageEnvironment::simulated(1);
    let id = env.add(Probe::new(|_, env, _| {
        let e = env.turn(None).unwrap_err();
        assert_eq!(e.kind(), io::ErrorKind::WouldBlock);
    }));
    let mut timer = Timer::new();
    let now = env.now();
    env.arm_timer(&mut timer, id.handle(), key(0), now);
    env.turn(None).unwrap();
    assert_eq!(env.medium(id).unwrap().events.len(), 1);
    assert!(env.with(id, |_, env| env.turn(None).is_err()).unwrap());
}

#[test]
fn with_slack_one_wake_up_serves_several_timers() {
    let mut env = UsageEnvironment::new().unwrap();
    env.set_timer_slack(Duration::from_millis(30));
    assert_eq!(env.timer_slack(), Duration::from_millis(30));
    let start = env.now();
    for ms in [20, 25, 30] {
        env.schedule_delayed_task(Duration::from_millis(ms), |_| {});
    }
    let mut turns = 0;
    while env.delayed_tasks() > 0 {
        env.turn(None).unwrap();
        turns += 1;
        assert!(env.delayed_tasks() == 0 || env.now() - start < Duration::from_millis(20));
    }
    assert!(env.now() - start >= Duration::from_millis(30), "none is early, {turns} turns");
}

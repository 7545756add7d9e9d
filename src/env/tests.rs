//! The loop on the operating system, and what both worlds have in common.

use super::*;
use crate::arena::RawId;
use crate::net::{TcpListener, TcpStream, UdpSocket};
use std::cell::Cell;
use std::io::{Read, Write};
use std::net::SocketAddr;
use std::os::unix::net::UnixStream;
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

fn key(kind: u32) -> EventKey {
    EventKey { kind, id: RawId::default() }
}

fn localhost() -> SocketAddr {
    "127.0.0.1:0".parse().unwrap()
}

fn millis(n: u64) -> Duration {
    Duration::from_millis(n)
}

/// Takes turns until `done` says so; fails after five seconds.
fn turn_until(env: &mut UsageEnvironment, mut done: impl FnMut(&mut UsageEnvironment) -> bool) {
    let end = Instant::now() + Duration::from_secs(5);
    while !done(env) {
        assert!(Instant::now() < end, "it never happened");
        env.turn(Some(millis(20))).unwrap();
    }
}

/// A medium that does what its closures say and remembers its events.
type Reaction = Box<dyn FnMut(&mut Vec<Event>, &mut UsageEnvironment, Event)>;

struct Probe {
    events: Vec<Event>,
    reaction: Reaction,
    closed: Rc<Cell<u32>>,
    me: MediumHandle,
}

impl Probe {
    fn new(reaction: impl FnMut(&mut Vec<Event>, &mut UsageEnvironment, Event) + 'static) -> Self {
        Self {
            events: Vec::new(),
            reaction: Box::new(reaction),
            closed: Rc::default(),
            me: MediumHandle::default(),
        }
    }

    fn quiet() -> Self {
        Self::new(|_, _, _| {})
    }
}

impl Medium for Probe {
    fn kind(&self) -> &'static str {
        "probe"
    }
    fn handle_event(&mut self, env: &mut UsageEnvironment, event: Event) {
        self.events.push(event);
        (self.reaction)(&mut self.events, env, event);
    }
    fn on_added(&mut self, _: &mut UsageEnvironment, me: MediumHandle) {
        self.me = me;
    }
    fn on_close(&mut self, env: &mut UsageEnvironment) {
        assert!(!env.contains(self.me));
        self.closed.set(self.closed.get() + 1);
    }
}

// Delayed tasks and timers.

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

// Media.

#[test]
fn names_types_and_stale_ids() {
    struct Other;
    impl Medium for Other {
        fn kind(&self) -> &'static str {
            "other"
        }
        fn name(&self) -> Option<&str> {
            Some("the other")
        }
        fn handle_event(&mut self, _: &mut UsageEnvironment, _: Event) {}
    }
    let mut env = UsageEnvironment::simulated(1);
    let probe = env.add(Probe::quiet());
    let other = env.add(Other);
    let twin = env.add(Other);
    let name = env.medium_name(probe).unwrap().to_owned();
    assert!(name.starts_with("riverrun"));
    assert_eq!(env.lookup_by_name::<Probe>(&name), Some(probe));
    assert_eq!(env.lookup_by_name::<Other>(&name), None);
    assert_eq!(env.lookup_by_name::<Other>("the other"), Some(other));
    assert_ne!(env.medium_name(twin), env.medium_name(other));
    let closed = env.medium(probe).unwrap().closed.clone();
    assert!(env.close(probe));
    assert!(!env.close(probe));
    assert_eq!(closed.get(), 1);
    let next = env.add(Probe::quiet());
    assert_eq!(next.handle().raw().index, probe.handle().raw().index);
    assert!(env.medium(probe).is_none());
    assert!(env.with(probe, |_, _| ()).is_none());
    assert_eq!(env.lookup_by_name::<Probe>(&name), None);
    env.close_all();
    assert_eq!(env.media(), 0);
}

#[test]
fn media_close_themselves_and_others_from_inside_a_call() {
    let mut env = UsageEnvironment::simulated(1);
    let victim = env.add(Probe::quiet());
    let victim_closed = env.medium(victim).unwrap().closed.clone();
    let id = env.add(Probe::quiet());
    let closed = env.medium(id).unwrap().closed.clone();
    let mine = closed.clone();
    let me = id.handle();
    env.medium_mut(id).unwrap().reaction = Box::new(move |_, env, _| {
        assert!(env.close(victim));
        assert!(env.close(me), "itself");
        assert!(!env.close(me), "twice");
        assert_eq!(mine.get(), 0, "not while it is being called");
        assert!(env.contains(me));
    });
    let (mut first, mut second) = (Timer::new(), Timer::new());
    let now = env.now();
    env.arm_timer(&mut first, me, key(0), now);
    env.arm_timer(&mut second, victim.handle(), key(0), now);
    env.turn(None).unwrap();
    assert_eq!((closed.get(), victim_closed.get()), (1, 1));
    assert_eq!(env.media(), 0);
    assert_eq!(env.delayed_tasks(), 0);
}

#[test]
fn a_medium_adds_and_calls_others_but_not_itself() {
    let mut env = UsageEnvironment::simulated(1);
    let id = env.add(Probe::quiet());
    let children = env
        .with(id, |probe, env| {
            assert!(env.with(id, |_, _| ()).is_none());
            assert!(env.medium(id).is_none());
            probe.events.clear();
            (0..100).map(|_| env.add(Probe::quiet())).collect::<Vec<_>>()
        })
        .unwrap();
    assert!(env.medium(id).is_some());
    for child in children {
        assert_eq!(env.with(child, |child, env| env.contains(child.me)), Some(true));
    }
}

// Sockets of media.

#[test]
fn readiness_is_told_until_it_is_used_up() {
    let mut env = UsageEnvironment::new().unwrap();
    let id = env.add(Probe::quiet());
    let mut socket = UdpSocket::bind(&mut env, localhost()).unwrap();
    socket.watch(&mut env, id.handle(), key(5), Interest::READABLE).unwrap();
    let to = socket.local_addr().unwrap();
    let sender = std::net::UdpSocket::bind(localhost()).unwrap();
    sender.send_to(b"one", to).unwrap();
    sender.send_to(b"two", to).unwrap();
    let count = |env: &UsageEnvironment| env.medium(id).unwrap().events.len();
    turn_until(&mut env, |env| count(env) > 0);
    let readiness = Readiness::READABLE;
    assert_eq!(env.medium(id).unwrap().events[0], Event::Readiness { key: key(5), readiness });
    // It comes back each turn, without a wait.
    let before = count(&env);
    for _ in 0..10 {
        env.turn(None).unwrap();
    }
    assert_eq!(count(&env), before + 10);
    let mut buf = [0; 10];
    assert_eq!(socket.recv_from(&mut env, &mut buf).unwrap().0, 3);
    env.turn(None).unwrap();
    assert_eq!(socket.recv_from(&mut env, &mut buf).unwrap().0, 3);
    let e = socket.recv_from(&mut env, &mut buf).unwrap_err();
    assert_eq!(e.kind(), io::ErrorKind::WouldBlock);
    let before = count(&env);
    env.turn(Some(millis(5))).unwrap();
    assert_eq!(count(&env), before);
    // Interest withdrawn: nothing; given back: what came meanwhile.
    socket.watch(&mut env, id.handle(), key(6), Interest::NONE).unwrap();
    sender.send_to(b"three", to).unwrap();
    env.turn(Some(millis(20))).unwrap();
    assert_eq!(count(&env), before);
    socket.watch(&mut env, id.handle(), key(6), Interest::READABLE).unwrap();
    env.turn(None).unwrap();
    assert_eq!(
        *env.medium(id).unwrap().events.last().unwrap(),
        Event::Readiness { key: key(6), readiness: Readiness::READABLE }
    );
    // The owner is gone: the loop does not spin over what nobody reads.
    env.close(id);
    let turns = env.statistics().events;
    for _ in 0..3 {
        env.turn(Some(millis(5))).unwrap();
    }
    assert!(env.statistics().events <= turns + 1);
    socket.close(&mut env);
    assert_eq!(env.registrations().len(), 0);
}

#[test]
fn an_event_of_the_same_batch_does_not_reach_the_next_tenant() {
    let mut env = UsageEnvironment::new().unwrap();
    let id = env.add(Probe::quiet());
    let sender = std::net::UdpSocket::bind(localhost()).unwrap();
    let mut sockets: Vec<UdpSocket> = Vec::new();
    for i in 0..2 {
        let mut socket = UdpSocket::bind(&mut env, localhost()).unwrap();
        socket.watch(&mut env, id.handle(), key(i), Interest::READABLE).unwrap();
        sockets.push(socket);
    }
    let addresses: Vec<SocketAddr> =
        sockets.iter().map(|socket| socket.local_addr().unwrap()).collect();
    let mut sockets = Some(sockets);
    let owner = id.handle();
    // At the first event both sockets close and others take their slots.
    env.medium_mut(id).unwrap().reaction = Box::new(move |_, env, _| {
        for socket in sockets.take().into_iter().flatten() {
            socket.close(env);
            let mut next = UdpSocket::bind(env, localhost()).unwrap();
            next.watch(env, owner, key(100), Interest::READABLE).unwrap();
            std::mem::forget(next);
        }
    });
    for to in addresses {
        sender.send_to(b"x", to).unwrap();
    }
    turn_until(&mut env, |env| !env.medium(id).unwrap().events.is_empty());
    for _ in 0..5 {
        env.turn(Some(millis(5))).unwrap();
    }
    assert_eq!(env.medium(id).unwrap().events.len(), 1);
    assert_eq!(env.registrations().len(), 2);
}

#[test]
fn a_dropped_socket_leaves_no_registration() {
    for mut env in [UsageEnvironment::new().unwrap(), UsageEnvironment::simulated(1)] {
        let id = env.add(Probe::quiet());
        for _ in 0..1000 {
            let mut socket = UdpSocket::bind(&mut env, localhost()).unwrap();
            socket.watch(&mut env, id.handle(), key(0), Interest::READABLE).unwrap();
            drop(socket);
            env.turn(Some(Duration::ZERO)).unwrap();
        }
        assert_eq!(env.registrations().len(), 0);
        let ip = localhost().ip();
        assert!(env.simulation().is_none_or(|simulation| simulation.open_sockets(ip) == 0));
    }
}

/// A connection over which `handle_event` echoes, in either world.
struct Echo {
    listener: TcpListener,
    streams: Vec<(TcpStream, Vec<u8>)>,
    me: MediumHandle,
}

impl Medium for Echo {
    fn kind(&self) -> &'static str {
        "echo"
    }

    fn on_added(&mut self, env: &mut UsageEnvironment, me: MediumHandle) {
        self.listener.watch(env, me, key(0), Interest::READABLE).unwrap();
        self.me = me;
    }

    fn handle_event(&mut self, env: &mut UsageEnvironment, event: Event) {
        let Event::Readiness { key, .. } = event else { return };
        if key.id.generation == 0 {
            while let Ok((mut stream, _)) = self.listener.accept(env) {
                let id = RawId { index: self.streams.len() as u32, generation: 1 };
                stream.watch(env, self.me, EventKey { kind: 0, id }, Interest::READABLE).unwrap();
                self.streams.push((stream, Vec::new()));
            }
            return;
        }
        let (stream, waiting) = &mut self.streams[key.id.index as usize];
        let mut buf = [0; 4096];
        // One read an event: what is left brings another.
        if waiting.len() < 20_000 {
            match stream.read(env, &mut buf) {
                Ok(n) => waiting.extend_from_slice(&buf[..n]),
                Err(e) => assert_eq!(e.kind(), io::ErrorKind::WouldBlock),
            }
        }
        if !waiting.is_empty() {
            match stream.write(env, waiting) {
                Ok(n) => drop(waiting.drain(..n)),
                Err(e) => assert_eq!(e.kind(), io::ErrorKind::WouldBlock),
            }
        }
        let interest = Interest { readable: waiting.len() < 20_000, writable: !waiting.is_empty() };
        stream.watch(env, self.me, key, interest).unwrap();
    }
}

#[test]
fn the_same_code_echoes_in_both_worlds() {
    for simulated in [false, true] {
        let mut env = if simulated {
            let mut env = UsageEnvironment::simulated(11);
            env.simulation()
                .unwrap()
                .set_profile(LinkProfile { partial: 0.5, ..LinkProfile::mobile() });
            env
        } else {
            UsageEnvironment::new().unwrap()
        };
        let listener = TcpListener::bind(&mut env, localhost()).unwrap();
        let to = listener.local_addr().unwrap();
        env.add(Echo { listener, streams: Vec::new(), me: MediumHandle::default() });
        let mut client = TcpStream::connect(&mut env, to).unwrap();
        let data: Vec<u8> = (0..500_000u32).map(|i| (i % 253) as u8).collect();
        let (mut sent, mut got) = (0, Vec::new());
        let mut buf = vec![0; 65_536];
        let end = Instant::now() + Duration::from_secs(20);
        while got.len() < data.len() {
            assert!(Instant::now() < end);
            if let Ok(n) = client.write(&mut env, &data[sent..]) {
                sent += n;
            }
            while let Ok(n) = client.read(&mut env, &mut buf) {
                got.extend_from_slice(&buf[..n]);
            }
            env.turn(Some(millis(1))).unwrap();
        }
        assert_eq!(got, data);
    }
}

#[test]
fn more_than_1024_descriptors() {
    let limit = crate::net::raise_descriptor_limit().unwrap();
    if limit < 3200 {
        log::warn!("only {limit} descriptors here");
        return;
    }
    let mut env = UsageEnvironment::new().unwrap();
    let id = env.add(Probe::quiet());
    let mut sockets: Vec<UdpSocket> = (0..1500)
        .map(|i| {
            let mut socket = UdpSocket::bind(&mut env, localhost()).unwrap();
            socket.watch(&mut env, id.handle(), key(i), Interest::READABLE).unwrap();
            socket
        })
        .collect();
    let sender = std::net::UdpSocket::bind(localhost()).unwrap();
    for socket in &sockets {
        sender.send_to(b"x", socket.local_addr().unwrap()).unwrap();
    }
    let mut heard = vec![false; 1500];
    turn_until(&mut env, |env| {
        for event in std::mem::take(&mut env.medium_mut(id).unwrap().events) {
            let Event::Readiness { key, .. } = event else { continue };
            heard[key.kind as usize] = true;
            while sockets[key.kind as usize].recv_from(env, &mut [0; 4]).is_ok() {}
        }
        heard.iter().all(|heard| *heard)
    });
}

// An application's descriptors.

#[test]
fn handlers_are_called_while_there_is_something() {
    let mut env = UsageEnvironment::new().unwrap();
    let (ours, mut theirs) = UnixStream::pair().unwrap();
    ours.set_nonblocking(true).unwrap();
    let got = Rc::new(Cell::new(0));
    let (count, mut reader) = (got.clone(), ours.try_clone().unwrap());
    let handler = env
        .set_background_handling(&ours, Interest::READABLE, move |_, readiness| {
            assert!(readiness.readable);
            // One byte a call, as careless applications do.
            count.set(count.get() + reader.read(&mut [0; 1]).unwrap());
        })
        .unwrap();
    theirs.write_all(b"hello").unwrap();
    turn_until(&mut env, |_| got.get() == 5);
    let calls = env.statistics().events;
    env.turn(Some(millis(10))).unwrap();
    assert_eq!(env.statistics().events, calls);

    assert!(env.change_background_handling(handler, Interest::NONE));
    theirs.write_all(b"x").unwrap();
    env.turn(Some(millis(10))).unwrap();
    assert_eq!(got.get(), 5);
    assert!(env.change_background_handling(handler, Interest::READABLE));
    turn_until(&mut env, |_| got.get() == 6);
    assert!(env.remove_background_handling(handler));
    assert!(!env.remove_background_handling(handler));
    assert!(!env.change_background_handling(handler, Interest::BOTH));
    assert_eq!(env.registrations().len(), 0);
}

#[test]
fn handlers_move_and_remove_from_inside_any_handler() {
    let mut env = UsageEnvironment::new().unwrap();
    let pairs: Vec<(UnixStream, UnixStream)> =
        (0..3).map(|_| UnixStream::pair().unwrap()).collect();
    let calls = Rc::new(Cell::new(0));
    let id: Rc<Cell<Option<HandlerId>>> = Rc::default();
    let second = Rc::new(Cell::new(0));
    let second_calls = second.clone();
    let victim = env
        .set_background_handling(&pairs[1].0, Interest::WRITABLE, move |_, _| {
            second_calls.set(second_calls.get() + 1);
        })
        .unwrap();
    turn_until(&mut env, |_| second.get() > 0);
    // The first removes the second and moves itself to the third pair; there it removes itself.
    let (count, mine) = (calls.clone(), id.clone());
    let mut third = pairs[2].0.try_clone().unwrap();
    let first = env.set_background_handling(&pairs[0].0, Interest::READABLE, move |env, _| {
        count.set(count.get() + 1);
        let me = mine.get().unwrap();
        if count.get() == 1 {
            assert!(env.remove_background_handling(victim));
            assert!(env.move_background_handling(me, &third).unwrap());
        } else {
            assert_eq!(third.read(&mut [0; 9]).unwrap(), 5);
            assert!(env.remove_background_handling(me));
            assert!(!env.move_background_handling(me, &third).unwrap());
        }
    });
    id.set(first.ok());
    (&pairs[0].1).write_all(b"first").unwrap();
    turn_until(&mut env, |_| calls.get() == 1);
    let before = second.get();
    (&pairs[0].1).write_all(b"not heard").unwrap();
    env.turn(Some(millis(10))).unwrap();
    assert_eq!((calls.get(), second.get()), (1, before));
    (&pairs[2].1).write_all(b"third").unwrap();
    turn_until(&mut env, |_| calls.get() == 2);
    assert_eq!(env.registrations().len(), 0);
    // What the handler owned went with it.
    assert_eq!(Rc::strong_count(&calls), 1);
}

#[test]
fn a_closed_descriptor_does_not_harm() {
    let mut env = UsageEnvironment::new().unwrap();
    let (ours, theirs) = UnixStream::pair().unwrap();
    let ended = Rc::new(Cell::new(0));
    let count = ended.clone();
    let handler = env
        .set_background_handling(&ours, Interest::READABLE, move |_, _| count.set(count.get() + 1))
        .unwrap();
    drop((ours, theirs));
    turn_until(&mut env, |_| ended.get() > 0);
    assert!(env.remove_background_handling(handler));
    let regular = tempfile::tempfile().unwrap();
    // The poll has no regular files; nothing stays behind.
    assert!(env.set_background_handling(&regular, Interest::READABLE, |_, _| {}).is_err());
    assert_eq!(env.registrations().len(), 0);
    let mut simulated = UsageEnvironment::simulated(1);
    assert!(simulated.set_background_handling(&regular, Interest::READABLE, |_, _| {}).is_err());
}

// Triggers.

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

// The loop itself.

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

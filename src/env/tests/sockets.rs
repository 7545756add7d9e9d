//! Readiness of media's sockets, in both worlds.

use super::*;

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
    assert_eq!(env.registrations.len(), 0);
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
    assert_eq!(env.registrations.len(), 2);
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
        assert_eq!(env.registrations.len(), 0);
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
        let interest = Interest {
            readable: waiting.len() < 20_000,
            writable: !waiting.is_empty(),
            ..Interest::NONE
        };
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

/// A medium that at each event does one of everything, by chance: opens, closes and forgets
/// sockets, handlers, timers, triggers and other media, its own and itself.
struct Chaos {
    sockets: Vec<UdpSocket>,
    timer: Timer,
    me: MediumHandle,
    population: Rc<Cell<usize>>,
}

impl Chaos {
    fn new(population: &Rc<Cell<usize>>) -> Self {
        population.set(population.get() + 1);
        Self {
            sockets: Vec::new(),
            timer: Timer::new(),
            me: MediumHandle::default(),
            population: population.clone(),
        }
    }

    fn act(&mut self, env: &mut UsageEnvironment) {
        let number = env.random_u32();
        match number % 16 {
            0..=3 if self.sockets.len() < 8 => {
                let mut socket = UdpSocket::bind(env, localhost()).unwrap();
                socket.watch(env, self.me, key(number), Interest::READABLE).unwrap();
                self.sockets.push(socket);
            }
            4 => {
                if let Some(socket) = self.sockets.pop() {
                    socket.close(env);
                }
            }
            5 => drop(self.sockets.pop()),
            6 if self.population.get() < 50 => {
                env.add(Self::new(&self.population));
            }
            7 if self.population.get() > 10 => {
                env.close(self.me);
            }
            8 if self.population.get() > 10 => {
                let name = format!("riverrun{}", (number >> 8) % 200);
                if let Some(other) = env.lookup_by_name::<Self>(&name) {
                    assert!(env.close(other));
                }
            }
            9 => env.create_medium_trigger(self.me, key(0)).trigger(),
            10 => {
                let population = self.population.clone();
                env.schedule_delayed_task(Duration::from_micros(50), move |env| {
                    assert_eq!(env.media(), population.get());
                });
            }
            11 => {
                for socket in &mut self.sockets {
                    let interest =
                        if number & 0x100 == 0 { Interest::NONE } else { Interest::READABLE };
                    socket.watch(env, self.me, key(number), interest).unwrap();
                }
            }
            _ => {
                let target = (number >> 8) as usize % self.sockets.len().max(1);
                let target = self.sockets.get(target).map(|socket| socket.local_addr().unwrap());
                if let (Some(to), Some(socket)) = (target, self.sockets.first_mut()) {
                    socket.send_to(env, b"chaos", to).unwrap();
                }
            }
        }
        let at = env.now() + Duration::from_micros(u64::from(number >> 20));
        env.arm_timer(&mut self.timer, self.me, key(1), at);
    }
}

impl Medium for Chaos {
    fn kind(&self) -> &'static str {
        "chaos"
    }
    fn on_added(&mut self, env: &mut UsageEnvironment, me: MediumHandle) {
        self.me = me;
        self.act(env);
    }
    fn handle_event(&mut self, env: &mut UsageEnvironment, event: Event) {
        if let Event::Readiness { readiness, .. } = event {
            assert!(readiness.readable && !readiness.writable);
            for socket in &mut self.sockets {
                let _ = socket.recv_from(env, &mut [0; 10]);
            }
        }
        self.act(env);
    }
    fn on_close(&mut self, env: &mut UsageEnvironment) {
        env.disarm_timer(&mut self.timer);
        self.population.set(self.population.get() - 1);
    }
}

#[test]
fn chaos_leaves_nothing_behind() {
    let mut worlds: Vec<UsageEnvironment> = (0..10).map(UsageEnvironment::simulated).collect();
    worlds.push(UsageEnvironment::new().unwrap());
    for mut env in worlds {
        let population = Rc::new(Cell::new(0));
        for _ in 0..20 {
            env.add(Chaos::new(&population));
        }
        for _ in 0..3000 {
            env.turn(Some(millis(1))).unwrap();
            assert_eq!(env.media(), population.get());
        }
        assert!(env.statistics().events > 300, "{env:?}");
        env.close_all();
        env.turn(Some(millis(1))).unwrap();
        assert_eq!((env.media(), population.get()), (0, 0));
        assert_eq!(env.registrations.len(), 0);
        assert_eq!(env.triggers.len(), 0);
        let ip = localhost().ip();
        assert!(env.simulation().is_none_or(|simulation| simulation.open_sockets(ip) == 0));
        // Tasks that are not media's own end by themselves.
        env.turn(Some(millis(1))).unwrap();
        assert_eq!(env.delayed_tasks(), 0);
    }
}

#[test]
fn sending_datagrams_does_not_wake_the_loop() {
    let mut env = UsageEnvironment::new().unwrap();
    let id = env.add(Probe::quiet());
    let receiver = std::net::UdpSocket::bind(localhost()).unwrap();
    let to = receiver.local_addr().unwrap();
    let mut socket = UdpSocket::bind(&mut env, localhost()).unwrap();
    socket.watch(&mut env, id.handle(), key(1), Interest::READABLE).unwrap();
    env.turn(Some(Duration::ZERO)).unwrap();
    let before = env.statistics().wakeups;
    for _ in 0..5 {
        socket.send_to(&mut env, b"x", to).unwrap();
        env.turn(Some(millis(1))).unwrap();
    }
    assert_eq!(env.statistics().wakeups, before);
    // Who asks for room is told, again and again as it asks.
    for n in 1..3 {
        socket.watch(&mut env, id.handle(), key(n), Interest::BOTH).unwrap();
        turn_until(&mut env, |env| {
            let told = Event::Readiness { key: key(n), readiness: Readiness::WRITABLE };
            env.medium(id).unwrap().events.contains(&told)
        });
        socket.watch(&mut env, id.handle(), key(n), Interest::READABLE).unwrap();
    }
}

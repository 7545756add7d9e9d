//! Ids of one environment do nothing in another, although the same slots are taken there.

use super::*;

/// Two environments of the same world.
fn pairs() -> [[UsageEnvironment; 2]; 2] {
    let simulated = || UsageEnvironment::simulated(1);
    let system = || UsageEnvironment::new().unwrap();
    [[simulated(), simulated()], [system(), system()]]
}

#[test]
fn media() {
    for [mut one, mut two] in pairs() {
        let foreign = one.add(Probe::quiet());
        let own = two.add(Probe::quiet());
        assert_eq!(own.handle().raw(), foreign.handle().raw());
        assert_ne!(own, foreign);
        assert!(!two.close(foreign));
        assert!(!two.contains(foreign));
        assert!(two.medium(foreign).is_none());
        assert!(two.medium_mut(foreign).is_none());
        assert!(two.medium_name(foreign).is_none());
        assert_eq!(two.with(foreign, |_, _| ()), Err(MediumError::Ended));
        // A trigger and a timer for a stranger reach nobody.
        let trigger = two.create_medium_trigger(foreign.handle(), key(1));
        trigger.trigger();
        assert_eq!(two.triggers.len(), 0);
        let mut timer = Timer::new();
        let now = two.now();
        two.arm_timer(&mut timer, foreign.handle(), key(1), now);
        two.turn(Some(Duration::ZERO)).unwrap();
        assert_eq!(two.medium(own).unwrap().events, []);
        assert!(two.contains(own) && one.contains(foreign));
    }
}

#[test]
fn tasks_and_timers() {
    for [mut one, mut two] in pairs() {
        let foreign = one.schedule_delayed_task(millis(1), |_| {});
        let own = two.schedule_delayed_task(millis(1), |_| {});
        assert_ne!(own, foreign);
        assert!(!two.unschedule_delayed_task(foreign));
        assert!(!two.reschedule_delayed_task(foreign, millis(2)));
        assert_eq!((one.delayed_tasks(), two.delayed_tasks()), (1, 1));
        assert!(two.unschedule_delayed_task(own));
        assert!(one.unschedule_delayed_task(foreign));

        let owners = [one.add(Probe::quiet()), two.add(Probe::quiet())];
        let mut timers = [Timer::new(), Timer::new()];
        let at = one.now() + Duration::from_secs(1);
        one.arm_timer(&mut timers[0], owners[0].handle(), key(0), at);
        two.arm_timer(&mut timers[1], owners[1].handle(), key(0), at);
        assert!(!two.is_armed(&timers[0]));
        two.disarm_timer(&mut timers[0]);
        assert!(two.is_armed(&timers[1]));
        assert!(one.is_armed(&timers[0]));
        one.disarm_timer(&mut timers[0]);
        assert!(!one.is_armed(&timers[0]));
    }
}

#[test]
fn handlers() {
    let [_, [mut one, mut two]] = pairs();
    let called = Rc::new(Cell::new(0));
    let add = |env: &mut UsageEnvironment| {
        let (ours, mut theirs) = UnixStream::pair().unwrap();
        theirs.write_all(b"x").unwrap();
        let count = called.clone();
        let id = env.set_background_handling(ours, Interest::READABLE, move |_, ours, _| {
            count.set(count.get() + ours.read(&mut [0; 9]).unwrap());
        });
        (id.unwrap(), theirs)
    };
    let (foreign, _foreign_peer) = add(&mut one);
    let (own, _peer) = add(&mut two);
    assert_ne!(own, foreign);
    assert!(!two.change_background_handling(foreign, Interest::NONE).unwrap());
    let (stream, _) = UnixStream::pair().unwrap();
    assert!(!two.move_background_handling(foreign, stream).unwrap());
    assert!(!two.remove_background_handling(foreign));
    turn_until(&mut two, |_| called.get() == 1);
    turn_until(&mut one, |_| called.get() == 2);
    assert!(two.remove_background_handling(own));
}

#[test]
fn triggers() {
    for [mut one, mut two] in pairs() {
        let called = Rc::new(Cell::new(0));
        let foreign = one.create_event_trigger(|_, _| {});
        let count = called.clone();
        let own = two.create_event_trigger(move |_, n| count.set(count.get() + n));
        assert!(!two.delete_event_trigger(&foreign));
        foreign.trigger();
        two.turn(Some(Duration::ZERO)).unwrap();
        assert_eq!(called.get(), 0);
        own.trigger();
        two.turn(Some(Duration::ZERO)).unwrap();
        assert_eq!(called.get(), 1);
        assert!(two.delete_event_trigger(&own) && one.delete_event_trigger(&foreign));
    }
}

/// What is done to a stranger's socket neither reads nor ends what is in its slot here.
#[test]
fn sockets() {
    for [mut one, mut two] in pairs() {
        let place: SocketAddr =
            if one.is_simulated() { "10.0.0.1:7000".parse().unwrap() } else { localhost() };
        let mut foreign = UdpSocket::bind(&mut one, place).unwrap();
        let mut own = UdpSocket::bind(&mut two, place).unwrap();
        let owners = [one.add(Probe::quiet()), two.add(Probe::quiet())];
        foreign.watch(&mut one, owners[0].handle(), key(1), Interest::READABLE).unwrap();
        own.watch(&mut two, owners[1].handle(), key(2), Interest::READABLE).unwrap();
        let to = own.local_addr().unwrap();
        own.send_to(&mut two, b"hello", to).unwrap();
        turn_until(&mut two, |env| !env.medium(owners[1]).unwrap().events.is_empty());
        // It finds nothing, which clears its own readiness and nobody else's.
        assert!(foreign.recv_from(&mut two, &mut [0; 9]).is_err());
        let again = foreign.watch(&mut two, owners[1].handle(), key(3), Interest::NONE);
        assert_eq!(again.unwrap_err().kind(), io::ErrorKind::InvalidInput);
        foreign.close(&mut two);
        two.medium_mut(owners[1]).unwrap().events.clear();
        two.turn(Some(millis(5))).unwrap();
        let told = Event::Readiness { key: key(2), readiness: Readiness::READABLE };
        assert_eq!(two.medium(owners[1]).unwrap().events, [told]);
        assert_eq!(own.recv_from(&mut two, &mut [0; 9]).unwrap().0, 5);
        one.turn(Some(Duration::ZERO)).unwrap();
        assert_eq!(one.registrations.len(), 0);
    }
}

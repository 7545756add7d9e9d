//! The table of media.

use super::*;

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
    assert_eq!(env.with(probe, |_, _| ()), Err(MediumError::Ended));
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
            assert_eq!(env.with(id, |_, _| ()), Err(MediumError::BeingCalled));
            assert!(env.medium(id).is_none());
            probe.events.clear();
            (0..100).map(|_| env.add(Probe::quiet())).collect::<Vec<_>>()
        })
        .unwrap();
    assert!(env.medium(id).is_some());
    for child in children {
        assert_eq!(env.with(child, |child, env| env.contains(child.me)), Ok(true));
    }
}

#[test]
fn the_first_medium_keeps_a_name_that_two_ask_for() {
    struct Named;
    impl Medium for Named {
        fn kind(&self) -> &'static str {
            "named"
        }
        fn name(&self) -> Option<&str> {
            Some("camera")
        }
        fn handle_event(&mut self, _: &mut UsageEnvironment, _: Event) {}
    }
    let mut env = UsageEnvironment::simulated(1);
    let (first, second) = (env.add(Named), env.add(Named));
    assert_eq!(env.medium_name(first), Some("camera"));
    assert_eq!(env.lookup_by_name("camera"), Some(first));
    let other = env.medium_name(second).unwrap().to_owned();
    assert_eq!(env.lookup_by_name(&other), Some(second));
    // The end of the second takes nothing from the first; that of the first frees the name.
    env.close(second);
    assert_eq!(env.lookup_by_name("camera"), Some(first));
    env.close(first);
    assert_eq!(env.lookup_by_name::<Named>("camera"), None);
    let third = env.add(Named);
    assert_eq!(env.lookup_by_name("camera"), Some(third));
}

#[test]
fn the_errors_of_a_call_pass_through() {
    fn call(env: &mut UsageEnvironment, id: MediumId<Probe>) -> Result<u32, crate::Error> {
        env.with(id, |probe, _| {
            let full = crate::Error::Limit { what: "events", limit: 1 };
            if probe.events.is_empty() { Ok(7) } else { Err(full) }
        })?
    }
    let mut env = UsageEnvironment::simulated(1);
    let id = env.add(Probe::quiet());
    assert_eq!(call(&mut env, id).unwrap(), 7);
    env.medium_mut(id).unwrap().events.push(Event::Timer { key: key(0) });
    assert!(matches!(call(&mut env, id), Err(crate::Error::Limit { limit: 1, .. })));
    env.close(id);
    assert!(matches!(call(&mut env, id), Err(crate::Error::Usage("the medium has ended"))));
    assert_eq!(io::Error::from(MediumError::Ended).kind(), io::ErrorKind::NotFound);
}

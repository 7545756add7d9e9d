//! Handlers of an application's descriptors.

use super::*;

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

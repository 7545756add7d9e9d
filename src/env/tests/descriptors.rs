//! Handlers of an application's descriptors.

use super::*;
use nix::sys::socket::{MsgFlags, send};
use std::net::{TcpListener, TcpStream};
use std::os::fd::AsRawFd;

type Counter = Rc<Cell<usize>>;

#[test]
fn handlers_are_called_while_there_is_something() {
    let mut env = UsageEnvironment::new().unwrap();
    let (ours, mut theirs) = UnixStream::pair().unwrap();
    ours.set_nonblocking(true).unwrap();
    let got = Counter::default();
    let count = got.clone();
    let handler = env
        .set_background_handling(ours, Interest::READABLE, move |_, ours, readiness| {
            assert_eq!(readiness, Readiness::READABLE);
            // One byte a call, as careless applications do.
            count.set(count.get() + ours.read(&mut [0; 1]).unwrap());
        })
        .unwrap();
    theirs.write_all(b"hello").unwrap();
    turn_until(&mut env, |_| got.get() == 5);
    let calls = env.statistics().events;
    env.turn(Some(millis(10))).unwrap();
    assert_eq!(env.statistics().events, calls);

    assert!(env.change_background_handling(handler, Interest::NONE).unwrap());
    theirs.write_all(b"x").unwrap();
    env.turn(Some(millis(10))).unwrap();
    assert_eq!(got.get(), 5);
    assert!(env.change_background_handling(handler, Interest::READABLE).unwrap());
    turn_until(&mut env, |_| got.get() == 6);
    assert!(env.remove_background_handling(handler));
    assert!(!env.remove_background_handling(handler));
    assert!(!env.change_background_handling(handler, Interest::BOTH).unwrap());
    assert_eq!(env.registrations.len(), 0);
    // The descriptor went with its handler.
    assert_eq!(theirs.read(&mut [0; 1]).unwrap(), 0);
}

#[test]
fn handlers_remove_themselves_and_others_from_inside_any_handler() {
    let mut env = UsageEnvironment::new().unwrap();
    let (ours, mut theirs) = UnixStream::pair().unwrap();
    let (victims, _peer) = UnixStream::pair().unwrap();
    let victim_calls = Counter::default();
    let count = victim_calls.clone();
    let victim = env
        .set_background_handling(victims, Interest::WRITABLE, move |_, _, _| {
            count.set(count.get() + 1);
        })
        .unwrap();
    turn_until(&mut env, |_| victim_calls.get() > 0);
    let (calls, me) = (Counter::default(), Rc::new(Cell::new(None::<HandlerId>)));
    let (count, mine) = (calls.clone(), me.clone());
    let handler = env.set_background_handling(ours, Interest::READABLE, move |env, ours, _| {
        count.set(count.get() + 1);
        let me = mine.get().unwrap();
        assert!(env.remove_background_handling(victim));
        assert!(env.remove_background_handling(me));
        let moved = env.move_background_handling(me, ours.try_clone().unwrap());
        assert!(!moved.unwrap(), "it has been removed");
    });
    me.set(handler.ok());
    theirs.write_all(b"first").unwrap();
    turn_until(&mut env, |_| calls.get() == 1);
    let before = victim_calls.get();
    theirs.write_all(b"second").unwrap_err();
    for _ in 0..3 {
        env.turn(Some(millis(5))).unwrap();
    }
    assert_eq!((calls.get(), victim_calls.get()), (1, before));
    assert_eq!(env.registrations.len(), 0);
    // What the handler owned went with it.
    assert_eq!(Rc::strong_count(&calls), 1);
}

/// Reads what comes and counts the bytes.
fn count_bytes(
    env: &mut UsageEnvironment,
    ours: UnixStream,
    of: &Counter,
) -> io::Result<HandlerId> {
    let count = of.clone();
    env.set_background_handling(ours, Interest::READABLE, move |_, ours, _| {
        count.set(count.get() + ours.read(&mut [0; 64]).unwrap());
    })
}

#[test]
fn a_handler_is_given_another_descriptor() {
    let mut env = UsageEnvironment::new().unwrap();
    let mut pairs = (0..2).map(|_| UnixStream::pair().unwrap());
    let (ours, mut theirs) = pairs.next().unwrap();
    let (next, mut next_theirs) = pairs.next().unwrap();
    let got = Counter::default();
    let handler = count_bytes(&mut env, ours, &got).unwrap();
    let wrong = env.move_background_handling(handler, tempfile::tempfile().unwrap());
    assert_eq!(wrong.unwrap_err().kind(), io::ErrorKind::InvalidInput);
    theirs.write_all(b"1").unwrap();
    turn_until(&mut env, |_| got.get() == 1);
    // While it rests it takes the other descriptor as well.
    assert!(env.change_background_handling(handler, Interest::NONE).unwrap());
    assert!(env.move_background_handling(handler, next).unwrap());
    assert!(env.change_background_handling(handler, Interest::READABLE).unwrap());
    assert!(theirs.write_all(b"2").is_err(), "the old descriptor is closed");
    next_theirs.write_all(b"34").unwrap();
    turn_until(&mut env, |_| got.get() == 3);
    assert_eq!(env.registrations.len(), 1);
}

#[test]
fn a_handler_puts_another_descriptor_in_the_place_of_its_own() {
    let mut env = UsageEnvironment::new().unwrap();
    let (ours, mut theirs) = UnixStream::pair().unwrap();
    let (next, mut next_theirs) = UnixStream::pair().unwrap();
    let (got, mut next) = (Rc::new(Cell::new(0)), Some(next));
    let count = got.clone();
    env.set_background_handling(ours, Interest::READABLE, move |_, ours, _| {
        let n = ours.read(&mut [0; 64]).unwrap();
        count.set(count.get() + n);
        if n == 0 {
            *ours = next.take().expect("it ends once");
        }
    })
    .unwrap();
    theirs.write_all(b"1").unwrap();
    turn_until(&mut env, |_| got.get() == 1);
    next_theirs.write_all(b"23").unwrap();
    env.turn(Some(millis(5))).unwrap();
    assert_eq!(got.get(), 1);
    drop(theirs);
    turn_until(&mut env, |_| got.get() == 3);
    next_theirs.write_all(b"4").unwrap();
    turn_until(&mut env, |_| got.get() == 4);
}

#[test]
fn a_closed_descriptor_does_not_harm() {
    let mut env = UsageEnvironment::new().unwrap();
    let (ours, theirs) = UnixStream::pair().unwrap();
    let ended = Counter::default();
    let count = ended.clone();
    // One that is shared: the environment keeps it open.
    let ours = Rc::new(ours);
    let handler = env
        .set_background_handling(ours.clone(), Interest::READABLE, move |_, _, _| {
            count.set(count.get() + 1);
        })
        .unwrap();
    drop((ours, theirs));
    turn_until(&mut env, |_| ended.get() > 0);
    assert!(env.remove_background_handling(handler));
    let regular = || tempfile::tempfile().unwrap();
    // The poll has no regular files; nothing stays behind.
    assert!(env.set_background_handling(regular(), Interest::READABLE, |_, _, _| {}).is_err());
    assert_eq!(env.registrations.len(), 0);
    let mut simulated = UsageEnvironment::simulated(1);
    let refused = simulated.set_background_handling(regular(), Interest::READABLE, |_, _, _| {});
    assert_eq!(refused.unwrap_err().kind(), io::ErrorKind::Unsupported);
}

/// Both ends of a connection, whose urgent data are an exceptional condition.
#[cfg(any(target_os = "linux", target_os = "android"))]
fn connected() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let theirs = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    (listener.accept().unwrap().0, theirs)
}

#[cfg(any(target_os = "linux", target_os = "android"))]
#[test]
fn exceptional_conditions_are_told_from_something_to_read() {
    let mut env = UsageEnvironment::new().unwrap();
    let told = Rc::new(Cell::new(Vec::new()));
    let watch = |env: &mut UsageEnvironment, ours: TcpStream, interest| {
        let told = told.clone();
        env.set_background_handling(ours, interest, move |_, ours, readiness| {
            let mut all = told.take();
            all.push(readiness);
            told.set(all);
            if readiness.priority {
                let mut urgent = [0];
                let n = nix::sys::socket::recv(ours.as_raw_fd(), &mut urgent, MsgFlags::MSG_OOB);
                assert_eq!((n, urgent), (Ok(1), *b"!"));
            }
            if readiness.readable {
                assert!(ours.read(&mut [0; 64]).unwrap() > 0);
            }
        })
        .unwrap()
    };
    for interest in [Interest::READABLE | Interest::PRIORITY, Interest::PRIORITY] {
        let (ours, mut theirs) = connected();
        let handler = watch(&mut env, ours, interest);
        send(theirs.as_raw_fd(), b"!", MsgFlags::MSG_OOB).unwrap();
        turn_until(&mut env, |_| {
            let all = told.take();
            assert!(all.is_empty() || all == [Readiness::PRIORITY], "{all:?}");
            !all.is_empty()
        });
        theirs.write_all(b"plain").unwrap();
        if interest.readable {
            turn_until(&mut env, |_| told.take() == [Readiness::READABLE]);
        }
        for _ in 0..3 {
            env.turn(Some(millis(5))).unwrap();
        }
        assert_eq!(told.take(), []);
        assert!(env.remove_background_handling(handler));
    }
}

#[test]
fn the_librarys_sockets_refuse_priority() {
    let mut env = UsageEnvironment::new().unwrap();
    let id = env.add(Probe::quiet());
    let mut socket = UdpSocket::bind(&mut env, localhost()).unwrap();
    for _ in 0..2 {
        let watched = socket.watch(&mut env, id.handle(), key(0), Interest::PRIORITY);
        assert_eq!(watched.unwrap_err().kind(), io::ErrorKind::Unsupported);
        socket.watch(&mut env, id.handle(), key(0), Interest::READABLE).unwrap();
    }
}

#[test]
fn what_is_written_to_an_event_pipe_is_told_on_the_loop() {
    let mut env = UsageEnvironment::new().unwrap();
    let got = Rc::new(Cell::new(0));
    let count = got.clone();
    let end = env.create_event_pipe(move |_, n| count.set(count.get() + n)).unwrap();
    let mut end = std::fs::File::from(end);
    let mut other = end.try_clone().unwrap();
    std::thread::spawn(move || other.write_all(&[0; 2000]).unwrap());
    turn_until(&mut env, |_| got.get() == 2000);
    end.write_all(b"!").unwrap();
    turn_until(&mut env, |_| got.get() == 2001);
    // A full pipe does not block.
    while end.write(&[0; 4096]).is_ok() {}
    turn_until(&mut env, |_| got.get() > 2001);
    drop(end);
    turn_until(&mut env, |env| env.registrations.len() == 0);
    assert_eq!(Rc::strong_count(&got), 1);
    let simulated = UsageEnvironment::simulated(1).create_event_pipe(|_, _| ());
    assert_eq!(simulated.unwrap_err().kind(), io::ErrorKind::Unsupported);
}

#[test]
fn a_signal_reaches_the_loop_through_an_event_pipe() {
    use signal_hook::consts::SIGUSR1;
    let mut env = UsageEnvironment::new().unwrap();
    let stop = Arc::new(AtomicBool::new(false));
    let flag = stop.clone();
    let end = env.create_event_pipe(move |_, _| flag.store(true, Ordering::Release)).unwrap();
    signal_hook::low_level::pipe::register(SIGUSR1, end).unwrap();
    env.schedule_delayed_task(millis(1), |_| signal_hook::low_level::raise(SIGUSR1).unwrap());
    env.do_event_loop(&stop).unwrap();
}

//! Sockets of the operating system on the loopback interface. (The simulated ones: `env/sim/tests.rs`.)

use super::*;
use crate::env::{EventKey, Interest, MediumHandle, UsageEnvironment};
use std::io;
use std::net::{self, SocketAddr};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::ops::Range;
use std::time::{Duration, Instant};

fn env() -> UsageEnvironment {
    UsageEnvironment::new().unwrap()
}

const V4: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
const HOST: SocketAddr = SocketAddr::new(V4, 0);
const V6: IpAddr = IpAddr::V6(Ipv6Addr::LOCALHOST);

/// Families that this machine has.
fn families(env: &mut UsageEnvironment) -> Vec<IpAddr> {
    let families = [V4, V6];
    let has = |ip: &IpAddr| UdpSocket::bind(env, SocketAddr::new(*ip, 0)).is_ok();
    families.into_iter().filter(has).collect()
}

/// Datagrams of these lengths with gaps of four bytes, filled by a running number.
fn datagrams(lengths: &[usize]) -> (Vec<u8>, Vec<Range<usize>>) {
    let mut buffer = Vec::new();
    let mut spans = Vec::new();
    for (i, length) in lengths.iter().enumerate() {
        buffer.extend([0xaa; 4]);
        let start = buffer.len();
        buffer.extend((0..*length).map(|k| (i * 31 + k) as u8));
        spans.push(start..buffer.len());
    }
    (buffer, spans)
}

struct Receivers(Vec<net::UdpSocket>);

impl Receivers {
    fn new(ip: IpAddr, count: usize) -> Self {
        let open = |_| {
            let socket = net::UdpSocket::bind(SocketAddr::new(ip, 0)).unwrap();
            let _ = socket2::SockRef::from(&socket).set_recv_buffer_size(1 << 20);
            socket.set_read_timeout(Some(Duration::from_secs(2))).unwrap();
            socket
        };
        Self((0..count).map(open).collect())
    }

    fn addresses(&self) -> Vec<SocketAddr> {
        self.0.iter().map(|socket| socket.local_addr().unwrap()).collect()
    }

    /// What each got, when `count` were sent to it.
    fn receive(&self, count: usize) -> Vec<Vec<Vec<u8>>> {
        let mut buf = vec![0; 65_536];
        let mut receive = |socket: &net::UdpSocket| {
            (0..count)
                .map(|_| {
                    let n = socket.recv(&mut buf).expect("a datagram is missing");
                    buf[..n].to_vec()
                })
                .collect()
        };
        let got = self.0.iter().map(&mut receive).collect();
        for socket in &self.0 {
            socket.set_nonblocking(true).unwrap();
            assert!(socket.recv(&mut [0; 1]).is_err(), "one too many");
            socket.set_nonblocking(false).unwrap();
        }
        got
    }
}

#[test]
fn offload_and_plain_deliver_the_same() {
    let patterns: Vec<Vec<usize>> = vec![
        vec![1400; 14],
        vec![1400, 1400, 1400, 17],
        vec![17],
        vec![1400],
        vec![5, 1400, 1400, 3, 1400, 1400, 1400, 1, 1, 2, 3, 900, 900, 900, 100, 100],
        (1..40).collect(),
        (1..40).rev().collect(),
        vec![100; 150],
        vec![1400; 60],
        vec![0, 10, 10, 0, 0, 10, 10, 5],
        vec![30_000, 30_000, 30_000, 2],
        vec![],
    ];
    let mut env = env();
    for ip in families(&mut env) {
        for destinations in [1, 3, 70] {
            let receivers = Receivers::new(ip, destinations);
            let addresses = receivers.addresses();
            for lengths in &patterns {
                let (buffer, spans) = datagrams(lengths);
                let datagrams = Datagrams { buffer: &buffer, spans: &spans };
                let expected: Vec<Vec<u8>> = datagrams.iter().map(<[u8]>::to_vec).collect();
                for gso in [true, false] {
                    let mut socket = UdpSocket::bind(&mut env, SocketAddr::new(ip, 0)).unwrap();
                    socket.set_gso(gso);
                    let mut failed = Vec::new();
                    let sent = socket.send_batch(&mut env, &datagrams, &addresses, &mut failed);
                    assert!(failed.is_empty(), "{failed:?}");
                    assert_eq!(sent, destinations * lengths.len());
                    for got in receivers.receive(lengths.len()) {
                        assert!(got == expected, "gso {gso}, lengths {lengths:?}");
                    }
                }
            }
        }
    }
}

#[test]
fn a_destination_that_fails_is_its_own() {
    let mut env = env();
    for ip in families(&mut env) {
        for lengths in [&[1000, 1000, 500, 7, 7][..], &[1, 2, 3], &[9]] {
            for gso in [true, false] {
                let receivers = Receivers::new(ip, 4);
                let mut addresses = receivers.addresses();
                // Nobody can be reached at port 0, nor with the other family.
                addresses.insert(1, SocketAddr::new(ip, 0));
                let other = if ip.is_ipv4() { V6 } else { V4 };
                if ip.is_ipv4() {
                    addresses.insert(3, SocketAddr::new(other, 9));
                } else {
                    addresses.insert(3, SocketAddr::new(ip, 0));
                }
                addresses.push(SocketAddr::new(ip, 0));
                let (buffer, spans) = datagrams(lengths);
                let datagrams = Datagrams { buffer: &buffer, spans: &spans };
                let mut socket = UdpSocket::bind(&mut env, SocketAddr::new(ip, 0)).unwrap();
                socket.set_gso(gso);
                for _ in 0..2 {
                    let mut failed = Vec::new();
                    let sent = socket.send_batch(&mut env, &datagrams, &addresses, &mut failed);
                    assert_eq!(sent, 4 * lengths.len());
                    let mut indices: Vec<usize> = failed.iter().map(|(index, _)| *index).collect();
                    indices.sort_unstable();
                    assert_eq!(indices, [1, 3, 6], "{failed:?}");
                    let expected: Vec<Vec<u8>> = datagrams.iter().map(<[u8]>::to_vec).collect();
                    assert!(receivers.receive(lengths.len()).iter().all(|got| *got == expected));
                    assert_eq!(socket.gso(), gso, "one bad destination is no refusal");
                }
            }
        }
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_frame_is_one_call() {
    let mut env = env();
    let receivers = Receivers::new(V4, 50);
    let addresses = receivers.addresses();
    let mut socket = UdpSocket::bind(&mut env, SocketAddr::new(V4, 0)).unwrap();
    let (buffer, spans) = datagrams(&[vec![1400; 13], vec![200]].concat());
    let datagrams = Datagrams { buffer: &buffer, spans: &spans };
    socket.send_batch(&mut env, &datagrams, &addresses, &mut Vec::new());
    receivers.receive(14);
    if !socket.gso() {
        log::warn!("no segmentation offload here");
        return;
    }
    let before = env.extension::<batch::Batch>().calls;
    for _ in 0..10 {
        socket.send_batch(&mut env, &datagrams, &addresses, &mut Vec::new());
        receivers.receive(14);
    }
    assert_eq!(env.extension::<batch::Batch>().calls - before, 10);
}

/// A batch for ten destinations that is more than the send buffer holds, on a slow line.
fn slow_line(rounds: usize, patience: Duration) -> (u64, Vec<usize>) {
    let mut env = UsageEnvironment::simulated(9);
    let profile = crate::env::LinkProfile { udp_bandwidth: Some(10_000_000), ..Default::default() };
    env.simulation().unwrap().set_profile(profile);
    let mut socket = UdpSocket::bind(&mut env, "10.0.0.1:6970".parse().unwrap()).unwrap();
    let addresses: Vec<SocketAddr> =
        (0..10).map(|i| format!("10.0.1.{i}:5000").parse().unwrap()).collect();
    let mut receivers: Vec<UdpSocket> =
        addresses.iter().map(|to| UdpSocket::bind(&mut env, *to).unwrap()).collect();
    let (buffer, spans) = datagrams(&[1400; 50]);
    let datagrams = Datagrams { buffer: &buffer, spans: &spans };
    let mut failed = Vec::new();
    for _ in 0..rounds {
        socket.send_batch(&mut env, &datagrams, &addresses, &mut failed);
    }
    assert!(failed.is_empty());
    assert!(socket.is_behind());
    let end = env.now() + patience;
    let mut got = vec![Vec::new(); 10];
    while env.now() < end {
        env.turn(Some(Duration::from_millis(1))).unwrap();
        socket.flush(&mut env);
        let mut buf = [0; 2000];
        for (receiver, got) in receivers.iter_mut().zip(&mut got) {
            while let Ok((n, _)) = receiver.recv_from(&mut env, &mut buf) {
                got.push(buf[..n].to_vec());
            }
        }
    }
    assert!(!socket.is_behind());
    let expected: Vec<Vec<u8>> = datagrams.iter().map(<[u8]>::to_vec).collect();
    for got in &got {
        // Each batch whole and in order, or not at all but for its end.
        for batch in got.chunks(50) {
            assert_eq!(batch, expected);
        }
    }
    (socket.dropped(), got.iter().map(Vec::len).collect())
}

#[test]
fn what_finds_the_buffer_full_goes_out_later_and_in_order() {
    assert_eq!(slow_line(3, Duration::from_secs(1)), (0, vec![150; 10]));
}

/// On an ordinary loopback interface the buffer never stays full; with a queueing discipline that
/// holds back (`tc qdisc add dev lo root tbf rate 20mbit burst 100k latency 20s`) it does.
#[test]
fn a_small_buffer_loses_nothing() {
    let mut env = env();
    for lengths in [vec![1400; 40], vec![5, 900, 900, 900, 3, 1400, 1400, 7, 8, 9]] {
        for gso in [true, false] {
            let receivers = Receivers::new(V4, 5);
            let mut addresses = receivers.addresses();
            addresses.insert(2, SocketAddr::new(V4, 0));
            let mut socket = UdpSocket::bind(&mut env, SocketAddr::new(V4, 0)).unwrap();
            socket.set_send_buffer_size(1).unwrap();
            socket.set_gso(gso);
            let (buffer, spans) = datagrams(&lengths);
            let datagrams = Datagrams { buffer: &buffer, spans: &spans };
            let expected: Vec<Vec<u8>> = datagrams.iter().map(<[u8]>::to_vec).collect();
            socket.send_batch(&mut env, &datagrams, &addresses, &mut Vec::new());
            let mut full = 0;
            let end = Instant::now() + Duration::from_secs(20);
            while !socket.flush(&mut env) {
                assert!(Instant::now() < end);
                full += 1;
                std::thread::sleep(Duration::from_millis(1));
            }
            log::info!("full {full} times");
            assert!(receivers.receive(lengths.len()).iter().all(|got| *got == expected));
        }
    }
}

#[test]
fn an_owner_that_only_receives_lets_the_rest_out() {
    struct Sender(UdpSocket);
    impl crate::env::Medium for Sender {
        fn kind(&self) -> &'static str {
            "sender"
        }
        fn on_added(&mut self, env: &mut UsageEnvironment, me: MediumHandle) {
            self.0.watch(env, me, EventKey::default(), Interest::READABLE).unwrap();
        }
        fn handle_event(&mut self, env: &mut UsageEnvironment, _: crate::env::Event) {
            assert!(self.0.recv_from(env, &mut [0; 9]).is_err());
        }
    }
    let mut env = UsageEnvironment::simulated(9);
    let profile = crate::env::LinkProfile { udp_bandwidth: Some(10_000_000), ..Default::default() };
    env.simulation().unwrap().set_profile(profile);
    let socket = UdpSocket::bind(&mut env, "10.0.0.1:6970".parse().unwrap()).unwrap();
    let to: SocketAddr = "10.0.1.1:5000".parse().unwrap();
    let mut receiver = UdpSocket::bind(&mut env, to).unwrap();
    let sender = env.add(Sender(socket));
    let (buffer, spans) = datagrams(&[1400; 500]);
    let datagrams = Datagrams { buffer: &buffer, spans: &spans };
    env.with(sender, |sender, env| {
        sender.0.send_batch(env, &datagrams, &[to], &mut Vec::new());
        assert!(sender.0.is_behind());
    })
    .unwrap();
    let mut got = 0;
    let end = env.now() + Duration::from_secs(1);
    while env.now() < end {
        env.turn(Some(Duration::from_millis(1))).unwrap();
        while receiver.recv_from(&mut env, &mut [0; 2000]).is_ok() {
            got += 1;
        }
    }
    assert_eq!(got, 500);
    // Then it is quiet again.
    let events = env.statistics().events;
    env.turn(Some(Duration::from_millis(100))).unwrap();
    env.turn(Some(Duration::from_millis(100))).unwrap();
    assert_eq!(env.statistics().events, events);
    assert!(events < 50, "{events}");
}

#[test]
fn what_waits_is_limited_and_the_rest_counted() {
    let (dropped, got) = slow_line(20, Duration::from_secs(2));
    assert!(dropped > 0);
    assert_eq!(dropped as usize + got.iter().sum::<usize>(), 20 * 50 * 10);
}

#[test]
fn port_pairs_search_and_end() {
    for mut env in [env(), UsageEnvironment::simulated(1)] {
        // Below the ports that the system gives to whoever asks for any.
        let base = 20_000 + (std::process::id() % 3000) as u16 * 4;
        let first = PortPair::open(&mut env, HOST, base + 1, 50).unwrap();
        let port = first.rtp.local_addr().unwrap().port();
        assert!(port % 2 == 0 && port > base);
        assert_eq!(first.rtcp.local_addr().unwrap().port(), port + 1);
        // The odd port alone is taken: the pair is skipped, its even port not kept.
        let odd = UdpSocket::bind(&mut env, SocketAddr::new(V4, port + 3)).unwrap();
        let second = PortPair::open(&mut env, HOST, base + 1, 50).unwrap();
        assert!(second.rtp.local_addr().unwrap().port() > port + 2);
        UdpSocket::bind(&mut env, SocketAddr::new(V4, port + 2)).unwrap().close(&mut env);
        odd.close(&mut env);
        first.close(&mut env);
        second.close(&mut env);
        // Past the last port it begins again, and it ends.
        let taken: Vec<UdpSocket> = [65_533, 65_535]
            .into_iter()
            .filter_map(|port| UdpSocket::bind(&mut env, SocketAddr::new(V4, port)).ok())
            .collect();
        let e = PortPair::open(&mut env, HOST, 65_532, 10).unwrap_err();
        assert_eq!(e.kind(), io::ErrorKind::AddrInUse);
        drop(taken);
        let e = PortPair::open(&mut env, "203.0.113.9:0".parse().unwrap(), 6970, 1000);
        assert!(env.is_simulated() || e.unwrap_err().kind() == io::ErrorKind::AddrNotAvailable);
    }
}

#[test]
fn port_pairs_without_descriptors_end_at_once() {
    let mut env = UsageEnvironment::simulated(1);
    env.simulation().unwrap().set_descriptor_limit(Some(3));
    let _pair = PortPair::open(&mut env, HOST, 6970, 10).unwrap();
    let e = PortPair::open(&mut env, HOST, 6970, 10).unwrap_err();
    assert!(is_out_of_descriptors(&e));
    // The RTP socket of the half pair is closed.
    assert!(UdpSocket::bind(&mut env, SocketAddr::new(V4, 0)).is_ok());
}

#[test]
fn multicast_on_this_machine() {
    let mut env = env();
    let group: SocketAddr = "239.255.77.9:0".parse().unwrap();
    let port = UdpSocket::bind(&mut env, "0.0.0.0:0".parse().unwrap())
        .and_then(|socket| socket.local_addr())
        .unwrap()
        .port();
    let group = SocketAddr::new(group.ip(), port);
    let interface = MulticastInterface::Address(Ipv4Addr::LOCALHOST);
    let mut open = || -> io::Result<Groupsock> {
        let mut groupsock = Groupsock::open(&mut env, group, 1, interface, None)?;
        groupsock.join(&mut env)?;
        groupsock.join(&mut env)?;
        Ok(groupsock)
    };
    let Some(mut ours) = or_no_multicast(open()) else { return };
    let mut theirs = open().unwrap();
    ours.send(&mut env, b"hello").unwrap();
    let mut buf = [0; 10];
    let (n, _) = wait(&mut env, |env| theirs.recv_from(env, &mut buf)).unwrap();
    assert_eq!(&buf[..n], b"hello");
    let (n, _) = wait(&mut env, |env| ours.recv_from(env, &mut buf)).unwrap();
    assert_eq!(&buf[..n], b"hello", "this end is a member too");
}

/// `None` where the system has no multicast at all, as under emulation in user mode; the test says
/// so. What a system with multicast refuses is a failure.
pub(super) fn or_no_multicast<T>(result: io::Result<T>) -> Option<T> {
    match result {
        Err(e) if e.raw_os_error() == Some(nix::errno::Errno::ENOPROTOOPT as i32) => {
            log::warn!("not tested, no multicast here: {e}");
            None
        }
        result => Some(result.unwrap()),
    }
}

#[test]
fn groupsocks_want_groups() {
    let mut env = UsageEnvironment::simulated(1);
    let unicast = SocketAddr::new(V4, 5000);
    let e = Groupsock::open(&mut env, unicast, 1, MulticastInterface::Any, None).unwrap_err();
    assert_eq!(e.kind(), io::ErrorKind::InvalidInput);
}

/// Turns until something is not `WouldBlock`.
fn wait<R>(
    env: &mut UsageEnvironment,
    mut try_it: impl FnMut(&mut UsageEnvironment) -> io::Result<R>,
) -> io::Result<R> {
    let end = Instant::now() + Duration::from_secs(5);
    loop {
        match try_it(env) {
            Err(e) if e.kind() == io::ErrorKind::WouldBlock && Instant::now() < end => {}
            result => return result,
        }
        env.turn(Some(Duration::from_millis(1))).unwrap();
    }
}

#[test]
fn a_gathered_write_that_is_cut_short_leaves_nothing_out() {
    let mut env = UsageEnvironment::simulated(7);
    let profile = crate::env::LinkProfile { partial: 0.5, ..Default::default() };
    env.simulation().unwrap().set_profile(profile);
    let at = SocketAddr::new(V4, 5000);
    let mut listener = TcpListener::bind(&mut env, at).unwrap();
    let from = Some(SocketAddr::new(V4, 0));
    let mut client = TcpStream::connect_from(&mut env, from, at).unwrap();
    env.turn(Some(Duration::from_millis(500))).unwrap();
    let (mut server, _) = listener.accept(&mut env).unwrap();
    let all: Vec<u8> = (0..200).collect();
    let (mut sent, mut got) = (0, Vec::new());
    while got.len() < all.len() {
        let parts: Vec<_> = all[sent..].chunks(9).map(io::IoSlice::new).collect();
        if let Ok(n) = client.write_vectored(&mut env, &parts) {
            sent += n;
        }
        let mut buf = [0; 50];
        if let Ok(n) = server.read(&mut env, &mut buf) {
            got.extend_from_slice(&buf[..n]);
        }
        env.turn(Some(Duration::from_millis(1))).unwrap();
    }
    assert_eq!(got, all);
}

#[test]
fn tcp_on_the_system() {
    let mut env = env();
    for ip in families(&mut env) {
        let mut listener = TcpListener::bind(&mut env, SocketAddr::new(ip, 0)).unwrap();
        let to = listener.local_addr().unwrap();
        let mut client = TcpStream::connect(&mut env, to).unwrap();
        let (mut server, peer) = wait(&mut env, |env| listener.accept(env)).unwrap();
        assert_eq!(peer, client.local_addr().unwrap());
        assert_eq!((server.peer_addr(), client.peer_addr()), (peer, to));
        assert!(client.take_error(&mut env).unwrap().is_none());
        let parts = [io::IoSlice::new(b"he"), io::IoSlice::new(b""), io::IoSlice::new(b"llo")];
        assert_eq!(client.write_vectored(&mut env, &parts).unwrap(), 5);
        let mut buf = [0; 10];
        assert_eq!(wait(&mut env, |env| server.read(env, &mut buf)).unwrap(), 5);
        assert_eq!(&buf[..5], b"hello");
        client.shutdown(&mut env).unwrap();
        assert_eq!(wait(&mut env, |env| server.read(env, &mut buf)).unwrap(), 0);
        assert_eq!(server.write(&mut env, b"bye").unwrap(), 3);
        assert_eq!(wait(&mut env, |env| client.read(env, &mut buf)).unwrap(), 3);
        server.close(&mut env);
        listener.close(&mut env);
        // Nobody listens there any more.
        let refused = TcpStream::connect(&mut env, to).map_or_else(Some, |mut stream| {
            wait(&mut env, |env| match stream.take_error(env)? {
                None => Err(io::ErrorKind::WouldBlock.into()),
                Some(e) => Ok(e),
            })
            .ok()
        });
        assert_eq!(refused.unwrap().kind(), io::ErrorKind::ConnectionRefused);
    }
}

#[test]
fn worlds_do_not_mix() {
    let mut simulated = UsageEnvironment::simulated(1);
    let mut real = env();
    let mut socket = UdpSocket::bind(&mut simulated, SocketAddr::new(V4, 0)).unwrap();
    let e = socket.recv_from(&mut real, &mut [0; 1]).unwrap_err();
    assert_eq!(e.kind(), io::ErrorKind::InvalidInput);
    let owner = MediumHandle::default();
    assert!(socket.watch(&mut real, owner, EventKey::default(), Interest::BOTH).is_err());
}

/// Not a test: the cost of a packet at 50 destinations. `cargo test --release -- --ignored
/// --nocapture cost_of_a_packet`
#[cfg(target_os = "linux")]
#[test]
#[ignore = "a measurement"]
#[allow(clippy::print_stdout)]
fn cost_of_a_packet() {
    let mut env = env();
    let receivers = Receivers::new(V4, 50);
    let addresses = receivers.addresses();
    // Receivers that take a run in one piece: what is left is the sender's cost.
    for socket in &receivers.0 {
        nix::sys::socket::setsockopt(socket, nix::sys::socket::sockopt::UdpGroSegment, &true)
            .unwrap();
        socket.set_nonblocking(true).unwrap();
    }
    let mut buf = vec![0; 65_536];
    let (buffer, spans) = datagrams(&[1400; 14]);
    let datagrams = Datagrams { buffer: &buffer, spans: &spans };
    for gso in [true, false] {
        let mut socket = UdpSocket::bind(&mut env, SocketAddr::new(V4, 0)).unwrap();
        socket.set_gso(gso);
        let cpu = || {
            let clock = nix::time::ClockId::CLOCK_THREAD_CPUTIME_ID;
            Duration::from(nix::time::clock_gettime(clock).unwrap())
        };
        let (mut spent, mut sent) = (Duration::ZERO, 0);
        for _ in 0..300 {
            let begin = cpu();
            sent += socket.send_batch(&mut env, &datagrams, &addresses, &mut Vec::new());
            spent += cpu() - begin;
            for socket in &receivers.0 {
                while socket.recv(&mut buf).is_ok() {}
            }
        }
        let cost = spent.as_nanos() / sent as u128;
        println!("gso {gso}: {cost} ns a packet");
    }
}

use crate::env::{LinkProfile, UsageEnvironment};
use crate::net::{Groupsock, MulticastInterface, TcpListener, TcpStream, UdpSocket};
use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::time::Duration;

const SERVER: &str = "10.0.0.1:554";

fn addr(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

fn world(profile: LinkProfile) -> UsageEnvironment {
    let mut env = UsageEnvironment::simulated(42);
    env.simulation().unwrap().set_profile(profile);
    env
}

fn pass(env: &mut UsageEnvironment, millis: u64) {
    let end = env.now() + Duration::from_millis(millis);
    while env.now() < end {
        env.turn(Some(end - env.now())).unwrap();
    }
}

/// A listener, and both ends of a connection to it.
fn connection(env: &mut UsageEnvironment) -> (TcpListener, TcpStream, TcpStream) {
    let mut listener = TcpListener::bind(env, addr("0.0.0.0:554")).unwrap();
    let mut client = TcpStream::connect_from(env, Some(addr("10.0.0.7:0")), addr(SERVER)).unwrap();
    assert_eq!(listener.accept(env).unwrap_err().kind(), ErrorKind::WouldBlock);
    assert_eq!(client.write(env, b"early").unwrap_err().kind(), ErrorKind::WouldBlock);
    pass(env, 1000);
    let (server, peer) = listener.accept(env).unwrap();
    assert_eq!(peer, client.local_addr().unwrap());
    assert_eq!(server.local_addr().unwrap(), addr(SERVER));
    (listener, client, server)
}

fn read_all(env: &mut UsageEnvironment, stream: &mut TcpStream) -> io::Result<Vec<u8>> {
    let mut all = Vec::new();
    let mut buf = [0; 1000];
    loop {
        match stream.read(env, &mut buf) {
            Ok(0) => return Ok(all),
            Ok(n) => all.extend_from_slice(&buf[..n]),
            Err(e) if e.kind() == ErrorKind::WouldBlock => return Ok(all),
            Err(e) => return Err(e),
        }
    }
}

#[test]
fn bytes_arrive_in_order_whatever_the_link() {
    let profile = LinkProfile { loss: 0.2, partial: 0.5, ..LinkProfile::mobile() };
    let mut env = world(profile);
    let (_listener, mut client, mut server) = connection(&mut env);
    let data: Vec<u8> = (0..300_000u32).map(|i| (i % 251) as u8).collect();
    let (mut sent, mut got) = (0, Vec::new());
    for _ in 0..100_000 {
        match client.write(&mut env, &data[sent..]) {
            Ok(n) => sent += n,
            Err(e) => assert_eq!(e.kind(), ErrorKind::WouldBlock),
        }
        if sent == data.len() {
            break;
        }
        pass(&mut env, 10);
        got.extend(read_all(&mut env, &mut server).unwrap());
    }
    client.shutdown(&mut env).unwrap();
    while got.len() < data.len() {
        pass(&mut env, 1000);
        got.extend(read_all(&mut env, &mut server).unwrap());
    }
    assert_eq!(got, data);
    pass(&mut env, 10_000);
    assert_eq!(server.read(&mut env, &mut [0; 1]).unwrap(), 0);
    // The other direction is still open.
    server.write(&mut env, b"bye").unwrap();
}

#[test]
fn a_peer_that_never_reads_makes_writes_block() {
    let mut env = world(LinkProfile::default());
    let (_listener, mut client, mut server) = connection(&mut env);
    let mut written = 0;
    let blocked = loop {
        match server.write(&mut env, &[0; 10_000]) {
            Ok(n) => written += n,
            Err(e) => break e,
        }
        pass(&mut env, 1);
    };
    assert_eq!(blocked.kind(), ErrorKind::WouldBlock);
    assert_eq!(written, LinkProfile::default().tcp_window);
    pass(&mut env, 60_000);
    assert_eq!(server.write(&mut env, b"x").unwrap_err().kind(), ErrorKind::WouldBlock);
    assert_eq!(read_all(&mut env, &mut client).unwrap().len(), written);
    pass(&mut env, 10);
    assert_eq!(server.write(&mut env, b"x").unwrap(), 1);
}

#[test]
fn endings() {
    let mut env = world(LinkProfile::default());
    let (listener, client, mut server) = connection(&mut env);
    client.close(&mut env);
    pass(&mut env, 10);
    assert_eq!(server.read(&mut env, &mut [0; 9]).unwrap(), 0);
    // Nobody takes this; the answer is a reset.
    server.write(&mut env, b"hello?").unwrap();
    pass(&mut env, 10);
    assert_eq!(server.write(&mut env, b"!").unwrap_err().kind(), ErrorKind::ConnectionReset);
    drop(server);
    listener.close(&mut env);
    pass(&mut env, 10);

    // Closing with unread bytes is a reset.
    let (listener, mut client, server) = connection(&mut env);
    client.write(&mut env, b"request").unwrap();
    pass(&mut env, 10);
    server.close(&mut env);
    pass(&mut env, 10);
    let e = client.read(&mut env, &mut [0; 9]).unwrap_err();
    assert_eq!(e.kind(), ErrorKind::ConnectionReset);

    // And one from outside.
    client.close(&mut env);
    listener.close(&mut env);
    let (_listener, mut client, mut server) = connection(&mut env);
    env.simulation().unwrap().reset_connections("10.0.0.7".parse().unwrap());
    for end in [&mut client, &mut server] {
        let e = end.take_error(&mut env).unwrap().unwrap();
        assert_eq!(e.kind(), ErrorKind::ConnectionReset);
        assert_eq!(end.read(&mut env, &mut [0; 9]).unwrap(), 0);
    }
}

#[test]
fn refused() {
    let mut env = world(LinkProfile::default());
    let refused = |env: &mut UsageEnvironment| {
        let mut client = TcpStream::connect(env, addr(SERVER)).unwrap();
        pass(env, 10);
        client.take_error(env).unwrap().map(|e| e.kind())
    };
    assert_eq!(refused(&mut env), Some(ErrorKind::ConnectionRefused));
    let _listener = TcpListener::bind(&mut env, addr(SERVER)).unwrap();
    assert_eq!(refused(&mut env), None);
    env.simulation().unwrap().set_refusing(addr(SERVER), true);
    assert_eq!(refused(&mut env), Some(ErrorKind::ConnectionRefused));
}

#[test]
fn out_of_descriptors_a_connection_waits() {
    let mut env = world(LinkProfile::default());
    let host = "10.0.0.1".parse().unwrap();
    env.simulation().unwrap().set_host_descriptor_limit(host, Some(2));
    let mut listener = TcpListener::bind(&mut env, addr(SERVER)).unwrap();
    let from = Some(addr("10.0.0.7:0"));
    let mut clients: Vec<TcpStream> =
        (0..3).map(|_| TcpStream::connect_from(&mut env, from, addr(SERVER)).unwrap()).collect();
    pass(&mut env, 10);
    let (first, _) = listener.accept(&mut env).unwrap();
    let e = listener.accept(&mut env).unwrap_err();
    assert!(crate::net::is_out_of_descriptors(&e));
    let e = UdpSocket::bind(&mut env, addr("10.0.0.1:0")).unwrap_err();
    assert!(crate::net::is_out_of_descriptors(&e));
    // Data that came before the connection was accepted is there when it is.
    clients[1].write(&mut env, b"waiting").unwrap();
    pass(&mut env, 10);
    first.close(&mut env);
    let (mut second, _) = listener.accept(&mut env).unwrap();
    assert_eq!(read_all(&mut env, &mut second).unwrap(), b"waiting");
    // A dropped socket gives its descriptor back, if a turn later.
    drop(second);
    pass(&mut env, 1);
    assert_eq!(env.simulation().unwrap().open_sockets(host), 1);
    assert!(listener.accept(&mut env).is_ok());
}

#[test]
fn a_host_vanishes_and_comes_back() {
    let mut env = world(LinkProfile::default());
    let (_listener, mut client, mut server) = connection(&mut env);
    let host = "10.0.0.7".parse().unwrap();
    env.simulation().unwrap().vanish(host);
    server.write(&mut env, b"anybody there?").unwrap();
    pass(&mut env, 60_000);
    let e = client.read(&mut env, &mut [0; 99]).unwrap_err();
    assert_eq!(e.kind(), ErrorKind::WouldBlock);
    env.simulation().unwrap().come_back(host);
    pass(&mut env, 10);
    assert_eq!(read_all(&mut env, &mut client).unwrap(), b"anybody there?");
}

/// What a seeded run of lossy datagrams brings, and when.
fn lossy_run(seed: u64) -> Vec<(Duration, Vec<u8>)> {
    let mut env = UsageEnvironment::simulated(seed);
    let profile = LinkProfile { loss: 0.1, duplication: 0.1, ..LinkProfile::mobile() };
    env.simulation().unwrap().set_profile(profile);
    let start = env.now();
    let mut sender = UdpSocket::bind(&mut env, addr("0.0.0.0:0")).unwrap();
    let mut receiver = UdpSocket::bind(&mut env, addr("10.0.0.7:5000")).unwrap();
    let mut got = Vec::new();
    for i in 0..2000u32 {
        if i < 1000 {
            sender.send_to(&mut env, &i.to_be_bytes(), addr("10.0.0.7:5000")).unwrap();
        }
        pass(&mut env, 1);
        let mut buf = [0; 100];
        while let Ok((n, from)) = receiver.recv_from(&mut env, &mut buf) {
            assert_eq!(from.ip(), addr(SERVER).ip());
            got.push((env.now() - start, buf[..n].to_vec()));
        }
    }
    got
}

#[test]
fn datagrams_are_lost_doubled_and_overtaken_alike_for_a_seed() {
    let got = lossy_run(7);
    assert_eq!(got, lossy_run(7));
    assert_ne!(got, lossy_run(8));
    let mut different: Vec<&Vec<u8>> = got.iter().map(|(_, bytes)| bytes).collect();
    assert!(!different.is_sorted());
    different.sort();
    different.dedup();
    assert!((850..950).contains(&different.len()), "{}", different.len());
    assert!(got.len() > different.len());
}

#[test]
fn datagrams_keep_their_order_without_reordering() {
    let profile = LinkProfile { reordering: 0.0, loss: 0.0, ..LinkProfile::mobile() };
    let mut env = world(profile);
    let mut sender = UdpSocket::bind(&mut env, addr("10.0.0.1:0")).unwrap();
    let mut receiver = UdpSocket::bind(&mut env, addr("10.0.0.7:5000")).unwrap();
    for i in 0..100u8 {
        sender.send_to(&mut env, &[i], addr("10.0.0.7:5000")).unwrap();
    }
    pass(&mut env, 1000);
    let mut got = Vec::new();
    let mut buf = [0; 1];
    while receiver.recv_from(&mut env, &mut buf).is_ok() {
        got.push(buf[0]);
    }
    assert!(got.is_sorted());
    got.dedup();
    assert_eq!(got.len(), 100);
}

#[test]
fn multicast_reaches_members() {
    let mut env = world(LinkProfile::default());
    let group = addr("232.1.2.3:5004");
    let mut sender = Groupsock::open(&mut env, group, 1, MulticastInterface::Any, None).unwrap();
    let mut members: Vec<UdpSocket> = (1..=3)
        .map(|i| {
            let local = addr(&format!("10.0.1.{i}:5004"));
            UdpSocket::bind_shared(&mut env, local).unwrap()
        })
        .collect();
    let any = MulticastInterface::Any;
    members[0].join_multicast(&mut env, group.ip(), any, None).unwrap();
    members[1].join_multicast(&mut env, group.ip(), any, Some(addr(SERVER).ip())).unwrap();
    members[2].join_multicast(&mut env, group.ip(), any, Some(addr("9.9.9.9:1").ip())).unwrap();
    sender.send(&mut env, b"all").unwrap();
    pass(&mut env, 10);
    let mut buf = [0; 10];
    let got: Vec<bool> =
        members.iter_mut().map(|m| m.recv_from(&mut env, &mut buf).is_ok()).collect();
    assert_eq!(got, [true, true, false]);
}

#[test]
fn wall_clock_jumps() {
    let mut env = UsageEnvironment::simulated(1);
    let wall = env.wall_clock();
    pass(&mut env, 1000);
    assert_eq!(env.wall_clock(), wall + Duration::from_secs(1));
    env.jump_wall_clock(-100);
    assert_eq!(env.wall_clock() + Duration::from_secs(99), wall);
}

#[test]
fn ports() {
    let mut env = UsageEnvironment::simulated(1);
    let first = UdpSocket::bind(&mut env, addr("10.0.0.1:0")).unwrap();
    let taken = first.local_addr().unwrap();
    let e = UdpSocket::bind(&mut env, taken).unwrap_err();
    assert_eq!(e.kind(), ErrorKind::AddrInUse);
    first.close(&mut env);
    let mut again = UdpSocket::bind(&mut env, taken).unwrap();
    let e = again.send_to(&mut env, b"x", addr("10.0.0.2:0")).unwrap_err();
    assert_eq!(e.kind(), ErrorKind::InvalidInput);
    let pair = crate::net::PortPair::open(&mut env, taken, 6970, 5).unwrap();
    assert_eq!(pair.rtp.local_addr().unwrap().port(), 6970);
    assert_eq!(pair.rtcp.local_addr().unwrap().port(), 6971);
}

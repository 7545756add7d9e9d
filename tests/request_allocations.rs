//! How often the server asks the allocator for memory while it answers a request. What a request
//! costs beside its system calls is mostly this, and unlike a time a number of allocations is the
//! same on every machine, so a change that brings one back fails here.

use allocation_counter::measure;
use riverrun::env::{MediumId, UsageEnvironment};
use riverrun::media::file::{ProbePoll, probe};
use riverrun::server::{FileSessionOptions, RtspServer, ServerConfig, file_media_session};
use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// A server with one film whose stream all share, and a client on one connection.
struct Bench {
    env: UsageEnvironment,
    server: MediumId<RtspServer>,
    address: SocketAddr,
    client: TcpStream,
    cseq: u32,
    answer: Vec<u8>,
}

impl Bench {
    fn new() -> Self {
        let mut env = UsageEnvironment::new().unwrap();
        let listen = ["127.0.0.1:0".parse().unwrap()];
        let server = RtspServer::new(&mut env, ServerConfig::default(), &listen).unwrap();
        let mut probe = probe("testdata/media/slices.264".as_ref()).unwrap();
        let file = loop {
            match probe.poll_probe(1 << 20) {
                ProbePoll::Pending => {}
                ProbePoll::Ready(file) => break file,
                ProbePoll::Failed(e) => panic!("{e}"),
            }
        };
        let options = FileSessionOptions::default().with_reuse_first_source(true).with_repeat(true);
        let film = file_media_session("film.264", &file, options);
        let address = env.with(server, |server, env| {
            server.add_server_media_session(env, film).unwrap();
            server.local_addrs()[0]
        });
        let address = address.unwrap();
        let client = TcpStream::connect(address).unwrap();
        client.set_nonblocking(true).unwrap();
        Self { env, server, address, client, cseq: 0, answer: vec![0; 8192] }
    }

    /// Sends a request and lets the server answer it: how many allocations, and the answer.
    fn ask(&mut self, method: &str, path: &str, headers: &str) -> (u64, String) {
        self.cseq += 1;
        let (address, cseq) = (self.address, self.cseq);
        let request = format!(
            "{method} rtsp://{address}/{path} RTSP/1.0\r\nCSeq: {cseq}\r\n\
             User-Agent: LibVLC/3.0.18\r\n{headers}\r\n"
        );
        self.client.write_all(request.as_bytes()).unwrap();
        let mut len = 0;
        let (env, client, answer) = (&mut self.env, &mut self.client, &mut self.answer);
        let allocations = measure(|| {
            for _ in 0..1000 {
                env.turn(Some(Duration::from_millis(10))).unwrap();
                match client.read(answer) {
                    Ok(n) => return len = n,
                    Err(e) if e.kind() == ErrorKind::WouldBlock => {}
                    Err(e) => panic!("{e}"),
                }
            }
        });
        let answer = String::from_utf8_lossy(&self.answer[..len]).into_owned();
        assert!(answer.starts_with("RTSP/1.0 200 OK\r\n"), "{request}{answer}");
        (allocations.count_total, answer)
    }

    /// As [`ask`](Self::ask), without the answer.
    fn count(&mut self, method: &str, path: &str, headers: &str) -> u64 {
        self.ask(method, path, headers).0
    }

    /// SETUP with a transport; the count and the `Session` header that a client sends back.
    fn set_up(&mut self, transport: &str) -> (u64, String) {
        let transport = format!("Transport: {transport}\r\n");
        let (count, answer) = self.ask("SETUP", "film.264/track1", &transport);
        let line = answer.lines().find_map(|l| l.strip_prefix("Session: ")).unwrap();
        let id = line.split(';').next().unwrap();
        (count, format!("Session: {id}\r\n"))
    }
}

/// How many allocations each kind of request may cost. What is left makes the session that SETUP
/// is asked for, the list of tracks that are started, and what of a session is taken apart.
const LIMITS: [(&str, u64); 6] = [
    ("OPTIONS", 0),
    ("DESCRIBE", 0),
    ("SETUP", 12),
    ("PLAY", 2),
    ("GET_PARAMETER", 0),
    ("TEARDOWN", 3),
];

#[test]
fn requests_cost_no_more_allocations_than_they_need() {
    let mut bench = Bench::new();
    // Somebody watches all the time, so that the stream is there.
    let (_, watcher) = bench.set_up("RTP/AVP;unicast;client_port=50000-50001");
    bench.count("PLAY", "film.264", &watcher);
    // The least of some rounds: in the first, tables and buffers grow to the size that they keep,
    // and in any a frame may be due.
    let mut least = [u64::MAX; LIMITS.len()];
    for _ in 0..12 {
        let options = bench.count("OPTIONS", "film.264", "");
        let describe = bench.count("DESCRIBE", "film.264", "Accept: application/sdp\r\n");
        let (set_up, session) = bench.set_up("RTP/AVP;unicast;client_port=50002-50003");
        let range = format!("{session}Range: npt=0.000-\r\n");
        let play = bench.count("PLAY", "film.264", &range);
        let get_parameter = bench.count("GET_PARAMETER", "film.264", &session);
        let with_session = bench.count("OPTIONS", "film.264", &session);
        let teardown = bench.count("TEARDOWN", "film.264", &session);
        let counts = [options + with_session, describe, set_up, play, get_parameter, teardown];
        least.iter_mut().zip(counts).for_each(|(least, count)| *least = count.min(*least));
    }
    for ((method, limit), count) in LIMITS.into_iter().zip(least) {
        assert!(count <= limit, "{method}: {count} allocations, not {limit}: {least:?}");
    }
    assert_eq!(bench.env.medium(bench.server).unwrap().connection_count(), 1);
}

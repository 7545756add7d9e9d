use super::*;
use crate::rtsp::testing::Pipe;
use crate::wire::rtsp::{Method, StatusCode};

const SECOND: Duration = Duration::from_secs(1);

fn config() -> ConnectionConfig {
    ConnectionConfig::of_tests()
}

fn wide() -> Pipe {
    Pipe { room: usize::MAX, got: Vec::new() }
}

/// A machine and the time that it is told.
struct End {
    machine: MessageMachine,
    began: Instant,
    now: Instant,
}

impl End {
    fn new() -> Self {
        Self::with(config())
    }

    fn with(config: ConnectionConfig) -> Self {
        let now = Instant::now();
        Self { machine: MessageMachine::new(config, now), began: now, now }
    }

    /// What there is in a piece of input, each in a word.
    fn receive(&mut self, bytes: &[u8]) -> Vec<String> {
        let mut input = self.machine.begin_input(bytes);
        let mut words = Vec::new();
        loop {
            match self.machine.poll_message(&mut input, self.now) {
                Ok(None) => break,
                Ok(Some(received)) => {
                    // As a server does that has to find something out first.
                    let holds =
                        matches!(&received, Received::Request(r) if r.method == Method::Play);
                    words.push(word(&received));
                    if holds {
                        self.machine.hold_input(Some(self.now + 5 * SECOND));
                    }
                }
                Err(e) => {
                    words.push(format!("error {}", e.status().code()));
                    break;
                }
            }
        }
        self.machine.end_input(input, self.now);
        words
    }

    fn ask(&mut self, out: &mut Pipe) -> Result<u32, RequestError> {
        let mut request = Request::new(Method::GetParameter, "rtsp://h/s");
        request.headers.push("cseq", 77);
        self.machine.send_request(&mut request, 4 * SECOND, self.now, out)
    }

    /// Seconds from the beginning to the deadline.
    fn deadline(&self, is_used: bool) -> Option<u64> {
        self.machine.poll_timeout(is_used).map(|at| (at - self.began).as_secs())
    }

    fn wait(&mut self, seconds: u32) {
        self.now += seconds * SECOND;
    }
}

fn word(received: &Received<'_>) -> String {
    match received {
        Received::Request(r) => format!("{} {}", r.method, r.headers.value("CSeq").unwrap_or("-")),
        Received::Response(cseq, r) => format!("{} to {cseq}", r.status.code()),
        Received::Unexpected(r) => format!("{} to nothing", r.status.code()),
        Received::Interleaved { channel, data } => format!("{} bytes on {channel}", data.len()),
    }
}

fn request(method: &str, cseq: u32) -> String {
    format!("{method} rtsp://h/s RTSP/1.0\r\nCSeq: {cseq}\r\n\r\n")
}

fn response(status: u16, cseq: u32) -> String {
    format!("RTSP/1.0 {status} X\r\nCSeq: {cseq}\r\n\r\n")
}

fn packet(channel: u8, len: u8) -> Vec<u8> {
    [&[b'$', channel, 0, len][..], &vec![0x80; len.into()]].concat()
}

#[test]
fn messages_and_packets_come_whole_in_whatever_pieces_they_arrive() {
    let all = [
        request("OPTIONS", 1).into_bytes(),
        packet(1, 30),
        b"\r\nSET_PARAMETER * RTSP/1.0\r\nCSeq: 2\r\nContent-Length: 4\r\n\r\na: b".to_vec(),
        packet(0, 0),
        response(200, 9).into_bytes(),
    ]
    .concat();
    let expected =
        ["OPTIONS 1", "30 bytes on 1", "SET_PARAMETER 2", "0 bytes on 0", "200 to nothing"];
    for len in 1..=all.len() {
        let mut end = End::new();
        let words: Vec<_> = all.chunks(len).flat_map(|piece| end.receive(piece)).collect();
        assert_eq!(words, expected, "pieces of {len}");
        assert_eq!(end.machine.kept(), 0);
        assert_eq!(end.deadline(true), None, "nothing is half there");
    }
}

/// What there is in a piece of input, and how many packets were parsed where the piece lies.
fn receive_in_place(end: &mut End, bytes: &[u8]) -> (Vec<String>, usize) {
    let mut input = end.machine.begin_input(bytes);
    let (mut words, mut in_place) = (Vec::new(), 0);
    while let Some(received) = end.machine.poll_message(&mut input, end.now).unwrap() {
        if let Received::Interleaved { data, .. } = received {
            in_place += usize::from(bytes.as_ptr_range().contains(&data.as_ptr()));
        }
        words.push(word(&received));
    }
    end.machine.end_input(input, end.now);
    (words, in_place)
}

#[test]
fn of_what_follows_half_a_message_only_its_other_half_is_copied() {
    let config = ConnectionConfig { resynchronizes: true, ..config() };
    let response = b"RTSP/1.0 200 OK\r\nCSeq: 9\r\nContent-Length: 4\r\n\r\nbody".to_vec();
    for first in [packet(0, 30), response] {
        let rest: Vec<_> = (0..4).flat_map(|_| packet(0, 30)).collect();
        for cut in 1..first.len() {
            let mut end = End::with(config.clone());
            end.machine.expect_channels([0, 1]);
            assert!(receive_in_place(&mut end, &first[..cut]).0.is_empty());
            let fresh = [&first[cut..], &rest, b"$"].concat();
            let (words, in_place) = receive_in_place(&mut end, &fresh);
            assert_eq!((words.len(), in_place), (5, 4), "cut at {cut}: {words:?}");
            assert_eq!(end.machine.kept(), 1);
            assert!(end.machine.kept.capacity() <= KEPT_PACKETS);
        }
    }
}

#[test]
fn what_a_client_makes_of_garbage_does_not_depend_on_where_a_read_ends() {
    let mut media = packet(0, 30);
    media[5] = 96;
    let long = [&[b'$', 0, 1, 0, 0x80, 96][..], &[b'R'; 254]].concat();
    let garbage: [&[u8]; 9] = [
        b"$$$\x00\x00",
        b"RTSP/1.0 x\x00RTSP/1.0 ",
        b"$\x07\x00\x20garbage garbage",
        b"R\r\n\r\n",
        b"\x80",
        b"$\x07\xff\xffRTSP/1.",
        b"PLAY\x00 * RTSP/1.0\r\n",
        b"\r",
        b"$\x00\x00",
    ];
    let mut all = media.clone();
    for garbage in garbage {
        all.extend([garbage, &media, &media, response(200, 9).as_bytes(), &long].concat());
    }
    let receive = |cuts: &[usize]| {
        let mut end = End::with(ConnectionConfig {
            resynchronizes: true,
            messages_per_turn: usize::MAX,
            ..config()
        });
        end.machine.expect_channels([0, 1]);
        let mut words = Vec::new();
        for piece in cuts.windows(2) {
            words.extend(end.receive(&all[piece[0]..piece[1]]));
        }
        (words, end.machine.skipped(), end.machine.kept())
    };
    let whole = receive(&[0, all.len()]);
    assert!(whole.0.len() > 20 && whole.1.times > 5, "{whole:?}");
    for first in 1..all.len() - 1 {
        for second in [first + 1, first + 3, first + 40, all.len() - 1] {
            let second = second.clamp(first, all.len());
            assert_eq!(receive(&[0, first, second, all.len()]), whole, "{first} {second}");
        }
    }
}

#[test]
fn what_follows_a_request_that_waits_is_looked_at_after_it() {
    let mut end = End::new();
    let both = [request("PLAY", 1), request("PAUSE", 2)].concat();
    assert_eq!(end.receive(both.as_bytes()), ["PLAY 1"]);
    assert!(!end.machine.wants_input());
    assert_eq!(end.deadline(false), Some(5), "it waits no longer, and is not idle");
    assert!(!end.machine.is_hold_over(end.now));
    assert_eq!(end.receive(request("TEARDOWN", 3).as_bytes()), [""; 0]);
    end.machine.note_end_of_input();
    end.wait(5);
    assert!(end.machine.is_hold_over(end.now) && !end.machine.is_closing());
    end.machine.release_input();
    assert_eq!(end.receive(b""), ["PAUSE 2", "TEARDOWN 3"]);
    assert!(end.machine.is_finished(), "all is answered, and no more comes");
}

#[test]
fn one_turn_takes_so_many_messages() {
    let mut end = End::with(ConnectionConfig { messages_per_turn: 2, ..config() });
    let all: Vec<_> = (1..=5).flat_map(|n| request("OPTIONS", n).into_bytes()).collect();
    assert_eq!(end.receive(&all), ["OPTIONS 1", "OPTIONS 2"]);
    assert!(end.machine.has_backlog() && !end.machine.wants_input());
    assert_eq!(end.receive(b""), ["OPTIONS 3", "OPTIONS 4"]);
    assert_eq!(end.receive(b""), ["OPTIONS 5"]);
    assert!(!end.machine.has_backlog() && end.machine.wants_input());
}

#[test]
fn nothing_is_understood_behind_what_is_no_message() {
    let mut end = End::new();
    let bad = [&request("OPTIONS", 1), "OPTIONS * HTTP/1.1\r\n\r\n", &request("OPTIONS", 2)];
    assert_eq!(end.receive(bad.concat().as_bytes()), ["OPTIONS 1", "error 400"]);
    assert_eq!(end.machine.kept(), 0);
    end.machine.begin_close(end.now);
    assert_eq!(end.receive(request("OPTIONS", 3).as_bytes()), [""; 0]);
}

#[test]
fn a_client_skips_what_is_no_message_and_does_not_wait_for_its_end() {
    let mut end = End::with(ConnectionConfig { resynchronizes: true, ..config() });
    end.machine.expect_channels([0, 1]);
    let mut media = packet(0, 30);
    media[5] = 96;
    let all = [b"garb", &media[..], &media, b"age", response(200, 9).as_bytes(), b"R"].concat();
    assert_eq!(end.receive(&all), ["30 bytes on 0", "30 bytes on 0", "200 to nothing"]);
    assert_eq!((end.machine.skipped().bytes, end.machine.skipped().times), (7, 2));
    assert_eq!(end.deadline(true), Some(10), "a message may have begun");
    assert_eq!(end.receive(b"x garbage $"), [""; 0]);
    assert_eq!(end.deadline(true), None, "and has not");
    assert_eq!(end.receive(&media), ["30 bytes on 0"]);
    assert_eq!(end.receive(b"HTTP/1.1 400 Bad Request\r\n"), ["error 400"]);
}

#[test]
fn responses_find_their_requests_in_any_order() {
    let (mut end, mut out) = (End::new(), wide());
    for cseq in 1..=3 {
        assert_eq!(end.ask(&mut out).unwrap(), cseq);
    }
    let sent = String::from_utf8(std::mem::take(&mut out.got)).unwrap();
    assert!(sent.starts_with("GET_PARAMETER rtsp://h/s RTSP/1.0\r\nCSeq: 1\r\n\r\nGET_"), "{sent}");
    assert!(matches!(end.ask(&mut out), Err(RequestError::TooMany)));
    let all = [(100, 2), (200, 2), (200, 2), (404, 1), (200, 77)].map(|(s, c)| response(s, c));
    let words = ["100 to 2", "200 to 2", "200 to nothing", "404 to 1", "200 to nothing"];
    assert_eq!(end.receive(all.concat().as_bytes()), words);
    assert_eq!(end.receive(b"RTSP/1.0 200 OK\r\n\r\n"), ["200 to nothing"]);
    assert_eq!(end.deadline(true), Some(4));
    end.wait(4);
    assert_eq!(end.machine.poll_unanswered(end.now), Some(3));
    assert_eq!(end.machine.poll_unanswered(end.now), None);
    assert_eq!(end.receive(response(200, 3).as_bytes()), ["200 to nothing"]);
    assert_eq!(end.deadline(true), None);
    assert_eq!(end.ask(&mut out).unwrap(), 4);
    end.machine.begin_close(end.now);
    assert!(matches!(end.ask(&mut out), Err(RequestError::Closing)));
}

#[test]
fn both_ends_ask_and_answer_at_a_time() {
    let (mut server, mut client) = (End::new(), End::new());
    let (mut down, mut up) = (wide(), wide());
    assert_eq!((client.ask(&mut up).unwrap(), server.ask(&mut down).unwrap()), (1, 1));
    server.machine.send_media(&packet(0, 9), false, server.now, &mut down).unwrap();
    assert_eq!(server.receive(&std::mem::take(&mut up.got)), ["GET_PARAMETER 1"]);
    assert_eq!(client.receive(&std::mem::take(&mut down.got)), ["GET_PARAMETER 1", "9 bytes on 0"]);
    let ok = Response::new(StatusCode::OK);
    for (end, out) in [(&mut server, &mut down), (&mut client, &mut up)] {
        let mut ok = ok.clone();
        ok.headers.push("CSeq", 1);
        end.machine.send(&ok.to_bytes(), end.now, out).unwrap();
    }
    assert_eq!(server.receive(&up.got), ["200 to 1"]);
    assert_eq!(client.receive(&down.got), ["200 to 1"]);
}

#[test]
fn answers_go_before_media_and_a_peer_that_takes_none_is_seen() {
    let (mut end, mut pipe) = (End::new(), Pipe { room: 6, got: Vec::new() });
    let frame = [packet(0, 10), packet(0, 3)].concat();
    let queued = end.machine.send_media(&frame, false, end.now, &mut pipe).unwrap();
    assert_eq!(queued, WriteOutcome::Queued);
    assert_eq!(end.deadline(true), Some(7));
    end.wait(3);
    end.machine.send(b"RTSP", end.now, &mut pipe).unwrap();
    assert_eq!(end.deadline(true), Some(7), "since it took something last");
    pipe.room = 10;
    assert_eq!(end.machine.flush(end.now, &mut pipe).unwrap(), 10);
    assert_eq!(pipe.got, [&packet(0, 10)[..], b"RT"].concat());
    assert_eq!(end.deadline(true), Some(10));
    assert!(!end.machine.has_too_much_queued());
    end.machine.send(&[b'x'; 99], end.now, &mut pipe).unwrap();
    assert!(end.machine.has_too_much_queued());
    end.wait(7);
    assert_eq!(end.machine.overdue(true, end.now), Some(Overdue::Blocked));
}

#[test]
fn time_runs_for_halves_and_for_silence() {
    let mut end = End::new();
    assert_eq!((end.deadline(false), end.deadline(true)), (Some(65), None));
    end.wait(60);
    assert_eq!(end.receive(b"OPTIONS * RT"), [""; 0]);
    assert_eq!((end.deadline(false), end.deadline(true)), (Some(65), Some(70)));
    end.wait(4);
    assert_eq!(end.receive(b"SP/1.0\r\n"), [""; 0]);
    assert_eq!(end.deadline(true), Some(70), "from its first byte");
    assert_eq!(end.machine.overdue(true, end.now), None);
    end.wait(6);
    assert_eq!(end.machine.overdue(true, end.now), Some(Overdue::Partial));
    assert_eq!(end.receive(b"CSeq: 1\r\n\r\n"), ["OPTIONS 1"]);
    assert_eq!(end.machine.overdue(false, end.now), None);
    assert_eq!(end.deadline(false), Some(70 + 65));
    end.wait(20);
    end.machine.note_alive(end.now);
    end.wait(65);
    assert_eq!(end.machine.overdue(true, end.now), None);
    assert_eq!(end.machine.overdue(false, end.now), Some(Overdue::Idle));
}

#[test]
fn at_the_end_it_lingers_for_what_waits() {
    let (mut end, mut pipe) = (End::new(), Pipe::default());
    end.machine.send(b"bye", end.now, &mut pipe).unwrap();
    end.machine.begin_close(end.now);
    assert!(!end.machine.is_finished() && !end.machine.wants_input());
    let media = end.machine.send_media(&packet(0, 1), false, end.now, &mut pipe).unwrap();
    assert_eq!(media, WriteOutcome::Dropped);
    assert_eq!(end.deadline(false), Some(2));
    end.wait(2);
    assert_eq!(end.machine.overdue(true, end.now), Some(Overdue::Closed));
    pipe.room = 3;
    end.machine.flush(end.now, &mut pipe).unwrap();
    assert!(end.machine.is_finished());
}

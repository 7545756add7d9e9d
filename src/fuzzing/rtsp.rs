//! Bodies for the `rtsp` layer: the machine of one connection, and one at the far end that reads
//! what it sends.

use crate::rtsp::config::ConnectionConfig;
use crate::rtsp::machine::{MessageMachine, Received};
use crate::rtsp::testing::Pipe;
use crate::wire::Reader;
use crate::wire::rtsp::{Limits, Method, Request};
use std::collections::BTreeSet;
use std::time::{Duration, Instant};

const QUEUED_MEDIA: usize = 500;

fn config(limits: Limits) -> ConnectionConfig {
    ConnectionConfig {
        handshake_timeout: Duration::from_secs(5),
        limits,
        messages_per_turn: 4,
        message_timeout: Duration::from_secs(1),
        idle_timeout: Duration::from_secs(1),
        write_timeout: Duration::from_secs(1),
        max_queued_media: QUEUED_MEDIA,
        max_queued_messages: 300,
        max_unanswered: 3,
        resynchronizes: false,
    }
}

/// A machine, the time, and the requests that it has to tell the outcome of.
struct End {
    machine: MessageMachine,
    now: Instant,
    asked: BTreeSet<u32>,
    failed: bool,
}

impl End {
    fn new(limits: Limits) -> Self {
        let now = Instant::now();
        let machine = MessageMachine::new(config(limits), now);
        Self { machine, now, asked: BTreeSet::new(), failed: false }
    }

    /// Returns how many messages and packets were whole.
    fn receive(&mut self, bytes: &[u8], holds: bool) -> usize {
        let mut input = self.machine.begin_input(bytes);
        let mut whole = 0;
        while !self.failed {
            match self.machine.poll_message(&mut input, self.now) {
                Ok(None) => break,
                Ok(Some(received)) => {
                    whole += 1;
                    let is_request = matches!(received, Received::Request(_));
                    if let Received::Response(cseq, response) = received {
                        let is_final = response.status.code() >= 200;
                        assert!(self.asked.contains(&cseq), "an answer to what was asked");
                        if is_final {
                            self.asked.remove(&cseq);
                        }
                    }
                    if is_request && holds {
                        self.machine.hold_input(self.now.checked_add(Duration::from_secs(1)));
                    }
                }
                Err(_) => {
                    self.failed = true;
                    self.machine.begin_close(self.now);
                }
            }
        }
        self.machine.end_input(input, self.now);
        whole
    }
}

/// What comes in, what goes out and how time passes, each a byte and what it takes.
pub fn machine(data: &[u8]) {
    let mut r = Reader::new(data);
    let limits = Limits { request_line: 60, header_bytes: 200, body: 100, ..Limits::default() };
    let bound = limits.buffer_bound();
    let (mut near, mut far) = (End::new(limits), End::new(Limits::default()));
    let mut pipe = Pipe { room: 0, got: Vec::new() };
    for _ in 0..300 {
        let (Ok(what), Ok(with)) = (r.u8("operation"), r.u8("argument")) else { break };
        let now = near.now;
        match what % 16 {
            0..=5 => {
                let len = usize::from(with).min(r.remaining().len());
                let piece = r.take(len, "bytes").unwrap_or_default();
                let whole = near.receive(piece, what & 32 != 0);
                assert!(whole <= 4, "what one turn takes");
            }
            6 => {
                let answer = format!("RTSP/1.0 200 OK\r\nCSeq: {with}\r\n\r\n");
                assert!(near.machine.send(answer.as_bytes(), now, &mut pipe).is_ok());
            }
            7 => {
                let mut request = Request::new(Method::GetParameter, "*");
                let timeout = Duration::from_millis(u64::from(with) * 10);
                let sent = near.machine.send_request(&mut request, timeout, now, &mut pipe);
                if let Ok(cseq) = sent {
                    assert!(near.asked.insert(cseq), "a number that is free");
                    far.machine.release_input();
                }
            }
            8 | 9 => {
                let mut packets = Vec::new();
                for channel in 0..=with % 4 {
                    let packet = vec![0x80; usize::from(with)];
                    let channel = if what & 16 == 0 { channel } else { with % 4 };
                    assert!(crate::wire::interleaved::write(channel, &packet, &mut packets));
                }
                let must = what & 32 != 0;
                assert!(near.machine.send_media(&packets, must, now, &mut pipe).is_ok());
            }
            10 | 11 => {
                pipe.room = usize::from(with) << (what >> 5);
                assert!(near.machine.flush(now, &mut pipe).is_ok());
            }
            12 => near.now += Duration::from_millis(u64::from(with) * 10),
            13 => {
                near.machine.release_input();
                near.receive(&[], false);
            }
            14 if with < 16 => near.machine.begin_close(now),
            14 if with < 32 => {
                near.machine.note_end_of_input();
                near.receive(&[], false);
            }
            14 => near.machine.forget_channels([with % 4, 1]),
            _ => {
                // The far end answers.
                let status = 100 + u16::from(what / 16 % 6) * 100;
                let answer = format!("RTSP/1.0 {status} X\r\nCSeq: {with}\r\n\r\n");
                near.receive(answer.as_bytes(), false);
            }
        }
        while let Some(cseq) = near.machine.poll_unanswered(near.now) {
            assert!(near.asked.remove(&cseq), "told once, and not if it was answered");
        }
        assert!(near.asked.len() <= 3);
        assert!(near.machine.kept() <= bound + 255, "input that is kept is bounded");
        let is_over = near.machine.overdue(true, near.now).is_some();
        let due = near.machine.poll_timeout(true).is_some_and(|at| at <= near.now);
        assert!(!is_over || due, "what is over has a deadline");
        // What goes out is what a peer understands, whatever goes before what.
        while !pipe.got.is_empty() {
            let piece = pipe.got.len().min(usize::from(with).max(1));
            far.receive(pipe.got.get(..piece).unwrap_or_default(), false);
            pipe.got.drain(..piece);
            assert!(!far.failed, "only whole messages and packets are sent");
        }
    }
    pipe.room = usize::MAX;
    assert!(near.machine.flush(near.now, &mut pipe).is_ok());
    assert_eq!(near.machine.queued(), 0);
    while !pipe.got.is_empty() || far.machine.has_backlog() {
        let rest = std::mem::take(&mut pipe.got);
        far.receive(&rest, false);
    }
    assert!(!far.failed, "only whole messages and packets are sent");
    assert_eq!(far.machine.kept(), 0, "nothing is sent in half");
}

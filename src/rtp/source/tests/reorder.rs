//! The reorder buffer against a model that keeps everything in a list and looks through all of it.

use super::super::reorder::{Place, ReorderBuffer};
use crate::rtp::testing::{Random, ms, some_instant};
use std::time::{Duration, Instant};

/// A packet that waits: its number, its length and when it came.
type Waiting = (u64, usize, Instant);

#[derive(Debug)]
struct Model {
    next: Option<u64>,
    waiting: Vec<Waiting>,
    max_packets: usize,
    max_bytes: usize,
    max_delay: Duration,
    /// When what is now the first gap was found.
    gap_since: Option<Instant>,
}

impl Model {
    fn offer(&mut self, sequence: u64, len: usize, now: Instant) -> Place {
        let next = *self.next.get_or_insert(sequence);
        if sequence < next {
            return Place::Late;
        }
        if sequence == next {
            self.next = Some(next + 1);
            return Place::Next;
        }
        if self.waiting.iter().any(|(other, _, _)| *other == sequence) {
            return Place::Duplicate;
        }
        self.waiting.push((sequence, len, now));
        self.gap_since.get_or_insert(now);
        Place::Kept
    }

    fn release(&mut self, now: Instant) -> Option<(Waiting, u64)> {
        let bytes: usize = self.waiting.iter().map(|(_, len, _)| len).sum();
        let first = self.waiting.iter().map(|(sequence, _, _)| *sequence).min()?;
        let is_full = self.waiting.len() > self.max_packets || bytes > self.max_bytes;
        let is_over = self.gap_since.is_some_and(|since| since + self.max_delay <= now);
        if self.next != Some(first) && !is_full && !is_over {
            return None;
        }
        let at = self.waiting.iter().position(|(sequence, _, _)| *sequence == first)?;
        let packet = self.waiting.remove(at);
        let missing = first - self.next.unwrap_or(first);
        self.next = Some(first + 1);
        let follower = self.waiting.iter().find(|(sequence, _, _)| *sequence == first + 1);
        let since = follower.map(|(_, _, at)| *at);
        self.gap_since = since.or_else(|| self.waiting.iter().map(|(_, _, at)| *at).min());
        Some((packet, missing))
    }

    fn missing(&self) -> Vec<u64> {
        let last = self.waiting.iter().map(|(sequence, _, _)| *sequence).max();
        let is_there = |n: &u64| self.waiting.iter().any(|(sequence, _, _)| sequence == n);
        let all = self.next.unwrap_or_default()..last.unwrap_or_default();
        all.filter(|n| !is_there(n)).collect()
    }
}

/// A packet with its number and as many octets as it is to have.
fn packet(sequence: u64, len: usize) -> Vec<u8> {
    let mut packet = sequence.to_be_bytes().to_vec();
    packet.resize(len, 0);
    packet
}

#[test]
fn the_reorder_buffer_does_what_a_naive_one_does() {
    for seed in 0..400 {
        let mut random = Random::new(seed);
        let max_packets = 1 + random.below(12);
        let max_bytes = 40 + random.below(400);
        let max_delay = ms(random.below(80) as u64);
        let mut buffer = ReorderBuffer::new(max_packets, max_bytes, max_delay);
        let mut model = Model {
            next: None,
            waiting: Vec::new(),
            max_packets,
            max_bytes,
            max_delay,
            gap_since: None,
        };
        let (mut now, mut sequence) = (some_instant(), 1000u64);
        let mut last = 0;
        for _ in 0..400 {
            now += ms(random.below(12) as u64);
            sequence = match random.below(10) {
                0 => sequence + random.below(6) as u64,
                1 => sequence.saturating_sub(random.below(9) as u64),
                _ => sequence + 1,
            };
            if !random.chance(6) {
                let len = 8 + random.below(60);
                let place = buffer.offer(sequence, &packet(sequence, len), now);
                assert_eq!(place, model.offer(sequence, len, now), "seed {seed}");
                if place == Place::Next {
                    assert!(sequence > last, "seed {seed}: in order");
                    last = sequence;
                }
            }
            assert!(buffer.missing().eq(model.missing()), "seed {seed}");
            loop {
                let (released, expected) = (buffer.release(now), model.release(now));
                let Some(released) = released else {
                    assert_eq!(expected, None, "seed {seed}");
                    break;
                };
                let Some(((number, len, arrived), missing)) = expected else {
                    panic!("seed {seed}: {released:?}")
                };
                assert_eq!(released.packet, packet(number, len), "seed {seed}");
                assert_eq!((released.arrived, released.missing), (arrived, missing));
                assert!(number > last, "seed {seed}: in order");
                last = number;
            }
            assert_eq!(buffer.deadline(), model.gap_since.map(|since| since + max_delay));
            assert!(buffer.deadline().is_none_or(|at| at > now), "seed {seed}");
            assert!(model.waiting.len() <= max_packets, "seed {seed}: bounded");
            if random.chance(200) {
                buffer.reset();
                (model.next, model.gap_since) = (None, None);
                model.waiting.clear();
                (sequence, last) = (1000, 0);
            }
        }
    }
}

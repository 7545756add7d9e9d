//! Packets that are transformed between packetizing and sending, as SRTP would.

use super::client::Rtp;
use super::media::{TestTrack, session};
use super::world::{C, World, secs};
use crate::ids::StreamId;
use crate::rtp::transform::{PacketTransform, Refusal};
use crate::server::{FastStart, OnDemandServerMediaSubsession};
use crate::wire::rtp::PacketKind;
use std::borrow::Cow;
use std::cell::Cell;
use std::rc::Rc;

pub(super) const KEY: u8 = 0x5a;
const TAG_LEN: usize = 10;
const RTP_CLEAR: usize = 12;
const RTCP_CLEAR: usize = 8;

/// How many packets were protected, and how many unprotected.
#[derive(Clone, Debug, Default)]
pub(super) struct Calls {
    rtp: Rc<Cell<usize>>,
    rtcp: Rc<Cell<usize>>,
    /// Packets that have come in.
    pub(super) unprotected: Rc<Cell<usize>>,
}

/// Changes every byte behind the header, and adds a tag that depends on all bytes.
#[derive(Debug)]
struct TestTransform {
    key: u8,
    calls: Calls,
    /// Every so many RTP packets cannot be protected.
    refuses: Option<usize>,
}

impl PacketTransform for TestTransform {
    fn max_growth(&self) -> usize {
        TAG_LEN
    }

    fn protect_rtp(&mut self, packet: &mut [u8], len: usize) -> Option<usize> {
        assert_eq!(packet.len(), len + TAG_LEN, "there is room for the tag, and no more");
        self.calls.rtp.set(self.calls.rtp.get() + 1);
        if self.refuses.is_some_and(|n| self.calls.rtp.get() % n == 0) {
            return None;
        }
        packet[RTP_CLEAR..len].iter_mut().for_each(|b| *b ^= self.key);
        let tag = tag(self.key, &packet[..len]);
        packet[len..].copy_from_slice(&tag);
        Some(len + TAG_LEN)
    }

    fn protect_rtcp(&mut self, packet: &mut Vec<u8>) -> bool {
        self.calls.rtcp.set(self.calls.rtcp.get() + 1);
        packet[RTCP_CLEAR..].iter_mut().for_each(|b| *b ^= self.key);
        let tag = tag(self.key, packet);
        packet.extend(tag);
        true
    }

    fn unprotect_rtp(&mut self, packet: &mut [u8]) -> Result<usize, Refusal> {
        self.calls.unprotected.set(self.calls.unprotected.get() + 1);
        undo(self.key, packet, RTP_CLEAR).ok_or(Refusal::NotAuthentic)
    }

    fn unprotect_rtcp(&mut self, packet: &mut [u8]) -> Result<usize, Refusal> {
        self.calls.unprotected.set(self.calls.unprotected.get() + 1);
        undo(self.key, packet, RTCP_CLEAR).ok_or(Refusal::NotAuthentic)
    }
}

/// Takes the tag off, if it is the right one, and changes the bytes back.
fn undo(key: u8, packet: &mut [u8], clear: usize) -> Option<usize> {
    let len = packet.len().checked_sub(TAG_LEN).filter(|len| *len >= clear)?;
    let (packet, end) = packet.split_at_mut(len);
    if *end != tag(key, packet) {
        return None;
    }
    packet[clear..].iter_mut().for_each(|b| *b ^= key);
    Some(len)
}

fn tag(key: u8, packet: &[u8]) -> [u8; TAG_LEN] {
    let sum = packet.iter().fold(u64::from(key), |sum, b| sum.wrapping_mul(31) + u64::from(*b));
    let mut tag = [key; TAG_LEN];
    tag[..8].copy_from_slice(&sum.to_be_bytes());
    tag
}

fn unprotect(key: Option<u8>, data: &[u8], clear: usize) -> Cow<'_, [u8]> {
    let Some(key) = key else { return Cow::Borrowed(data) };
    let mut packet = data.to_vec();
    let len = undo(key, &mut packet, clear).expect("the tag is right");
    packet.truncate(len);
    Cow::Owned(packet)
}

/// What a client with that key sends instead of a packet.
pub(super) fn protected(key: u8, kind: PacketKind, packet: &[u8]) -> Vec<u8> {
    let mut transform = TestTransform { key, calls: Calls::default(), refuses: None };
    let mut packet = packet.to_vec();
    match kind {
        PacketKind::Rtp => {
            let len = packet.len();
            packet.resize(len + TAG_LEN, 0);
            assert!(transform.protect_rtp(&mut packet, len).is_some());
        }
        PacketKind::Rtcp => assert!(transform.protect_rtcp(&mut packet)),
    }
    packet
}

/// What a client with that key reads in an RTP packet.
pub(super) fn unprotect_rtp(key: Option<u8>, data: &[u8]) -> Cow<'_, [u8]> {
    unprotect(key, data, RTP_CLEAR)
}

/// The same of an RTCP compound packet.
pub(super) fn unprotect_rtcp(key: Option<u8>, data: &[u8]) -> Cow<'_, [u8]> {
    unprotect(key, data, RTCP_CLEAR)
}

const KEY_EVERY: u32 = 20;

/// A stream of video, 25 frames of 20 KB a second, that all viewers share.
pub(super) fn world(frames: u32, max_burst: usize) -> World {
    let mut w = World::configured(|config| {
        (config.destinations_per_turn, config.max_burst) = (2, max_burst);
    });
    let track = TestTrack::video().size(20_000).key_every(KEY_EVERY).frames(frames);
    let track = OnDemandServerMediaSubsession::new(track).with_reuse_first_source(true);
    w.add(session("secret").with_subsession(track.with_fast_start(FastStart::KeyFrameCache)));
    w.tick = secs(0.001);
    w
}

pub(super) fn set_up(w: &mut World, tcp: bool, key: Option<u8>) -> C {
    let c = w.client();
    w.setup_over(c, "/secret", 1, tcp).expect(200);
    w[c].key = key;
    c
}

pub(super) fn stream_of(w: &World) -> StreamId {
    w.server().streams.iter().next().expect("a stream").0
}

/// Lets the stream be transformed, before it starts.
pub(super) fn transform(w: &mut World, refuses: Option<usize>) -> Calls {
    let calls = Calls::default();
    let transform = TestTransform { key: KEY, calls: calls.clone(), refuses };
    let stream = stream_of(w);
    w.serve(|server, _| server.streams.set_transform(stream, Box::new(transform))).unwrap();
    calls
}

fn expect_gapless(w: &World, c: C) {
    let track = w[c].track(1);
    let frames = track.frames();
    assert!(!frames.is_empty(), "{c:?}");
    assert!(frames.windows(2).all(|f| f[1] == f[0] + 1), "{c:?}: {frames:?}");
    let follows = |p: &[Rtp]| p[1].sequence == p[0].sequence.wrapping_add(1);
    assert!(track.rtp.windows(2).all(follows), "{c:?}");
    assert_eq!(track.rtp.iter().filter(|p| p.marker).count(), frames.len(), "{c:?}: ends");
}

/// Neither gap nor duplicate; the last frame need not be whole.
fn expect_gapless_so_far(w: &World, c: C) {
    let track = w[c].track(1);
    assert!(track.frames().windows(2).all(|f| f[1] == f[0] + 1), "{c:?}");
    let follows = |p: &[Rtp]| p[1].sequence == p[0].sequence.wrapping_add(1);
    assert!(track.rtp.windows(2).all(follows), "{c:?}");
}

#[test]
fn a_shared_stream_is_transformed_once_and_all_viewers_can_undo_it() {
    for max_burst in [0, 6] {
        let mut w = world(400, max_burst);
        let first = set_up(&mut w, false, Some(KEY));
        let calls = transform(&mut w, None);
        w.play(first, "/secret");
        let mut crowd = vec![first];
        for i in 0..7 {
            let c = set_up(&mut w, i % 2 == 0, Some(KEY));
            w.play(c, "/secret");
            crowd.push(c);
        }
        // In the middle of a group of pictures: what came before lies in the cache.
        w.run_secs(1.5);
        let late = [true, false].map(|tcp| {
            let c = set_up(&mut w, tcp, Some(KEY));
            w.play(c, "/secret");
            c
        });
        w.run_secs(18.0);
        let all = w[first].track(1).rtp.len();
        assert_eq!(w[first].track(1).frames(), (0..400).collect::<Vec<_>>());
        assert_eq!(calls.rtp.get(), all, "once a packet, not once a viewer");
        let mut reports = 0;
        for &c in crowd.iter().chain(&late) {
            expect_gapless(&w, c);
            let track = w[c].track(1);
            assert_eq!(track.frames().last(), Some(&399));
            let longest = track.rtp.iter().map(|p| p.len).max();
            assert_eq!(longest, Some(1448), "{c:?}: packets fill what is allowed with the tag");
            // A greeting, reports in their turn and a goodbye.
            assert_eq!(track.byes(), 1, "{c:?}");
            let senders = track.rtcp.iter().filter(|r| r.info.is_some()).count();
            assert!(senders >= 3, "{c:?}: {senders} reports");
            assert!(track.rtcp.iter().all(|r| r.ssrc == track.rtp[0].ssrc && r.cname.is_some()));
            reports += track.rtcp.len();
        }
        assert!(calls.rtcp.get() * 2 < reports, "{} for {reports}", calls.rtcp.get());
        for c in late {
            assert_eq!(w[c].track(1).frames()[0] % KEY_EVERY, 0, "{c:?} begins with a key frame");
        }
        w.expect_nothing_left();
    }
}

#[test]
fn who_leaves_is_told_so_in_a_transformed_packet() {
    for tcp in [false, true] {
        let mut w = world(400, 0);
        let stays = set_up(&mut w, !tcp, Some(KEY));
        transform(&mut w, None);
        w.play(stays, "/secret");
        let leaves = set_up(&mut w, tcp, Some(KEY));
        w.play(leaves, "/secret");
        w.run_secs(1.0);
        w.teardown(leaves, "/secret");
        w.run_secs(0.5);
        assert_eq!(w[leaves].track(1).byes(), 1, "tcp {tcp}");
        expect_gapless(&w, stays);
        w.expect_nothing_left();
    }
}

/// A viewer that has set up the stream, with a transform of its own.
pub(super) fn set_up_alone(w: &mut World, tcp: bool, key: u8) -> (C, Calls) {
    let before: Vec<_> =
        w.server().streams.iter().flat_map(|(_, s)| s.destinations().map(|(id, _)| id)).collect();
    let c = set_up(w, tcp, Some(key));
    let stream = stream_of(w);
    let calls = Calls::default();
    let transform = TestTransform { key, calls: calls.clone(), refuses: None };
    let all = w.server().streams.iter().flat_map(|(_, s)| s.destinations().map(|(id, _)| id));
    let destination = all.into_iter().find(|id| !before.contains(id)).expect("it is new");
    let to = (stream, destination);
    w.serve(|server, _| server.streams.set_destination_transform(to, Box::new(transform))).unwrap();
    (c, calls)
}

#[test]
fn one_destination_has_its_own_transform_beside_others_without() {
    for max_burst in [0, 6] {
        let mut w = world(400, max_burst);
        let (udp, udp_calls) = set_up_alone(&mut w, false, 0x11);
        let (tcp, tcp_calls) = set_up_alone(&mut w, true, 0x22);
        let plain = [false, true].map(|tcp| set_up(&mut w, tcp, None));
        for c in [udp, tcp].into_iter().chain(plain) {
            w.play(c, "/secret");
        }
        w.run_secs(1.5);
        // They begin with what lies in the cache.
        let late = [(false, 0x33), (true, 0x44)].map(|(tcp, key)| {
            let (c, _) = set_up_alone(&mut w, tcp, key);
            w.play(c, "/secret");
            c
        });
        let (leaves_udp, _) = set_up_alone(&mut w, false, 0x55);
        let (leaves_tcp, _) = set_up_alone(&mut w, true, 0x66);
        for c in [leaves_udp, leaves_tcp] {
            w.play(c, "/secret");
            w.run_secs(1.5);
            w.teardown(c, "/secret");
            w.run_secs(0.2);
            assert_eq!(w[c].track(1).byes(), 1, "{c:?}");
            expect_gapless_so_far(&w, c);
        }
        w.run_secs(16.0);
        for c in [udp, tcp].into_iter().chain(plain).chain(late) {
            expect_gapless(&w, c);
            let track = w[c].track(1);
            assert_eq!(track.frames().last(), Some(&399), "{c:?}");
            assert_eq!(track.byes(), 1, "{c:?}");
            assert!(track.rtcp.iter().filter(|r| r.info.is_some()).count() >= 3, "{c:?}");
            let longest = track.rtp.iter().map(|p| p.len).max();
            let tag = if w[c].key.is_some() { TAG_LEN } else { 0 };
            assert_eq!(longest, Some(1448 - TAG_LEN + tag), "{c:?}");
        }
        assert_eq!(udp_calls.rtp.get(), w[udp].track(1).rtp.len(), "once a packet");
        assert_eq!(tcp_calls.rtp.get(), w[tcp].track(1).rtp.len(), "once a packet");
        assert_eq!(tcp_calls.rtcp.get(), w[tcp].track(1).rtcp.len());
        for c in late {
            let first = w[c].track(1).frames()[0];
            assert!(first % KEY_EVERY == 0 && first < 45, "{c:?}: {first} is of the cache");
        }
        let stream = stream_of(&w);
        let other = Box::new(Nothing);
        let refused = w.serve(|server, _| server.streams.set_transform(stream, other)).is_err();
        assert!(refused, "one or the other");
        w.expect_nothing_left();
    }
}

#[test]
fn what_cannot_be_protected_is_not_sent() {
    let mut w = world(50, 6);
    let viewers = [false, true].map(|tcp| set_up(&mut w, tcp, Some(KEY)));
    let calls = transform(&mut w, Some(7));
    viewers.iter().for_each(|&c| drop(w.play(c, "/secret")));
    w.run_secs(4.0);
    let sent = calls.rtp.get() - calls.rtp.get() / 7;
    // Each packet that did come has its tag: none came as it was.
    assert_eq!(w[viewers[0]].track(1).rtp.len(), sent);
    w.expect_nothing_left();
}

/// Adds nothing and changes nothing.
#[derive(Debug)]
struct Nothing;

impl PacketTransform for Nothing {
    fn max_growth(&self) -> usize {
        0
    }

    fn protect_rtp(&mut self, _: &mut [u8], len: usize) -> Option<usize> {
        Some(len)
    }

    fn protect_rtcp(&mut self, _: &mut Vec<u8>) -> bool {
        true
    }

    fn unprotect_rtp(&mut self, packet: &mut [u8]) -> Result<usize, Refusal> {
        Ok(packet.len())
    }

    fn unprotect_rtcp(&mut self, packet: &mut [u8]) -> Result<usize, Refusal> {
        Ok(packet.len())
    }
}

#[test]
fn without_a_transform_packets_are_what_one_that_changes_nothing_makes_of_them() {
    for tcp in [false, true] {
        let [with, without] = [true, false].map(|is_transformed| {
            let mut w = world(100, 6);
            let c = set_up(&mut w, tcp, None);
            if is_transformed {
                let stream = stream_of(&w);
                w.serve(|server, _| server.streams.set_transform(stream, Box::new(Nothing)))
                    .unwrap();
            }
            w.play(c, "/secret");
            w.run_secs(5.0);
            expect_gapless(&w, c);
            let track = w[c].track(1);
            let media = track.rtp.iter();
            let media = media.map(|p| (p.sequence, p.timestamp, p.ssrc, p.marker, p.frame, p.len));
            (media.collect::<Vec<_>>(), track.rtcp.len(), track.byes())
        });
        assert_eq!(with, without);
        assert_eq!(with.2, 1);
    }
}

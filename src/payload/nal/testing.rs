//! Helpers of the tests of both codecs' payload formats.

use crate::frame::Frame;
use crate::framer::annexb;
use crate::payload::testing::{Received, XorShift};
pub(crate) use crate::payload::testing::{payloads_of as packets, survives_garbage};
use crate::payload::{Depacketizer, Packetizer};
use std::time::Duration;

/// A NAL unit of `len` bytes after `header` that has no start code in it.
pub(crate) fn nal(header: &[u8], len: usize, random: &mut XorShift) -> Vec<u8> {
    let mut nal = header.to_vec();
    nal.extend(random.bytes(len).iter().map(|byte| byte | 1));
    nal
}

/// An access unit of `nals`, with start codes of three and four bytes.
pub(crate) fn frame(nals: &[Vec<u8>], random: &mut XorShift) -> Frame {
    let mut data = Vec::new();
    for nal in nals {
        data.extend_from_slice(if random.below(2) == 0 { &[0, 0, 1] } else { &[0, 0, 0, 1] });
        data.extend_from_slice(nal);
    }
    Frame::new(data, Duration::ZERO, Duration::ZERO)
}

/// Packetizes access units of random NAL units and checks that the same come back.
pub(crate) fn round_trips(
    packetizer: &mut dyn Packetizer,
    depacketizer: impl Depacketizer,
    headers: &[&[u8]],
) {
    let mut depacketizer = Received::new(depacketizer);
    let mut random = XorShift::new(2);
    for round in 0..600u32 {
        let max_payload = 60 + random.below(1400) as usize;
        let mut nals = Vec::new();
        for _ in 0..=random.below(12) {
            let header = headers[random.below(headers.len() as u64) as usize];
            // Around the size of a packet as often as far below and above.
            let len = match random.below(4) {
                0 => random.below(20) as usize,
                1 => max_payload + 4 - random.below(10) as usize,
                2 => random.below(300) as usize,
                _ => random.below(20_000) as usize,
            };
            nals.push(nal(header, len.max(1), &mut random));
        }
        let frame = frame(&nals, &mut random);
        let packets = packets(packetizer, &frame, max_payload);
        let last = packets.len() - 1;
        for (i, (payload, marker)) in packets.iter().enumerate() {
            assert!(payload.len() <= max_payload && !payload.is_empty());
            assert_eq!(*marker, i == last, "only the last packet is marked");
            depacketizer.handle_payload(payload, *marker, round, false).unwrap();
        }
        let back = depacketizer.poll_frame().expect("an access unit");
        assert_eq!(back.data, annexb::from_nal_units(nals.iter().map(Vec::as_slice)));
        assert_eq!(back.timestamp, round);
        assert!(!back.discontinuity);
        assert_eq!(depacketizer.poll_frame(), None);
    }
}

/// Loses packets at random: what comes out are NAL units that went in, in order, and every
/// access unit that lacks one is marked, or the next is.
pub(crate) fn survives_loss(
    packetizer: &mut dyn Packetizer,
    depacketizer: impl Depacketizer,
    header: &[u8],
) {
    let mut depacketizer = Received::new(depacketizer);
    let mut random = XorShift::new(7);
    let (mut lost, mut lost_since_output) = (false, false);
    for timestamp in 0..400u32 {
        let nals: Vec<_> = (0..3)
            .map(|_| {
                let len = 1 + random.below(500) as usize;
                nal(header, len, &mut random)
            })
            .collect();
        let frame = frame(&nals, &mut random);
        for (payload, marker) in packets(packetizer, &frame, 100) {
            if random.below(20) == 0 {
                (lost, lost_since_output) = (true, true);
                continue;
            }
            let lost = std::mem::take(&mut lost);
            depacketizer.handle_payload(&payload, marker, timestamp, lost).unwrap();
            while let Some(back) = depacketizer.poll_frame() {
                if back.timestamp == timestamp {
                    let mut sent = nals.iter();
                    for nal in annexb::nal_units(&back.data) {
                        assert!(sent.any(|s| s == nal), "a NAL unit that was not sent");
                    }
                    let whole = annexb::nal_units(&back.data).count() == nals.len();
                    assert!(whole || back.discontinuity);
                }
                if std::mem::take(&mut lost_since_output) {
                    assert!(back.discontinuity);
                }
            }
        }
    }
}

/// What a depacketizer makes of payloads, the last of which is marked: NAL units, and how many
/// payloads broke the RFC. The access unit is a key frame if a unit `is_key`.
pub(crate) fn received(
    depacketizer: impl Depacketizer,
    payloads: &[&[u8]],
    is_key: impl Fn(&[u8]) -> bool,
) -> (Vec<Vec<u8>>, u64) {
    let mut d = Received::new(depacketizer);
    for (i, payload) in payloads.iter().enumerate() {
        d.handle_payload(payload, i + 1 == payloads.len(), 0, false).unwrap();
    }
    let frame = d.poll_frame().unwrap();
    assert!(!frame.damaged && !frame.discontinuity);
    let nals: Vec<_> = annexb::nal_units(&frame.data).map(<[u8]>::to_vec).collect();
    assert_eq!(frame.data, annexb::from_nal_units(nals.iter().map(Vec::as_slice)));
    assert_eq!(frame.key, nals.iter().any(|nal| is_key(nal)));
    (nals, d.deviations())
}

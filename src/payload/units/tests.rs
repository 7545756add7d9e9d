//! Tests of both formats of fragments.

use super::*;
use crate::payload::testing::{Received, XorShift, round_trip, timed};
use crate::payload::{klv, onvif_metadata};

/// A KLV unit of `len` bytes in its item, none of them the beginning of a key.
fn unit(len: usize, random: &mut XorShift) -> Vec<u8> {
    let mut unit = vec![0x06, 0x0e, 0x2b, 0x34, 2, 0x0b, 1, 1, 0x0e, 1, 3, 1, 1, 0, 0, 0];
    unit.extend([&[0x84][..], &(len as u32).to_be_bytes()].concat());
    unit.extend(random.bytes(len).iter().map(|byte| byte | 0x80));
    unit
}

fn document(len: usize, declared: bool, random: &mut XorShift) -> Vec<u8> {
    let declaration = if declared { "<?xml version=\"1.0\"?>" } else { "" };
    let text: String = random.bytes(len).iter().map(|b| char::from(b'a' + b % 26)).collect();
    format!("{declaration}<tt:MetadataStream><tt:Event>{text}</tt:Event></tt:MetadataStream>")
        .into()
}

fn frames(make: impl Fn(usize, &mut XorShift) -> Vec<u8>) -> Vec<Frame> {
    let mut random = XorShift::new(4);
    (0..40)
        .map(|n| {
            let len = random.below(if n % 4 == 0 { 9000 } else { 200 }) as usize;
            timed(make(len, &mut random), n, 1, 25)
        })
        .collect()
}

const SIZES: [usize; 4] = [64, 100, 1400, 9000];

#[test]
fn what_goes_in_comes_out() {
    for max_payload in SIZES {
        let units = frames(unit);
        round_trip(&mut UnitPacketizer::new(), klv::depacketizer(), &units, 90_000, max_payload);
        for declared in [false, true] {
            let documents = frames(|len, random| document(len, declared, random));
            let d = onvif_metadata::depacketizer();
            round_trip(&mut UnitPacketizer::new(), d, &documents, 90_000, max_payload);
        }
    }
}

#[test]
fn the_loss_of_any_packet_is_seen() {
    type Make = fn() -> UnitDepacketizer;
    let cases: [(Make, Vec<Frame>); 2] = [
        (klv::depacketizer, frames(unit)),
        (onvif_metadata::depacketizer, frames(|len, random| document(len, len % 2 == 0, random))),
    ];
    for (depacketizer, frames) in cases {
        for max_payload in [64, 1400] {
            loses_each(depacketizer, &frames[..12], max_payload);
        }
    }
}

/// Leaves out each packet in turn: at most the frame that it is of and the next are not whole, and
/// that is told.
fn loses_each(depacketizer: fn() -> UnitDepacketizer, frames: &[Frame], max_payload: usize) {
    let mut packets = Vec::new();
    for (n, frame) in frames.iter().enumerate() {
        let mut out = PacketBuffer::new(max_payload);
        UnitPacketizer::new().packetize(frame, &mut out);
        for (i, span) in out.spans().iter().enumerate() {
            packets.push((n, out.payload(i).unwrap().to_vec(), span.marker));
        }
    }
    for lost in 0..packets.len() {
        let mut d = Received::new(depacketizer());
        let mut whole = Vec::new();
        let mut told = false;
        for (i, (n, payload, marker)) in packets.iter().enumerate() {
            // Nobody knows what was lost before the first packet.
            if i == lost || (lost == 0 && i < lost) {
                continue;
            }
            d.handle_payload(payload, *marker, *n as u32, lost > 0 && i == lost + 1).unwrap();
            while let Some(frame) = d.poll_frame() {
                told |= frame.discontinuity || frame.damaged;
                let at = frame.timestamp as usize;
                if !frame.damaged {
                    assert_eq!(frame.data, frames[at].data, "{lost} lost of {}", packets.len());
                    whole.push(at);
                }
            }
        }
        assert!(whole.len() + 2 >= frames.len(), "{lost} lost: {whole:?}");
        assert!(told || packets[lost].0 + 1 == frames.len() || lost == 0, "{lost} lost");
    }
}

/// By hand: RFC 6597 section 4.2: one timestamp, the last fragment marked.
#[test]
fn a_unit_of_klv_ends_with_its_mark_or_its_time() {
    let mut d = Received::new(klv::depacketizer());
    let mut random = XorShift::new(1);
    let unit = unit(9, &mut random);
    let (head, tail) = unit.split_at(7);
    d.handle_payload(head, false, 5, false).unwrap();
    assert_eq!(d.poll_frame(), None);
    d.handle_payload(tail, true, 5, false).unwrap();
    let frame = d.poll_frame().unwrap();
    assert_eq!((&frame.data[..], frame.timestamp, frame.damaged), (&unit[..], 5, false));
    // A sender that marks nothing.
    d.handle_payload(&unit, false, 6, false).unwrap();
    d.handle_payload(&unit, false, 7, false).unwrap();
    assert_eq!((d.poll_frame().unwrap().timestamp, d.deviations()), (6, 1));
    d.handle_end();
    assert_eq!(d.poll_frame(), None);
    // A receiver joins in the middle of a unit.
    let mut d = Received::new(klv::depacketizer());
    d.handle_payload(tail, true, 5, false).unwrap();
    assert!(d.poll_frame().unwrap().damaged);
    assert!(d.handle_payload(&[], true, 5, false).is_err());
}

#[test]
fn a_document_may_have_several_timestamps() {
    let mut d = Received::new(onvif_metadata::depacketizer());
    let parts: [&[u8]; 3] =
        [b"<?xml version=\"1.0\"?>", b"<tt:MetadataStream>", b"</tt:MetadataStream>"];
    for (i, part) in parts.iter().enumerate().filter(|(i, _)| *i != 1) {
        d.handle_payload(part, i == 2, 100 + i as u32, false).unwrap();
    }
    let frame = d.poll_frame().unwrap();
    assert_eq!((&frame.data[..], frame.timestamp), (&[parts[0], parts[2]].concat()[..], 100));
    // Without a mark the next document ends it.
    d.handle_payload(&[parts[1], parts[2]].concat(), false, 200, false).unwrap();
    d.handle_payload(&[parts[1], parts[2]].concat(), true, 300, false).unwrap();
    assert_eq!((d.poll_frame().unwrap().timestamp, d.poll_frame().unwrap().timestamp), (200, 300));
    assert_eq!(d.deviations(), 1);
}

#[test]
fn a_unit_without_end_is_given_up() {
    let mut d = Received::new(onvif_metadata::depacketizer());
    let mut refused = 0;
    for _ in 0..=MAX_UNIT / 60_000 + 1 {
        refused += usize::from(d.handle_payload(&[b'<'; 60_000], false, 0, false).is_err());
    }
    assert_eq!(refused, 1);
    d.handle_payload(b"</a>", true, 0, false).unwrap();
    assert_eq!(d.poll_frame(), None);
    d.handle_payload(b"<?xml?><a/>", true, 0, false).unwrap();
    let frame = d.poll_frame().unwrap();
    assert!(frame.discontinuity && !frame.damaged);
}

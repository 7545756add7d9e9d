use super::*;
use crate::framer::annexb;
use crate::payload::h265::H265DonDepacketizer;
use crate::payload::nal::testing;
use crate::payload::testing::XorShift;
use crate::payload::{FormatRegistry, PayloadFormat};

/// A NAL unit with its number and its timestamp.
#[derive(Clone, Debug)]
struct Numbered {
    don: u16,
    timestamp: u32,
    nal: Vec<u8>,
}

/// Section 4.4.1: the number stands behind the header.
fn single(unit: &Numbered) -> Vec<u8> {
    [&unit.nal[..2], &unit.don.to_be_bytes(), &unit.nal[2..]].concat()
}

/// Section 4.4.2: the first number stands in front of the first length, and in front of the others
/// the difference less one.
fn aggregate(units: &[Numbered]) -> Vec<u8> {
    let mut payload = vec![48 << 1, 1];
    for (i, unit) in units.iter().enumerate() {
        if i == 0 {
            payload.extend(unit.don.to_be_bytes());
        } else {
            let step = unit.don.wrapping_sub(units[i - 1].don);
            payload.push(u8::try_from(step - 1).unwrap());
        }
        payload.extend((unit.nal.len() as u16).to_be_bytes());
        payload.extend_from_slice(&unit.nal);
    }
    payload
}

/// Section 4.4.3: the number stands in the first fragment only.
fn fragments(unit: &Numbered, size: usize) -> Vec<Vec<u8>> {
    let kind = unit.nal[0] >> 1;
    let count = unit.nal[2..].chunks(size).count();
    let fragment = |(i, body): (usize, &[u8])| {
        let start = if i == 0 { FU_START } else { 0 };
        let end = if i + 1 == count { FU_END } else { 0 };
        let mut payload = vec![49 << 1, unit.nal[1], start | end | kind];
        if i == 0 {
            payload.extend(unit.don.to_be_bytes());
        }
        payload.extend_from_slice(body);
        payload
    };
    unit.nal[2..].chunks(size).enumerate().map(fragment).collect()
}

/// Access units of one to three NAL units, numbered from before the wrap-around.
fn units(random: &mut XorShift) -> Vec<Numbered> {
    let mut don = 65_500_u16;
    let mut units = Vec::new();
    for timestamp in 0..40 {
        for _ in 0..=random.below(3) {
            don = don.wrapping_add(1 + random.below(3) as u16);
            let len = 1 + random.below(60) as usize;
            units.push(Numbered { don, timestamp, nal: testing::nal(&[2, 1], len, random) });
        }
    }
    units
}

/// The order of sending: each at most `spread` places later. With it `sprop-max-don-diff` and
/// `sprop-depack-buf-nalus`.
fn sent(units: &[Numbered], spread: u64, random: &mut XorShift) -> (Vec<Numbered>, u16, u16) {
    let mut order: Vec<_> =
        (0..units.len()).map(|i| (i as u64 + random.below(spread), i)).collect();
    order.sort_unstable();
    let (mut diff, mut waiting) = (1, 0);
    for (at, &(_, second)) in order.iter().enumerate() {
        let before = order[..at].iter().filter(|(_, first)| *first > second);
        waiting = waiting.max(before.clone().count());
        for &(_, first) in before {
            diff = diff.max(units[first].don.wrapping_sub(units[second].don));
        }
    }
    (order.iter().map(|&(_, i)| units[i].clone()).collect(), diff, waiting as u16)
}

/// The packets of units in this order: single, aggregated and fragmented.
fn packets(sent: &[Numbered], random: &mut XorShift) -> Vec<(Vec<u8>, u32)> {
    let mut packets = Vec::new();
    let mut rest = sent;
    while let Some((first, behind)) = rest.split_first() {
        rest = behind;
        match random.below(3) {
            0 => packets.push((single(first), first.timestamp)),
            1 if first.nal.len() > 12 => {
                packets.extend(fragments(first, 9).into_iter().map(|f| (f, first.timestamp)));
            }
            _ => {
                let mut units = vec![first.clone()];
                while let Some(next) = rest.first().filter(|next| {
                    let last = &units[units.len() - 1];
                    let step = next.don.wrapping_sub(last.don);
                    next.timestamp == first.timestamp && (1..=256).contains(&step)
                }) {
                    units.push(next.clone());
                    rest = &rest[1..];
                }
                packets.push((aggregate(&units), first.timestamp));
            }
        }
    }
    packets
}

/// What comes out if packet `lost` does not come: data, timestamp, damaged.
fn received(
    mut d: H265DonDepacketizer,
    packets: &[(Vec<u8>, u32)],
    lost: Option<usize>,
) -> Vec<(Vec<u8>, u32, bool)> {
    let mut out = DepacketizedFrames::new();
    for (i, (payload, timestamp)) in packets.iter().enumerate() {
        if Some(i) != lost {
            let is_after = i > 0 && lost == Some(i - 1);
            let payload = RtpPayload::new(payload, *timestamp).after_loss(is_after);
            let result = d.handle_payload(&payload, &mut out);
            assert!(result.is_ok() || lost.is_some(), "{result:?}");
        }
    }
    d.handle_end(&mut out);
    assert_eq!(d.deviations(), 0);
    std::iter::from_fn(|| out.pop()).map(|f| (f.data.to_vec(), f.timestamp, f.damaged)).collect()
}

fn whole(units: &[Numbered]) -> Vec<(Vec<u8>, u32, bool)> {
    let access_units = units.chunk_by(|a, b| a.timestamp == b.timestamp);
    access_units
        .map(|units| {
            let nals = units.iter().map(|unit| unit.nal.as_slice());
            (annexb::from_nal_units(nals).to_vec(), units[0].timestamp, false)
        })
        .collect()
}

#[test]
fn decoding_order_is_restored() {
    let mut random = XorShift::new(8);
    for spread in [1, 2, 3, 5, 9] {
        for _ in 0..20 {
            let units = units(&mut random);
            let (sent, diff, waiting) = sent(&units, spread, &mut random);
            let packets = packets(&sent, &mut random);
            let expected = whole(&units);
            // Either parameter is enough.
            for (diff, waiting) in
                [(diff, Some(waiting)), (diff, None), (0x7fff, Some(waiting)), (300, Some(40))]
            {
                let d = H265DonDepacketizer::new(diff, waiting);
                assert_eq!(received(d, &packets, None), expected, "{spread} {diff} {waiting:?}");
            }
        }
    }
}

#[test]
fn the_loss_of_any_packet_is_told() {
    let mut random = XorShift::new(9);
    for spread in [1, 3, 6] {
        let units = units(&mut random);
        let (sent, diff, waiting) = sent(&units, spread, &mut random);
        let packets = packets(&sent, &mut random);
        let expected = whole(&units);
        for lost in 0..packets.len() - 1 {
            let d = H265DonDepacketizer::new(diff, Some(waiting));
            let back = received(d, &packets, Some(lost));
            let mut intact = 0;
            for (data, timestamp, damaged) in back {
                if !damaged {
                    assert_eq!(data, expected[timestamp as usize].0, "{lost} lost");
                    intact += 1;
                }
            }
            assert!(intact + 20 >= expected.len(), "{lost} lost, spread {spread}: {intact}");
        }
    }
}

/// By hand, from RFC 7798 sections 4.4.1 to 4.4.3.
#[test]
fn the_number_stands_behind_the_header() {
    let (nal, don) = (vec![0x26, 1, 7, 8], 0x0102);
    let unit = Numbered { don, timestamp: 0, nal };
    let next = Numbered { don: don + 2, nal: vec![2, 1, 9], ..unit.clone() };
    assert_eq!(single(&unit), [0x26, 1, 1, 2, 7, 8]);
    let expected = [96, 1, 1, 2, 0, 4, 0x26, 1, 7, 8, 1, 0, 3, 2, 1, 9];
    assert_eq!(aggregate(&[unit.clone(), next]), expected);
    assert_eq!(fragments(&unit, 1), [&[98, 1, 0x80 | 19, 1, 2, 7][..], &[98, 1, 0x40 | 19, 8]]);
}

#[test]
fn what_is_malformed_is_refused_and_told() {
    for bad in [
        &[][..],
        &[0x40],
        &[2, 1, 0],
        &[96, 1, 0, 1],
        &[96, 1, 0, 1, 0, 3, 2, 1],
        &[96, 1, 0, 1, 0, 3, 2, 1, 9, 0, 0, 1],
        &[98, 1],
        &[98, 1, 0x81, 0],
        &[98, 1, 0x80 | 48, 0, 1, 1],
        &[98, 1, 1, 7],
        &[0x7e, 1, 0, 0],
    ] {
        let mut d = H265DonDepacketizer::new(2, Some(1));
        let mut out = DepacketizedFrames::new();
        assert!(d.handle_payload(&RtpPayload::new(bad, 0), &mut out).is_err(), "{bad:?}");
        d.handle_payload(&RtpPayload::new(&[2, 1, 0, 1, 7], 1), &mut out).unwrap();
        d.handle_end(&mut out);
        let frame = out.pop().unwrap();
        assert!(frame.damaged && frame.discontinuity);
    }
}

#[test]
fn a_sender_that_begins_anew_is_followed() {
    let numbered =
        |don: u16, timestamp| Numbered { don, timestamp, nal: vec![2, 1, don as u8 | 1] };
    let first = (0..9).map(|n| numbered(20_000 + n, u32::from(n)));
    let again = (0..9).map(|n| numbered(100 + n, 9 + u32::from(n)));
    let packets: Vec<_> = first.chain(again).map(|u| (single(&u), u.timestamp)).collect();
    let back = received(H265DonDepacketizer::new(3, Some(9)), &packets, None);
    let times: Vec<_> = back.iter().map(|(_, timestamp, _)| *timestamp).collect();
    assert_eq!(times, (0..18).collect::<Vec<_>>());
    assert!(back.iter().all(|(.., damaged)| !damaged));
}

#[test]
fn the_description_chooses_it() {
    let described = |fmtp: &str| PayloadFormat::new("video", "H265", 90_000, 96).with_fmtp(fmtp);
    for (fmtp, has_numbers) in [
        ("sprop-max-don-diff=2;sprop-depack-buf-nalus=3", true),
        ("sprop-max-don-diff=2", true),
        ("sprop-max-don-diff=0", false),
        ("sprop-depack-buf-nalus=3", false),
    ] {
        let mut d = FormatRegistry::standard().depacketizer(&described(fmtp)).unwrap();
        let mut out = DepacketizedFrames::new();
        d.handle_payload(&RtpPayload::new(&[2, 1, 0x80, 1, 7], 0), &mut out).unwrap();
        d.handle_end(&mut out);
        let expected: &[u8] = if has_numbers { &[2, 1, 7] } else { &[2, 1, 0x80, 1, 7] };
        assert_eq!(out.pop().unwrap().data[4..], *expected, "{fmtp}");
    }
}

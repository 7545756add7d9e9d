//! Any layout of AU headers: what a sender with it writes is read.

use super::super::{AacDepacketizer, AuHeaderLayout, parameters_from_fmtp};
use crate::codec::bits::BitWriter;
use crate::payload::testing::{Received, XorShift};

/// A layout of which no field has more than 16 bits, and its format parameters.
fn layout(random: &mut XorShift) -> (AuHeaderLayout, String) {
    let mut length = |least: u64, most: u64| (least + random.below(most + 1 - least)) as u8;
    let layout = AuHeaderLayout {
        size_length: length(6, 16),
        index_length: length(0, 16),
        index_delta_length: length(0, 16),
        cts_delta_length: length(0, 16),
        dts_delta_length: length(0, 16),
        random_access_indication: length(0, 1) == 1,
        stream_state_length: length(0, 16),
        auxiliary_size_length: length(0, 8),
        constant_size: None,
    };
    let fmtp = format!(
        "mode=generic;sizeLength={};indexLength={};indexDeltaLength={};CTSDeltaLength={};\
         DTSDeltaLength={};randomAccessIndication={};streamStateIndication={};\
         auxiliaryDataSizeLength={};constantDuration=1000",
        layout.size_length,
        layout.index_length,
        layout.index_delta_length,
        layout.cts_delta_length,
        layout.dts_delta_length,
        u8::from(layout.random_access_indication),
        layout.stream_state_length,
        layout.auxiliary_size_length,
    );
    (layout, fmtp)
}

/// A payload of access units (RFC 3640 sections 3.2.1 and 3.2.2), with random values in the fields that
/// are skipped; `delta` is the AU-Index-delta of all but the first.
fn payload(
    layout: &AuHeaderLayout,
    units: &[Vec<u8>],
    delta: u32,
    random: &mut XorShift,
) -> Vec<u8> {
    let mut headers = BitWriter::default();
    let mut bits = 0;
    for (i, unit) in units.iter().enumerate() {
        let mut put = |value: u32, n: u8| {
            headers.put(value, n.into());
            bits += u32::from(n);
        };
        put(unit.len() as u32, layout.size_length);
        let (index, length) =
            if i == 0 { (0, layout.index_length) } else { (delta, layout.index_delta_length) };
        put(index, length);
        if layout.cts_delta_length > 0 {
            put(0, 1);
        }
        if layout.dts_delta_length > 0 {
            let is_there = random.below(2) as u32;
            put(is_there, 1);
            if is_there == 1 {
                put(random.next() as u32, layout.dts_delta_length);
            }
        }
        put(random.next() as u32, u8::from(layout.random_access_indication));
        put(random.next() as u32, layout.stream_state_length);
    }
    let mut auxiliary = BitWriter::default();
    if layout.auxiliary_size_length > 0 {
        let size = random.below(1 << layout.auxiliary_size_length.min(6)) as u32;
        auxiliary.put(size, layout.auxiliary_size_length.into());
        (0..size).for_each(|_| auxiliary.put(random.next() as u32, 1));
    }
    let (headers, auxiliary) = (headers.finish(), auxiliary.finish());
    [&(bits as u16).to_be_bytes()[..], &headers, &auxiliary, &units.concat()].concat()
}

#[test]
fn what_any_layout_carries_is_read() {
    let mut random = XorShift::new(8);
    for round in 0..500 {
        let (layout, fmtp) = layout(&mut random);
        let parameters = parameters_from_fmtp(&fmtp);
        assert_eq!(parameters.layout, layout);
        let mut d = Received::new(AacDepacketizer::with_parameters(&parameters, 48_000));
        let units: Vec<_> = (0..1 + random.below(5))
            .map(|_| {
                let len = 1 + random.below((1 << layout.size_length.min(9)) - 1) as usize;
                random.bytes(len)
            })
            .collect();
        let sent = payload(&layout, &units, 0, &mut random);
        d.handle_payload(&sent, true, 7, false).unwrap();
        let back: Vec<_> = std::iter::from_fn(|| d.poll_frame()).collect();
        assert!(
            back.iter().map(|frame| &frame.data[..]).eq(units.iter().map(|u| &u[..])),
            "{fmtp}"
        );
        assert!(back.iter().zip(0..).all(|(frame, n)| frame.timestamp == 7 + n * 1000), "{round}");
        // Interleaved: the next unit is not the one that follows in time (section 3.2.3.2).
        if units.len() > 1 && layout.index_delta_length > 0 {
            let sent = payload(&layout, &units, 1, &mut random);
            assert!(d.handle_payload(&sent, true, 7, false).is_err(), "{fmtp}");
        }
        for cut in 0..sent.len().min(12) {
            let _ = d.handle_payload(&sent[..cut], true, 7, false);
        }
    }
}

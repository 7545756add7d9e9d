//! Bodies for VP8, VP9, AV1 and JPEG: headers and payload formats.

use super::video::rows;
use crate::codec::av1::{self, SequenceHeader, obus};
use crate::codec::{jpeg, vp8, vp9};
use crate::frame::Frame;
use crate::payload::av1::{Av1Depacketizer, Av1Packetizer};
use crate::payload::jpeg::{JpegDepacketizer, JpegPacketizer};
use crate::payload::vp8::{Vp8Depacketizer, Vp8Packetizer};
use crate::payload::vp9::{Vp9Depacketizer, Vp9Packetizer};
use crate::payload::{DepacketizedFrames, Depacketizer, PacketBuffer, Packetizer, RtpPayload};
use bytes::Bytes;
use std::time::Duration;

/// Frame headers of all four: what they say lies within the bytes.
pub fn headers(data: &[u8]) {
    assert!(!vp8::is_key(data) || vp8::size(data).is_some());
    assert!(!vp9::is_key(data) || vp9::size(data).is_some());
    let units: usize = obus(data).flatten().map(|obu| obu.bytes.len()).sum();
    assert!(units <= data.len());
    let unit = Bytes::copy_from_slice(data);
    let (range, header) = (av1::sequence_header_range(data), av1::sequence_header(&unit));
    assert_eq!(range.is_some(), header.is_some());
    assert!(header.is_none_or(|header| av1::sequence_header(&header).as_ref() == Some(&header)));
    let _ = (SequenceHeader::parse(data), av1::is_key(data));
    if let Ok(header) = jpeg::Header::parse(data) {
        assert!(header.scan_at <= data.len());
        assert!(header.components().iter().all(|c| {
            header.quantization_table(c.quantization).is_none_or(|t| t.values.len() >= 64)
        }));
        for component in header.components() {
            let _ = header.huffman_tables(component);
        }
    }
    if let Ok(len) = jpeg::file_len(data) {
        assert!(data.get(..len).is_some_and(|file| file.ends_with(&[0xd9])));
    }
}

/// What a depacketizer makes of rows of payloads: a byte of flags tells marker, loss, a header
/// extension, whose length the payload begins with, and the timestamp.
fn frames_of(data: &[u8], depacketizer: &mut dyn Depacketizer) -> Vec<Bytes> {
    let (mut given, mut frames) = (DepacketizedFrames::new(), Vec::new());
    for (flags, row) in rows(data) {
        let (mut extension, mut body) = (None, row);
        if flags & 4 != 0 {
            let (&len, rest) = row.split_first().unwrap_or((&0, &[]));
            let (words, behind) = rest.split_at(usize::from(len).min(rest.len()));
            (extension, body) = (Some((0xffd8, words)), behind);
        }
        let mut payload = RtpPayload::new(body, u32::from(flags >> 3))
            .with_marker(flags & 1 != 0)
            .after_loss(flags & 2 != 0);
        payload.extension = extension;
        let _ = depacketizer.handle_payload(&payload, &mut given);
        frames.extend(std::iter::from_fn(|| given.pop()).map(|frame| frame.data));
    }
    depacketizer.handle_end(&mut given);
    frames.extend(std::iter::from_fn(|| given.pop()).map(|frame| frame.data));
    assert!(frames.iter().all(|frame| !frame.is_empty()));
    frames
}

/// Sends a frame; what comes out.
fn again(frame: &Bytes, mut from: impl Packetizer, mut to: impl Depacketizer) -> Option<Bytes> {
    let (mut packets, mut given) = (PacketBuffer::new(400), DepacketizedFrames::new());
    from.packetize(&Frame::new(frame.clone(), Duration::ZERO, Duration::ZERO), &mut packets);
    assert!(packets.is_well_formed());
    for (i, span) in packets.spans().iter().enumerate() {
        let payload = packets.payload(i).unwrap_or_default();
        let mut payload = RtpPayload::new(payload, 0).with_marker(span.marker);
        payload.extension = packets.extension(i);
        assert_eq!(to.handle_payload(&payload, &mut given), Ok(()));
    }
    let frame = given.pop();
    assert!(given.pop().is_none());
    frame.map(|frame| frame.data)
}

/// RFC 7741.
pub fn vp8_depacketizer(data: &[u8]) {
    for frame in frames_of(data, &mut Vp8Depacketizer::new()) {
        assert_eq!(again(&frame, Vp8Packetizer::new(), Vp8Depacketizer::new()), Some(frame));
    }
}

/// RFC 9628.
pub fn vp9_depacketizer(data: &[u8]) {
    for frame in frames_of(data, &mut Vp9Depacketizer::new()) {
        assert_eq!(again(&frame, Vp9Packetizer::new(), Vp9Depacketizer::new()), Some(frame));
    }
}

/// RTP Payload Format For AV1: the OBUs are the same, whose lengths may have been longer than needed.
pub fn av1_depacketizer(data: &[u8]) {
    let units = |unit: &[u8]| -> Vec<_> {
        let all =
            obus(unit).map(|obu| obu.map(|obu| (obu.header, obu.extension, obu.payload.to_vec())));
        all.collect::<Result<_, _>>().unwrap_or_default()
    };
    for frame in frames_of(data, &mut Av1Depacketizer::new()) {
        let back = again(&frame, Av1Packetizer::new(Bytes::new()), Av1Depacketizer::new());
        assert!(!units(&frame).is_empty());
        assert_eq!(back.map(|back| units(&back)), Some(units(&frame)));
    }
}

/// RFC 2435: a picture that can be sent comes out in a form that does not change any more.
pub fn jpeg_depacketizer(data: &[u8]) {
    for frame in frames_of(data, &mut JpegDepacketizer::new()) {
        assert!(jpeg::Header::parse(&frame).is_ok());
        let send = |file: &Bytes| again(file, JpegPacketizer::new(), JpegDepacketizer::new());
        let Some(once) = send(&frame) else { continue };
        assert_eq!(send(&once), Some(once));
    }
    // As a file.
    let _ = again(&Bytes::copy_from_slice(data), JpegPacketizer::new(), JpegDepacketizer::new());
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::av1::tests::{SEQUENCE, frame};
    use crate::codec::jpeg::tests::Picture;
    use crate::payload::testing::XorShift;

    const BODIES: [fn(&[u8]); 5] =
        [headers, vp8_depacketizer, vp9_depacketizer, av1_depacketizer, jpeg_depacketizer];

    /// Rows of the packets of a frame.
    fn packets(mut packetizer: impl Packetizer, frame: Vec<u8>) -> Vec<u8> {
        let mut out = PacketBuffer::new(200);
        packetizer.packetize(&Frame::new(frame, Duration::ZERO, Duration::ZERO), &mut out);
        let rows = out.spans().iter().enumerate().flat_map(|(i, span)| {
            let payload = out.payload(i).unwrap();
            [&[payload.len() as u8, u8::from(span.marker)][..], payload].concat()
        });
        rows.collect()
    }

    /// Valid inputs, damaged at random.
    #[test]
    fn damaged_streams() {
        let unit = [&SEQUENCE[..], &frame(true, 600)].concat();
        let picture = Picture::new(64, 48, &[0x5a; 500]).file();
        let key = |head: &[u8]| [head, &[0x5a; 700]].concat();
        let seeds = [
            packets(Vp8Packetizer::new(), key(&vp8::tests::KEY)),
            packets(Vp9Packetizer::new(), key(&vp9::tests::KEY)),
            packets(Av1Packetizer::new(Bytes::new()), unit.clone()),
            packets(JpegPacketizer::new(), picture.clone()),
            unit,
            picture,
        ];
        assert!(seeds.iter().all(|seed| seed.len() > 500));
        let mut random = XorShift::new(42);
        for round in 0..3000 {
            let mut data = seeds[round % seeds.len()].clone();
            for _ in 0..random.below(6) {
                let at = random.below(data.len() as u64) as usize;
                match random.below(3) {
                    0 => data[at] = random.next() as u8,
                    1 => data[at] ^= 1 << random.below(8),
                    _ => drop(data.drain(at..(at + random.below(9) as usize).min(data.len()))),
                }
                if data.is_empty() {
                    break;
                }
            }
            BODIES.iter().for_each(|body| body(&data));
        }
    }

    #[test]
    fn noise() {
        let mut random = XorShift::new(7);
        for n in 0..300 {
            let data = random.bytes(n);
            BODIES.iter().for_each(|body| body(&data));
        }
    }
}

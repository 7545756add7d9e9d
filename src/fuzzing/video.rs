//! Bodies for H.264 and H.265: parameter sets, framers, payload formats.

use crate::codec::CodecParameters;
use crate::codec::bits::{BitReader, without_emulation_prevention};
use crate::codec::{h264, h265};
use crate::frame::Frame;
use crate::framer::annexb;
use crate::framer::video::{Syntax, VideoFramer};
use crate::framer::{h264::H264Syntax, h265::H265Syntax};
use crate::media::access_unit::{NalCodec, SetsInForce, leading_units, with_parameter_sets};
use crate::payload::h264::{H264Depacketizer, H264Packetizer};
use crate::payload::h265::{H265Depacketizer, H265DonDepacketizer, H265Packetizer};
use crate::payload::{DepacketizedFrames, Depacketizer, PacketBuffer, Packetizer, RtpPayload};
use std::time::Duration;

/// Parameter sets, slice headers and decoder configurations of both codecs.
pub fn parameter_sets(data: &[u8]) {
    let mut of_h264 = h264::ParameterSets::default();
    let mut of_h265 = h265::ParameterSets::default();
    for nal in annexb::nal_units(data) {
        of_h264.handle_nal(nal);
        of_h265.handle_nal(nal);
        let _ = h264::SliceHeader::parse(nal, &of_h264);
        let _ = h265::SliceHeader::parse(nal, &of_h265);
        h264::has_recovery_point(nal);
        h265::has_recovery_point(nal);
    }
    let _ = h264::Sps::parse(data);
    let _ = h264::Pps::parse(data);
    let _ = h265::Sps::parse(data);
    let _ = h265::Pps::parse(data);
    let _ = h265::vps_timing(data);
    let _ = (h264::sps_id(data), h264::pps_id(data), h264::is_intra_slice(data));
    let _ = (h265::vps_id(data), h265::sps_id(data), h265::pps_id(data));
    let _ = h264::parse_avcc(data);
    let _ = h265::parse_hvcc(data);
    let _ = annexb::from_length_prefixed(data, 1 + data.len() % 4);
    // The reader that steps over emulation prevention agrees with the copy that lacks it.
    let mut reader = BitReader::new(data);
    for &byte in &without_emulation_prevention(data) {
        assert_eq!(reader.bits(8, "byte"), Ok(u32::from(byte)));
    }
    assert!(reader.bits(8, "byte").is_err());
}

/// An H.264 byte stream.
pub fn h264_framer(data: &[u8]) {
    framer::<H264Syntax>(data);
}

/// An H.265 byte stream.
pub fn h265_framer(data: &[u8]) {
    framer::<H265Syntax>(data);
}

/// As a whole and in pieces whose size the first byte chooses: both give the same, nothing of
/// the input but what comes before the first start code is missing, and times are in order.
fn framer<S: Syntax + Default>(data: &[u8]) {
    let whole = frames::<S>(data, data.len());
    let pieces = frames::<S>(data, data.first().map_or(1, |&byte| usize::from(byte) % 16 + 1));
    assert_eq!(whole, pieces);
    if !whole.is_empty() {
        let bytes: Vec<u8> = whole.iter().flat_map(|frame| frame.data.iter().copied()).collect();
        assert!(data.ends_with(&bytes));
        let before = data.get(..data.len() - bytes.len()).unwrap_or_default();
        assert_eq!(annexb::nal_units(before).count(), 0);
    }
    let mut last = Duration::ZERO;
    for frame in &whole {
        assert!(frame.pts >= frame.dts && frame.dts >= last);
        last = frame.dts;
    }
    seek::<S>(data, whole.len() as u64);
}

/// Plays, goes back to the first picture that decoding can start with, and plays on: times go on
/// from where that picture was.
fn seek<S: Syntax + Default>(data: &[u8], pictures: u64) {
    let mut framer = VideoFramer::<S>::new();
    framer.record_parameter_sets();
    framer.count_intra_pictures_as_key();
    framer.handle_bytes(data);
    framer.handle_end();
    let mut key = None;
    let mut count = 0;
    while let Ok(Some((frame, position))) = framer.poll_positioned() {
        assert_eq!(position.decode_index, count);
        count += 1;
        // Each has its own place in output order.
        assert!(position.output_index < pictures);
        if frame.flags.key && key.is_none() {
            let time = framer.time_of(position.decode_index.min(position.output_index));
            key = Some((position, time));
        }
    }
    assert_eq!(count, pictures);
    let Some((position, time)) = key else { return };
    let sets = position.parameter_sets.iter().map(|set| &set[..]);
    framer.handle_parameter_sets(sets);
    framer.handle_seek_to(position.offset, position.decode_index, time);
    let rest = usize::try_from(position.offset).ok().and_then(|offset| data.get(offset..));
    framer.handle_bytes(rest.unwrap_or_default());
    framer.handle_end();
    while let Ok(Some(frame)) = framer.poll_frame() {
        assert!(frame.pts >= frame.dts);
    }
}

/// Access units whose parameter sets are put in front of key pictures: what is put in front of a
/// picture is in force before and after, and bounded.
pub fn parameter_sets_in_force(data: &[u8]) {
    for (codec, parameters) in [
        (NalCodec::H264, CodecParameters::H264 { sps: vec![], pps: vec![] }),
        (NalCodec::H265, CodecParameters::H265 { vps: vec![], sps: vec![], pps: vec![] }),
    ] {
        let Some(mut sets) = SetsInForce::new(&parameters) else { return };
        // The first byte of each piece says how long it is, and whether it goes on.
        let mut rest = data;
        while let [len, tail @ ..] = rest {
            let (unit, next) = tail.split_at(usize::from(*len).min(tail.len()));
            rest = next;
            let found = leading_units(codec, unit);
            sets.note(unit, &found, len % 5 == 0);
            let Some(missing) = sets.missing().cloned() else { continue };
            assert!(missing.len() < 128 << 10 && missing == *sets.annexb());
            let whole = with_parameter_sets(unit, &found, &missing);
            assert!(whole.len() == unit.len() + missing.len());
            // Whoever reads that has the same sets, as far as they are such.
            let found = leading_units(codec, &whole);
            let mut again = sets.clone();
            assert!(!again.note(&missing, &leading_units(codec, &missing), false));
            again.note(&whole, &found, false);
        }
    }
}

fn frames<S: Syntax + Default>(data: &[u8], size: usize) -> Vec<Frame> {
    let mut framer = VideoFramer::<S>::new();
    let mut frames = Vec::new();
    for piece in data.chunks(size.max(1)) {
        framer.handle_bytes(piece);
        while let Ok(Some(frame)) = framer.poll_frame() {
            frames.push(frame);
        }
    }
    framer.handle_end();
    while let Ok(Some(frame)) = framer.poll_frame() {
        frames.push(frame);
    }
    frames
}

/// RTP payloads of H.264, as rows of length, flags and payload.
pub fn h264_depacketizer(data: &[u8]) {
    depacketizer(data, &mut H264Depacketizer::new(), || {
        (Box::new(H264Packetizer::new()), Box::new(H264Depacketizer::new()))
    });
}

/// RTP payloads of H.265, as rows of length, flags and payload.
pub fn h265_depacketizer(data: &[u8]) {
    depacketizer(data, &mut H265Depacketizer::new(), || {
        (Box::new(H265Packetizer::new()), Box::new(H265Depacketizer::new()))
    });
}

/// The same with decoding order numbers. The first two bytes say how far they may differ, and how many
/// NAL units may wait.
pub fn h265_don_depacketizer(data: &[u8]) {
    let Some((&[diff, waiting], data)) = data.split_first_chunk() else { return };
    let mut first = H265DonDepacketizer::new(diff.into(), Some(waiting.into()));
    depacketizer(data, &mut first, || {
        (Box::new(H265Packetizer::new()), Box::new(H265Depacketizer::new()))
    });
}

/// The rows of an input: of each the second byte, and as many bytes behind it as the first says.
pub(super) fn rows(data: &[u8]) -> impl Iterator<Item = (u8, &[u8])> {
    let mut rest = data;
    std::iter::from_fn(move || {
        let [len, flags, tail @ ..] = rest else { return None };
        let (row, next) = tail.split_at(usize::from(*len).min(tail.len()));
        rest = next;
        Some((*flags, row))
    })
}

/// `data` is a row of payloads, each with its length and a byte of flags (1 marker, 2 lost, and
/// the timestamp in the rest) in front. What comes out is packetized and must come out again.
fn depacketizer(
    data: &[u8],
    first: &mut dyn Depacketizer,
    again: impl Fn() -> (Box<dyn Packetizer>, Box<dyn Depacketizer>),
) {
    let (mut given, mut frames) = (DepacketizedFrames::new(), Vec::new());
    for (flags, payload) in rows(data) {
        let timestamp = u32::from(flags >> 2);
        let payload = RtpPayload::new(payload, timestamp)
            .with_marker(flags & 1 != 0)
            .after_loss(flags & 2 != 0);
        let _ = first.handle_payload(&payload, &mut given);
        frames.extend(std::iter::from_fn(|| given.pop()));
    }
    first.handle_end(&mut given);
    frames.extend(std::iter::from_fn(|| given.pop()));
    let (mut packetizer, mut depacketizer) = again();
    let mut out = PacketBuffer::new(64);
    for frame in frames {
        // A NAL unit out of the network may hold start codes, or end in zeros: what counts is what
        // a reader of the byte stream sees.
        let wanted: Vec<_> = annexb::nal_units(&frame.data).collect();
        let data = frame.data.clone();
        packetizer.packetize(&Frame::new(data, Duration::ZERO, Duration::ZERO), &mut out);
        for (i, span) in out.spans().iter().enumerate() {
            let payload = out.payload(i).unwrap_or_default();
            assert!(payload.len() <= 64);
            let payload = RtpPayload::new(payload, 0).with_marker(span.marker);
            let result = depacketizer.handle_payload(&payload, &mut given);
            assert!(result.is_ok());
        }
        if let Some(back) = given.pop() {
            let mut nals = annexb::nal_units(&back.data);
            // Those of types that mean something else in RTP are not sent.
            assert!(nals.all(|nal| wanted.contains(&nal)));
        }
        out.clear();
    }
}

//! RTP payload format for VP8: RFC 7741.

use super::depacketizer::{DepacketizedFrame, DepacketizedFrames, Depacketizer, RtpPayload};
use super::fragments::{Fragments, put_fragments};
use super::key_frames::{PayloadFacts, PictureFacts};
use super::packet_buffer::PacketBuffer;
use super::packetizer::Packetizer;
use super::plain_entry::PlainEntry;
use crate::codec::{CodecParameters, vp8};
use crate::frame::Frame;
use crate::wire::{ParseError, Reader};

const CLOCK_RATE: u32 = 90_000;

/// Bits of the first byte of a payload descriptor (section 4.2): an extension follows, a partition
/// begins; and the index of the partition.
const X: u8 = 0x80;
const S: u8 = 0x10;
const PID: u8 = 0x07;
/// Bits of the extension: PictureID, TL0PICIDX, TID and KEYIDX are present.
const I: u8 = 0x80;
const L: u8 = 0x40;
const T: u8 = 0x20;
const K: u8 = 0x10;
/// Bit of a PictureID that has 15 bits.
const M: u8 = 0x80;

/// Cuts frames of VP8 into RTP payloads, each with a PictureID of 15 bits. Partitions are not told
/// apart: the first packet alone begins one, as far as its descriptor says (section 4.2).
#[derive(Debug, Default)]
pub struct Vp8Packetizer {
    picture_id: u16,
}

impl Vp8Packetizer {
    /// Creates a packetizer for one stream.
    pub const fn new() -> Self {
        Self { picture_id: 0 }
    }
}

impl Packetizer for Vp8Packetizer {
    fn packetize(&mut self, frame: &Frame, out: &mut PacketBuffer) {
        let [high, low] = self.picture_id.to_be_bytes();
        put_fragments(&frame.data, frame.flags.ends_access_unit, out, |offset, out| {
            let start = if offset == 0 { S } else { 0 };
            out.put(&[X | start, I, M | high, low]);
        });
        self.picture_id = (self.picture_id + 1) & 0x7fff;
    }
}

/// What matters of a payload descriptor.
struct Descriptor {
    starts_frame: bool,
}

impl Descriptor {
    /// Reads the descriptor, behind which the reader then stands.
    fn read(r: &mut Reader<'_>) -> Result<Self, ParseError> {
        const WHAT: &str = "VP8 payload descriptor";
        let first = r.u8(WHAT)?;
        if first & X != 0 {
            let extension = r.u8(WHAT)?;
            if extension & I != 0 && r.u8(WHAT)? & M != 0 {
                r.u8(WHAT)?;
            }
            if extension & L != 0 {
                r.u8(WHAT)?;
            }
            if extension & (T | K) != 0 {
                r.u8(WHAT)?;
            }
        }
        Ok(Self { starts_frame: first & S != 0 && first & PID == 0 })
    }
}

/// Assembles frames of VP8 from RTP payloads. A frame of which a packet is missing is dropped.
#[derive(Debug, Default)]
pub struct Vp8Depacketizer {
    fragments: Fragments,
}

impl Vp8Depacketizer {
    /// Creates a depacketizer for one stream.
    pub const fn new() -> Self {
        Self { fragments: Fragments::new() }
    }

    fn finish(&mut self, out: &mut DepacketizedFrames) {
        if let Some(frame) = self.fragments.finish() {
            let key = vp8::is_key(&frame.data);
            out.push(DepacketizedFrame { key, ..frame });
        }
    }
}

impl Depacketizer for Vp8Depacketizer {
    fn handle_payload(
        &mut self,
        payload: &RtpPayload<'_>,
        out: &mut DepacketizedFrames,
    ) -> Result<(), ParseError> {
        if self.fragments.handle_packet(payload, out) {
            self.finish(out);
        }
        let mut r = Reader::new(payload.data);
        let read = Descriptor::read(&mut r).and_then(|descriptor| match r.is_empty() {
            true => Err(r.invalid("VP8 payload")),
            false => Ok(descriptor),
        });
        let descriptor = read.inspect_err(|_| self.fragments.abandon(out))?;
        if descriptor.starts_frame {
            self.fragments.begin(payload.timestamp, out);
        }
        self.fragments.push(r.rest(), out);
        if payload.marker {
            self.finish(out);
        }
        Ok(())
    }

    fn handle_end(&mut self, out: &mut DepacketizedFrames) {
        self.fragments.handle_end(out);
    }
}

fn payload_facts(payload: &[u8]) -> PayloadFacts {
    let mut r = Reader::new(payload);
    let Ok(descriptor) = Descriptor::read(&mut r) else { return PayloadFacts::default() };
    let can_start = descriptor.starts_frame && vp8::is_key(r.remaining());
    PayloadFacts { can_start, has_picture: !r.is_empty(), ..PayloadFacts::default() }
}

/// The registry entry of VP8. `max-fr` and `max-fs` (section 6.1) are limits of a receiver and say
/// nothing of a stream.
pub(super) const ENTRY: PlainEntry = PlainEntry {
    media: "video",
    names: &["VP8"],
    clock_rate: CLOCK_RATE,
    fmtp: |parameters| matches!(parameters, CodecParameters::Vp8).then_some(None),
    parameters: |_| CodecParameters::Vp8,
    packetizer: |_| Box::new(Vp8Packetizer::new()),
    depacketizer: |_| Box::new(Vp8Depacketizer::new()),
    key_frame_test: Some(|data| PictureFacts::picture(vp8::is_key(data))),
    payload_test: Some(payload_facts),
};

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::vp8::tests::{INTER, KEY};
    use crate::payload::testing::{
        Received, payloads_of, survives_garbage, timed, transmits_pictures,
    };

    #[test]
    fn what_goes_in_comes_out_or_is_marked() {
        transmits_pictures(&CodecParameters::Vp8, [&KEY, &INTER]);
    }

    #[test]
    fn garbage_is_survived() {
        survives_garbage(Vp8Depacketizer::new());
    }

    #[test]
    fn packets_have_a_descriptor_with_a_picture_id() {
        let mut p = Vp8Packetizer { picture_id: 0x7fff };
        let frame = timed([&KEY[..], &[7; 20]].concat(), 0, 3000, CLOCK_RATE);
        // Section 4.2: X and S, I, M with 15 bits; then X, I, M with 15 bits.
        let first = [&[0x90, 0x80, 0xff, 0xff][..], &KEY, &[7; 6]].concat();
        let second = [&[0x80, 0x80, 0xff, 0xff][..], &[7; 14]].concat();
        assert_eq!(payloads_of(&mut p, &frame, 20), [(first, false), (second, true)]);
        let (next, _) = payloads_of(&mut p, &frame, 100).remove(0);
        assert_eq!(next[..4], [0x90, 0x80, 0x80, 0x00], "numbers wrap");
    }

    #[test]
    fn descriptors_of_every_length_are_read() {
        let mut d = Received::new(Vp8Depacketizer::new());
        for (timestamp, head) in (0..).zip([
            &[0x10][..],
            // Section 4.2: I with 7 and with 15 bits; L; T; K; all.
            &[0x90, 0x80, 0x11],
            &[0x90, 0x80, 0x91, 0x22],
            &[0x90, 0x40, 0x33],
            &[0x90, 0x20, 0x40],
            &[0x90, 0x10, 0x05],
            &[0xb0, 0xf0, 0x91, 0x22, 0x33, 0x45],
        ]) {
            let payload = [head, &KEY].concat();
            d.handle_payload(&payload, true, timestamp, false).unwrap();
            let frame = d.poll_frame().unwrap();
            assert_eq!((frame.data, frame.timestamp), (KEY.to_vec().into(), timestamp));
            assert!(frame.key && !frame.damaged && !frame.discontinuity);
        }
        for cut in [&[][..], &[0x90], &[0x90, 0x80], &[0x90, 0x80, 0x91], &[0x10], &[0x90, 0x20]] {
            assert!(d.handle_payload(cut, true, 9, false).is_err(), "{cut:?}");
        }
        d.handle_payload(&[&[0x10][..], &INTER].concat(), true, 10, false).unwrap();
        let frame = d.poll_frame().unwrap();
        assert!(frame.discontinuity && !frame.key);
    }

    #[test]
    fn partitions_belong_to_one_frame_which_may_lack_the_marker() {
        let mut d = Received::new(Vp8Depacketizer::new());
        d.handle_payload(&[&[0x10][..], &KEY].concat(), false, 5, false).unwrap();
        d.handle_payload(&[0x00, 1, 2], false, 5, false).unwrap();
        d.handle_payload(&[0x11, 3], false, 5, false).unwrap();
        assert!(d.poll_frame().is_none());
        d.handle_payload(&[0x10, 0x91, 0, 0, 8], false, 6, false).unwrap();
        let frame = d.poll_frame().unwrap();
        assert_eq!(frame.data, [&KEY[..], &[1, 2, 3]].concat());
        assert!(!frame.discontinuity);
        // The frame that follows lacks its beginning.
        d.handle_payload(&[0x00, 1, 2], true, 7, true).unwrap();
        d.handle_end();
        assert!(d.poll_frame().is_none());
    }

    #[test]
    fn viewers_begin_with_the_first_packet_of_a_key_frame() {
        let facts = |head: &[u8], body: &[u8]| {
            let facts = payload_facts(&[head, body].concat());
            (facts.can_start, facts.has_picture)
        };
        assert_eq!(facts(&[0x90, 0x80, 0x11], &KEY), (true, true));
        assert_eq!(facts(&[0x10], &INTER), (false, true));
        assert_eq!(facts(&[0x00], &KEY), (false, true));
        assert_eq!(facts(&[0x11], &KEY), (false, true));
        assert_eq!(facts(&[0x90, 0x80], &[]), (false, false));
        assert_eq!(facts(&[], &[]), (false, false));
    }
}

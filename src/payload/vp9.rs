//! RTP payload format for VP9: RFC 9628.

use super::depacketizer::{DepacketizedFrame, DepacketizedFrames, Depacketizer, RtpPayload};
use super::fragments::{Fragments, put_fragments};
use super::key_frames::{PayloadFacts, PictureFacts};
use super::packet_buffer::PacketBuffer;
use super::packetizer::Packetizer;
use super::plain_entry::PlainEntry;
use crate::codec::{CodecParameters, vp9};
use crate::frame::Frame;
use crate::wire::{ParseError, Reader};

const CLOCK_RATE: u32 = 90_000;

/// Bits of the first byte of a payload descriptor (section 4.2): PictureID, inter-picture prediction,
/// layer indices, flexible mode, beginning and end of a frame, scalability structure.
const I: u8 = 0x80;
const P: u8 = 0x40;
const L: u8 = 0x20;
const F: u8 = 0x10;
const B: u8 = 0x08;
const E: u8 = 0x04;
const V: u8 = 0x02;
/// Bit of a PictureID that has 15 bits.
const M: u8 = 0x80;
/// Bit of a reference index that another follows.
const N: u8 = 0x01;
/// Bits of a scalability structure: frame sizes, picture group.
const Y: u8 = 0x10;
const G: u8 = 0x08;

/// Most reference indices of a picture in flexible mode.
const MAX_REFERENCES: usize = 3;
/// Length of the descriptor that each packet has: flags and a PictureID of 15 bits.
const DESCRIPTOR_LEN: usize = 3;

/// Cuts frames of VP9 into RTP payloads in non-flexible mode, without layers and with a PictureID. Key
/// frames have a scalability structure, which states their size. A superframe (VP9 specification,
/// annex B) is one frame.
#[derive(Debug, Default)]
pub struct Vp9Packetizer {
    picture_id: u16,
}

impl Vp9Packetizer {
    /// Creates a packetizer for one stream.
    pub const fn new() -> Self {
        Self { picture_id: 0 }
    }
}

impl Packetizer for Vp9Packetizer {
    fn packetize(&mut self, frame: &Frame, out: &mut PacketBuffer) {
        let [high, low] = self.picture_id.to_be_bytes();
        let size = vp9::size(&frame.data);
        let predicted = if size.is_none() { P } else { 0 };
        let len = frame.data.len();
        put_fragments(&frame.data, frame.flags.ends_access_unit, out, |offset, out| {
            let structure = size.filter(|_| offset == 0).and_then(scalability_structure);
            let head = DESCRIPTOR_LEN + structure.map_or(0, |structure| structure.len());
            let is_last = len - offset <= out.room().saturating_sub(head);
            let begin = if offset == 0 { B } else { 0 };
            let end = if is_last { E } else { 0 };
            let has_structure = if structure.is_some() { V } else { 0 };
            out.put(&[I | predicted | begin | end | has_structure, M | high, low]);
            out.put(structure.as_ref().map_or(&[][..], |structure| structure));
        });
        self.picture_id = (self.picture_id + 1) & 0x7fff;
    }
}

/// One layer with a size, and no picture group (section 4.2.1). `None` for sizes that 16 bits cannot
/// state.
fn scalability_structure((width, height): (u32, u32)) -> Option<[u8; 5]> {
    let [w, h] = [u16::try_from(width).ok()?, u16::try_from(height).ok()?].map(u16::to_be_bytes);
    Some([Y, w[0], w[1], h[0], h[1]])
}

/// What matters of a payload descriptor.
struct Descriptor {
    /// The packet is the first of a layer's frame.
    begins_frame: bool,
    /// The number of the spatial layer.
    layer: u8,
}

impl Descriptor {
    /// Reads the descriptor, behind which the reader then stands.
    fn read(r: &mut Reader<'_>) -> Result<Self, ParseError> {
        const WHAT: &str = "VP9 payload descriptor";
        let first = r.u8(WHAT)?;
        if first & I != 0 && r.u8(WHAT)? & M != 0 {
            r.u8(WHAT)?;
        }
        let mut layer = 0;
        if first & L != 0 {
            layer = r.u8(WHAT)? >> 1 & 7;
            if first & F == 0 {
                r.u8("VP9 TL0PICIDX")?;
            }
        }
        if first & F != 0 && first & P != 0 {
            for count in 1.. {
                if r.u8("VP9 reference index")? & N == 0 {
                    break;
                }
                if count == MAX_REFERENCES {
                    return Err(r.invalid("VP9 reference index"));
                }
            }
        }
        if first & V != 0 {
            skip_scalability_structure(r)?;
        }
        Ok(Self { begins_frame: first & B != 0, layer })
    }
}

/// Section 4.2.1.
fn skip_scalability_structure(r: &mut Reader<'_>) -> Result<(), ParseError> {
    const WHAT: &str = "VP9 scalability structure";
    let first = r.u8(WHAT)?;
    if first & Y != 0 {
        let layers = usize::from(first >> 5) + 1;
        r.take(4 * layers, WHAT)?;
    }
    if first & G != 0 {
        for _ in 0..r.u8(WHAT)? {
            let references = r.u8(WHAT)? >> 2 & 3;
            r.take(usize::from(references), WHAT)?;
        }
    }
    Ok(())
}

/// Assembles frames of VP9 from RTP payloads in flexible and in non-flexible mode. A frame has all
/// spatial layers of its picture that come, one behind the other. One of which a packet is missing is
/// dropped.
#[derive(Debug, Default)]
pub struct Vp9Depacketizer {
    fragments: Fragments,
    /// Timestamp of a picture of which packets are missing.
    broken: Option<u32>,
}

impl Vp9Depacketizer {
    /// Creates a depacketizer for one stream.
    pub const fn new() -> Self {
        Self { fragments: Fragments::new(), broken: None }
    }

    fn finish(&mut self, out: &mut DepacketizedFrames) {
        if let Some(frame) = self.fragments.finish() {
            let key = vp9::is_key(&frame.data);
            out.push(DepacketizedFrame { key, ..frame });
        }
    }

    fn handle_fragment(
        &mut self,
        payload: &RtpPayload<'_>,
        out: &mut DepacketizedFrames,
    ) -> Result<(), ParseError> {
        let mut r = Reader::new(payload.data);
        let descriptor = Descriptor::read(&mut r)?;
        if r.is_empty() {
            return Err(r.invalid("VP9 payload"));
        }
        // Without a loss, lower layers are missing because a middlebox has left them out.
        let may_begin = descriptor.layer == 0 || self.broken != Some(payload.timestamp);
        if descriptor.begins_frame && may_begin && !self.fragments.is_begun() {
            self.fragments.begin(payload.timestamp, out);
            self.broken = None;
        }
        self.fragments.push(r.rest(), out);
        Ok(())
    }
}

impl Depacketizer for Vp9Depacketizer {
    fn handle_payload(
        &mut self,
        payload: &RtpPayload<'_>,
        out: &mut DepacketizedFrames,
    ) -> Result<(), ParseError> {
        if self.fragments.handle_packet(payload, out) {
            self.finish(out);
        }
        if payload.lost {
            self.broken = Some(payload.timestamp);
        }
        let result = self.handle_fragment(payload, out);
        if result.is_err() {
            self.fragments.abandon(out);
        }
        if !self.fragments.is_begun() {
            self.broken = Some(payload.timestamp);
        }
        if payload.marker {
            self.finish(out);
        }
        result
    }

    fn handle_end(&mut self, out: &mut DepacketizedFrames) {
        self.fragments.handle_end(out);
    }
}

fn payload_facts(payload: &[u8]) -> PayloadFacts {
    let mut r = Reader::new(payload);
    let Ok(descriptor) = Descriptor::read(&mut r) else { return PayloadFacts::default() };
    let can_start = descriptor.begins_frame && vp9::is_key(r.remaining());
    PayloadFacts { can_start, has_picture: !r.is_empty(), ..PayloadFacts::default() }
}

/// The registry entry of VP9.
pub(super) const ENTRY: PlainEntry = PlainEntry {
    media: "video",
    names: &["VP9"],
    clock_rate: CLOCK_RATE,
    fmtp: |parameters| {
        let CodecParameters::Vp9 { profile } = parameters else { return None };
        Some(profile.map(|profile| format!("profile-id={profile}")))
    },
    // A profile that does not exist is left out: the stream states its own.
    parameters: |format| {
        let profile = format.parameter("profile-id").and_then(|value| value.parse().ok());
        CodecParameters::Vp9 { profile: profile.filter(|id| *id <= 3) }
    },
    packetizer: |_| Box::new(Vp9Packetizer::new()),
    depacketizer: |_| Box::new(Vp9Depacketizer::new()),
    key_frame_test: Some(|data| PictureFacts::picture(vp9::is_key(data))),
    payload_test: Some(payload_facts),
};

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::vp9::tests::{INTER, KEY};
    use crate::payload::testing::{
        Received, payloads_of, survives_garbage, timed, transmits_pictures,
    };

    #[test]
    fn what_goes_in_comes_out_or_is_marked() {
        transmits_pictures(&CodecParameters::Vp9 { profile: None }, [&KEY, &INTER]);
    }

    #[test]
    fn garbage_is_survived() {
        survives_garbage(Vp9Depacketizer::new());
    }

    #[test]
    fn packets_have_a_descriptor_and_key_frames_their_size() {
        let mut p = Vp9Packetizer { picture_id: 0x7fff };
        let frame = timed([&KEY[..], &[7; 20]].concat(), 0, 3000, CLOCK_RATE);
        // Section 4.2: I, B and V with 15 bits of PictureID; one layer with its size, 352 × 288; then
        // I and E.
        let first = [&[0x8a, 0xff, 0xff, 0x10, 1, 0x60, 1, 0x20][..], &KEY, &[7; 6]].concat();
        let second = [&[0x84, 0xff, 0xff][..], &[7; 14]].concat();
        assert_eq!(payloads_of(&mut p, &frame, 24), [(first, false), (second, true)]);
        // I, P, B and E.
        let frame = timed(INTER.to_vec(), 0, 3000, CLOCK_RATE);
        let only = [&[0xcc, 0x80, 0x00][..], &INTER].concat();
        assert_eq!(payloads_of(&mut p, &frame, 24), [(only, true)], "numbers wrap");
    }

    #[test]
    fn descriptors_of_every_kind_are_read() {
        let mut d = Received::new(Vp9Depacketizer::new());
        for (timestamp, head) in (0..).zip([
            &[0x0c][..],
            // Section 4.2: PictureIDs; layer indices with TL0PICIDX; in flexible mode without it,
            // with one and with three reference indices.
            &[0x8c, 0x11],
            &[0x8c, 0x91, 0x22],
            &[0x2c, 0x40, 0x33],
            &[0xbc, 0x11, 0x00],
            &[0xdc, 0x11, 0x02],
            &[0xfc, 0x11, 0x00, 0x03, 0x05, 0x06],
            // Section 4.2.1: two layers with sizes; a picture group of two pictures with one and two
            // references; both.
            &[0x0e, 0x30, 1, 0, 1, 0, 2, 0, 2, 0],
            &[0x0e, 0x08, 2, 0x04, 1, 0x48, 1, 2],
            &[0x8e, 0x11, 0x18, 1, 0, 1, 0, 1, 0x00],
            &[0x0e, 0x00],
        ]) {
            let payload = [head, &KEY].concat();
            d.handle_payload(&payload, true, timestamp, false).unwrap();
            let frame = d.poll_frame().unwrap_or_else(|| panic!("{head:?}"));
            assert_eq!((frame.data, frame.timestamp), (KEY.to_vec().into(), timestamp));
            assert!(frame.key && !frame.damaged && !frame.discontinuity);
        }
        for bad in [
            &[][..],
            &[0x0c],
            &[0x8c, 0x91],
            &[0x2c, 0x40],
            &[0xdc, 0x11, 0x03, 0x03, 0x03, 0x02, 9],
            &[0x0e, 0x30, 1, 0, 1, 0, 2],
            &[0x0e, 0x08, 9, 0x04, 1],
        ] {
            assert!(d.handle_payload(bad, true, 90, false).is_err(), "{bad:?}");
            assert!(d.poll_frame().is_none());
        }
    }

    /// A packet of layer `sid`, with its layer indices and TL0PICIDX.
    fn layer(sid: u8, flags: u8, body: &[u8]) -> Vec<u8> {
        [&[L | flags, sid << 1, 0][..], body].concat()
    }

    #[test]
    fn a_frame_has_all_layers_of_its_picture() {
        let mut d = Received::new(Vp9Depacketizer::new());
        let mut feed = |packets: &[(&[u8], bool)], timestamp, lost_at: Option<usize>| {
            for (i, (packet, marker)) in packets.iter().enumerate() {
                if lost_at != Some(i) {
                    let lost = i > 0 && lost_at == Some(i - 1);
                    d.handle_payload(packet, *marker, timestamp, lost).unwrap();
                }
            }
            d.poll_frame()
        };
        let (base, middle, end) =
            (layer(0, B | E, &KEY), layer(1, B, &INTER), layer(1, E, &[1, 2]));
        let top = layer(2, B | E, &[3]);
        let picture = [(&base[..], false), (&middle, false), (&end, false), (&top, true)];
        let frame = feed(&picture, 1, None).unwrap();
        assert_eq!(frame.data, [&KEY[..], &INTER, &[1, 2, 3]].concat());
        assert!(frame.key && !frame.discontinuity);
        // Whichever is lost, the rest is no whole picture.
        for lost in 0..3 {
            assert_eq!(feed(&picture, 2 + lost as u32, Some(lost)), None, "{lost}");
        }
        let frame = feed(&picture, 6, None).unwrap();
        assert!(frame.discontinuity && !frame.damaged);
        // A middlebox sends the upper layers only.
        let frame = feed(&picture[1..], 7, None).unwrap();
        assert_eq!(frame.data, [&INTER[..], &[1, 2, 3]].concat());
        assert!(!frame.discontinuity);
    }

    #[test]
    fn a_picture_may_lack_the_marker() {
        let mut d = Received::new(Vp9Depacketizer::new());
        d.handle_payload(&layer(0, B | E, &KEY), false, 5, false).unwrap();
        d.handle_payload(&layer(1, B | E, &[4]), false, 5, false).unwrap();
        assert!(d.poll_frame().is_none());
        d.handle_payload(&layer(0, B | E, &INTER), false, 6, false).unwrap();
        assert_eq!(d.poll_frame().unwrap().data, [&KEY[..], &[4]].concat());
        d.handle_end();
        assert!(d.poll_frame().is_none(), "nothing tells that it is whole");
    }

    #[test]
    fn viewers_begin_with_the_first_packet_of_a_key_frame() {
        let facts = |payload: &[u8]| {
            let facts = payload_facts(payload);
            (facts.can_start, facts.has_picture)
        };
        assert_eq!(facts(&layer(0, B | E, &KEY)), (true, true));
        assert_eq!(facts(&layer(0, B, &INTER)), (false, true));
        assert_eq!(facts(&layer(0, E, &KEY)), (false, true));
        assert_eq!(facts(&[0x8e, 0x11]), (false, false));
        assert_eq!(facts(&[]), (false, false));
    }
}

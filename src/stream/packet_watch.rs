//! [`PacketWatch`]: finds the packets of a relayed stream with which a viewer can begin, without
//! assembling frames.
//!
//! A viewer needs the parameter sets in front of a key picture, and packets are not held back until
//! the picture comes. So an access unit that begins with parameter sets is taken for a key frame,
//! until such a unit of the stream turns out to be none: a few encoders send the sets before every
//! picture.

use crate::payload::PayloadTest;
use crate::rtp::ReceivedPacket;
use crate::stream::key_frames::FramePart;

/// Watches the packets of one stream.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PacketWatch {
    test: Option<PayloadTest>,
    is_video: bool,
    /// Timestamp of the present access unit.
    timestamp: Option<u32>,
    /// Its last packet has not come yet, as far as the marker tells.
    inside: bool,
    unit: UnitSoFar,
    /// Parameter sets were found before a picture with which decoding cannot start.
    sets_mislead: bool,
}

/// What has come of the present access unit.
#[derive(Clone, Copy, Debug, Default)]
struct UnitSoFar {
    had_sets: bool,
    /// A message before the picture says that decoding can start with it.
    can_start: bool,
    had_picture: bool,
    said_key: bool,
}

impl PacketWatch {
    pub(crate) const fn new(test: Option<PayloadTest>, is_video: bool) -> Self {
        let unit =
            UnitSoFar { had_sets: false, can_start: false, had_picture: false, said_key: false };
        Self { test, is_video, timestamp: None, inside: false, unit, sets_mislead: false }
    }

    pub(crate) const fn is_video(&self) -> bool {
        self.is_video
    }

    /// Whether key frames are told from other frames.
    pub(crate) const fn finds_key_frames(&self) -> bool {
        self.is_video && self.test.is_some()
    }

    /// Whether the access unit of the last packet goes on, as far as the marker tells.
    pub(crate) const fn is_inside(&self) -> bool {
        self.inside
    }

    /// Notes that the next packet has no relation to those before.
    pub(crate) const fn reset(&mut self) {
        (self.timestamp, self.inside) = (None, false);
    }

    /// Returns the role of the next packet in its access unit. A unit ends where the timestamp
    /// changes; markers are set by some devices wherever they like.
    pub(crate) fn handle_packet(&mut self, packet: &ReceivedPacket<'_>) -> FramePart {
        let starts_unit = self.timestamp != Some(packet.timestamp);
        self.timestamp = Some(packet.timestamp);
        self.inside = !packet.marker;
        if !self.is_video {
            return FramePart { starts_unit: true, key: true };
        }
        if starts_unit {
            self.unit = UnitSoFar::default();
        }
        let Some(test) = self.test else {
            return FramePart { starts_unit, key: starts_unit };
        };
        if self.unit.had_picture {
            return FramePart { starts_unit, key: false };
        }
        let facts = test(packet.payload);
        let unit = &mut self.unit;
        unit.had_sets |= facts.has_parameter_sets;
        unit.can_start |= facts.can_start || facts.is_intra && unit.had_sets;
        if facts.has_picture {
            unit.had_picture = true;
            self.sets_mislead |= unit.had_sets && !unit.can_start && packet.lost_before == 0;
        }
        let begins = unit.can_start || unit.had_sets && !self.sets_mislead;
        let key = begins && !unit.said_key;
        unit.said_key |= key;
        FramePart { starts_unit, key }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::payload::{FormatRegistry, PayloadFormat};
    use crate::rtp::testing::some_instant;

    const DELIMITER: &[u8] = &[9, 0xf0];
    const SPS: &[u8] = &[0x67, 66, 0, 10];
    const PPS: &[u8] = &[0x68, 1];
    const RECOVERY_POINT: &[u8] = &[6, 6, 1, 0x84, 0x80];
    const IDR: &[u8] = &[0x65, 0x88, 0x80];
    const I_SLICE: &[u8] = &[0x41, 0b1000_1000, 0x80];
    const P_SLICE: &[u8] = &[0x41, 0b1001_1010, 0x80];

    fn watch(media: &'static str, name: &'static str) -> PacketWatch {
        let format = PayloadFormat::new(media, name, 90_000, 96);
        let test = FormatRegistry::standard().payload_test(&format);
        PacketWatch::new(test, media == "video")
    }

    /// The roles of the packets of access units: `s` starts one, `k` is where a viewer can begin.
    fn roles(watch: &mut PacketWatch, units: &[&[&[u8]]]) -> String {
        let mut said = String::new();
        let base = watch.timestamp.unwrap_or(0);
        for (n, unit) in (1..).zip(units) {
            for payload in *unit {
                let packet = ReceivedPacket::new(payload, base + n, some_instant());
                let FramePart { starts_unit, key } = watch.handle_packet(&packet);
                said.push_str(match (starts_unit, key) {
                    (true, true) => "sk ",
                    (true, false) => "s ",
                    (false, true) => "k ",
                    (false, false) => "- ",
                });
            }
        }
        said
    }

    #[test]
    fn a_viewer_begins_with_the_parameter_sets_or_the_picture() {
        let mut h264 = watch("video", "H264");
        assert!(h264.finds_key_frames());
        assert_eq!(roles(&mut h264, &[&[SPS, PPS, IDR, IDR], &[P_SLICE]]), "sk - - - s ");
        assert_eq!(roles(&mut h264, &[&[DELIMITER, SPS, PPS, IDR]]), "s k - - ");
        assert_eq!(roles(&mut h264, &[&[IDR, IDR], &[P_SLICE, IDR]]), "sk - s - ");
        assert_eq!(roles(&mut h264, &[&[RECOVERY_POINT, P_SLICE]]), "sk - ");
        assert_eq!(roles(&mut h264, &[&[PPS, I_SLICE], &[SPS, I_SLICE]]), "s - sk - ");
        // Fragments: only the first can tell.
        let (first, next) = (&[0x7c, 0x85, 0x88, 0x80][..], &[0x7c, 0x05, 1][..]);
        assert_eq!(roles(&mut h264, &[&[first, next], &[next, first]]), "sk - s - ");
    }

    #[test]
    fn sets_before_other_pictures_are_no_beginning_any_more() {
        let mut h264 = watch("video", "H264");
        let units: [&[&[u8]]; 3] = [&[SPS, PPS, P_SLICE], &[SPS, PPS, P_SLICE], &[SPS, IDR]];
        assert_eq!(roles(&mut h264, &units), "sk - - s - - s k ");
    }

    #[test]
    fn what_nothing_is_known_of_begins_with_every_frame_and_sound_with_every_packet() {
        let mut unknown = watch("video", "H261");
        assert!(!unknown.finds_key_frames());
        assert_eq!(roles(&mut unknown, &[&[IDR, IDR], &[IDR]]), "sk - sk ");
        let mut sound = watch("audio", "PCMU");
        assert_eq!(roles(&mut sound, &[&[IDR, IDR], &[IDR]]), "sk sk sk ");
    }
}

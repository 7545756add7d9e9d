//! [`H264Framer`]: cuts H.264 byte streams (ISO/IEC 14496-10 annex B) into access units. Reference:
//! clause 7.4.1.2.3, the order of NAL units and the boundaries of access units.

use super::ahead::Ahead;
use super::annexb;
use super::leading::RefreshCycle;
use super::timeline::RemovalClock;
use super::video::{NalRole, Picture, PictureTime, Syntax, VideoFramer};
use crate::codec::bits::BitReader;
use crate::codec::h264::sei::sei_messages;
use crate::codec::h264::{
    ParameterSets, PicOrder, SliceHeader, Sps, Structure, nal_type, nal_unit_type,
};
use bytes::Bytes;

/// Cuts an H.264 byte stream into access units; both fields of a frame form one.
pub type H264Framer = VideoFramer<H264Syntax>;

/// The rules of H.264.
#[derive(Debug, Default)]
pub struct H264Syntax {
    sets: ParameterSets,
    order: PicOrder,
    /// Header of the previous slice.
    previous: Option<SliceHeader>,
    /// Whether the previous slice belongs to a field whose other field has not arrived.
    first_field: bool,
    /// Whether the previous slice belongs to the second field of a frame.
    second_field: bool,
    /// Information about the next picture.
    ahead: Ahead,
    refresh: RefreshCycle,
    removal: RemovalClock,
    /// Whether a NAL unit that begins an access unit followed the previous slice.
    led: bool,
}

impl H264Syntax {
    fn handle_slice(&mut self, nal: &[u8]) -> NalRole {
        let header = match SliceHeader::parse(nal, &self.sets) {
            Ok(header) => header,
            Err(e) => {
                log::trace!("slice header: {e}");
                return self.handle_unreadable_slice(nal);
            }
        };
        let mut role = NalRole::Continues { inter: !self.second_field && !header.is_intra() };
        let begins_again = self.begins_again(&header);
        match &self.previous {
            Some(previous) if !begins_again && !header.starts_picture_after(previous) => {}
            Some(first) if self.first_field && header.completes_field_of(first) => {
                self.first_field = false;
                // It may refer to the first field, so whatever it is says nothing of the frame.
                self.second_field = true;
                role = NalRole::Continues { inter: false };
                self.picture_time(&header);
                self.picture_order(&header);
            }
            _ => role = self.picture(&header),
        }
        self.previous = Some(header);
        role
    }

    /// Whether a slice must belong to another picture although its header shows no difference: some
    /// encoders write only IDR pictures, all with the same `idr_pic_id`.
    fn begins_again(&mut self, header: &SliceHeader) -> bool {
        let led = std::mem::take(&mut self.led);
        if header.first_mb != 0 {
            return false;
        }
        // Redundant slices and arbitrary slice order, which only the Baseline and Extended
        // profiles have, and separate colour planes bring a first macroblock more than once.
        led || self.sets.for_slice(header.pps_id).is_some_and(|(_, sps)| {
            let constrained = sps.constraint_flags & 0x40 != 0;
            !sps.separate_colour_planes && (constrained || !matches!(sps.profile_idc, 66 | 88))
        })
    }

    fn picture(&mut self, header: &SliceHeader) -> NalRole {
        self.first_field = header.structure != Structure::Frame;
        self.second_field = false;
        // As [`super::leading::leading_units`] decides.
        let key = header.idr || self.ahead.recovery_point || (self.ahead.sps && header.is_intra());
        let key = self.refresh.can_start(key, self.ahead.sps);
        let time = self.picture_time(header);
        let sps = self.sets.for_slice(header.pps_id).map(|(_, sps)| sps);
        let reorder_depth = sps.map_or(0, Sps::reorder_depth);
        NalRole::Picture(Picture {
            order: self.picture_order(header),
            restart: header.idr || header.resets_order,
            key,
            // To a picture that is no reference, nothing refers that follows.
            intra: header.is_intra() && header.nal_ref_idc != 0,
            reorder_depth,
            time,
            restarts_clock: false,
        })
    }

    /// The timing of the picture with this slice header.
    fn picture_time(&mut self, header: &SliceHeader) -> PictureTime {
        let ahead = std::mem::take(&mut self.ahead);
        let Some((_, sps)) = self.sets.for_slice(header.pps_id) else {
            return PictureTime::default();
        };
        let timing = ahead.picture_timing.and_then(|message| message.picture_timing(sps));
        let fields = match timing.and_then(|timing| timing.pic_struct) {
            // Table D-1; a single field lasts as long as both, if they follow.
            _ if header.structure != Structure::Frame => 2,
            Some(5 | 6) => 3,
            Some(7) => 4,
            Some(8) => 6,
            _ => 2,
        };
        let output = timing.zip(sps.hrd).and_then(|(timing, hrd)| {
            self.removal.output(&timing, ahead.buffering_period, hrd.cpb_removal_delay)
        });
        PictureTime { repeated: (fields, 2), output, ..time_of(sps) }
    }

    fn picture_order(&mut self, header: &SliceHeader) -> Option<i64> {
        let (_, sps) = self.sets.for_slice(header.pps_id)?;
        Some(self.order.handle_picture(header, sps))
    }

    /// Handles a slice whose parameter sets are missing: its first macroblock is known
    /// nevertheless.
    fn handle_unreadable_slice(&mut self, nal: &[u8]) -> NalRole {
        let first_mb = BitReader::new(nal.get(1..).unwrap_or_default()).ue("first_mb_in_slice");
        if first_mb != Ok(0) {
            return NalRole::Continues { inter: true };
        }
        self.previous = None;
        (self.first_field, self.second_field) = (false, false);
        self.ahead = Ahead::default();
        NalRole::Picture(Picture {
            order: None,
            restart: false,
            key: false,
            intra: false,
            reorder_depth: 0,
            time: self.sets.first_sps().map(time_of).unwrap_or_default(),
            restarts_clock: false,
        })
    }
}

/// The timing that a sequence parameter set states for every picture.
fn time_of(sps: &Sps) -> PictureTime {
    let field = sps.field_duration();
    PictureTime {
        duration: field.map(|(ticks, scale)| (u64::from(ticks) * 2, u64::from(scale))),
        clock: sps.timing.map(|timing| (timing.num_units_in_tick, timing.time_scale)),
        ..PictureTime::default()
    }
}

impl Syntax for H264Syntax {
    fn handle_nal(&mut self, nal: &[u8]) -> NalRole {
        let nal_type = nal_unit_type(nal);
        // A prefix NAL unit precedes each slice, not only the first.
        self.led |= matches!(nal_type, nal_type::SEI..=nal_type::AUD);
        match nal_type {
            nal_type::SLICE | nal_type::PARTITION_A | nal_type::IDR => self.handle_slice(nal),
            nal_type::SEI => {
                self.ahead.handle_sei(sei_messages(nal));
                NalRole::Leads
            }
            nal_type::SPS | nal_type::PPS => {
                self.ahead.sps |= nal_type == nal_type::SPS;
                self.sets.handle_nal(nal);
                NalRole::Leads
            }
            nal_type::AUD | nal_type::PREFIX..=18 => NalRole::Leads,
            _ => NalRole::Trails,
        }
    }

    fn reset(&mut self) {
        let sets = std::mem::take(&mut self.sets);
        *self = Self { sets, refresh: RefreshCycle::AFTER_SEEK, ..Self::default() };
    }

    fn picture_time(&self) -> PictureTime {
        self.sets.first_sps().map(time_of).unwrap_or_default()
    }

    fn parameter_sets(&self) -> Vec<Bytes> {
        self.sets.sps().chain(self.sets.pps()).cloned().collect()
    }
}

/// Returns the sequence and picture parameter sets in an access unit, in order of appearance.
pub fn parameter_sets_in(access_unit: &Bytes) -> (Vec<Bytes>, Vec<Bytes>) {
    let (mut sps, mut pps) = (Vec::new(), Vec::new());
    for nal in annexb::shared_nal_units(access_unit) {
        match nal_unit_type(&nal) {
            nal_type::SPS => sps.push(nal),
            nal_type::PPS => pps.push(nal),
            _ => {}
        }
    }
    (sps, pps)
}

#[cfg(test)]
mod tests;

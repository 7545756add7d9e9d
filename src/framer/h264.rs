//! [`H264Framer`]: H.264 byte streams (ISO/IEC 14496-10 annex B). Read clause 7.4.1.2.3, the
//! order of NAL units and where access units begin.

use super::annexb;
use super::video::{NalRole, Picture, Syntax, VideoFramer};
use crate::codec::bits::BitReader;
use crate::codec::h264::{
    ParameterSets, PicOrder, SliceHeader, has_recovery_point, nal_type, nal_unit_type,
};
use bytes::Bytes;

/// Cuts an H.264 byte stream into access units; both fields of a frame count as one.
pub type H264Framer = VideoFramer<H264Syntax>;

/// The rules of H.264.
#[derive(Debug, Default)]
pub struct H264Syntax {
    sets: ParameterSets,
    order: PicOrder,
    /// Of the slice before.
    previous: Option<SliceHeader>,
    /// The previous slice is of a field whose other field has not come.
    first_field: bool,
    /// A recovery point message came with the picture that follows.
    recovery_point: bool,
    /// So did a sequence parameter set.
    sps: bool,
    /// A NAL unit that begins an access unit came after the previous slice.
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
        let mut role = NalRole::Continues;
        let begins_again = self.begins_again(&header);
        match &self.previous {
            Some(previous) if !begins_again && !header.starts_picture_after(previous) => {}
            Some(first) if self.first_field && header.completes_field_of(first) => {
                self.first_field = false;
                (self.recovery_point, self.sps) = (false, false);
                self.picture_order(&header);
            }
            _ => role = self.picture(&header),
        }
        self.previous = Some(header);
        role
    }

    /// Whether a slice must be of another picture although its header tells no difference: some
    /// encoders write nothing but IDR pictures, all with the same `idr_pic_id`.
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
        self.first_field = header.structure != crate::codec::h264::Structure::Frame;
        let recovery_point = std::mem::take(&mut self.recovery_point);
        // As [`super::leading::leading_units`] decides.
        let refresh = std::mem::take(&mut self.sps) && matches!(header.slice_type, 2 | 4);
        let sps = self.sets.for_slice(header.pps_id).map(|(_, sps)| sps);
        let reorder_depth = sps.map_or(0, |sps| sps.reorder_depth());
        NalRole::Picture(Picture {
            order: self.picture_order(header),
            restart: header.idr,
            key: header.idr || recovery_point || refresh,
            reorder_depth,
        })
    }

    fn picture_order(&mut self, header: &SliceHeader) -> Option<i64> {
        let (_, sps) = self.sets.for_slice(header.pps_id)?;
        Some(self.order.handle_picture(header, sps))
    }

    /// A slice whose parameter sets are missing: its first macroblock still tells something.
    fn handle_unreadable_slice(&mut self, nal: &[u8]) -> NalRole {
        let first_mb = BitReader::new(nal.get(1..).unwrap_or_default()).ue("first_mb_in_slice");
        if first_mb != Ok(0) {
            return NalRole::Continues;
        }
        self.previous = None;
        self.first_field = false;
        (self.recovery_point, self.sps) = (false, false);
        NalRole::Picture(Picture { order: None, restart: false, key: false, reorder_depth: 0 })
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
                self.recovery_point |= has_recovery_point(nal);
                NalRole::Leads
            }
            nal_type::SPS | nal_type::PPS => {
                self.sps |= nal_type == nal_type::SPS;
                self.sets.handle_nal(nal);
                NalRole::Leads
            }
            nal_type::AUD | nal_type::PREFIX..=18 => NalRole::Leads,
            _ => NalRole::Trails,
        }
    }

    fn reset(&mut self) {
        *self = Self { sets: std::mem::take(&mut self.sets), ..Self::default() };
    }

    fn picture_duration(&self) -> Option<(u64, u64)> {
        let timing = self.sets.first_sps()?.timing?;
        // A tick is a field (E.2.1).
        Some((u64::from(timing.num_units_in_tick) * 2, u64::from(timing.time_scale)))
    }

    fn parameter_sets(&self) -> Vec<Bytes> {
        self.sets.sps().chain(self.sets.pps()).cloned().collect()
    }
}

/// The sequence and picture parameter sets in an access unit, in order of appearance.
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

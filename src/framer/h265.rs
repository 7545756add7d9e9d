//! [`H265Framer`]: H.265 byte streams (ISO/IEC 23008-2 annex B). Read clause 7.4.2.4.4, the order
//! of NAL units and where access units begin.

use super::annexb;
use super::video::{NalRole, Picture, Syntax, VideoFramer};
use crate::codec::h265::{
    ParameterSets, PicOrder, SliceHeader, has_recovery_point, is_idr, is_irap, nal_type,
    nal_unit_type, nuh_layer_id,
};
use bytes::Bytes;

/// Cuts an H.265 byte stream into access units.
pub type H265Framer = VideoFramer<H265Syntax>;

/// The rules of H.265.
#[derive(Debug)]
pub struct H265Syntax {
    sets: ParameterSets,
    order: PicOrder,
    /// The next picture is the first of the bitstream, or the first after an end of sequence.
    at_start: bool,
    /// A recovery point message came with the picture that follows.
    recovery_point: bool,
}

impl Default for H265Syntax {
    fn default() -> Self {
        Self {
            sets: ParameterSets::default(),
            order: PicOrder::default(),
            at_start: true,
            recovery_point: false,
        }
    }
}

impl H265Syntax {
    fn picture(&mut self, nal: &[u8]) -> NalRole {
        let nal_type = nal_unit_type(nal);
        let recovery_point = std::mem::take(&mut self.recovery_point);
        let at_start = std::mem::replace(&mut self.at_start, false);
        // NoRaslOutputFlag (8.1.3); BLA pictures always have it.
        let broken_link = (nal_type::BLA_W_LP..=nal_type::BLA_N_LP).contains(&nal_type);
        let restart = is_irap(nal_type) && (at_start || broken_link || is_idr(nal_type));
        let mut picture = Picture { order: None, restart, key: false, reorder_depth: 0 };
        match SliceHeader::parse(nal, &self.sets) {
            Ok(header) => {
                if let Some((_, sps)) = self.sets.for_slice(header.pps_id) {
                    picture.order = Some(self.order.handle_picture(&header, sps, restart));
                    picture.key = is_irap(nal_type) || recovery_point;
                    picture.reorder_depth = sps.max_num_reorder_pics;
                }
            }
            Err(e) => log::trace!("slice header: {e}"),
        }
        NalRole::Picture(picture)
    }
}

impl Syntax for H265Syntax {
    fn handle_nal(&mut self, nal: &[u8]) -> NalRole {
        // Further layers belong to the access unit of the base layer's picture.
        if nal.len() < 2 || nuh_layer_id(nal) != 0 {
            return NalRole::Trails;
        }
        match nal_unit_type(nal) {
            0..=9 | 16..=21 if SliceHeader::is_first_in_picture(nal) => self.picture(nal),
            0..=9 | 16..=21 => NalRole::Continues,
            nal_type::VPS | nal_type::SPS | nal_type::PPS => {
                self.sets.handle_nal(nal);
                NalRole::Leads
            }
            nal_type::PREFIX_SEI => {
                self.recovery_point |= has_recovery_point(nal);
                NalRole::Leads
            }
            nal_type::AUD | 41..=44 | 48..=55 => NalRole::Leads,
            nal_type::EOS | nal_type::EOB => {
                self.at_start = true;
                NalRole::Trails
            }
            _ => NalRole::Trails,
        }
    }

    fn reset(&mut self) {
        *self = Self { sets: std::mem::take(&mut self.sets), ..Self::default() };
    }

    fn picture_duration(&self) -> Option<(u64, u64)> {
        let timing = self.sets.timing()?;
        Some((u64::from(timing.num_units_in_tick), u64::from(timing.time_scale)))
    }

    fn parameter_sets(&self) -> Vec<Bytes> {
        self.sets.vps().chain(self.sets.sps()).chain(self.sets.pps()).cloned().collect()
    }
}

/// The video, sequence and picture parameter sets in an access unit, in order of appearance.
pub fn parameter_sets_in(access_unit: &Bytes) -> (Vec<Bytes>, Vec<Bytes>, Vec<Bytes>) {
    let (mut vps, mut sps, mut pps) = (Vec::new(), Vec::new(), Vec::new());
    for nal in annexb::shared_nal_units(access_unit) {
        match nal_unit_type(&nal) {
            nal_type::VPS => vps.push(nal),
            nal_type::SPS => sps.push(nal),
            nal_type::PPS => pps.push(nal),
            _ => {}
        }
    }
    (vps, sps, pps)
}

#[cfg(test)]
mod tests;

//! [`H265Framer`]: cuts H.265 byte streams (ISO/IEC 23008-2 annex B) into access units. Reference:
//! clause 7.4.2.4.4, the order of NAL units and the boundaries of access units.

use super::ahead::Ahead;
use super::annexb;
use super::leading::RefreshCycle;
use super::timeline::RemovalClock;
use super::video::{NalRole, Picture, PictureTime, Syntax, VideoFramer};
use crate::codec::h264::sei::SeiMessages;
use crate::codec::h265::{
    ParameterSets, PicOrder, SliceHeader, Sps, is_idr, is_irap, nal_type, nal_unit_type,
    nuh_layer_id,
};
use bytes::Bytes;

/// Cuts an H.265 byte stream into access units.
pub type H265Framer = VideoFramer<H265Syntax>;

/// The rules of H.265.
#[derive(Debug)]
pub struct H265Syntax {
    sets: ParameterSets,
    order: PicOrder,
    /// Whether the next picture is the first of the bitstream, or the first after an end of
    /// sequence.
    at_start: bool,
    /// Information about the next picture.
    ahead: Ahead,
    refresh: RefreshCycle,
    removal: RemovalClock,
}

/// Lowest field rate of interlaced video, with a margin, in Hz.
const SLOWEST_FIELDS: u64 = 40;

impl Default for H265Syntax {
    fn default() -> Self {
        Self {
            sets: ParameterSets::default(),
            order: PicOrder::default(),
            at_start: true,
            ahead: Ahead::default(),
            refresh: RefreshCycle::default(),
            removal: RemovalClock::default(),
        }
    }
}

impl H265Syntax {
    fn picture(&mut self, nal: &[u8]) -> NalRole {
        let nal_type = nal_unit_type(nal);
        let ahead = std::mem::take(&mut self.ahead);
        let at_start = std::mem::replace(&mut self.at_start, false);
        // NoRaslOutputFlag (8.1.3); BLA pictures always have it.
        let broken_link = (nal_type::BLA_W_LP..=nal_type::BLA_N_LP).contains(&nal_type);
        let restart = is_irap(nal_type) && (at_start || broken_link || is_idr(nal_type));
        let mut picture = Picture {
            order: None,
            restart,
            key: false,
            intra: false,
            reorder_depth: 0,
            time: self.sets.first_sps().map(|sps| self.time_of(sps)).unwrap_or_default(),
            restarts_clock: false,
        };
        let header = match SliceHeader::parse(nal, &self.sets) {
            Ok(header) => header,
            Err(e) => {
                log::trace!("slice header: {e}");
                return NalRole::Picture(picture);
            }
        };
        let Some((_, sps)) = self.sets.for_slice(header.pps_id) else {
            return NalRole::Picture(picture);
        };
        let order = self.order.handle_picture(&header, sps, restart);
        picture.order = Some(order);
        let key = is_irap(nal_type) || ahead.recovery_point;
        picture.key = self.refresh.can_start(key, ahead.sps);
        picture.reorder_depth = sps.max_num_reorder_pics;
        picture.time = self.time_of(sps);
        let lengths = sps.vui.hrd.map(|hrd| (hrd.cpb_removal_delay, hrd.dpb_output_delay));
        let timing = ahead
            .picture_timing
            .and_then(|message| message.picture_timing_h265(sps.vui.frame_field_info, lengths));
        let ticks_are_fields = picture.time.duration.is_none_or(|(n, d)| n * SLOWEST_FIELDS <= d);
        picture.time.repeated = match timing.and_then(|timing| timing.pic_struct) {
            // Table E.7: a frame of two fields lasts two ticks. Where a tick is longer than any
            // field, it is that of frames.
            Some(3 | 4) if ticks_are_fields => (2, 1),
            Some(5 | 6) => {
                if ticks_are_fields {
                    (3, 1)
                } else {
                    (3, 2)
                }
            }
            Some(7) => (2, 1),
            Some(8) => (3, 1),
            _ => (1, 1),
        };
        let by_order = self.sets.clock(sps).and_then(|clock| clock.poc_ticks);
        let removal = &mut self.removal;
        picture.time.output = timing
            .zip(lengths)
            .and_then(|(timing, (length, _))| {
                removal.output(&timing, ahead.buffering_period, length)
            })
            .or_else(|| {
                // vui_poc_proportional_to_timing_flag (E.3.1): within a coded video sequence.
                let ticks = by_order?;
                picture.restarts_clock = restart;
                order.checked_mul(i64::from(ticks))
            });
        NalRole::Picture(picture)
    }

    /// The timing that the parameter sets state for every picture that refers to `sps`.
    fn time_of(&self, sps: &Sps) -> PictureTime {
        let Some(clock) = self.sets.clock(sps) else { return PictureTime::default() };
        let timing = clock.timing;
        PictureTime {
            duration: sps.picture_duration(timing),
            clock: Some((timing.num_units_in_tick, timing.time_scale)),
            ..PictureTime::default()
        }
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
            0..=9 | 16..=21 => NalRole::Continues { inter: false },
            nal_type @ (nal_type::VPS | nal_type::SPS | nal_type::PPS) => {
                self.ahead.sps |= nal_type == nal_type::SPS;
                self.sets.handle_nal(nal);
                NalRole::Leads
            }
            nal_type::PREFIX_SEI => {
                self.ahead.handle_sei(SeiMessages::of_payload(nal.get(2..).unwrap_or_default()));
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
        let sets = std::mem::take(&mut self.sets);
        *self = Self { sets, refresh: RefreshCycle::AFTER_SEEK, ..Self::default() };
    }

    fn picture_time(&self) -> PictureTime {
        self.sets.first_sps().map(|sps| self.time_of(sps)).unwrap_or_default()
    }

    fn parameter_sets(&self) -> Vec<Bytes> {
        self.sets.vps().chain(self.sets.sps()).chain(self.sets.pps()).cloned().collect()
    }
}

/// Returns the video, sequence and picture parameter sets in an access unit, in order of
/// appearance.
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

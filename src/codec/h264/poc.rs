//! Decoding of picture order count (8.2.1).

use super::slice::{SliceHeader, Structure};
use super::sps::{PicOrderCount, Sps};

/// Computes the picture order counts of successive pictures, in decoding order.
#[derive(Clone, Debug, Default)]
pub struct PicOrder {
    prev_msb: i64,
    prev_lsb: i64,
    prev_frame_num: u32,
    frame_num_offset: i64,
}

impl PicOrder {
    /// Returns the order count of the picture that contains `slice`; for a frame, that of the field
    /// that is output first. Must be called once for each picture.
    pub fn handle_picture(&mut self, slice: &SliceHeader, sps: &Sps) -> i64 {
        let count = self.count(slice, sps);
        if !slice.resets_order {
            return count;
        }
        // Operation 5: what follows counts from this picture (8.2.1: tempPicOrderCnt; its own
        // earlier field has 0 from now on), and as if its frame_num were 0.
        let top_behind_bottom = match slice.structure {
            Structure::Frame => i64::from(slice.delta_poc_bottom.min(0)).wrapping_neg(),
            Structure::TopField | Structure::BottomField => 0,
        };
        *self = Self { prev_lsb: top_behind_bottom, ..Self::default() };
        0
    }

    fn count(&mut self, slice: &SliceHeader, sps: &Sps) -> i64 {
        let max_frame_num = 1i64 << sps.log2_max_frame_num.min(16);
        if slice.idr {
            self.frame_num_offset = 0;
        } else if self.prev_frame_num > slice.frame_num {
            self.frame_num_offset = self.frame_num_offset.wrapping_add(max_frame_num);
        }
        self.prev_frame_num = slice.frame_num;
        let frame_num = self.frame_num_offset.wrapping_add(i64::from(slice.frame_num));
        match &sps.pic_order_count {
            PicOrderCount::Type0 { log2_max_lsb } => {
                self.type0(slice, 1 << (*log2_max_lsb).min(16))
            }
            PicOrderCount::Type1 {
                offset_for_non_ref_pic,
                offset_for_top_to_bottom_field,
                offsets_for_ref_frame,
                ..
            } => {
                let mut expected = expected_of_cycle(slice, frame_num, offsets_for_ref_frame);
                if slice.nal_ref_idc == 0 {
                    expected = expected.wrapping_add(i64::from(*offset_for_non_ref_pic));
                }
                let top = expected.wrapping_add(i64::from(slice.delta_poc[0]));
                let to_bottom = i64::from(*offset_for_top_to_bottom_field);
                match slice.structure {
                    Structure::TopField => top,
                    Structure::BottomField => top.wrapping_add(to_bottom),
                    Structure::Frame => {
                        let bottom =
                            top.wrapping_add(to_bottom).wrapping_add(i64::from(slice.delta_poc[1]));
                        top.min(bottom)
                    }
                }
            }
            PicOrderCount::Type2 => {
                let doubled = frame_num.wrapping_mul(2);
                if slice.nal_ref_idc == 0 { doubled.wrapping_sub(1) } else { doubled }
            }
        }
    }

    fn type0(&mut self, slice: &SliceHeader, max_lsb: i64) -> i64 {
        if slice.idr {
            (self.prev_msb, self.prev_lsb) = (0, 0);
        }
        let lsb = i64::from(slice.poc_lsb);
        let msb = extend_lsb(lsb, self.prev_lsb, self.prev_msb, max_lsb);
        if slice.nal_ref_idc != 0 {
            (self.prev_msb, self.prev_lsb) = (msb, lsb);
        }
        let first = msb.wrapping_add(lsb);
        match slice.structure {
            Structure::Frame => first.min(first.wrapping_add(i64::from(slice.delta_poc_bottom))),
            _ => first,
        }
    }
}

/// The high bits that bring the count closest to the previous one (8-3; in H.265 8-1).
pub(crate) const fn extend_lsb(lsb: i64, prev_lsb: i64, prev_msb: i64, max_lsb: i64) -> i64 {
    if lsb < prev_lsb && prev_lsb - lsb >= max_lsb / 2 {
        prev_msb.wrapping_add(max_lsb)
    } else if lsb > prev_lsb && lsb - prev_lsb > max_lsb / 2 {
        prev_msb.wrapping_sub(max_lsb)
    } else {
        prev_msb
    }
}

/// expectedPicOrderCnt (8-7 to 8-9) without the offset for non-reference pictures.
fn expected_of_cycle(slice: &SliceHeader, frame_num: i64, offsets: &[i32]) -> i64 {
    let len = offsets.len() as i64;
    if len == 0 {
        return 0;
    }
    let abs_frame_num = if slice.nal_ref_idc == 0 { frame_num.wrapping_sub(1) } else { frame_num };
    if abs_frame_num <= 0 {
        return 0;
    }
    let (cycles, within) = ((abs_frame_num - 1) / len, (abs_frame_num - 1) % len);
    let sum = |offsets: &[i32]| offsets.iter().map(|&o| i64::from(o)).sum::<i64>();
    let partial = offsets.get(..=within as usize).map_or(0, sum);
    cycles.wrapping_mul(sum(offsets)).wrapping_add(partial)
}

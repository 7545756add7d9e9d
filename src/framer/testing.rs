//! Writes small bitstreams for tests: parameter sets and slices of nothing, with true headers.

use super::annexb;
use super::video::{Syntax, VideoFramer};
use crate::frame::Frame;

/// Writes bit fields and Exp-Golomb codes.
#[derive(Debug, Default)]
pub(crate) struct BitWriter {
    bytes: Vec<u8>,
    used: u32,
}

impl BitWriter {
    pub(crate) fn bits(&mut self, n: u32, value: u32) -> &mut Self {
        for i in (0..n).rev() {
            if self.used % 8 == 0 {
                self.bytes.push(0);
            }
            let bit = ((value >> i) & 1) as u8;
            *self.bytes.last_mut().unwrap() |= bit << (7 - self.used % 8);
            self.used += 1;
        }
        self
    }

    pub(crate) fn ue(&mut self, value: u32) -> &mut Self {
        let code = value + 1;
        let len = 32 - code.leading_zeros();
        self.bits(len - 1, 0).bits(len, code)
    }

    pub(crate) fn se(&mut self, value: i32) -> &mut Self {
        let magnitude = value.unsigned_abs();
        self.ue(if value > 0 { magnitude * 2 - 1 } else { magnitude * 2 })
    }

    /// The NAL unit: `header`, what was written, stop bit, emulation prevention.
    pub(crate) fn nal(&mut self, header: &[u8]) -> Vec<u8> {
        self.bits(1, 1);
        let mut nal = header.to_vec();
        let mut zeros = 0;
        for byte in std::mem::take(&mut self.bytes) {
            if zeros >= 2 && byte <= 3 {
                nal.push(3);
                zeros = 0;
            }
            zeros = if byte == 0 { zeros + 1 } else { 0 };
            nal.push(byte);
        }
        self.used = 0;
        nal
    }
}

/// An H.264 SPS.
#[derive(Clone, Copy, Debug)]
pub(crate) struct H264Sps {
    pub(crate) id: u32,
    pub(crate) poc_type: u32,
    pub(crate) fields: bool,
    /// `num_units_in_tick` and `time_scale`.
    pub(crate) timing: Option<(u32, u32)>,
    pub(crate) reorder: Option<u32>,
    /// `fixed_frame_rate_flag`
    pub(crate) fixed: bool,
    /// Picture timing messages tell delays, of 8 bits each.
    pub(crate) hrd: bool,
    /// They tell `pic_struct`.
    pub(crate) pic_struct: bool,
}

impl Default for H264Sps {
    fn default() -> Self {
        Self {
            id: 0,
            poc_type: 0,
            fields: false,
            timing: Some((1, 60)),
            reorder: Some(2),
            fixed: true,
            hrd: false,
            pic_struct: false,
        }
    }
}

impl H264Sps {
    /// Main profile, 192 by 108 after cropping, `frame_num` of 4 bits, order of 6 bits.
    pub(crate) fn nal(self) -> Vec<u8> {
        let mut w = BitWriter::default();
        w.bits(8, 77).bits(8, 0).bits(8, 30).ue(self.id).ue(0).ue(self.poc_type);
        match self.poc_type {
            0 => _ = w.ue(2),
            1 => _ = w.bits(1, 0).se(-1).se(1).ue(2).se(4).se(2),
            _ => {}
        }
        w.ue(2).bits(1, 0).ue(11);
        if self.fields {
            w.ue(3).bits(1, 0).bits(1, 0).bits(1, 1);
            w.bits(1, 1).ue(0).ue(0).ue(0).ue(5);
        } else {
            w.ue(6).bits(1, 1).bits(1, 1);
            w.bits(1, 1).ue(0).ue(0).ue(0).ue(2);
        }
        w.bits(1, 1).bits(4, 0);
        match self.timing {
            Some((tick, scale)) => {
                w.bits(1, 1).bits(32, tick).bits(32, scale).bits(1, u32::from(self.fixed));
            }
            None => _ = w.bits(1, 0),
        }
        w.bits(1, u32::from(self.hrd));
        if self.hrd {
            w.ue(0).bits(8, 0x11).ue(100).ue(100).bits(1, 0);
            w.bits(5, 23).bits(5, 7).bits(5, 7).bits(5, 24);
        }
        w.bits(1, 0);
        if self.hrd {
            w.bits(1, 0);
        }
        w.bits(1, u32::from(self.pic_struct));
        match self.reorder {
            Some(depth) => _ = w.bits(1, 1).bits(1, 1).ue(0).ue(0).ue(0).ue(0).ue(depth).ue(4),
            None => _ = w.bits(1, 0),
        }
        w.nal(&[0x67])
    }
}

/// An H.264 PPS with this id, of SPS 0; read no further than its slice groups.
pub(crate) fn h264_pps(id: u32) -> Vec<u8> {
    BitWriter::default().ue(id).ue(0).bits(2, 0).ue(0).nal(&[0x68])
}

/// A whole one, with weighted prediction.
pub(crate) fn h264_whole_pps(id: u32) -> Vec<u8> {
    let mut w = BitWriter::default();
    w.ue(id).ue(0).bits(2, 0).ue(0).ue(0).ue(0).bits(1, 1).bits(2, 0);
    w.se(0).se(0).se(0).bits(3, 0).nal(&[0x68])
}

/// A P slice of a reference picture whose header is whole, for [`h264_whole_pps`]: with reference
/// picture list modification, weights, and this row of memory management operations and operands.
pub(crate) fn h264_marking_slice(frame_num: u32, poc: u32, operations: &[u32]) -> Vec<u8> {
    let mut w = BitWriter::default();
    w.ue(0).ue(5).ue(0).bits(4, frame_num % 16).bits(6, poc % 64);
    // Two references; modifications of both kinds.
    w.bits(1, 1).ue(1).bits(1, 1).ue(0).ue(3).ue(2).ue(1).ue(3);
    w.ue(5).ue(5).bits(1, 1).se(3).se(-1).bits(1, 0).bits(1, 0).bits(1, 1).se(1).se(2).se(3).se(4);
    w.bits(1, 1);
    for &number in operations {
        w.ue(number);
    }
    w.ue(0).bits(32, 0x5a00_0001).nal(&[0x41])
}

/// SEI messages: of type 0, and of type 1 with these fields of so many bits.
pub(crate) fn timing_sei(header: &[u8], buffering_period: bool, fields: &[(u32, u32)]) -> Vec<u8> {
    let mut w = BitWriter::default();
    if buffering_period {
        w.bits(8, 0).bits(8, 2).bits(16, 0xffff);
    }
    let bits: u32 = fields.iter().map(|(len, _)| len).sum();
    w.bits(8, 1).bits(8, bits.div_ceil(8));
    for &(len, value) in fields {
        w.bits(len, value);
    }
    w.bits((8 - bits % 8) % 8, 0).nal(header)
}

/// An H.264 slice.
#[derive(Clone, Copy, Debug)]
pub(crate) struct H264Slice {
    pub(crate) header: u8,
    pub(crate) first_mb: u32,
    /// 7 by default: all slices of the picture are I slices.
    pub(crate) slice_type: u32,
    pub(crate) frame_num: u32,
    /// `pic_order_cnt_lsb` if the type is 0.
    pub(crate) poc_lsb: Option<u32>,
    pub(crate) idr_pic_id: u32,
    /// `bottom_field_flag` of a field; `None` for a frame.
    pub(crate) bottom: Option<bool>,
    /// Whether the SPS allows fields.
    pub(crate) fields: bool,
}

impl H264Slice {
    /// A slice of an IDR picture.
    pub(crate) const fn idr(idr_pic_id: u32) -> Self {
        Self {
            header: 0x65,
            first_mb: 0,
            slice_type: 7,
            frame_num: 0,
            poc_lsb: Some(0),
            idr_pic_id,
            bottom: None,
            fields: false,
        }
    }

    /// A slice of another picture, referred to or not.
    pub(crate) const fn other(reference: bool, frame_num: u32, poc: u32) -> Self {
        Self {
            header: if reference { 0x41 } else { 0x01 },
            frame_num: frame_num % 16,
            poc_lsb: Some(poc % 64),
            ..Self::idr(0)
        }
    }

    pub(crate) fn nal(self) -> Vec<u8> {
        let mut w = BitWriter::default();
        w.ue(self.first_mb).ue(self.slice_type).ue(0).bits(4, self.frame_num);
        if self.fields {
            match self.bottom {
                Some(bottom) => _ = w.bits(1, 1).bits(1, u32::from(bottom)),
                None => _ = w.bits(1, 0),
            }
        }
        if self.header == 0x65 {
            w.ue(self.idr_pic_id);
        }
        if let Some(lsb) = self.poc_lsb {
            w.bits(6, lsb);
        }
        // As much as a small slice holds.
        w.bits(32, 0x5a00_0001).bits(32, 0x0000_0300).nal(&[self.header])
    }
}

/// The VUI of an H.265 SPS.
#[derive(Clone, Copy, Debug)]
pub(crate) struct H265Vui {
    pub(crate) timing: (u32, u32),
    /// Picture timing messages have `pic_struct`.
    pub(crate) pic_struct: bool,
    /// `num_ticks_poc_diff_one`, if times are proportional to orders.
    pub(crate) poc_ticks: Option<u32>,
    /// Picture timing messages have delays, of 8 bits each.
    pub(crate) hrd: bool,
}

impl Default for H265Vui {
    fn default() -> Self {
        Self { timing: (1, 50), pic_struct: false, poc_ticks: None, hrd: false }
    }
}

/// VPS, SPS and PPS of H.265: 192 by 108, order of 8 bits, 50 pictures per second.
pub(crate) fn h265_parameter_sets(reorder: u32) -> [Vec<u8>; 3] {
    h265_sets_with(reorder, H265Vui::default())
}

/// The same with another VUI.
pub(crate) fn h265_sets_with(reorder: u32, vui: H265Vui) -> [Vec<u8>; 3] {
    let profile = |w: &mut BitWriter| {
        w.bits(8, 1).bits(32, 0x6000_0000).bits(24, 0x90_0000).bits(24, 0).bits(8, 93);
    };
    let mut w = BitWriter::default();
    w.bits(12, 0x0c0).bits(3, 0).bits(1, 1).bits(16, 0xffff);
    profile(&mut w);
    w.bits(1, 1).ue(4).ue(reorder).ue(0).bits(6, 0).ue(0);
    let vps = w.bits(1, 0).bits(1, 0).nal(&[0x40, 1]);
    w.bits(4, 0).bits(3, 0).bits(1, 1);
    profile(&mut w);
    w.ue(0).ue(1).ue(192).ue(112).bits(1, 1).ue(0).ue(0).ue(0).ue(2);
    w.ue(0).ue(0).ue(4).bits(1, 1).ue(4).ue(reorder).ue(0);
    // Block sizes; no scaling lists, amp, sao, pcm.
    w.ue(0).ue(3).ue(0).ue(3).ue(0).ue(0).bits(4, 0);
    // Two reference picture sets, the second predicted from the first of three pictures.
    w.ue(2).ue(2).ue(1).ue(0).bits(1, 1).ue(1).bits(1, 1).ue(0).bits(1, 1);
    w.bits(1, 1).bits(1, 0).ue(0).bits(1, 1).bits(2, 0).bits(2, 1).bits(1, 1);
    // Long-term reference pictures, then the VUI with its timing.
    w.bits(1, 1).ue(1).bits(8, 0).bits(1, 0).bits(2, 0).bits(1, 1);
    w.bits(4, 0).bits(2, 0).bits(1, u32::from(vui.pic_struct)).bits(1, 0);
    w.bits(1, 1).bits(32, vui.timing.0).bits(32, vui.timing.1);
    match vui.poc_ticks {
        Some(ticks) => _ = w.bits(1, 1).ue(ticks - 1),
        None => _ = w.bits(1, 0),
    }
    w.bits(1, u32::from(vui.hrd));
    if vui.hrd {
        // NAL parameters alone, with sub-picture parameters.
        w.bits(3, 0b101).bits(19, 0).bits(12, 0).bits(5, 23).bits(5, 7).bits(5, 7);
        // No fixed rate, no low delay, one buffer.
        w.bits(3, 0).ue(0).ue(1).ue(1).ue(1).ue(1).bits(1, 0);
    }
    w.bits(2, 0);
    let sps = w.nal(&[0x42, 1]);
    let pps = w.ue(0).ue(0).bits(1, 0).bits(1, 0).bits(3, 2).bits(8, 0).nal(&[0x44, 1]);
    [vps, sps, pps]
}

/// A slice segment of H.265 for these parameter sets.
pub(crate) fn h265_slice(nal_type: u8, first: bool, poc: u32) -> Vec<u8> {
    let mut w = BitWriter::default();
    w.bits(1, u32::from(first));
    if (16..=23).contains(&nal_type) {
        w.bits(1, 0);
    }
    w.ue(0);
    if first {
        w.bits(2, 0).ue(2);
        if !matches!(nal_type, 19 | 20) {
            w.bits(8, poc % 256);
        }
    }
    w.bits(32, 0x5a00_0001).nal(&[nal_type << 1, 1])
}

/// The access units of a byte stream that comes in pieces of `size` bytes.
pub(crate) fn frames_of<S: Syntax + Default>(data: &[u8], size: usize) -> Vec<Frame> {
    let mut framer = VideoFramer::<S>::new();
    let mut frames = Vec::new();
    for piece in data.chunks(size) {
        framer.handle_bytes(piece);
        while let Some(frame) = framer.poll_frame().unwrap() {
            frames.push(frame);
        }
    }
    framer.handle_end();
    while let Some(frame) = framer.poll_frame().unwrap() {
        frames.push(frame);
    }
    frames
}

/// Access units given as NAL units come out as those, in pieces of any size.
#[track_caller]
pub(crate) fn assert_units<S: Syntax + Default>(units: &[Vec<Vec<u8>>]) -> Vec<Frame> {
    let mut stream = Vec::new();
    for (i, nal) in units.iter().flatten().enumerate() {
        // Start codes of three bytes and more, with trailing zeros.
        stream.extend_from_slice(&[0; 5][..i % 4]);
        stream.extend_from_slice(&[0, 0, 1]);
        stream.extend_from_slice(nal);
    }
    let whole = frames_of::<S>(&stream, stream.len());
    for size in [1, 2, 3, 7, 64] {
        assert_eq!(frames_of::<S>(&stream, size), whole, "in pieces of {size}");
    }
    assert_eq!(whole.len(), units.len());
    for (i, (frame, unit)) in whole.iter().zip(units).enumerate() {
        let nals: Vec<_> = annexb::nal_units(&frame.data).collect();
        assert_eq!(nals, *unit, "access unit {i}");
    }
    whole
}

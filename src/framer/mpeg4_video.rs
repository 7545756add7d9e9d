//! [`Mpeg4VideoFramer`]: cuts MPEG-4 part 2 video into VOPs.
//!
//! Reference: ISO/IEC 14496-2 sections 6.2 and 6.3.

use super::annexb::from_nal_units;
use super::video::{NalRole, Picture, PictureTime, Syntax, VideoFramer};
use crate::codec::bits::PlainBits;
use crate::codec::mpeg4_video::{Layer, start_code};
use bytes::Bytes;

/// Cuts an MPEG-4 video stream into VOPs, each with the headers before it.
pub type Mpeg4VideoFramer = VideoFramer<Mpeg4VideoSyntax>;

/// Headers of the configuration that are kept, and most bytes of one.
const MAX_HEADERS: usize = 8;
const MAX_HEADER: usize = 1024;
/// Most seconds from a VOP to the next: an hour.
const MAX_SECONDS: u32 = 3600;
const VOP_I: u32 = 0;
const VOP_B: u32 = 2;

/// The rules of MPEG-4 part 2 video.
#[derive(Debug, Default)]
pub struct Mpeg4VideoSyntax {
    /// The headers up to the layer, without start code prefixes.
    headers: Vec<Bytes>,
    /// Whether these headers are followed by more.
    in_headers: bool,
    layer: Option<Layer>,
    /// The seconds of the last VOP that is not of type B, and of the one before.
    seconds: [i64; 2],
    /// Time of the VOP that is presented last, in units of the layer.
    latest: Option<i64>,
}

impl Mpeg4VideoSyntax {
    fn configuration(&mut self, nal: &[u8]) -> NalRole {
        if !std::mem::replace(&mut self.in_headers, true) {
            self.headers.clear();
        }
        if self.headers.len() < MAX_HEADERS && nal.len() <= MAX_HEADER {
            self.headers.push(Bytes::copy_from_slice(nal));
        }
        let is_layer = |code| start_code::VIDEO_OBJECT_LAYER.contains(code);
        if nal.first().is_some_and(is_layer) {
            // Zero bytes at the end belong to what follows, but the last of a header are its own.
            let whole = [&from_nal_units([nal])[..], &[0; 4]].concat();
            self.layer = Layer::of_config(&whole).ok();
        }
        NalRole::Leads
    }

    fn vop(&mut self, nal: &[u8]) -> NalRole {
        self.in_headers = false;
        let mut picture = Picture {
            order: None,
            restart: false,
            key: false,
            intra: false,
            reorder_depth: 0,
            time: self.picture_time(),
            restarts_clock: false,
        };
        let mut b = PlainBits::new(nal.get(1..).unwrap_or_default(), "VOP");
        let kind = b.take(2).unwrap_or(VOP_B);
        (picture.key, picture.intra) = (kind == VOP_I, kind == VOP_I);
        let Some(time) = self.time(&mut b, kind == VOP_B) else { return NalRole::Picture(picture) };
        let low_delay = self.layer.is_some_and(|layer| layer.low_delay == Some(true));
        // Where time goes back the stream begins anew.
        picture.restart = kind == VOP_I && self.latest.is_none_or(|latest| time <= latest);
        picture.restarts_clock = picture.restart;
        self.latest =
            Some(if picture.restart { time } else { time.max(self.latest.unwrap_or(time)) });
        picture.order = Some(time);
        picture.reorder_depth = u32::from(!low_delay);
        picture.time.output = Some(time);
        NalRole::Picture(picture)
    }

    /// When a VOP is presented, in units of the layer (6.3.5, modulo_time_base).
    fn time(&mut self, b: &mut PlainBits<'_>, is_b: bool) -> Option<i64> {
        let resolution = self.layer?.time_resolution;
        let mut passed = 0;
        while b.flag().ok()? {
            passed += 1;
            if passed > MAX_SECONDS {
                return None;
            }
        }
        b.flag().ok()?;
        let bits = (u16::BITS - resolution.checked_sub(1)?.leading_zeros()).max(1);
        let increment = i64::from(b.take(bits).ok()?);
        let [last, before] = self.seconds;
        let second = if is_b { before } else { last } + i64::from(passed);
        if !is_b {
            self.seconds = [second, last];
        }
        Some(second * i64::from(resolution) + increment)
    }

    /// Takes the time code of a group: hours, minutes, seconds.
    fn group(&mut self, nal: &[u8]) {
        self.in_headers = false;
        let mut b = PlainBits::new(nal.get(1..).unwrap_or_default(), "group of VOPs");
        let mut part = |bits| b.take(bits).map(i64::from);
        if let (Ok(hours), Ok(minutes), Ok(_), Ok(seconds)) = (part(5), part(6), part(1), part(6)) {
            let second = (hours * 60 + minutes) * 60 + seconds;
            self.seconds = [second, second];
        }
    }
}

impl Syntax for Mpeg4VideoSyntax {
    fn handle_nal(&mut self, nal: &[u8]) -> NalRole {
        match nal.first().copied().unwrap_or(0) {
            start_code::VOP => self.vop(nal),
            start_code::GROUP => {
                self.group(nal);
                NalRole::Leads
            }
            start_code::USER_DATA if self.in_headers => NalRole::Leads,
            start_code::SEQUENCE | start_code::VISUAL_OBJECT => self.configuration(nal),
            code if start_code::VIDEO_OBJECT.contains(&code) => self.configuration(nal),
            code if start_code::VIDEO_OBJECT_LAYER.contains(&code) => self.configuration(nal),
            _ => NalRole::Trails,
        }
    }

    fn reset(&mut self) {
        let headers = std::mem::take(&mut self.headers);
        *self = Self { headers, layer: self.layer, ..Self::default() };
    }

    fn picture_time(&self) -> PictureTime {
        let Some(layer) = self.layer else { return PictureTime::default() };
        let resolution = layer.time_resolution;
        let duration = layer.fixed_duration.map(|ticks| (u64::from(ticks), u64::from(resolution)));
        PictureTime { duration, clock: Some((1, u32::from(resolution))), ..PictureTime::default() }
    }

    fn parameter_sets(&self) -> Vec<Bytes> {
        self.headers.clone()
    }
}

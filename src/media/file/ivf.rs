//! IVF files: VP8, VP9 or AV1, each picture with its time (the file format of libvpx: a header of 32
//! bytes, and 12 bytes in front of each picture; little-endian).

use super::container::descriptions::{av1, picture};
use super::container::pictures::PictureCodec;
use super::container::window::{Input, Window};
use super::picture_file::{Begun, Layout, PictureProbe, Stored, time_of};
use super::{Probe, ProbeError};
use crate::codec::CodecParameters;
use crate::wire::{ParseError, Reader};
use bytes::Bytes;
use std::io;
use std::path::Path;
use std::time::Duration;

const FILE_HEADER: usize = 32;
const PICTURE_HEADER: usize = 12;
/// Where the header states none: as many pictures a second as encoders assume.
const DEFAULT_RATE: u64 = 30;

/// Starts a probe of an IVF file.
pub fn probe_ivf(path: &Path) -> Result<Box<dyn Probe>, ProbeError> {
    Ok(Box::new(PictureProbe::new(Input::open(path)?, Ivf::begin)?))
}

/// Like [`probe_ivf`], for a file in memory.
pub fn probe_ivf_bytes(bytes: Bytes) -> Result<Box<dyn Probe>, ProbeError> {
    Ok(Box::new(PictureProbe::new(Input::Memory(bytes), Ivf::begin)?))
}

/// The header of a file.
#[derive(Clone, Copy, Debug)]
struct Ivf {
    code: [u8; 4],
    len: u16,
    /// A tick as a fraction of a second.
    unit: (u64, u64),
}

impl Ivf {
    fn parse(bytes: &[u8]) -> Result<Self, ParseError> {
        const WHAT: &str = "IVF header";
        let mut r = Reader::new(bytes);
        if r.take(4, WHAT)? != b"DKIF" {
            return Err(r.invalid(WHAT));
        }
        r.take(2, WHAT)?; // version, which nobody has counted up
        let len = r.u16(WHAT)?.swap_bytes();
        let code = r.array(WHAT)?;
        r.take(4, WHAT)?; // width, height
        let denominator = u64::from(r.u32(WHAT)?.swap_bytes());
        let numerator = u64::from(r.u32(WHAT)?.swap_bytes());
        r.take(8, WHAT)?; // number of pictures, of which writers to pipes know nothing
        let unit = match (numerator, denominator) {
            (0, _) | (_, 0) => (1, DEFAULT_RATE),
            unit => unit,
        };
        Ok(Self { code, len, unit })
    }

    fn begin(window: &mut Window) -> io::Result<Begun> {
        let Ok(header) = Self::parse(window.peek(0, FILE_HEADER)?) else {
            return Ok(Err("not an IVF file".into()));
        };
        let codec = match &header.code {
            b"VP80" => picture(CodecParameters::Vp8, PictureCodec::Vp8),
            b"VP90" => picture(CodecParameters::Vp9 { profile: None }, PictureCodec::Vp9),
            b"AV01" => av1(&[]),
            code => {
                let code = code.escape_ascii();
                return Ok(Err(format!("IVF with {code}: no RTP payload format for it here")));
            }
        };
        let first = usize::from(header.len).max(FILE_HEADER) as u64;
        Ok(Ok((Box::new(header), codec, first)))
    }
}

impl Layout for Ivf {
    fn name(&self) -> &'static str {
        "IVF"
    }

    fn picture(&self, window: &mut Window, at: u64, _n: u64) -> io::Result<Option<Stored>> {
        let mut r = Reader::new(window.peek(at, PICTURE_HEADER)?);
        let (Ok(len), Ok(tick)) = (r.u32("length"), r.u64("time")) else { return Ok(None) };
        let (len, tick) = (u64::from(len.swap_bytes()), tick.swap_bytes());
        let data = at.saturating_add(PICTURE_HEADER as u64);
        let next = data.saturating_add(len);
        // The last may be cut off.
        Ok((next <= window.len()).then_some(Stored { data, len, next, tick }))
    }

    fn time_of(&self, tick: u64) -> Duration {
        time_of(tick, self.unit)
    }
}

//! AV1 in the low-overhead format (AV1 specification section 5.2; `.obu`): OBUs with their lengths,
//! and a temporal delimiter in front of each temporal unit. The file states no times: temporal units
//! follow each other at the rate of the sequence header, or 25 a second.

use super::container::descriptions::av1;
use super::container::window::{Input, Window};
use super::picture_file::{Begun, Layout, PictureProbe, Stored, time_of};
use super::{Probe, ProbeError};
use crate::codec::av1::{SequenceHeader, leb128, obu_type, obus};
use bytes::Bytes;
use std::io;
use std::path::Path;
use std::time::Duration;

/// Most bytes of the header of an OBU with its length.
const OBU_HEADER: usize = 10;
/// OBUs of a temporal unit that are gone through.
const MAX_OBUS: usize = 1 << 10;
const DEFAULT_RATE: (u64, u64) = (25, 1);

/// Starts a probe of an AV1 file in the low-overhead format.
pub fn probe_obu(path: &Path) -> Result<Box<dyn Probe>, ProbeError> {
    Ok(Box::new(PictureProbe::new(Input::open(path)?, begin)?))
}

/// Like [`probe_obu`], for a file in memory.
pub fn probe_obu_bytes(bytes: Bytes) -> Result<Box<dyn Probe>, ProbeError> {
    Ok(Box::new(PictureProbe::new(Input::Memory(bytes), begin)?))
}

#[derive(Clone, Copy, Debug)]
struct ObuFile {
    /// Temporal units a second, as a fraction; `None` until a sequence header was read.
    rate: Option<(u64, u64)>,
}

impl ObuFile {
    const fn unit(self) -> (u64, u64) {
        let (numerator, denominator) = match self.rate {
            Some(rate) => rate,
            None => DEFAULT_RATE,
        };
        (denominator, numerator)
    }
}

/// The type of the OBU at `at`, and the position behind it; `None` if there is no whole one that
/// states its length.
fn obu_at(window: &mut Window, at: u64) -> io::Result<Option<(u8, u64)>> {
    let bytes = window.peek(at, OBU_HEADER)?;
    let Some(&header) = bytes.first() else { return Ok(None) };
    let (has_extension, has_size) = (header & 4 != 0, header & 2 != 0);
    let behind = bytes.get(1 + usize::from(has_extension)..).unwrap_or_default();
    let Ok((len, rest)) = leb128(behind) else { return Ok(None) };
    if header & 0x80 != 0 || !has_size {
        return Ok(None);
    }
    let head = (bytes.len() - rest.len()) as u64;
    let end = at.saturating_add(head).saturating_add(len as u64);
    Ok((end <= window.len()).then_some((header >> 3 & 15, end)))
}

fn begin(window: &mut Window) -> io::Result<Begun> {
    Ok(match obu_at(window, 0)? {
        // Neither an extension nor content.
        Some((obu_type::TEMPORAL_DELIMITER, 2)) => {
            Ok((Box::new(ObuFile { rate: None }), av1(&[]), 0))
        }
        // In the length-delimited format the first byte is a length.
        _ => Err("not an AV1 file in the low-overhead format".into()),
    })
}

impl Layout for ObuFile {
    fn name(&self) -> &'static str {
        "AV1"
    }

    fn note(&mut self, picture: &[u8]) {
        let headers = obus(picture).map_while(Result::ok);
        let header = headers.filter(|obu| obu.obu_type() == obu_type::SEQUENCE_HEADER).last();
        if let (None, Some(obu)) = (self.rate, header) {
            let stated = SequenceHeader::parse(obu.payload).ok().and_then(|h| h.frame_rate);
            // A thousand a second, or one in ten seconds, are no rates.
            let is_rate = |&(n, d): &(u64, u64)| n > 0 && d > 0 && n / d < 1000 && d / n < 10;
            self.rate = Some(stated.filter(is_rate).unwrap_or(DEFAULT_RATE));
        }
    }

    fn picture(&self, window: &mut Window, at: u64, n: u64) -> io::Result<Option<Stored>> {
        let (mut data, mut next) = (at, at);
        for _ in 0..MAX_OBUS {
            match obu_at(window, next)? {
                Some((obu_type::TEMPORAL_DELIMITER, end)) if next == data => {
                    (data, next) = (end, end);
                }
                Some((obu_type::TEMPORAL_DELIMITER, _)) | None => break,
                Some((_, end)) => next = end,
            }
        }
        let len = next - data;
        Ok((len > 0).then_some(Stored { data, len, next, tick: n }))
    }

    fn time_of(&self, tick: u64) -> Duration {
        time_of(tick, self.unit())
    }

    fn number_at(&self, time: Duration) -> u64 {
        let (numerator, denominator) = self.unit();
        let ticks = time.as_nanos() * u128::from(denominator);
        let of_tick = u128::from(numerator) * 1_000_000_000;
        // Times are rounded down.
        u64::try_from(ticks.div_ceil(of_tick.max(1))).unwrap_or(u64::MAX)
    }
}

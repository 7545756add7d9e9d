//! Supplemental enhancement information (7.3.2.3 and annex D; H.265 has the same form): the
//! messages that state where decoding can start and when pictures are due.

use super::nal::{nal_type, nal_unit_type};
use super::sps::Sps;
use crate::codec::bits::BitReader;
use crate::wire::ParseError;

/// Values of `payloadType` that this crate reads; both standards agree on them.
pub(crate) mod payload_type {
    pub(crate) const BUFFERING_PERIOD: u32 = 0;
    pub(crate) const PICTURE_TIMING: u32 = 1;
    pub(crate) const RECOVERY_POINT: u32 = 6;
}

/// Longest part of a message that is needed here, in bytes.
const MAX_KEPT: usize = 16;

/// The beginning of a message. Its interpretation may need a parameter set that is known only with
/// the picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SeiMessage {
    pub(crate) payload_type: u32,
    bytes: [u8; MAX_KEPT],
    len: usize,
}

impl SeiMessage {
    /// Reads fields of the given lengths; the message has no emulation prevention bytes left.
    fn fields<const N: usize>(&self, lengths: [u32; N]) -> Option<[u32; N]> {
        let bytes = self.bytes.get(..self.len)?;
        let mut at = 0_usize;
        let mut values = [0; N];
        for (value, length) in values.iter_mut().zip(lengths) {
            for _ in 0..length {
                let byte = bytes.get(at / 8)?;
                *value = (*value << 1) | u32::from((byte >> (7 - at % 8)) & 1);
                at += 1;
            }
        }
        Some(values)
    }

    /// Parses a picture timing message of H.264 (D.1.2).
    pub(crate) fn picture_timing(&self, sps: &Sps) -> Option<PictureTiming> {
        let delays = sps.hrd.map(|hrd| [hrd.cpb_removal_delay, hrd.dpb_output_delay]);
        let [removal, output] = delays.unwrap_or_default();
        let pic_struct = if sps.pic_struct_present { 4 } else { 0 };
        let [cpb_removal_delay, dpb_output_delay, structure] =
            self.fields([removal, output, pic_struct])?;
        Some(PictureTiming {
            pic_struct: sps.pic_struct_present.then_some(structure),
            delays: delays.map(|_| (cpb_removal_delay, dpb_output_delay)),
        })
    }

    /// Parses a picture timing message of H.265 (D.2.3): `frame_field_info` states that it has a
    /// `pic_struct`, `delays` are the lengths of the delays.
    pub(crate) fn picture_timing_h265(
        &self,
        frame_field_info: bool,
        delays: Option<(u32, u32)>,
    ) -> Option<PictureTiming> {
        let (pic_struct, scan) = if frame_field_info { (4, 3) } else { (0, 0) };
        let (removal, output) = delays.unwrap_or_default();
        let [structure, _, removal_minus1, output] =
            self.fields([pic_struct, scan, removal, output])?;
        Some(PictureTiming {
            pic_struct: frame_field_info.then_some(structure),
            delays: delays.map(|_| (removal_minus1.wrapping_add(1), output)),
        })
    }
}

/// A picture timing message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct PictureTiming {
    /// `pic_struct`: which fields are shown, and how often.
    pub(crate) pic_struct: Option<u32>,
    /// Delays in clock ticks: of removal from the coded picture buffer, counted from the last
    /// buffering period, and of output after removal.
    pub(crate) delays: Option<(u32, u32)>,
}

/// Iterates over the messages of an H.264 SEI NAL unit; none for other NAL units.
pub(crate) fn sei_messages(nal: &[u8]) -> SeiMessages<'_> {
    let payload = if nal_unit_type(nal) == nal_type::SEI { nal.get(1..) } else { None };
    SeiMessages::of_payload(payload.unwrap_or_default())
}

/// See [`sei_messages`].
#[derive(Clone, Debug)]
pub(crate) struct SeiMessages<'a>(BitReader<'a>);

impl<'a> SeiMessages<'a> {
    /// Iterates over the messages of a SEI NAL unit without its header.
    pub(crate) const fn of_payload(payload: &'a [u8]) -> Self {
        Self(BitReader::new(payload))
    }

    fn message(&mut self) -> Result<SeiMessage, ParseError> {
        let (payload_type, size) = (self.number()?, self.number()?);
        let mut message = SeiMessage { payload_type, bytes: [0; MAX_KEPT], len: 0 };
        let size = size as usize; // 32 bits fit.
        for place in message.bytes.iter_mut().take(size) {
            *place = self.0.bits(8, "SEI payload")? as u8;
            message.len += 1;
        }
        for _ in message.len..size {
            // The end of the input ends this, whatever the size says.
            self.0.bits(8, "SEI payload")?;
        }
        Ok(message)
    }

    /// Reads a `payloadType` or `payloadSize` (7.3.2.3.1).
    fn number(&mut self) -> Result<u32, ParseError> {
        let mut value = 0_u32;
        loop {
            let byte = self.0.bits(8, "SEI message header")?;
            value = value.saturating_add(byte);
            if byte != 0xff {
                return Ok(value);
            }
        }
    }
}

impl Iterator for SeiMessages<'_> {
    type Item = SeiMessage;

    fn next(&mut self) -> Option<SeiMessage> {
        // Each reads at least two bytes, so this ends with the input.
        self.message().ok()
    }
}

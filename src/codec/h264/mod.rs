//! H.264 (ISO/IEC 14496-10): NAL unit headers, parameter sets and slice headers.
//!
//! References: clauses 7.3 and 7.4 of the standard, and ISO/IEC 14496-15 section 5.3.3 for `avcC`.

mod nal;
mod poc;
mod pps;
pub(crate) mod sei;
mod sets;
mod slice;
mod sps;

pub use nal::{nal_ref_idc, nal_type, nal_unit_type};
pub use poc::PicOrder;
pub(crate) use poc::extend_lsb;
pub use pps::{Pps, Prediction};
use sei::{SeiMessages, payload_type};
pub use sets::ParameterSets;
pub use slice::{SliceHeader, Structure};
pub(crate) use sps::skip_vui_colours;
pub use sps::{HrdLengths, PicOrderCount, Sps, Timing};
pub(crate) use sps::{MAX_FRAME_SECONDS, USUAL_FRAME_RATE};

use crate::codec::bits::BitReader;
use crate::wire::{ParseError, Reader};
use bytes::Bytes;

/// Returns the `seq_parameter_set_id` of a sequence parameter set; nothing else is checked.
pub fn sps_id(nal: &[u8]) -> Result<u8, ParseError> {
    let mut r = BitReader::new(nal.get(1..).unwrap_or_default());
    r.skip(24, "profile, constraint flags and level")?;
    Ok(r.ue_max(31, "seq_parameter_set_id")? as u8)
}

/// Returns the `pic_parameter_set_id` of a picture parameter set; nothing else is checked.
pub fn pps_id(nal: &[u8]) -> Result<u8, ParseError> {
    let mut r = BitReader::new(nal.get(1..).unwrap_or_default());
    Ok(r.ue_max(255, "pic_parameter_set_id")? as u8)
}

/// Returns whether a slice NAL unit (types 1, 2 and 5) contains an I or SI slice. This does not
/// require the parameter sets.
pub fn is_intra_slice(nal: &[u8]) -> bool {
    let mut r = BitReader::new(nal.get(1..).unwrap_or_default());
    let slice_type = r.ue("first_mb_in_slice").and_then(|_| r.ue_max(9, "slice_type"));
    // Table 7-6: 2 and 4, or five more where all slices of the picture are alike.
    slice_type.is_ok_and(|slice_type| matches!(slice_type % 5, 2 | 4))
}

/// Returns whether a SEI NAL unit contains a recovery point message (D.1.8), so that decoding can
/// start with its access unit.
pub fn has_recovery_point(sei: &[u8]) -> bool {
    has_recovery_point_message(sei.get(1..).unwrap_or_default())
}

/// Like [`has_recovery_point`], for the payload of a SEI NAL unit, which H.265 shares (D.2.8).
pub(crate) fn has_recovery_point_message(payload: &[u8]) -> bool {
    let mut messages = SeiMessages::of_payload(payload);
    messages.any(|message| message.payload_type == payload_type::RECOVERY_POINT)
}

/// Parses an `AVCDecoderConfigurationRecord` (`avcC`; in Matroska the CodecPrivate of
/// `V_MPEG4/ISO/AVC`). Returns the size of the NAL unit length field in bytes, the sequence
/// parameter sets and the picture parameter sets.
pub fn parse_avcc(record: &[u8]) -> Result<(usize, Vec<Bytes>, Vec<Bytes>), ParseError> {
    let mut r = Reader::new(record);
    if r.u8("avcC version")? != 1 {
        return Err(r.invalid("avcC version"));
    }
    r.take(3, "avcC profile and level")?;
    let length_size = usize::from(r.u8("avcC length size")? & 3) + 1;
    let sps_count = r.u8("avcC number of SPS")? & 0x1f;
    let sps = nal_array(&mut r, usize::from(sps_count))?;
    let pps_count = r.u8("avcC number of PPS")?;
    let pps = nal_array(&mut r, usize::from(pps_count))?;
    Ok((length_size, sps, pps))
}

/// Reads `count` NAL units, each after a length of two bytes; empty ones are skipped.
pub(crate) fn nal_array(r: &mut Reader<'_>, count: usize) -> Result<Vec<Bytes>, ParseError> {
    let mut nals = Vec::new();
    for _ in 0..count {
        let len = r.u16("parameter set length")?;
        let nal = r.take(usize::from(len), "parameter set")?;
        if !nal.is_empty() {
            nals.push(Bytes::copy_from_slice(nal));
        }
    }
    Ok(nals)
}

#[cfg(test)]
mod tests;

//! H.265 (ISO/IEC 23008-2): NAL unit headers, parameter sets and slice headers.
//!
//! References: clauses 7.3 and 7.4 of the standard, and ISO/IEC 14496-15 section 8.3.3 for `hvcC`.

mod nal;
mod pps;
mod sets;
mod slice;
mod sps;
mod vui;

pub use nal::{is_idr, is_irap, is_vcl, nal_type, nal_unit_type, nuh_layer_id, temporal_id};
pub use pps::Pps;
pub use sets::{ParameterSets, vps_id};
pub use slice::{PicOrder, SliceHeader};
pub use sps::{ProfileTierLevel, Sps, sps_id, vps_timing};
pub use vui::{PictureClock, Vui};

use crate::codec::bits::BitReader;
use crate::codec::h264::{has_recovery_point_message, nal_array};
use crate::wire::{ParseError, Reader};
use bytes::Bytes;

/// Returns whether a prefix SEI NAL unit contains a recovery point message (D.2.8), so that
/// decoding can start with its access unit, as with gradual decoder refresh.
pub fn has_recovery_point(sei: &[u8]) -> bool {
    has_recovery_point_message(sei.get(2..).unwrap_or_default())
}

/// Returns the `pps_pic_parameter_set_id` of a picture parameter set; nothing else is checked.
pub fn pps_id(nal: &[u8]) -> Result<u8, ParseError> {
    let mut r = BitReader::new(nal.get(2..).unwrap_or_default());
    Ok(r.ue_max(63, "pps_pic_parameter_set_id")? as u8)
}

/// The content of `hvcC`: the size of the NAL unit length field in bytes, and the video, sequence
/// and picture parameter sets.
pub type HvccContent = (usize, Vec<Bytes>, Vec<Bytes>, Vec<Bytes>);

/// Parses an `HEVCDecoderConfigurationRecord` (`hvcC`; in Matroska the CodecPrivate of
/// `V_MPEGH/ISO/HEVC`).
pub fn parse_hvcc(record: &[u8]) -> Result<HvccContent, ParseError> {
    let mut r = Reader::new(record);
    let version = r.u8("hvcC version")?;
    // Files from before the standard was final have 0.
    if version > 1 {
        return Err(r.invalid("hvcC version"));
    }
    r.take(20, "hvcC profile and level")?;
    let length_size = usize::from(r.u8("hvcC length size")? & 3) + 1;
    let (mut vps, mut sps, mut pps) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..r.u8("hvcC number of arrays")? {
        let nal_type = r.u8("hvcC array type")? & 0x3f;
        let count = r.u16("hvcC array length")?;
        let nals = nal_array(&mut r, usize::from(count))?;
        match nal_type {
            nal_type::VPS => vps.extend(nals),
            nal_type::SPS => sps.extend(nals),
            nal_type::PPS => pps.extend(nals),
            _ => {}
        }
    }
    Ok((length_size, vps, sps, pps))
}

#[cfg(test)]
mod tests;

//! The AU header section and the auxiliary section of a payload (RFC 3640 sections 3.2.1 and
//! 3.2.2), in the layout that SDP states (section 4.1).

use crate::codec::bits::PlainBits;
use crate::wire::{ParseError, Reader};

const WHAT: &str = "AU header section";

/// The layout of AU headers: the lengths of their fields in bits, named after the format
/// parameters.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "closed by RFC 3640 section 4.1")]
pub struct AuHeaderLayout {
    /// `sizeLength`: length of AU-size; 0 if there is no such field.
    pub size_length: u8,
    /// `indexLength`: length of AU-Index, in the first header.
    pub index_length: u8,
    /// `indexDeltaLength`: length of AU-Index-delta, in the other headers.
    pub index_delta_length: u8,
    /// `CTSDeltaLength`: length of CTS-delta, which follows a flag; 0: neither is present.
    pub cts_delta_length: u8,
    /// `DTSDeltaLength`: length of DTS-delta, which follows a flag; 0: neither is present.
    pub dts_delta_length: u8,
    /// `randomAccessIndication`: whether there is a RAP-flag.
    pub random_access_indication: bool,
    /// `streamStateIndication`: length of Stream-state.
    pub stream_state_length: u8,
    /// `auxiliaryDataSizeLength`: length of auxiliary-data-size; 0: there is no auxiliary section.
    pub auxiliary_size_length: u8,
    /// `constantSize`: size of every access unit in bytes.
    pub constant_size: Option<u32>,
}

impl AuHeaderLayout {
    /// The layout of mode AAC-hbr (section 3.3.6).
    pub const AAC_HBR: Self = Self::aac(13, 3);
    /// The layout of mode AAC-lbr (section 3.3.5).
    pub const AAC_LBR: Self = Self::aac(6, 2);

    const fn aac(size_length: u8, index_length: u8) -> Self {
        Self {
            size_length,
            index_length,
            index_delta_length: index_length,
            cts_delta_length: 0,
            dts_delta_length: 0,
            random_access_indication: false,
            stream_state_length: 0,
            auxiliary_size_length: 0,
            constant_size: None,
        }
    }

    /// Whether there is an AU header section: "if no fields are present, the section is empty".
    pub(super) const fn has_headers(&self) -> bool {
        self.size_length > 0
            || self.index_length > 0
            || self.index_delta_length > 0
            || self.cts_delta_length > 0
            || self.dts_delta_length > 0
            || self.random_access_indication
            || self.stream_state_length > 0
    }

    /// Splits a payload into AU headers and access units.
    pub(super) fn split<'a>(
        &self,
        payload: &'a [u8],
    ) -> Result<(AuHeaders<'a>, &'a [u8]), ParseError> {
        let mut r = Reader::new(payload);
        let (mut section, mut bits) = (&[][..], 0);
        if self.has_headers() {
            bits = usize::from(r.u16(WHAT)?);
            section = r.take(bits.div_ceil(8), WHAT)?;
        }
        if self.auxiliary_size_length > 0 {
            let rest = r.remaining();
            let mut auxiliary = PlainBits::new(rest, "auxiliary section");
            let size = auxiliary.take(self.auxiliary_size_length.into())? as usize;
            let end = usize::from(self.auxiliary_size_length).saturating_add(size);
            r.take(end.div_ceil(8), "auxiliary section")?;
        }
        let bits = PlainBits::new(section, WHAT).limited_to(bits);
        Ok((AuHeaders { bits, layout: *self, is_first: true }, r.rest()))
    }
}

/// The fields of an AU header that are used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct AuHeader {
    /// Size of the access unit in bytes; `None`: the rest of the payload.
    pub(super) size: Option<usize>,
    /// AU-Index of the first header, AU-Index-delta of the others.
    pub(super) index: u32,
    /// Difference from the packet's timestamp to the composition time, wrapping.
    pub(super) cts_delta: Option<u32>,
}

/// Reads AU headers one by one.
#[derive(Clone)]
pub(super) struct AuHeaders<'a> {
    bits: PlainBits<'a>,
    layout: AuHeaderLayout,
    is_first: bool,
}

impl AuHeaders<'_> {
    pub(super) const fn is_empty(&self) -> bool {
        self.bits.left() == 0
    }

    /// The next header.
    pub(super) fn next(&mut self) -> Result<AuHeader, ParseError> {
        let layout = self.layout;
        let size = match layout.size_length {
            0 => layout.constant_size,
            length => Some(self.bits.take(length.into())?),
        };
        let is_first = std::mem::replace(&mut self.is_first, false);
        let index = if is_first { layout.index_length } else { layout.index_delta_length };
        let index = self.bits.take(index.into())?;
        let cts_delta = self.delta(layout.cts_delta_length)?;
        self.delta(layout.dts_delta_length)?;
        self.bits.take(layout.random_access_indication.into())?;
        self.bits.take(layout.stream_state_length.into())?;
        Ok(AuHeader { size: size.map(|size| size as usize), index, cts_delta })
    }

    /// Reads a flag and, if it is set, a two's complement number of `length` bits.
    fn delta(&mut self, length: u8) -> Result<Option<u32>, ParseError> {
        if length == 0 || self.bits.take(1)? == 0 {
            return Ok(None);
        }
        let value = self.bits.take(length.into())?;
        let unused = 32 - u32::from(length.min(32));
        Ok(Some(((value << unused) as i32 >> unused) as u32))
    }
}

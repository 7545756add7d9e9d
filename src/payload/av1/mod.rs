//! RTP payload format for AV1: RTP Payload Format For AV1 (Alliance for Open Media), version 1.0,
//! without the dependency descriptor header extension.

mod depacketizer;
mod packetizer;
mod sdp;
#[cfg(test)]
mod tests;

pub use depacketizer::Av1Depacketizer;
pub use packetizer::Av1Packetizer;
pub(super) use sdp::ENTRY;

use crate::codec::av1::leb128;
use crate::wire::ParseError;

/// Bits of the aggregation header (section 4.4): the first element goes on an OBU, the last one will be
/// gone on with, a coded video sequence begins; and the position of the number of elements.
const Z: u8 = 0x80;
const Y: u8 = 0x40;
const N: u8 = 0x08;
const W_SHIFT: u8 = 4;

/// An OBU or a fragment of one.
#[derive(Clone, Copy, Debug)]
struct Element<'a> {
    data: &'a [u8],
    /// The OBU began in an earlier packet.
    goes_on: bool,
    /// The OBU ends in a later packet.
    is_cut: bool,
}

/// The elements of a payload: section 4.5.
#[derive(Clone, Debug)]
struct Elements<'a> {
    header: u8,
    rest: &'a [u8],
    /// Elements that have been returned.
    count: u8,
}

impl<'a> Elements<'a> {
    /// Reads the aggregation header.
    fn of(payload: &'a [u8]) -> Result<Self, ParseError> {
        let what = "AV1 payload";
        match payload.split_first() {
            Some((&header, rest)) if !rest.is_empty() => Ok(Self { header, rest, count: 0 }),
            _ => Err(ParseError::Incomplete { what }),
        }
    }

    const fn goes_on(&self) -> bool {
        self.header & Z != 0
    }

    const fn begins_sequence(&self) -> bool {
        self.header & N != 0
    }

    fn read(&mut self) -> Result<Element<'a>, ParseError> {
        const WHAT: &str = "AV1 OBU element";
        let incomplete = ParseError::Incomplete { what: WHAT };
        let stated = self.header >> W_SHIFT & 3;
        let mut data = std::mem::take(&mut self.rest);
        self.count = self.count.saturating_add(1);
        if stated == 0 || self.count < stated {
            let (len, behind) = leb128(data)?;
            (data, self.rest) = behind.split_at_checked(len).ok_or(incomplete)?;
            if self.rest.is_empty() && stated != 0 {
                return Err(incomplete);
            }
        }
        let goes_on = self.goes_on() && self.count == 1;
        Ok(Element { data, goes_on, is_cut: self.header & Y != 0 && self.rest.is_empty() })
    }
}

impl<'a> Iterator for Elements<'a> {
    type Item = Result<Element<'a>, ParseError>;

    fn next(&mut self) -> Option<Self::Item> {
        (!self.rest.is_empty()).then(|| self.read())
    }
}

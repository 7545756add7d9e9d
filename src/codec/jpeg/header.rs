//! [`Header`]: a JPEG file up to its first scan (ITU-T T.81 sections B.2.2 to B.2.4).

use super::segments::{Segment, marker, segments};
use super::tables::HuffmanTable;
use crate::wire::{ParseError, Reader};

/// Most components of a frame that are read.
const MAX_COMPONENTS: usize = 4;

/// A component of a frame.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Component {
    /// Identifier.
    pub id: u8,
    /// Horizontal sampling factor, 1 to 4.
    pub horizontal: u8,
    /// Vertical sampling factor, 1 to 4.
    pub vertical: u8,
    /// Number of the quantization table.
    pub quantization: u8,
    /// Numbers of the Huffman tables of DC and AC coefficients.
    pub huffman: (u8, u8),
}

/// A quantization table, in the order in which the file has it (zigzag).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct QuantizationTable<'a> {
    /// Whether values have 16 bits instead of 8.
    pub is_16_bit: bool,
    /// The 64 values.
    pub values: &'a [u8],
}

/// What precedes the entropy-coded data of the first scan.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Header<'a> {
    /// Number of the process, by the start of frame: 0 baseline, 1 extended sequential, 2
    /// progressive, and others (table B.1).
    pub process: u8,
    /// Bits of a sample.
    pub precision: u8,
    /// Width in pixels.
    pub width: u16,
    /// Height in pixels; 0 if it follows the first scan.
    pub height: u16,
    /// Number of MCUs between restart markers; 0 for none.
    pub restart_interval: u16,
    /// Whether the first scan has all components with all coefficients.
    pub has_one_scan: bool,
    /// Offset of the entropy-coded data in the file.
    pub scan_at: usize,
    components: [Component; MAX_COMPONENTS],
    count: usize,
    quantization: [Option<QuantizationTable<'a>>; 4],
    huffman: [[HuffmanTable<'a>; 4]; 2],
}

impl<'a> Header<'a> {
    /// Parses the file at the start of `data`, as far as its first scan.
    ///
    /// # Errors
    /// `data` end before the first scan, or are no JPEG file with at most four components.
    pub fn parse(data: &'a [u8]) -> Result<Self, ParseError> {
        const WHAT: &str = "JPEG header";
        let incomplete = ParseError::Incomplete { what: WHAT };
        let mut all = segments(data);
        let invalid = |at| ParseError::Invalid { what: WHAT, at };
        if all.next().ok_or(incomplete)??.marker != marker::SOI {
            return Err(invalid(0));
        }
        let mut header = Self {
            process: u8::MAX,
            precision: 0,
            width: 0,
            height: 0,
            restart_interval: 0,
            has_one_scan: false,
            scan_at: 0,
            components: [Component::default(); MAX_COMPONENTS],
            count: 0,
            quantization: [None; 4],
            huffman: [HuffmanTable::defaults(0), HuffmanTable::defaults(1)],
        };
        loop {
            let segment = all.next().ok_or(incomplete)??;
            if header.handle_segment(&segment)? {
                header.scan_at = all.position();
                return Ok(header);
            }
        }
    }

    /// Returns the components in the order of the frame.
    pub fn components(&self) -> &[Component] {
        self.components.get(..self.count).unwrap_or_default()
    }

    /// Returns a quantization table, if the file has it before its first scan.
    pub fn quantization_table(&self, number: u8) -> Option<QuantizationTable<'a>> {
        *self.quantization.get(usize::from(number))?
    }

    /// Returns the Huffman tables of a component, of DC and of AC coefficients. Those that the file
    /// lacks are the standard's, as in Motion JPEG.
    pub fn huffman_tables(
        &self,
        component: &Component,
    ) -> Option<(HuffmanTable<'a>, HuffmanTable<'a>)> {
        let [dc, ac] = &self.huffman;
        let (for_dc, for_ac) = component.huffman;
        Some((*dc.get(usize::from(for_dc))?, *ac.get(usize::from(for_ac))?))
    }

    /// Returns whether the segment is the start of a scan, which ends the header.
    fn handle_segment(&mut self, segment: &Segment<'a>) -> Result<bool, ParseError> {
        let mut r = Reader::new(segment.parameters);
        match segment.marker {
            marker::DQT => self.read_quantization_tables(&mut r)?,
            marker::DHT => self.read_huffman_tables(&mut r)?,
            marker::DRI => self.restart_interval = r.u16("JPEG restart interval")?,
            marker::SOS => return self.read_scan(&mut r).map(|()| true),
            marker::EOI => return Err(r.invalid("JPEG file without a scan")),
            sof if marker::is_start_of_frame(sof) => self.read_frame(sof, &mut r)?,
            _ => {}
        }
        Ok(false)
    }

    /// Section B.2.2.
    fn read_frame(&mut self, sof: u8, r: &mut Reader<'_>) -> Result<(), ParseError> {
        const WHAT: &str = "JPEG frame header";
        self.process = sof - marker::SOF0;
        self.precision = r.u8(WHAT)?;
        self.height = r.u16(WHAT)?;
        self.width = r.u16(WHAT)?;
        self.count = usize::from(r.u8(WHAT)?);
        if self.count == 0 || self.width == 0 {
            return Err(r.invalid(WHAT));
        }
        let invalid = r.invalid(WHAT);
        for component in self.components.get_mut(..self.count).ok_or(invalid)? {
            let [id, sampling, quantization] = r.array(WHAT)?;
            let (horizontal, vertical) = (sampling >> 4, sampling & 15);
            if !(1..=4).contains(&horizontal) || !(1..=4).contains(&vertical) || quantization > 3 {
                return Err(r.invalid(WHAT));
            }
            *component = Component { id, horizontal, vertical, quantization, huffman: (0, 0) };
        }
        Ok(())
    }

    /// Section B.2.3.
    fn read_scan(&mut self, r: &mut Reader<'_>) -> Result<(), ParseError> {
        const WHAT: &str = "JPEG scan header";
        let count = usize::from(r.u8(WHAT)?);
        if self.process == u8::MAX || count == 0 || count > self.count {
            return Err(r.invalid(WHAT));
        }
        for _ in 0..count {
            let [id, numbers] = r.array(WHAT)?;
            let invalid = r.invalid(WHAT);
            let mut components = self.components.iter_mut().take(self.count);
            let component = components.find(|component| component.id == id).ok_or(invalid)?;
            component.huffman = (numbers >> 4, numbers & 15);
        }
        let coefficients: [u8; 3] = r.array(WHAT)?;
        self.has_one_scan = count == self.count && coefficients == [0, 63, 0];
        Ok(())
    }

    /// Section B.2.4.1.
    fn read_quantization_tables(&mut self, r: &mut Reader<'a>) -> Result<(), ParseError> {
        const WHAT: &str = "JPEG quantization table";
        while !r.is_empty() {
            let kind = r.u8(WHAT)?;
            let is_16_bit = kind >> 4 != 0;
            let values = r.take(if is_16_bit { 128 } else { 64 }, WHAT)?;
            let invalid = r.invalid(WHAT);
            let table = self.quantization.get_mut(usize::from(kind & 15)).ok_or(invalid)?;
            *table = Some(QuantizationTable { is_16_bit, values });
        }
        Ok(())
    }

    /// Section B.2.4.2.
    fn read_huffman_tables(&mut self, r: &mut Reader<'a>) -> Result<(), ParseError> {
        const WHAT: &str = "JPEG Huffman table";
        while !r.is_empty() {
            let kind = r.u8(WHAT)?;
            let counts = r.take(16, WHAT)?;
            let values = r.take(counts.iter().map(|count| usize::from(*count)).sum(), WHAT)?;
            let invalid = r.invalid(WHAT);
            let tables = self.huffman.get_mut(usize::from(kind >> 4)).ok_or(invalid)?;
            let table = tables.get_mut(usize::from(kind & 15)).ok_or(invalid)?;
            *table = HuffmanTable { counts, values };
        }
        Ok(())
    }
}

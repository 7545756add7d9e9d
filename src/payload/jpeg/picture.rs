//! [`Picture`]: what RTP carries of a JPEG file, and how a file is made of it (RFC 2435 section 4.1
//! and appendix B).

use crate::codec::jpeg::tables::{AC, DC, HuffmanTable};
use crate::codec::jpeg::{Component, Header, Segment, marker, scan_end, segments};

/// RFC 2435 section 3.1.4 has no place for them. The encoder that most people have makes them.
const OWN_HUFFMAN_TABLES: &str = "it has Huffman tables of its own, which RFC 2435 cannot carry: encode \
     it with those of the standard (FFmpeg: -huffman default)";

/// Largest fragment offset that 24 bits can state.
const MAX_SCAN: usize = 0xff_ffff;
/// Identifiers of the components as JFIF has them.
const COMPONENT_IDS: [u8; 3] = [1, 2, 3];
/// Parameters of the application segment of JFIF 1.1: no density, no thumbnail.
const JFIF: &[u8] = b"JFIF\0\x01\x01\0\0\x01\0\x01\0\0";

/// Quantization tables of luma and chroma, in zigzag order.
#[derive(Clone, Copy, Debug)]
pub(super) struct Tables<'a> {
    /// Bit 0 for luma, bit 1 for chroma: values have 16 bits instead of 8 (section 3.1.8).
    pub(super) precision: u8,
    pub(super) luma: &'a [u8],
    pub(super) chroma: &'a [u8],
}

impl<'a> Tables<'a> {
    /// No tables, where others take their place.
    pub(super) const NONE: Self = Self { precision: 0, luma: &[], chroma: &[] };

    /// Takes tables as a packet has them. A single one is for luma and chroma.
    pub(super) fn split(precision: u8, bytes: &'a [u8]) -> Option<Self> {
        let len = |bit: u8| if precision & bit == 0 { 64 } else { 128 };
        let (luma, rest) = bytes.split_at_checked(len(1))?;
        if rest.is_empty() {
            let precision = if precision & 1 == 0 { 0 } else { 3 };
            return Some(Self { precision, luma, chroma: luma });
        }
        Some(Self { precision, luma, chroma: rest.get(..len(2))? })
    }

    pub(super) const fn len(&self) -> usize {
        self.luma.len() + self.chroma.len()
    }
}

/// A picture of the types 0 and 1, with or without restart intervals.
#[derive(Clone, Copy, Debug)]
pub(super) struct Picture<'a> {
    /// 0 for 4:2:2, 1 for 4:2:0.
    pub(super) kind: u8,
    pub(super) width: u16,
    pub(super) height: u16,
    /// MCUs between restart markers; 0 for none.
    pub(super) restart_interval: u16,
    pub(super) tables: Tables<'a>,
}

impl<'a> Picture<'a> {
    /// Examines a file. Returns the picture and its entropy-coded data, or the reason for which RTP
    /// cannot carry it.
    pub(super) fn of(file: &'a [u8]) -> Result<(Self, &'a [u8]), &'static str> {
        let Ok(header) = Header::parse(file) else { return Err("it is no JPEG file") };
        match (header.process, header.precision) {
            (0, 8) => {}
            (0 | 1, precision) if precision != 8 => return Err("its samples do not have 8 bits"),
            (2 | 6 | 10 | 14, _) => return Err("it is progressive"),
            _ => return Err("it is not coded as baseline JPEG"),
        }
        if header.height == 0 {
            return Err("it does not state its height");
        }
        let &[luma, cb, cr] = header.components() else {
            return Err(match header.components() {
                [_] => "it is greyscale",
                _ => "it does not have three components",
            });
        };
        let kind = kind_of([luma, cb, cr]).ok_or("its chroma is neither 4:2:0 nor 4:2:2")?;
        if !header.has_one_scan {
            return Err("it has several scans");
        }
        let standard = [(DC[0], AC[0]), (DC[1], AC[1]), (DC[1], AC[1])];
        let are_standard = [luma, cb, cr]
            .iter()
            .zip(standard)
            .all(|(component, tables)| header.huffman_tables(component) == Some(tables));
        if !are_standard {
            return Err(OWN_HUFFMAN_TABLES);
        }
        let table = |of: &Component| {
            header.quantization_table(of.quantization).ok_or("it lacks a quantization table")
        };
        let (for_luma, for_chroma) = (table(&luma)?, table(&cb)?);
        if for_chroma != table(&cr)? {
            return Err("its chroma components have different quantization tables");
        }
        let end = scan_end(file, header.scan_at).unwrap_or(file.len());
        let scan = file.get(header.scan_at..end).unwrap_or_default();
        if scan.is_empty() {
            return Err("it is empty");
        }
        if scan.len() > MAX_SCAN {
            return Err("it has more than 16,777,215 bytes");
        }
        let tables = Tables {
            precision: u8::from(for_luma.is_16_bit) | u8::from(for_chroma.is_16_bit) << 1,
            luma: for_luma.values,
            chroma: for_chroma.values,
        };
        let Header { width, height, restart_interval, .. } = header;
        Ok((Self { kind, width, height, restart_interval, tables }, scan))
    }

    /// Parameters of the start of frame.
    pub(super) fn frame_header(&self) -> [u8; 15] {
        let ([h0, h1], [w0, w1]) = (self.height.to_be_bytes(), self.width.to_be_bytes());
        let sampling = if self.kind == 0 { 0x21 } else { 0x22 };
        let [y, cb, cr] = COMPONENT_IDS;
        [8, h0, h1, w0, w1, 3, y, sampling, 0, cb, 0x11, 1, cr, 0x11, 1]
    }

    /// Appends a file up to its entropy-coded data. What is among the marker segments `given` is
    /// taken from there.
    pub(super) fn write_header(&self, given: &[u8], file: &mut Vec<u8>) {
        file.extend([0xff, marker::SOI]);
        put_segment(file, marker::APP0, &[JFIF]);
        if !copy_segments(given, |found| found == marker::DQT, file) {
            let Tables { precision, luma, chroma } = self.tables;
            put_segment(file, marker::DQT, &[&[precision << 4 & 0x10], luma]);
            put_segment(file, marker::DQT, &[&[precision << 3 & 0x10 | 1], chroma]);
        }
        if !copy_segments(given, marker::is_start_of_frame, file) {
            put_segment(file, marker::SOF0, &[&self.frame_header()]);
        }
        if !copy_segments(given, |found| found == marker::DHT, file) {
            let [dc_luma, dc_chroma] =
                DC.map(|HuffmanTable { counts, values, .. }| [counts, values]);
            let [ac_luma, ac_chroma] =
                AC.map(|HuffmanTable { counts, values, .. }| [counts, values]);
            let parts = [
                &[&[0x00][..]][..],
                &dc_luma,
                &[&[0x10]],
                &ac_luma,
                &[&[0x01]],
                &dc_chroma,
                &[&[0x11]],
                &ac_chroma,
            ];
            put_segment(file, marker::DHT, &parts.concat());
        }
        if self.restart_interval > 0 {
            put_segment(file, marker::DRI, &[&self.restart_interval.to_be_bytes()]);
        } else {
            copy_segments(given, |found| found == marker::DRI, file);
        }
        if !copy_segments(given, |found| found == marker::SOS, file) {
            let [y, cb, cr] = component_ids(given).unwrap_or(COMPONENT_IDS);
            put_segment(file, marker::SOS, &[&[3, y, 0x00, cb, 0x11, cr, 0x11, 0, 63, 0]]);
        }
    }
}

/// The type of a picture by the sampling factors of its components (section 4.1).
fn kind_of(components: [Component; 3]) -> Option<u8> {
    match components.map(|of| (of.horizontal, of.vertical)) {
        [(2, 1), (1, 1), (1, 1)] => Some(0),
        [(2, 2), (1, 1), (1, 1)] => Some(1),
        _ => None,
    }
}

/// The identifiers of the components that a start of frame among `given` has.
fn component_ids(given: &[u8]) -> Option<[u8; 3]> {
    let mut all = segments(given).map_while(Result::ok);
    let frame = all.find(|segment| marker::is_start_of_frame(segment.marker))?;
    match *frame.parameters {
        [_, _, _, _, _, 3, y, _, _, cb, _, _, cr, _, _] => Some([y, cb, cr]),
        _ => None,
    }
}

/// Appends a marker segment whose parameters are in parts. They are the tables and headers of one
/// picture, whose lengths 16 bits can state.
fn put_segment(file: &mut Vec<u8>, marker: u8, parts: &[&[u8]]) {
    let len: usize = parts.iter().map(|part| part.len()).sum();
    file.extend([0xff, marker]);
    file.extend((len as u16 + 2).to_be_bytes());
    parts.iter().for_each(|part| file.extend_from_slice(part));
}

/// Appends those of `given` that are wanted; returns whether there are any.
fn copy_segments(given: &[u8], is_wanted: fn(u8) -> bool, file: &mut Vec<u8>) -> bool {
    let before = file.len();
    for Segment { marker, parameters, .. } in segments(given).map_while(Result::ok) {
        if is_wanted(marker) {
            put_segment(file, marker, &[parameters]);
        }
    }
    file.len() > before
}

//! [`JpegDepacketizer`]: RFC 2435 sections 3 and 4, and appendices A and B.

use super::picture::{Picture, Tables};
use super::{FIRST_WITH_TABLES, HAS_RESTARTS, ONVIF_EXTENSION, OWN_TABLES};
use crate::codec::jpeg::{Header, marker, segments, tables};
use crate::payload::depacketizer::{DepacketizedFrames, Depacketizer, RtpPayload};
use crate::payload::fragments::Fragments;
use crate::wire::{ParseError, Reader};
use memchr::memmem;

const END: [u8; 2] = [0xff, marker::EOI];
/// Bytes at the end of a picture among which its end marker is looked for.
const TAIL: usize = 64;
/// What a width or height of 0 stands for if nothing else is told: so the size of pictures of 2,048
/// pixels comes out in units of 8.
const SIZE_OF_ZERO: u16 = 2048;

/// Quantization tables that a stream states once.
#[derive(Debug)]
struct Remembered {
    q: u8,
    precision: u8,
    bytes: Box<[u8]>,
}

/// Assembles JPEG files from RTP payloads. The file header is made of what the packets state, with
/// the Huffman tables of the standard. A picture of which a packet is missing is dropped.
///
/// The size is that of the packets, in units of 8 pixels, or for larger pictures that of ONVIF's
/// header extension, or that of the description of the stream.
#[derive(Debug, Default)]
pub struct JpegDepacketizer {
    fragments: Fragments,
    /// Length of the file header, which precedes the fragments.
    header_len: usize,
    remembered: Vec<Remembered>,
    dimensions: Option<(u16, u16)>,
    deviations: u64,
}

/// The headers of a packet that precede quantization tables.
struct MainHeader {
    offset: usize,
    kind: u8,
    q: u8,
    width: u16,
    height: u16,
    restart_interval: u16,
}

impl MainHeader {
    /// Sections 3.1 and 3.1.7.
    fn read(r: &mut Reader<'_>) -> Result<Self, ParseError> {
        const WHAT: &str = "JPEG payload header";
        r.u8(WHAT)?; // type-specific: how fields are scanned
        let offset = r.u24(WHAT)? as usize;
        let [of_type, q, width, height] = r.array(WHAT)?;
        let kind = of_type & !HAS_RESTARTS;
        if kind > 1 {
            return Err(ParseError::Invalid { what: "JPEG payload type", at: 4 });
        }
        let mut restart_interval = 0;
        if of_type & HAS_RESTARTS != 0 {
            restart_interval = r.u16(WHAT)?;
            r.u16(WHAT)?; // where restart intervals begin and end
        }
        let [width, height] = [width, height].map(|units| u16::from(units) * 8);
        Ok(Self { offset, kind, q, width, height, restart_interval })
    }
}

impl JpegDepacketizer {
    /// Creates a depacketizer for one stream.
    pub const fn new() -> Self {
        Self {
            fragments: Fragments::new(),
            header_len: 0,
            remembered: Vec::new(),
            dimensions: None,
            deviations: 0,
        }
    }

    /// Sets width and height in pixels that the description of the stream states. They count for
    /// pictures that do not state their own, and where the packets have them rounded.
    #[must_use]
    pub const fn with_dimensions(mut self, width: u16, height: u16) -> Self {
        self.dimensions = Some((width, height));
        self
    }

    fn finish(&mut self, out: &mut DepacketizedFrames) {
        if !self.fragments.is_begun() {
            return;
        }
        let bytes = self.fragments.bytes();
        if bytes.len() <= self.header_len {
            return self.fragments.abandon(out);
        }
        let tail = bytes.len().saturating_sub(TAIL).max(self.header_len);
        match memmem::find(bytes.get(tail..).unwrap_or_default(), &END) {
            Some(at) => bytes.truncate(tail + at + END.len()),
            None => bytes.extend(END),
        }
        if let Some(frame) = self.fragments.finish() {
            out.push(frame);
        }
    }

    fn handle_fragment(
        &mut self,
        payload: &RtpPayload<'_>,
        out: &mut DepacketizedFrames,
    ) -> Result<(), ParseError> {
        let mut r = Reader::new(payload.data);
        let main = MainHeader::read(&mut r)?;
        if main.offset == 0 {
            self.fragments.begin(payload.timestamp, out);
            self.begin_file(&main, payload, &mut r)?;
        } else if self.fragments.is_begun() {
            let expected = self.fragments.bytes().len() - self.header_len;
            if main.offset != expected {
                return Err(ParseError::Invalid { what: "JPEG fragment offset", at: 1 });
            }
        }
        self.fragments.push(r.rest(), out);
        Ok(())
    }

    /// Writes the header of a file, for which it reads the quantization tables.
    fn begin_file(
        &mut self,
        main: &MainHeader,
        payload: &RtpPayload<'_>,
        r: &mut Reader<'_>,
    ) -> Result<(), ParseError> {
        let (precision, in_band) = read_tables(main.q, r)?;
        let extension = payload.extension.filter(|(profile, _)| *profile == ONVIF_EXTENSION);
        let given = extension.map_or(&[][..], |(_, data)| data);
        let has = |wanted: fn(u8) -> bool| {
            segments(given).map_while(Result::ok).any(|segment| wanted(segment.marker))
        };
        self.remember(main.q, precision, in_band);
        let computed = tables::quantization_tables(main.q);
        let tables = match &computed {
            Some([luma, chroma]) => Some(Tables { precision: 0, luma, chroma }),
            None if in_band.is_empty() => recall(&self.remembered, main.q),
            None => Tables::split(precision, in_band),
        };
        let tables = match tables {
            Some(tables) => tables,
            None if has(|found| found == marker::DQT) => Tables::NONE,
            None => return Err(r.invalid("JPEG quantization tables")),
        };
        let described = self.dimensions;
        let mut size = [
            exact(main.width, described.map(|(width, _)| width)),
            exact(main.height, described.map(|(_, height)| height)),
        ];
        if size.contains(&0) && !has(marker::is_start_of_frame) {
            size = size.map(|size| if size == 0 { SIZE_OF_ZERO } else { size });
            self.deviations += 1;
        }
        let MainHeader { kind, restart_interval, .. } = *main;
        let [width, height] = size;
        let picture = Picture { kind, width, height, restart_interval, tables };
        let file = self.fragments.bytes();
        picture.write_header(given, file);
        // What the extension gives may be anything.
        if !given.is_empty() && !Header::parse(file).is_ok_and(|h| h.scan_at == file.len()) {
            return Err(ParseError::Invalid { what: "JPEG header extension", at: 0 });
        }
        self.header_len = file.len();
        Ok(())
    }

    /// Keeps the tables of a Q whose tables do not change (section 4.2).
    fn remember(&mut self, q: u8, precision: u8, bytes: &[u8]) {
        if bytes.is_empty() || !(FIRST_WITH_TABLES..OWN_TABLES).contains(&q) {
            return;
        }
        let known = self.remembered.iter().position(|known| known.q == q);
        let known = known.and_then(|at| self.remembered.get_mut(at));
        match known {
            Some(known) if known.precision == precision && *known.bytes == *bytes => {}
            Some(known) => *known = Remembered { q, precision, bytes: bytes.into() },
            None => self.remembered.push(Remembered { q, precision, bytes: bytes.into() }),
        }
    }
}

fn recall(remembered: &[Remembered], q: u8) -> Option<Tables<'_>> {
    let known = remembered.iter().find(|known| known.q == q)?;
    Tables::split(known.precision, &known.bytes)
}

/// Reads precision and quantization tables, which packets with Q from 128 on have (section 3.1.8).
fn read_tables<'a>(q: u8, r: &mut Reader<'a>) -> Result<(u8, &'a [u8]), ParseError> {
    const WHAT: &str = "JPEG quantization tables";
    if q < FIRST_WITH_TABLES {
        return Ok((0, &[]));
    }
    let [_, precision] = r.array(WHAT)?;
    let len = usize::from(r.u16(WHAT)?);
    let bytes = r.take(len, WHAT)?;
    if bytes.is_empty() {
        return Ok((precision, bytes));
    }
    // Further tables are of no use to pictures of these types.
    let tables = Tables::split(precision, bytes).ok_or_else(|| r.invalid(WHAT))?;
    Ok((precision, bytes.get(..tables.len()).unwrap_or(bytes)))
}

/// The size that a packet states in units of 8, or the description's if the packet has none, or that
/// one rounded.
fn exact(stated: u16, described: Option<u16>) -> u16 {
    let fits = |described: &u16| stated == 0 || described.div_ceil(8) == stated / 8;
    described.filter(fits).unwrap_or(stated)
}

impl Depacketizer for JpegDepacketizer {
    fn handle_payload(
        &mut self,
        payload: &RtpPayload<'_>,
        out: &mut DepacketizedFrames,
    ) -> Result<(), ParseError> {
        if self.fragments.handle_packet(payload, out) {
            self.finish(out);
        }
        let result = self.handle_fragment(payload, out);
        if result.is_err() {
            self.fragments.abandon(out);
        }
        if payload.marker {
            self.finish(out);
        }
        result
    }

    fn handle_end(&mut self, out: &mut DepacketizedFrames) {
        self.fragments.handle_end(out);
    }

    fn deviations(&self) -> u64 {
        self.deviations
    }
}

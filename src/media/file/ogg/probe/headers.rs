//! [`Beginning`]: the headers and the first packets of a logical stream (RFC 7845 sections 3 to 5,
//! Vorbis I specification section 4.2 and annex A.2).

use super::super::media::Stream;
use super::super::packets::Carried;
use super::super::page::{Page, PieceCursor};
use crate::codec::CodecParameters;
use crate::codec::opus::{OpusHead, SAMPLING_RATE};
use crate::media::file::container::descriptions::{opus, vorbis};
use crate::media::file::container::sounds::{FrameLengths, SoundCodec};
use bytes::Bytes;

const OPUS: &[u8] = b"OpusHead";
const VORBIS: &[u8] = b"\x01vorbis";
/// Most bytes that are kept of each header. Comments are not needed.
const OPUS_HEADERS: [usize; 2] = [512, 0];
const VORBIS_HEADERS: [usize; 3] = [64, 0, 128 << 10];

/// A logical stream as far as it was read.
#[derive(Debug)]
pub(super) struct Beginning {
    pub(super) serial: u32,
    codec: SoundCodec,
    limits: &'static [usize],
    headers: Vec<Vec<u8>>,
    /// Headers that are complete.
    complete: usize,
    carried: Carried,
    /// Samples of the packets so far.
    samples: i64,
    /// The stream, once its headers are read, and whether it is known when it begins.
    pub(super) stream: Option<Stream>,
    pub(super) has_begun: bool,
    /// The reason for which it is left out.
    pub(super) fault: Option<String>,
}

impl Beginning {
    /// A stream whose first page has this content.
    ///
    /// # Errors
    /// It cannot be sent; says why.
    pub(super) fn new(serial: u32, content: &[u8]) -> Result<Self, &'static str> {
        let (codec, limits): (_, &[usize]) = match content {
            _ if content.starts_with(OPUS) => (SoundCodec::Opus, &OPUS_HEADERS),
            _ if content.starts_with(VORBIS) => (SoundCodec::Vorbis, &VORBIS_HEADERS),
            _ if content.get(1..).is_some_and(|rest| rest.starts_with(b"theora")) => {
                return Err("Theora: no RTP payload format for it here");
            }
            _ if content.starts_with(b"fishead") => return Err("it describes the others"),
            _ => return Err("no RTP payload format for its codec here"),
        };
        Ok(Self {
            serial,
            codec,
            limits,
            headers: vec![Vec::new()],
            complete: 0,
            carried: Carried::default(),
            samples: 0,
            stream: None,
            has_begun: false,
            fault: None,
        })
    }

    /// Goes on with a page of the stream.
    pub(super) fn handle_page(&mut self, page: &Page, content: &[u8]) {
        if self.fault.is_some() || self.has_begun {
            return;
        }
        let follows = self.carried.begin(page);
        let Some(stream) = &mut self.stream else {
            if !follows {
                self.fault = Some("pages of its headers are missing".into());
                return;
            }
            self.headers_in(page, content);
            return;
        };
        let samples = self.carried.samples(page, content, &mut stream.lengths, stream.codec);
        self.carried.keep_rest(page, content);
        self.samples = self.samples.saturating_add(samples);
        let Some(end) = page.granule else { return };
        let first = end.saturating_sub(self.samples);
        // What is behind the granule position of the last page is not to be heard.
        stream.first = if page.ends_stream { first.max(0) } else { first };
        stream.lengths.restart();
        self.has_begun = true;
    }

    fn headers_in(&mut self, page: &Page, content: &[u8]) {
        let mut cursor = PieceCursor::default();
        while let Some(piece) = page.next_piece(&mut cursor) {
            let limit = self.limits.get(self.complete).copied().unwrap_or(0);
            let bytes = content.get(piece.range).unwrap_or_default();
            if let Some(header) = self.headers.last_mut() {
                let room = limit.saturating_sub(header.len());
                header.extend_from_slice(bytes.get(..room).unwrap_or(bytes));
            }
            if !piece.is_last {
                continue;
            }
            self.complete += 1;
            if self.complete < self.limits.len() {
                self.headers.push(Vec::new());
                continue;
            }
            // Sound begins with a page of its own.
            match self.described(page.end) {
                Ok(stream) => self.stream = Some(stream),
                Err(why) => self.fault = Some(why),
            }
            return;
        }
    }

    fn described(&mut self, data: u64) -> Result<Stream, String> {
        let mut headers = std::mem::take(&mut self.headers).into_iter().map(Bytes::from);
        let mut next = || headers.next().unwrap_or_default();
        let ((parameters, _), pre_skip) = match self.codec {
            SoundCodec::Vorbis => (vorbis(Some([next(), next(), next()]))?, 0),
            _ => {
                let head = next();
                let head = OpusHead::parse(&head);
                let pre_skip = head.as_ref().map_or(0, |head| head.pre_skip);
                (opus(Some(head), 0)?, pre_skip.into())
            }
        };
        let rate = match &parameters {
            CodecParameters::Vorbis { sampling_rate, .. } => *sampling_rate,
            _ => SAMPLING_RATE,
        };
        let lengths = FrameLengths::new(&parameters);
        let (serial, codec) = (self.serial, self.codec);
        let (first, last) = (0, None);
        Ok(Stream { serial, codec, parameters, lengths, rate, pre_skip, data, first, last })
    }
}

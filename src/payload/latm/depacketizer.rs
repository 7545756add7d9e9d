//! [`LatmDepacketizer`]: RFC 6416 section 6.

use crate::codec::bits::PlainBits;
use crate::codec::latm::{MuxError, StreamMuxConfig};
use crate::payload::depacketizer::{
    DepacketizedFrame, DepacketizedFrames, Depacketizer, RtpPayload,
};
use crate::wire::ParseError;

const WHAT: &str = "AudioMuxElement";
/// Size of the largest AudioMuxElement that is assembled from fragments.
const MAX_ELEMENT: usize = 256 << 10;

/// Returns the access units of AAC in AudioMuxElements, with a StreamMuxConfig in the stream or
/// without. The element of several packets ends with the marker bit or with a change of timestamp.
///
/// The fragments of an element have no marks: a packet after a loss may be the end of an element
/// whose beginning is lost. It is one if its timestamp follows on that of the last access unit, for
/// nothing whole is missing then; else its access units are marked as damaged, unless the stream has
/// shown no fragments.
#[derive(Debug)]
pub struct LatmDepacketizer {
    /// Duration of an access unit in units of the RTP clock.
    unit_duration: u32,
    /// Whether elements begin with the StreamMuxConfig, or a bit that tells that it has not changed.
    config_present: bool,
    /// Whether that is only what the default of `cpresent` says; the first whole element decides.
    is_assumed: bool,
    /// The StreamMuxConfig that is in force.
    config: Option<StreamMuxConfig>,
    /// The stream as its description tells it.
    described: StreamMuxConfig,
    /// Fragments of an element.
    partial: Vec<u8>,
    /// Timestamp of the fragments.
    timestamp: Option<u32>,
    /// Whether packets before the first of these fragments are missing.
    after_loss: bool,
    /// Timestamp that follows on the last access unit.
    next_timestamp: Option<u32>,
    has_fragments: bool,
    /// The access units of an element: the first bit, and the length in bytes. The memory is reused.
    units: Vec<(usize, usize)>,
}

impl LatmDepacketizer {
    /// Creates a depacketizer for one stream with an RTP clock of `clock_rate` Hz. `config` is the
    /// StreamMuxConfig of the description; `config_present` tells whether the stream has its own
    /// too (parameter `cpresent`), which must mean the same stream.
    pub const fn new(config: StreamMuxConfig, config_present: bool, clock_rate: u32) -> Self {
        let samples = config.audio.frame_length as u64 * clock_rate as u64;
        let core = config.audio.sampling_rate as u64;
        Self {
            unit_duration: match samples.checked_div(core) {
                Some(duration) => duration as u32,
                None => 0,
            },
            config_present,
            is_assumed: false,
            config: if config_present { None } else { Some(config) },
            described: config,
            partial: Vec::new(),
            timestamp: None,
            after_loss: false,
            next_timestamp: None,
            has_fragments: false,
            units: Vec::new(),
        }
    }

    /// Expects in the stream what its description tells until the first StreamMuxConfig has come.
    #[must_use]
    pub const fn knowing_config(mut self) -> Self {
        self.config = Some(self.described);
        self
    }

    /// Decides by the first whole element whether the stream has a StreamMuxConfig too: the
    /// description does not tell, and senders whose description has one may forget to say that the
    /// stream has none (`cpresent=0`).
    #[must_use]
    pub const fn finding_config(mut self) -> Self {
        self.is_assumed = true;
        self.knowing_config()
    }

    /// Processes the element that has been assembled.
    fn handle_element(&mut self, out: &mut DepacketizedFrames) -> Result<(), ParseError> {
        let Some(timestamp) = self.timestamp.take() else { return Ok(()) };
        let mut element = std::mem::take(&mut self.partial);
        let result = self.handle_bytes(&element, timestamp, out);
        if result.is_err() {
            out.note_loss();
        }
        element.clear();
        self.partial = element;
        result
    }

    fn handle_bytes(
        &mut self,
        bytes: &[u8],
        timestamp: u32,
        out: &mut DepacketizedFrames,
    ) -> Result<(), ParseError> {
        let after_loss = std::mem::take(&mut self.after_loss);
        if after_loss && self.follows(timestamp) {
            return Err(ParseError::Invalid { what: WHAT, at: 0 });
        }
        let mut is_present = self.config_present;
        let mut config = self.read_units(bytes, is_present, after_loss);
        if self.is_assumed {
            if let Err(e) = config {
                is_present = false;
                config = self.read_units(bytes, is_present, after_loss).map_err(|_| e);
            }
            if config.is_ok() && !after_loss {
                (self.config_present, self.is_assumed) = (is_present, false);
            }
        }
        self.config = config?;
        let damaged = after_loss && (self.has_fragments || self.next_timestamp.is_none());
        let mut at = timestamp;
        for (start, len) in self.units.drain(..) {
            let mut unit = Vec::with_capacity(len);
            let mut b = PlainBits::new(bytes, WHAT);
            b.skip(start)?;
            b.append_bytes(len, &mut unit)?;
            if !unit.is_empty() {
                out.push(DepacketizedFrame { damaged, ..DepacketizedFrame::new(unit, at) });
            }
            at = at.wrapping_add(self.unit_duration);
        }
        self.next_timestamp = Some(at);
        Ok(())
    }

    /// Finds the access units of an element. Returns the StreamMuxConfig that is in force behind it.
    fn read_units(
        &mut self,
        bytes: &[u8],
        config_present: bool,
        after_loss: bool,
    ) -> Result<Option<StreamMuxConfig>, ParseError> {
        // All or nothing: a length that is wrong makes those before it doubtful too. An element ends
        // where the bytes do, or it was the middle of one. Several whole ones are against section 6.1,
        // and in use; but many bytes look like several ones.
        let is_one = self.has_fragments || after_loss || self.is_assumed && config_present;
        self.units.clear();
        let mut b = PlainBits::new(bytes, WHAT);
        let mut config = self.config;
        while b.left() > 0 {
            let start = b.position();
            if start > 0 && is_one {
                return Err(b.invalid());
            }
            if config_present && !b.flag()? {
                config = Some(self.read_config(&mut b)?);
            }
            let in_force = config.ok_or(ParseError::Incomplete { what: "StreamMuxConfig" })?;
            for _ in 0..in_force.sub_frames {
                let len = in_force.read_length(&mut b)?;
                self.units.push((b.position(), len));
                b.skip(len.saturating_mul(8))?;
            }
            in_force.read_end(&mut b, start)?;
        }
        Ok(config)
    }

    /// Whether nothing lies between the last access unit and this time.
    fn follows(&self, timestamp: u32) -> bool {
        let slack = self.unit_duration / 4;
        self.next_timestamp
            .is_some_and(|next| timestamp.wrapping_sub(next).wrapping_add(slack) <= 2 * slack)
    }

    /// Reads a StreamMuxConfig in the stream.
    fn read_config(&self, b: &mut PlainBits<'_>) -> Result<StreamMuxConfig, ParseError> {
        let at = b.position() / 8;
        let config = StreamMuxConfig::read(b).map_err(|e| match e {
            MuxError::Malformed(e) => e,
            MuxError::Unsupported(what) => ParseError::Invalid { what, at },
        })?;
        if !config.same_stream(&self.described) {
            // The description cannot be changed any more.
            let what = "StreamMuxConfig of another stream than described";
            return Err(ParseError::Invalid { what, at });
        }
        Ok(config)
    }
}

impl Depacketizer for LatmDepacketizer {
    fn handle_payload(
        &mut self,
        payload: &RtpPayload<'_>,
        out: &mut DepacketizedFrames,
    ) -> Result<(), ParseError> {
        let RtpPayload { data, marker, timestamp, lost, .. } = *payload;
        let mut result = Ok(());
        if lost {
            self.partial.clear();
            self.timestamp = None;
            self.after_loss = true;
            out.note_loss();
        } else if self.timestamp.is_some_and(|current| current != timestamp) {
            // The sender marks nothing.
            result = self.handle_element(out);
        }
        if self.partial.len().saturating_add(data.len()) > MAX_ELEMENT {
            self.partial.clear();
            self.timestamp = None;
            out.note_loss();
            return Err(ParseError::Invalid { what: WHAT, at: MAX_ELEMENT });
        }
        self.has_fragments |= self.timestamp.is_some();
        self.timestamp = Some(timestamp);
        self.partial.extend_from_slice(data);
        if marker {
            let ended = self.handle_element(out);
            result = result.and(ended);
        }
        result
    }

    fn handle_end(&mut self, out: &mut DepacketizedFrames) {
        // What is not whole is an error, which nobody asks for any more.
        let _ = self.handle_element(out);
    }
}

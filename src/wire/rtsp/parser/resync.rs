//! [`ResyncDecoder`]: the parser of a client, which finds its way back when there is something
//! between messages that is none.

use super::{Decoder, HeadError, HeadErrorKind, Incoming, Limits, leading_blank};
use crate::wire::interleaved;

/// Bytes of a packet that tell whether it can be RTP or RTCP.
pub(super) const PACKET_HEAD: usize = 8;
/// Longest method that the start of a request is looked for.
const MAX_METHOD: usize = 32;
/// How a response begins.
const RESPONSE: &[u8] = b"RTSP/1.0 ";

/// A [`Decoder`] for clients: bytes that are neither a message nor an interleaved packet are
/// skipped and counted.
///
/// Servers put garbage between packets: packets whose stated length is wrong, bodies that are
/// longer than stated, NUL bytes. A server cannot be asked to do better, and a connection that ends
/// is a picture that freezes. A [`Decoder`] refuses such input, as a server should.
///
/// While it is in step, the decoder accepts each response and request; packets on an [expected
/// channel](Self::expect_channel); and packets on other channels if they begin like RTP or RTCP,
/// because some servers choose channels that they do not tell, or send before they do. What is none
/// of these makes it search for the start of a packet that begins like RTP or RTCP, on an expected
/// channel if any is expected, or for `RTSP/1.0` and a status. A request that is met in the search
/// is skipped. What it decides does not depend on how the bytes arrive.
#[derive(Debug)]
pub struct ResyncDecoder {
    decoder: Decoder,
    channels: [bool; 256],
    /// Whether the start of the next message or packet is being searched.
    searching: bool,
    skipped: Skipped,
}

/// The bytes that a [`ResyncDecoder`] has skipped.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Skipped {
    /// Number of bytes.
    pub bytes: u64,
    /// Number of times that a search began.
    pub times: u64,
}

/// What the first bytes of the input are.
enum Start {
    /// A message or packet.
    Here,
    /// Too few to tell.
    Unclear,
    /// Neither.
    Nothing,
    /// A response of an HTTP server.
    Http,
}

impl Default for ResyncDecoder {
    fn default() -> Self {
        Self::new()
    }
}

impl ResyncDecoder {
    /// Creates a decoder for the start of a connection, which expects no channel.
    pub fn new() -> Self {
        Self {
            decoder: Decoder::new(),
            channels: [false; 256],
            searching: false,
            skipped: Skipped::default(),
        }
    }

    /// Expects packets on a channel.
    pub fn expect_channel(&mut self, channel: u8) {
        if let Some(expected) = self.channels.get_mut(usize::from(channel)) {
            *expected = true;
        }
    }

    /// Expects no packets on a channel any more.
    pub fn forget_channel(&mut self, channel: u8) {
        if let Some(expected) = self.channels.get_mut(usize::from(channel)) {
            *expected = false;
        }
    }

    /// The bytes that were skipped so far.
    pub const fn skipped(&self) -> Skipped {
        self.skipped
    }

    /// Returns whether the start of the next message is being searched. Input that is left over
    /// then is no incomplete message.
    pub const fn is_searching(&self) -> bool {
        self.searching
    }

    /// Parses the message or packet at the start of `input`, and returns it with the number of
    /// bytes consumed, those included that were skipped. The caller treats its buffer as for
    /// [`Decoder::decode`].
    ///
    /// # Errors
    /// The server speaks HTTP or another version of RTSP, or the body of a message exceeds the
    /// limit. The decoder must not be used after an error.
    pub fn decode<'a>(
        &mut self,
        input: &'a [u8],
        limits: &Limits,
    ) -> Result<(Incoming<'a>, usize), HeadError> {
        let mut at = 0;
        loop {
            let mut rest = input.get(at..).unwrap_or_default();
            if !self.decoder.is_inside_message() {
                if !self.searching {
                    at += leading_blank(rest);
                    rest = input.get(at..).unwrap_or_default();
                }
                match self.start(rest) {
                    Start::Here => self.searching = false,
                    Start::Unclear => return Ok((Incoming::NeedMore, at)),
                    Start::Http => return Err(HeadError::bad("the server speaks HTTP")),
                    Start::Nothing => {
                        at += self.skip(rest);
                        continue;
                    }
                }
            }
            let scanned = self.decoder.scanned;
            match self.decoder.decode(rest, limits) {
                Ok((Incoming::NeedMore, _)) if self.is_binary(rest, scanned) => {}
                Ok((incoming, n)) => return Ok((incoming, at + n)),
                Err(e) => match e.kind {
                    HeadErrorKind::EntityTooLarge | HeadErrorKind::VersionNotSupported => {
                        return Err(e);
                    }
                    _ => {}
                },
            }
            self.decoder = Decoder::new();
            at += self.skip(rest);
        }
    }

    /// As [`Decoder::missing`].
    pub(crate) fn missing(&self, input: &[u8], more: &[u8]) -> usize {
        self.decoder.missing(input, more)
    }

    /// Skips the first byte and what cannot be a start; returns the number of bytes.
    fn skip(&mut self, rest: &[u8]) -> usize {
        if !std::mem::replace(&mut self.searching, true) {
            self.skipped.times += 1;
        }
        let after = rest.get(1..).unwrap_or_default();
        let n = 1 + memchr::memchr2(interleaved::MAGIC, b'R', after).unwrap_or(after.len());
        self.skipped.bytes += n as u64;
        n
    }

    /// Returns whether the first line of an incomplete head has a character that no line has, among
    /// those behind the first `scanned` bytes. It makes no difference whether the line is complete:
    /// that would depend on how the bytes arrive.
    fn is_binary(&self, head: &[u8], scanned: usize) -> bool {
        let Decoder { first_line_end, scanned: seen, .. } = self.decoder;
        let end = if first_line_end == 0 { seen } else { first_line_end };
        let fresh = head.get(scanned..end).unwrap_or_default();
        fresh.iter().any(|b| b.is_ascii_control() && !matches!(b, b'\t' | b'\r' | b'\n'))
    }

    fn start(&self, input: &[u8]) -> Start {
        match input {
            [] => Start::Unclear,
            [interleaved::MAGIC, ..] => self.packet_start(input),
            _ if self.searching => {
                let len = RESPONSE.len();
                match input.get(..=len) {
                    None if RESPONSE.starts_with(input) || input == RESPONSE => Start::Unclear,
                    Some([response @ .., status])
                        if response == RESPONSE && status.is_ascii_digit() =>
                    {
                        Start::Here
                    }
                    _ => Start::Nothing,
                }
            }
            [b'\r'] => Start::Unclear,
            _ => head_start(input),
        }
    }

    fn packet_start(&self, input: &[u8]) -> Start {
        let [_, channel, high, low, packet @ ..] = input else { return Start::Unclear };
        let is_expected = self.channels.get(usize::from(*channel)) == Some(&true);
        if is_expected && !self.searching {
            return Start::Here;
        }
        if !is_expected && self.searching && self.channels.contains(&true) {
            return Start::Nothing;
        }
        let len = usize::from(u16::from_be_bytes([*high, *low]));
        if len < PACKET_HEAD {
            return Start::Nothing;
        }
        match packet.get(..PACKET_HEAD) {
            None => Start::Unclear,
            Some(head) if is_rtp_or_rtcp(head, len) => Start::Here,
            Some(_) => Start::Nothing,
        }
    }
}

/// Whether a packet of `len` bytes that begins so can be RTP (RFC 3550 section 5.1) or RTCP
/// (section 6.4.1; the range of its packet types is that of RFC 5761 section 4).
fn is_rtp_or_rtcp(head: &[u8], len: usize) -> bool {
    let [first, second, high, low, ..] = head else { return false };
    if first >> 6 != 2 {
        return false;
    }
    if (192..=223).contains(second) {
        let words = usize::from(u16::from_be_bytes([*high, *low]));
        return len % 4 == 0 && (words + 1) * 4 <= len;
    }
    len >= 12 + 4 * usize::from(first & 0x0f)
}

/// Whether a response or a request can begin so.
fn head_start(input: &[u8]) -> Start {
    let begins = |with: &[u8]| {
        let n = with.len().min(input.len());
        let same = |(a, b): (&[u8], &[u8])| a.eq_ignore_ascii_case(b);
        input.get(..n).zip(with.get(..n)).is_some_and(same).then_some(n == with.len())
    };
    match begins(b"RTSP/") {
        Some(true) => return Start::Here,
        Some(false) => return Start::Unclear,
        None => {}
    }
    match begins(b"HTTP/") {
        Some(true) => return Start::Http,
        Some(false) => return Start::Unclear,
        None => {}
    }
    let is_method = |b: &&u8| b.is_ascii_uppercase() || **b == b'_';
    let len = input.iter().take(MAX_METHOD + 1).take_while(is_method).count();
    match input.get(len) {
        _ if len == 0 || len > MAX_METHOD => Start::Nothing,
        None => Start::Unclear,
        Some(b' ' | b'\t') => Start::Here,
        Some(_) => Start::Nothing,
    }
}

#[cfg(test)]
mod tests;

//! `a=rtpmap` and `a=fmtp` (RFC 4566 section 6).

use super::{Attribute, MediaDescription};
use crate::wire::text::digits;
use std::fmt;

/// The value of `a=rtpmap`.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "closed by RFC 4566 section 6")]
pub struct RtpMap {
    /// Payload type, below 128.
    pub payload_type: u8,
    /// Encoding name; compare without regard to case.
    pub encoding_name: String,
    /// Clock rate in Hz.
    pub clock_rate: u32,
    /// Number of audio channels.
    pub channels: Option<u8>,
}

impl RtpMap {
    /// Parses `96 H264/90000` or `97 L16/44100/2`.
    pub fn parse(value: &str) -> Option<Self> {
        let (payload_type, encoding) = value.trim().split_once([' ', '\t'])?;
        let mut parts = encoding.trim().split('/');
        let encoding_name = parts.next().filter(|name| !name.is_empty())?.to_owned();
        let clock_rate = digits(parts.next()?.trim()).filter(|&rate| rate > 0)?;
        Some(Self {
            payload_type: digits(payload_type).filter(|&pt| pt < 128)?,
            encoding_name,
            clock_rate,
            channels: parts.next().and_then(|channels| digits(channels.trim())),
        })
    }
}

impl fmt::Display for RtpMap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}/{}", self.payload_type, self.encoding_name, self.clock_rate)?;
        self.channels.iter().try_for_each(|channels| write!(f, "/{channels}"))
    }
}

/// Iterates over the names and values of a format-specific parameter list, `a=1; b=2;c`. Values may
/// contain `=` (base64 does).
pub fn fmtp_parameters(fmtp: &str) -> impl Iterator<Item = (&str, &str)> {
    fmtp.split(';').map(str::trim).filter(|parameter| !parameter.is_empty()).map(|parameter| {
        match parameter.split_once('=') {
            Some((name, value)) => (name.trim(), value.trim()),
            None => (parameter, ""),
        }
    })
}

impl MediaDescription {
    /// Returns the rtpmap of a payload type.
    pub fn rtpmap(&self, payload_type: u8) -> Option<RtpMap> {
        self.attributes
            .iter()
            .filter(|a| a.name.eq_ignore_ascii_case("rtpmap"))
            .filter_map(|a| RtpMap::parse(a.value.as_deref()?))
            .find(|map| map.payload_type == payload_type)
    }

    /// Returns the format-specific parameters of a payload type, without the payload type.
    pub fn fmtp(&self, payload_type: u8) -> Option<&str> {
        self.attributes.iter().filter(|a| a.name.eq_ignore_ascii_case("fmtp")).find_map(|a| {
            let value = a.value.as_deref()?.trim_start();
            let (pt, parameters) = value.split_once([' ', '\t']).unwrap_or((value, ""));
            (digits(pt) == Some(payload_type)).then(|| parameters.trim())
        })
    }

    /// Appends an `a=rtpmap` attribute.
    pub fn push_rtpmap(
        &mut self,
        payload_type: u8,
        encoding_name: &str,
        clock_rate: u32,
        channels: Option<u8>,
    ) {
        let encoding_name = encoding_name.to_owned();
        let map = RtpMap { payload_type, encoding_name, clock_rate, channels };
        self.attributes.push(Attribute::new("rtpmap", map.to_string()));
    }

    /// Appends an `a=fmtp` attribute.
    pub fn push_fmtp(&mut self, payload_type: u8, parameters: &str) {
        self.attributes.push(Attribute::new("fmtp", format!("{payload_type} {parameters}")));
    }
}

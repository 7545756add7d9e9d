//! The payload format of a media description: which of its payload types is received, and what is
//! known of it. No description is refused: what is not known is received as raw RTP payloads.

use super::kind::MediaKind;
use crate::codec::{CodecParameters, OtherCodec};
use crate::payload::{FormatRegistry, PayloadFormat};
use crate::wire::Oddities;
use crate::wire::sdp::{Attribute, MediaDescription, RtpMap};
use crate::wire::text::{digits, is_token};

/// Payload type where the description states none.
const UNSTATED: u8 = 96;
/// Encoding name where the description states none.
const UNNAMED: &str = "unknown";

/// Most formats of a medium that are looked at.
const MAX_FORMATS: usize = 32;

/// What a client makes of the formats of a media description.
pub(super) struct ReadFormat {
    pub(super) format: PayloadFormat,
    pub(super) parameters: CodecParameters,
    /// The registry cannot do anything with the format.
    pub(super) is_raw: bool,
}

/// Chooses the format: of those in the `m=` line, which are in the order of preference (RFC 4566
/// section 5.14), the first that the registry knows and whose parameters it can use; else the first
/// that it knows, else the first of all, received as raw payloads.
pub(super) fn read_format(
    media: &MediaDescription,
    formats: &FormatRegistry,
    odd: &mut Oddities,
) -> ReadFormat {
    let media = &mended(media, odd);
    let kind = MediaKind::from(&*media.media);
    let mut kinds = vec![&*media.media];
    if !matches!(kind, MediaKind::Audio | MediaKind::Video) {
        // Devices put video and audio under other names.
        kinds.extend(["video", "audio", "application"]);
    }
    for name in kinds {
        let mut named = MediaDescription { media: name.to_owned(), ..media.clone() };
        let mut refused = None;
        for payload_type in media.payload_types().take(MAX_FORMATS) {
            named.formats = vec![payload_type.to_string()];
            let Ok(format) = formats.format_in(&named) else { continue };
            match formats.parameters(&format) {
                Ok(parameters) => {
                    if name != media.media {
                        let codec = &format.encoding_name;
                        odd.note(format_args!("{codec} of the medium {:?}", media.media));
                    }
                    if let Some((_, e)) = refused {
                        odd.note(format_args!("{e}: another format is received"));
                    }
                    note_parameter_sets(&format, &parameters, odd);
                    return ReadFormat { format, parameters, is_raw: false };
                }
                Err(e) => _ = refused.get_or_insert((format, e)),
            }
        }
        if let Some((format, e)) = refused {
            odd.note(format_args!("{e}: received as raw payloads"));
            return raw(format);
        }
    }
    match FormatRegistry::opaque().format_in(media) {
        Ok(format) => raw(format),
        Err(e) => {
            odd.note(format_args!("{e}: received as raw payloads"));
            raw(fallback(media, kind))
        }
    }
}

/// A format of which no more is known than its description.
fn raw(format: PayloadFormat) -> ReadFormat {
    let PayloadFormat { media, encoding_name, clock_rate, channels, fmtp, .. } = format.clone();
    let mut codec = OtherCodec::new(media, encoding_name, clock_rate);
    (codec.channels, codec.fmtp) = (channels, fmtp);
    ReadFormat { format, parameters: codec.into(), is_raw: true }
}

/// The format of a description that states none.
fn fallback(media: &MediaDescription, kind: MediaKind) -> PayloadFormat {
    let payload_type = media.payload_type().unwrap_or(UNSTATED);
    let name = if is_token(media.media.as_bytes()) { &*media.media } else { "application" };
    let map = media.rtpmap(payload_type).filter(|map| is_token(map.encoding_name.as_bytes()));
    let clock_rate = map.as_ref().map_or_else(|| usual_clock_rate(&kind), |map| map.clock_rate);
    let encoding_name = map.map_or_else(|| UNNAMED.to_owned(), |map| map.encoding_name);
    PayloadFormat::new(name.to_owned(), encoding_name, clock_rate, payload_type)
}

/// The clock rate of formats that do not state it (RFC 3551 sections 4 and 5).
const fn usual_clock_rate(kind: &MediaKind) -> u32 {
    if matches!(kind, MediaKind::Audio) { 8_000 } else { 90_000 }
}

/// The description with payload types that are numbers, and rtpmaps that can be read.
fn mended(media: &MediaDescription, odd: &mut Oddities) -> MediaDescription {
    let mut media = media.clone();
    let kind = MediaKind::from(&*media.media);
    for attribute in &mut media.attributes {
        if attribute.name.eq_ignore_ascii_case("rtpmap") {
            mend_rtpmap(attribute, usual_clock_rate(&kind), odd);
        }
    }
    let maps = media.attributes.iter().filter(|a| a.name.eq_ignore_ascii_case("rtpmap"));
    let mapped: Vec<u8> = maps
        .filter_map(|a| RtpMap::parse(a.value.as_deref()?))
        .map(|map| map.payload_type)
        .take(32)
        .collect();
    if media.payload_types().next().is_some() {
        return media;
    }
    let text = media.formats.join(" ");
    odd.note(format_args!("{text:?} in the place of a payload type"));
    if mapped.is_empty() {
        // Some write the name of the codec there.
        let name = text.split([' ', '/']).next().filter(|name| is_token(name.as_bytes()));
        if let Some(name) = name {
            media.push_rtpmap(UNSTATED, name, usual_clock_rate(&kind), None);
        }
        media.formats = vec![UNSTATED.to_string()];
    } else {
        media.formats = mapped.iter().map(u8::to_string).collect();
    }
    media
}

/// Completes an `a=rtpmap` that lacks its clock rate, and drops a number of channels of 0.
fn mend_rtpmap(attribute: &mut Attribute, clock_rate: u32, odd: &mut Oddities) {
    let value = attribute.value.as_deref().unwrap_or_default().trim();
    let mended = match RtpMap::parse(value) {
        Some(map) if map.channels != Some(0) => return,
        Some(map) => RtpMap { channels: None, ..map },
        None => {
            let (payload_type, encoding) = value.split_once([' ', '\t']).unwrap_or((value, ""));
            let name = encoding.trim().split('/').next().unwrap_or_default();
            let Some(payload_type) = digits(payload_type).filter(|pt| *pt < 128) else { return };
            if name.is_empty() {
                return;
            }
            RtpMap { payload_type, encoding_name: name.to_owned(), clock_rate, channels: None }
        }
    };
    odd.note(format_args!("a=rtpmap:{value} was taken for {mended}"));
    attribute.value = Some(mended.to_string());
}

/// Tells that the parameter sets of a description cannot be used. The stream brings them.
fn note_parameter_sets(format: &PayloadFormat, parameters: &CodecParameters, odd: &mut Oddities) {
    let is_complete = match parameters {
        CodecParameters::H264 { sps, pps } => !sps.is_empty() && !pps.is_empty(),
        CodecParameters::H265 { vps, sps, pps } => {
            !vps.is_empty() && !sps.is_empty() && !pps.is_empty()
        }
        _ => true,
    };
    if !is_complete && format.fmtp.as_deref().is_some_and(|fmtp| fmtp.contains("sprop-")) {
        odd.note(format_args!("unusable parameter sets of {}", format.encoding_name));
    }
}

//! The payload types to which RFC 3551 section 6 assigns an encoding (tables 4 and 5), including
//! encodings that this crate does not implement.

use super::format::PayloadFormat;

/// A static payload type.
struct StaticType {
    payload_type: u8,
    media: &'static str,
    encoding_name: &'static str,
    clock_rate: u32,
    /// Number of channels; `None` if the payload states it, or for video.
    channels: Option<u8>,
}

const fn audio(payload_type: u8, encoding_name: &'static str, clock_rate: u32) -> StaticType {
    StaticType { payload_type, media: "audio", encoding_name, clock_rate, channels: Some(1) }
}

const fn video(payload_type: u8, encoding_name: &'static str) -> StaticType {
    let (media, clock_rate) = ("video", 90_000);
    StaticType { payload_type, media, encoding_name, clock_rate, channels: None }
}

const STATIC_TYPES: [StaticType; 24] = [
    audio(0, "PCMU", 8_000),
    audio(3, "GSM", 8_000),
    audio(4, "G723", 8_000),
    audio(5, "DVI4", 8_000),
    audio(6, "DVI4", 16_000),
    audio(7, "LPC", 8_000),
    audio(8, "PCMA", 8_000),
    audio(9, "G722", 8_000),
    StaticType { channels: Some(2), ..audio(10, "L16", 44_100) },
    audio(11, "L16", 44_100),
    audio(12, "QCELP", 8_000),
    audio(13, "CN", 8_000),
    StaticType { channels: None, ..audio(14, "MPA", 90_000) },
    audio(15, "G728", 8_000),
    audio(16, "DVI4", 11_025),
    audio(17, "DVI4", 22_050),
    audio(18, "G729", 8_000),
    video(25, "CelB"),
    video(26, "JPEG"),
    video(28, "nv"),
    video(31, "H261"),
    video(32, "MPV"),
    video(33, "MP2T"),
    video(34, "H263"),
];

/// The format that RFC 3551 assigns to a payload type.
pub(super) fn format_of(payload_type: u8) -> Option<PayloadFormat> {
    let of = |known: &&StaticType| known.payload_type == payload_type;
    let StaticType { media, encoding_name, clock_rate, channels, .. } =
        *STATIC_TYPES.iter().find(of)?;
    let format = PayloadFormat::new(media, encoding_name, clock_rate, payload_type);
    Some(PayloadFormat { channels, ..format })
}

/// The payload type that RFC 3551 assigns to a format. Audio without a number of channels has one
/// channel (RFC 4566 section 6).
pub(super) fn payload_type_of(format: &PayloadFormat) -> Option<u8> {
    let channels = format.channels.unwrap_or(1);
    let of = |known: &&StaticType| {
        known.media.eq_ignore_ascii_case(&format.media)
            && known.encoding_name.eq_ignore_ascii_case(&format.encoding_name)
            && known.clock_rate == format.clock_rate
            && known.channels.is_none_or(|own| own == channels)
    };
    STATIC_TYPES.iter().find(of).map(|known| known.payload_type)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_static_type_stands_for_its_format_and_back() {
        for payload_type in 0..96 {
            let Some(format) = format_of(payload_type) else { continue };
            assert!(format.check().is_ok());
            assert_eq!(payload_type_of(&format), Some(payload_type), "{format:?}");
        }
        let of = |name: &'static str, rate, channels: Option<u8>| {
            payload_type_of(&PayloadFormat {
                channels,
                ..PayloadFormat::new("audio", name, rate, 97)
            })
        };
        assert_eq!(of("pcmu", 8_000, None), Some(0));
        assert_eq!(of("PCMA", 8_000, Some(1)), Some(8));
        assert_eq!(of("PCMA", 8_000, Some(2)), None);
        assert_eq!(of("PCMU", 16_000, Some(1)), None);
        assert_eq!(of("L16", 44_100, Some(2)), Some(10));
        assert_eq!(of("L16", 44_100, None), Some(11));
        assert_eq!(of("L16", 48_000, Some(2)), None);
    }
}

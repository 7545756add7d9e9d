//! Bodies for the formats of the feature `audio-formats`.

use super::audio::{depacketizer, given};
use crate::codec::aac::AudioSpecificConfig;
use crate::codec::ac3::access_unit;
use crate::codec::latm::{StreamMuxConfig, stream_mux_config};
use crate::codec::opus::{OpusHead, is_packet, packet_samples};
use crate::codec::vorbis::{Headers, split_private};
use crate::payload::ac3::Ac3Depacketizer;
use crate::payload::amr::{AmrDepacketizer, AmrMode};
use crate::payload::blocks::{BlockDepacketizer, Blocks};
use crate::payload::latm::LatmDepacketizer;
use crate::payload::{FormatRegistry, PayloadFormat};
use crate::wire::Reader;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;

/// Opus: what is accepted is plausible.
pub fn opus(data: &[u8]) {
    if let Some(samples) = packet_samples(data) {
        assert!(samples % 120 == 0 && samples <= 5_760);
    }
    for streams in [0, 1, 2, 5, 255] {
        assert!(!is_packet(data, streams) || packet_samples(data).is_some());
    }
    for head in [OpusHead::parse(data), OpusHead::parse_mp4(data)].into_iter().flatten() {
        let parameters = head.parameters();
        assert!(parameters.check().is_ok());
        let formats = FormatRegistry::standard();
        let format = formats.format(&parameters, 96);
        let back = format.and_then(|format| formats.parameters(&format));
        assert_eq!(back, Ok(parameters));
    }
}

/// The headers of Vorbis, as Matroska has them.
pub fn vorbis_headers(data: &[u8]) {
    let Some(headers) = split_private(&Bytes::copy_from_slice(data)) else { return };
    let Ok(headers) = Headers::parse(&headers) else { return };
    for first in 0..=u8::MAX {
        let own = headers.block_size(&[first]);
        assert!(own.is_none_or(|own| (64..=8192).contains(&own)));
        assert_eq!(headers.packet_samples(own, &[first]), own.map(|own| own / 2));
        assert!(own.is_some() || headers.previous_block_size(&[first]).is_none());
    }
}

/// RFC 5215: two bytes of length, a packed configuration, packets.
pub fn vorbis_depacketizer(data: &[u8]) {
    let mut r = Reader::new(data);
    let Ok(len) = r.u16("length") else { return };
    let Ok(packed) = r.take(len.into(), "configuration") else { return };
    let format = PayloadFormat::new("audio", "vorbis", 48_000, 96)
        .with_fmtp(format!("configuration={}", STANDARD.encode(packed)));
    let formats = FormatRegistry::standard();
    let Ok(parameters) = formats.parameters(&format) else { return };
    assert!(parameters.check().is_ok());
    if let Ok(mut of_stream) = formats.depacketizer(&format) {
        depacketizer(r.rest(), &mut *of_stream);
    }
}

/// RFC 4867. The first byte says in which mode.
pub fn amr_depacketizer(data: &[u8]) {
    let Some((&mode, data)) = data.split_first() else { return };
    let of_byte = AmrMode::new(mode & 1 != 0).with_channels(mode >> 4);
    let mode = if mode & 2 != 0 { of_byte } else { of_byte.bandwidth_efficient() };
    let given = given(data, &mut AmrDepacketizer::new(mode));
    // Six bits of a frame without speech become a byte.
    assert!(given * 3 <= data.len() * 4);
}

/// RFC 3551. The first byte says how long blocks are, and whether they are frames.
pub fn block_depacketizer(data: &[u8]) {
    let Some((&first, data)) = data.split_first() else { return };
    let len = usize::from(first >> 1);
    let blocks =
        if first & 1 != 0 { Blocks::frames(len, 160, 8_000) } else { Blocks::new(len, 1, 8_000) };
    depacketizer(data, &mut BlockDepacketizer::new(blocks));
}

/// AC-3 and Enhanced AC-3. The first byte says which.
pub fn ac3_depacketizer(data: &[u8]) {
    let Some((&kind, data)) = data.split_first() else { return };
    let ac3 = Ac3Depacketizer::new(48_000);
    let mut of_stream = if kind & 1 == 0 { ac3 } else { Ac3Depacketizer::enhanced(48_000) };
    depacketizer(data, &mut of_stream);
    if let Ok(unit) = access_unit(data) {
        assert!(unit.frames > 0 && unit.len >= unit.first.frame_len && unit.len <= data.len());
    }
}

/// RFC 6416: a byte of flags, a byte of length, a StreamMuxConfig, packets.
pub fn latm_depacketizer(data: &[u8]) {
    let mut r = Reader::new(data);
    let (Ok(flags), Ok(len)) = (r.u8("flags"), r.u8("length")) else { return };
    let Ok(config) = r.take(len.into(), "configuration") else { return };
    let Ok(mux) = StreamMuxConfig::parse(config) else { return };
    let audio = mux.audio_specific_config(config);
    assert_eq!(AudioSpecificConfig::parse(&audio), Ok(mux.audio));
    let written = stream_mux_config(&audio).map(|written| StreamMuxConfig::parse(&written));
    assert!(written.is_ok_and(|written| written.is_ok_and(|w| w.audio.sampling_rate > 0)));
    let of_stream = LatmDepacketizer::new(mux, flags & 1 != 0, 44_100);
    let mut of_stream = match flags & 6 {
        2 => of_stream.knowing_config(),
        4 => of_stream.finding_config(),
        _ => of_stream,
    };
    depacketizer(r.rest(), &mut of_stream);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::payload::testing::XorShift;

    const BODIES: [fn(&[u8]); 7] = [
        opus,
        vorbis_headers,
        vorbis_depacketizer,
        amr_depacketizer,
        block_depacketizer,
        ac3_depacketizer,
        latm_depacketizer,
    ];

    #[test]
    fn noise() {
        let mut random = XorShift::new(9);
        for n in 0..400 {
            let data = random.bytes(n);
            BODIES.iter().for_each(|body| body(&data));
        }
    }
}

//! Bodies for audio and transport streams: framers give the same for any way to cut the input and
//! never more than went in; depacketizers never give more than went in.

use crate::codec::aac::AudioSpecificConfig;
use crate::codec::{CodecParameters, PcmEncoding};
use crate::framer::adts::AdtsFramer;
use crate::framer::drive::{Framer, frames_of};
use crate::framer::mpeg_audio::MpegAudioFramer;
use crate::framer::mpeg_ts::{PACKET_LEN, Stamps, TsFramer};
use crate::framer::wav::WavFramer;
use crate::payload::aac::{AacDepacketizer, parameters_from_fmtp, samples_per_unit};
use crate::payload::mp2t::Mp2tDepacketizer;
use crate::payload::mpa::MpaDepacketizer;
use crate::payload::pcm::PcmDepacketizer;
use crate::payload::{DepacketizedFrames, Depacketizer, FormatRegistry, RtpPayload};
use crate::wire::Reader;
use bytes::Bytes;

/// The first byte says how the rest is cut.
fn framer<F: Framer>(data: &[u8]) {
    let Some((&piece, data)) = data.split_first() else { return };
    let whole = frames_of(&mut F::default(), data, usize::MAX);
    let pieces = frames_of(&mut F::default(), data, usize::from(piece) + 1);
    assert!(whole == pieces, "pieces of {} bytes", usize::from(piece) + 1);
    assert!(whole.iter().map(|frame| frame.data.len()).sum::<usize>() <= data.len());
    assert!(whole.iter().all(|frame| !frame.data.is_empty()));
    assert!(whole.iter().zip(whole.iter().skip(1)).all(|(a, b)| a.dts <= b.dts));
}

/// ADTS.
pub fn adts_framer(data: &[u8]) {
    framer::<AdtsFramer>(data);
}

/// MPEG audio.
pub fn mpeg_audio_framer(data: &[u8]) {
    framer::<MpegAudioFramer>(data);
}

/// WAV.
pub fn wav_header(data: &[u8]) {
    framer::<WavFramer>(data);
}

/// Transport streams, and packets that are sent again from the start or from elsewhere.
pub fn mpeg_ts_framer(data: &[u8]) {
    framer::<TsFramer>(data);
    let mut stamps = Stamps::default();
    for pass in 0..4 {
        let mut packets = data.to_vec();
        for packet in packets.chunks_exact_mut(PACKET_LEN) {
            let sync = packet.first().copied();
            stamps.handle_packet(packet);
            assert_eq!(packet.first().copied(), sync);
        }
        assert!(pass > 0 || packets == data, "what is sent first is sent as it is");
        match pass {
            0 => stamps.go_on(u64::MAX),
            1 => stamps.jump(),
            _ => stamps.break_counters(),
        }
    }
}

/// AudioSpecificConfig: what can be written means the same when it is read again.
pub fn audio_specific_config(data: &[u8]) {
    let config = Bytes::copy_from_slice(data);
    let aac = CodecParameters::Aac { config, sampling_rate: 48_000, channels: 2 };
    let format = FormatRegistry::standard().format(&aac, 96);
    assert!(format.is_ok_and(|format| format.fmtp.is_some()));
    let _ = samples_per_unit(data, u32::MAX);
    let Ok(config) = AudioSpecificConfig::parse(data) else { return };
    if matches!(config.object_type, 1..=4) && config.channel_configuration != 0 {
        assert_eq!(AudioSpecificConfig::parse(&config.to_bytes()), Ok(config));
    }
}

/// Never more comes out than went in; see [`given`].
pub(super) fn depacketizer(data: &[u8], depacketizer: &mut dyn Depacketizer) {
    assert!(given(data, depacketizer) <= data.len());
}

/// Number of bytes that come out of packets: a byte of flags, a byte of length, a payload.
pub(super) fn given(data: &[u8], depacketizer: &mut dyn Depacketizer) -> usize {
    let mut r = Reader::new(data);
    let mut timestamp = 0u32;
    let (mut given, mut frames) = (0, DepacketizedFrames::new());
    while let (Ok(flags), Ok(len)) = (r.u8("flags"), r.u8("length")) {
        let len = (usize::from(len) * (1 + usize::from(flags >> 6))).min(r.remaining().len());
        let payload = r.take(len, "payload").unwrap_or_default();
        if flags & 4 != 0 {
            timestamp = timestamp.wrapping_add(u32::from(flags) << 20);
        }
        let payload = RtpPayload::new(payload, timestamp)
            .with_marker(flags & 1 != 0)
            .after_missing(u64::from(flags >> 4 & 3))
            .after_loss(flags & 2 != 0);
        let _ = depacketizer.handle_payload(&payload, &mut frames);
        if flags & 8 != 0 {
            given += take(&mut frames);
        }
    }
    depacketizer.handle_end(&mut frames);
    given + take(&mut frames)
}

fn take(frames: &mut DepacketizedFrames) -> usize {
    std::iter::from_fn(|| frames.pop())
        .map(|frame| {
            assert!(!frame.data.is_empty());
            frame.data.len()
        })
        .sum()
}

/// RFC 3640. The first byte says how many more tell the layout of AU headers; of none it is that
/// of AAC-hbr.
pub fn aac_depacketizer(data: &[u8]) {
    let Some((&kind, data)) = data.split_first() else { return };
    let (fields, data) = data.split_at(usize::from(kind % 12).min(data.len()));
    let fmtp: String = fields
        .iter()
        .enumerate()
        .filter_map(|(i, value)| Some(format!("{}={};", LAYOUT.get(i)?, value % 40)))
        .collect();
    let parameters = parameters_from_fmtp(&fmtp);
    depacketizer(data, &mut AacDepacketizer::with_parameters(&parameters, 44_100));
    let _ = parameters_from_fmtp(&String::from_utf8_lossy(data)).unit_duration(44_100);
}

const LAYOUT: [&str; 11] = [
    "sizeLength",
    "indexLength",
    "indexDeltaLength",
    "constantSize",
    "CTSDeltaLength",
    "DTSDeltaLength",
    "randomAccessIndication",
    "streamStateIndication",
    "auxiliaryDataSizeLength",
    "constantDuration",
    "maxDisplacement",
];

/// RFC 2250, MPA.
pub fn mpa_depacketizer(data: &[u8]) {
    depacketizer(data, &mut MpaDepacketizer::new());
}

/// RFC 2250, MP2T.
pub fn mp2t_depacketizer(data: &[u8]) {
    depacketizer(data, &mut Mp2tDepacketizer::new());
}

/// RFC 3551. The first byte says how many channels.
pub fn pcm_depacketizer(data: &[u8]) {
    let Some((&channels, data)) = data.split_first() else { return };
    depacketizer(data, &mut PcmDepacketizer::new(PcmEncoding::L24, channels));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::framer::{adts, mpeg_audio, mpeg_ts, wav};
    use crate::payload::testing::XorShift;

    const BODIES: [fn(&[u8]); 9] = [
        adts_framer,
        mpeg_audio_framer,
        wav_header,
        mpeg_ts_framer,
        audio_specific_config,
        aac_depacketizer,
        mpa_depacketizer,
        mp2t_depacketizer,
        pcm_depacketizer,
    ];

    /// Valid inputs, damaged at random.
    #[test]
    fn damaged_streams() {
        let seeds: Vec<Vec<u8>> = vec![
            adts::tests::stream(12, 1).0,
            mpeg_audio::tests::stream(8, 2).concat(),
            [mpeg_audio::tests::xing(), mpeg_audio::tests::stream(4, 3).concat()].concat(),
            mpeg_ts::tests::stream(40, 5_000_000, 30_000),
            wav::tests::riff(&[
                (b"LIST", vec![1; 33]),
                wav::tests::fmt(1, 2, 8000, 16),
                (b"data", vec![7; 3000]),
            ]),
            vec![0xff; 300],
            vec![0; 300],
            vec![0x47; 900],
        ];
        let mut random = XorShift::new(42);
        for round in 0..400 {
            let seed = &seeds[round % seeds.len()];
            let mut data = vec![random.next() as u8];
            data.extend_from_slice(seed);
            for _ in 0..random.below(6) {
                let at = random.below(data.len() as u64) as usize;
                match random.below(4) {
                    0 => data[at] = random.next() as u8,
                    1 => data[at] ^= 1 << random.below(8),
                    2 => drop(data.drain(at..(at + random.below(40) as usize).min(data.len()))),
                    _ => {
                        let extra = random.below(300) as usize;
                        data.splice(at..at, random.bytes(extra));
                    }
                }
                if data.is_empty() {
                    break;
                }
            }
            BODIES.iter().for_each(|body| body(&data));
        }
    }

    #[test]
    fn noise() {
        let mut random = XorShift::new(7);
        for n in 0..300 {
            let data = random.bytes(n);
            BODIES.iter().for_each(|body| body(&data));
        }
    }
}

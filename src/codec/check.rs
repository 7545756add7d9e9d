//! [`CodecParameters::check`]: plausibility of codec parameters.

use super::aac::AudioSpecificConfig;
use super::parameters::{CodecParameters, OpusMapping, OtherCodec};
use crate::error::Error;
use crate::wire::sdp::format_fault;
use bytes::Bytes;

/// Plausible sampling rates in Hz.
const SAMPLING_RATES: std::ops::RangeInclusive<u32> = 1_000..=768_000;

/// Types of the NAL units in the list of sequence parameter sets of H.264, which may be followed
/// by their extensions (ISO/IEC 14496-15 section 5.3.3.1.2).
const H264_SPS: [u8; 3] = [7, 13, 15];

impl CodecParameters {
    /// Checks that a stream can have these parameters, to detect confused forms of parameter sets
    /// or units of a rate. Parameter sets may be missing, since they may be unknown yet; their
    /// content is not checked.
    ///
    /// # Errors
    /// [`Error::Usage`] names the first implausible parameter.
    pub fn check(&self) -> Result<(), Error> {
        match self {
            Self::H264 { sps, pps } => {
                let kind = |nal: &Bytes| nal.first().map(|b| b & 0x1f);
                check_units(sps.iter().chain(pps))?;
                if !sps.iter().all(|nal| kind(nal).is_some_and(|kind| H264_SPS.contains(&kind))) {
                    return Err(Error::Usage("an H.264 SPS is a NAL unit of type 7"));
                }
                if sps.first().is_some_and(|nal| kind(nal) != Some(7) || nal.len() < 4) {
                    return Err(Error::Usage("an H.264 SPS has a profile and a level"));
                }
                if !pps.iter().all(|nal| kind(nal) == Some(8)) {
                    return Err(Error::Usage("an H.264 PPS is a NAL unit of type 8"));
                }
                Ok(())
            }
            Self::H265 { vps, sps, pps } => {
                check_units(vps.iter().chain(sps).chain(pps))?;
                let are = |nals: &[Bytes], kind| {
                    nals.iter()
                        .all(|nal| nal.len() > 2 && nal.first().is_some_and(|b| b >> 1 == kind))
                };
                if !are(vps, 32) || !are(sps, 33) || !are(pps, 34) {
                    return Err(Error::Usage(
                        "VPS, SPS and PPS of H.265 are NAL units of the types 32, 33 and 34",
                    ));
                }
                Ok(())
            }
            Self::Aac { config, sampling_rate, channels } => {
                let Ok(config) = AudioSpecificConfig::parse(config) else {
                    return Err(Error::Usage("the configuration of AAC is no AudioSpecificConfig"));
                };
                check_audio(*sampling_rate, *channels)?;
                let core = config.sampling_rate;
                let output = core.checked_mul(2);
                if *sampling_rate != core && Some(*sampling_rate) != output.max(config.sbr) {
                    return Err(Error::Usage("the sampling rate of AAC is not that of its config"));
                }
                Ok(())
            }
            Self::Pcm { sampling_rate, channels, .. } => check_audio(*sampling_rate, *channels),
            Self::Opus { channels, mapping } => check_opus(*channels, mapping.as_ref()),
            Self::Vorbis { sampling_rate, channels, .. }
            | Self::Ac3 { sampling_rate, channels }
            | Self::Eac3 { sampling_rate, channels } => check_audio(*sampling_rate, *channels),
            Self::Speex { sampling_rate } => check_audio(*sampling_rate, 1),
            Self::Amr { channels, .. } | Self::G722 { channels } => check_audio(8_000, *channels),
            Self::G726 { bits: 2..=5, .. } | Self::Ilbc { mode: 20 | 30 } => Ok(()),
            Self::G726 { .. } => Err(Error::Usage("a sample of G.726 has 2 to 5 bits")),
            Self::Ilbc { .. } => Err(Error::Usage("a frame of iLBC lasts 20 or 30 ms")),
            Self::Vp9 { profile: Some(4..) } => Err(Error::Usage("the profiles of VP9 are 0 to 3")),
            Self::Klv { clock_rate: 0 } => Err(Error::Usage("a clock rate is not zero")),
            Self::MpegAudio
            | Self::Mp2t
            | Self::Vp8
            | Self::Vp9 { .. }
            | Self::Av1 { .. }
            | Self::Jpeg
            | Self::MpegVideo
            | Self::Mpeg4Video { .. }
            | Self::Gsm
            | Self::Klv { .. }
            | Self::OnvifMetadata
            | Self::Text => Ok(()),
            Self::Other(codec) => check_other(codec),
        }
    }
}

/// RFC 7845 section 5.1.1.
fn check_opus(channels: u8, mapping: Option<&OpusMapping>) -> Result<(), Error> {
    let Some(OpusMapping { streams, coupled, channels: map }) = mapping else {
        return match channels {
            1 | 2 => Ok(()),
            _ => Err(Error::Usage("Opus of other than one or two channels has a mapping")),
        };
    };
    let decoded = streams.checked_add(*coupled);
    if *streams == 0 || coupled > streams || channels == 0 || map.len() != usize::from(channels) {
        return Err(Error::Usage("a mapping of Opus has a stream, and an entry for each channel"));
    }
    if !map.iter().all(|index| *index == 255 || decoded.is_some_and(|decoded| *index < decoded)) {
        return Err(Error::Usage("a mapping of Opus names channels that the streams have"));
    }
    Ok(())
}

fn check_audio(sampling_rate: u32, channels: u8) -> Result<(), Error> {
    if !SAMPLING_RATES.contains(&sampling_rate) {
        return Err(Error::Usage("a sampling rate is between 1,000 and 768,000 Hz"));
    }
    if channels == 0 {
        return Err(Error::Usage("audio has at least one channel"));
    }
    Ok(())
}

fn check_other(codec: &OtherCodec) -> Result<(), Error> {
    let OtherCodec { media, encoding_name, clock_rate, channels, fmtp } = codec;
    format_fault(media, encoding_name, *clock_rate, *channels, fmtp.as_deref())
        .map_or(Ok(()), |why| Err(Error::Usage(why)))
}

/// Checks that each parameter set is a single NAL unit: not empty, without a start code before it
/// or another unit after it. Trailing zeros and a trailing start code are often left over, and are
/// harmless.
fn check_units<'a>(mut units: impl Iterator<Item = &'a Bytes>) -> Result<(), Error> {
    let has_start_code = |unit: &Bytes| unit.windows(4).any(|bytes| bytes.starts_with(&[0, 0, 1]));
    units.try_for_each(|unit| {
        if unit.is_empty() {
            return Err(Error::Usage("a parameter set is empty"));
        }
        if has_start_code(unit) {
            return Err(Error::Usage("a parameter set is one NAL unit without a start code"));
        }
        Ok(())
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::parameters::PcmEncoding;

    const SPS: &[u8] = &[0x67, 0x42, 0xc0, 0x1e, 0xd9];
    const PPS: &[u8] = &[0x68, 0xce, 0x3c, 0x80];

    fn h264(sps: &[u8], pps: &[u8]) -> CodecParameters {
        let list = |nal: &[u8]| vec![Bytes::copy_from_slice(nal)];
        CodecParameters::H264 { sps: list(sps), pps: list(pps) }
    }

    fn aac(config: &'static [u8], sampling_rate: u32, channels: u8) -> CodecParameters {
        let config = Bytes::from_static(config);
        CodecParameters::Aac { config, sampling_rate, channels }
    }

    #[track_caller]
    fn refused(parameters: CodecParameters, why: &str) {
        let said = parameters.check().unwrap_err().to_string();
        assert!(said.contains(why), "{said}");
    }

    #[test]
    fn parameter_sets_in_another_form_are_refused() {
        assert!(h264(SPS, PPS).check().is_ok());
        assert!(h264(&[SPS, &[0, 0, 0, 1]].concat(), PPS).check().is_ok());
        assert!(
            CodecParameters::H264 { sps: vec![], pps: vec![] }.check().is_ok(),
            "not known yet"
        );
        refused(h264(&[&[0, 0, 0, 1], SPS].concat(), PPS), "start code");
        refused(h264(&[&[0, 0, 1], SPS].concat(), PPS), "start code");
        refused(h264(&[SPS, &[0, 0, 0, 1], PPS].concat(), PPS), "start code");
        // With a length in front, and the wrong way round.
        refused(h264(&[&[0, 5], SPS].concat(), PPS), "type 7");
        refused(h264(PPS, SPS), "type 7");
        refused(h264(SPS, SPS), "type 8");
        refused(h264(&[], PPS), "empty");
        refused(h264(&[0x67, 0x42], PPS), "profile");
        let h265 = |types: [u8; 3]| {
            let [vps, sps, pps] = types.map(|t| vec![Bytes::copy_from_slice(&[t << 1, 1, 7])]);
            CodecParameters::H265 { vps, sps, pps }
        };
        assert!(h265([32, 33, 34]).check().is_ok());
        refused(h265([32, 34, 33]), "32, 33 and 34");
        refused(h265([33, 33, 34]), "32, 33 and 34");
    }

    #[test]
    fn audio_that_cannot_be_is_refused() {
        // 32 kHz, mono.
        const CONFIG: &[u8] = &[0x12, 0x88];
        assert!(aac(CONFIG, 32_000, 1).check().is_ok());
        assert!(aac(CONFIG, 64_000, 2).check().is_ok(), "with SBR and PS, which nothing tells of");
        refused(aac(CONFIG, 7, 1), "between 1,000");
        refused(aac(CONFIG, 44_100, 1), "config");
        refused(aac(CONFIG, 32_000, 0), "channel");
        refused(aac(&[], 32_000, 1), "AudioSpecificConfig");
        let pcm = |sampling_rate, channels| CodecParameters::Pcm {
            encoding: PcmEncoding::L16,
            sampling_rate,
            channels,
        };
        assert!(pcm(8000, 1).check().is_ok());
        refused(pcm(0, 1), "between 1,000");
        refused(pcm(u32::MAX, 1), "between 1,000");
        refused(pcm(48_000, 0), "channel");
    }

    #[test]
    fn opus_of_several_channels_has_a_fitting_mapping() {
        let opus = |channels, mapping: Option<(u8, u8, &'static [u8])>| CodecParameters::Opus {
            channels,
            mapping: mapping.map(|(streams, coupled, map)| OpusMapping::new(streams, coupled, map)),
        };
        let surround: &[u8] = &[0, 4, 1, 2, 3, 5];
        assert!(opus(2, None).check().is_ok());
        assert!(opus(6, Some((4, 2, surround))).check().is_ok());
        assert!(opus(1, Some((1, 0, &[255]))).check().is_ok());
        refused(opus(6, None), "has a mapping");
        refused(opus(5, Some((4, 2, surround))), "each channel");
        refused(opus(6, Some((2, 4, surround))), "a stream");
        refused(opus(6, Some((3, 2, surround))), "streams have");
        refused(opus(2, Some((255, 1, &[0, 1]))), "streams have");
    }

    #[test]
    fn other_codecs_are_checked_as_sdp_will_state_them() {
        let tone = || OtherCodec::new("audio", "X-TONE", 8_000).with_channels(1).with_fmtp("a=1");
        let other = CodecParameters::Other;
        assert!(other(tone()).check().is_ok());
        refused(other(OtherCodec::new("audio", "X TONE", 8_000)), "tokens");
        refused(other(OtherCodec::new("", "X-TONE", 8_000)), "tokens");
        refused(other(OtherCodec { clock_rate: 0, ..tone() }), "rate");
        refused(other(tone().with_channels(0)), "channel");
        refused(other(tone().with_fmtp("a\nb")), "one line");
    }
}

//! [`FileForm`]: how the frames of a track stand in a file.

use super::annexb::AnnexB;
use super::output::Output;
use super::wav::WavWriter;
use crate::codec::aac::{AdtsHeader, AudioSpecificConfig};
use crate::codec::{CodecParameters, amr};
use crate::error::Error;
use crate::frame::Frame;
use std::io::{Seek, Write};

/// How the frames of a track stand in a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum FileForm {
    /// The bytes of the frames, one behind the other. For MPEG audio and video, MPEG-4 video, AC-3,
    /// JPEG, GSM, G.722 and transport streams that is a file that can be played.
    Raw,
    /// AMR and AMR-WB with one channel: the frames behind the magic number of a file (RFC 4867
    /// section 5).
    Amr,
    /// H.264 and H.265: a byte stream (Annex B) with the parameter sets of the description in front,
    /// unless the stream begins with its own.
    AnnexB,
    /// AAC: each access unit with an ADTS header (ISO/IEC 14496-3 section 1.A.3.2).
    Adts,
    /// PCM and G.711 in a WAV file. The header is completed at the end; until then the file can be
    /// played too. Files of more than 4 GiB become RF64 (EBU Tech 3306).
    Wav,
}

impl FileForm {
    /// The form in which a track can be played from a file; [`Raw`](Self::Raw) if there is none.
    pub const fn of(parameters: &CodecParameters) -> Self {
        match parameters {
            CodecParameters::H264 { .. } | CodecParameters::H265 { .. } => Self::AnnexB,
            CodecParameters::Aac { .. } => Self::Adts,
            CodecParameters::Pcm { .. } => Self::Wav,
            CodecParameters::Amr { channels: 1, .. } => Self::Amr,
            _ => Self::Raw,
        }
    }

    /// The usual ending of a file's name, without a dot; `None` if there is none.
    pub const fn extension(self, parameters: &CodecParameters) -> Option<&'static str> {
        Some(match (self, parameters) {
            (Self::AnnexB, CodecParameters::H265 { .. }) => "h265",
            (Self::AnnexB, _) => "h264",
            (Self::Adts, _) => "aac",
            (Self::Wav, _) => "wav",
            (Self::Raw, CodecParameters::MpegAudio) => "mp3",
            (Self::Amr, CodecParameters::Amr { wideband: true, .. }) => "awb",
            (Self::Amr, _) => "amr",
            (Self::Raw, CodecParameters::Mp2t) => "ts",
            (Self::Raw, CodecParameters::MpegVideo) => "m2v",
            (Self::Raw, CodecParameters::Jpeg) => "mjpeg",
            (Self::Raw, CodecParameters::Ac3 { .. }) => "ac3",
            (Self::Raw, CodecParameters::Eac3 { .. }) => "eac3",
            (Self::Raw, CodecParameters::Gsm) => "gsm",
            (Self::Raw, CodecParameters::G722 { channels: 1 }) => "g722",
            (Self::Raw, CodecParameters::Klv { .. }) => "klv",
            (Self::Raw, CodecParameters::OnvifMetadata) => "xml",
            (Self::Raw, CodecParameters::Text) => "txt",
            (Self::Raw, _) => return None,
        })
    }
}

/// Writes frames in one form.
#[derive(Debug)]
pub(super) enum FormWriter {
    Raw,
    AnnexB(AnnexB),
    Adts(AudioSpecificConfig),
    Amr { wideband: bool, begun: bool },
    Wav { writer: WavWriter, begun: bool },
}

impl FormWriter {
    /// # Errors
    /// A track of this codec has no such form; says why.
    pub(super) fn new(form: FileForm, parameters: &CodecParameters) -> Result<Self, &'static str> {
        match (form, parameters) {
            (FileForm::Raw, _) => Ok(Self::Raw),
            (FileForm::AnnexB, _) => {
                AnnexB::new(parameters).map(Self::AnnexB).ok_or("only video has NAL units")
            }
            (FileForm::Adts, CodecParameters::Aac { config, .. }) => {
                let config = AudioSpecificConfig::parse(config);
                let config = config.map_err(|_| "the configuration of AAC cannot be read")?;
                AdtsHeader::of_unit(&config, 0)
                    .map(|_| Self::Adts(config))
                    .ok_or("AAC of this kind has no ADTS form")
            }
            (FileForm::Wav, &CodecParameters::Pcm { encoding, sampling_rate, channels }) => {
                let writer = WavWriter::new(encoding, sampling_rate, channels);
                Ok(Self::Wav { writer, begun: false })
            }
            (FileForm::Amr, &CodecParameters::Amr { wideband, channels: 1 }) => {
                Ok(Self::Amr { wideband, begun: false })
            }
            (FileForm::Amr, _) => Err("only AMR with one channel goes into an AMR file"),
            (FileForm::Adts, _) => Err("only AAC has ADTS headers"),
            (FileForm::Wav, _) => Err("only samples go into a WAV file"),
        }
    }

    /// The stream goes on with other parameters.
    ///
    /// # Errors
    /// The file cannot; says why.
    pub(super) fn change(&mut self, parameters: &CodecParameters) -> Result<(), &'static str> {
        let form = match self {
            Self::Raw => return Ok(()),
            Self::AnnexB(_) => FileForm::AnnexB,
            Self::Adts(_) => FileForm::Adts,
            Self::Amr { .. } => FileForm::Amr,
            Self::Wav { .. } => FileForm::Wav,
        };
        match (&*self, Self::new(form, parameters)?) {
            (Self::Wav { writer: before, begun: true }, Self::Wav { writer, .. }) => {
                if *before == writer { Ok(()) } else { Err("a WAV file has samples of one kind") }
            }
            (Self::Amr { wideband: before, begun: true }, Self::Amr { wideband, .. }) => {
                if *before == wideband { Ok(()) } else { Err("an AMR file has frames of one kind") }
            }
            (_, new) => {
                *self = new;
                Ok(())
            }
        }
    }

    /// The parameters of the track, as far as frames have told others than were described.
    pub(super) fn parameters(&self) -> Option<CodecParameters> {
        match self {
            Self::AnnexB(annexb) => Some(annexb.parameters()),
            Self::Raw | Self::Adts(_) | Self::Amr { .. } | Self::Wav { .. } => None,
        }
    }

    /// What follows goes into another file, which has frames of the same stream in front of it.
    pub(super) const fn restart(&mut self) {
        if let Self::Wav { begun, .. } | Self::Amr { begun, .. } = self {
            *begun = false;
        }
    }

    /// Writes what stands in front of all frames.
    pub(super) fn begin<W: Write + Seek>(&mut self, output: &mut Output<W>) -> Result<(), Error> {
        match self {
            Self::Wav { writer, begun: begun @ false } => {
                *begun = true;
                output.write(&writer.header(None))
            }
            Self::Amr { wideband, begun: begun @ false } => {
                *begun = true;
                output.write(if *wideband { amr::MAGIC_WB } else { amr::MAGIC })
            }
            _ => Ok(()),
        }
    }

    /// Writes a frame with one call. `memory` is for the bytes that are put together for it.
    pub(super) fn frame<W: Write + Seek>(
        &mut self,
        frame: &Frame,
        memory: &mut Vec<u8>,
        output: &mut Output<W>,
    ) -> Result<(), Error> {
        memory.clear();
        match self {
            Self::Raw | Self::Amr { .. } => output.write(&frame.data),
            Self::AnnexB(annexb) => output.write(&annexb.frame(frame)),
            Self::Adts(config) => {
                let Some(header) = AdtsHeader::of_unit(config, frame.data.len()) else {
                    // No encoder makes these: a channel has 6,144 bits at most.
                    log::debug!("an AAC frame of {} bytes is left out", frame.data.len());
                    return Ok(());
                };
                memory.extend_from_slice(&header.to_bytes());
                memory.extend_from_slice(&frame.data);
                output.write(memory)
            }
            Self::Wav { writer, .. } => {
                writer.put_samples(&frame.data, memory);
                output.write(memory)
            }
        }
    }

    /// Completes the file.
    pub(super) fn complete<W: Write + Seek>(&self, output: &mut Output<W>) -> Result<(), Error> {
        let Self::Wav { writer, begun: true } = self else { return Ok(()) };
        let data_len = output.len().saturating_sub(writer.header(None).len() as u64);
        if data_len % 2 == 1 {
            output.write(&[0])?;
        }
        output.write_over(0, &writer.header(Some(data_len)))
    }
}

//! [`TrackFindings`]: what a probe has found out of a track.

use crate::status::Status;
use riverrun::client::{MediaSubsession, MediaTransport, PlayedTrack};
use riverrun::codec::aac::AudioSpecificConfig;
use riverrun::codec::mpeg_audio::FrameHeader;
use riverrun::codec::{CodecParameters, VideoFacts, h264, h265};
use riverrun::framer::annexb;
use riverrun::rtp::ReceivedFrame;
use std::time::Duration;

/// What a probe has found out of a track.
#[derive(Debug)]
pub(crate) struct TrackFindings {
    pub(crate) described: MediaSubsession,
    /// Why it was not set up.
    pub(crate) failure: Option<(Status, String)>,
    sets: Sets,
    mpeg_audio: Option<FrameHeader>,
    pub(crate) transport: Option<MediaTransport>,
    pub(crate) frames: u64,
    pub(crate) key_frames: u64,
    pub(crate) damaged: u64,
    pub(crate) bytes: u64,
    pub(crate) first_frame: Option<Duration>,
    pub(crate) first_key_frame: Option<Duration>,
    /// The least and the greatest presentation time.
    times: Option<(Duration, Duration)>,
    /// A presentation time, and the number of frames before it, which have all come: those of
    /// reordered pictures come later than a greater time.
    settled: Option<(Duration, u64)>,
    pub(crate) synchronized: bool,
    pub(crate) has_capture_time: bool,
    pub(crate) reception: Received,
}

/// The statistics of a track's receiver.
#[derive(Clone, Debug, Default)]
pub(crate) struct Received {
    pub(crate) packets: u64,
    pub(crate) lost: i64,
    pub(crate) late: u64,
    pub(crate) rejected: u64,
    pub(crate) jitter: Duration,
    /// To the sender, if it helps to measure that.
    pub(crate) round_trip: Option<Duration>,
    pub(crate) ssrc: Option<u32>,
    pub(crate) reports: u64,
    pub(crate) cname: Option<String>,
}

/// Parameter sets: those of the description, and those in the stream.
#[derive(Debug)]
enum Sets {
    H264(Box<h264::ParameterSets>),
    H265(Box<h265::ParameterSets>),
    None,
}

/// What is known of the sound.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct AudioFacts {
    pub(crate) coding: Option<String>,
    pub(crate) sampling_rate: u32,
    pub(crate) channels: u8,
}

impl TrackFindings {
    pub(crate) fn new(described: &MediaSubsession) -> Self {
        Self {
            sets: Sets::of(&described.parameters),
            described: described.clone(),
            failure: None,
            mpeg_audio: None,
            transport: None,
            frames: 0,
            key_frames: 0,
            damaged: 0,
            bytes: 0,
            first_frame: None,
            first_key_frame: None,
            times: None,
            settled: None,
            synchronized: false,
            has_capture_time: false,
            reception: Received::default(),
        }
    }

    pub(crate) fn take(&mut self, since: Duration, frame: &ReceivedFrame) {
        self.first_frame.get_or_insert(since);
        if frame.key {
            self.first_key_frame.get_or_insert(since);
            self.sets.take(&frame.data);
        }
        if self.described.parameters == CodecParameters::MpegAudio && self.mpeg_audio.is_none() {
            self.mpeg_audio = FrameHeader::parse(&frame.data).ok();
        }
        if let Some((_, greatest)) = self.times.filter(|(_, greatest)| frame.pts > *greatest) {
            self.settled = Some((greatest, self.frames - 1));
        }
        self.frames += 1;
        self.key_frames += u64::from(frame.key);
        self.damaged += u64::from(frame.damaged);
        self.bytes += frame.data.len() as u64;
        let (least, greatest) = self.times.unwrap_or((frame.pts, frame.pts));
        self.times = Some((least.min(frame.pts), greatest.max(frame.pts)));
        self.synchronized = frame.synchronized;
        self.has_capture_time |= frame.wall_clock.is_some();
    }

    pub(crate) fn look_at(&mut self, played: &PlayedTrack<'_>) {
        let source = played.receiver.source();
        let (counters, reception) = (source.counters(), source.reception());
        self.transport = Some(played.transport);
        self.reception = Received {
            packets: counters.packets,
            lost: reception.lost,
            late: counters.late,
            rejected: counters.rejected,
            jitter: reception.jitter,
            round_trip: reception.round_trip,
            ssrc: source.ssrc(),
            reports: played.receiver.rtcp().counters().received,
            cname: played.receiver.sender_cname().map(str::to_owned),
        };
    }

    /// Frames per second of the time that they last.
    pub(crate) fn frame_rate(&self) -> Option<f64> {
        let ((least, _), (until, frames)) = (self.times?, self.settled?);
        let span = until.saturating_sub(least).as_secs_f64();
        (span > 0.0).then(|| frames as f64 / span)
    }

    /// Bits of frames per second.
    pub(crate) fn bit_rate(&self) -> Option<u64> {
        let per_frame = self.bytes as f64 * 8.0 / self.frames as f64;
        Some((per_frame * self.frame_rate()?).round() as u64)
    }

    /// The codec's parameters, with the parameter sets of the stream.
    pub(crate) fn parameters(&self) -> CodecParameters {
        match &self.sets {
            Sets::H264(sets) => CodecParameters::H264 {
                sps: sets.sps().cloned().collect(),
                pps: sets.pps().cloned().collect(),
            },
            Sets::H265(sets) => CodecParameters::H265 {
                vps: sets.vps().cloned().collect(),
                sps: sets.sps().cloned().collect(),
                pps: sets.pps().cloned().collect(),
            },
            Sets::None => self.described.parameters.clone(),
        }
    }

    pub(crate) fn video(&self) -> Option<VideoFacts> {
        self.parameters().video_facts()
    }

    pub(crate) fn audio(&self) -> Option<AudioFacts> {
        match &self.described.parameters {
            CodecParameters::Aac { config, sampling_rate, channels } => {
                let coding = AudioSpecificConfig::parse(config).ok().map(|config| {
                    match (config.object_type, config.sbr, config.ps) {
                        (_, _, true) => "HE-AAC v2".to_owned(),
                        (_, Some(_), _) => "HE-AAC".to_owned(),
                        (2, ..) => "AAC-LC".to_owned(),
                        (other, ..) => format!("object type {other}"),
                    }
                });
                Some(AudioFacts { coding, sampling_rate: *sampling_rate, channels: *channels })
            }
            CodecParameters::Pcm { sampling_rate, channels, .. } => Some(AudioFacts {
                coding: None,
                sampling_rate: *sampling_rate,
                channels: *channels,
            }),
            CodecParameters::MpegAudio => self.mpeg_audio.map(|header| AudioFacts {
                coding: Some(format!("layer {:?}, {} kbit/s", header.layer, header.bitrate / 1000)),
                sampling_rate: header.sampling_rate,
                channels: header.channels,
            }),
            _ => None,
        }
    }
}

impl Sets {
    fn of(parameters: &CodecParameters) -> Self {
        match parameters {
            CodecParameters::H264 { sps, pps } => {
                let mut sets = h264::ParameterSets::default();
                for nal in sps.iter().chain(pps) {
                    sets.handle_nal(nal);
                }
                Self::H264(Box::new(sets))
            }
            CodecParameters::H265 { vps, sps, pps } => {
                let mut sets = h265::ParameterSets::default();
                for nal in vps.iter().chain(sps).chain(pps) {
                    sets.handle_nal(nal);
                }
                Self::H265(Box::new(sets))
            }
            _ => Self::None,
        }
    }

    /// Takes those of an access unit.
    fn take(&mut self, data: &[u8]) {
        for nal in annexb::nal_units(data) {
            match self {
                Self::H264(sets) => sets.handle_nal(nal),
                Self::H265(sets) => sets.handle_nal(nal),
                Self::None => return,
            };
        }
    }
}

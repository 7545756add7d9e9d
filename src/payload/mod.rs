//! RTP payload formats: one file an RFC, each with packetizer, depacketizer and SDP parameters.

use crate::codec::CodecParameters;
use crate::error::Error;
use crate::frame::Frame;
use crate::wire::ParseError;
use crate::wire::sdp::has_breaks;
use crate::wire::text::is_token;
use bytes::Bytes;

pub mod aac;
mod access_unit;
mod gather;
pub mod h264;
pub mod h265;
pub mod mp2t;
pub mod mpa;
mod packet_buffer;
pub mod pcm;
#[cfg(test)]
pub(crate) mod testing;

pub use packet_buffer::{PacketBuffer, PacketSpan, RTP_HEADER_LEN, TCP_PREFIX_LEN};

/// What SDP says of a payload format: the `m=`, `a=rtpmap` and `a=fmtp` of a track.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PayloadFormat {
    /// `audio`, `video`, `application`: the media of the `m=` line.
    pub media: &'static str,
    /// RTP payload type: static (RFC 3551) or dynamic (96–127).
    pub payload_type: u8,
    /// Encoding name as registered, e.g. `H264`.
    pub encoding_name: &'static str,
    /// RTP timestamp units a second.
    pub clock_rate: u32,
    /// Audio channels; `None` leaves them out of the rtpmap.
    pub channels: Option<u8>,
    /// Value of `a=fmtp` after the payload type.
    pub fmtp: Option<String>,
}

impl PayloadFormat {
    /// Says what is wrong with a format that no packet or description can have.
    ///
    /// # Errors
    /// [`Error::Usage`].
    pub fn check(&self) -> Result<(), Error> {
        Err(Error::Usage(match self.payload_type {
            // With the marker these are the types of RTCP packets.
            72..=76 => "payload types 72 to 76 cannot be told from RTCP (RFC 3551 section 6)",
            128.. => "an RTP payload type is a number up to 127",
            _ if !is_token(self.media.as_bytes()) || !is_token(self.encoding_name.as_bytes()) => {
                "media and encoding name are tokens (RFC 4566 section 9)"
            }
            _ if self.clock_rate == 0 => "an RTP clock has a rate",
            _ if self.channels == Some(0) => "audio has at least one channel",
            _ if self.fmtp.as_deref().is_some_and(has_breaks) => "an fmtp is one line",
            _ => return Ok(()),
        }))
    }
}

/// Cuts frames into RTP payloads.
pub trait Packetizer {
    /// Appends the packets of `frame` to `out`. Each packet has at most `out.max_payload()` bytes
    /// of payload: the RTP sink drops the packets of a call that breaks this. A packetizer that
    /// gathers several frames in a packet may append nothing, and on a later call packets whose timestamp lies before `frame`'s (see
    /// [`PacketBuffer::finish_packet`]).
    fn packetize(&mut self, frame: &Frame, out: &mut PacketBuffer);

    /// Appends what was held back (end of stream, pause).
    fn flush(&mut self, out: &mut PacketBuffer) {
        let _ = out;
    }

    /// Forgets what was held back (seek).
    fn reset(&mut self) {}

    /// Whether frames wait inside to share a packet with later ones. A call of
    /// [`packetize`](Self::packetize) that appends packets leaves at most its own frame waiting.
    fn holds_back(&self) -> bool {
        false
    }
}

/// What a depacketizer gives out: a frame's bytes and its RTP timestamp.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DepacketizedFrame {
    /// As [`Frame::data`].
    pub data: Bytes,
    /// RTP timestamp of the frame, of its first sample.
    pub timestamp: u32,
    /// Decoding can start here.
    pub key: bool,
    /// Something was lost before or in this frame.
    pub discontinuity: bool,
    /// The frame is not whole, or may not be: a packet was lost or malformed while it was put
    /// together, or just before its first one came. What there is of it is well-formed.
    pub damaged: bool,
}

/// Puts frames together from RTP payloads in sequence order.
pub trait Depacketizer {
    /// Takes the payload of one packet. `lost` says that packets before it are missing: what was
    /// half put together is dropped, and the next frame is marked. An error means that the packet
    /// was malformed and has been dropped; the depacketizer goes on.
    fn handle_payload(
        &mut self,
        payload: &[u8],
        marker: bool,
        timestamp: u32,
        lost: bool,
    ) -> Result<(), ParseError>;

    /// The next whole frame.
    fn poll_frame(&mut self) -> Option<DepacketizedFrame>;

    /// No more packets will come: what is complete becomes available.
    fn handle_end(&mut self) {}

    /// How many packets broke their format's RFC and were taken all the same, because it is known
    /// what the devices that send them mean.
    fn deviations(&self) -> u64 {
        0
    }
}

/// The payload format for a track; `dynamic` (96–127) is used where RFC 3551 assigns no number.
/// The parameters are taken as they are: [`CodecParameters::check`] tells whether they can be.
pub fn format_for(parameters: &CodecParameters, dynamic: u8) -> PayloadFormat {
    match parameters {
        CodecParameters::H264 { sps, pps } => h264::format(sps, pps, dynamic),
        CodecParameters::H265 { vps, sps, pps } => h265::format(vps, sps, pps, dynamic),
        CodecParameters::Aac { config, sampling_rate, channels } => {
            aac::format(config, *sampling_rate, *channels, dynamic)
        }
        CodecParameters::MpegAudio => mpa::format(),
        CodecParameters::Pcm { encoding, sampling_rate, channels } => {
            pcm::format(*encoding, *sampling_rate, *channels, dynamic)
        }
        CodecParameters::Mp2t => mp2t::format(),
    }
}

/// A packetizer for a track.
pub fn packetizer_for(parameters: &CodecParameters) -> Box<dyn Packetizer> {
    match parameters {
        CodecParameters::H264 { .. } => Box::new(h264::H264Packetizer::new()),
        CodecParameters::H265 { .. } => Box::new(h265::H265Packetizer::new()),
        CodecParameters::Aac { sampling_rate, .. } => {
            Box::new(aac::AacPacketizer::new(*sampling_rate))
        }
        CodecParameters::MpegAudio => Box::new(mpa::MpaPacketizer::new()),
        CodecParameters::Pcm { encoding, sampling_rate, channels } => {
            Box::new(pcm::PcmPacketizer::new(*encoding, *channels, *sampling_rate))
        }
        CodecParameters::Mp2t => Box::new(mp2t::Mp2tPacketizer::new()),
    }
}

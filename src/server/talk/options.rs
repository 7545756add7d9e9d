//! [`BackChannelOptions`]: what clients may send over a back channel, and how it is received.

use crate::codec::CodecParameters;
use crate::error::Error;
use crate::payload::opaque::OpaqueDepacketizer;
use crate::payload::{Depacketizer, FormatRegistry, PayloadFormat};
use std::time::Duration;

/// Most formats of a back channel.
const MAX_FORMATS: usize = 8;
/// The first dynamic payload type.
const DYNAMIC: u8 = 96;

/// The options of a back channel; see
/// [`RtspServer::add_back_channel`](crate::server::RtspServer::add_back_channel).
///
/// ```
/// use riverrun::codec::{CodecParameters, PcmEncoding};
/// use riverrun::payload::PayloadFormat;
/// use riverrun::server::BackChannelOptions;
///
/// let encoding = PcmEncoding::Pcmu;
/// let g711 = CodecParameters::Pcm { encoding, sampling_rate: 8000, channels: 1 };
/// let options = BackChannelOptions::for_codecs(&[g711])?;
/// assert_eq!((options.formats().len(), options.formats()[0].payload_type), (1, 0));
/// // A codec that the crate does not know: each payload is a frame.
/// let opus = PayloadFormat::new("audio", "opus", 48_000, 97).with_channels(2);
/// assert_eq!(BackChannelOptions::new(vec![opus]).formats().len(), 1);
/// # Ok::<(), riverrun::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct BackChannelOptions {
    formats: Vec<PayloadFormat>,
    registry: FormatRegistry,
    pub(crate) passes_packets: bool,
    pub(crate) is_opened_on_demand: bool,
    pub(crate) max_bitrate: u64,
    pub(crate) max_delay: Duration,
}

impl BackChannelOptions {
    /// Creates options for a back channel that takes audio in these formats, which have different
    /// payload types. The client chooses one of them by the payload type of its packets. Frames of
    /// formats that are not in the registry are the payloads of packets.
    pub const fn new(formats: Vec<PayloadFormat>) -> Self {
        Self {
            formats,
            registry: FormatRegistry::new(),
            passes_packets: false,
            is_opened_on_demand: false,
            max_bitrate: 2_000_000,
            max_delay: Duration::from_millis(100),
        }
    }

    /// Creates options for a back channel that takes audio of these codecs. Those to which RFC 3551
    /// assigns no payload type get one from 96 on.
    ///
    /// # Errors
    /// [`Error::Usage`] or another error of the registry: it has no format for a codec.
    pub fn for_codecs(codecs: &[CodecParameters]) -> Result<Self, Error> {
        let registry = FormatRegistry::standard();
        let formats = codecs.iter().zip(DYNAMIC..=127).map(|(codec, n)| registry.format(codec, n));
        Ok(Self::new(formats.collect::<Result<_, _>>()?))
    }

    /// Sets the registry, instead of the [standard one](FormatRegistry::standard), whose formats make
    /// frames of packets.
    pub fn with_registry(mut self, registry: FormatRegistry) -> Self {
        self.registry = registry;
        self
    }

    /// Hands the sink packets, in order, and no frames.
    pub const fn with_packets(mut self) -> Self {
        self.passes_packets = true;
        self
    }

    /// Has the sink [asked](crate::server::BackChannelSink::wanted) before a client may talk. The
    /// client waits until
    /// [`RtspServer::back_channel_opened`](crate::server::RtspServer::back_channel_opened) or
    /// [`back_channel_refused`](crate::server::RtspServer::back_channel_refused) is called, for
    /// [`describe_timeout`](crate::server::ServerConfig::describe_timeout) at most.
    pub const fn opened_on_demand(mut self) -> Self {
        self.is_opened_on_demand = true;
        self
    }

    /// Sets the highest rate, in bit/s with RTP headers, at which packets of a client are taken; others
    /// are dropped. A client that was slower may send as many at once as one second has. Default:
    /// 2,000,000.
    pub const fn with_max_bitrate(mut self, bits: u64) -> Self {
        self.max_bitrate = bits;
        self
    }

    /// Sets the longest wait for a missing packet over UDP. Default: 100 ms.
    pub const fn with_max_delay(mut self, delay: Duration) -> Self {
        self.max_delay = delay;
        self
    }

    /// Returns the formats.
    pub fn formats(&self) -> &[PayloadFormat] {
        &self.formats
    }

    /// Checks that the formats can be described.
    ///
    /// # Errors
    /// [`Error::Usage`] says what is wrong.
    pub(crate) fn check(&self) -> Result<(), Error> {
        if self.formats.is_empty() || self.formats.len() > MAX_FORMATS {
            return Err(Error::Usage("a back channel has one to eight formats"));
        }
        let mut seen = 0_u128;
        for format in &self.formats {
            format.check()?;
            if format.media != "audio" {
                return Err(Error::Usage("a back channel is for audio"));
            }
            let bit = 1 << format.payload_type;
            if seen & bit != 0 {
                return Err(Error::Usage("formats of a back channel have different payload types"));
            }
            seen |= bit;
        }
        Ok(())
    }

    /// What makes frames of the packets of a format.
    pub(super) fn depacketizer(&self, format: &PayloadFormat) -> Box<dyn Depacketizer> {
        self.registry.depacketizer(format).unwrap_or_else(|e| {
            log::debug!("payloads of the back channel are passed on as they are: {e}");
            Box::new(OpaqueDepacketizer::new())
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formats_that_cannot_be_described_are_refused() {
        let format = |media: &'static str, n| PayloadFormat::new(media, "PCMU", 8000, n);
        let check = |formats| BackChannelOptions::new(formats).check();
        assert!(check(vec![format("audio", 0), format("audio", 97)]).is_ok());
        let many = (96..105).map(|n| format("audio", n)).collect();
        for bad in [
            vec![],
            many,
            vec![format("video", 96)],
            vec![format("audio", 96), format("audio", 96)],
            vec![format("audio", 72)],
            vec![format("audio", 200)],
        ] {
            assert!(matches!(check(bad), Err(Error::Usage(_))));
        }
    }
}

//! [`PlayerConfig`]: how a player behaves.

use crate::client::config::RtspClientConfig;
use crate::client::requests::PlayParameters;
#[cfg(feature = "srtp")]
use crate::client::secure::SrtpClientConfig;
use crate::client::transport::TransportPolicy;
use crate::description::TrackChoice;
use crate::error::Error;
use crate::payload::FormatRegistry;
use crate::rtp::receiver::KeyFrameMessage;
use crate::wire::rtsp::{Headers, Method};
use std::time::Duration;

/// Configuration of a [`Player`](super::Player). [`Default`] gives the defaults, and each field can
/// then be set.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct PlayerConfig {
    /// The RTSP client: credentials, time-outs, header fields.
    pub client: RtspClientConfig,
    /// How media come. Default: over UDP, and over TCP where that does not work.
    pub transport: TransportPolicy,
    /// The tracks to play. Default: all but those that go to the server.
    pub tracks: TrackChoice,
    /// What the handler is given of the tracks: frames or packets. Default: frames.
    pub output: PlayerOutput,
    /// The payload formats that are known; others are received as they are. Default: the standard
    /// ones.
    pub formats: FormatRegistry,
    /// Sends OPTIONS before DESCRIBE, which tells whether the server keeps a session alive on
    /// GET_PARAMETER. Without it OPTIONS does that. Default: true.
    pub options_first: bool,
    /// Port of this host to which RTP of the first track comes over UDP, an even one; RTCP comes to
    /// the next, and each further track has the pair behind. Default: any that are free.
    pub first_port: Option<u16>,
    /// What is asked for in PLAY: range, scale, speed. Default: all from the start, or from where a
    /// live stream is.
    pub play: PlayParameters,
    /// Header fields that the requests of a method carry, besides those of
    /// [all requests](RtspClientConfig::headers): `Require` in SETUP, for example. Default: none.
    pub headers: Vec<(Method, Headers<'static>)>,
    /// Longest time from the response to PLAY to the first packet. Over UDP, where
    /// [`transport`](Self::transport) allows it, TCP is tried next. Default: 3 s.
    pub first_packet_timeout: Duration,
    /// Longest silence of a track that has been heard, or of any video track. The player then
    /// connects anew. Default: 10 s.
    ///
    /// Where silence is allowed (in a pause, of tracks that are neither audio nor video), the player
    /// connects anew when the server has sent nothing since it left three keep-alive requests in
    /// succession unanswered.
    pub stall_timeout: Duration,
    /// Longest time for the response to DESCRIBE when the
    /// [back channel](TrackChoice::back_channel) is asked for. The player then goes on without it.
    /// Default: 3 s.
    pub back_channel_timeout: Duration,
    /// Asks for a key frame by this message where decoding cannot go on without (RFC 4585, RFC
    /// 5104), if the description allows it. Default: a picture loss indication.
    pub key_frame_message: Option<KeyFrameMessage>,
    /// Asks for packets that are missing to be sent again (generic NACK, RFC 4585 section 6.2.1),
    /// over UDP, if the description allows it. Default: true.
    pub nack: bool,
    /// Longest wait for a missing packet over UDP. Default: 100 ms.
    pub max_delay: Duration,
    /// Bytes that the system is asked to keep of a track's packets while the loop is busy.
    /// Default: 1 MiB.
    pub receive_buffer: usize,
    /// SRTP. Default: see [`SrtpClientConfig`].
    #[cfg(feature = "srtp")]
    pub srtp: SrtpClientConfig,
    /// When to connect anew after a failure. Default: always.
    pub reconnect: ReconnectPolicy,
}

/// What a [`Player`](super::Player) gives its handler of the tracks that it receives.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum PlayerOutput {
    /// Frames that are assembled from packets ([`PlayerEvent::Frame`](super::PlayerEvent::Frame)).
    #[default]
    Frames,
    /// Packets in order, as they were sent ([`PlayerEvent::Packet`](super::PlayerEvent::Packet)): for
    /// a relay. The handler is called while a socket is being read, and a packet is lent to it for
    /// the call.
    Packets,
}

/// When to connect anew after a connection was lost or could not be made.
///
/// The delay doubles from one failure to the next, up to the longest, and varies at random by a
/// quarter of itself, so that clients that lost a server together do not come back together. It
/// is the first again once frames have arrived.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ReconnectPolicy {
    /// Delay after the first failure. Default: 1 s.
    pub first_delay: Duration,
    /// Longest delay. Default: 60 s.
    pub longest_delay: Duration,
    /// Failures in succession after which the player ends. Default: no number of them.
    pub max_failures: Option<u32>,
}

impl Default for ReconnectPolicy {
    fn default() -> Self {
        Self {
            first_delay: Duration::from_secs(1),
            longest_delay: Duration::from_secs(60),
            max_failures: None,
        }
    }
}

impl ReconnectPolicy {
    /// Never: the first failure ends the player.
    pub fn never() -> Self {
        Self { max_failures: Some(1), ..Self::default() }
    }

    /// The delay after `failures` failures in succession, 1 at least, varied by `random`.
    pub(crate) fn delay(&self, failures: u32, random: u32) -> Duration {
        let doublings = failures.saturating_sub(1).min(20);
        let delay = self.first_delay.saturating_mul(1 << doublings).min(self.longest_delay);
        // From 7/8 to 9/8 of it.
        let eighth = delay / 8;
        let varied =
            (eighth * 7).saturating_add((eighth * 2).mul_f64(f64::from(random) / 2f64.powi(32)));
        varied.min(self.longest_delay)
    }
}

impl Default for PlayerConfig {
    fn default() -> Self {
        Self {
            client: RtspClientConfig::default(),
            transport: TransportPolicy::default(),
            tracks: TrackChoice::default(),
            output: PlayerOutput::default(),
            formats: FormatRegistry::standard().clone(),
            options_first: true,
            first_port: None,
            play: PlayParameters::default(),
            headers: Vec::new(),
            first_packet_timeout: Duration::from_secs(3),
            stall_timeout: Duration::from_secs(10),
            back_channel_timeout: Duration::from_secs(3),
            key_frame_message: Some(KeyFrameMessage::PictureLoss),
            nack: true,
            max_delay: Duration::from_millis(100),
            receive_buffer: 1 << 20,
            #[cfg(feature = "srtp")]
            srtp: SrtpClientConfig::default(),
            reconnect: ReconnectPolicy::default(),
        }
    }
}

impl PlayerConfig {
    /// Checks that a player can work with this configuration.
    ///
    /// # Errors
    /// [`Error::Usage`]: as [`RtspClientConfig::check`] and [`PlayParameters::check`]; another
    /// time-out is zero; `first_port` is odd or zero.
    pub fn check(&self) -> Result<(), Error> {
        self.client.check()?;
        self.play.check()?;
        Err(Error::Usage(match () {
            () if self.first_packet_timeout.is_zero()
                || self.stall_timeout.is_zero()
                || self.back_channel_timeout.is_zero() =>
            {
                "a time-out of a player is not zero"
            }
            () if self.first_port.is_some_and(|port| port == 0 || port % 2 != 0) => {
                "RTP has an even port"
            }
            () if self.reconnect.first_delay > self.reconnect.longest_delay => {
                "the first delay is no longer than the longest"
            }
            () => return Ok(()),
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_double_up_to_the_longest() {
        let policy = ReconnectPolicy::default();
        for (failures, seconds) in [(1, 1.0), (2, 2.0), (3, 4.0), (6, 32.0), (7, 60.0), (99, 60.0)]
        {
            let [low, middle, high] =
                [0, 1 << 31, u32::MAX].map(|random| policy.delay(failures, random).as_secs_f64());
            assert!((low - seconds * 0.875).abs() < 0.01, "{failures}: {low}");
            assert!((middle - seconds).abs() < 0.01, "{failures}: {middle}");
            assert!((high - (seconds * 1.125f64).min(60.0)).abs() < 0.01, "{failures}: {high}");
        }
    }

    #[test]
    fn what_could_not_work_is_refused() {
        assert!(PlayerConfig::default().check().is_ok());
        let refused: [fn(&mut PlayerConfig); 7] = [
            |config| config.first_port = Some(5001),
            |config| config.first_port = Some(0),
            |config| config.stall_timeout = Duration::ZERO,
            |config| config.client.connect_timeout = Duration::ZERO,
            |config| config.play.scale = Some(f32::NAN),
            |config| config.play.range = "npt=2-1".parse().ok(),
            |config| config.reconnect.longest_delay = Duration::ZERO,
        ];
        for (i, change) in refused.into_iter().enumerate() {
            let mut config = PlayerConfig::default();
            change(&mut config);
            assert!(config.check().is_err(), "{i}");
        }
    }
}

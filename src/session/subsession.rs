//! Subsessions: the tracks of a [`ServerMediaSession`](super::ServerMediaSession).
//!
//! A subsession describes itself and makes streams; it returns values and never gets the server.
//! [`OnDemandServerMediaSubsession`] makes a source and a sink when a client asks for them;
//! an application usually implements only [`StreamFactory`] and wraps it in one.
//! [`PassiveServerMediaSubsession`] names a multicast stream that runs anyway.

use crate::codec::CodecParameters;
use crate::env::UsageEnvironment;
use crate::error::Error;
use crate::ids::{InputId, StreamId};
use crate::media::{FramedSource, SeekError, SourceContext};
use crate::net::PortPair;
use crate::payload::{FormatRegistry, PayloadFormat};
use crate::rtp::rtcp::{RtcpConfig, RtcpInstance};
use crate::rtp::sink::RtpSink;
use crate::stream::fast_start::FastStart;
use crate::wire::sdp::{ExtraLines, SdpLevel};
use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use crate::session::payload_types::DYNAMIC;

/// How the packets of a subsession are distributed to its clients.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Distribution {
    /// By unicast to each client, over UDP or the RTSP connection, from a stream that is made when
    /// a client sets it up.
    OnDemand {
        /// Whether all clients share one stream.
        reuse_first_source: bool,
        /// Whether clients may have RTCP on the RTP port (RFC 5761).
        multiplex_rtcp: bool,
        /// How a newcomer to a shared stream of video begins.
        fast_start: FastStart,
    },
    /// By multicast, from a stream that runs whether there are clients or not.
    Multicast(MulticastGroup),
}

/// The group that a multicast stream is sent to.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct MulticastGroup {
    /// The address of the group and the RTP port.
    pub rtp: SocketAddr,
    /// The RTCP port of the same group.
    pub rtcp_port: u16,
    /// The time to live of the packets (hop limit).
    pub ttl: u8,
    /// The stream in the server's table.
    pub stream: StreamId,
}

/// The client that a stream is made for.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct StreamRequest {
    /// A number that is the same for all tracks that one client session sets up; 0 for a stream
    /// that all clients share.
    pub client_session: u64,
    /// The address of the client.
    pub peer: SocketAddr,
    /// The address at which the client reached the server.
    pub local: SocketAddr,
}

/// Makes the source and the sink of a stream. The methods that have a default are live555's points
/// of extension.
///
/// A track names the [`parameters`](Self::parameters) of its codec and opens its source. A track of
/// an application's own codec has [`CodecParameters::Other`] and the [`formats`](Self::formats)
/// that it is registered in.
///
/// # Example
///
/// A track that whistles, with a stream for each client:
///
/// ```
/// use riverrun::codec::{CodecParameters, PcmEncoding};
/// use riverrun::media::{FramePoll, FramedSource, SourceContext};
/// use riverrun::server::{OnDemandServerMediaSubsession, StreamFactory, StreamRequest};
/// use riverrun::{Error, Frame};
/// use std::time::Duration;
///
/// struct Whistle(u32);
///
/// impl FramedSource for Whistle {
///     fn poll_frame(&mut self, _: &mut SourceContext<'_>) -> FramePoll {
///         let pts = Duration::from_millis(20) * self.0;
///         self.0 += 1;
///         let samples: Vec<u8> = [0x80, 0x00].repeat(80); // mu-law, 160 samples of 4 kHz
///         FramePoll::Ready(Frame::new(samples, pts, Duration::from_millis(20)))
///     }
/// }
///
/// struct WhistleTrack;
///
/// impl StreamFactory for WhistleTrack {
///     fn parameters(&self) -> Option<CodecParameters> {
///         let encoding = PcmEncoding::Pcmu;
///         Some(CodecParameters::Pcm { encoding, sampling_rate: 8000, channels: 1 })
///     }
///
///     fn create_new_stream_source(
///         &mut self,
///         _: &StreamRequest,
///         _: &mut SourceContext<'_>,
///     ) -> Result<Box<dyn FramedSource>, Error> {
///         Ok(Box::new(Whistle(0)))
///     }
/// }
///
/// let format = WhistleTrack.payload_format().expect("the parameters are known");
/// assert_eq!((&*format.encoding_name, format.payload_type), ("PCMU", 0));
/// let track = OnDemandServerMediaSubsession::new(WhistleTrack);
/// # drop(track);
/// ```
pub trait StreamFactory {
    /// The codec of the track and its parameters; `None` while they are not known.
    fn parameters(&self) -> Option<CodecParameters> {
        None
    }

    /// The dynamic payload type (96–127), for a format that RFC 3551 assigns no number. If another
    /// track of the session has it already, the server gives the track the next free number: in
    /// the description, in the packets, and at the beginning of attributes of
    /// [`aux_sdp_line`](Self::aux_sdp_line).
    fn dynamic_payload_type(&self) -> u8 {
        96
    }

    /// The payload formats that the track's is one of. A track of an application's own codec has a
    /// registry with an entry for it.
    fn formats(&self) -> &FormatRegistry {
        FormatRegistry::standard()
    }

    /// The payload format; `None` while it is not known (DESCRIBE is answered with 503).
    fn payload_format(&self) -> Option<PayloadFormat> {
        self.formats().format(&self.parameters()?, self.dynamic_payload_type()).ok()
    }

    /// Opens the source for one stream.
    ///
    /// # Errors
    /// Those of the source. The client's SETUP fails with a fitting status.
    fn create_new_stream_source(
        &mut self,
        request: &StreamRequest,
        cx: &mut SourceContext<'_>,
    ) -> Result<Box<dyn FramedSource>, Error>;

    /// Makes the sink. `random` seeds SSRC, first sequence number and timestamp base.
    ///
    /// # Errors
    /// The [`parameters`](Self::parameters) are not known, or what [`RtpSink::new`] refuses.
    fn create_new_rtp_sink(
        &mut self,
        max_packet: usize,
        random: [u8; 12],
    ) -> Result<RtpSink, Error> {
        let parameters = self.parameters().ok_or(Error::Usage("the track has no parameters"))?;
        let (format, packetizer) =
            self.formats().sender(&parameters, self.dynamic_payload_type())?;
        RtpSink::new(&format, packetizer, max_packet, random)
    }

    /// Further SDP lines of the track, each ended by CR LF or LF: `i=` (one), `b=` and `a=`. A
    /// track with others is refused when it is added to a server.
    fn aux_sdp_line(&self) -> Option<String> {
        None
    }

    /// The length of the track; `None` if it has no end that is known.
    fn duration(&self) -> Option<Duration> {
        None
    }

    /// Whether clients may seek.
    fn is_seekable(&self) -> bool {
        self.duration().is_some()
    }

    /// The live input that the source gets its frames from; they are sent when they arrive
    /// rather than when they are due.
    fn live_input(&self) -> Option<InputId> {
        None
    }

    /// The estimated bandwidth in kbit/s, for SDP `b=AS` and RTCP intervals.
    fn bandwidth_kbps(&self) -> Option<u32> {
        None
    }

    /// A number that changes whenever the description of the track does: its format, further SDP
    /// lines, length or bandwidth. The server asks at every DESCRIBE, and answers with the same
    /// text for as long as the number stays the same. With `None`, the default, it builds the
    /// description each time.
    fn revision(&self) -> Option<u64> {
        None
    }

    /// The period after which the track begins anew; `None` if it does not repeat. All tracks of a
    /// session need the same.
    fn repeat_period(&self) -> Option<Duration> {
        None
    }

    /// Seeks to `npt` and returns where the stream goes on.
    ///
    /// # Errors
    /// The source cannot seek there.
    fn seek_stream_source(
        &mut self,
        source: &mut dyn FramedSource,
        npt: Duration,
        cx: &mut SourceContext<'_>,
    ) -> Result<Duration, SeekError> {
        source.seek(npt, cx)
    }

    /// Whether [`seek_stream_source`](Self::seek_stream_source) can be done, without doing it. A
    /// factory that seeks in its own way answers for it here too.
    ///
    /// # Errors
    /// Why it cannot: PLAY is refused, and no track of the session has moved.
    fn check_seek(
        &mut self,
        source: &dyn FramedSource,
        npt: Duration,
        cx: &mut SourceContext<'_>,
    ) -> Result<(), SeekError> {
        source.check_seek(npt, cx)
    }

    /// Sets the playing speed and returns the one that is used: 1 if the source has no other.
    fn set_stream_source_scale(&mut self, source: &mut dyn FramedSource, scale: f32) -> f32 {
        let _ = (source, scale);
        1.0
    }

    /// Opens the sockets that a UDP stream is sent from, on the local address `local` (whose port
    /// is 0): a pair of ports at or above `base`, found with at most `tries` attempts.
    ///
    /// # Errors
    /// No pair can be opened; SETUP is answered with 503.
    fn create_groupsock(
        &mut self,
        env: &mut UsageEnvironment,
        local: SocketAddr,
        base: u16,
        tries: u16,
    ) -> io::Result<PortPair> {
        PortPair::open(env, local, base, tries)
    }

    /// Makes the stream's RTCP instance.
    fn create_rtcp(
        &mut self,
        config: RtcpConfig,
        ssrc: u32,
        now: Instant,
        seed: u64,
    ) -> RtcpInstance {
        RtcpInstance::new(config, ssrc, now, seed)
    }
}

/// A track of a media session.
pub trait ServerMediaSubsession: fmt::Debug {
    /// How its packets are distributed to clients.
    fn distribution(&self) -> Distribution;

    /// The payload format; `None` while it is not known.
    fn payload_format(&self) -> Option<PayloadFormat>;

    /// Further SDP lines, as [`StreamFactory::aux_sdp_line`].
    fn aux_sdp_line(&self) -> Option<String> {
        None
    }

    /// The further SDP lines, parsed.
    ///
    /// # Errors
    /// [`Error::Usage`]: a line may not stand in the description of a track.
    fn extra_lines(&self) -> Result<ExtraLines, Error> {
        let mut lines = ExtraLines::new(SdpLevel::Media);
        if let Some(text) = self.aux_sdp_line() {
            lines.add(&text).map_err(Error::Usage)?;
        }
        Ok(lines)
    }

    /// Checks whether the track can be described and streamed. The server calls this when the
    /// media session is added.
    ///
    /// # Errors
    /// [`Error::Usage`]: what is wrong with the track.
    fn check(&self) -> Result<(), Error> {
        self.extra_lines()?;
        self.payload_format().map_or(Ok(()), |format| format.check())
    }

    /// The length of the track; `None` if it has no end that is known.
    fn duration(&self) -> Option<Duration> {
        None
    }

    /// The estimated bandwidth in kbit/s.
    fn bandwidth_kbps(&self) -> Option<u32> {
        None
    }

    /// As [`StreamFactory::revision`], for the results of all the methods above.
    fn revision(&self) -> Option<u64> {
        None
    }

    /// The factory of its streams; `None` if it makes none.
    fn factory(&mut self) -> Option<&mut dyn StreamFactory>;
}

/// Says what is wrong with what a track tells of itself, as far as it is known.
pub(crate) fn check_factory(factory: &dyn StreamFactory) -> Result<(), Error> {
    if !DYNAMIC.contains(&factory.dynamic_payload_type()) {
        return Err(Error::Usage("a dynamic payload type is a number from 96 to 127"));
    }
    let parameters = factory.parameters();
    if let Some(parameters) = &parameters {
        parameters.check()?;
    }
    match (factory.payload_format(), parameters) {
        (Some(format), _) => format.check(),
        (None, Some(parameters)) => Ok(factory.formats().format(&parameters, 96).map(drop)?),
        (None, None) => Ok(()),
    }
}

/// A track whose streams are made when clients set it up.
pub struct OnDemandServerMediaSubsession {
    factory: Box<dyn StreamFactory>,
    reuse_first_source: bool,
    multiplex_rtcp: bool,
    fast_start: FastStart,
}

impl OnDemandServerMediaSubsession {
    /// A track that makes a stream for each client.
    pub fn new(factory: impl StreamFactory + 'static) -> Self {
        Self {
            factory: Box::new(factory),
            reuse_first_source: false,
            multiplex_rtcp: false,
            fast_start: FastStart::default(),
        }
    }

    /// Chooses whether all clients share one stream.
    pub fn with_reuse_first_source(mut self, reuse: bool) -> Self {
        self.reuse_first_source = reuse;
        self
    }

    /// Chooses how a newcomer to a shared stream of video begins.
    pub fn with_fast_start(mut self, fast_start: FastStart) -> Self {
        self.fast_start = fast_start;
        self
    }

    /// Chooses whether clients are offered RTCP on the RTP port (RFC 5761).
    pub fn with_multiplexed_rtcp(mut self, multiplex: bool) -> Self {
        self.multiplex_rtcp = multiplex;
        self
    }
}

impl fmt::Debug for OnDemandServerMediaSubsession {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OnDemandServerMediaSubsession")
            .field("format", &self.factory.payload_format())
            .field("reuse_first_source", &self.reuse_first_source)
            .finish_non_exhaustive()
    }
}

impl ServerMediaSubsession for OnDemandServerMediaSubsession {
    fn distribution(&self) -> Distribution {
        Distribution::OnDemand {
            reuse_first_source: self.reuse_first_source,
            multiplex_rtcp: self.multiplex_rtcp,
            fast_start: self.fast_start,
        }
    }

    fn payload_format(&self) -> Option<PayloadFormat> {
        self.factory.payload_format()
    }

    fn aux_sdp_line(&self) -> Option<String> {
        self.factory.aux_sdp_line()
    }

    fn duration(&self) -> Option<Duration> {
        self.factory.duration()
    }

    fn bandwidth_kbps(&self) -> Option<u32> {
        self.factory.bandwidth_kbps()
    }

    fn revision(&self) -> Option<u64> {
        self.factory.revision()
    }

    fn check(&self) -> Result<(), Error> {
        self.extra_lines()?;
        check_factory(&*self.factory)
    }

    fn factory(&mut self) -> Option<&mut dyn StreamFactory> {
        Some(&mut *self.factory)
    }
}

/// A track that is streamed to a multicast group, whether there are clients or not.
#[derive(Clone, Debug)]
pub struct PassiveServerMediaSubsession {
    format: PayloadFormat,
    group: MulticastGroup,
    bandwidth_kbps: Option<u32>,
}

impl PassiveServerMediaSubsession {
    /// A track that describes the stream which
    /// [`RtspServer::add_multicast_streams`](crate::server::RtspServer::add_multicast_streams) started.
    pub const fn new(
        format: PayloadFormat,
        group: MulticastGroup,
        bandwidth_kbps: Option<u32>,
    ) -> Self {
        Self { format, group, bandwidth_kbps }
    }

    /// The stream that it describes.
    pub const fn stream(&self) -> StreamId {
        self.group.stream
    }
}

impl ServerMediaSubsession for PassiveServerMediaSubsession {
    fn distribution(&self) -> Distribution {
        Distribution::Multicast(self.group.clone())
    }

    fn payload_format(&self) -> Option<PayloadFormat> {
        Some(self.format.clone())
    }

    fn bandwidth_kbps(&self) -> Option<u32> {
        self.bandwidth_kbps
    }

    /// It is a value that nothing changes.
    fn revision(&self) -> Option<u64> {
        Some(0)
    }

    fn factory(&mut self) -> Option<&mut dyn StreamFactory> {
        None
    }
}

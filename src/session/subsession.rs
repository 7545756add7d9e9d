//! Subsessions: the tracks of a [`ServerMediaSession`](super::ServerMediaSession).
//!
//! A subsession describes itself and makes streams; it returns values and has no access to the
//! server. [`OnDemandServerMediaSubsession`] makes a source and a sink when a client sets it up; an
//! application usually implements only [`StreamFactory`] and wraps it in one.
//! [`PassiveServerMediaSubsession`] describes a multicast stream that runs without clients.

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

/// The distribution of a subsession's packets to its clients.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Distribution {
    /// Unicast to each client, over UDP or the RTSP connection, from a stream that is made when a
    /// client sets it up.
    OnDemand {
        /// Whether all clients share one stream.
        reuse_first_source: bool,
        /// Whether clients may have RTCP on the RTP port (RFC 5761).
        multiplex_rtcp: bool,
        /// How a newcomer to a shared video stream begins.
        fast_start: FastStart,
    },
    /// Multicast, from a stream that runs whether or not there are clients.
    Multicast(MulticastGroup),
}

/// The group to which a multicast stream is sent.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct MulticastGroup {
    /// The address of the group and the RTP port.
    pub rtp: SocketAddr,
    /// The RTCP port of the same group.
    pub rtcp_port: u16,
    /// Time to live of the packets (hop limit).
    pub ttl: u8,
    /// The stream in the server's table.
    pub stream: StreamId,
}

impl MulticastGroup {
    /// Creates the group that the server's `stream` is sent to, for an application's own
    /// [`ServerMediaSubsession`] with [`Distribution::Multicast`].
    ///
    /// ```
    /// use riverrun::payload::PayloadFormat;
    /// use riverrun::server::{
    ///     Distribution, MulticastGroup, PassiveServerMediaSubsession, ServerMediaSubsession, StreamId,
    /// };
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let stream = StreamId::from_raw(riverrun::arena::RawId::default());
    /// let group = MulticastGroup::new("232.1.1.1:5004".parse()?, 5005, 8, stream);
    /// let format = PayloadFormat::new("video", "H264", 90_000, 96);
    /// let track = PassiveServerMediaSubsession::new(format, group.clone(), None);
    /// assert!(matches!(track.distribution(), Distribution::Multicast(to) if to == group));
    /// # Ok(())
    /// # }
    /// ```
    pub const fn new(rtp: SocketAddr, rtcp_port: u16, ttl: u8, stream: StreamId) -> Self {
        Self { rtp, rtcp_port, ttl, stream }
    }
}

/// The client for which a stream is made.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct StreamRequest {
    /// A number that all tracks of one client session share; 0 for a stream that all clients share,
    /// and `u64::MAX` for the protected form (SRTP) of such a stream.
    pub client_session: u64,
    /// The address of the client.
    pub peer: SocketAddr,
    /// The local address at which the client reaches the server.
    pub local: SocketAddr,
}

impl StreamRequest {
    /// Creates the request of a client at `peer` that reached the server at `local`. The server
    /// makes one for each stream; this is for calling a [`StreamFactory`] without a server, as the
    /// tests of an application do.
    ///
    /// ```
    /// use riverrun::media::demux::DemuxTable;
    /// use riverrun::media::{FramePoll, FramedSource, SourceContext};
    /// use riverrun::server::{StreamFactory, StreamRequest};
    /// use std::time::Instant;
    ///
    /// /// Whether a client gets a source whose first frame is ready at once.
    /// fn is_ready_at_once(factory: &mut impl StreamFactory) -> Result<bool, riverrun::Error> {
    ///     let (peer, local) = (([192, 0, 2, 1], 40_000).into(), ([192, 0, 2, 9], 554).into());
    ///     let client = StreamRequest::new(1, peer, local);
    ///     let mut demuxers = DemuxTable::default();
    ///     let mut cx = SourceContext::new(Instant::now(), &mut demuxers);
    ///     let mut source = factory.create_new_stream_source(&client, &mut cx)?;
    ///     Ok(matches!(source.poll_frame(&mut cx), FramePoll::Ready(_)))
    /// }
    /// # use riverrun::{Error, Frame};
    /// # use std::time::Duration;
    /// # struct Still;
    /// # impl FramedSource for Still {
    /// #     fn poll_frame(&mut self, _: &mut SourceContext<'_>) -> FramePoll {
    /// #         FramePoll::Ready(Frame::new(vec![1], Duration::ZERO, Duration::ZERO))
    /// #     }
    /// # }
    /// # struct StillTrack;
    /// # impl StreamFactory for StillTrack {
    /// #     fn create_new_stream_source(
    /// #         &mut self,
    /// #         client: &StreamRequest,
    /// #         _: &mut SourceContext<'_>,
    /// #     ) -> Result<Box<dyn FramedSource>, Error> {
    /// #         assert_eq!((client.client_session, client.local.port()), (1, 554));
    /// #         Ok(Box::new(Still))
    /// #     }
    /// # }
    /// assert!(is_ready_at_once(&mut StillTrack)?);
    /// # Ok::<(), Error>(())
    /// ```
    pub const fn new(client_session: u64, peer: SocketAddr, local: SocketAddr) -> Self {
        Self { client_session, peer, local }
    }
}

/// Makes the source and the sink of a track's streams. The methods with a default correspond to
/// live555's virtual functions.
///
/// An implementation states the [`parameters`](Self::parameters) of its codec and opens a source.
/// For a codec of the application's own it returns [`CodecParameters::Other`] and the
/// [`formats`](Self::formats) in which the codec is registered.
///
/// # Example
///
/// A track with a tone, with a stream for each client:
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
    /// Returns the codec and its parameters; `None` while they are unknown.
    fn parameters(&self) -> Option<CodecParameters> {
        None
    }

    /// Returns the dynamic payload type (96–127), used if RFC 3551 assigns no number to the format.
    /// If another track of the session has the same number, the server assigns the next free one:
    /// in the description, in the packets, and at the start of attributes of
    /// [`aux_sdp_line`](Self::aux_sdp_line).
    fn dynamic_payload_type(&self) -> u8 {
        96
    }

    /// Returns the registry of payload formats in which the track's codec is looked up. For a codec
    /// of the application's own, it must contain an entry for it.
    fn formats(&self) -> &FormatRegistry {
        FormatRegistry::standard()
    }

    /// Returns the payload format; `None` while it is unknown (DESCRIBE is answered 503).
    fn payload_format(&self) -> Option<PayloadFormat> {
        self.formats().format(&self.parameters()?, self.dynamic_payload_type()).ok()
    }

    /// Opens the source of one stream.
    ///
    /// # Errors
    /// Those of the source. SETUP is answered with a corresponding status code.
    fn create_new_stream_source(
        &mut self,
        request: &StreamRequest,
        cx: &mut SourceContext<'_>,
    ) -> Result<Box<dyn FramedSource>, Error>;

    /// Makes the sink. `random` seeds the SSRC, the first sequence number and the timestamp offset.
    ///
    /// # Errors
    /// The [`parameters`](Self::parameters) are unknown, or [`RtpSink::new`] refuses them.
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

    /// Returns further SDP lines of the track, each ended by CR LF or LF: `i=` (at most one), `b=`
    /// and `a=`. A track with other lines is refused when it is added to a server.
    fn aux_sdp_line(&self) -> Option<String> {
        None
    }

    /// Returns the duration of the track; `None` if it is unbounded or unknown.
    fn duration(&self) -> Option<Duration> {
        None
    }

    /// Returns whether clients may seek.
    fn is_seekable(&self) -> bool {
        self.duration().is_some()
    }

    /// Returns the live input from which the source gets its frames. Frames of a live track are
    /// sent when they arrive, not when they are due.
    fn live_input(&self) -> Option<InputId> {
        None
    }

    /// Returns the estimated bandwidth in kbit/s, for SDP `b=AS` and RTCP intervals.
    fn bandwidth_kbps(&self) -> Option<u32> {
        None
    }

    /// Returns a number that changes whenever the track's description does: its format, further SDP
    /// lines, duration or bandwidth. The server asks at every DESCRIBE, and answers from its cache
    /// while the number stays the same. With `None`, the default, it builds the description each
    /// time.
    fn revision(&self) -> Option<u64> {
        None
    }

    /// Returns the period after which the track starts over; `None` if it does not repeat. All
    /// tracks of a session must return the same value.
    fn repeat_period(&self) -> Option<Duration> {
        None
    }

    /// Seeks to `npt` and returns the position at which the stream continues.
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

    /// Checks whether [`seek_stream_source`](Self::seek_stream_source) would succeed, without
    /// seeking. Override it together with that method.
    ///
    /// # Errors
    /// The reason for which the seek is impossible: PLAY is refused, and no track of the session is
    /// moved.
    fn check_seek(
        &mut self,
        source: &dyn FramedSource,
        npt: Duration,
        cx: &mut SourceContext<'_>,
    ) -> Result<(), SeekError> {
        source.check_seek(npt, cx)
    }

    /// Returns the scale (RFC 2326 section 12.34) nearest to `scale` that the track can be played at: 1
    /// if it supports no other. `source` is that of the stream: video that can be sought supports 2 to
    /// 32 and −1 to −32, with key frames alone, and 1/32 to 1; other sources what they say themselves.
    /// A track that does not support what its presentation is played at is silent meanwhile.
    fn test_scale_factor(&self, source: &dyn FramedSource, scale: f32) -> f32 {
        source.test_scale_factor(scale).unwrap_or(1.0)
    }

    /// Sets the scale to one that [`test_scale_factor`](Self::test_scale_factor) has returned, and
    /// returns the scale in effect. Override it together with that method.
    fn set_stream_source_scale(&mut self, source: &mut dyn FramedSource, scale: f32) -> f32 {
        source.set_scale(scale);
        scale
    }

    /// Opens the sockets from which a UDP stream is sent, on the address `local` (whose port is 0):
    /// a pair of ports at or above `base`, with at most `tries` attempts.
    ///
    /// # Errors
    /// No pair can be opened; SETUP is answered 503.
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
    /// Returns how packets are distributed to clients.
    fn distribution(&self) -> Distribution;

    /// Returns the payload format; `None` while it is unknown.
    fn payload_format(&self) -> Option<PayloadFormat>;

    /// Returns further SDP lines, as [`StreamFactory::aux_sdp_line`].
    fn aux_sdp_line(&self) -> Option<String> {
        None
    }

    /// Returns the further SDP lines, parsed.
    ///
    /// # Errors
    /// [`Error::Usage`]: a line is not allowed in the description of a track.
    fn extra_lines(&self) -> Result<ExtraLines, Error> {
        let mut lines = ExtraLines::new(SdpLevel::Media);
        if let Some(text) = self.aux_sdp_line() {
            lines.add(&text).map_err(Error::Usage)?;
        }
        Ok(lines)
    }

    /// Checks that the track can be described and streamed. The server calls this when the media
    /// session is added.
    ///
    /// # Errors
    /// [`Error::Usage`], which says what is wrong.
    fn check(&self) -> Result<(), Error> {
        self.extra_lines()?;
        self.payload_format().map_or(Ok(()), |format| format.check())
    }

    /// Returns the duration of the track; `None` if it is unbounded or unknown.
    fn duration(&self) -> Option<Duration> {
        None
    }

    /// Returns the estimated bandwidth in kbit/s.
    fn bandwidth_kbps(&self) -> Option<u32> {
        None
    }

    /// Returns a number that changes whenever the result of one of the methods above does; see
    /// [`StreamFactory::revision`].
    fn revision(&self) -> Option<u64> {
        None
    }

    /// Returns the factory of the track's streams; `None` if it makes none.
    fn factory(&mut self) -> Option<&mut dyn StreamFactory>;
}

/// Checks the properties of a track, as far as they are known.
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
    /// Creates a track that makes a stream for each client.
    pub fn new(factory: impl StreamFactory + 'static) -> Self {
        Self {
            factory: Box::new(factory),
            reuse_first_source: false,
            multiplex_rtcp: false,
            fast_start: FastStart::default(),
        }
    }

    /// Sets whether all clients share one stream.
    pub fn with_reuse_first_source(mut self, reuse: bool) -> Self {
        self.reuse_first_source = reuse;
        self
    }

    /// Sets how a newcomer to a shared video stream begins.
    pub fn with_fast_start(mut self, fast_start: FastStart) -> Self {
        self.fast_start = fast_start;
        self
    }

    /// Sets whether clients are offered RTCP on the RTP port (RFC 5761).
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

/// A track that is streamed to a multicast group, whether or not there are clients.
#[derive(Clone, Debug)]
pub struct PassiveServerMediaSubsession {
    format: PayloadFormat,
    group: MulticastGroup,
    bandwidth_kbps: Option<u32>,
}

impl PassiveServerMediaSubsession {
    /// Creates a track for a stream that
    /// [`RtspServer::add_multicast_streams`](crate::server::RtspServer::add_multicast_streams)
    /// started.
    pub const fn new(
        format: PayloadFormat,
        group: MulticastGroup,
        bandwidth_kbps: Option<u32>,
    ) -> Self {
        Self { format, group, bandwidth_kbps }
    }

    /// Returns the stream that the track describes.
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

    /// Constant, because the track never changes.
    fn revision(&self) -> Option<u64> {
        Some(0)
    }

    fn factory(&mut self) -> Option<&mut dyn StreamFactory> {
        None
    }
}

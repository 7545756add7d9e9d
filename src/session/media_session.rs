//! [`ServerMediaSession`]: a named group of subsessions that clients DESCRIBE, SETUP and PLAY.
//!
//! Its life cycle is live555's: created → configured → active ⇄ in use → reference check → deleted
//! or kept. [`Lifecycle`] names the states; [`MediaSessions`](super::media_sessions::MediaSessions)
//! counts the references.

use crate::error::Error;
use crate::ids::{BackChannelId, InputId};
use crate::session::names::{control_index, is_plain_segment};
use crate::session::payload_types::{self, Declared};
use crate::session::relayed::RelayedMedia;
use crate::session::sdp_cache::SdpCache;
#[cfg(feature = "srtp")]
use crate::session::srtp::STREAMS_PER_KEY;
use crate::session::subsession::{Distribution, ServerMediaSubsession};
use crate::stream::live_clocks::LiveClockId;
use crate::wire::sdp::{ExtraLines, SdpLevel, has_breaks};
use std::borrow::Cow;
use std::fmt::Write as _;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::net::IpAddr;
use std::time::{Duration, Instant};

/// Seconds from 1900 (the NTP epoch) to 1970.
const NTP_EPOCH: u64 = 2_208_988_800;

/// The state of a media session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Lifecycle {
    /// The session has been created and has no subsession yet.
    Created,
    /// The session has subsessions and can be added to a server.
    Configured,
    /// Clients can find the session, but none uses it.
    Active,
    /// At least one client uses the session.
    InUse,
    /// The session was removed, or replaced by another of its name; it is dropped with its last
    /// client.
    Removed,
}

/// A named stream with one or more tracks.
///
/// # Example
///
/// Serves a file under a name of the application's choice:
///
/// ```no_run
/// use riverrun::env::UsageEnvironment;
/// use riverrun::media::file::{ProbePoll, probe};
/// use riverrun::server::{
///     FileTrack, OnDemandServerMediaSubsession, RtspServer, ServerConfig, ServerMediaSession,
/// };
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let mut probe = probe("film.264".as_ref())?;
/// let file = loop {
///     match probe.poll_probe(1 << 20) {
///         ProbePoll::Pending => {} // a server in its loop would go on next turn
///         ProbePoll::Ready(file) => break file,
///         ProbePoll::Failed(e) => return Err(e.into()),
///     }
/// };
/// let mut session = ServerMediaSession::new("lobby", "", "The film in the lobby");
/// let track = FileTrack::new(file, 0).with_repeat(true);
/// session.add_subsession(OnDemandServerMediaSubsession::new(track).with_reuse_first_source(true))?;
///
/// let mut env = UsageEnvironment::new()?;
/// let server = RtspServer::new(&mut env, ServerConfig::default(), &["0.0.0.0:8554".parse()?])?;
/// env.with(server, |server, env| server.add_server_media_session(env, session))??;
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct ServerMediaSession {
    stream_name: String,
    info: String,
    description: String,
    misc_sdp_lines: ExtraLines,
    source_specific: Option<IpAddr>,
    subsessions: Vec<Box<dyn ServerMediaSubsession>>,
    /// Cached answers to DESCRIBE.
    described: SdpCache,
    /// Version in the `o=` line; it increases when the description changes.
    version: u64,
    /// Hash of the part of the last description that does not depend on the client.
    fingerprint: Option<u64>,
    origin_id: u64,
    aggregate_only: bool,
    delete_when_unreferenced: bool,
    references: usize,
    was_used: bool,
    in_table: bool,
    removed: bool,
    /// Identity number of the resource from which a provider made the session.
    pub(crate) provided: Option<u64>,
    /// When the provider last confirmed that the session is up to date.
    pub(crate) checked_at: Option<Instant>,
    /// Clock that its live tracks share while one of them streams.
    pub(crate) live_clock: Option<LiveClockId>,
    /// Live inputs that are deleted with the session.
    pub(crate) inputs: Vec<InputId>,
    /// The source whose packets it passes on, if it is relayed.
    pub(crate) relayed: Option<RelayedMedia>,
    /// Where clients may talk to, behind the last track.
    pub(crate) back_channel: Option<BackChannelId>,
    /// How many protected streams that clients share were made of each track.
    #[cfg(feature = "srtp")]
    secure_streams: Vec<u64>,
    /// Value of a counter at the last look-up, for eviction.
    pub(crate) last_used: u64,
}

impl ServerMediaSession {
    /// Creates a session without subsessions. `stream_name` is the path of its URL, not
    /// percent-encoded; leading, trailing and doubled slashes are removed. `info` (SDP `i=`) and
    /// `description` (SDP `s=`) are single lines.
    pub fn new(stream_name: &str, info: &str, description: &str) -> Self {
        let segments: Vec<_> = stream_name.split('/').filter(|s| !s.is_empty()).collect();
        Self {
            stream_name: segments.join("/"),
            info: info.to_owned(),
            description: description.to_owned(),
            misc_sdp_lines: ExtraLines::new(SdpLevel::Session),
            source_specific: None,
            subsessions: Vec::new(),
            described: SdpCache::default(),
            version: 1,
            fingerprint: None,
            origin_id: 0,
            aggregate_only: false,
            delete_when_unreferenced: false,
            references: 0,
            was_used: false,
            in_table: false,
            removed: false,
            provided: None,
            checked_at: None,
            live_clock: None,
            inputs: Vec::new(),
            relayed: None,
            back_channel: None,
            #[cfg(feature = "srtp")]
            secure_streams: Vec::new(),
            last_used: 0,
        }
    }

    /// Adds session-level SDP lines, each ended by CR LF or LF: `u=` (at most one), `e=`, `p=`,
    /// `b=` and `a=`, in any order; they are written in the order of RFC 4566 section 5.
    ///
    /// # Errors
    /// A line is malformed, or has a type or an attribute that the server writes itself.
    pub fn with_misc_sdp_lines(mut self, lines: &str) -> Result<Self, Error> {
        self.misc_sdp_lines.add(lines).map_err(Error::Usage)?;
        Ok(self)
    }

    /// Adds a source filter (RFC 4570): receivers accept the multicast stream from `source` only.
    pub fn with_source_specific_multicast(mut self, source: IpAddr) -> Self {
        self.source_specific = Some(source);
        self
    }

    /// Restricts clients to aggregate control: a request for one of several tracks is answered 460.
    pub fn with_aggregate_control_only(mut self) -> Self {
        self.aggregate_only = true;
        self
    }

    /// Sets whether the session is removed when its last client has gone.
    pub fn with_delete_when_unreferenced(mut self, delete: bool) -> Self {
        self.delete_when_unreferenced = delete;
        self
    }

    /// Sets the session id of the SDP `o=` line. By default it is random, drawn when the session is
    /// added to a server. The version next to it is the time of adding, in NTP seconds, and
    /// increases when the description changes (RFC 4566 section 5.2).
    pub fn with_origin_id(mut self, id: u64) -> Self {
        self.origin_id = id;
        self
    }

    /// Lets clients talk to a [back channel](crate::server::RtspServer::add_back_channel) of the
    /// server. It is described, behind the tracks, to clients that ask for it and may talk. Several
    /// sessions may have the same back channel; one client at a time talks to it.
    pub fn with_back_channel(mut self, channel: BackChannelId) -> Self {
        self.back_channel = Some(channel);
        self
    }

    /// Appends a track.
    ///
    /// # Errors
    /// [`Error::Usage`]: a client has used the session already.
    pub fn add_subsession(
        &mut self,
        subsession: impl ServerMediaSubsession + 'static,
    ) -> Result<(), Error> {
        if self.was_used {
            return Err(Error::Usage("a client uses the session already"));
        }
        self.subsessions.push(Box::new(subsession));
        Ok(())
    }

    /// Appends a track; the builder form of [`add_subsession`](Self::add_subsession).
    pub fn with_subsession(mut self, subsession: impl ServerMediaSubsession + 'static) -> Self {
        self.subsessions.push(Box::new(subsession));
        self
    }

    /// Replaces a track by another one of the same codec, whose description differs.
    pub(crate) fn replace_subsession(
        &mut self,
        index: usize,
        subsession: impl ServerMediaSubsession + 'static,
    ) {
        if let Some(place) = self.subsessions.get_mut(index) {
            *place = Box::new(subsession);
        }
    }

    /// Whether it is relayed from a source that is not there.
    pub(crate) fn awaits_source(&self) -> bool {
        self.relayed.as_ref().is_some_and(|relayed| !relayed.has_source)
    }

    /// The live input of a track, if the session is relayed.
    pub(crate) fn relayed_input(&self, track: usize) -> Option<InputId> {
        self.relayed.as_ref()?;
        self.inputs.get(track).copied()
    }

    /// Returns the name under which clients find the session.
    pub fn stream_name(&self) -> &str {
        &self.stream_name
    }

    /// Returns the number of subsessions.
    pub fn num_subsessions(&self) -> usize {
        self.subsessions.len()
    }

    /// Returns the number of client sessions that use the session.
    pub const fn reference_count(&self) -> usize {
        self.references
    }

    /// Returns whether the session is removed when its last client has gone.
    pub const fn delete_when_unreferenced(&self) -> bool {
        self.delete_when_unreferenced
    }

    /// Returns whether clients are restricted to aggregate control.
    pub const fn aggregate_control_only(&self) -> bool {
        self.aggregate_only
    }

    /// Returns the state of the session.
    pub fn lifecycle(&self) -> Lifecycle {
        match self {
            Self { removed: true, .. } => Lifecycle::Removed,
            Self { references: 1.., .. } => Lifecycle::InUse,
            Self { in_table: true, .. } => Lifecycle::Active,
            _ if self.subsessions.is_empty() => Lifecycle::Created,
            _ => Lifecycle::Configured,
        }
    }

    /// Returns a subsession by index, from 0. Its control is `track` followed by a number from 1.
    pub fn subsession(&self, index: usize) -> Option<&dyn ServerMediaSubsession> {
        self.subsessions.get(index).map(|s| &**s)
    }

    pub(crate) fn subsession_mut(
        &mut self,
        index: usize,
    ) -> Option<&mut (dyn ServerMediaSubsession + 'static)> {
        self.subsessions.get_mut(index).map(|s| &mut **s)
    }

    /// Returns the index of the subsession with a control such as `track1`.
    pub fn track_index(&self, control: &str) -> Option<usize> {
        control_index(control).filter(|index| *index < self.subsessions.len())
    }

    /// The back channel, if it is what a control such as `track3` names.
    pub(crate) fn back_channel_at(&self, control: &str) -> Option<BackChannelId> {
        self.back_channel.filter(|_| control_index(control) == Some(self.subsessions.len()))
    }

    /// Returns the duration that all subsessions have; `None` if one has no duration or they
    /// differ.
    pub fn duration(&self) -> Option<Duration> {
        let mut durations = self.subsessions.iter().map(|s| s.duration());
        let first = durations.next()??;
        durations.all(|d| d == Some(first)).then_some(first)
    }

    /// Returns the longest duration of a subsession.
    pub fn longest_duration(&self) -> Option<Duration> {
        self.subsessions.iter().filter_map(|s| s.duration()).max()
    }

    /// Checks that the session can be served.
    pub(crate) fn check(&self) -> Result<(), Error> {
        if self.stream_name.is_empty() {
            return Err(Error::Usage("a media session needs a stream name"));
        }
        if !self.stream_name.split('/').all(is_plain_segment) {
            return Err(Error::Usage("no URL has a stream name with `.`, `..` or NUL in its path"));
        }
        if has_breaks(&self.info) || has_breaks(&self.description) {
            return Err(Error::Usage("info and description of a media session are one line each"));
        }
        if self.subsessions.is_empty() {
            return Err(Error::Usage("a media session needs a subsession"));
        }
        self.subsessions.iter().try_for_each(|subsession| subsession.check())
    }

    /// Continues the version numbers of the session that it replaces, if both have the same session
    /// id in their `o=` lines.
    pub(crate) fn follow(&mut self, old: &Self) {
        if self.origin_id == old.origin_id {
            self.version = self.version.max(old.version + 1);
        }
    }

    /// The payload type of a track in this session and in its packets; `None` while it is unknown.
    pub(crate) fn payload_type(&self, track: usize) -> Option<u8> {
        self.payload_types().get(track).copied().flatten()
    }

    fn payload_types(&self) -> Vec<Option<u8>> {
        let declared = self.subsessions.iter().map(|subsession| Declared {
            payload_type: subsession.payload_format().map(|format| format.payload_type),
            is_fixed: matches!(subsession.distribution(), Distribution::Multicast(_)),
        });
        payload_types::number(&declared.collect::<Vec<_>>())
    }

    pub(crate) fn enter_table(&mut self, origin_id: u64, wall_clock: Duration) {
        self.in_table = true;
        // Grows even where a program begins anew.
        self.version = self.version.max(wall_clock.as_secs().saturating_add(NTP_EPOCH));
        // The origin is part of each text.
        self.described = SdpCache::default();
        if self.origin_id == 0 {
            // Players parse it as a signed 64-bit number.
            self.origin_id = origin_id >> 1;
        }
    }

    /// How many protected streams that clients share were made of a track so far.
    #[cfg(feature = "srtp")]
    pub(crate) fn secure_streams(&self, track: usize) -> u64 {
        self.secure_streams.get(track).copied().unwrap_or(0)
    }

    #[cfg(feature = "srtp")]
    pub(crate) fn note_secure_stream(&mut self, track: usize) {
        if self.secure_streams.len() <= track {
            self.secure_streams.resize(self.subsessions.len(), 0);
        }
        if let Some(count) = self.secure_streams.get_mut(track) {
            *count += 1;
        }
    }

    /// The key of the protected streams that clients share of a track is used up: the next has another.
    #[cfg(feature = "srtp")]
    pub(crate) fn retire_key(&mut self, track: usize) {
        if let Some(count) = self.secure_streams.get_mut(track) {
            *count = count.next_multiple_of(STREAMS_PER_KEY);
        }
    }

    pub(crate) fn leave_table(&mut self) {
        self.in_table = false;
        self.removed = true;
    }

    pub(crate) fn reference(&mut self) {
        self.references += 1;
        self.was_used = true;
    }

    /// Removes one reference; returns whether the session is to be deleted now.
    pub(crate) fn unreference(&mut self) -> bool {
        debug_assert!(self.references > 0, "every reference is given back once");
        self.references = self.references.saturating_sub(1);
        self.references == 0 && (self.removed || self.delete_when_unreferenced)
    }

    /// Like [`sdp`](Self::sdp), but cached for as long as the subsessions report the same
    /// revisions. Nothing else that the description depends on changes once the session is in a
    /// server's table.
    pub(crate) fn describe(&mut self, local: IpAddr) -> Option<Cow<'_, str>> {
        let local = local.to_canonical();
        if !self.described.is_of(self.subsessions.iter().map(|s| s.revision())) {
            let revisions = self.subsessions.iter().map(|s| s.revision()).collect();
            let Some(revisions) = revisions else { return self.build(local).map(Cow::Owned) };
            self.described.begin(revisions);
        }
        if self.described.text(local).is_none() {
            let text = self.build(local)?;
            self.described.insert(local, text);
        }
        // All that the tests describe is checked against what has just been built.
        #[cfg(test)]
        assert_eq!(self.described.text(local), self.sdp(local).as_deref());
        self.described.text(local).map(Cow::Borrowed)
    }

    /// Builds the description, and increases the version if it differs from the last one.
    fn build(&mut self, local: IpAddr) -> Option<String> {
        let mut rest = self.sdp_after_origin(false)?;
        let mut hasher = DefaultHasher::new();
        rest.hash(&mut hasher);
        let fingerprint = hasher.finish();
        if self.fingerprint.replace(fingerprint).is_some_and(|before| before != fingerprint) {
            self.version += 1;
        }
        if local.is_ipv6() {
            rest = self.sdp_after_origin(true)?;
        }
        Some(self.with_origin(local, &rest))
    }

    /// Returns the description of the session (RFC 4566) for clients that reach the server at
    /// `local`; `None` while the format of a subsession is unknown.
    pub fn sdp(&self, local: IpAddr) -> Option<String> {
        let local = local.to_canonical();
        Some(self.with_origin(local, &self.sdp_after_origin(local.is_ipv6())?))
    }

    fn with_origin(&self, local: IpAddr, rest: &str) -> String {
        let (id, version, family) = (self.origin_id, self.version, family(local));
        format!("v=0\r\no=- {id} {version} IN {family} {local}\r\n{rest}")
    }

    fn sdp_after_origin(&self, ipv6: bool) -> Option<String> {
        let mut sdp = String::with_capacity(512);
        line(&mut sdp, format_args!("s={}", or_dash(&self.description)));
        line(&mut sdp, format_args!("i={}", or_dash(&self.info)));
        for field in self.misc_sdp_lines.before_attributes() {
            line(&mut sdp, format_args!("{field}"));
        }
        sdp.push_str("t=0 0\r\n");
        line(&mut sdp, format_args!("a=tool:riverrun {}", env!("CARGO_PKG_VERSION")));
        sdp.push_str("a=type:broadcast\r\na=control:*\r\n");
        if let Some(source) = self.source_specific {
            let kind = family(source);
            line(&mut sdp, format_args!("a=source-filter: incl IN {kind} * {source}"));
            sdp.push_str("a=rtcp-unicast: reflection\r\n");
        }
        let common = self.duration();
        let per_track = common.is_none() && self.longest_duration().is_some();
        if !per_track {
            line(&mut sdp, format_args!("a=range:npt=0-{}", Npt(common)));
        }
        for field in self.misc_sdp_lines.attributes() {
            line(&mut sdp, format_args!("{field}"));
        }
        for (index, payload_type) in self.payload_types().into_iter().enumerate() {
            self.media_description(&mut sdp, (index, payload_type?), ipv6, per_track)?;
        }
        Some(sdp)
    }

    fn media_description(
        &self,
        sdp: &mut String,
        (index, payload_type): (usize, u8),
        ipv6: bool,
        per_track: bool,
    ) -> Option<()> {
        let subsession = self.subsession(index)?;
        let format = subsession.payload_format()?;
        let aux = subsession.extra_lines().unwrap_or_else(|e| {
            log::warn!("{:?}: further SDP lines are left out: {e}", self.stream_name);
            ExtraLines::default()
        });
        let distribution = subsession.distribution();
        let port = match &distribution {
            Distribution::Multicast(group) => group.rtp.port(),
            Distribution::OnDemand { .. } => 0,
        };
        let repeated = format.repeated_beside(payload_type);
        match repeated {
            Some((other, _)) => {
                line(sdp, format_args!("m={} {port} RTP/AVP {payload_type} {other}", format.media));
            }
            None => line(sdp, format_args!("m={} {port} RTP/AVP {payload_type}", format.media)),
        }
        let (bandwidths, infos): (Vec<_>, Vec<_>) =
            aux.before_attributes().partition(|line| line.starts_with('b'));
        infos.iter().for_each(|info| line(sdp, format_args!("{info}")));
        match &distribution {
            Distribution::Multicast(group) => match group.rtp.ip() {
                IpAddr::V4(ip) => line(sdp, format_args!("c=IN IP4 {ip}/{}", group.ttl)),
                IpAddr::V6(ip) => line(sdp, format_args!("c=IN IP6 {ip}")),
            },
            Distribution::OnDemand { .. } if ipv6 => sdp.push_str("c=IN IP6 ::\r\n"),
            Distribution::OnDemand { .. } => sdp.push_str("c=IN IP4 0.0.0.0\r\n"),
        }
        if let Some(kbps) = subsession.bandwidth_kbps() {
            line(sdp, format_args!("b=AS:{kbps}"));
        }
        bandwidths.iter().for_each(|bandwidth| line(sdp, format_args!("{bandwidth}")));
        let name = &format.encoding_name;
        let rate = format.clock_rate;
        match format.channels {
            Some(n) if n > 1 => {
                line(sdp, format_args!("a=rtpmap:{payload_type} {name}/{rate}/{n}"));
            }
            _ => line(sdp, format_args!("a=rtpmap:{payload_type} {name}/{rate}")),
        }
        if let Some(fmtp) = &format.fmtp {
            line(sdp, format_args!("a=fmtp:{payload_type} {fmtp}"));
        }
        if let Some((other, name)) = repeated {
            line(sdp, format_args!("a=rtpmap:{other} {name}/{rate}"));
        }
        for attribute in aux.attributes() {
            let moved = payload_types::renumber(attribute, format.payload_type, payload_type);
            line(sdp, format_args!("{}", moved.as_deref().unwrap_or(attribute)));
        }
        if matches!(distribution, Distribution::OnDemand { multiplex_rtcp: true, .. }) {
            sdp.push_str("a=rtcp-mux\r\n");
        }
        if matches!(distribution, Distribution::OnDemand { .. }) {
            // An answer goes to the one receiver that asks (RFC 3611 section 5).
            sdp.push_str("a=rtcp-xr:rcvr-rtt=all\r\n");
        }
        if per_track {
            line(sdp, format_args!("a=range:npt=0-{}", Npt(subsession.duration())));
        }
        line(sdp, format_args!("a=control:track{}", index + 1));
        Some(())
    }
}

/// Displays the end of an npt range, empty if it is open.
struct Npt(Option<Duration>);

impl std::fmt::Display for Npt {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.map_or(Ok(()), |d| write!(f, "{}.{:03}", d.as_secs(), d.subsec_millis()))
    }
}

const fn family(ip: IpAddr) -> &'static str {
    if ip.is_ipv6() { "IP6" } else { "IP4" }
}

fn or_dash(text: &str) -> &str {
    if text.is_empty() { "-" } else { text }
}

/// Appends one line. A value cannot start a new line.
fn line(sdp: &mut String, value: std::fmt::Arguments<'_>) {
    let start = sdp.len();
    let _ = sdp.write_fmt(value); // writing to a String cannot fail
    if sdp[start..].contains(['\r', '\n', '\0']) {
        let clean = sdp[start..].replace(['\r', '\n', '\0'], " ");
        sdp.replace_range(start.., &clean);
    }
    sdp.push_str("\r\n");
}

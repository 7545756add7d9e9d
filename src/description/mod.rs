//! [`MediaSession`]: what a server describes, or a client that publishes announces, as the other end
//! reads it (RFC 2326 section C, RFC 4566).
//!
//! Nothing but the lack of media is an error. What is odd in a description is put right where its
//! meaning is clear, and told.

mod choice;
mod control;
mod facts;
mod format;
mod kind;
mod play_start;
mod subsession;

pub use choice::TrackChoice;
pub use facts::ContentFacts;
pub use kind::{MediaKind, RtpProfile};
pub use play_start::PlayStart;
pub use subsession::{KeyAttributes, MediaSubsession, MulticastGroup};

use crate::payload::FormatRegistry;
use crate::wire::Oddities;
use crate::wire::rtsp::Range;
use crate::wire::sdp::{Direction, SdpLimits, SessionDescription};
use crate::wire::url::UrlError;
use control::BaseUrl;
use std::fmt;
use std::time::Duration;
use subsession::bandwidth;

/// A media session as its server describes it.
///
/// ```
/// use riverrun::client::{ContentFacts, MediaSession};
/// use riverrun::payload::FormatRegistry;
/// let sdp = b"v=0\r\ns=Hall\r\na=control:*\r\na=range:npt=0-12.5\r\n\
///     m=video 0 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\na=control:track1\r\n";
/// let facts = ContentFacts::new("rtsp://user:secret@192.0.2.1/hall");
/// let session = MediaSession::new(sdp, &facts, FormatRegistry::standard())?;
/// assert_eq!(session.control_url, "rtsp://192.0.2.1/hall");
/// assert_eq!(session.subsessions[0].control_url, "rtsp://192.0.2.1/hall/track1");
/// assert_eq!(session.subsessions[0].format.encoding_name, "H264");
/// assert_eq!(session.duration().unwrap().as_millis(), 12_500);
/// # Ok::<(), riverrun::client::MediaSessionError>(())
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct MediaSession {
    /// The URL for requests that are for all tracks, absolute and without credentials.
    pub control_url: String,
    /// Name (`s=`); empty if there is none.
    pub name: String,
    /// Information (`i=`).
    pub info: Option<String>,
    /// The program that made the description (`a=tool`).
    pub tool: Option<String>,
    /// Range of the session (`a=range`), if it is stated and can be read.
    pub range: Option<Range>,
    /// Bandwidth in bit/s (`b=TIAS`, `b=AS`).
    pub bandwidth: Option<u64>,
    /// Tracks, in the order of the description.
    pub subsessions: Vec<MediaSubsession>,
    /// What was odd in the response and was accepted nevertheless.
    pub odd: Oddities,
}

/// Why no session can be made of a response to DESCRIBE.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum MediaSessionError {
    /// The body describes no media.
    NoMedia {
        /// `Content-Type` of the body, if it is stated and is not that of a description.
        content_type: Option<String>,
    },
    /// The URL of the request is no absolute RTSP URL.
    Url(UrlError),
}

impl fmt::Display for MediaSessionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoMedia { content_type: None } => f.write_str("the server describes no media"),
            Self::NoMedia { content_type: Some(kind) } => {
                write!(f, "the server describes no media: it sent {kind}")
            }
            Self::Url(e) => e.fmt(f),
        }
    }
}

impl std::error::Error for MediaSessionError {}

impl MediaSession {
    /// Reads the body of a response to DESCRIBE.
    ///
    /// # Errors
    /// See [`MediaSessionError`].
    pub fn new(
        sdp: &[u8],
        facts: &ContentFacts<'_>,
        formats: &FormatRegistry,
    ) -> Result<Self, MediaSessionError> {
        let mut odd = Oddities::new();
        let base = BaseUrl::of(facts, &mut odd).map_err(MediaSessionError::Url)?;
        let other_type = other_type(facts, &mut odd);
        let sdp = SessionDescription::read(sdp, &SdpLimits::default(), &mut odd);
        if sdp.media.is_empty() {
            return Err(MediaSessionError::NoMedia { content_type: other_type });
        }
        // What the session has as its control is the base of its media for all players.
        let control = base.join(sdp.attribute("control").unwrap_or_default(), &mut odd);
        if sdp.media.len() > 1 && sdp.media.iter().any(|m| m.attribute("control").is_none()) {
            odd.note("media without a=control, although there are several");
        }
        let mut subsessions: Vec<_> = (1..)
            .zip(&sdp.media)
            .map(|(number, media)| {
                MediaSubsession::new(media, number, &sdp, &control, formats, &mut odd)
            })
            .collect();
        mark_back_channels(&mut subsessions, &mut odd);
        note_shared_controls(&subsessions, &mut odd);
        let rate_of = |kind| bandwidth(&sdp.bandwidths, kind);
        Ok(Self {
            control_url: control.as_str().to_owned(),
            bandwidth: rate_of("TIAS").or_else(|| Some(rate_of("AS")?.saturating_mul(1000))),
            range: sdp.attribute("range").and_then(|value| Range::of_answer(value, &mut odd)),
            tool: sdp.attribute("tool").map(str::to_owned),
            name: sdp.name,
            info: sdp.info,
            subsessions,
            odd,
        })
    }

    /// The subsession of a number, counted from 1.
    pub fn subsession(&self, number: usize) -> Option<&MediaSubsession> {
        self.subsessions.get(number.checked_sub(1)?)
    }

    /// The duration of the session, or else of its longest track, if the description states an end
    /// in normal play time.
    pub fn duration(&self) -> Option<Duration> {
        let length = |range: &Range| {
            let (start, end) = range.as_npt()?;
            end?.checked_sub(start.unwrap_or_default()).filter(|length| !length.is_zero())
        };
        let of_tracks = || self.subsessions.iter().filter_map(|s| length(s.range.as_ref()?)).max();
        self.range.as_ref().and_then(length).or_else(of_tracks)
    }

    /// The normal play time at which the session, or else its longest track, ends.
    pub(crate) fn end(&self) -> Option<Duration> {
        let end = |range: &Range| {
            let (start, end) = range.as_npt()?;
            end.filter(|end| *end > start.unwrap_or_default())
        };
        let of_tracks = || self.subsessions.iter().filter_map(|s| end(s.range.as_ref()?)).max();
        self.range.as_ref().and_then(end).or_else(of_tracks)
    }
}

/// The type of a body that is not said to be a description.
fn other_type(facts: &ContentFacts<'_>, odd: &mut Oddities) -> Option<String> {
    let Some(kind) = facts.content_type else {
        odd.note("there is no Content-Type");
        return None;
    };
    let name = kind.split(';').next().unwrap_or_default().trim();
    if name.eq_ignore_ascii_case("application/sdp") {
        return None;
    }
    odd.note(format_args!("Content-Type: {kind}"));
    Some(name.chars().filter(|c| !c.is_control()).take(64).collect())
}

/// Audio to which the client sends is a back channel, unless the server calls all of its tracks so:
/// it speaks of itself then.
fn mark_back_channels(subsessions: &mut [MediaSubsession], odd: &mut Oddities) {
    let is_sent = |subsession: &MediaSubsession| subsession.direction == Direction::SendOnly;
    let is_all = subsessions.iter().all(is_sent);
    for subsession in subsessions.iter_mut().filter(|subsession| is_sent(subsession)) {
        subsession.is_back_channel = !is_all && subsession.kind == MediaKind::Audio;
        if !subsession.is_back_channel {
            odd.note("a=sendonly for what the server sends");
        }
    }
}

fn note_shared_controls(subsessions: &[MediaSubsession], odd: &mut Oddities) {
    for (i, subsession) in subsessions.iter().enumerate() {
        if subsessions.iter().take(i).any(|other| other.control_url == subsession.control_url) {
            odd.note(format_args!("several media have the control URL {}", subsession.control_url));
        }
    }
}

#[cfg(test)]
mod tests;

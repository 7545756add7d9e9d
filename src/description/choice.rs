//! [`TrackChoice`]: which tracks of a session are to be played.

use super::{MediaKind, MediaSession, MediaSubsession};

/// Which subsessions of a session a client sets up: all, or those that one of the conditions is met
/// by. A back channel is set up only if [`back_channel`](Self::back_channel) asks for it.
///
/// ```
/// use riverrun::client::{MediaKind, TrackChoice};
/// let everything = TrackChoice::all();
/// let picture = TrackChoice::all().kind(MediaKind::Video);
/// let picture_and_first_g711 = picture.codec("PCMU").codec("PCMA");
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TrackChoice {
    conditions: Vec<Condition>,
    back_channel: bool,
    /// The codec of the back channel, if not any.
    spoken: Option<String>,
    most: Option<usize>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Condition {
    Kind(MediaKind),
    Codec(String),
    Number(usize),
}

impl TrackChoice {
    /// Chooses all subsessions but back channels.
    pub const fn all() -> Self {
        Self { conditions: Vec::new(), back_channel: false, spoken: None, most: None }
    }

    /// Chooses the subsessions of a kind of media, besides those of other conditions.
    pub fn kind(mut self, kind: MediaKind) -> Self {
        self.conditions.push(Condition::Kind(kind));
        self
    }

    /// Chooses the subsessions of a codec by its encoding name in SDP (`H264`, `MPEG4-GENERIC`),
    /// besides those of other conditions. Names are compared without regard to case.
    pub fn codec(mut self, encoding_name: impl Into<String>) -> Self {
        self.conditions.push(Condition::Codec(encoding_name.into()));
        self
    }

    /// Chooses the subsession of a number, counted from 1, besides those of other conditions.
    pub fn number(mut self, number: usize) -> Self {
        self.conditions.push(Condition::Number(number));
        self
    }

    /// Chooses no more than the first `most` of the subsessions that are meant otherwise.
    pub const fn at_most(mut self, most: usize) -> Self {
        self.most = Some(most);
        self
    }

    /// Chooses ONVIF back channels too, to which the client sends. The server describes them only
    /// to a client that requires them.
    pub const fn back_channel(mut self) -> Self {
        self.back_channel = true;
        self
    }

    /// Chooses ONVIF back channels and nothing else: for a client that only talks.
    pub fn back_channel_alone() -> Self {
        // Numbers begin with 1.
        Self::all().number(0).back_channel()
    }

    /// Chooses only those of the back channels that have a codec, by its encoding name in SDP. A
    /// server that takes several codecs describes each as a back channel of its own.
    pub fn back_channel_codec(mut self, encoding_name: impl Into<String>) -> Self {
        self.spoken = Some(encoding_name.into());
        self
    }

    /// Returns whether back channels are chosen.
    pub const fn wants_back_channel(&self) -> bool {
        self.back_channel
    }

    /// Returns whether a subsession is chosen, if [`at_most`](Self::at_most) admits as many.
    pub fn chooses(&self, subsession: &MediaSubsession) -> bool {
        if subsession.is_back_channel {
            let name = &subsession.format.encoding_name;
            let is_spoken = self.spoken.as_ref().is_none_or(|own| own.eq_ignore_ascii_case(name));
            return self.back_channel && is_spoken;
        }
        self.conditions.is_empty()
            || self.conditions.iter().any(|condition| match condition {
                Condition::Kind(kind) => subsession.kind == *kind,
                Condition::Codec(name) => {
                    subsession.format.encoding_name.eq_ignore_ascii_case(name)
                }
                Condition::Number(number) => subsession.number == *number,
            })
    }

    /// Iterates over the subsessions that are chosen, in order.
    pub fn chosen<'s>(
        &'s self,
        session: &'s MediaSession,
    ) -> impl Iterator<Item = &'s MediaSubsession> {
        let chosen = session.subsessions.iter().filter(|subsession| self.chooses(subsession));
        chosen.take(self.most.unwrap_or(usize::MAX))
    }
}

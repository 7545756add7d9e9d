//! [`PlayerEvent`]: the events of a player.

use crate::client::attempt::AttemptError;
use crate::client::track::PlayedTrack;
use crate::client::transport::MediaTransport;
use crate::description::MediaSession;
use crate::rtp::{ReceivedFrame, ReceivedPacket, SourceEvent};
use crate::wire::rtsp::Range;
use std::fmt;
use std::net::SocketAddr;
use std::time::Duration;

/// An event of a [`Player`](super::Player).
///
/// Tracks are named by their [numbers](crate::client::MediaSubsession::number) in the description.
#[derive(Debug)]
#[non_exhaustive]
pub enum PlayerEvent<'a> {
    /// There is a connection to the server.
    Connected {
        /// Address of the server.
        peer: SocketAddr,
    },
    /// The server has described the presentation. Comes again after each new connection, and the
    /// description may then be another.
    Described(&'a MediaSession),
    /// A track cannot be set up; the others are played.
    TrackFailed {
        /// The track.
        track: usize,
        /// Why.
        why: AttemptError,
    },
    /// All tracks that can be had have been set up, and PLAY follows.
    SetUp {
        /// How media will come.
        transport: MediaTransport,
        /// The tracks that will be received.
        tracks: &'a [usize],
    },
    /// The server has begun to play.
    Playing {
        /// How media come.
        transport: MediaTransport,
        /// The tracks that were set up.
        tracks: &'a [usize],
        /// The range that the server plays, if it says so: where the time line of the frames starts.
        range: Option<Range>,
    },
    /// The player has paused.
    Paused,
    /// The first frame of a track since it was set up; the frame follows. It does not come for
    /// packets.
    FirstFrame {
        /// The track.
        track: usize,
    },
    /// Packets of a track were lost, or its sender has begun anew.
    Source {
        /// The track.
        track: usize,
        /// What has happened.
        event: SourceEvent,
    },
    /// A frame of a track, in decoding order.
    Frame {
        /// The track.
        track: usize,
        /// The frame. Its [`pts`](ReceivedFrame::pts) is on a time line of the player that goes on
        /// when it connects anew.
        frame: ReceivedFrame,
    },
    /// A packet of a track, in the order in which packets were sent. It comes in place of
    /// [frames](Self::Frame) if the [output](super::PlayerConfig::output) is
    /// [`Packets`](super::PlayerOutput::Packets).
    Packet {
        /// The track.
        track: usize,
        /// The packet. Its [`pts`](ReceivedPacket::pts) is on the time line of the track, which
        /// begins anew when the player connects anew.
        packet: &'a ReceivedPacket<'a>,
    },
    /// All [packets](Self::Packet) that had arrived have been passed on: more come after the loop has
    /// waited for them. A relay sends them together now.
    PacketsEnd,
    /// A track is at its end: that of the presentation, or of this attempt to play it. What was
    /// received of it can be read for the last time.
    TrackEnded(PlayedTrack<'a>),
    /// The presentation was lost.
    Lost(AttemptError),
    /// The player will connect anew.
    Reconnecting {
        /// In that time.
        delay: Duration,
        /// Failures in succession.
        failures: u32,
    },
    /// The player is at its end, and does nothing more.
    Ended(PlayerEnd),
}

/// Why a player is at its end.
#[derive(Debug)]
#[non_exhaustive]
pub enum PlayerEnd {
    /// The end of the presentation, or of the range that was asked for.
    EndOfStream,
    /// It was [stopped](super::Player::stop).
    Stopped,
    /// As many failures as its [`ReconnectPolicy`](super::ReconnectPolicy) allows; the last.
    Failed(AttemptError),
}

impl fmt::Display for PlayerEnd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::EndOfStream => f.write_str("the end of the presentation"),
            Self::Stopped => f.write_str("stopped"),
            Self::Failed(why) => why.fmt(f),
        }
    }
}

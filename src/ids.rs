//! Ids of the server's objects, and the kinds of its events.
//!
//! Objects refer to each other by id: a stream to the connection that it is sent over, a connection
//! to the streams on its channels, a destination to its client session. None owns the other: an id
//! is looked up in the table that owns the object, and is not found once the object has ended.

#![expect(clippy::exhaustive_enums, reason = "types without values, which tell ids apart")]

use crate::arena::Id;

/// Marker type for ids of RTSP connections.
#[derive(Debug)]
pub enum OfConnection {}
/// Marker type for ids of streams.
#[derive(Debug)]
pub enum OfStream {}
/// Marker type for ids of a stream's destinations.
#[derive(Debug)]
pub enum OfDestination {}
/// Marker type for ids of client sessions.
#[derive(Debug)]
pub enum OfClientSession {}
/// Marker type for ids of media sessions.
#[derive(Debug)]
pub enum OfMediaSession {}
/// Marker type for ids of live inputs.
#[derive(Debug)]
pub enum OfInput {}
/// Marker type for ids of relayed streams.
#[derive(Debug)]
pub enum OfRelayedStream {}
/// Marker type for ids of back channels.
#[derive(Debug)]
pub enum OfBackChannel {}
/// Marker type for ids of publications.
#[derive(Debug)]
pub(crate) enum OfPublication {}

/// The id of an RTSP connection in its server.
pub type ConnectionId = Id<OfConnection>;
/// The id of a stream in its server.
pub type StreamId = Id<OfStream>;
/// The id of a destination in its stream.
pub type DestinationId = Id<OfDestination>;
/// The id of a client session in its [`SessionPool`](crate::server::pool::SessionPool).
pub type ClientSessionId = Id<OfClientSession>;
/// The id of a media session in its server.
pub type MediaSessionId = Id<OfMediaSession>;
/// The id of a live input in its server.
pub type InputId = Id<OfInput>;
/// The id of a relayed stream in its server.
pub type RelayedStreamId = Id<OfRelayedStream>;
/// The id of a back channel in its server.
pub type BackChannelId = Id<OfBackChannel>;
/// The id of a publication in its server.
pub(crate) type PublicationId = Id<OfPublication>;

/// The owner of what arrives from an address or on an interleaved channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PacketOwner {
    /// A destination of a stream: its client reports on what it is sent.
    Destination(StreamId, DestinationId),
    /// A track of a publication: its client sends media.
    Published(PublicationId, usize),
    /// A back channel: its client talks.
    Spoken(BackChannelId),
}

/// Kinds of the server's events ([`EventKey::kind`](crate::env::EventKey)).
pub(crate) const KEY_LISTENER: u32 = 1;
pub(crate) const KEY_CONNECTION: u32 = 2;
pub(crate) const KEY_STREAM: u32 = 3;
pub(crate) const KEY_STREAM_RTCP: u32 = 4;
pub(crate) const KEY_RTP_SOCKET: u32 = 5;
pub(crate) const KEY_RTCP_SOCKET: u32 = 6;
pub(crate) const KEY_POOL: u32 = 7;
pub(crate) const KEY_WORK: u32 = 8;
pub(crate) const KEY_INPUT: u32 = 9;
pub(crate) const KEY_ACCEPT: u32 = 10;
pub(crate) const KEY_CATCH_UP: u32 = 11;
pub(crate) const KEY_ENDINGS: u32 = 12;
pub(crate) const KEY_RELAYED: u32 = 13;
pub(crate) const KEY_RELAYED_PACKETS: u32 = 14;
pub(crate) const KEY_PUBLICATION: u32 = 15;
pub(crate) const KEY_PUBLISHED_STREAMS: u32 = 16;
pub(crate) const KEY_TALKER: u32 = 17;

//! The ids by which the rooms of the server name each other's objects, and the kinds of its events.
//!
//! A stream names the connection that it is sent over, a connection the streams on its channels, a
//! destination the client session that it belongs to. None of them holds the other: an id is looked
//! up in the table of the room that owns the object, and finds nothing once the object is gone.

#![expect(clippy::exhaustive_enums, reason = "types without values, which tell ids apart")]

use crate::arena::Id;

/// Marks ids of RTSP connections.
#[derive(Debug)]
pub enum OfConnection {}
/// Marks ids of streams.
#[derive(Debug)]
pub enum OfStream {}
/// Marks ids of a stream's destinations.
#[derive(Debug)]
pub enum OfDestination {}
/// Marks ids of client sessions.
#[derive(Debug)]
pub enum OfClientSession {}
/// Marks ids of media sessions.
#[derive(Debug)]
pub enum OfMediaSession {}
/// Marks ids of live inputs.
#[derive(Debug)]
pub enum OfInput {}

/// Names an RTSP connection in its server.
pub type ConnectionId = Id<OfConnection>;
/// Names a stream in its server.
pub type StreamId = Id<OfStream>;
/// Names a destination in its stream.
pub type DestinationId = Id<OfDestination>;
/// Names a client session in its [`SessionPool`](crate::server::pool::SessionPool).
pub type ClientSessionId = Id<OfClientSession>;
/// Names a media session in its server.
pub type MediaSessionId = Id<OfMediaSession>;
/// Names a live input in its server.
pub type InputId = Id<OfInput>;

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

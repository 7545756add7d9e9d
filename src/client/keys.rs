//! Kinds of a client's events ([`EventKey::kind`](crate::env::EventKey)).

/// The look-up of the server's name.
pub(crate) const KEY_RESOLVER: u32 = 1;
/// The timer of the dialer.
pub(crate) const KEY_DIALER: u32 = 2;
/// A connection in the making; the id is its number.
pub(crate) const KEY_ATTEMPT: u32 = 3;
/// The RTSP connection.
pub(crate) const KEY_CONNECTION: u32 = 4;
/// A track's socket for RTP, or for RTP and RTCP; the id is the track's number.
pub(crate) const KEY_RTP: u32 = 5;
/// A track's socket for RTCP.
pub(crate) const KEY_RTCP: u32 = 6;
/// The timer of a track.
pub(crate) const KEY_TRACK: u32 = 7;
/// The timer of the player.
pub(crate) const KEY_PLAYER: u32 = 8;

//! [`FastStart`]: how a newcomer to a running stream begins.

/// What a client that joins a running shared stream of video gets first.
///
/// A decoder can begin with a key frame only. With which frame it can is seen from the bytes of
/// H.264 and H.265, whatever the source says of it: an IDR or IRAP picture, a recovery point, an
/// access unit that brings its own SPS, or an I picture of H.264 that the source calls a key frame.
/// Of other codecs the source's word is taken.
///
/// The default is [`WaitForKeyFrame`](Self::WaitForKeyFrame). It needs no memory, a crowd that
/// joins at once costs no more than one that is there, and all viewers and tracks stay on one time
/// line: with the cache a newcomer's video begins up to a group of pictures before its audio, and
/// a player that does not skip stays that much behind. The cache shows a picture at once, which is
/// better where key frames are many seconds apart and delay does not matter.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum FastStart {
    /// The next packet, whatever it is, as live555 does. The decoder shows nothing, or damage,
    /// until the next key frame.
    Off,
    /// All packets since the last key frame, as they were sent to the others, in bursts
    /// ([`ServerConfig::max_burst`](crate::server::ServerConfig::max_burst) packets every 2 ms), and then
    /// what is sent to all, without a gap. If the last key frame is not kept
    /// ([`ServerConfig::max_cached`](crate::server::ServerConfig::max_cached)), nothing before the next.
    KeyFrameCache,
    /// Nothing before the next key frame.
    #[default]
    WaitForKeyFrame,
}

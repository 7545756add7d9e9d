//! [`FastStart`]: how a newcomer to a running stream begins.

/// The packets that a newcomer to a running shared stream of video is sent first.
///
/// A decoder can begin with a key frame only. For H.264 and H.265 the server finds key frames by
/// the bytes of a frame, whatever the source says of it: an IDR or IRAP picture, a recovery point,
/// an access unit that brings its own SPS, or an I picture of H.264 that the source calls a key
/// frame. For other codecs it takes the source's word.
///
/// The default is [`WaitForKeyFrame`](Self::WaitForKeyFrame). It needs no memory, many newcomers
/// at once cost no more than the same number of viewers, and all viewers and tracks stay on one
/// time line. With the cache a newcomer's video begins up to a group of pictures before its audio,
/// and a player that does not skip stays that much behind. But a viewer sees a picture at once,
/// which is better where key frames are many seconds apart and delay does not matter.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum FastStart {
    /// The newcomer is sent the next packet, whatever it is, as live555 does. Its decoder shows
    /// nothing, or damage, until the next key frame.
    Off,
    /// The newcomer is sent all packets since the last key frame, as the others were, in bursts
    /// ([`ServerConfig::max_burst`](crate::server::ServerConfig::max_burst) packets every 2 ms), and
    /// then what is sent to all, without a gap. If the last key frame is not kept
    /// ([`ServerConfig::max_cached`](crate::server::ServerConfig::max_cached)), the newcomer is sent
    /// nothing before the next one.
    KeyFrameCache,
    /// The newcomer is sent nothing before the next key frame.
    #[default]
    WaitForKeyFrame,
}

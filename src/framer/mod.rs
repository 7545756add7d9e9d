//! Byte stream → frames. Incremental: bytes in with `handle_bytes`, frames out with `poll_frame`.

pub mod adts;
pub mod annexb;
pub mod h264;
pub mod h265;
pub mod mpeg_audio;
pub mod mpeg_ts;
pub(crate) mod sync;
pub mod wav;

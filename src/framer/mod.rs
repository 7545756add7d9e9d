//! Byte stream → frames. Incremental: bytes in with `handle_bytes`, frames out with `poll_frame`.

mod access_unit;
pub mod adts;
mod ahead;
pub mod annexb;
pub mod h264;
pub mod h265;
mod input;
pub(crate) mod leading;
pub mod mpeg_audio;
pub mod mpeg_ts;
mod order;
pub(crate) mod sync;
#[cfg(test)]
pub(crate) mod testing;
mod timeline;
pub mod video;
pub mod wav;

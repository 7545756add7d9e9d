//! Bodies of the fuzz targets, also run over the corpora by the unit tests. Not part of the API.

#[cfg(feature = "access")]
pub mod access;
pub mod audio;
#[cfg(feature = "audio-formats")]
pub mod audio_formats;
pub mod client;
#[cfg(test)]
mod corpora;
#[cfg(feature = "data-formats")]
pub mod data;
pub mod http;
pub mod media;
#[cfg(feature = "video-formats")]
pub mod mpeg_video;
pub mod relay;
pub mod relayed;
pub mod rtp;
pub mod rtsp;
pub mod server;
pub mod sinks;
#[cfg(feature = "srtp")]
pub mod srtp;
pub mod video;
#[cfg(feature = "video-formats")]
pub mod video_formats;
pub mod wire;

//! Bodies of the fuzz targets, also run over the corpora by `cargo test`. Not part of the API.

pub mod audio;
pub mod media;
pub mod rtp;
pub mod server;
pub mod video;
pub mod wire;

//! The RTSP server and media session management.

pub mod pool;
pub mod served_folder;

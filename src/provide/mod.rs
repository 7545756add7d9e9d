//! Makers of media sessions: a served folder, tracks of files, live streams.
//!
//! This module makes [`ServerMediaSession`](crate::session::ServerMediaSession)s and the
//! [`StreamFactory`](crate::session::StreamFactory)s of their tracks; it knows no server, no
//! connection and no client.

mod file_track;
mod folder_provider;
mod live_stream;
mod live_track;
mod presentation;
mod relayed_stream;
mod relayed_track;
pub mod served_folder;

pub use file_track::{FileSessionOptions, FileTrack, file_media_session};
pub use folder_provider::FolderProvider;
pub(crate) use live_stream::live_session;
pub use live_stream::{LiveStreamOptions, LiveTrackOptions};
pub use live_track::LiveTrack;
pub use relayed_stream::RelayedStreamOptions;
pub(crate) use relayed_stream::{relayed_session, relayed_subsession};
pub use relayed_track::RelayedTrack;

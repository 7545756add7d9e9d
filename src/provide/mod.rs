//! What makes media sessions: a served folder, the tracks of files, live tracks.

mod file_track;
mod live_track;
pub mod served_folder;

pub use file_track::{FileSessionOptions, FileTrack, FolderProvider, file_media_session};
pub use live_track::LiveTrack;

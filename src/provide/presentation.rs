//! [`Presentation`]: the options that live and relayed streams have in common.

use crate::session::media_session::ServerMediaSession;
use crate::stream::fast_start::FastStart;

/// How a stream is named and described, and how newcomers to it begin.
#[derive(Clone, Debug)]
pub(crate) struct Presentation {
    pub(crate) name: String,
    info: String,
    description: String,
    pub(super) fast_start: Option<FastStart>,
}

impl Presentation {
    pub(super) fn new(name: &str, description: &str) -> Self {
        Self {
            name: name.to_owned(),
            info: name.to_owned(),
            description: description.to_owned(),
            fast_start: None,
        }
    }

    /// Sets the information (SDP `i=`) and the title (SDP `s=`).
    pub(super) fn describe(&mut self, info: &str, description: &str) {
        info.clone_into(&mut self.info);
        description.clone_into(&mut self.description);
    }

    /// A media session without tracks.
    pub(super) fn session(&self) -> ServerMediaSession {
        ServerMediaSession::new(&self.name, &self.info, &self.description)
    }

    /// How newcomers begin. Unless that is set, it is with a key frame: several tracks are to begin
    /// together, which they do with the next, and one track begins at once, with the last.
    pub(super) fn fast_start_of(&self, tracks: usize) -> FastStart {
        self.fast_start.unwrap_or(if tracks == 1 {
            FastStart::KeyFrameCache
        } else {
            FastStart::WaitForKeyFrame
        })
    }
}

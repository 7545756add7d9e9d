//! What PLAY and PAUSE do to a stream: finding where it begins, moving it, starting, stopping.

use super::Streams;
use crate::env::UsageEnvironment;
use crate::ids::{DestinationId, StreamId};
use crate::media::{FramedSource, SeekError, SourceContext};
use crate::rtsp::connections::Connections;
use crate::stream::state::StartPoint;
use std::time::Duration;

impl Streams {
    /// Finds where a destination begins if it is started now.
    pub(crate) fn prepare(
        &mut self,
        env: &mut UsageEnvironment,
        connections: &mut Connections,
        (stream, destination): (StreamId, DestinationId),
    ) -> Option<StartPoint> {
        let joins = !self.is_playing(stream, destination);
        self.with_stream(env, connections, stream, |s, env, cx| {
            s.prepare(env, cx, destination, joins)
        })
    }

    /// Starts sending to a destination. `npt` is what the presentation starts with now; all tracks
    /// that start together are given the same.
    pub(crate) fn start(
        &mut self,
        env: &mut UsageEnvironment,
        connections: &mut Connections,
        (stream, destination): (StreamId, DestinationId),
        npt: Duration,
    ) {
        self.with_stream(env, connections, stream, |s, env, cx| {
            s.start(env, cx, destination, npt);
            let now = env.now();
            s.wake(env, now);
        });
    }

    /// Stops sending to a destination. `resume_at` is the position that its client says it has come
    /// to, if it names one.
    pub(crate) fn pause(
        &mut self,
        env: &mut UsageEnvironment,
        connections: &mut Connections,
        (stream, destination): (StreamId, DestinationId),
        resume_at: Option<Duration>,
    ) {
        self.with_stream(env, connections, stream, |s, env, cx| {
            s.pause_at_once(env, cx, destination, resume_at);
        });
    }

    /// Asks whether a stream can be moved: `check` is called with its source.
    ///
    /// # Errors
    /// Those of `check`.
    pub(crate) fn check_seek(
        &mut self,
        env: &UsageEnvironment,
        id: StreamId,
        check: impl FnOnce(&dyn FramedSource, &mut SourceContext<'_>) -> Result<(), SeekError>,
    ) -> Result<(), SeekError> {
        let Some(stream) = self.table.get(id) else { return Ok(()) };
        let mut cx = SourceContext { now: env.now(), demuxers: &mut self.demuxers };
        check(stream.source(), &mut cx)
    }

    /// Moves a stream that no others watch: `seek` is called with its source, and returns where it
    /// goes on. The stream stops sending to `destination`, unless `seek` fails.
    ///
    /// # Errors
    /// Those of `seek`.
    pub(crate) fn seek(
        &mut self,
        env: &mut UsageEnvironment,
        (stream, destination): (StreamId, DestinationId),
        seek: impl FnOnce(&mut dyn FramedSource, &mut SourceContext<'_>) -> Result<Duration, SeekError>,
    ) -> Result<(), SeekError> {
        let Some(stream) = self.table.get_mut(stream) else { return Ok(()) };
        stream.seek(&mut self.demuxers, env.now(), seek)?;
        // Not before: what is refused changes nothing.
        stream.pause(env, destination);
        Ok(())
    }
}

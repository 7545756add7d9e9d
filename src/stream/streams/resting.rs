//! Streams of relayed tracks that go on without viewers: they stand with the input of their track and
//! not in the table, so that whatever runs, counts and limits streams does not meet them.

use super::Streams;
use crate::env::UsageEnvironment;
use crate::ids::{InputId, StreamId};
use crate::rtsp::connections::Connections;
use crate::stream::send_context::SendContext;
use crate::stream::timers::StreamTimers;

impl Streams {
    /// Notes whether a relayed track has a source. While it has one, the stream that viewers share goes
    /// on without them, if it keeps packets for newcomers.
    pub(crate) fn set_source(&mut self, env: &mut UsageEnvironment, id: InputId, is_there: bool) {
        self.inputs.set_source(id, is_there);
        if !is_there {
            self.end_resting(env, id);
        }
    }

    /// Lets a stream without destinations go on, if it can. Returns whether it does.
    pub(super) fn let_rest(
        &mut self,
        env: &mut UsageEnvironment,
        connections: &mut Connections,
        id: StreamId,
    ) -> bool {
        let Some(stream) = self.table.get(id).filter(|stream| stream.can_rest()) else {
            return false;
        };
        let Some((input, _)) = stream.live_input() else { return false };
        if !self.inputs.has_source(input) {
            return false;
        }
        let Some(mut stream) = self.take_out(env, id) else { return false };
        let mut context = SendContext {
            connections,
            sockets: &mut self.sockets,
            demuxers: &mut self.demuxers,
            live_clocks: &mut self.live_clocks,
            memory: &mut self.memory,
            heard: &mut self.heard,
        };
        stream.rest(env, &mut context);
        self.inputs.put_resting(input, stream);
        true
    }

    /// Whether the stream of a track goes on without viewers.
    pub(crate) fn has_resting(&self, id: InputId) -> bool {
        self.inputs.has_resting(id)
    }

    /// Puts the stream of a track that has gone on without viewers back into the table, for a viewer.
    pub(crate) fn wake_resting(&mut self, input: InputId) -> Option<StreamId> {
        let owner = self.owner?;
        let mut stream = self.inputs.take_resting(input)?;
        let origin = stream.origin();
        let id = self.table.insert_with(|id| {
            stream.end_rest(StreamTimers::new(owner, id));
            stream
        });
        if let Some(origin) = origin {
            self.shared.insert((origin, false), id);
        }
        self.inputs.add_stream(input, id);
        Some(id)
    }

    /// Closes the stream of a track that goes on without viewers, if there is one.
    pub(super) fn end_resting(&mut self, env: &mut UsageEnvironment, input: InputId) {
        if let Some(stream) = self.inputs.take_resting(input) {
            self.close_stream(env, stream);
        }
    }
}

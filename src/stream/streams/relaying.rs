//! Streams that pass packets on. They are found by the live input of their track.

use super::Streams;
use crate::env::UsageEnvironment;
use crate::ids::InputId;
use crate::payload::PayloadFormat;
use crate::rtp::ReceivedPacket;
use crate::rtsp::connections::Connections;
use crate::stream::send_context::SendContext;
use crate::stream::state::StreamState;

impl Streams {
    /// Hands the next packet of a track to the streams that pass it on. Returns whether packets wait
    /// to go out when [`send_relayed`](Self::send_relayed) is called.
    pub(crate) fn relay(
        &mut self,
        env: &mut UsageEnvironment,
        connections: &mut Connections,
        id: InputId,
        packet: &ReceivedPacket<'_>,
    ) -> bool {
        let mut waits = false;
        self.with_streams_of(env, connections, id, |s, env, cx| {
            s.relay(env, cx, packet);
            waits |= s.has_pending_packets();
        });
        waits
    }

    /// Sends the packets of a track that were handed over in this turn.
    pub(crate) fn send_relayed(
        &mut self,
        env: &mut UsageEnvironment,
        connections: &mut Connections,
        id: InputId,
    ) {
        self.with_streams_of(env, connections, id, |s, env, cx| s.send_relayed(env, cx));
    }

    /// The source of a track is away, begins anew, or is another one, which is described by `format`.
    pub(crate) fn begin_source_anew(
        &mut self,
        env: &mut UsageEnvironment,
        connections: &mut Connections,
        id: InputId,
        format: Option<&PayloadFormat>,
    ) {
        self.with_streams_of(env, connections, id, |s, env, cx| {
            s.begin_source_anew(env, cx, format);
        });
    }

    /// Calls `f` with the streams of a track, watched or not.
    fn with_streams_of(
        &mut self,
        env: &mut UsageEnvironment,
        connections: &mut Connections,
        id: InputId,
        mut f: impl FnMut(&mut StreamState, &mut UsageEnvironment, &mut SendContext<'_>),
    ) {
        let mut last = None;
        while let Some(stream) = self.inputs.stream_behind(id, last) {
            last = Some(stream);
            self.with_stream(env, connections, stream, &mut f);
        }
        let Some(resting) = self.inputs.resting_mut(id) else { return };
        let mut context = SendContext {
            connections,
            sockets: &mut self.sockets,
            demuxers: &mut self.demuxers,
            live_clocks: &mut self.live_clocks,
            memory: &mut self.memory,
            heard: &mut self.heard,
        };
        f(resting, env, &mut context);
    }
}

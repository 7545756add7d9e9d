//! [`Connection`]: one RTSP connection of the server: a byte stream, the machine that understands
//! it, and a registration with the loop. It knows sessions and streams by their ids only.

use crate::env::{EventKey, MediumHandle, Readiness, Timer, UsageEnvironment};
use crate::ids::{ClientSessionId, ConnectionId, DestinationId, KEY_CONNECTION, StreamId};
use crate::net::{ByteStream, Wants};
use crate::rtsp::channels::Channels;
use crate::rtsp::config::ConnectionConfig;
use crate::rtsp::machine::{Input, MessageMachine, Overdue, Received, RequestError};
use crate::rtsp::out_queue::{Write, WriteOutcome};
use crate::wire::rtsp::{HeadError, Request};
use std::collections::BTreeSet;
use std::io::{self, IoSlice};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

/// How often a connection that drains keeps its sessions alive.
const DRAIN_NOTE_INTERVAL: Duration = Duration::from_secs(1);

/// One RTSP connection.
///
/// After anything that happened to it, and after a series of calls that changed it, its owner calls
/// [`update`](Self::update), which brings what the loop is asked for in line with its state.
#[derive(Debug)]
pub(crate) struct Connection {
    stream: ByteStream,
    machine: MessageMachine,
    pub(crate) peer: SocketAddr,
    pub(crate) local: SocketAddr,
    owner: MediumHandle,
    key: EventKey,
    timer: Timer,
    /// Sessions that were created, or are streamed, over this connection.
    /// A set, since one connection may set up very many.
    pub(crate) sessions: BTreeSet<ClientSessionId>,
    /// Where what comes in interleaved goes.
    pub(crate) channels: Channels<(StreamId, DestinationId)>,
    /// It is over, and still in the table.
    ended: bool,
    drained_at: Option<Instant>,
}

/// The byte stream, as the machine writes to it.
struct Outgoing<'a>(&'a mut ByteStream, &'a mut UsageEnvironment);

impl Write for Outgoing<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(self.1, bytes)
    }

    fn write_vectored(&mut self, pieces: &[IoSlice<'_>]) -> io::Result<usize> {
        self.0.write_vectored(self.1, pieces)
    }

    fn is_flushed(&self) -> bool {
        self.0.is_flushed()
    }
}

impl Connection {
    pub(crate) fn new(
        stream: impl Into<ByteStream>,
        (peer, local): (SocketAddr, SocketAddr),
        owner: MediumHandle,
        id: ConnectionId,
        config: ConnectionConfig,
        now: Instant,
    ) -> Self {
        Self {
            stream: stream.into(),
            machine: MessageMachine::new(config, now),
            peer,
            local,
            owner,
            key: EventKey { kind: KEY_CONNECTION, id: id.raw() },
            timer: Timer::default(),
            sessions: BTreeSet::new(),
            channels: Channels::default(),
            ended: false,
            drained_at: None,
        }
    }

    /// Begins to be told of input.
    pub(crate) fn open(&mut self, env: &mut UsageEnvironment) -> io::Result<()> {
        let wants = Wants { read: true, write: false };
        self.stream.watch(env, self.owner, self.key, wants)?;
        self.rearm(env);
        Ok(())
    }

    /// Brings interest and deadline in line with the connection's state.
    pub(crate) fn update(&mut self, env: &mut UsageEnvironment) {
        let watched = if self.ended {
            self.stream.unwatch(env, self.owner, self.key)
        } else {
            let wants = Wants { read: self.wants_input(), write: self.has_output() };
            self.stream.watch(env, self.owner, self.key, wants)
        };
        if let Err(e) = watched {
            log::debug!("{}: {e}", self.peer);
        }
        self.rearm(env);
    }

    fn rearm(&mut self, env: &mut UsageEnvironment) {
        let at = if self.ended {
            None
        } else if self.machine.is_finished() || self.machine.has_backlog() || self.can_read_more() {
            Some(env.now())
        } else {
            self.machine.poll_timeout(self.is_used())
        };
        match at {
            Some(at) => env.arm_timer(&mut self.timer, self.owner, self.key, at),
            None => env.disarm_timer(&mut self.timer),
        }
    }

    /// One over which nothing is streamed is not kept for its own sake.
    fn is_used(&self) -> bool {
        !self.sessions.is_empty()
    }

    /// Lets the stream take note of a readiness event, and returns what may be tried.
    pub(crate) fn handle_readiness(
        &mut self,
        env: &mut UsageEnvironment,
        ready: Readiness,
    ) -> io::Result<Readiness> {
        self.stream.handle_readiness(env, ready)
    }

    // Input

    pub(crate) const fn wants_input(&self) -> bool {
        self.machine.wants_input() && !self.ended
    }

    /// Whether there is input to read of which no event tells.
    pub(crate) const fn can_read_more(&self) -> bool {
        self.wants_input() && self.stream.has_buffered_input()
    }

    pub(crate) fn read(&mut self, env: &mut UsageEnvironment, buf: &mut [u8]) -> io::Result<usize> {
        let n = self.stream.read(env, buf)?;
        if n == 0 {
            self.machine.note_end_of_input();
        }
        Ok(n)
    }

    /// See [`MessageMachine::begin_input`].
    pub(crate) fn begin_input<'a>(&mut self, fresh: &'a [u8]) -> Input<'a> {
        self.machine.begin_input(fresh)
    }

    /// See [`MessageMachine::poll_message`].
    pub(crate) fn poll_message<'i>(
        &mut self,
        input: &'i mut Input<'_>,
        now: Instant,
    ) -> Result<Option<Received<'i>>, HeadError> {
        if self.ended {
            return Ok(None);
        }
        self.machine.poll_message(input, now)
    }

    /// See [`MessageMachine::end_input`].
    pub(crate) fn end_input(&mut self, input: Input<'_>, now: Instant) {
        self.machine.end_input(input, now);
    }

    pub(crate) const fn has_backlog(&self) -> bool {
        self.machine.has_backlog()
    }

    /// See [`MessageMachine::hold_input`].
    pub(crate) const fn hold_input(&mut self, until: Option<Instant>) {
        self.machine.hold_input(until);
    }

    pub(crate) const fn release_input(&mut self) {
        self.machine.release_input();
    }

    pub(crate) const fn is_input_held(&self) -> bool {
        self.machine.is_input_held()
    }

    pub(crate) fn is_hold_over(&self, now: Instant) -> bool {
        self.machine.is_hold_over(now)
    }

    // Output

    /// Sends an answer, after what waits; queues what cannot be sent.
    pub(crate) fn send_answer(
        &mut self,
        env: &mut UsageEnvironment,
        bytes: &[u8],
    ) -> io::Result<()> {
        if self.ended {
            return Ok(());
        }
        let now = env.now();
        self.machine.send(bytes, now, &mut Outgoing(&mut self.stream, env))
    }

    /// See [`MessageMachine::send_request`].
    pub(crate) fn send_request(
        &mut self,
        env: &mut UsageEnvironment,
        request: &mut Request<'_>,
        timeout: Duration,
    ) -> Result<u32, RequestError> {
        if self.ended {
            return Err(RequestError::Closing);
        }
        let now = env.now();
        let out = &mut Outgoing(&mut self.stream, env);
        let cseq = self.machine.send_request(request, timeout, now, out)?;
        self.update(env);
        Ok(cseq)
    }

    /// See [`MessageMachine::poll_unanswered`].
    pub(crate) fn poll_unanswered(&mut self, now: Instant) -> Option<u32> {
        self.machine.poll_unanswered(now)
    }

    /// Sends interleaved packets, or queues them, or drops them.
    pub(crate) fn send_media(
        &mut self,
        env: &mut UsageEnvironment,
        bytes: &[u8],
        must: bool,
    ) -> io::Result<WriteOutcome> {
        if self.ended {
            return Ok(WriteOutcome::Dropped);
        }
        let (now, had_output) = (env.now(), self.has_output());
        let out = &mut Outgoing(&mut self.stream, env);
        let outcome = self.machine.send_media(bytes, must, now, out)?;
        if !had_output && self.has_output() || !self.stream.is_flushed() {
            self.update(env);
        }
        Ok(outcome)
    }

    /// Sends what waits and can be sent; tells how many bytes went.
    pub(crate) fn flush(&mut self, env: &mut UsageEnvironment) -> io::Result<usize> {
        let now = env.now();
        self.machine.flush(now, &mut Outgoing(&mut self.stream, env))
    }

    pub(crate) fn has_output(&self) -> bool {
        self.machine.wants_output()
    }

    /// Whether the peer takes so few answers that it is given up.
    pub(crate) const fn takes_no_answers(&self) -> bool {
        self.machine.has_too_much_queued()
    }

    /// Bytes that were read and not understood yet, and bytes that wait to be sent.
    #[cfg(test)]
    pub(crate) fn held_bytes(&self) -> (usize, usize) {
        (self.machine.kept(), self.machine.queued())
    }

    /// Frees the channels of a destination and drops media that are queued on them, unless the
    /// peer is to get them yet (a BYE).
    pub(crate) fn forget_channels(
        &mut self,
        (rtp, rtcp): (u8, u8),
        of: (StreamId, DestinationId),
        keep_queued: bool,
    ) {
        if !keep_queued {
            self.machine.forget_channels([rtp, rtcp]);
        }
        self.channels.unbind(of);
    }

    /// Whether it is time to note that the connection takes what waits for it.
    pub(crate) fn takes_note_of_draining(&mut self, now: Instant) -> bool {
        let since = self.drained_at.map(|at| now.saturating_duration_since(at));
        let due = since.is_none_or(|since| since >= DRAIN_NOTE_INTERVAL);
        if due {
            self.drained_at = Some(now);
        }
        due
    }

    // The end

    /// A client session has nothing to do with it any more; its idle time begins.
    pub(crate) fn unbind(&mut self, session: ClientSessionId, now: Instant) {
        self.sessions.remove(&session);
        self.machine.note_alive(now);
    }

    /// No more input is taken; the connection goes when its answers are sent.
    pub(crate) fn begin_close(&mut self, now: Instant) {
        self.machine.begin_close(now);
    }

    /// Whether it was closed and has nothing more to send.
    pub(crate) fn is_finished(&self) -> bool {
        self.machine.is_finished()
    }

    /// Notes that the connection is over; false if it was before.
    pub(crate) const fn mark_ended(&mut self) -> bool {
        !std::mem::replace(&mut self.ended, true)
    }

    /// Whether it is over, and still in the table.
    pub(crate) const fn has_ended(&self) -> bool {
        self.ended
    }

    /// Why the connection is over at `now`, if it is.
    pub(crate) fn overdue(&self, now: Instant) -> Option<Overdue> {
        self.machine.overdue(self.is_used(), now)
    }

    /// Closes the stream.
    pub(crate) fn close(mut self, env: &mut UsageEnvironment) {
        env.disarm_timer(&mut self.timer);
        // A BYE or an answer that fits into the socket's buffer still goes.
        if let Err(e) = self.flush(env) {
            log::trace!("{}: {e}", self.peer);
        }
        self.stream.close(env);
    }
}

#[cfg(test)]
mod tests;

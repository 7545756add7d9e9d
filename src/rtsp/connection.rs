//! [`Connection`]: one RTSP connection at either end, made of a byte stream, a message machine and
//! a registration with the event loop. It refers to sessions and streams by id.

use crate::env::{EventKey, MediumHandle, Readiness, Timer, UsageEnvironment};
use crate::ids::ClientSessionId;
use crate::net::{ByteStream, HttpHead, Post, Wants};
use crate::rtsp::budget::BufferBudget;
use crate::rtsp::channels::Channels;
use crate::rtsp::config::ConnectionConfig;
use crate::rtsp::machine::{Input, MessageMachine, Overdue, Received, RequestError};
use crate::rtsp::out_queue::{Write, WriteOutcome};
use crate::sorted_set::SortedSet;
use crate::wire::rtsp::{HeadError, Request, Skipped};
use std::io::{self, IoSlice};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

/// Interval at which a connection whose output drains extends its sessions.
const DRAIN_NOTE_INTERVAL: Duration = Duration::from_secs(1);

/// One RTSP connection. `O` is what its interleaved channels are bound to.
///
/// After each event, and after a series of calls that changed the connection, the owner calls
/// [`update`](Self::update), which adjusts the registered interest and deadline to the new state.
#[derive(Debug)]
pub(crate) struct Connection<O> {
    stream: ByteStream,
    machine: MessageMachine,
    pub(crate) peer: SocketAddr,
    pub(crate) local: SocketAddr,
    owner: MediumHandle,
    key: EventKey,
    timer: Timer,
    /// Time by which the byte stream is to be established; `None` once it is.
    handshake_until: Option<Instant>,
    handshake_timeout: Duration,
    /// Whether the peer has begun to speak RTSP.
    has_begun: bool,
    /// Sessions that were created, or are streamed, over this connection.
    pub(crate) sessions: SortedSet<ClientSessionId>,
    /// The destinations that incoming interleaved packets belong to.
    pub(crate) channels: Channels<O>,
    /// The connection has ended and is still in the table.
    ended: bool,
    drained_at: Option<Instant>,
}

/// The byte stream as the writer of the message machine.
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

impl<O: Copy + PartialEq> Connection<O> {
    pub(crate) fn new(
        stream: impl Into<ByteStream>,
        (peer, local): (SocketAddr, SocketAddr),
        owner: MediumHandle,
        key: EventKey,
        config: ConnectionConfig,
        now: Instant,
    ) -> Self {
        let stream = stream.into();
        let until = || now.checked_add(config.handshake_timeout);
        Self {
            handshake_timeout: config.handshake_timeout,
            has_begun: false,
            handshake_until: if stream.is_established() { None } else { until() },
            stream,
            machine: MessageMachine::new(config, now),
            peer,
            local,
            owner,
            key,
            timer: Timer::default(),
            sessions: SortedSet::default(),
            channels: Channels::default(),
            ended: false,
            drained_at: None,
        }
    }

    /// Has the connection share a budget for what it holds with others.
    pub(crate) fn share_buffers(&mut self, budget: &BufferBudget) {
        self.machine.share_buffers(budget);
    }

    /// Registers the connection for readable events.
    pub(crate) fn open(&mut self, env: &mut UsageEnvironment) -> io::Result<()> {
        let wants = Wants { read: true, write: false };
        self.stream.watch(env, self.owner, self.key, wants)?;
        self.rearm(env);
        Ok(())
    }

    /// Adjusts the registered interest and deadline to the connection's state.
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
        } else if self.handshake_until.is_some() {
            self.handshake_until
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

    /// Whether a session uses the connection; an unused connection is closed after its idle
    /// time-out.
    fn is_used(&self) -> bool {
        !self.sessions.is_empty()
    }

    /// Reports a readiness event to the byte stream, and returns the operations that may be tried.
    pub(crate) fn handle_readiness(
        &mut self,
        env: &mut UsageEnvironment,
        ready: Readiness,
    ) -> io::Result<Readiness> {
        let sent = self.stream.sent();
        let may = self.stream.handle_readiness(env, ready)?;
        if self.stream.sent() != sent {
            self.machine.note_progress(env.now());
        }
        self.note_established(env);
        Ok(may)
    }

    fn note_established(&mut self, env: &UsageEnvironment) {
        if self.handshake_until.is_some() && self.stream.is_established() {
            self.handshake_until = None;
            self.machine.note_alive(env.now());
        }
    }

    /// Whether the byte stream is established, so that messages may pass.
    pub(crate) fn is_established(&self) -> bool {
        self.stream.is_established()
    }

    /// Whether nobody on the way can read what is sent.
    pub(crate) const fn is_encrypted(&self) -> bool {
        self.stream.is_encrypted()
    }

    /// SHA-256 of the certificate that the client at the other end has presented over TLS.
    pub(crate) const fn client_certificate(&self) -> Option<[u8; 32]> {
        self.stream.client_certificate()
    }

    // HTTP before RTSP

    /// Whether the peer has not begun to speak RTSP. To be asked before each input; the first that
    /// [begins](Self::begin_input) is RTSP.
    pub(crate) const fn is_new(&self) -> bool {
        !self.has_begun
    }

    /// Waits for an HTTP request, of which `received` was read. From now on the time for a
    /// handshake runs, until a tunnel is complete.
    pub(crate) fn begin_http(&mut self, received: &[u8], now: Instant) {
        self.stream.begin_http(received);
        self.handshake_until = now.checked_add(self.handshake_timeout);
    }

    /// See [`ByteStream::http_head`].
    pub(crate) fn http_head(&self) -> Option<HttpHead> {
        self.stream.http_head()
    }

    /// See [`ByteStream::end_http`].
    pub(crate) fn end_http(&mut self) -> Vec<u8> {
        self.handshake_until = None;
        self.stream.end_http()
    }

    /// See [`ByteStream::open_tunnel`].
    pub(crate) fn open_tunnel(&mut self) {
        // What comes in it is RTSP from the first byte on.
        self.has_begun = true;
        self.stream.open_tunnel();
    }

    /// See [`ByteStream::take_post`].
    pub(crate) fn take_post(&mut self, env: &mut UsageEnvironment) -> io::Result<Option<Post>> {
        self.stream.take_post(env, self.owner, self.key)
    }

    /// See [`ByteStream::add_post`].
    #[allow(clippy::result_large_err, reason = "the error gives the connection back")]
    pub(crate) fn add_post(&mut self, env: &UsageEnvironment, post: Post) -> Result<(), Post> {
        self.stream.add_post(post)?;
        self.note_established(env);
        Ok(())
    }

    // Input

    pub(crate) const fn wants_input(&self) -> bool {
        self.machine.wants_input() && !self.ended
    }

    /// Whether the byte stream holds input that no further readiness event will announce.
    pub(crate) fn can_read_more(&self) -> bool {
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
        self.has_begun = true;
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

    /// See [`MessageMachine::expect_channels`].
    pub(crate) fn expect_channels(&mut self, channels: [u8; 2]) {
        self.machine.expect_channels(channels);
    }

    /// See [`MessageMachine::skipped`].
    pub(crate) fn skipped(&self) -> Skipped {
        self.machine.skipped()
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

    /// Sends an answer behind messages that are queued; queues the part that cannot be sent now.
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

    /// Sends interleaved packets; queues or drops them if they cannot be sent now.
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

    /// Sends as much of the queue as possible, and returns the number of bytes sent.
    pub(crate) fn flush(&mut self, env: &mut UsageEnvironment) -> io::Result<usize> {
        let now = env.now();
        self.machine.flush(now, &mut Outgoing(&mut self.stream, env))
    }

    pub(crate) fn has_output(&self) -> bool {
        self.machine.wants_output()
    }

    /// Whether so many answers are queued that the connection should be closed.
    pub(crate) fn takes_no_answers(&self) -> bool {
        self.machine.has_too_much_queued()
    }

    /// Number of input bytes that are not parsed yet, and of output bytes that are queued.
    #[cfg(test)]
    pub(crate) fn held_bytes(&self) -> (usize, usize) {
        (self.machine.kept(), self.machine.queued())
    }

    /// Frees the channels of a destination, and drops the media queued on them unless `keep_queued`
    /// is set because the peer is still to receive them (a BYE).
    pub(crate) fn forget_channels(&mut self, (rtp, rtcp): (u8, u8), of: O, keep_queued: bool) {
        if !keep_queued {
            self.machine.forget_channels([rtp, rtcp]);
        }
        self.channels.unbind(of);
    }

    /// Whether it is time to record that the peer still accepts queued output.
    pub(crate) fn takes_note_of_draining(&mut self, now: Instant) -> bool {
        let since = self.drained_at.map(|at| now.saturating_duration_since(at));
        let due = since.is_none_or(|since| since >= DRAIN_NOTE_INTERVAL);
        if due {
            self.drained_at = Some(now);
        }
        due
    }

    // A connection to an object of this process

    /// Whether the peer is an object of this process, which takes what is sent by
    /// [`take_sent`](Self::take_sent).
    pub(crate) const fn is_inside(&self) -> bool {
        self.stream.is_inside()
    }

    /// Hands over what was sent to an object of this process, in exchange for memory, and sends what
    /// is queued.
    pub(crate) fn take_sent(&mut self, env: &mut UsageEnvironment, into: &mut Vec<u8>) {
        let Some(pipe) = self.stream.pipe_mut() else { return into.clear() };
        pipe.take(into);
        if let Err(e) = self.flush(env) {
            log::debug!("{}: {e}", self.peer);
        }
    }

    /// Has the object of this process that is the peer look at the connection. No effect on a
    /// connection to another process.
    pub(crate) fn wake_reader(&mut self, env: &mut UsageEnvironment) {
        if let Some(pipe) = self.stream.pipe_mut() {
            pipe.wake(env);
        }
    }

    // The end

    /// Removes a client session from the connection; once no session is left, the idle time-out
    /// starts.
    pub(crate) fn unbind(&mut self, session: ClientSessionId, now: Instant) {
        self.sessions.remove(session);
        self.machine.note_alive(now);
    }

    /// Stops reading input; the connection ends when the queued answers are sent.
    pub(crate) fn begin_close(&mut self, now: Instant) {
        self.machine.begin_close(now);
    }

    /// Whether the connection is closing and has nothing left to send.
    pub(crate) fn is_finished(&self) -> bool {
        self.machine.is_finished()
    }

    /// Marks the connection as ended; returns false if it was marked before.
    pub(crate) const fn mark_ended(&mut self) -> bool {
        !std::mem::replace(&mut self.ended, true)
    }

    /// Whether the connection has ended and is still in the table.
    pub(crate) const fn has_ended(&self) -> bool {
        self.ended
    }

    /// The reason for which the connection is over at `now`; `None` if it is not.
    pub(crate) fn overdue(&self, now: Instant) -> Option<Overdue> {
        if let Some(until) = self.handshake_until {
            // Nothing can be said before, so no other time-out counts.
            return (now >= until).then_some(Overdue::Handshake);
        }
        self.machine.overdue(self.is_used(), now)
    }

    /// Closes the byte stream.
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

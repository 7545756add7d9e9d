//! [`Connection`]: one RTSP connection: bytes in and out, time-outs. It knows no sessions' inside.

use crate::env::{EventKey, Interest, MediumHandle, Timer, UsageEnvironment};
use crate::ids::ConnectionId;
use crate::ids::{ClientSessionId, DestinationId, StreamId};
use crate::net::TcpStream;
use crate::rtsp::channels::Channels;
use crate::rtsp::config::ConnectionConfig;
use crate::rtsp::out_queue::{OutQueue, Write, WriteOutcome};
use crate::wire::rtsp::Decoder;
use std::collections::BTreeSet;
use std::io;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

/// How long a connection that is being closed may take to send what waits.
const LINGER: Duration = Duration::from_secs(2);
/// Capacity of an empty input buffer that is kept.
const KEPT_INPUT: usize = 1024;
/// How often a connection that drains keeps its sessions alive.
const DRAIN_NOTE_INTERVAL: Duration = Duration::from_secs(1);

#[derive(Clone, Copy, Debug)]
struct Timeouts {
    idle: Duration,
    message: Duration,
    write: Duration,
}

/// No input is looked at: a request has to be answered first.
#[derive(Clone, Copy, Debug)]
struct Hold {
    /// How long at most; `None`: for ever.
    until: Option<Instant>,
}

/// One RTSP connection.
#[derive(Debug)]
pub(crate) struct Connection {
    stream: TcpStream,
    pub(crate) peer: SocketAddr,
    pub(crate) local: SocketAddr,
    pub(crate) decoder: Decoder,
    /// What was read and not looked at.
    pub(crate) input: Vec<u8>,
    out: OutQueue,
    owner: MediumHandle,
    key: EventKey,
    timeouts: Timeouts,
    timer: Timer,
    interest: Interest,
    /// Sessions that were created, or are streamed, over this connection.
    /// A set, since one connection may set up very many.
    pub(crate) sessions: BTreeSet<ClientSessionId>,
    /// Where what comes in interleaved goes.
    pub(crate) channels: Channels<(StreamId, DestinationId)>,
    /// There is input that was read and not looked at yet.
    pub(crate) backlog: bool,
    /// A request waits; what comes after it is answered after it.
    hold: Option<Hold>,
    /// The peer will send no more.
    pub(crate) read_closed: bool,
    closing: Option<Instant>,
    /// It is over, and still in the table.
    ended: bool,
    /// When the last whole request, or interleaved data, came.
    pub(crate) heard_at: Instant,
    /// When the request that has not arrived whole began.
    partial_since: Option<Instant>,
    /// Since when nothing of what waits was taken.
    blocked_since: Option<Instant>,
    drained_at: Option<Instant>,
}

struct Socket<'a>(&'a mut TcpStream, &'a mut UsageEnvironment);

impl Write for Socket<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(self.1, bytes)
    }
}

impl Connection {
    pub(crate) fn new(
        stream: TcpStream,
        peer: SocketAddr,
        local: SocketAddr,
        owner: MediumHandle,
        id: ConnectionId,
        config: &ConnectionConfig,
        now: Instant,
    ) -> Self {
        Self {
            owner,
            key: EventKey { kind: crate::ids::KEY_CONNECTION, id: id.raw() },
            timeouts: Timeouts {
                idle: config.idle_timeout,
                message: config.message_timeout,
                write: config.write_timeout,
            },
            interest: Interest::NONE,
            stream,
            peer,
            local,
            decoder: Decoder::new(),
            input: Vec::new(),
            out: OutQueue::new(config.max_queued_media),
            timer: Timer::default(),
            sessions: BTreeSet::new(),
            channels: Channels::default(),
            backlog: false,
            hold: None,
            read_closed: false,
            closing: None,
            ended: false,
            heard_at: now,
            partial_since: None,
            blocked_since: None,
            drained_at: None,
        }
    }

    /// Begins to be told of input.
    pub(crate) fn open(&mut self, env: &mut UsageEnvironment) -> io::Result<()> {
        self.interest = Interest::READABLE;
        self.stream.watch(env, self.owner, self.key, self.interest)?;
        self.rearm(env);
        Ok(())
    }

    /// Brings interest and deadline in line with the connection's state.
    pub(crate) fn update(&mut self, env: &mut UsageEnvironment) {
        let interest = match (self.wants_input(), !self.out.is_empty() && !self.ended) {
            (true, true) => Interest::BOTH,
            (true, false) => Interest::READABLE,
            (false, true) => Interest::WRITABLE,
            (false, false) => Interest::NONE,
        };
        if interest != self.interest {
            self.interest = interest;
            if let Err(e) = self.stream.watch(env, self.owner, self.key, interest) {
                log::debug!("{}: {e}", self.peer);
            }
        }
        self.rearm(env);
    }

    fn rearm(&mut self, env: &mut UsageEnvironment) {
        if self.ended {
            env.disarm_timer(&mut self.timer);
        } else if self.is_finished() || (self.backlog && self.hold.is_none()) {
            let now = env.now();
            env.arm_timer(&mut self.timer, self.owner, self.key, now);
        } else if let Some(at) = self.deadline() {
            env.arm_timer(&mut self.timer, self.owner, self.key, at);
        } else {
            env.disarm_timer(&mut self.timer);
        }
    }

    /// Input is read unless a request waits or the connection is on its way out.
    pub(crate) const fn wants_input(&self) -> bool {
        self.hold.is_none() && !self.backlog && !self.read_closed && !self.is_closing()
    }

    pub(crate) fn read(&mut self, env: &mut UsageEnvironment, buf: &mut [u8]) -> io::Result<usize> {
        self.stream.read(env, buf)
    }

    /// Sends an answer, after what waits; queues what cannot be sent.
    pub(crate) fn send_answer(
        &mut self,
        env: &mut UsageEnvironment,
        bytes: &[u8],
    ) -> io::Result<()> {
        if self.ended {
            return Ok(());
        }
        let written = self.out.send_control(bytes, &mut Socket(&mut self.stream, env))?;
        self.note_written(written, env.now());
        Ok(())
    }

    /// Sends interleaved packets, or queues them, or drops them.
    pub(crate) fn send_media(
        &mut self,
        env: &mut UsageEnvironment,
        bytes: &[u8],
        must: bool,
    ) -> io::Result<WriteOutcome> {
        if self.is_closing() {
            return Ok(WriteOutcome::Dropped);
        }
        let sent = self.out.send_media(bytes, must, &mut Socket(&mut self.stream, env))?;
        if !self.out.is_empty() && self.blocked_since.is_none() {
            self.blocked_since = Some(env.now());
            self.update(env);
        }
        Ok(sent)
    }

    /// Sends what waits and can be sent; tells how many bytes went.
    pub(crate) fn flush(&mut self, env: &mut UsageEnvironment) -> io::Result<usize> {
        let written = self.out.flush(&mut Socket(&mut self.stream, env))?;
        self.note_written(written, env.now());
        Ok(written)
    }

    fn note_written(&mut self, written: usize, now: Instant) {
        if self.out.is_empty() {
            self.blocked_since = None;
        } else if written > 0 || self.blocked_since.is_none() {
            self.blocked_since = Some(now);
        }
    }

    pub(crate) const fn queued_answers(&self) -> usize {
        self.out.control_len()
    }

    /// Bytes that wait to be sent.
    #[cfg(test)]
    pub(crate) const fn queued(&self) -> usize {
        self.out.len()
    }

    pub(crate) fn has_output(&self) -> bool {
        !self.out.is_empty()
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
            self.out.forget_channels([rtp, rtcp]);
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

    /// No more input is taken; the connection goes when its answers are sent.
    pub(crate) fn begin_close(&mut self, now: Instant) {
        self.closing.get_or_insert(now);
    }

    pub(crate) const fn is_closing(&self) -> bool {
        self.closing.is_some() || self.ended
    }

    /// Notes that the connection is over; false if it was before.
    pub(crate) const fn mark_ended(&mut self) -> bool {
        !std::mem::replace(&mut self.ended, true)
    }

    /// Whether it is over, and still in the table.
    pub(crate) const fn has_ended(&self) -> bool {
        self.ended
    }

    /// Something arrived whole.
    pub(crate) const fn note_whole(&mut self, now: Instant) {
        self.heard_at = now;
        self.partial_since = None;
    }

    /// What there is, is the beginning of something, or nothing.
    pub(crate) fn note_partial(&mut self, partial: bool, now: Instant) {
        if partial {
            self.partial_since.get_or_insert(now);
        } else {
            self.partial_since = None;
        }
    }

    /// Keeps the input that was lent, of which `taken` bytes are done with.
    pub(crate) fn keep_input(&mut self, mut input: Vec<u8>, taken: usize) {
        input.drain(..taken.min(input.len()));
        if input.is_empty() && input.capacity() > KEPT_INPUT {
            input = Vec::new();
        }
        self.input = input;
    }

    pub(crate) fn is_finished(&self) -> bool {
        self.closing.is_some() && self.out.is_empty()
    }

    /// When something has to happen by.
    fn deadline(&self) -> Option<Instant> {
        let idle = (self.sessions.is_empty() && self.hold.is_none())
            .then_some(self.heard_at.checked_add(self.timeouts.idle))
            .flatten();
        let head = self.partial_since.and_then(|at| at.checked_add(self.timeouts.message));
        let blocked = self.blocked_since.and_then(|at| at.checked_add(self.timeouts.write));
        let linger = self.closing.and_then(|at| at.checked_add(LINGER));
        let hold = self.hold.and_then(|hold| hold.until);
        [idle, head, blocked, linger, hold].into_iter().flatten().min()
    }

    /// Lets input wait until it is [released](Self::release_input): what is asked in it is answered
    /// after the present request. The owner hears, by [`is_hold_over`](Self::is_hold_over), when
    /// that has not come to pass by `until`.
    pub(crate) const fn hold_input(&mut self, until: Option<Instant>) {
        self.hold = Some(Hold { until });
    }

    /// Lets input be looked at again.
    pub(crate) const fn release_input(&mut self) {
        self.hold = None;
    }

    pub(crate) const fn is_input_held(&self) -> bool {
        self.hold.is_some()
    }

    /// Whether input is on hold for longer than was meant.
    pub(crate) fn is_hold_over(&self, now: Instant) -> bool {
        self.hold.and_then(|hold| hold.until).is_some_and(|until| now >= until)
    }

    /// Why the connection is over at `now`, if it is.
    pub(crate) fn overdue(&self, now: Instant) -> Option<&'static str> {
        let over = |since: Option<Instant>, limit: Duration| {
            since.is_some_and(|at| now.saturating_duration_since(at) >= limit)
        };
        if over(self.closing, LINGER) {
            Some("closed")
        } else if over(self.blocked_since, self.timeouts.write) {
            Some("the client takes nothing of what it is sent")
        } else if over(self.partial_since, self.timeouts.message) {
            Some("a request did not arrive whole in time")
        } else if self.sessions.is_empty()
            && self.hold.is_none()
            && over(Some(self.heard_at), self.timeouts.idle)
        {
            Some("idle")
        } else {
            None
        }
    }

    /// Closes the socket.
    pub(crate) fn close(mut self, env: &mut UsageEnvironment) {
        env.disarm_timer(&mut self.timer);
        // A BYE or an answer that fits into the socket's buffer still goes.
        if let Err(e) = self.out.flush(&mut Socket(&mut self.stream, env)) {
            log::trace!("{}: {e}", self.peer);
        }
        self.stream.close(env);
    }
}

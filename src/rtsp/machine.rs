//! [`MessageMachine`]: RTSP over one connection, without the connection: bytes in and out,
//! deadlines, and which response belongs to which request (RFC 2326 sections 4 to 8, 10.12, 12.17).
//!
//! It serves either end. Both send requests and both are asked (RFC 2326 section 10): a server's
//! connection answers in the main, a client's asks, and both exchange interleaved packets.

use crate::rtsp::config::ConnectionConfig;
use crate::rtsp::out_queue::{OutQueue, Write, WriteOutcome};
use crate::rtsp::unanswered::Unanswered;
use crate::wire::rtsp::{Decoder, HeadError, Incoming, Request, Response};
use std::fmt;
use std::io;
use std::time::{Duration, Instant};

/// How long a connection that is being closed may take to send what waits.
const LINGER: Duration = Duration::from_secs(2);
/// Capacity of an empty input buffer that is kept.
const KEPT_INPUT: usize = 1024;

/// The state of RTSP over one connection.
///
/// It opens no socket and reads no clock: it is handed the bytes that came, the time, and a
/// [`Write`] for the bytes that go. Its owner calls
///
/// 1. for input, while [`wants_input`](Self::wants_input): [`begin_input`](Self::begin_input) with
///    what was read; [`poll_message`](Self::poll_message) until it returns `None` or an error, and
///    between these calls whatever the messages ask for; [`end_input`](Self::end_input). When the
///    peer has ended, [`note_end_of_input`](Self::note_end_of_input) and the same with nothing.
///    While [`has_backlog`](Self::has_backlog) it does that again in the next turn with nothing.
/// 2. for output, at any time: [`send`](Self::send) with a response, [`send_request`],
///    [`send_media`](Self::send_media); and [`flush`](Self::flush) when the connection takes more
///    while [`wants_output`](Self::wants_output).
/// 3. for time, after any of these: [`poll_timeout`](Self::poll_timeout); and when that has come,
///    [`overdue`](Self::overdue), which says whether the connection is over,
///    [`is_hold_over`](Self::is_hold_over) and [`poll_unanswered`](Self::poll_unanswered).
///
/// [`send_request`]: Self::send_request
#[derive(Debug)]
pub(crate) struct MessageMachine {
    config: ConnectionConfig,
    decoder: Decoder,
    /// Input that was read and not understood yet.
    kept: Vec<u8>,
    out: OutQueue,
    /// What the writer has taken has not gone yet.
    is_unflushed: bool,
    unanswered: Unanswered,
    hold: Option<Hold>,
    backlog: bool,
    /// The peer will send no more.
    input_ended: bool,
    closing: Option<Instant>,
    /// When the last whole message, or interleaved packet, came.
    heard_at: Instant,
    /// When the message that has not arrived whole began.
    partial_since: Option<Instant>,
    /// Since when nothing of what waits was taken.
    blocked_since: Option<Instant>,
}

/// No input is looked at: a request has to be answered first.
#[derive(Clone, Copy, Debug)]
struct Hold {
    /// How long at most; `None`: for ever.
    until: Option<Instant>,
}

/// Input while its messages are handled: lent out by the machine, so that it can be used meanwhile.
#[derive(Debug)]
pub(crate) struct Input<'a> {
    /// What was kept, with the fresh bytes behind it; empty if nothing was.
    kept: Vec<u8>,
    fresh: &'a [u8],
    taken: usize,
    messages: usize,
}

/// What has come in whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Received<'i> {
    /// A request of the peer's.
    Request(Request<'i>),
    /// The response to the request that was sent with this `CSeq`. After a provisional one (1xx)
    /// the final one is still to come.
    Response(u32, Response<'i>),
    /// A response that no request waits for, or no more.
    Unexpected(Response<'i>),
    /// An RTP or RTCP packet between the messages.
    Interleaved {
        /// The channel, as agreed by `Transport`.
        channel: u8,
        /// The packet.
        data: &'i [u8],
    },
}

/// Why a connection is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Overdue {
    /// It was closed, and has had time to send what waited.
    Closed,
    /// The peer takes nothing of what it is sent.
    Blocked,
    /// A message did not arrive whole in time.
    Partial,
    /// Nobody uses it, and nothing has come for long.
    Idle,
}

impl fmt::Display for Overdue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Closed => "closed",
            Self::Blocked => "the peer takes nothing of what it is sent",
            Self::Partial => "a message did not arrive whole in time",
            Self::Idle => "idle",
        })
    }
}

/// Why a request was not sent.
#[derive(Debug)]
pub(crate) enum RequestError {
    /// The connection is on its way out.
    Closing,
    /// Too many requests are unanswered.
    TooMany,
    /// The connection cannot be written to.
    Io(io::Error),
}

impl MessageMachine {
    /// A connection that was made at `now`.
    pub(crate) fn new(config: ConnectionConfig, now: Instant) -> Self {
        Self {
            decoder: Decoder::new(),
            kept: Vec::new(),
            out: OutQueue::new(config.max_queued_media),
            config,
            is_unflushed: false,
            unanswered: Unanswered::default(),
            hold: None,
            backlog: false,
            input_ended: false,
            closing: None,
            heard_at: now,
            partial_since: None,
            blocked_since: None,
        }
    }

    // Input

    /// Whether there is a use for more input: not while a request waits for its answer, nor while
    /// there is a backlog, nor at the end.
    pub(crate) const fn wants_input(&self) -> bool {
        self.hold.is_none() && !self.backlog && !self.input_ended && !self.is_closing()
    }

    /// Lends out the input that was kept, with what has just been read behind it. Where nothing
    /// was kept that is done without a copy.
    pub(crate) fn begin_input<'a>(&mut self, fresh: &'a [u8]) -> Input<'a> {
        let mut kept = std::mem::take(&mut self.kept);
        let mut fresh = fresh;
        if !kept.is_empty() {
            kept.extend_from_slice(fresh);
            fresh = &[];
        }
        Input { kept, fresh, taken: 0, messages: 0 }
    }

    /// What comes next in the input; `None` if it has to wait for more, for the answer to a request
    /// ([`hold_input`](Self::hold_input)) or for the next turn.
    ///
    /// # Errors
    /// The input is no RTSP. Where the next message begins is not known, so that the connection
    /// can only be closed, after the answer that the error asks for.
    pub(crate) fn poll_message<'i>(
        &mut self,
        input: &'i mut Input<'_>,
        now: Instant,
    ) -> Result<Option<Received<'i>>, HeadError> {
        self.backlog = false;
        if self.hold.is_some() || self.is_closing() {
            return Ok(None);
        }
        if input.messages >= self.config.messages_per_turn {
            self.backlog = true;
            return Ok(None);
        }
        input.messages += 1;
        let before = input.taken;
        let bytes = if input.kept.is_empty() { input.fresh } else { &input.kept };
        let rest = bytes.get(before..).unwrap_or_default();
        let (incoming, n) = match self.decoder.decode(rest, &self.config.limits) {
            Ok(decoded) => decoded,
            Err(e) => {
                input.taken = bytes.len();
                return Err(e);
            }
        };
        input.taken += n;
        let received = match incoming {
            Incoming::NeedMore => {
                if bytes.len() > input.taken {
                    self.partial_since.get_or_insert(now);
                } else {
                    self.partial_since = None;
                }
                return Ok(None);
            }
            Incoming::Request(request) => Received::Request(request),
            Incoming::Response(response) => self.match_response(response),
            Incoming::Interleaved { channel, data } => Received::Interleaved { channel, data },
        };
        self.heard_at = now;
        self.partial_since = None;
        Ok(Some(received))
    }

    fn match_response<'i>(&mut self, response: Response<'i>) -> Received<'i> {
        let cseq = response.headers.cseq().filter(|cseq| self.unanswered.contains(*cseq));
        let Some(cseq) = cseq else { return Received::Unexpected(response) };
        if response.status.code() >= 200 {
            self.unanswered.remove(cseq);
        }
        Received::Response(cseq, response)
    }

    /// Takes back the input that was lent out, and keeps what is not done with.
    pub(crate) fn end_input(&mut self, input: Input<'_>, now: Instant) {
        let Input { mut kept, fresh, taken, .. } = input;
        if kept.is_empty() {
            kept.extend_from_slice(fresh.get(taken..).unwrap_or_default());
        } else {
            kept.drain(..taken.min(kept.len()));
        }
        if kept.is_empty() && kept.capacity() > KEPT_INPUT {
            kept = Vec::new();
        }
        self.kept = kept;
        if self.input_ended && !self.backlog && self.hold.is_none() {
            self.begin_close(now);
        }
    }

    /// The peer will send no more. The connection closes when what has come is answered.
    pub(crate) const fn note_end_of_input(&mut self) {
        self.input_ended = true;
    }

    /// Whether there is input that was read and can be looked at, in the next turn.
    pub(crate) const fn has_backlog(&self) -> bool {
        self.backlog && self.hold.is_none()
    }

    /// Bytes that were read and not understood yet.
    #[cfg(any(test, feature = "fuzzing"))]
    pub(crate) fn kept(&self) -> usize {
        self.kept.len()
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

    // Output

    /// Sends bytes of a response, or of a packet that is not media, behind those that wait and
    /// before media that wait. What cannot be sent is queued.
    ///
    /// # Errors
    /// The connection cannot be written to.
    pub(crate) fn send(
        &mut self,
        bytes: &[u8],
        now: Instant,
        out: &mut impl Write,
    ) -> io::Result<()> {
        let written = self.out.send_control(bytes, out)?;
        self.note_written(written, now, out);
        Ok(())
    }

    /// Sends a request with a `CSeq` of the machine's choice, which it returns. Within `timeout` a
    /// [`Received::Response`] comes with that number, or [`poll_unanswered`](Self::poll_unanswered)
    /// returns it.
    ///
    /// # Errors
    /// See [`RequestError`]; nothing will be told of the request then.
    pub(crate) fn send_request(
        &mut self,
        request: &mut Request<'_>,
        timeout: Duration,
        now: Instant,
        out: &mut impl Write,
    ) -> Result<u32, RequestError> {
        if self.is_closing() {
            return Err(RequestError::Closing);
        }
        let until = now.checked_add(timeout);
        let cseq = self.unanswered.add(until, self.config.max_unanswered);
        let cseq = cseq.ok_or(RequestError::TooMany)?;
        request.headers.remove("CSeq");
        request.headers.push("CSeq", cseq);
        if let Err(e) = self.send(&request.to_bytes(), now, out) {
            self.unanswered.remove(cseq);
            return Err(RequestError::Io(e));
        }
        Ok(cseq)
    }

    /// Sends interleaved packets, as many whole ones as `bytes` holds, straight from `bytes`, or
    /// queues them, or drops them. `must` goes in even when the queue is full (a BYE).
    ///
    /// # Errors
    /// The connection cannot be written to.
    pub(crate) fn send_media(
        &mut self,
        bytes: &[u8],
        must: bool,
        now: Instant,
        out: &mut impl Write,
    ) -> io::Result<WriteOutcome> {
        if self.is_closing() {
            return Ok(WriteOutcome::Dropped);
        }
        let outcome = self.out.send_media(bytes, must, out)?;
        self.is_unflushed = !out.is_flushed();
        if self.is_blocked() {
            self.blocked_since.get_or_insert(now);
        }
        Ok(outcome)
    }

    /// Sends what waits and can be sent, and returns how many bytes went.
    ///
    /// # Errors
    /// The connection cannot be written to.
    pub(crate) fn flush(&mut self, now: Instant, out: &mut impl Write) -> io::Result<usize> {
        let written = self.out.flush(out)?;
        self.note_written(written, now, out);
        Ok(written)
    }

    fn note_written(&mut self, written: usize, now: Instant, out: &impl Write) {
        self.is_unflushed = !out.is_flushed();
        if !self.is_blocked() {
            self.blocked_since = None;
        } else if written > 0 || self.blocked_since.is_none() {
            self.blocked_since = Some(now);
        }
    }

    fn is_blocked(&self) -> bool {
        self.is_unflushed || self.wants_output()
    }

    /// Whether there is something to [flush](Self::flush).
    pub(crate) fn wants_output(&self) -> bool {
        !self.out.is_empty()
    }

    /// Whether so many bytes of messages wait that the peer is taken for one that reads none.
    pub(crate) const fn has_too_much_queued(&self) -> bool {
        self.out.control_len() > self.config.max_queued_messages
    }

    /// Bytes that wait to be sent.
    #[cfg(any(test, feature = "fuzzing"))]
    pub(crate) const fn queued(&self) -> usize {
        self.out.len()
    }

    /// Drops the media that wait on two channels, but for a packet that has begun to be sent.
    pub(crate) fn forget_channels(&mut self, channels: [u8; 2]) {
        self.out.forget_channels(channels);
    }

    // The end

    /// No more input is taken; the connection goes when what waits is sent.
    pub(crate) fn begin_close(&mut self, now: Instant) {
        self.closing.get_or_insert(now);
    }

    pub(crate) const fn is_closing(&self) -> bool {
        self.closing.is_some()
    }

    /// Whether the connection is closing and has nothing more to send.
    pub(crate) fn is_finished(&self) -> bool {
        self.closing.is_some() && !self.is_blocked()
    }

    // Time

    /// The owner has heard from the peer, or of it, in another way: the idle time begins anew.
    pub(crate) const fn note_alive(&mut self, now: Instant) {
        self.heard_at = now;
    }

    /// When something has to happen by. `is_used`: the connection may be silent for as long as it
    /// likes.
    pub(crate) fn poll_timeout(&self, is_used: bool) -> Option<Instant> {
        let after = |since: Option<Instant>, limit| since.and_then(|at| at.checked_add(limit));
        [
            after(self.idle_since(is_used), self.config.idle_timeout),
            after(self.partial_since, self.config.message_timeout),
            after(self.blocked_since, self.config.write_timeout),
            after(self.closing, LINGER),
            self.hold.and_then(|hold| hold.until),
            self.unanswered.poll_timeout(),
        ]
        .into_iter()
        .flatten()
        .min()
    }

    fn idle_since(&self, is_used: bool) -> Option<Instant> {
        (!is_used && self.hold.is_none()).then_some(self.heard_at)
    }

    /// Why the connection is over at `now`, if it is. `is_used` as in
    /// [`poll_timeout`](Self::poll_timeout).
    pub(crate) fn overdue(&self, is_used: bool, now: Instant) -> Option<Overdue> {
        let over = |since: Option<Instant>, limit: Duration| {
            since.is_some_and(|at| now.saturating_duration_since(at) >= limit)
        };
        let config = &self.config;
        [
            (self.closing, LINGER, Overdue::Closed),
            (self.blocked_since, config.write_timeout, Overdue::Blocked),
            (self.partial_since, config.message_timeout, Overdue::Partial),
            (self.idle_since(is_used), config.idle_timeout, Overdue::Idle),
        ]
        .into_iter()
        .find_map(|(since, limit, why)| over(since, limit).then_some(why))
    }

    /// The `CSeq` of a request that was not answered in time, each once. A response that comes
    /// later is [unexpected](Received::Unexpected).
    pub(crate) fn poll_unanswered(&mut self, now: Instant) -> Option<u32> {
        self.unanswered.poll_overdue(now)
    }
}

#[cfg(test)]
mod tests;

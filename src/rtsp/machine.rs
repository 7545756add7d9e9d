//! [`MessageMachine`]: the RTSP protocol on one connection, without I/O: bytes in and out,
//! deadlines, and the matching of responses to requests (RFC 2326 sections 4 to 8, 10.12, 12.17).
//!
//! It serves both ends of a connection. Both may send requests (RFC 2326 section 10): a server
//! mostly answers, a client mostly asks, and both exchange interleaved packets.

mod input;

pub(crate) use input::Input;

use crate::rtsp::budget::{BufferBudget, BufferShare};
use crate::rtsp::config::ConnectionConfig;
use crate::rtsp::out_queue::{LITTLE, OutQueue, Write, WriteOutcome};
use crate::rtsp::unanswered::Unanswered;
use crate::wire::rtsp::{
    Decoder, HeadError, Incoming, Limits, Request, Response, ResyncDecoder, Skipped,
};
use std::fmt;
use std::io;
use std::time::{Duration, Instant};

/// Time for which a closing connection may still send queued output.
const LINGER: Duration = Duration::from_secs(2);
/// Capacity of an empty input buffer that is kept.
const KEPT_INPUT: usize = 1024;
/// The same of a client, most of whose reads end within a packet.
const KEPT_PACKETS: usize = 4096;

/// The state of RTSP on one connection.
///
/// The machine opens no socket and reads no clock: the caller passes the received bytes, the time,
/// and a [`Write`] for the output. The caller calls
///
/// 1. for input, while [`wants_input`](Self::wants_input): [`begin_input`](Self::begin_input) with
///    the bytes that were read; [`poll_message`](Self::poll_message) until it returns `None` or an
///    error, with whatever calls the messages require in between; [`end_input`](Self::end_input).
///    At the end of input, [`note_end_of_input`](Self::note_end_of_input) and then the same calls
///    with no bytes. While [`has_backlog`](Self::has_backlog), the same calls with no bytes in the
///    next turn.
/// 2. for output, at any time: [`send`](Self::send) with a response, [`send_request`],
///    [`send_media`](Self::send_media); and [`flush`](Self::flush) when the connection is writable
///    while [`wants_output`](Self::wants_output).
/// 3. for time, after any of these: [`poll_timeout`](Self::poll_timeout); and when that time has
///    come, [`overdue`](Self::overdue), which says whether the connection is over,
///    [`is_hold_over`](Self::is_hold_over) and [`poll_unanswered`](Self::poll_unanswered).
///
/// [`send_request`]: Self::send_request
#[derive(Debug)]
pub(crate) struct MessageMachine {
    config: ConnectionConfig,
    decoder: InputDecoder,
    /// Input that was read and is not parsed yet.
    kept: Vec<u8>,
    /// What is kept, of the bytes that connections may hold together.
    share: BufferShare,
    out: OutQueue,
    /// The writer holds bytes that it has accepted and not transmitted.
    is_unflushed: bool,
    unanswered: Unanswered,
    hold: Option<Hold>,
    backlog: bool,
    /// The peer has ended its side of the connection.
    input_ended: bool,
    closing: Option<Instant>,
    /// When the last whole message or interleaved packet arrived.
    heard_at: Instant,
    /// When the first byte of an incomplete message arrived.
    partial_since: Option<Instant>,
    /// Time since which none of the queued output was accepted.
    blocked_since: Option<Instant>,
}

/// The decoder of the input.
#[derive(Debug)]
enum InputDecoder {
    /// Of a server, which refuses what is no message.
    Strict(Decoder),
    /// Of a client, which skips it.
    Resync(Box<ResyncDecoder>),
}

impl InputDecoder {
    fn decode<'a>(
        &mut self,
        input: &'a [u8],
        limits: &Limits,
    ) -> Result<(Incoming<'a>, usize), HeadError> {
        match self {
            Self::Strict(decoder) => decoder.decode(input, limits),
            Self::Resync(decoder) => decoder.decode(input, limits),
        }
    }

    /// How many bytes of `more`, which follows `input`, are to be appended to it for the next try.
    fn missing(&self, input: &[u8], more: &[u8]) -> usize {
        match self {
            Self::Strict(decoder) => decoder.missing(input, more),
            Self::Resync(decoder) => decoder.missing(input, more),
        }
    }

    /// Whether what is left of the input is no beginning of a message.
    fn is_searching(&self) -> bool {
        matches!(self, Self::Resync(decoder) if decoder.is_searching())
    }
}

/// Parsing is suspended: a request has to be answered first.
#[derive(Clone, Copy, Debug)]
struct Hold {
    /// End of the suspension at the latest; `None`: no limit.
    until: Option<Instant>,
}

/// A whole message or packet that was received.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Received<'i> {
    /// A request from the peer.
    Request(Request<'i>),
    /// The response to the request with this `CSeq`. A provisional response (1xx) is followed by a
    /// final one.
    Response(u32, Response<'i>),
    /// A response that matches no outstanding request.
    Unexpected(Response<'i>),
    /// An RTP or RTCP packet between messages.
    Interleaved {
        /// The channel, as agreed in `Transport`.
        channel: u8,
        /// The packet.
        data: &'i [u8],
    },
}

/// The reason for which a connection is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Overdue {
    /// The byte stream was not established in time.
    Handshake,
    /// It was closed, and has had the time to send queued output.
    Closed,
    /// The peer accepts none of the output.
    Blocked,
    /// A message did not arrive completely in time.
    Partial,
    /// The connection is unused, and nothing has been received during the idle time-out.
    Idle,
}

impl fmt::Display for Overdue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Handshake => "the handshake was not over in time",
            Self::Closed => "closed",
            Self::Blocked => "the peer takes nothing of what it is sent",
            Self::Partial => "a message did not arrive whole in time",
            Self::Idle => "idle",
        })
    }
}

/// The reason for which a request was not sent.
#[derive(Debug)]
pub(crate) enum RequestError {
    /// The connection is closing.
    Closing,
    /// Too many requests are unanswered.
    TooMany,
    /// The connection cannot be written to.
    Io(io::Error),
}

impl MessageMachine {
    /// Creates the machine of a connection that was established at `now`.
    pub(crate) fn new(config: ConnectionConfig, now: Instant) -> Self {
        Self {
            decoder: if config.resynchronizes {
                InputDecoder::Resync(Box::default())
            } else {
                InputDecoder::Strict(Decoder::new())
            },
            kept: Vec::new(),
            share: BufferShare::new(BufferBudget::unlimited()),
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

    /// Has the machine share a budget for what it holds with others.
    pub(crate) fn share_buffers(&mut self, budget: &BufferBudget) {
        self.share = BufferShare::new(budget.clone());
        self.share.set(self.kept.capacity());
        self.out.share_buffers(budget);
    }

    // Input

    /// Whether the caller should read more input: not while a request waits for its answer, nor
    /// while there is a backlog, nor after the end of input.
    pub(crate) const fn wants_input(&self) -> bool {
        self.hold.is_none() && !self.backlog && !self.input_ended && !self.is_closing()
    }

    /// Lends out the kept input followed by `fresh`, which is not copied but for what completes a
    /// message or packet that has begun before.
    pub(crate) fn begin_input<'a>(&mut self, fresh: &'a [u8]) -> Input<'a> {
        Input::new(std::mem::take(&mut self.kept), fresh)
    }

    /// The next message or packet in the input; `None` if parsing has to wait for more input, for
    /// the answer to a request ([`hold_input`](Self::hold_input)) or for the next turn.
    ///
    /// # Errors
    /// The input is not RTSP. The start of the next message cannot be found, so the caller sends
    /// the answer that the error asks for and closes the connection.
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
        let (incoming, has_rest) = input.decode(&mut self.decoder, &self.config.limits)?;
        let received = match incoming {
            Incoming::NeedMore => {
                if has_rest && !self.decoder.is_searching() {
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

    /// Notes that interleaved packets are expected on two channels. It makes a difference only to a
    /// decoder that searches the start of a packet.
    pub(crate) fn expect_channels(&mut self, channels: [u8; 2]) {
        if let InputDecoder::Resync(decoder) = &mut self.decoder {
            channels.into_iter().for_each(|channel| decoder.expect_channel(channel));
        }
    }

    /// The input that was skipped because it was no message.
    pub(crate) fn skipped(&self) -> Skipped {
        match &self.decoder {
            InputDecoder::Strict(_) => Skipped::default(),
            InputDecoder::Resync(decoder) => decoder.skipped(),
        }
    }

    fn match_response<'i>(&mut self, response: Response<'i>) -> Received<'i> {
        let cseq = response.headers.cseq().filter(|cseq| self.unanswered.contains(*cseq));
        let Some(cseq) = cseq else { return Received::Unexpected(response) };
        if response.status.code() >= 200 {
            self.unanswered.remove(cseq);
        }
        Received::Response(cseq, response)
    }

    /// Takes back the input that was lent out, and keeps the part that is not parsed yet.
    pub(crate) fn end_input(&mut self, input: Input<'_>, now: Instant) {
        let spare = match self.decoder {
            InputDecoder::Strict(_) => KEPT_INPUT,
            InputDecoder::Resync(_) => KEPT_PACKETS,
        };
        self.kept = input.into_rest(spare);
        self.share.set(self.kept.capacity());
        if self.share.is_too_much(LITTLE) {
            // All hold too much together, and this one a part of a message.
            self.share.note_refused();
            (self.kept, self.partial_since) = (Vec::new(), None);
            self.share.set(0);
            self.begin_close(now);
        }
        if self.input_ended && !self.backlog && self.hold.is_none() {
            self.begin_close(now);
        }
    }

    /// Records that the peer sends no more. The connection closes when the received requests are
    /// answered.
    pub(crate) const fn note_end_of_input(&mut self) {
        self.input_ended = true;
    }

    /// Whether there is input left to parse in the next turn.
    pub(crate) const fn has_backlog(&self) -> bool {
        self.backlog && self.hold.is_none()
    }

    /// Number of bytes that were read and are not parsed yet.
    #[cfg(any(test, feature = "fuzzing"))]
    pub(crate) fn kept(&self) -> usize {
        self.kept.len()
    }

    /// Suspends parsing until [`release_input`](Self::release_input), so that requests that follow
    /// the present one are answered after it. [`is_hold_over`](Self::is_hold_over) reports when the
    /// suspension has lasted beyond `until`.
    pub(crate) const fn hold_input(&mut self, until: Option<Instant>) {
        self.hold = Some(Hold { until });
    }

    /// Resumes parsing.
    pub(crate) const fn release_input(&mut self) {
        self.hold = None;
    }

    pub(crate) const fn is_input_held(&self) -> bool {
        self.hold.is_some()
    }

    /// Whether parsing is still suspended at the time given to [`hold_input`](Self::hold_input).
    pub(crate) fn is_hold_over(&self, now: Instant) -> bool {
        self.hold.and_then(|hold| hold.until).is_some_and(|until| now >= until)
    }

    // Output

    /// Sends the bytes of a response, or of a packet that is not media, behind queued messages and
    /// ahead of queued media. The part that cannot be sent now is queued.
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

    /// Sends a request with a `CSeq` that the machine chooses and returns. Within `timeout`, either
    /// a [`Received::Response`] with that number follows, or
    /// [`poll_unanswered`](Self::poll_unanswered) returns the number.
    ///
    /// # Errors
    /// See [`RequestError`]; the request is forgotten.
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

    /// Sends interleaved packets (`bytes` holds any number of whole ones) without copying; packets
    /// that cannot be sent now are queued, or dropped if the queue is full. With `must` they are
    /// queued even then (a BYE).
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

    /// Sends as much of the queue as possible, and returns the number of bytes sent.
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

    /// Records that the peer has taken some of what the writer had accepted before.
    pub(crate) const fn note_progress(&mut self, now: Instant) {
        if self.blocked_since.is_some() {
            self.blocked_since = Some(now);
        }
    }

    fn is_blocked(&self) -> bool {
        self.is_unflushed || self.wants_output()
    }

    /// Whether there is queued output to [flush](Self::flush).
    pub(crate) fn wants_output(&self) -> bool {
        !self.out.is_empty()
    }

    /// Whether more bytes of messages are queued than the configuration allows: the peer reads no
    /// answers.
    pub(crate) fn has_too_much_queued(&self) -> bool {
        self.out.control_len() > self.config.max_queued_messages || self.out.must_shrink()
    }

    /// Number of queued bytes.
    #[cfg(any(test, feature = "fuzzing"))]
    pub(crate) const fn queued(&self) -> usize {
        self.out.len()
    }

    /// Drops the media queued on two channels, except a packet that is partly sent.
    pub(crate) fn forget_channels(&mut self, channels: [u8; 2]) {
        self.out.forget_channels(channels);
    }

    // The end

    /// Stops reading input; the connection ends when the queue is sent.
    pub(crate) fn begin_close(&mut self, now: Instant) {
        self.closing.get_or_insert(now);
    }

    pub(crate) const fn is_closing(&self) -> bool {
        self.closing.is_some()
    }

    /// Whether the connection is closing and has nothing left to send.
    pub(crate) fn is_finished(&self) -> bool {
        self.closing.is_some() && !self.is_blocked()
    }

    // Time

    /// Records another sign of life of the peer: the idle time-out starts anew.
    pub(crate) const fn note_alive(&mut self, now: Instant) {
        self.heard_at = now;
    }

    /// The next deadline. With `is_used`, the idle time-out does not apply.
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

    /// The reason for which the connection is over at `now`; `None` if it is not. `is_used` as in
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

    /// The `CSeq` of a request that was not answered in time, each once. A later response to it is
    /// [unexpected](Received::Unexpected).
    pub(crate) fn poll_unanswered(&mut self, now: Instant) -> Option<u32> {
        self.unanswered.poll_overdue(now)
    }
}

#[cfg(test)]
mod tests;

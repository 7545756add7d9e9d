//! [`RtspClient`]: the connection of a client to a server, and the requests that it sends
//! (RFC 2326). Read [`MessageMachine`](crate::rtsp::machine::MessageMachine) first.

mod connecting;
mod responses;

use crate::client::authenticator::{Attempt, Authenticator};
use crate::client::config::RtspClientConfig;
use crate::client::dialer::Dialer;
use crate::client::event::{ClientEvent, Disconnection, RequestFailure, RequestId};
use crate::client::keys::{KEY_ATTEMPT, KEY_CONNECTION, KEY_DIALER, KEY_RESOLVER};
use crate::client::server_address::{ServerAddress, credentials_in};
use crate::env::{Event, EventKey, MediumHandle, Readiness, UsageEnvironment};
use crate::error::Error;
use crate::rtsp::channels::Route;
use crate::rtsp::connection::Connection;
use crate::rtsp::machine::{Overdue, Received, RequestError};
use crate::wire::rtp::PacketKind;
use crate::wire::rtsp::{Request, Skipped};
use crate::wire::url::{Redacted, RtspUrl};
use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::time::{Duration, Instant};

/// Bytes that are read at a time.
const READ_SIZE: usize = 64 * 1024;

/// Memory for what is read, shared by the clients of an environment.
#[derive(Default)]
struct ReadBuffer(Vec<u8>);

/// A packet that came interleaved in the connection (RFC 2326 section 10.12).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct InterleavedPacket<'a> {
    /// The track that the channel was [bound to](RtspClient::bind_channels).
    pub track: u32,
    /// The kind of packet that was agreed on for the channel. Some servers send the other:
    /// [`PacketKind::of`] tells by the packet.
    pub kind: PacketKind,
    /// The packet.
    pub data: &'a [u8],
}

/// Called with each interleaved packet, where it was read to.
pub type PacketHandler<'a> = dyn FnMut(&mut UsageEnvironment, InterleavedPacket<'_>) + 'a;

/// An RTSP client: one connection at a time to one server, and the requests that are sent over it.
///
/// It belongs to a [`Medium`](crate::env::Medium) of the application, which
///
/// 1. names the server with [`set_server`](Self::set_server) and sends requests with
///    [`send`](Self::send). A request that is sent while there is no connection makes one.
/// 2. hands each event that it gets to [`handle_event`](Self::handle_event). The client takes those
///    of its own kinds, [`EVENT_KINDS`](Self::EVENT_KINDS).
/// 3. takes the news with [`poll_event`](Self::poll_event), after either.
///
/// Requests are pipelined: each is sent at once, and the responses are matched by `CSeq`. The
/// client authenticates, follows redirections, and answers requests of the server. A
/// [`Player`](super::Player) does all of this and receives the media too.
///
/// ```no_run
/// use riverrun::client::{ClientEvent, RtspClient, RtspClientConfig};
/// use riverrun::env::{Event, Medium, MediumHandle, UsageEnvironment};
/// use riverrun::wire::rtsp::{Method, Request};
/// use riverrun::wire::url::RtspUrl;
///
/// /// Asks a server what it can do.
/// struct Asker(Option<RtspClient>);
///
/// impl Medium for Asker {
///     fn kind(&self) -> &'static str {
///         "Asker"
///     }
///     fn on_added(&mut self, env: &mut UsageEnvironment, me: MediumHandle) {
///         let url = RtspUrl::parse("rtsp://192.0.2.9/").expect("a URL");
///         let mut client = RtspClient::new(RtspClientConfig::default(), me).expect("fit to use");
///         client.set_server(env, &url).expect("no percent encoding");
///         client.send(env, Request::new(Method::Options, "*"));
///         self.0 = Some(client);
///     }
///     fn handle_event(&mut self, env: &mut UsageEnvironment, event: Event) {
///         let Some(client) = &mut self.0 else { return };
///         client.handle_event(env, event, &mut |_, _| {});
///         while let Some(news) = client.poll_event() {
///             if let ClientEvent::Response { response, .. } = news {
///                 println!("{:?}", response.headers.value("Public"));
///             }
///         }
///     }
/// }
///
/// let mut env = UsageEnvironment::new()?;
/// env.add(Asker(None));
/// loop {
///     env.turn(None)?;
/// }
/// # #[allow(unreachable_code)]
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug)]
pub struct RtspClient {
    config: RtspClientConfig,
    owner: MediumHandle,
    server: Option<ServerAddress>,
    authenticator: Authenticator,
    link: Link,
    /// Number of connections that were made.
    connections: u64,
    /// Requests without a response, in the order in which they were made.
    outstanding: Vec<Outstanding>,
    next_request: u64,
    events: VecDeque<ClientEvent>,
    /// Interleaved packets on channels that belong to no track.
    stray_packets: u64,
    round_trip: Option<Duration>,
    /// Reused memory of [`send_packet`](Self::send_packet).
    framed: Vec<u8>,
}

#[derive(Debug)]
enum Link {
    Down,
    Dialing(Box<Dialer>),
    Up(Box<Connection<u32>>),
}

/// A request without a response.
#[derive(Debug)]
struct Outstanding {
    id: RequestId,
    request: Request<'static>,
    timeout: Duration,
    attempt: Attempt,
    redirects: u32,
    /// The `CSeq` with which it was sent, once it was, and when that was.
    cseq: Option<u32>,
    sent_at: Option<Instant>,
}

impl RtspClient {
    /// The kinds of the client's events ([`EventKey::kind`]), which its owner does not use itself.
    pub const EVENT_KINDS: RangeInclusive<u32> = KEY_RESOLVER..=KEY_CONNECTION;

    /// Creates a client that belongs to the medium `owner`.
    ///
    /// # Errors
    /// As [`RtspClientConfig::check`].
    pub fn new(config: RtspClientConfig, owner: MediumHandle) -> Result<Self, Error> {
        config.check()?;
        let authenticator = Authenticator::new(config.credentials.clone(), config.auth_schemes);
        Ok(Self {
            config,
            owner,
            server: None,
            authenticator,
            link: Link::Down,
            connections: 0,
            outstanding: Vec::new(),
            next_request: 1,
            events: VecDeque::new(),
            stray_packets: 0,
            round_trip: None,
            framed: Vec::new(),
        })
    }

    /// Names the server: that of a URL, and the user whom the URL names. A connection to another
    /// server is closed, and requests without a response are sent to the new server.
    ///
    /// # Errors
    /// [`Error::Usage`]: the percent encoding of user name or password is malformed.
    pub fn set_server(
        &mut self,
        env: &mut UsageEnvironment,
        url: &RtspUrl<'_>,
    ) -> Result<(), Error> {
        let user = credentials_in(url)
            .map_err(|_| Error::Usage("the user or password in the URL is not percent-encoded"))?;
        let server = ServerAddress::of(url);
        let is_other = self.server.as_ref() != Some(&server);
        if is_other {
            self.drop_link(env);
            self.server = Some(server);
        }
        // After a redirection to another host those of the configuration are to be used again.
        let configured = || self.config.credentials.clone().filter(|_| is_other);
        if let Some(user) = user.or_else(configured) {
            self.authenticator = Authenticator::new(Some(user), self.config.auth_schemes);
        }
        Ok(())
    }

    /// Sends a request, as soon as there is a connection. `User-Agent`, `CSeq` and `Authorization`
    /// are added.
    pub fn send(&mut self, env: &mut UsageEnvironment, request: Request<'static>) -> RequestId {
        self.send_within(env, request, self.config.answer_timeout)
    }

    /// As [`send`](Self::send), with a time-out of its own.
    pub fn send_within(
        &mut self,
        env: &mut UsageEnvironment,
        request: Request<'static>,
        timeout: Duration,
    ) -> RequestId {
        let id = RequestId(self.next_request);
        self.next_request += 1;
        self.outstanding.push(Outstanding {
            id,
            request,
            timeout,
            attempt: Attempt::default(),
            redirects: 0,
            cseq: None,
            sent_at: None,
        });
        self.send_waiting(env);
        id
    }

    /// Forgets a request: its response is dropped.
    pub fn forget(&mut self, request: RequestId) {
        self.outstanding.retain(|outstanding| outstanding.id != request);
    }

    /// Returns the next event, each once.
    pub fn poll_event(&mut self) -> Option<ClientEvent> {
        self.events.pop_front()
    }

    /// Whether there is an event to poll. What is done outside of an event of the environment may
    /// cause one at once, such as a request over a connection that has failed.
    pub(crate) fn has_events(&self) -> bool {
        !self.events.is_empty()
    }

    /// Returns the addresses of both ends of the connection, the server's first; `None` without a
    /// connection.
    pub fn ends(&self) -> Option<(SocketAddr, SocketAddr)> {
        match &self.link {
            Link::Up(connection) => Some((connection.peer, connection.local)),
            _ => None,
        }
    }

    /// Whether nobody on the way can read what is sent over the connection.
    #[cfg(feature = "srtp")]
    pub(crate) const fn is_encrypted(&self) -> bool {
        match &self.link {
            Link::Up(connection) => connection.is_encrypted(),
            _ => false,
        }
    }

    /// Returns the number of interleaved packets that came on channels of no track.
    pub const fn stray_packets(&self) -> u64 {
        self.stray_packets
    }

    /// Returns the time from the last request that was answered to its response: the round-trip time
    /// and what the server needed.
    pub const fn round_trip(&self) -> Option<Duration> {
        self.round_trip
    }

    /// Binds the channels for RTP and RTCP to a track, which the caller numbers. Returns false if
    /// there is no connection.
    pub fn bind_channels(&mut self, channels: (u8, u8), track: u32) -> bool {
        let Link::Up(connection) = &mut self.link else { return false };
        connection.channels.unbind(track);
        connection.channels.bind(channels, track);
        connection.expect_channels([channels.0, channels.1]);
        true
    }

    /// Notes that interleaved packets may come on two channels: those of a SETUP without a response
    /// yet. It helps to find the next packet where the server has sent something else between two.
    pub fn expect_channels(&mut self, channels: (u8, u8)) {
        if let Link::Up(connection) = &mut self.link {
            connection.expect_channels([channels.0, channels.1]);
        }
    }

    /// Returns what was skipped in the present connection because it was neither a message nor a
    /// packet.
    pub fn skipped(&self) -> Skipped {
        match &self.link {
            Link::Up(connection) => connection.skipped(),
            _ => Skipped::default(),
        }
    }

    /// Sends an interleaved packet, or drops it where too many wait.
    pub fn send_packet(&mut self, env: &mut UsageEnvironment, channel: u8, packet: &[u8]) {
        let Link::Up(connection) = &mut self.link else { return };
        self.framed.clear();
        if !crate::wire::interleaved::write(channel, packet, &mut self.framed) {
            return;
        }
        if let Err(e) = connection.send_media(env, &self.framed, false) {
            self.disconnect(env, Disconnection::Io(e));
        }
    }

    /// Sends interleaved packets, any number of whole ones with their prefixes. What the connection
    /// does not take at once is queued; while it [has output](Self::has_output) too much is dropped.
    pub(crate) fn send_interleaved(&mut self, env: &mut UsageEnvironment, packets: &[u8]) {
        let Link::Up(connection) = &mut self.link else { return };
        if let Err(e) = connection.send_media(env, packets, true) {
            self.disconnect(env, Disconnection::Io(e));
        }
    }

    /// Whether the connection has not taken all that was sent.
    pub(crate) fn has_output(&self) -> bool {
        matches!(&self.link, Link::Up(connection) if connection.has_output())
    }

    /// Ends the connection. Requests that are unanswered fail without an event.
    pub fn close(&mut self, env: &mut UsageEnvironment) {
        self.drop_link(env);
        self.outstanding.clear();
        self.events.clear();
    }

    fn drop_link(&mut self, env: &mut UsageEnvironment) {
        match std::mem::replace(&mut self.link, Link::Down) {
            Link::Down => {}
            Link::Dialing(mut dialer) => dialer.end(env),
            Link::Up(connection) => connection.close(env),
        }
        for outstanding in &mut self.outstanding {
            outstanding.cseq = None;
        }
    }

    // Sending

    /// Sends what waits; makes a connection first if there is none.
    fn send_waiting(&mut self, env: &mut UsageEnvironment) {
        match &self.link {
            Link::Down => self.dial(env),
            Link::Up(connection) if connection.is_established() => self.transmit_waiting(env),
            Link::Dialing(_) | Link::Up(_) => {}
        }
    }

    /// Writes the requests that were not sent, in order.
    fn transmit_waiting(&mut self, env: &mut UsageEnvironment) {
        while let Some(at) = self.outstanding.iter().position(|o| o.cseq.is_none()) {
            let (Link::Up(connection), Some(outstanding)) =
                (&mut self.link, self.outstanding.get_mut(at))
            else {
                return;
            };
            let Outstanding { request, timeout, attempt, cseq, sent_at, .. } = outstanding;
            let mut request = request.clone();
            request.headers.remove("Authorization");
            let (method, uri) = (request.method.as_str(), request.url.as_str());
            if let Some(value) = self.authenticator.authorization(method, uri, attempt) {
                request.headers.push("Authorization", value);
            }
            request.headers.push("User-Agent", &self.config.user_agent);
            for (name, value) in self.config.headers.iter() {
                request.headers.push(name, value);
            }
            match connection.send_request(env, &mut request, *timeout) {
                Ok(number) => {
                    log::debug!(
                        "{}: {} {}",
                        connection.peer,
                        request.method,
                        Redacted(request.url.as_str())
                    );
                    *cseq = Some(number);
                    *sent_at = Some(env.now());
                }
                // They go when one that was sent has its response.
                Err(RequestError::TooMany) => return,
                Err(RequestError::Closing) => {
                    return self.disconnect(env, Disconnection::Closed);
                }
                Err(RequestError::Io(e)) => return self.disconnect(env, Disconnection::Io(e)),
            }
        }
    }

    /// The connection has ended, or was not made.
    fn disconnect(&mut self, env: &mut UsageEnvironment, why: Disconnection) {
        log::debug!("client: {why}");
        self.drop_link(env);
        for outstanding in std::mem::take(&mut self.outstanding) {
            let (request, why) = (outstanding.id, RequestFailure::Disconnected);
            self.events.push_back(ClientEvent::Failed { request, why });
        }
        self.events.push_back(ClientEvent::Disconnected(why));
    }

    // Events

    /// Takes an event of the environment; returns false if it is not of the client's kinds.
    /// `packets` is called with the interleaved packets.
    pub fn handle_event(
        &mut self,
        env: &mut UsageEnvironment,
        event: Event,
        packets: &mut PacketHandler<'_>,
    ) -> bool {
        match event {
            Event::Readiness { key: EventKey { kind: KEY_CONNECTION, .. }, readiness } => {
                self.handle_readiness(env, readiness, packets);
            }
            Event::Timer { key: EventKey { kind: KEY_CONNECTION, .. } } => {
                self.handle_connection_timer(env, packets);
            }
            Event::Readiness { key: EventKey { kind: KEY_ATTEMPT, id }, .. } => {
                self.advance_dialer(env, Some(id));
            }
            Event::Trigger { key: EventKey { kind: KEY_RESOLVER, .. }, .. }
            | Event::Timer { key: EventKey { kind: KEY_DIALER, .. } } => {
                self.advance_dialer(env, None);
            }
            _ => return false,
        }
        if let Link::Up(connection) = &mut self.link {
            if connection.is_finished() {
                self.disconnect(env, Disconnection::Closed);
            } else {
                connection.update(env);
            }
        }
        true
    }

    fn handle_readiness(
        &mut self,
        env: &mut UsageEnvironment,
        ready: Readiness,
        packets: &mut PacketHandler<'_>,
    ) {
        let Link::Up(connection) = &mut self.link else { return };
        let was_established = connection.is_established();
        let ready = match connection.handle_readiness(env, ready) {
            Ok(ready) => ready,
            Err(e) if was_established => return self.disconnect(env, Disconnection::Io(e)),
            Err(e) => return self.disconnect(env, Disconnection::Handshake(e)),
        };
        if !was_established {
            self.note_established(env);
        }
        let Link::Up(connection) = &mut self.link else { return };
        if ready.writable {
            if let Err(e) = connection.flush(env) {
                return self.disconnect(env, Disconnection::Io(e));
            }
        }
        if ready.readable {
            self.read(env, packets);
        }
    }

    fn read(&mut self, env: &mut UsageEnvironment, packets: &mut PacketHandler<'_>) {
        let Link::Up(connection) = &mut self.link else { return };
        if !connection.wants_input() {
            return;
        }
        let mut buffer = std::mem::take(&mut env.extension::<ReadBuffer>().0);
        buffer.resize(READ_SIZE, 0);
        match connection.read(env, &mut buffer) {
            Ok(n) => self.process_input(env, buffer.get(..n).unwrap_or_default(), packets),
            Err(e) if e.kind() == io::ErrorKind::WouldBlock => {}
            Err(e) => self.disconnect(env, Disconnection::Io(e)),
        }
        env.extension::<ReadBuffer>().0 = buffer;
    }

    fn process_input(
        &mut self,
        env: &mut UsageEnvironment,
        fresh: &[u8],
        packets: &mut PacketHandler<'_>,
    ) {
        let Link::Up(connection) = &mut self.link else { return };
        let mut input = connection.begin_input(fresh);
        // What a response leads to may end this connection and begin another: its input is over.
        let number = self.connections;
        loop {
            let Link::Up(connection) = &mut self.link else { return };
            if self.connections != number {
                return;
            }
            match connection.poll_message(&mut input, env.now()) {
                Ok(None) => break,
                Ok(Some(Received::Interleaved { channel, data })) => {
                    match connection.channels.route(channel) {
                        Some(Route { owner: track, kind }) => {
                            packets(env, InterleavedPacket { track, kind, data });
                        }
                        None => self.stray_packets += 1,
                    }
                }
                Ok(Some(Received::Response(cseq, response))) => {
                    self.handle_response(env, cseq, response);
                }
                Ok(Some(Received::Unexpected(response))) => {
                    log::debug!("{}: answers nothing: {}", connection.peer, response.status);
                }
                Ok(Some(Received::Request(request))) => self.handle_request(env, request),
                Err(e) => return self.disconnect(env, Disconnection::Protocol(e.what)),
            }
        }
        if let Link::Up(connection) = &mut self.link {
            connection.end_input(input, env.now());
        }
    }

    fn handle_connection_timer(
        &mut self,
        env: &mut UsageEnvironment,
        packets: &mut PacketHandler<'_>,
    ) {
        let now = env.now();
        let Link::Up(connection) = &mut self.link else { return };
        match connection.overdue(now) {
            None => {}
            Some(Overdue::Closed) => return self.disconnect(env, Disconnection::Closed),
            Some(Overdue::Handshake) => {
                return self.disconnect(env, Disconnection::HandshakeTimeout);
            }
            Some(_) => return self.disconnect(env, Disconnection::Stalled),
        }
        if connection.has_backlog() {
            self.process_input(env, &[], packets);
        } else if connection.can_read_more() {
            self.read(env, packets);
        }
        while let Link::Up(connection) = &mut self.link {
            let Some(cseq) = connection.poll_unanswered(now) else { break };
            if let Some(outstanding) = self.take_outstanding(cseq) {
                self.fail(outstanding.id, RequestFailure::Timeout);
            }
        }
        self.transmit_waiting(env);
    }
}

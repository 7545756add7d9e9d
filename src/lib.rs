//! riverrun: media streaming on one thread, one event loop, no async and no unsafe code.
//!
//! An RTSP server with media session management, an RTSP client, relays, RTP and RTCP, payload formats
//! in both directions, file sources, recordings and live input. It is modelled on live555 and keeps
//! its nouns.
//!
//! # A server
//!
//! ```no_run
//! use riverrun::env::UsageEnvironment;
//! use riverrun::server::{FileSessionOptions, FolderProvider, RtspServer, ServerConfig};
//! use std::sync::atomic::AtomicBool;
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let mut env = UsageEnvironment::new()?;
//! let address = "0.0.0.0:8554".parse()?;
//! let server = RtspServer::new(&mut env, ServerConfig::default(), &[address])?;
//! let films = FolderProvider::new("films".as_ref(), FileSessionOptions::default())?;
//! env.with(server, |server, _| server.set_session_provider(films))?;
//! let stop = AtomicBool::new(false); // a signal handler or another thread sets it
//! env.do_event_loop(&stop)?;
//! # Ok(())
//! # }
//! ```
//!
//! Every file of `films` is now available as `rtsp://host:8554/<file name>`. Where to look next:
//! [`RtspServer::add_live_stream`](server::RtspServer::add_live_stream) for a camera,
//! [`RtspServer::add_relayed_stream`](server::RtspServer::add_relayed_stream) for packets that come from
//! elsewhere, [`PublishConfig`](server::PublishConfig) for clients that publish,
//! [`ServerMediaSession`](server::ServerMediaSession) for streams under chosen names,
//! [`StreamFactory`](server::StreamFactory) for an application's own sources,
//! [`FormatRegistry`](payload::FormatRegistry) for an application's own codecs,
//! [`UserAccess`](server::access::UserAccess) for passwords and rights,
//! [`ServerHooks`](server::ServerHooks) for decisions and notifications,
//! [`Player`](client::Player) for playing from another server,
//! [`ProxyServerMediaSession`](relay::ProxyServerMediaSession) for serving what another server has,
//! [`Pusher`](relay::Pusher) for sending a stream to another server,
//! [`RtspServer::add_back_channel`](server::RtspServer::add_back_channel) for audio that viewers send,
//! [`Mp4Recorder`](media::sinks::Mp4Recorder) and its neighbours for recordings,
//! [`RtpReceiver`](receive::RtpReceiver) for streams without RTSP, and the programs in `examples/`.
//! [`coming_from_live555`] lists live555's classes and calls with their counterparts here.
//!
//! # Rooms
//!
//! The crate is a house of rooms, each a folder of `src` whose first comment says what is in it.
//! The lowest comes first:
//!
//! * [`arena`], [`ids`], [`error`], [`frame`]: leaves.
//! * [`wire`]: bytes ↔ values. No state, no time, no I/O.
//! * [`codec`]: facts read from bitstreams (parameter sets, frame headers).
//! * [`framer`]: byte stream → [`Frame`]s.
//! * [`payload`]: RTP payload formats, packetizer, depacketizer and SDP, and their registry.
//! * `description`: media sessions as their description (SDP) states them, read with tolerance.
//! * [`rtp`]: RTP and RTCP machines; time and bytes in, actions out.
//! * [`media`]: sources, filters, queues, live input, files in and out.
//! * [`env`](mod@env): the event loop, the only place that names mio; [`net`]: sockets, byte
//!   streams.
//! * [`receive`]: an RTP stream that comes in over sockets of its own.
//! * `rtsp`: the RTSP connection, for either end: a byte stream and a message machine.
//! * [`client`]: the RTSP client: requests, descriptions, and the player, which connects again
//!   after every failure. It and the rooms of the server, which follow, do not use each other.
//! * `stream`: a running stream that sends: source, sink, position, destinations, RTCP.
//! * `session`: media sessions and their subsessions, client sessions and their pool.
//! * `provide`: what makes media sessions: served folder, file tracks, live and relayed streams.
//! * [`server::access`]: who may use a server: users, rights, tokens.
//! * `server/publish`: what clients publish: publications and the receivers of their tracks.
//! * `server/talk`: back channels: who talks, and the receiver of the audio.
//! * `server/method`: one file for each RTSP method.
//! * [`server`]: the server's tables, routing of events, hooks, configuration. It re-exports the
//!   public types of `stream`, `session` and `provide`.
//! * [`relay`]: streams that are pulled from other servers or pushed there: it joins the client and the
//!   server.
//!
//! A room uses only rooms that are listed before it; `env` and `net` know nothing of RTSP, RTP or
//! SDP, and up to `media` no room knows `env` or `net`. Files of one room form no circle of more
//! than two. `tests/layering` reads every import and holds the crate to it. Rooms name each other's
//! objects by [`ids`].
//!
//! Up to `media` nothing opens a socket, reads a clock or draws randomness (files are read in
//! [`media::file`] and written in [`media::sinks`] only): time and bytes are arguments. That is why
//! every parser can be fuzzed and why the whole server runs in simulated time, against a network
//! that loses, delays and reorders as a seed says.
//!
//! # The way of a request in
//!
//! The loop hands the server the readiness of a connection's socket: `RtspServer::handle_event`
//! (`server/events.rs`) → `handle_connection` (`server/connections.rs`) → `ByteStream::read`
//! (`net`) → `MessageMachine::begin_input` and `poll_message` (`rtsp`), which finds whole messages
//! → `handle_request` (`server/requests.rs`), where the application admits it → `answer_request`
//! and `serve`, which finds the method in the table `METHODS` → the function of the method
//! (`server/method`), which is given a `Context` of the parts that it works on and writes the
//! answer → `send_answer` → `MessageMachine::send`, ahead of queued media → `ByteStream::write`.
//!
//! A request that cannot be answered yet (its file is still being read, or the application decides
//! later) is kept by `let_wait` (`server/waiting.rs`), and `resume_requests` goes on with it.
//!
//! # The way of a frame out
//!
//! A timer or a live input wakes a stream: `Streams::run` (`stream/streams.rs`) →
//! `StreamState::run` → `Playback::poll_frame`, which polls the
//! [`FramedSource`](media::FramedSource) and waits until the frame is due → `send_frame` has
//! [`RtpSink::handle_frame`](rtp::RtpSink::handle_frame) cut it into one batch of packets, once, in
//! memory that all streams share → `Distribution::protect`, where a packet transform, if there is
//! one, protects the batch → `Distribution::send_batch` → `Destinations::begin` and `send_part`,
//! for so many destinations a turn: over UDP `UdpSocket::send_batch`, a frame and many addresses a
//! call; over TCP `Connection::send_media`, straight from the batch. What does not go out at once
//! is kept in `fan_out::Outgoing`.
//!
//! # The way of a frame in
//!
//! The loop hands a player the readiness of a socket: `Player::handle_event` → over UDP
//! `Track::receive` (`client/track.rs`), many datagrams a call; over TCP
//! `RtspClient::handle_event`, which reads once and passes each interleaved packet on as a slice of
//! what was read → `Track::take` → [`StreamReceiver`](rtp::StreamReceiver), whose
//! [`RtpSource`](rtp::RtpSource) puts packets in order and has the
//! [`Depacketizer`](payload::Depacketizer) make frames of them → `Player::deliver_frames`, which
//! puts the frames of all tracks and connections on one time line and calls the handler.
//!
//! # The way of a packet through a relay
//!
//! A packet arrives at a player that is to pass packets on
//! ([`PlayerOutput::Packets`](client::PlayerOutput)), or from a client that publishes
//! (`server/incoming.rs` → `server/publishing.rs`) → [`StreamReceiver`](rtp::StreamReceiver), whose
//! [`RtpSource`](rtp::RtpSource) puts packets in order and makes no frames of them →
//! [`RtspServer::relay_packet`](server::RtspServer::relay_packet), by the id of the relayed stream →
//! `StreamState::relay` (`stream/state/relay.rs`), which finds key frames, gives the packet a place on the
//! stream's own line of sequence numbers and time, and copies its payload into the batch of the turn →
//! at the end of the turn `Distribution::send_batch`, as for a frame.
//!
//! The stream (`server/relayed_streams.rs`) knows nothing of who feeds it: sources come and go, and what it
//! wants of them (that it is watched, that a key frame is needed) goes up as an event.
//!
//! # Where things would be written
//!
//! | | |
//! | --- | --- |
//! | WebSocket | another kind of `net::byte_stream` over a `Carrier` (TCP or TLS), as the HTTP tunnels are: it reports the readiness that it needs, and may buffer bytes in either direction |
//! | another cipher suite of SRTP | `rtp/srtp`, a `PacketTransform`: `Streams::set_transform` has it protect RTP and RTCP once for all clients that share a stream, `set_destination_transform` for one client; packets that these clients send are unprotected in `StreamState::unprotect`. Keys are agreed on in `server/method/secure.rs` and `client/secure.rs` |
//! | another way to tell who is there | an [`Authenticator`](server::access::Authenticator) of the application, or a part of `server/access` |
//! | a new RTSP method | a file in `server/method` and a line in the table `METHODS` of `server/requests.rs` |
//! | a new payload format | a file in `payload` with its [`FormatEntry`](payload::FormatEntry), and a line in `payload/registry.rs`; an application hands its own to [`FormatRegistry::with`](payload::FormatRegistry::with) |
//! | a new kind of recording | a [`MediaSink`](media::sinks::MediaSink) or [`Recorder`](media::sinks::Recorder) in `media/sinks` |
//! | a new kind of file | a file in `framer` or `media/file`, and a line in [`media::file::probe`] |
//!
//! # The run loop
//!
//! A [`UsageEnvironment`](env::UsageEnvironment) is the loop and all that stands in it. It is
//! passed down as `&mut`, never cloned, never stored. A turn waits for readiness, a deadline or a
//! trigger; hands each out to the [`Medium`](env::Medium) that it belongs to, as an
//! [`Event`](env::Event) with a key that the medium chose; then fires what is due. Each event leads
//! to a bounded amount of work: so many frames of a stream, requests of a connection, bytes of a
//! probe, endings of connections and sessions; what is left is done next turn, after everybody
//! else's share. The end of a connection is only noted where it is found, and carried out from a
//! queue at the end of the event, however many sessions end with it. A timer that is armed in a
//! turn never fires in the same. Idle, the loop does not wake up at all.
//!
//! Other threads may only use an [`EventTrigger`](env::EventTrigger) and what is built on it: a
//! [`LiveSender`](media::live::LiveSender), a [`DecisionSender`](server::DecisionSender), a
//! [`Wake`](media::Wake).
//!
//! # Who owns whom
//!
//! Ownership goes down: the environment owns the server, the server its tables of connections,
//! client sessions, media sessions, streams and sockets, a stream its source and sink, a filter its
//! input. What several others use stands in a table ([`arena`]) and is named by an id with a
//! generation: a look-up with the id of an ended object finds nothing, which tells the caller that
//! the object has ended. Facts go up as returned values ([`FramePoll`](media::FramePoll), counts,
//! actions to take), never through callbacks, so no object is called while it is in the middle of a
//! call. An object is moved out of its slot while it is called, so that it can be given the rest of
//! the table, and can close itself or others.
//!
//! # The chain: source → filter → sink
//!
//! Frames are pulled from the sink's end. A stream asks its [`FramedSource`](media::FramedSource)
//! for a frame, keeps it until it is due, has its [`RtpSink`](rtp::RtpSink) cut it into packets
//! once, in one buffer, and sends them to all destinations: over UDP a whole frame a call,
//! interleaved in RTSP connections straight from that buffer. A client that does not read in time
//! loses whole frames up to the next key frame, and takes nobody else's time.
//!
//! Frames of files lie in memory that the sources of a server share
//! ([`FrameMemory`](media::FrameMemory)), packets in memory that its streams share. Both come back
//! when a frame is sent: a stream that runs allocates nothing, and one that waits holds little.
//!
//! Where sources do not form a chain (the tracks of one demultiplexer, a replicator, an encoder's
//! thread) there is a bounded [`FrameQueue`](media::queue::FrameQueue) with a stated policy for
//! when it is full.
//!
//! # Where it departs from live555
//!
//! * A [`Frame`] of video is a whole access unit in Annex B form, not a NAL unit: it is sent,
//!   dropped and presented as a whole. Encoders that hand over slice by slice may split it; the
//!   last piece has [`ends_access_unit`](FrameFlags::ends_access_unit), from which the RTP marker
//!   comes. Frames are of any size and never truncated.
//! * RTP timestamps count the stream's running time, which is locked to the monotonic clock, and so
//!   do sender reports: tracks keep their relation through pauses, seeks and repeats, and a step of
//!   the wall clock moves none of them.
//! * The tracks of a live presentation lie on one time line. RTP timestamps follow the encoder's
//!   times to the unit; where they jump because the encoder has restarted, the time line continues
//!   by the time that has passed. Only the mapping from the time line to the wall clock drifts. It
//!   is estimated from the arrival of frames, or taken from [`Frame::wall_clock`], and sender
//!   reports state it.
//! * A BYE is sent at the end of a track. A later PLAY uses another SSRC (RFC 3550 section 6.6). A
//!   range whose end the client named ends without a BYE.
//! * Pacing comes from the frames' times. A source does not wait; it says when to ask again
//!   ([`Wait`](media::Wait)).
//! * Names that are not in the server's table go to a [`SessionProvider`](server::SessionProvider),
//!   which is polled: a file that must be looked at for long does not keep other clients waiting.
//!   The session that it makes is kept, and made anew when the file or other source of that name
//!   has changed.
//! * Client sessions are a [`SessionPool`](server::pool::SessionPool) with limits, exact expiry and
//!   a rule for who may use a session, as GStreamer's RTSP server has it.
//! * Errors are classified by cause ([`Error`]); one function converts them to status codes.
#![forbid(unsafe_code)]

pub mod arena;
pub mod client;
pub mod codec;
#[doc = include_str!("coming_from_live555.md")]
pub mod coming_from_live555 {}
mod debug;
mod description;
pub mod env;
pub mod error;
pub mod frame;
pub mod framer;
#[cfg(any(test, feature = "fuzzing"))]
#[doc(hidden)]
pub mod fuzzing;
pub mod ids;
pub mod media;
pub mod net;
pub mod payload;
mod provide;
pub mod receive;
pub mod relay;
pub mod rtp;
mod rtsp;
pub mod server;
mod session;
mod sorted_set;
mod stream;
mod warned;
pub mod wire;

pub use error::Error;
pub use frame::{Frame, FrameFlags};

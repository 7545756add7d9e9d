//! riverrun: media streaming on one thread, one event loop, no async and no unsafe code.
//!
//! An RTSP server with media session management, RTP and RTCP, payload formats in both
//! directions, file sources and live input. It is modelled on live555 and keeps its nouns.
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
//! Every file of `films` is now `rtsp://host:8554/<file name>`. From here on:
//! [`ServerMediaSession`](server::ServerMediaSession) for names of one's own,
//! [`LiveSender`](media::live::LiveSender) for an encoder's frames,
//! [`StreamFactory`](server::StreamFactory) for sources of one's own,
//! [`ServerHooks`](server::ServerHooks) for who may do what, and the programs in `examples/`.
//!
//! # Layers, from the bottom
//!
//! * [`wire`]: bytes ↔ values. No state, no time, no I/O.
//! * [`codec`]: facts read from bitstreams (parameter sets, frame headers).
//! * [`framer`]: byte stream → [`Frame`]s.
//! * [`payload`]: RTP payload formats, packetizer and depacketizer.
//! * [`rtp`]: RTP and RTCP machines; time and bytes in, actions out.
//! * [`media`]: sources, filters, sinks, queues, files.
//! * [`env`](mod@env): the event loop, the only place that names mio; [`net`]: sockets.
//! * [`server`]: RTSP server and media session management.
//!
//! A layer uses those above it in this list, never those below. Up to `media` nothing opens a
//! socket, reads a clock or draws randomness (files enter through [`media::file`] alone): it is
//! told the time and given the bytes. That is why every parser can be fuzzed and why the whole
//! server runs in [simulated time](env::UsageEnvironment::simulated), against a network that
//! loses, delays and reorders as a seed says.
//!
//! # The run loop
//!
//! A [`UsageEnvironment`](env::UsageEnvironment) is the loop and all that stands in it. It is
//! passed down as `&mut`, never cloned, never stored. A turn waits for readiness, a deadline or
//! a trigger; hands each out to the [`Medium`](env::Medium) that it belongs to, as an
//! [`Event`](env::Event) with a key that the medium chose; then fires what is due. Each event
//! leads to a bounded amount of work: so many frames of a stream, requests of a connection,
//! bytes of a probe, endings of connections and sessions; what is left is done next turn, after
//! everybody else's share. The end of a connection is only noted where it is found, and carried
//! out from a queue at the end of the event, however many sessions end with it. A timer that
//! is armed in a turn never fires in the same. Idle, the loop does not wake up at all.
//!
//! The only thing that other threads may touch is an [`EventTrigger`](env::EventTrigger), and
//! what is built on it: a [`LiveSender`](media::live::LiveSender).
//!
//! # Who owns whom
//!
//! Ownership goes down: the environment owns the server, the server its tables of connections,
//! client sessions, media sessions, streams and sockets, a stream its source and sink, a filter
//! its input. What several others use stands in a table ([`arena`]) and is named by an id with a
//! generation: who holds the id of something that is gone finds nothing, and takes that as "it
//! has ended". Facts go up as returned values ([`FramePoll`](media::FramePoll), counts, actions
//! to take), never through callbacks, so nothing is called while it is in the middle of a call.
//! An object is taken out of its slot while it is called, and can thus be lent the rest, and
//! close itself or others.
//!
//! # The chain: source → filter → sink
//!
//! Frames are pulled from the sink's end. A stream asks its
//! [`FramedSource`](media::FramedSource) for a frame, keeps it until it is due, has its
//! [`RtpSink`](rtp::RtpSink) cut it into packets once, in one buffer, and sends them to all
//! destinations: over UDP a whole frame a call, interleaved in RTSP connections straight from
//! that buffer. Who does not read in time loses whole frames up to the next key frame and nobody
//! else's time.
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
//! * A [`Frame`] of video is a whole access unit in Annex B form, not a NAL unit: what is sent at
//!   once, dropped at once and presented at once is one thing. Encoders that hand over slice by
//!   slice may split it; the last piece has
//!   [`ends_access_unit`](FrameFlags::ends_access_unit), from which the RTP marker comes. Frames
//!   are of any size and never truncated.
//! * RTP timestamps count the stream's running time, which is locked to the monotonic clock, and
//!   so do sender reports: tracks keep their relation through pauses, seeks and repeats, and a
//!   step of the wall clock moves none of them.
//! * The tracks of a live presentation lie on one time line. RTP timestamps follow the encoder's
//!   times to the unit; where these jump, because the encoder begins anew, the line goes on as time
//!   does. What drifts is the relation of the line to the wall clock: it is learned from the arrival
//!   of the frames, or told with them ([`Frame::wall_clock`]), and sender reports state it.
//! * The end of a track is a BYE. What the client plays after it has another SSRC (RFC 3550
//!   section 6.6). A range whose end the client named ends without a BYE.
//! * Pacing comes from the frames' times. A source does not wait; it says when to ask again
//!   ([`Wait`](media::Wait)).
//! * Names that are not in the server's table go to a
//!   [`SessionProvider`](server::SessionProvider), which is polled: a file that must be looked at
//!   for long does not keep other clients waiting. What it made is kept, and made anew when what
//!   stands behind the name has changed.
//! * Client sessions are a [`SessionPool`](server::pool::SessionPool) with limits, exact expiry
//!   and a rule for who may use a session, as GStreamer's RTSP server has it.
//! * An error says whose fault it is ([`Error`]); one function makes status codes of errors.
#![forbid(unsafe_code)]

pub mod arena;
pub mod codec;
#[doc = include_str!("coming_from_live555.md")]
pub mod coming_from_live555 {}
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
pub mod rtp;
mod rtsp;
pub mod server;
mod session;
mod stream;
mod warned;
pub mod wire;

pub use error::Error;
pub use frame::{Frame, FrameFlags};

//! Streams that come from other servers, or go there: what joins the client and the server.
//!
//! A [`ProxyServerMediaSession`] pulls a URL with a [`Player`](crate::client::Player) and passes its
//! packets to a stream of an [`RtspServer`](crate::server::RtspServer), which outlives the source.
//! One connection to a camera serves any number of viewers.
//!
//! A [`Pusher`] sends a stream of an [`RtspServer`](crate::server::RtspServer) to another server, and
//! connects to it again after every failure.

mod config;
mod event;
mod feed;
mod proxy;
mod pusher;
mod said;
mod speaker;
mod url;

pub use config::{ProxyBackChannel, ProxyConfig, Pull};
pub use event::ProxyEvent;
pub use proxy::ProxyServerMediaSession;
pub use pusher::{PushConfig, PushEvent, Pusher};

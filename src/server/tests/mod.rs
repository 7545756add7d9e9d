//! Tests of the whole server, in a simulated world.
//!
//! [`world`] has the words in which they are written, [`client`] the players, [`media`] what they
//! play, [`invariants`] what must be true of the server at any time.

mod abuse;
#[cfg(feature = "access")]
mod access;
#[cfg(feature = "access")]
mod access_rights;
mod back_channel;
mod client;
mod client_requests;
mod client_sessions;
mod descriptions;
mod dialogues;
mod endings;
mod fast_start;
mod feedback;
mod files;
mod goodbyes;
mod hooks;
mod incoming;
mod invariants;
mod life;
mod limits;
mod live;
mod live_streams;
mod live_time;
mod media;
mod mp4_files;
mod outgoing;
mod play;
mod play_again;
mod play_ranges;
mod predecessors;
mod publish;
mod publish_again;
mod publish_refusals;
#[cfg(feature = "srtp")]
mod publish_secure;
mod publisher;
mod relayed;
mod relayed_life;
mod relayed_tap;
mod relayed_unwatched;
mod requests;
mod round_trip;
mod scale;
mod scaled_files;
mod secrets;
mod sessions;
mod setup;
mod shared;
mod simulation;
#[cfg(feature = "srtp")]
mod srtp;
mod targets;
#[cfg(feature = "tls")]
mod tls;
mod transform;
mod tunnel;
mod turns;
mod waiting;
mod world;

//! A player in the simulated world: with the crate's own server, and with servers that lie.

mod day;
mod liar;
mod lying;
mod multicast;
mod player;
mod plug;
mod requests;
#[cfg(feature = "tls")]
mod tls;
mod world;

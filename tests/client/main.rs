//! A player in the simulated world: with the crate's own server, and with servers that lie.

#![allow(clippy::print_stdout)] // what long runs have measured

mod authentication;
mod back_channel;
mod camera;
mod control;
mod day;
mod liar;
mod lying;
mod multicast;
mod oddities;
mod packets;
mod player;
mod plug;
mod push;
mod recording;
mod relay;
mod requests;
mod round_trip;
#[path = "../support/secrets.rs"]
mod secrets;
#[cfg(feature = "srtp")]
mod srtp;
mod talk;
#[cfg(feature = "tls")]
mod tls;
mod transports;
mod world;

//! Sends many datagrams to many destinations with few system calls.
//!
//! Linux: a run of datagrams of one length (the last may be shorter) is sent as one message with a
//! `UDP_SEGMENT` control message, which the kernel splits late; many messages are sent in one
//! `sendmmsg`. Datagrams that the kernel refuses to segment are sent as one message each: see
//! udp(7) and `net/ipv4/udp.c`. Elsewhere: one call per datagram.

mod backlog;
mod datagrams;
#[cfg(any(target_os = "linux", target_os = "android"))]
mod linux;
mod offload;
#[cfg(not(any(target_os = "linux", target_os = "android")))]
mod portable;
mod report;
#[cfg(any(target_os = "linux", target_os = "android"))]
mod runs;
mod single;

pub(super) use backlog::Backlog;
pub use datagrams::Datagrams;
#[cfg(any(target_os = "linux", target_os = "android"))]
pub(super) use linux::Batch;
pub(super) use offload::Offload;
#[cfg(not(any(target_os = "linux", target_os = "android")))]
pub(super) use portable::Batch;
pub(super) use report::Report;
pub(super) use single::lone;
#[cfg(any(test, feature = "simulation"))]
pub(super) use single::one_by_one;

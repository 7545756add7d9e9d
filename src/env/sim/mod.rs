//! [`Simulation`]: an in-memory network on a virtual clock.
//!
//! Addresses are ordinary socket addresses; each IP address is a host. A socket bound to the
//! unspecified address belongs to the local host (10.0.0.1 and fd00::1 unless set otherwise) and
//! receives datagrams for its port on any address to which no socket is bound exactly. Clients in a
//! test bind to an address of their own and live in the same environment.
//!
//! All packets in transit are in one queue, ordered by time and then by order of scheduling, and
//! all randomness comes from one seeded generator: the same seed and the same calls produce the
//! same behaviour. There are no hash tables, whose order is random.

mod arrival;
mod link;
mod network;
mod packet;
mod socket;
mod tcp;
#[cfg(test)]
mod tests;
mod udp;

pub use link::LinkProfile;
pub use network::{NetworkStatistics, Simulation};

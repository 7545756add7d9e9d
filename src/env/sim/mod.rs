//! [`Simulation`]: an in-memory network on a virtual clock.
//!
//! Addresses are ordinary socket addresses; each IP address is a host. A socket bound to the
//! unspecified address belongs to the local host (10.0.0.1 and fd00::1 unless set otherwise) and
//! receives datagrams to its port on any address that no socket is bound to exactly. Clients in a
//! test bind to an address of their own and live in the same environment.
//!
//! All packets under way stand in one queue, ordered by time and then by order of scheduling, and
//! all chance comes from one seeded generator: the same seed and the same calls give the same
//! world. No table is a hash table, whose order would be chance of another kind.

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

//! Sockets: TCP, UDP, port pairs, multicast. The only place that names socket2 and the system's
//! socket calls.
//!
//! Each socket is of the operating system or of its environment's simulated network; who uses it
//! cannot tell. No call blocks, none returns `Interrupted`. A socket that is watched tells its
//! environment by itself when an operation has used its readiness up.

mod address;
mod batch;
mod endpoint;
mod groupsock;
mod inbox;
mod limits;
mod multicast_interface;
mod port_pair;
mod system;
mod tcp;
#[cfg(test)]
mod tests;
mod udp;

pub use address::{own_address, with_port};
pub use batch::Datagrams;
pub use groupsock::Groupsock;
pub use inbox::Inbox;
pub use limits::{is_out_of_descriptors, raise_descriptor_limit};
pub use multicast_interface::MulticastInterface;
pub use port_pair::PortPair;
pub use tcp::{TcpListener, TcpStream};
pub use udp::UdpSocket;

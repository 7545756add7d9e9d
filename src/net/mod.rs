//! Sockets: [`TcpListener`], [`TcpStream`], [`UdpSocket`], [`PortPair`] for RTP and RTCP,
//! [`Groupsock`] for multicast.
//!
//! Each socket belongs to the operating system or to the simulated network of its environment, with
//! the same methods for both. No call blocks, and none returns `Interrupted`. When an operation on
//! a watched socket has used up its readiness, the socket reports that to its environment by
//! itself. This is the only module that uses socket2 and the socket calls of the operating system.

mod address;
mod batch;
mod byte_stream;
mod endpoint;
mod groupsock;
mod inbox;
mod limits;
mod multicast_interface;
mod port_pair;
#[cfg(any(target_os = "linux", target_os = "android"))]
mod receive_offload;
mod resolver;
mod system;
mod tcp;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
#[cfg(feature = "tls")]
pub mod tls;
mod udp;
mod wants;

pub(crate) use address::site;
pub use address::{own_address, with_port};
pub use batch::Datagrams;
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) use byte_stream::Base64Input;
pub(crate) use byte_stream::{
    ByteStream, HttpHead, HttpMethod, HttpRequest, HttpTunnel, Opener, Pipe, Post,
};
#[cfg(test)]
pub(crate) use byte_stream::{Hostile, Hostility};
pub use groupsock::Groupsock;
pub use inbox::Inbox;
pub(crate) use limits::Descriptors;
pub use limits::{is_out_of_descriptors, raise_descriptor_limit};
pub use multicast_interface::MulticastInterface;
pub use port_pair::PortPair;
pub(crate) use resolver::Resolution;
pub use tcp::{TcpListener, TcpStream};
#[cfg(test)]
use testing::Counted;
pub use udp::UdpSocket;
pub(crate) use wants::Wants;

//! [`MulticastInterface`]: the network interface for multicast.

use socket2::{InterfaceIndexOrAddress, Socket};
use std::io;
use std::net::{IpAddr, Ipv4Addr};

/// The network interface for multicast.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[non_exhaustive]
pub enum MulticastInterface {
    /// The operating system chooses.
    #[default]
    Any,
    /// The interface with this address (IPv4 groups).
    Address(Ipv4Addr),
    /// The interface with this index.
    Index(u32),
}

/// What becomes of a socket's membership in a group.
#[derive(Clone, Copy, Debug)]
pub(super) enum Membership {
    Join,
    Leave,
}

impl MulticastInterface {
    fn v4(self) -> InterfaceIndexOrAddress {
        match self {
            Self::Any => InterfaceIndexOrAddress::Address(Ipv4Addr::UNSPECIFIED),
            Self::Address(address) => InterfaceIndexOrAddress::Address(address),
            Self::Index(index) => InterfaceIndexOrAddress::Index(index),
        }
    }

    fn v6(self) -> io::Result<u32> {
        match self {
            Self::Any => Ok(0),
            Self::Index(index) => Ok(index),
            Self::Address(_) => Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                "IPv6 names an interface by its index",
            )),
        }
    }

    /// The address of the interface for source-specific calls, which accept no index.
    fn address(self) -> io::Result<Ipv4Addr> {
        match self {
            Self::Any => Ok(Ipv4Addr::UNSPECIFIED),
            Self::Address(address) => Ok(address),
            Self::Index(_) => Err(io::ErrorKind::Unsupported.into()),
        }
    }

    /// Joins or leaves `group`: what comes to it, from `source` alone if one is given.
    pub(super) fn change(
        self,
        membership: Membership,
        socket: &Socket,
        group: IpAddr,
        source: Option<IpAddr>,
    ) -> io::Result<()> {
        use IpAddr::{V4, V6};
        use Membership::{Join, Leave};
        match (membership, group, source) {
            (Join, V4(group), None) => socket.join_multicast_v4_n(&group, &self.v4()),
            (Leave, V4(group), None) => socket.leave_multicast_v4_n(&group, &self.v4()),
            (Join, V6(group), None) => socket.join_multicast_v6(&group, self.v6()?),
            (Leave, V6(group), None) => socket.leave_multicast_v6(&group, self.v6()?),
            (Join, V4(group), Some(V4(of))) => socket.join_ssm_v4(&of, &group, &self.address()?),
            (Leave, V4(group), Some(V4(of))) => socket.leave_ssm_v4(&of, &group, &self.address()?),
            _ => Err(io::ErrorKind::Unsupported.into()),
        }
    }

    pub(super) fn select(self, socket: &Socket, v6: bool) -> io::Result<()> {
        if v6 {
            return socket.set_multicast_if_v6(self.v6()?);
        }
        match self {
            Self::Any => socket.set_multicast_if_v4(&Ipv4Addr::UNSPECIFIED),
            Self::Address(address) => socket.set_multicast_if_v4(&address),
            // The system selects by index in the same call; the wrapper has the address only.
            Self::Index(_) => Err(io::ErrorKind::Unsupported.into()),
        }
    }
}

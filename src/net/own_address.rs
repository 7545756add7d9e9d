//! The address under which others reach this host.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};

/// The local address of the default route, or the loopback address where there is none. Nothing
/// is sent: the system is only asked which way it would send.
pub fn own_address(ipv6: bool) -> IpAddr {
    // Addresses for documentation (RFC 5737, RFC 3849), which lie beyond the default route.
    let (any, far, loopback): (IpAddr, IpAddr, IpAddr) = if ipv6 {
        let far = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1);
        (Ipv6Addr::UNSPECIFIED.into(), far.into(), Ipv6Addr::LOCALHOST.into())
    } else {
        let far = Ipv4Addr::new(192, 0, 2, 1);
        (Ipv4Addr::UNSPECIFIED.into(), far.into(), Ipv4Addr::LOCALHOST.into())
    };
    UdpSocket::bind(SocketAddr::new(any, 0))
        .and_then(|socket| {
            socket.connect(SocketAddr::new(far, 9))?;
            socket.local_addr()
        })
        .map_or(loopback, |local| local.ip())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_never_unspecified() {
        assert!(!own_address(false).is_unspecified());
        assert!(!own_address(true).is_unspecified());
    }
}

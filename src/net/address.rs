//! Helpers for addresses: the address of this host, and an address with another port.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6, UdpSocket};

/// Returns the same address with another port. The scope of an IPv6 address is kept, without which
/// a link-local address identifies no host (RFC 4007 section 6).
pub fn with_port(address: SocketAddr, port: u16) -> SocketAddr {
    match address {
        SocketAddr::V4(v4) => SocketAddr::V4(SocketAddrV4::new(*v4.ip(), port)),
        SocketAddr::V6(v6) => SocketAddr::V6(SocketAddrV6::new(*v6.ip(), port, 0, v6.scope_id())),
    }
}

/// Returns the address that stands for all that one peer can easily have: an IPv4 address, or the
/// first address of an IPv6 network of 64 bits, which is given to a single host. Link-local
/// addresses stand for themselves: on a link all have the same network. An IPv4-mapped IPv6 address
/// counts as the IPv4 address.
pub(crate) const fn site(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(ip) if !ip.is_unicast_link_local() => {
            IpAddr::V6(Ipv6Addr::from_bits(ip.to_bits() & !(u64::MAX as u128)))
        }
        other => other,
    }
}

/// Returns the local address of the default route, or the loopback address if there is none.
/// Nothing is sent: only the operating system's routing table is consulted.
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
    fn a_network_of_64_bits_is_one_site() {
        let site_of = |address: &str| site(address.parse().unwrap()).to_string();
        assert_eq!(site_of("10.0.0.7"), "10.0.0.7");
        assert_eq!(site_of("::ffff:10.0.0.7"), "10.0.0.7");
        assert_eq!(site_of("2001:db8:1:2:3:4:5:6"), "2001:db8:1:2::");
        assert_eq!(site_of("fe80::1:2"), "fe80::1:2");
    }

    #[test]
    fn is_never_unspecified() {
        assert!(!own_address(false).is_unspecified());
        assert!(!own_address(true).is_unspecified());
    }
}

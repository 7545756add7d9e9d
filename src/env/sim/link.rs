//! The properties of the simulated links, and the hosts with faults.

use crate::env::random::Seeded;
use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

/// The properties of the path between two hosts. Probabilities range from 0 to 1.
#[derive(Clone, Copy, PartialEq, Debug)]
#[non_exhaustive]
pub struct LinkProfile {
    /// Least delay of a packet.
    pub latency_min: Duration,
    /// Greatest delay of a packet, unless it is held back.
    pub latency_max: Duration,
    /// Probability that a packet is lost. TCP repeats it 200 ms later.
    pub loss: f64,
    /// Probability that a datagram is lost that was not lost by [`loss`](Self::loss): 1 where only
    /// TCP is let through.
    pub udp_loss: f64,
    /// Probability that a datagram arrives twice.
    pub duplication: f64,
    /// Probability that a datagram is held back so that later ones may overtake it. The others keep
    /// their order.
    pub reordering: f64,
    /// Probability that a TCP read or write transfers fewer bytes than possible.
    pub partial: f64,
    /// Probability that a TCP write resets the connection.
    pub reset: f64,
    /// Bandwidth of one direction of a TCP connection in bytes per second; `None`: unlimited.
    pub bandwidth: Option<u64>,
    /// Bandwidth of a UDP socket in bytes per second; beyond it, the send buffer of 208 KiB fills
    /// and a send returns `WouldBlock`. `None`: unlimited.
    pub udp_bandwidth: Option<u64>,
    /// Bytes that may be written to a TCP connection before the peer's application reads them.
    pub tcp_window: usize,
}

impl Default for LinkProfile {
    /// Returns a good local network: 1 ms delay, no faults.
    fn default() -> Self {
        Self {
            latency_min: Duration::from_millis(1),
            latency_max: Duration::from_millis(1),
            loss: 0.0,
            udp_loss: 0.0,
            duplication: 0.0,
            reordering: 0.0,
            partial: 0.0,
            reset: 0.0,
            bandwidth: None,
            udp_bandwidth: None,
            tcp_window: 256 * 1024,
        }
    }
}

impl LinkProfile {
    /// Returns a bad mobile network: 20 to 120 ms delay, 2 % loss, some of all other faults except
    /// resets.
    pub fn mobile() -> Self {
        Self {
            latency_min: Duration::from_millis(20),
            latency_max: Duration::from_millis(120),
            loss: 0.02,
            duplication: 0.005,
            reordering: 0.01,
            partial: 0.2,
            bandwidth: Some(2_000_000),
            ..Self::default()
        }
    }

    pub(super) fn latency(&self, random: &mut Seeded) -> Duration {
        let spread = self.latency_max.saturating_sub(self.latency_min);
        let spread = u64::try_from(spread.as_nanos()).unwrap_or(u64::MAX);
        let extra = if spread == 0 { 0 } else { random.below(spread.saturating_add(1)) };
        self.latency_min.saturating_add(Duration::from_nanos(extra))
    }

    /// Time for which this number of bytes occupies one direction.
    pub(super) fn transmission(&self, bytes: usize) -> Duration {
        duration(bytes, self.bandwidth)
    }

    /// Time for which this number of bytes occupies a UDP socket.
    pub(super) fn udp_transmission(&self, bytes: usize) -> Duration {
        duration(bytes, self.udp_bandwidth)
    }
}

fn duration(bytes: usize, rate: Option<u64>) -> Duration {
    match rate {
        Some(rate) if rate > 0 => {
            Duration::from_nanos((bytes as u64).saturating_mul(1_000_000_000) / rate)
        }
        _ => Duration::ZERO,
    }
}

/// The settings of hosts and addresses.
#[derive(Debug)]
pub(super) struct Hosts {
    pub(super) default: LinkProfile,
    pub(super) profiles: BTreeMap<IpAddr, LinkProfile>,
    pub(super) default_limit: Option<usize>,
    pub(super) limits: BTreeMap<IpAddr, usize>,
    pub(super) vanished: BTreeSet<IpAddr>,
    pub(super) refusing: BTreeSet<SocketAddr>,
    pub(super) local_v4: IpAddr,
    pub(super) local_v6: IpAddr,
}

impl Hosts {
    pub(super) fn new() -> Self {
        Self {
            default: LinkProfile::default(),
            profiles: BTreeMap::new(),
            default_limit: None,
            limits: BTreeMap::new(),
            vanished: BTreeSet::new(),
            refusing: BTreeSet::new(),
            local_v4: Ipv4Addr::new(10, 0, 0, 1).into(),
            local_v6: Ipv6Addr::new(0xfd00, 0, 0, 0, 0, 0, 0, 1).into(),
        }
    }

    /// The properties of the path between two hosts: those set for the receiver, else those set for
    /// the sender.
    pub(super) fn profile(&self, from: IpAddr, to: IpAddr) -> LinkProfile {
        *self.profiles.get(&to).or_else(|| self.profiles.get(&from)).unwrap_or(&self.default)
    }

    /// The host of an address when a packet is sent or a socket is bound.
    pub(super) fn host(&self, ip: IpAddr) -> IpAddr {
        match ip {
            IpAddr::V4(v4) if v4.is_unspecified() => self.local_v4,
            IpAddr::V6(v6) if v6.is_unspecified() => self.local_v6,
            ip => ip,
        }
    }

    pub(super) fn cut(&self, a: IpAddr, b: IpAddr) -> bool {
        self.vanished.contains(&a) || self.vanished.contains(&b)
    }
}

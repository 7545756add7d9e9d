//! The sockets of a receiver.

use super::config::RtpReceiverConfig;
use crate::env::{EventKey, Interest, MediumHandle, UsageEnvironment};
use crate::net::{Groupsock, PortPair, UdpSocket, with_port};
use crate::wire::rtp::PacketKind;
use std::io;
use std::net::SocketAddr;

/// Start of the search for a pair of ports if none is requested: lower ports are assigned one by
/// one to programs that request none.
const FIRST_PORT: u16 = 49_152;
/// Number of pairs that are tried.
const TRIES: u16 = 1000;

/// The packets that arrive on a socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Rtp,
    Rtcp,
    /// RTP and RTCP, distinguished by the packet.
    Both,
}

impl Kind {
    /// The kind of packets agreed for the socket; `None` for both.
    pub(super) fn agreed(self) -> Option<PacketKind> {
        match self {
            Self::Rtp => Some(PacketKind::Rtp),
            Self::Rtcp => Some(PacketKind::Rtcp),
            Self::Both => None,
        }
    }

    /// The key of the socket's events.
    pub(super) fn key(self) -> EventKey {
        EventKey { kind: self as u32, ..EventKey::default() }
    }
}

/// One socket for RTP and RTCP, or one for each.
#[derive(Debug)]
pub(super) struct Sockets {
    rtp: UdpSocket,
    rtcp: Option<UdpSocket>,
}

impl Sockets {
    pub(super) fn open(env: &mut UsageEnvironment, config: &RtpReceiverConfig) -> io::Result<Self> {
        let address = config.address;
        let next = with_port(address, address.port().saturating_add(1));
        let mut sockets = if !config.multiplexed && address.port() == 0 {
            let PortPair { rtp, rtcp } = PortPair::open(env, address, FIRST_PORT, TRIES)?;
            Self { rtp, rtcp: Some(rtcp) }
        } else {
            let rtp = open(env, config, address)?;
            let rtcp =
                if config.multiplexed { Ok(None) } else { open(env, config, next).map(Some) };
            match rtcp {
                Ok(rtcp) => Self { rtp, rtcp },
                Err(e) => {
                    rtp.close(env);
                    return Err(e);
                }
            }
        };
        if let Err(e) = sockets.rtp.set_receive_buffer_size(config.receive_buffer) {
            log::debug!("the receive buffer stays as it is: {e}");
        }
        // Where the system does not, packets come one by one.
        sockets.rtp.set_gro(true);
        Ok(sockets)
    }

    pub(super) fn watch(
        &mut self,
        env: &mut UsageEnvironment,
        owner: MediumHandle,
    ) -> io::Result<()> {
        let kind = if self.rtcp.is_some() { Kind::Rtp } else { Kind::Both };
        self.rtp.watch(env, owner, kind.key(), Interest::READABLE)?;
        match &mut self.rtcp {
            Some(rtcp) => rtcp.watch(env, owner, Kind::Rtcp.key(), Interest::READABLE),
            None => Ok(()),
        }
    }

    /// The socket with an event key, and the packets that arrive on it.
    pub(super) fn get(&mut self, key: EventKey) -> Option<(&mut UdpSocket, Kind)> {
        match &mut self.rtcp {
            Some(rtcp) if key == Kind::Rtcp.key() => Some((rtcp, Kind::Rtcp)),
            Some(_) if key == Kind::Rtp.key() => Some((&mut self.rtp, Kind::Rtp)),
            None if key == Kind::Both.key() => Some((&mut self.rtp, Kind::Both)),
            _ => None,
        }
    }

    /// The socket from which RTCP is sent.
    pub(super) fn rtcp(&mut self) -> &mut UdpSocket {
        self.rtcp.as_mut().unwrap_or(&mut self.rtp)
    }

    pub(super) fn rtp_address(&self) -> io::Result<SocketAddr> {
        self.rtp.local_addr()
    }

    pub(super) fn close(self, env: &mut UsageEnvironment) {
        self.rtp.close(env);
        if let Some(rtcp) = self.rtcp {
            rtcp.close(env);
        }
    }
}

fn open(
    env: &mut UsageEnvironment,
    config: &RtpReceiverConfig,
    address: SocketAddr,
) -> io::Result<UdpSocket> {
    if !address.ip().is_multicast() {
        return UdpSocket::bind(env, address);
    }
    let (ttl, interface) = (config.ttl, config.interface);
    let mut group = Groupsock::open(env, address, ttl, interface, config.peer)?;
    match group.join(env) {
        Ok(()) => Ok(group.into_socket()),
        Err(e) => {
            group.close(env);
            Err(e)
        }
    }
}

//! The sockets of a receiver.

use crate::env::{EventKey, Interest, MediumHandle, UsageEnvironment};
use crate::net::{Groupsock, Inbox, MulticastInterface, PortPair, UdpSocket, with_port};
use crate::wire::rtp::PacketKind;
use std::io;
use std::net::{IpAddr, SocketAddr};

/// Start of the search for a pair of ports if none is requested: lower ports are assigned one by
/// one to programs that request none.
const FIRST_PORT: u16 = 49_152;
/// Number of pairs that are tried.
const TRIES: u16 = 1000;

/// The inbox that all receivers of a loop share: each uses it only while it processes what has
/// arrived.
#[derive(Debug, Default)]
struct SharedInbox(Option<Box<Inbox>>);

/// Where packets are received.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SocketConfig {
    /// Address of this host, or a group; with port 0 a pair of ports is chosen.
    pub(crate) address: SocketAddr,
    /// The sender of a source-specific group.
    pub(crate) source: Option<IpAddr>,
    /// The interface on which a group is joined.
    pub(crate) interface: MulticastInterface,
    /// Time to live of what is sent to a group.
    pub(crate) ttl: u8,
    /// One socket for RTP and RTCP.
    pub(crate) multiplexed: bool,
    /// Bytes that the system is asked to keep.
    pub(crate) receive_buffer: usize,
}

/// One socket for RTP and RTCP, or one for each.
#[derive(Debug)]
pub(crate) struct Sockets {
    rtp: UdpSocket,
    rtcp: Option<UdpSocket>,
}

impl Sockets {
    pub(crate) fn open(env: &mut UsageEnvironment, config: &SocketConfig) -> io::Result<Self> {
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

    /// Has `owner` told of what arrives, by the key for each kind of packet.
    pub(crate) fn watch(
        &mut self,
        env: &mut UsageEnvironment,
        owner: MediumHandle,
        [rtp_key, rtcp_key]: [EventKey; 2],
    ) -> io::Result<()> {
        self.rtp.watch(env, owner, rtp_key, Interest::READABLE)?;
        match &mut self.rtcp {
            Some(rtcp) => rtcp.watch(env, owner, rtcp_key, Interest::READABLE),
            None => Ok(()),
        }
    }

    /// The socket for a kind of packet.
    pub(crate) const fn of(&mut self, kind: PacketKind) -> &mut UdpSocket {
        match (kind, &mut self.rtcp) {
            (PacketKind::Rtcp, Some(rtcp)) => rtcp,
            _ => &mut self.rtp,
        }
    }

    /// Receives what has come to a socket, as much as one call returns. The memory is shared by all
    /// receivers of the loop: [`give_back`](Self::give_back) returns it. A datagram longer than
    /// `max_packet` is cut off one byte behind that.
    pub(crate) fn receive(
        &mut self,
        env: &mut UsageEnvironment,
        kind: PacketKind,
        max_packet: usize,
    ) -> io::Result<Box<Inbox>> {
        let SharedInbox(inbox) = env.extension();
        let mut inbox = inbox.take().unwrap_or_default();
        inbox.set_slot_len(max_packet.saturating_add(1));
        match self.of(kind).recv_batch(env, &mut inbox) {
            Ok(_) => Ok(inbox),
            Err(e) => {
                Self::give_back(env, inbox);
                Err(e)
            }
        }
    }

    /// Returns the memory of [`receive`](Self::receive).
    pub(crate) fn give_back(env: &mut UsageEnvironment, inbox: Box<Inbox>) {
        *env.extension() = SharedInbox(Some(inbox));
    }

    /// Receives RTCP on another port of the same address, after all.
    pub(crate) fn separate(&mut self, env: &mut UsageEnvironment, port: u16) -> io::Result<()> {
        let rtcp = UdpSocket::bind(env, with_port(self.rtp.local_addr()?, port))?;
        if let Some(before) = self.rtcp.replace(rtcp) {
            before.close(env);
        }
        Ok(())
    }

    /// Whether there is one socket for both.
    pub(crate) const fn is_multiplexed(&self) -> bool {
        self.rtcp.is_none()
    }

    pub(crate) fn rtp_address(&self) -> io::Result<SocketAddr> {
        self.rtp.local_addr()
    }

    pub(crate) fn close(self, env: &mut UsageEnvironment) {
        self.rtp.close(env);
        if let Some(rtcp) = self.rtcp {
            rtcp.close(env);
        }
    }
}

fn open(
    env: &mut UsageEnvironment,
    config: &SocketConfig,
    address: SocketAddr,
) -> io::Result<UdpSocket> {
    if !address.ip().is_multicast() {
        return UdpSocket::bind(env, address);
    }
    let (ttl, interface) = (config.ttl, config.interface);
    let mut group = Groupsock::open(env, address, ttl, interface, config.source)?;
    match group.join(env) {
        Ok(()) => Ok(group.into_socket()),
        Err(e) => {
            group.close(env);
            Err(e)
        }
    }
}

//! [`RtpReceiverConfig`]: addresses and options of a receiver.

use crate::error::Error;
use crate::net::MulticastInterface;
use crate::rtp::StreamReceiverConfig;
use std::net::{IpAddr, SocketAddr};
use std::ops::RangeInclusive;

/// The permitted range of `max_packet`.
const PACKET_RANGE: RangeInclusive<usize> = 64..=u16::MAX as usize;

/// The configuration of an [`RtpReceiver`](super::RtpReceiver). [`new`](Self::new) sets the
/// defaults; each field can then be changed.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct RtpReceiverConfig {
    /// Conversion of packets to frames, and reports.
    pub stream: StreamReceiverConfig,
    /// Address at which RTP is received: one of this host, or a multicast group, with the port.
    /// RTCP is received on the next port (RFC 3550 section 11). With port 0 the receiver chooses a
    /// pair; a group needs a port.
    pub address: SocketAddr,
    /// The host whose packets are accepted; all others are dropped. A group is then joined as a
    /// source-specific one (RFC 4607). `None`, the default, accepts packets from any host.
    pub peer: Option<IpAddr>,
    /// The interface on which a group is joined. By default the system chooses it.
    pub interface: MulticastInterface,
    /// Number of routers that reports to a group may pass. Default: 16.
    pub ttl: u8,
    /// Destination of reports. `None`, the default: the group; for a source-specific group the RTCP
    /// port of the peer; otherwise the address from which the sender's reports come, once one has
    /// arrived.
    pub rtcp_destination: Option<SocketAddr>,
    /// Whether RTP and RTCP share one port (RFC 5761). Default: false.
    pub multiplexed: bool,
    /// Most bytes of a packet, 64 to 65,535; longer ones are dropped. Default: 2048.
    pub max_packet: usize,
    /// Size of the receive buffer in bytes that is requested from the system, which may grant less.
    /// Default: 1 MiB.
    pub receive_buffer: usize,
}

impl RtpReceiverConfig {
    /// Creates the default configuration for a stream that is received at `address`.
    pub fn new(stream: StreamReceiverConfig, address: SocketAddr) -> Self {
        Self {
            stream,
            address,
            peer: None,
            interface: MulticastInterface::Any,
            ttl: 16,
            rtcp_destination: None,
            multiplexed: false,
            max_packet: 2048,
            receive_buffer: 1 << 20,
        }
    }

    /// Checks that a receiver can work with the configuration.
    ///
    /// # Errors
    /// [`Error::Usage`]: as [`StreamReceiverConfig::check`]; or `max_packet` is out of its range,
    /// or there is no port for RTCP above that of RTP, or a group has no port.
    pub fn check(&self) -> Result<(), Error> {
        self.stream.check()?;
        let (port, is_group) = (self.address.port(), self.address.ip().is_multicast());
        Err(Error::Usage(match () {
            () if !PACKET_RANGE.contains(&self.max_packet) => {
                "an RTP receiver takes packets of 64 to 65,535 bytes at the most"
            }
            () if is_group && port == 0 => "a multicast group is received at a port",
            () if port == u16::MAX && !self.multiplexed => "RTCP needs the port above that of RTP",
            () => return Ok(()),
        }))
    }
}

//! [`RtpReceiverConfig`]: where a receiver receives, and how.

use crate::error::Error;
use crate::net::MulticastInterface;
use crate::rtp::StreamReceiverConfig;
use std::net::{IpAddr, SocketAddr};
use std::ops::RangeInclusive;

/// Least and most bytes of a packet that can be asked for.
const PACKET_RANGE: RangeInclusive<usize> = 64..=u16::MAX as usize;

/// Where an [`RtpReceiver`](super::RtpReceiver) receives, and how. [`new`](Self::new) gives the
/// defaults, and each field can then be set.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct RtpReceiverConfig {
    /// How packets become frames and reports.
    pub stream: StreamReceiverConfig,
    /// Where RTP is received: an address of this host, or a multicast group, and the port. RTCP is
    /// received on the next port (RFC 3550 section 11). Port 0 lets the receiver choose a pair; a
    /// group has a port of its own.
    pub address: SocketAddr,
    /// The one host whose packets are taken; all others' are dropped. For a group this joins it as a
    /// source-specific one (RFC 4607). `None`, the default, takes packets from anybody.
    pub peer: Option<IpAddr>,
    /// The interface on which a group is joined. The system chooses it by default.
    pub interface: MulticastInterface,
    /// How many routers the reports to a group may pass. 16 by default.
    pub ttl: u8,
    /// Where reports go. `None`, the default: to the group; to the peer of a source-specific group,
    /// at the port of its RTCP; or to where the sender's own reports come from, once one has come.
    pub rtcp_destination: Option<SocketAddr>,
    /// Whether RTP and RTCP share the one port (RFC 5761). False by default.
    pub multiplexed: bool,
    /// Most bytes of a packet, 64 to 65,535; longer ones are dropped. 2,048 by default.
    pub max_packet: usize,
    /// Bytes that the system is asked to keep of packets that come while the loop is busy. It may
    /// give less. 1 MiB by default.
    pub receive_buffer: usize,
}

impl RtpReceiverConfig {
    /// The defaults for a stream that is received at `address`.
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

    /// Checks that a receiver can work so.
    ///
    /// # Errors
    /// [`Error::Usage`]: as [`StreamReceiverConfig::check`], `max_packet` is out of its range, or
    /// there is no port for RTCP above that of RTP, or a group without a port.
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

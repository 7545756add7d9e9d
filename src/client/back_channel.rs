//! [`BackChannel`]: a track to which the client sends (ONVIF Streaming Specification, "Back
//! channel connection").

use crate::client::rtsp_client::RtspClient;
use crate::client::transport::Chosen;
use crate::env::UsageEnvironment;
use crate::receive::Sockets;
use crate::rtp::transform::PacketTransform;
use crate::wire::rtp::PacketKind;
pub(crate) use crate::wire::rtsp::accept::BACK_CHANNEL as BACK_CHANNEL_TAG;
use std::io;
use std::net::SocketAddr;

/// A track to which the client sends.
#[derive(Debug)]
pub(crate) struct BackChannel {
    /// Its number in the media session.
    pub(crate) number: usize,
    way: Way,
    /// SRTP, if the track has it.
    transform: Option<Box<dyn PacketTransform>>,
    /// Memory for a packet with its protection.
    protected: Vec<u8>,
}

#[derive(Debug)]
enum Way {
    Udp { sockets: Box<Sockets>, rtp: SocketAddr, rtcp: SocketAddr },
    Tcp { channels: (u8, u8) },
}

impl BackChannel {
    /// A back channel that was set up, and the sockets that were opened for it, if it goes over
    /// UDP.
    ///
    /// # Errors
    /// There are no sockets for what the server chose, or it chose a group.
    pub(crate) fn new(
        number: usize,
        chosen: Chosen,
        sockets: &mut Option<Sockets>,
    ) -> io::Result<Self> {
        let way = match chosen {
            Chosen::Tcp { channels } => Way::Tcp { channels },
            Chosen::Udp { rtp, rtcp } if rtp.port() > 0 => {
                let sockets = sockets.take().ok_or(io::ErrorKind::Unsupported)?;
                Way::Udp { sockets: Box::new(sockets), rtp, rtcp }
            }
            Chosen::Udp { .. } => {
                return Err(io::Error::other("the server names no port for the back channel"));
            }
            Chosen::Multicast { .. } => return Err(io::ErrorKind::Unsupported.into()),
        };
        Ok(Self { number, way, transform: None, protected: Vec::new() })
    }

    /// Lets a transform protect what is sent.
    #[cfg(feature = "srtp")]
    pub(crate) fn set_transform(&mut self, transform: Box<dyn PacketTransform>) {
        self.transform = Some(transform);
    }

    pub(crate) const fn is_tcp(&self) -> bool {
        matches!(self.way, Way::Tcp { .. })
    }

    /// Sends a packet. Over TCP it is dropped where too many wait.
    pub(crate) fn send(
        &mut self,
        env: &mut UsageEnvironment,
        client: &mut RtspClient,
        kind: PacketKind,
        packet: &[u8],
    ) -> io::Result<()> {
        let packet = match &mut self.transform {
            Some(transform) => {
                let protected = transform.protect(kind, packet, &mut self.protected);
                protected.ok_or(io::ErrorKind::InvalidData)?
            }
            None => packet,
        };
        match (&mut self.way, kind) {
            (Way::Tcp { channels: (rtp, _) }, PacketKind::Rtp) => {
                client.send_packet(env, *rtp, packet);
            }
            (Way::Tcp { channels: (_, rtcp) }, PacketKind::Rtcp) => {
                client.send_packet(env, *rtcp, packet);
            }
            (Way::Udp { sockets, rtp, .. }, PacketKind::Rtp) => {
                sockets.of(kind).send_to(env, packet, *rtp)?;
            }
            (Way::Udp { sockets, rtcp, .. }, PacketKind::Rtcp) => {
                sockets.of(kind).send_to(env, packet, *rtcp)?;
            }
        }
        Ok(())
    }

    pub(crate) fn close(self, env: &mut UsageEnvironment) {
        if let Way::Udp { sockets, .. } = self.way {
            sockets.close(env);
        }
    }
}

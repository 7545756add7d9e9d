//! What a client asks for in `Transport`, and what the server made of it (RFC 2326 section 12.39).

use crate::description::RtpProfile;
use crate::wire::Oddities;
use crate::wire::rtsp::{Delivery, Protocol, TransportSpec};
use std::fmt;
use std::net::{IpAddr, SocketAddr};

/// How media come from the server.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum TransportPolicy {
    /// Over UDP; over the RTSP connection where the server does not offer UDP, or where no packet
    /// arrives over UDP. What has worked is used first from then on.
    #[default]
    Auto,
    /// Over UDP alone.
    Udp,
    /// Interleaved in the RTSP connection (RFC 2326 section 10.12).
    Tcp,
    /// From a multicast group that the server sends to.
    Multicast,
}

/// How one track's media come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum MediaTransport {
    /// Over UDP, to this host alone.
    Udp,
    /// Interleaved in the RTSP connection.
    Tcp,
    /// From a multicast group.
    Multicast,
}

impl fmt::Display for MediaTransport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Udp => "UDP",
            Self::Tcp => "TCP",
            Self::Multicast => "multicast",
        })
    }
}

/// The protocol over UDP of a profile.
pub(crate) const fn protocol_of(profile: RtpProfile) -> Protocol {
    match profile {
        RtpProfile::Savp if cfg!(feature = "srtp") => Protocol::RtpSavp,
        RtpProfile::Savpf if cfg!(feature = "srtp") => Protocol::RtpSavpf,
        _ => Protocol::RtpAvp,
    }
}

/// The `Transport` header of a SETUP.
pub(crate) fn udp_request(protocol: Protocol, (rtp, rtcp): (u16, u16)) -> TransportSpec {
    let mut spec = TransportSpec::new(protocol, Delivery::Unicast);
    spec.client_port = Some((rtp, rtcp));
    spec
}

pub(crate) fn tcp_request(protocol: &Protocol, channels: (u8, u8)) -> TransportSpec {
    let mut spec = TransportSpec::new(protocol.over_tcp(), Delivery::Unicast);
    spec.interleaved = Some(channels);
    spec
}

pub(crate) const fn multicast_request(protocol: Protocol) -> TransportSpec {
    TransportSpec::new(protocol, Delivery::Multicast)
}

/// The transport that a server has chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Chosen {
    /// The server sends from there.
    Udp {
        /// Where the server's RTP comes from; the port is 0 if it is not known.
        rtp: SocketAddr,
        /// Where the server takes RTCP.
        rtcp: SocketAddr,
    },
    Tcp {
        channels: (u8, u8),
    },
    Multicast {
        group: SocketAddr,
        rtcp_port: u16,
        source: Option<IpAddr>,
        ttl: u8,
    },
}

/// What the response to a SETUP says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SetupTransport {
    pub(crate) chosen: Chosen,
    /// Port of this host to which the server sends RTCP, if it is another than was asked for.
    pub(crate) rtcp_port: Option<u16>,
    /// SSRC that the server announces.
    pub(crate) ssrc: Option<u32>,
}

impl SetupTransport {
    /// Reads the `Transport` of a response. `asked` is what was asked for and `server` the peer of
    /// the RTSP connection, which supply what the server leaves out.
    ///
    /// # Errors
    /// The header cannot be used; says why.
    pub(crate) fn of(
        header: Option<&str>,
        asked: &TransportSpec,
        server: SocketAddr,
        odd: &mut Oddities,
    ) -> Result<Self, String> {
        let answered = header.and_then(|value| TransportSpec::of_answer(value, odd));
        // A server without the header does what it was asked to do.
        let spec = answered.as_ref().unwrap_or(asked);
        let source = spec.source.as_deref().and_then(|s| s.parse::<IpAddr>().ok());
        let ssrc = spec.ssrc;
        if spec.protocol.is_secure() != asked.protocol.is_secure() {
            return Err(format!("Transport: {} was not asked for", spec.protocol.as_str()));
        }
        if spec.protocol.is_tcp() {
            let channels = spec.interleaved.or(asked.interleaved).unwrap_or((0, 1));
            return Ok(Self { chosen: Chosen::Tcp { channels }, rtcp_port: None, ssrc });
        }
        if !spec.protocol.is_udp() {
            return Err(format!("Transport: {} was not asked for", spec.protocol.as_str()));
        }
        let is_multicast = spec.explicit_delivery == Some(Delivery::Multicast)
            || spec.explicit_delivery.is_none() && asked.delivery() == Delivery::Multicast;
        if is_multicast {
            let group = spec.destination.as_deref().and_then(|d| d.parse::<IpAddr>().ok());
            let group = group.filter(IpAddr::is_multicast).ok_or("Transport: no group")?;
            let ports = spec.port.or(spec.client_port).or(spec.server_port);
            let (rtp, rtcp) = ports.filter(|(rtp, _)| *rtp > 0).ok_or("Transport: no port")?;
            let (group, ttl) = (SocketAddr::new(group, rtp), spec.ttl.unwrap_or(16));
            return Ok(Self {
                chosen: Chosen::Multicast { group, rtcp_port: rtcp, source, ttl },
                rtcp_port: None,
                ssrc,
            });
        }
        let address = source.filter(|ip| !ip.is_unspecified() && !ip.is_loopback());
        let address = address.unwrap_or_else(|| server.ip());
        let (rtp, rtcp) = spec.server_port.unwrap_or((0, 0));
        let at = |port| {
            // The zone of a link-local address is the connection's.
            let mut at = server;
            at.set_ip(address);
            at.set_port(port);
            at
        };
        let chosen = Chosen::Udp { rtp: at(rtp), rtcp: at(rtcp) };
        let own = |spec: &TransportSpec| spec.client_port.map(|(_, rtcp)| rtcp);
        let rtcp_port = own(spec).filter(|port| own(asked) != Some(*port));
        Ok(Self { chosen, rtcp_port, ssrc })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(header: &str) -> Result<SetupTransport, String> {
        let server = "192.0.2.9:554".parse().unwrap();
        let odd = &mut Oddities::new();
        SetupTransport::of(Some(header), &udp_request(Protocol::RtpAvp, (5000, 5001)), server, odd)
    }

    fn chosen(header: &str) -> Chosen {
        of(header).unwrap().chosen
    }

    #[test]
    fn parameters_in_any_order() {
        let expected = SetupTransport {
            chosen: Chosen::Udp {
                rtp: "192.0.2.9:6970".parse().unwrap(),
                rtcp: "192.0.2.9:6971".parse().unwrap(),
            },
            rtcp_port: None,
            ssrc: Some(0xabc),
        };
        for header in [
            "RTP/AVP;unicast;client_port=5000-5001;server_port=6970-6971;ssrc=ABC",
            "RTP/AVP/UDP;ssrc=00000abc;server_port=6970-6971;source=192.0.2.9",
            "RTP/AVP;mode=\"PLAY\";source=0.0.0.0;server_port=6970;ssrc= abc ",
            "RTP/AVP;unicast;source=camera.local;server_port=6970-6971;ssrc=0abc;x",
        ] {
            assert_eq!(of(header), Ok(expected), "{header}");
        }
    }

    #[test]
    fn servers_choose_something_else() {
        let tcp = |a, b| Chosen::Tcp { channels: (a, b) };
        assert_eq!(chosen("RTP/AVP/TCP;unicast;interleaved=4-5"), tcp(4, 5));
        assert_eq!(chosen("RTP/AVP/TCP;unicast"), tcp(0, 1), "those that are usual");
        assert_eq!(chosen("RTP/AVP;interleaved=2-3"), tcp(2, 3));
        let server = "192.0.2.9:554".parse().unwrap();
        let of_tcp = |header| {
            let odd = &mut Oddities::new();
            SetupTransport::of(header, &tcp_request(&Protocol::RtpAvp, (6, 7)), server, odd)
        };
        assert_eq!(of_tcp(None).unwrap().chosen, tcp(6, 7));
        assert_eq!(of_tcp(Some("RTP/AVP/TCP")).unwrap().chosen, tcp(6, 7));
        let group = "RTP/AVP;multicast;destination=232.0.0.9;port=7000-7001;ttl=3;source=192.0.2.9";
        let expected = Chosen::Multicast {
            group: "232.0.0.9:7000".parse().unwrap(),
            rtcp_port: 7001,
            source: Some("192.0.2.9".parse().unwrap()),
            ttl: 3,
        };
        assert_eq!(chosen(group), expected);
        for bad in [
            "RTP/SAVP;unicast",
            "RTP/AVP;multicast;port=1-2",
            "RTP/AVP;multicast;destination=1.2.3.4;port=2-3",
        ] {
            assert!(of(bad).is_err(), "{bad}");
        }
    }
}

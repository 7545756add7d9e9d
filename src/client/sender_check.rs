//! [`SenderCheck`]: which hosts and ports a track's datagrams may come from.

use std::net::{IpAddr, SocketAddr};

/// The addresses of a server: that of its RTSP connection, and the one that it has announced for
/// media.
///
/// RTP from another port than the announced one is accepted while none comes from the ports known:
/// some servers announce ports that they do not send from, and address translators change them.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SenderCheck {
    server: IpAddr,
    source: IpAddr,
    /// The port of RTP that the server has announced; 0 for none.
    announced: u16,
    /// The port from which RTP has come.
    port: u16,
}

impl SenderCheck {
    pub(crate) fn new(server: IpAddr, rtp: SocketAddr) -> Self {
        Self {
            server: server.to_canonical(),
            source: rtp.ip().to_canonical(),
            announced: rtp.port(),
            port: rtp.port(),
        }
    }

    /// Whether a datagram may be of the server. `is_silent`: no RTP has come for a while.
    pub(crate) fn admits(&mut self, from: SocketAddr, is_rtp: bool, is_silent: bool) -> bool {
        let ip = from.ip().to_canonical();
        if ip != self.server && ip != self.source {
            return false;
        }
        let port = from.port();
        if !is_rtp || port == self.port || port == self.announced {
            return true;
        }
        if is_silent {
            self.port = port;
        }
        is_silent
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_port_is_accepted_only_in_silence() {
        let server: IpAddr = "10.0.0.1".parse().unwrap();
        let at = |text: &str| text.parse::<SocketAddr>().unwrap();
        let mut check = SenderCheck::new(server, at("10.0.0.8:7000"));
        assert!(check.admits(at("10.0.0.1:7000"), true, false));
        assert!(check.admits(at("10.0.0.8:7000"), true, false));
        assert!(check.admits(at("[::ffff:10.0.0.8]:7000"), true, false));
        assert!(!check.admits(at("10.0.0.9:7000"), true, true), "another host");
        assert!(!check.admits(at("10.0.0.1:7002"), true, false));
        assert!(check.admits(at("10.0.0.1:9"), false, false), "RTCP comes from where it likes");
        assert!(check.admits(at("10.0.0.1:7002"), true, true));
        assert!(check.admits(at("10.0.0.1:7002"), true, false), "known from now on");
        assert!(check.admits(at("10.0.0.1:7000"), true, false), "as is the announced one");
        assert!(!check.admits(at("10.0.0.1:7004"), true, false));
    }
}

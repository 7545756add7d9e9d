//! [`PortPair`]: an even port for RTP and the next odd one for RTCP (RFC 3550 section 11).

use super::address::with_port;
use super::limits::is_out_of_descriptors;
use super::udp::UdpSocket;
use crate::env::UsageEnvironment;
use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;

/// Two sockets on consecutive ports.
#[derive(Debug)]
#[expect(clippy::exhaustive_structs, reason = "a pair has two sockets")]
pub struct PortPair {
    /// The socket on the even port.
    pub rtp: UdpSocket,
    /// The socket on the odd port above it.
    pub rtcp: UdpSocket,
}

/// Start of the next search for a pair, by base port.
#[derive(Default)]
struct Cursors(HashMap<u16, u16>);

/// Highest port with which a pair may begin.
const LAST: u16 = 65_534;

/// Size of the send buffer that is requested for the RTP socket.
const SEND_BUFFER: usize = 1 << 20;

impl PortPair {
    /// Opens a pair on the local address `host`, whose port is ignored, at or above port `base`
    /// (rounded to an even number). The search begins where the last one for this base ended,
    /// restarts at the base after the last port, and ends after `tries` pairs.
    ///
    /// # Errors
    /// `AddrInUse` if every pair that was tried was taken. An error that is not about the port,
    /// such as a lack of descriptors, ends the search at once.
    pub fn open(
        env: &mut UsageEnvironment,
        host: SocketAddr,
        base: u16,
        tries: u16,
    ) -> io::Result<Self> {
        let base = base.clamp(2, LAST).next_multiple_of(2);
        for _ in 0..tries {
            let cursor = env.extension::<Cursors>().0.entry(base).or_insert(base);
            let port = *cursor;
            *cursor = if port >= LAST { base } else { port + 2 };
            match Self::at(env, host, port) {
                Err(e) if is_taken(&e) => {}
                result => return result,
            }
        }
        Err(io::Error::new(io::ErrorKind::AddrInUse, "no free pair of ports"))
    }

    fn at(env: &mut UsageEnvironment, host: SocketAddr, port: u16) -> io::Result<Self> {
        let rtp = UdpSocket::bind(env, with_port(host, port))?;
        match UdpSocket::bind(env, with_port(host, port + 1)) {
            Ok(rtcp) => {
                // A frame for many destinations comes in one burst. The operating system may grant
                // less.
                let _ = rtp.set_send_buffer_size(SEND_BUFFER);
                Ok(Self { rtp, rtcp })
            }
            Err(e) => {
                rtp.close(env);
                Err(e)
            }
        }
    }

    /// Closes both sockets.
    pub fn close(self, env: &mut UsageEnvironment) {
        self.rtp.close(env);
        self.rtcp.close(env);
    }
}

fn is_taken(e: &io::Error) -> bool {
    // A port below 1024 that is not permitted is as good as taken.
    matches!(e.kind(), io::ErrorKind::AddrInUse | io::ErrorKind::PermissionDenied)
        && !is_out_of_descriptors(e)
}

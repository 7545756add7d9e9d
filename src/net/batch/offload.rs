//! [`Offload`]: whether a socket uses segmentation offload.

use std::net::SocketAddr;

/// Number of destinations refusing segmentation after which the socket stops using it.
const REFUSALS: usize = 64;

/// Whether a socket uses segmentation offload, and the destinations for which it does not.
#[derive(Debug)]
pub(crate) struct Offload {
    pub(super) on: bool,
    /// Destinations that only plain datagrams reach, for example because the path's MTU is smaller
    /// than a datagram. One such client must not make the others expensive.
    pub(super) refusing: Vec<SocketAddr>,
}

impl Default for Offload {
    fn default() -> Self {
        Self { on: true, refusing: Vec::new() }
    }
}

impl Offload {
    pub(crate) fn set(&mut self, on: bool) {
        self.on = on;
        self.refusing.clear();
    }

    pub(crate) fn is_on(&self) -> bool {
        self.on
    }

    /// Records that a destination, or with `all` every destination, refuses segmentation.
    #[cfg(any(target_os = "linux", target_os = "android"))]
    pub(super) fn refuse(&mut self, destination: SocketAddr, all: bool) {
        log::debug!("no segmentation offload towards {destination}");
        if all || self.refusing.len() >= REFUSALS {
            self.set(false);
        } else {
            self.refusing.push(destination);
        }
    }
}

//! [`Phase`]: where an attempt to push is.

use crate::client::RequestId;
use crate::receive::Sockets;
use crate::wire::rtsp::TransportSpec;
use std::net::SocketAddr;
use std::time::Instant;

#[derive(Debug)]
pub(super) enum Phase {
    Waiting {
        /// `None`: the delay is longer than the clock can count.
        until: Option<Instant>,
    },
    /// OPTIONS.
    Asking(RequestId),
    /// The server in this process is asked for the stream.
    Preparing(Step),
    /// ANNOUNCE.
    Announcing(RequestId),
    SettingUp(Box<Setup>),
    /// RECORD.
    Starting(RequestId),
    Recording {
        since: Instant,
    },
    /// It has given up.
    Over,
}

/// What the server in this process is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// The description.
    Describing,
    /// The track of this index.
    SettingUp(usize),
    /// The description again: whether it is that of the tracks that were set up.
    Comparing,
    /// Packets.
    Playing,
}

/// The SETUP of one track.
#[derive(Debug)]
pub(super) struct Setup {
    pub(super) request: RequestId,
    /// Index of the track.
    pub(super) track: usize,
    pub(super) asked: TransportSpec,
    /// What was opened for it, if it may go over UDP.
    pub(super) sockets: Option<Sockets>,
}

/// A track of the stream.
#[derive(Debug)]
pub(super) struct PushedTrack {
    pub(super) control_url: String,
    /// How it goes to the server, once that is agreed on.
    pub(super) way: Option<Way>,
    /// Its last packet has come.
    pub(super) has_ended: bool,
}

#[derive(Debug)]
pub(super) enum Way {
    Tcp { channels: (u8, u8) },
    Udp { sockets: Box<Sockets>, rtp: SocketAddr, rtcp: SocketAddr },
}

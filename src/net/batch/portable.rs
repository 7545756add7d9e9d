//! Batches on systems without a call for many datagrams.

use super::datagrams::Datagrams;
use super::offload::Offload;
use super::report::Report;
use super::single::one_by_one;
use crate::net::system::uninterrupted;
use std::net::{SocketAddr, UdpSocket};

/// No memory is kept between batches.
#[derive(Debug, Default)]
pub(crate) struct Batch;

impl Batch {
    pub(crate) fn send(
        &mut self,
        socket: &UdpSocket,
        _: &mut Offload,
        datagrams: &Datagrams<'_>,
        destinations: &[SocketAddr],
        report: &mut Report<'_>,
    ) {
        one_by_one(datagrams, destinations, report, |datagram, to| {
            uninterrupted(|| socket.send_to(datagram, to))
        });
    }
}

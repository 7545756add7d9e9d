//! Sends datagrams with one call each.

use super::datagrams::Datagrams;
use super::report::{Report, is_full};
use crate::net::system::uninterrupted;
use std::net::{SocketAddr, UdpSocket};

/// Sends a batch of one datagram for one destination; returns false, without sending, for any other
/// batch.
pub(crate) fn lone(
    socket: &UdpSocket,
    datagrams: &Datagrams<'_>,
    destinations: &[SocketAddr],
    report: &mut Report<'_>,
) -> bool {
    let mut all = datagrams.iter();
    if let (Some(datagram), None, [destination]) = (all.next(), all.next(), destinations) {
        plain(socket, datagram, *destination, 0, 0, report);
        return true;
    }
    false
}

/// Sends one datagram, the `number`th of its batch; returns false if it was not sent.
pub(super) fn plain(
    socket: &UdpSocket,
    datagram: &[u8],
    to: SocketAddr,
    index: usize,
    number: usize,
    report: &mut Report<'_>,
) -> bool {
    match uninterrupted(|| socket.send_to(datagram, to)) {
        Ok(_) => {
            report.sent += 1;
            return true;
        }
        Err(e) if is_full(&e) => report.late.push((index, number)),
        Err(e) => report.failed.push((index, e)),
    }
    false
}

/// Sends every datagram to every destination through `send`.
#[cfg(any(test, feature = "simulation", not(any(target_os = "linux", target_os = "android"))))]
pub(crate) fn one_by_one(
    datagrams: &Datagrams<'_>,
    destinations: &[SocketAddr],
    report: &mut Report<'_>,
    mut send: impl FnMut(&[u8], SocketAddr) -> std::io::Result<usize>,
) {
    for (index, destination) in destinations.iter().enumerate() {
        for (number, datagram) in datagrams.iter().enumerate() {
            match send(datagram, *destination) {
                Ok(_) => report.sent += 1,
                Err(e) if is_full(&e) => {
                    report.late.push((index, number));
                    report.late.extend((index + 1..destinations.len()).map(|other| (other, 0)));
                    return;
                }
                Err(e) => {
                    report.failed.push((index, e));
                    break;
                }
            }
        }
    }
}

//! The simulated world. In progress.
#![allow(missing_docs, dead_code, unused_variables, clippy::all)]
use super::Readiness;
use crate::arena::RawId;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

#[derive(Debug)]
pub struct Simulation {
    pub(super) edges: Vec<(RawId, Readiness)>,
}
#[derive(Clone, Copy, Debug, Default)]
pub struct LinkProfile {}

fn no<T>() -> io::Result<T> {
    Err(io::ErrorKind::Unsupported.into())
}

impl Simulation {
    pub(super) const TURN: Duration = Duration::from_micros(1);
    pub(super) fn new(seed: u64, now: Instant) -> Self {
        Self { edges: Vec::new() }
    }
    pub(super) fn next_event(&self) -> Option<Instant> {
        None
    }
    pub(super) fn run_until(&mut self, now: Instant) {}
    pub(super) fn watch(&mut self, socket: RawId, registration: RawId) -> io::Result<()> {
        no()
    }
    pub(crate) fn close(&mut self, socket: RawId) {}
    pub(crate) fn udp_bind(
        &mut self,
        addr: SocketAddr,
        shared: bool,
    ) -> io::Result<(RawId, SocketAddr)> {
        no()
    }
    pub(crate) fn udp_send(&mut self, id: RawId, d: &[u8], to: SocketAddr) -> io::Result<usize> {
        no()
    }
    pub(crate) fn udp_recv(
        &mut self,
        id: RawId,
        buf: &mut [u8],
    ) -> io::Result<(usize, SocketAddr)> {
        no()
    }
    pub(crate) fn udp_join(
        &mut self,
        id: RawId,
        group: IpAddr,
        source: Option<IpAddr>,
    ) -> io::Result<()> {
        no()
    }
    pub(crate) fn udp_leave(
        &mut self,
        id: RawId,
        group: IpAddr,
        source: Option<IpAddr>,
    ) -> io::Result<()> {
        no()
    }
    pub(crate) fn tcp_listen(&mut self, addr: SocketAddr) -> io::Result<(RawId, SocketAddr)> {
        no()
    }
    pub(crate) fn tcp_accept(&mut self, id: RawId) -> io::Result<(RawId, SocketAddr, SocketAddr)> {
        no()
    }
    pub(crate) fn tcp_connect(
        &mut self,
        local: Option<SocketAddr>,
        addr: SocketAddr,
    ) -> io::Result<(RawId, SocketAddr)> {
        no()
    }
    pub(crate) fn tcp_read(&mut self, id: RawId, buf: &mut [u8]) -> io::Result<usize> {
        no()
    }
    pub(crate) fn tcp_write(&mut self, id: RawId, buf: &[u8]) -> io::Result<usize> {
        no()
    }
    pub(crate) fn tcp_shutdown(&mut self, id: RawId) -> io::Result<()> {
        no()
    }
    pub(crate) fn tcp_take_error(&mut self, id: RawId) -> io::Result<Option<io::Error>> {
        no()
    }
}

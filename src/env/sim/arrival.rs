//! The arrival of packets, and the end of sockets: the part of the network that handles all kinds
//! of sockets.

use super::network::{Simulation, bad_descriptor};
use super::packet::{Body, Packet};
use super::socket::{Kind, SocketId};
use crate::arena::RawId;
use crate::env::readiness::Readiness;
use std::cmp::Reverse;
use std::io;
use std::time::Instant;

impl Simulation {
    /// Processes everything that is due at `now`.
    pub(crate) fn run_until(&mut self, now: Instant) {
        self.now = self.now.max(now);
        // Packets that an arrival sends in turn wait for the next call: a link without latency
        // could go back and forth for ever otherwise.
        let mark = self.next_event;
        let mut later = Vec::new();
        while let Some(Reverse(event)) = self.events.peek() {
            if event.at > now {
                break;
            }
            let Some(Reverse(event)) = self.events.pop() else { break };
            if event.order >= mark {
                later.push(Reverse(event));
            } else {
                self.arrive(event.packet);
            }
        }
        self.events.extend(later);
    }

    fn arrive(&mut self, packet: Packet) {
        if self.hosts.cut(packet.from.ip(), packet.to.ip()) {
            if matches!(packet.body, Body::Datagram { .. }) {
                self.statistics.datagrams_lost += 1;
            } else {
                self.held.push(packet);
            }
            return;
        }
        let Packet { from, to, body } = packet;
        match body {
            Body::Datagram { socket, bytes } => self.datagram_arrives(from, to, socket, bytes),
            Body::Drained { socket } => self.edge(socket, Readiness::WRITABLE),
            Body::Syn { client, tries } => self.syn_arrives(from, to, client, tries),
            Body::Accepted { client, server } => self.accepted_arrives(client, server),
            Body::Refused { client } => {
                self.stream_fails(client, io::ErrorKind::ConnectionRefused);
            }
            Body::Segment { sender, receiver, bytes } => {
                self.segment_arrives(from, to, sender, receiver, &bytes);
            }
            Body::Fin { sender, receiver } => self.fin_arrives(from, to, sender, receiver),
            Body::Reset { receiver } => {
                self.stream_fails(receiver, io::ErrorKind::ConnectionReset);
            }
            Body::Window { receiver, bytes } => self.window_arrives(receiver, bytes),
        }
    }

    pub(crate) fn watch(&mut self, id: RawId, registration: RawId) -> io::Result<()> {
        let id = SocketId::from_raw(id);
        let socket = self.sockets.get_mut(id).ok_or_else(bad_descriptor)?;
        socket.registration = Some(registration);
        let readiness = match &socket.kind {
            Kind::Udp(udp) => udp.readiness(),
            Kind::Listener(listener) => listener.readiness(),
            Kind::Stream(stream) => stream.readiness(),
        };
        self.edge(id, readiness);
        Ok(())
    }

    /// Closes a socket; no effect if it was closed before.
    pub(crate) fn close(&mut self, id: RawId) {
        let id = SocketId::from_raw(id);
        let Some(socket) = self.sockets.remove(id) else { return };
        if socket.counted {
            if let Some(open) = self.open.get_mut(&socket.host) {
                *open = open.saturating_sub(1);
            }
        }
        match socket.kind {
            Kind::Udp(_) => self.forget_udp(id, socket.local),
            Kind::Listener(listener) => {
                self.listeners.remove(&socket.local);
                for waiting in listener.backlog {
                    self.close(waiting.raw());
                }
            }
            Kind::Stream(stream) => self.stream_closed(id, socket.local, stream),
        }
    }
}

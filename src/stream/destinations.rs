//! [`Destinations`]: the destinations of one stream, and sending to all of them.

mod catch_up;
mod own_transforms;
mod rtcp;

use self::own_transforms::protect_for_connection;
pub(crate) use self::rtcp::Recipients;
use crate::arena::Arena;
use crate::env::UsageEnvironment;
use crate::ids::DestinationId;
use crate::ids::{ClientSessionId, OfDestination};
use crate::net::Datagrams;
use crate::payload::PacketBuffer;
use crate::rtp::sink::RtpSink;
use crate::rtsp::out_queue::WriteOutcome;
use crate::stream::catching_up::CatchingUp;
use crate::stream::destination::{Destination, DestinationTransport, Totals};
use crate::stream::fan_out::{FanOut, Progress};
use crate::stream::parts::SendPolicy;
use crate::stream::send_context::SendContext;
use crate::stream::sockets::{NOBODY, SocketsId, UdpTargets, send_to_each};
use crate::wire::interleaved::{self, PREFIX_LEN};
use std::io;
use std::net::SocketAddr;
use std::ops::Range;
use std::time::Duration;

/// A connection that takes all that it is sent keeps its session alive this often.
const DRAIN_NOTE_INTERVAL: Duration = Duration::from_secs(1);

/// The destinations of one stream, with the lists and buffers for sending to them.
#[derive(Debug, Default)]
pub(crate) struct Destinations {
    table: Arena<Destination, OfDestination>,
    udp_targets: Vec<UdpTargets>,
    /// Packets that the operating system refused.
    send_errors: u64,
    /// The packets that each destination which played all along was sent.
    totals: Totals,
    /// A UDP destination waits for a key frame.
    anyone_waits: bool,
    /// The lists of UDP addresses are not up to date.
    stale: bool,
    anyone_joined_late: bool,
    /// A destination has begun to wait for a key frame.
    wants_key_frame: bool,
    catching_up: CatchingUp,
    /// How many destinations have a transform of their own.
    own_transforms: usize,
    /// An RTCP packet for one of them.
    own_report: Vec<u8>,
    /// A destination is owed a report.
    has_newcomers: bool,
    /// A destination is owed an answer to a reference time.
    owes_answers: bool,
    /// An RTCP packet with its interleaving prefix.
    prefixed: Vec<u8>,
    ranges: Vec<Range<usize>>,
    failed: Vec<(usize, io::Error)>,
    rtcp_targets: Vec<SocketAddr>,
}

impl Destinations {
    pub(crate) fn len(&self) -> usize {
        self.table.len()
    }

    pub(crate) fn get(&self, id: DestinationId) -> Option<&Destination> {
        self.table.get(id)
    }

    #[cfg(test)]
    pub(crate) fn iter(&self) -> impl Iterator<Item = (DestinationId, &Destination)> {
        self.table.iter()
    }

    /// The sockets that packets leave from.
    pub(crate) fn sockets(&self) -> impl Iterator<Item = SocketsId> + '_ {
        self.udp_targets.iter().map(|targets| targets.sockets)
    }

    /// Packets that the operating system refused.
    pub(crate) const fn send_errors(&self) -> u64 {
        self.send_errors
    }

    pub(crate) fn add(
        &mut self,
        session: Option<ClientSessionId>,
        transport: DestinationTransport,
    ) -> DestinationId {
        if let DestinationTransport::Udp { sockets, .. } = transport {
            if !self.udp_targets.iter().any(|targets| targets.sockets == sockets) {
                self.udp_targets.push(UdpTargets {
                    sockets,
                    addresses: Vec::new(),
                    has_gaps: false,
                });
            }
        }
        self.table.insert(Destination::new(session, transport))
    }

    pub(crate) fn remove(&mut self, id: DestinationId) -> Option<Destination> {
        self.stale = true;
        let removed = self.table.remove(id)?;
        self.own_transforms -= usize::from(removed.transform.is_some());
        Some(removed)
    }

    /// Lets a destination be sent the stream, or not. Packets that were sent before it was started
    /// are not counted for it.
    pub(crate) fn set_playing(&mut self, id: DestinationId, playing: bool) {
        self.count_shared(id);
        let totals = self.totals;
        if let Some(d) = self.table.get_mut(id).filter(|d| d.playing != playing) {
            d.playing = playing;
            d.report_owed = playing;
            self.has_newcomers |= playing;
            d.since = totals;
            if !playing {
                d.catching_up = None;
            }
            self.stale = true;
        }
    }

    /// Stops sending to all destinations.
    pub(crate) fn stop_all(&mut self) {
        for slot in 0..self.table.slot_count() {
            if let Some(id) = self.table.id_at(slot) {
                self.set_playing(id, false);
            }
        }
    }

    /// Leaves a destination out of the batch that is on its way.
    pub(crate) fn wait_for_next_batch(&mut self, id: DestinationId) {
        if let Some(d) = self.table.get_mut(id) {
            d.joined_late = true;
            self.anyone_joined_late = true;
        }
    }

    pub(crate) fn is_anyone_playing(&self) -> bool {
        self.table.iter().any(|(_, d)| d.playing)
    }

    pub(crate) fn is_anyone_else_playing(&self, id: DestinationId) -> bool {
        self.table.iter().any(|(other, d)| d.playing && other != id)
    }

    pub(crate) fn is_anyone_playing_over_tcp(&self) -> bool {
        self.table.iter().any(|(_, d)| d.playing && !d.is_udp())
    }

    pub(crate) const fn has_sent(&self) -> bool {
        self.totals.packets > 0
    }

    /// Returns what was sent to a destination since the last call.
    pub(crate) fn take_totals(&mut self, id: DestinationId) -> Totals {
        self.count_shared(id);
        self.table.get_mut(id).map(Destination::take_totals).unwrap_or_default()
    }

    /// Calls `take` with what was sent since the last call to each destination of a client session
    /// that is in these slots of the table.
    pub(crate) fn take_totals_of_some(
        &mut self,
        slots: Range<usize>,
        mut take: impl FnMut(ClientSessionId, Totals),
    ) {
        let totals = self.totals;
        for slot in slots.start..slots.end.min(self.table.slot_count()) {
            let Some(id) = self.table.id_at(slot) else { continue };
            let Some(d) = self.table.get_mut(id) else { continue };
            d.count_shared(totals);
            if let Some(session) = d.session {
                take(session, d.take_totals());
            }
        }
    }

    fn count_shared(&mut self, id: DestinationId) {
        let totals = self.totals;
        if let Some(d) = self.table.get_mut(id) {
            d.count_shared(totals);
        }
    }

    /// Lists the UDP addresses that packets go to anew, if the lists are stale.
    fn refresh(&mut self) {
        if !std::mem::take(&mut self.stale) {
            return;
        }
        for targets in &mut self.udp_targets {
            targets.addresses.clear();
            targets.has_gaps = false;
        }
        for (_, d) in self.table.iter_mut() {
            d.place = None;
            let DestinationTransport::Udp { sockets, rtp, .. } = d.transport else { continue };
            let targets = self.udp_targets.iter_mut().find(|targets| targets.sockets == sockets);
            if let Some(targets) = targets.filter(|_| d.takes_batches() && d.transform.is_none()) {
                d.place = Some(targets.addresses.len());
                targets.addresses.push(rtp);
            }
        }
    }

    /// Begins to send a batch to every playing destination; [`send_part`](Self::send_part) does it.
    /// Connections get an RTCP packet, if there is one, in the same write.
    pub(crate) fn begin(
        &mut self,
        batch: &mut PacketBuffer,
        key_frame: bool,
        report: &[u8],
        policy: SendPolicy,
    ) -> FanOut {
        let packets = batch.spans().len();
        let mut fan_out = FanOut {
            packets: 0..policy.max_burst.min(packets),
            done: 0,
            key_frame,
            report_at: None,
        };
        if packets == 0 {
            return fan_out;
        }
        if key_frame && std::mem::take(&mut self.anyone_waits) {
            self.end_waiting();
        }
        self.refresh();
        if std::mem::take(&mut self.anyone_joined_late) {
            self.table.iter_mut().for_each(|(_, d)| d.joined_late = false);
        }
        self.totals.packets += packets as u64;
        self.totals.octets += octets(batch);
        self.prefixed.clear();
        if !report.is_empty() && interleaved::write(0, report, &mut self.prefixed) {
            fan_out.report_at = Some(batch.append_interleaved(&self.prefixed));
        }
        fan_out
    }

    /// Sends a batch to the next destinations: over UDP the packets whose turn it is, over
    /// connections all. A destination that fails does not stop the others. A destination over TCP
    /// that joins in the middle has to [wait for the next batch](Self::wait_for_next_batch); one
    /// over UDP does so by itself.
    pub(crate) fn send_part(
        &mut self,
        batch: &mut PacketBuffer,
        fan_out: &mut FanOut,
        policy: SendPolicy,
        env: &mut UsageEnvironment,
        context: &mut SendContext<'_>,
    ) -> Progress {
        if batch.is_empty() {
            return Progress::Done;
        }
        let part = fan_out.done..fan_out.done.saturating_add(policy.destinations_per_turn);
        fan_out.done = part.end;
        self.send_over_udp(batch, fan_out.packets.clone(), part.clone(), env, context);
        let mut places =
            self.udp_targets.iter().map(|targets| targets.addresses.len()).max().unwrap_or(0);
        let (is_first, mut over_udp) = (fan_out.packets.start == 0, places > 0);
        if self.own_transforms > 0 {
            let packets = fan_out.packets.clone();
            self.send_own_over_udp(batch, packets, part.clone(), env, context);
            places = places.max(self.table.slot_count());
            over_udp |= self.has_own_over_udp();
        }
        if is_first {
            self.send_over_tcp(batch, fan_out, part.clone(), env, context);
            places = places.max(self.table.slot_count());
        }
        if part.end < places {
            return Progress::Part;
        }
        let packets = batch.spans().len();
        let next = fan_out.packets.end;
        if next >= packets || !over_udp {
            return Progress::Done;
        }
        fan_out.packets = next..next.saturating_add(policy.max_burst).min(packets);
        fan_out.done = 0;
        Progress::Burst
    }

    /// Sends a batch, and the report that goes with it, to the connections of destinations in
    /// some slots.
    fn send_over_tcp(
        &mut self,
        batch: &mut PacketBuffer,
        fan_out: &FanOut,
        slots: Range<usize>,
        env: &mut UsageEnvironment,
        context: &mut SendContext<'_>,
    ) {
        let FanOut { key_frame, report_at, .. } = *fan_out;
        for slot in slots.start..slots.end.min(self.table.slot_count()) {
            let Some(id) = self.table.id_at(slot) else { continue };
            let Some(d) = self.table.get_mut(id) else { continue };
            if !d.playing || d.joined_late || d.catching_up.is_some() {
                continue;
            }
            let DestinationTransport::Tcp { connection, rtp_channel, rtcp_channel } = d.transport
            else {
                continue;
            };
            // As it goes to all, or to this one alone. What is dropped is protected too, since the
            // report is sent in any case.
            let mut own = d.transform.as_deref_mut().map(|transform| {
                let memory = context.memory.take();
                protect_for_connection(transform, batch, report_at, memory, &mut self.own_report)
            });
            let (batch, report_at) = match &mut own {
                Some((own, report_at)) => (own, *report_at),
                None => (&mut *batch, report_at),
            };
            let Some(c) = context.connections.get_mut(connection) else { continue };
            let outcome = if d.skipping && !key_frame {
                self.wants_key_frame |= d.behind && !c.has_output() && d.has_waited(env.now());
                Ok(WriteOutcome::Dropped)
            } else {
                RtpSink::set_channel(batch, rtp_channel);
                if let Some(channel) = report_at.and_then(|at| batch.bytes_mut().get_mut(at + 1)) {
                    *channel = rtcp_channel;
                }
                c.send_media(env, batch.bytes(), false)
            };
            match outcome {
                Ok(WriteOutcome::Dropped) => {
                    self.wants_key_frame |= d.note_drop(c.peer);
                    // Its report then goes by itself.
                    let report = report_at.and_then(|at| batch.bytes().get(at + PREFIX_LEN..));
                    if let Some(report) = report {
                        context.send_rtcp_over_tcp(env, report, d.transport, &mut self.prefixed);
                    }
                }
                Ok(outcome) => {
                    (d.skipping, d.behind, d.room_since) = (false, false, None);
                    d.totals.packets += batch.spans().len() as u64;
                    d.totals.octets += octets(batch);
                    let now = env.now();
                    let noted = d.drained_at.map(|at| now.saturating_duration_since(at));
                    if outcome == WriteOutcome::Whole
                        && noted.is_none_or(|d| d >= DRAIN_NOTE_INTERVAL)
                    {
                        d.drained_at = Some(now);
                        context.heard.extend(d.session);
                    }
                }
                Err(e) => {
                    log::debug!("{}: {e}", c.peer);
                    context.connections.note_broken(connection);
                }
            }
            if let Some((own, _)) = own {
                context.memory.give_back(own);
            }
        }
    }

    /// Sends some packets of a batch to some of the addresses of each pair of sockets.
    fn send_over_udp(
        &mut self,
        batch: &PacketBuffer,
        packets: Range<usize>,
        places: Range<usize>,
        env: &mut UsageEnvironment,
        context: &mut SendContext<'_>,
    ) {
        self.ranges.clear();
        let spans = batch.spans().get(packets).unwrap_or_default();
        self.ranges.extend(spans.iter().map(|s| s.range()));
        let datagrams = Datagrams { buffer: batch.bytes(), spans: &self.ranges };
        for targets in &self.udp_targets {
            let end = places.end.min(targets.addresses.len());
            let Some(addresses) = targets.addresses.get(places.start..end) else { continue };
            let Some(sockets) = context.sockets.get_mut(targets.sockets) else { continue };
            let socket = sockets.socket(false);
            for addresses in addresses.split(|to| targets.has_gaps && *to == NOBODY) {
                send_to_each(socket, env, &datagrams, addresses, &mut self.failed);
                self.send_errors += self.failed.len() as u64;
            }
        }
    }

    /// Sends one destination at once the rest of a batch that is on its way, and nothing of that
    /// batch later, because it leaves, or is told which packet comes next.
    pub(crate) fn finish_for(
        &mut self,
        id: DestinationId,
        batch: &mut PacketBuffer,
        fan_out: &FanOut,
        env: &mut UsageEnvironment,
        context: &mut SendContext<'_>,
    ) {
        let Some(d) = self.table.get_mut(id).filter(|d| d.playing) else { return };
        let DestinationTransport::Udp { sockets, rtp, .. } = d.transport else {
            let slot = id.raw().index as usize;
            if fan_out.packets.start == 0 && slot >= fan_out.done {
                self.send_over_tcp(batch, fan_out, slot..slot + 1, env, context);
            }
            return self.wait_for_next_batch(id);
        };
        if d.transform.is_some() {
            let slot = id.raw().index as usize;
            let had = if slot < fan_out.done { fan_out.packets.end } else { fan_out.packets.start };
            let rest = had..batch.spans().len();
            self.send_own_over_udp(batch, rest, slot..slot + 1, env, context);
            return self.wait_for_next_batch(id);
        }
        let Some(place) = d.place.take() else { return };
        // Where it goes on to play, it is listed again with the next batch.
        self.stale = true;
        let targets = self.udp_targets.iter_mut().find(|targets| targets.sockets == sockets);
        let Some(targets) = targets.filter(|targets| targets.addresses.get(place) == Some(&rtp))
        else {
            return;
        };
        targets.leave_out(place);
        let had = if place < fan_out.done { fan_out.packets.end } else { fan_out.packets.start };
        self.ranges.clear();
        self.ranges.extend(batch.spans().get(had..).unwrap_or_default().iter().map(|s| s.range()));
        self.send_ranges_to(sockets, rtp, batch, env, context);
    }

    /// Sends the packets in `self.ranges` to one UDP address.
    fn send_ranges_to(
        &mut self,
        sockets: SocketsId,
        to: SocketAddr,
        batch: &PacketBuffer,
        env: &mut UsageEnvironment,
        context: &mut SendContext<'_>,
    ) {
        let Some(sockets) = context.sockets.get_mut(sockets) else { return };
        let datagrams = Datagrams { buffer: batch.bytes(), spans: &self.ranges };
        send_to_each(sockets.socket(false), env, &datagrams, &[to], &mut self.failed);
        self.send_errors += self.failed.len() as u64;
    }

    /// Sends nothing to a destination before the next key frame.
    pub(crate) fn wait_for_key_frame(&mut self, id: DestinationId) {
        if let Some(d) = self.table.get_mut(id) {
            (d.skipping, d.behind) = (true, false);
            self.anyone_waits = true;
            self.wants_key_frame = true;
            self.stale = true;
        }
    }

    /// Returns whether a destination has begun to wait for a key frame since the last call.
    pub(crate) const fn take_key_frame_wish(&mut self) -> bool {
        std::mem::replace(&mut self.wants_key_frame, false)
    }

    /// Returns what was sent to a destination since it was added.
    pub(crate) fn totals_of(&self, id: DestinationId) -> Option<Totals> {
        Some(self.table.get(id)?.all(self.totals))
    }

    fn end_waiting(&mut self) {
        let totals = self.totals;
        for (_, d) in self.table.iter_mut() {
            if d.skipping && d.is_udp() {
                (d.skipping, d.behind) = (false, false);
                d.since = totals;
                self.stale = true;
            }
        }
    }
}

/// Counts the bytes of a batch from the RTP headers on.
fn octets(batch: &PacketBuffer) -> u64 {
    batch.spans().iter().map(|s| s.len as u64).sum()
}

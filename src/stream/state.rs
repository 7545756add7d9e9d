//! [`StreamState`]: one running stream, from its source through its sink to its destinations, with
//! its RTCP.
//!
//! Its users are its destinations. It is made of three parts that do not know it:
//! [`Playback`] says which frame is sent next and when, [`Distribution`] sends packets to
//! destinations, and [`Reports`] says when RTCP is due and what is in it. This file has the
//! questions and commands of other rooms; `play` has what PLAY and PAUSE do, `run` what happens when
//! a timer expires, `feedback` what happens when a receiver sends something, `relay` the passing on of
//! packets, and `rest` what a relayed stream does without viewers.

mod feedback;
mod play;
mod relay;
mod rest;
mod run;

use crate::env::UsageEnvironment;
use crate::error::Error;
use crate::ids::{ClientSessionId, DestinationId, InputId, MediaSessionId};
use crate::media::SourceContext;
use crate::media::demux::DemuxTable;
use crate::rtp::rtcp::{NtpTime, ReceptionStatistics, SenderFacts};
use crate::rtp::sink::RtpSink;
use crate::rtp::transform::PacketTransform;
use crate::stream::destination::{
    Destination, DestinationTransport, Goodbye, ReleasedDestination, Totals,
};
use crate::stream::destinations::Destinations;
use crate::stream::distribution::Distribution;
use crate::stream::fast_start::FastStart;
use crate::stream::key_frame_requests::KeyFrameRequests;
use crate::stream::key_frames::KeyFrameWatch;
use crate::stream::live_clocks::LiveClockId;
use crate::stream::parts::{SendPolicy, StreamParts};
use crate::stream::play_range::PlayRange;
use crate::stream::playback::Playback;
use crate::stream::relay::Relay;
use crate::stream::reports::{Reports, SenderState};
use crate::stream::send_context::SendContext;
use crate::stream::sockets::SocketsId;
use crate::stream::timers::StreamTimers;
use std::fmt;
use std::ops::Range;
use std::time::Instant;

pub(crate) use play::StartPoint;
pub(crate) use run::RunOutcome;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Idle,
    Playing,
    /// All frames are sent; a BYE follows at that time.
    Ending(Instant),
    Ended,
}

/// One running stream.
pub struct StreamState {
    /// Media session and number of the subsession; `None` for a multicast stream.
    origin: Option<(MediaSessionId, usize)>,
    /// The live input that wakes the stream, if it is live.
    input: Option<InputId>,
    /// Whether all clients of the subsession share the stream.
    shared: bool,
    /// Whether its packets are protected, for clients that have asked for that (`RTP/SAVP`).
    is_secure: bool,
    /// Its key is nearly used up, and no further client joins it.
    is_retired: bool,
    playback: Playback,
    sink: RtpSink,
    key_frames: KeyFrameWatch,
    key_frame_requests: KeyFrameRequests,
    /// What it knows of packets that it passes on, if it makes none of its own.
    relay: Option<Box<Relay>>,
    distribution: Distribution,
    reports: Reports,
    timers: StreamTimers,
    phase: Phase,
    /// Packets from its receivers that were dropped.
    rejected_packets: u64,
}

impl fmt::Debug for StreamState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StreamState")
            .field("sink", &self.sink)
            .field("phase", &self.phase)
            .field("destinations", &self.users())
            .field("position", &self.playback.position())
            .finish_non_exhaustive()
    }
}

impl StreamState {
    /// A stream that has yet to be started. `live_clock` is the time line of its presentation, if
    /// the stream is live; `max_cached` bounds what is kept for newcomers, in bytes.
    pub(crate) fn new(
        parts: StreamParts,
        policy: SendPolicy,
        max_cached: usize,
        live_clock: Option<LiveClockId>,
        timers: StreamTimers,
        now: Instant,
    ) -> Self {
        let StreamParts { source, is_video, repeat_period, relay, .. } = parts;
        let waits = policy.fast_start != FastStart::Off;
        Self {
            origin: parts.origin,
            input: parts.input,
            shared: parts.shared,
            is_secure: parts.is_secure,
            is_retired: false,
            playback: Playback::new(source, live_clock, is_video, repeat_period, now),
            sink: parts.sink,
            key_frames: parts.key_frames,
            key_frame_requests: KeyFrameRequests::default(),
            relay: relay.map(|parts| Box::new(Relay::new(parts, waits))),
            distribution: Distribution::new(policy, max_cached),
            reports: Reports::new(parts.rtcp),
            timers,
            phase: Phase::Idle,
            rejected_packets: 0,
        }
    }

    // Facts

    /// The synchronization source (SSRC) of the stream's packets.
    pub const fn ssrc(&self) -> u32 {
        self.sink.ssrc()
    }

    /// Whether its packets are protected (SRTP).
    pub const fn is_secure(&self) -> bool {
        self.is_secure
    }

    #[cfg(feature = "srtp")]
    pub(crate) const fn has_transform(&self) -> bool {
        self.distribution.has_transform()
    }

    /// Whether frames are being sent.
    pub fn is_playing(&self) -> bool {
        matches!(self.phase, Phase::Playing | Phase::Ending(_))
    }

    /// Whether the stream has come to its end.
    pub fn has_ended(&self) -> bool {
        self.phase == Phase::Ended
    }

    /// Number of destinations.
    pub fn users(&self) -> usize {
        self.distribution.destinations().len()
    }

    /// Number of packets that the operating system refused to send.
    pub const fn send_errors(&self) -> u64 {
        self.distribution.destinations().send_errors()
    }

    /// Returns the number of packets from its receivers that were dropped because they are neither
    /// valid RTP nor valid RTCP.
    pub const fn rejected_packets(&self) -> u64 {
        self.rejected_packets
    }

    /// Media session and number of the subsession; `None` for a multicast stream.
    pub(crate) const fn origin(&self) -> Option<(MediaSessionId, usize)> {
        self.origin
    }

    /// Whether the stream goes to a group, and was not made for clients.
    pub(crate) const fn is_multicast(&self) -> bool {
        self.origin.is_none()
    }

    /// Whether all clients of the subsession share the stream, so that none of them may move it.
    pub(crate) const fn is_shared(&self) -> bool {
        self.shared
    }

    /// Whether its key is nearly used up, so that it ends, and no further client may join it.
    #[cfg(test)]
    pub(crate) const fn is_retired(&self) -> bool {
        self.is_retired
    }

    /// Lets the key of the stream be good for that many more RTP packets, and have protected so many
    /// RTCP packets.
    #[cfg(all(test, feature = "srtp"))]
    pub(crate) fn age_key(&mut self, rtp_left: u64, rtcp_index: u32) {
        self.distribution.age_key(rtp_left, rtcp_index);
    }

    /// Whether frames come from an encoder and are sent as they come.
    pub(crate) const fn is_live(&self) -> bool {
        self.playback.time_line().is_live()
    }

    /// The live input that wakes the stream, and the time line of its presentation.
    pub(crate) fn live_input(&self) -> Option<(InputId, LiveClockId)> {
        self.input.zip(self.playback.time_line().live_clock())
    }

    /// Whether the stream was neither started nor moved yet.
    pub(crate) fn is_fresh(&self) -> bool {
        self.phase == Phase::Idle
            && !self.distribution.destinations().has_sent()
            && self.playback.is_fresh()
    }

    /// The range that the client plays.
    pub(crate) const fn range(&self) -> &PlayRange {
        self.playback.range()
    }

    /// The SSRC, if it is not the one that the stream began with.
    pub(crate) fn changed_ssrc(&self) -> Option<u32> {
        self.reports.has_new_ssrc().then(|| self.sink.ssrc())
    }

    /// The sockets that the stream sends through.
    pub(crate) fn sockets(&self) -> impl Iterator<Item = SocketsId> + '_ {
        self.distribution.destinations().sockets()
    }

    pub(crate) fn destination(&self, id: DestinationId) -> Option<&Destination> {
        self.distribution.destinations().get(id)
    }

    #[cfg(test)]
    pub(crate) fn destinations(&self) -> impl Iterator<Item = (DestinationId, &Destination)> {
        self.distribution.destinations().iter()
    }

    /// Whether a batch has not gone to all destinations yet.
    #[cfg(test)]
    pub(crate) fn has_packets_on_their_way(&self) -> bool {
        self.distribution.next_part_at().is_some()
    }

    #[cfg(test)]
    pub(crate) fn is_anyone_catching_up(&self) -> bool {
        self.distribution.destinations().is_anyone_catching_up()
    }

    /// Lets the next packet have that sequence number.
    #[cfg(all(test, feature = "srtp"))]
    pub(crate) const fn set_sequence_number(&mut self, number: u16) {
        self.sink.set_sequence(number);
    }

    #[cfg(test)]
    pub(crate) fn has_armed_timers(&self) -> bool {
        self.timers.is_any_armed()
    }

    /// RTP packets that were sent.
    #[cfg(test)]
    pub(crate) const fn packet_count(&self) -> u32 {
        self.sink.packet_count()
    }

    /// How many receivers have reported.
    #[cfg(test)]
    pub(crate) fn reporting_receivers(&self) -> usize {
        self.reports.receivers()
    }

    // Counters

    /// Returns what was sent to a destination since it was added, and its receiver's last report.
    pub(crate) fn sent_to(
        &self,
        id: DestinationId,
    ) -> Option<(Totals, Option<ReceptionStatistics>)> {
        let totals = self.distribution.destinations().totals_of(id)?;
        Some((totals, self.reports.reception(id)))
    }

    /// Calls `take` with what was sent, since the last call, for each client session whose
    /// destination is in these slots of the table.
    pub(crate) fn take_totals_of_some(
        &mut self,
        slots: Range<usize>,
        take: impl FnMut(ClientSessionId, Totals),
    ) {
        self.distribution.destinations_mut().take_totals_of_some(slots, take);
    }

    /// Returns what was sent to one destination since the last call.
    pub(crate) fn take_totals(&mut self, id: DestinationId) -> Totals {
        self.distribution.destinations_mut().take_totals(id)
    }

    // Destinations

    pub(crate) fn add_destination(
        &mut self,
        session: Option<ClientSessionId>,
        transport: DestinationTransport,
    ) -> DestinationId {
        self.distribution.destinations_mut().add(session, transport)
    }

    /// Stops sending to a destination and takes it out. `goodbye` says whether it is sent a BYE.
    pub(crate) fn release(
        &mut self,
        env: &mut UsageEnvironment,
        context: &mut SendContext<'_>,
        id: DestinationId,
        goodbye: Goodbye,
    ) -> Option<ReleasedDestination> {
        let sender = self.sender_state(env);
        let leaving = self.destination(id)?;
        let (transport, has_heard) = (leaving.transport(), leaving.has_heard);
        if leaving.is_udp() && leaving.is_playing() {
            self.distribution.finish_for(env, context, id);
        }
        let mut last_words = Vec::new();
        if goodbye != Goodbye::None {
            let mut send = |destinations: &mut Destinations, packet: &[u8]| match transport {
                DestinationTransport::Tcp { rtcp_channel, .. }
                    if goodbye == Goodbye::BeforeAnswer =>
                {
                    destinations.write_rtcp_for(id, packet, rtcp_channel, &mut last_words);
                }
                _ => destinations.send_rtcp_to(id, packet, env, context),
            };
            let was_owed = self.reports.settle_farewell(id, &mut self.distribution, &mut send);
            if has_heard && !was_owed {
                let packet = self.reports.write_goodbye(sender, &mut self.distribution);
                send(self.distribution.destinations_mut(), packet);
            }
        }
        self.pause(env, id);
        self.reports.remove_destination(id);
        let destination = self.distribution.destinations_mut().remove(id)?;
        Some(ReleasedDestination { destination, last_words })
    }

    /// Lets `transform` protect all packets, RTP and RTCP, of the stream. Before the first packet.
    ///
    /// # Errors
    /// [`Error::Usage`]: the packets are too small to leave room for what it adds, or a destination
    /// has a transform of its own.
    pub(crate) fn set_transform(
        &mut self,
        transform: Box<dyn PacketTransform>,
    ) -> Result<(), Error> {
        if self.distribution.destinations().has_own_transforms() {
            return Err(Error::Usage("a destination of the stream has a transform of its own"));
        }
        self.sink.leave_room(transform.max_growth())?;
        self.distribution.set_transform(transform);
        Ok(())
    }

    /// Lets `transform` unprotect what comes from one destination's receiver, instead of the one that
    /// protects what the receiver is sent.
    #[cfg(feature = "srtp")]
    pub(crate) fn set_incoming_transform(
        &mut self,
        id: DestinationId,
        transform: Box<dyn PacketTransform>,
    ) {
        self.distribution.destinations_mut().set_incoming_transform(id, transform);
    }

    /// The roll-over counter of its packets (RFC 3711 section 3.3.1), for those that join.
    #[cfg(feature = "srtp")]
    pub(crate) fn roll_over(&self) -> u32 {
        self.distribution.roll_over(self.ssrc())
    }

    /// Lets `transform` protect what one destination is sent; the others get the packets as they
    /// are. Before the first packet, unless an earlier transform has left room enough.
    ///
    /// # Errors
    /// [`Error::Usage`]: the packets are too small to leave room for what it adds, or the stream has
    /// been started and left less, or all packets of the stream are transformed already.
    pub(crate) fn set_destination_transform(
        &mut self,
        id: DestinationId,
        transform: Box<dyn PacketTransform>,
    ) -> Result<(), Error> {
        if self.distribution.has_transform() {
            return Err(Error::Usage("all packets of the stream are transformed already"));
        }
        let growth = transform.max_growth();
        if growth > self.sink.room_left() {
            if !self.is_fresh() {
                return Err(Error::Usage("the stream leaves no room for what a transform adds"));
            }
            self.sink.leave_room(growth)?;
        }
        self.distribution.destinations_mut().set_own_transform(id, transform);
        Ok(())
    }

    /// Returns the contents of a report of this moment: an NTP time, and the RTP timestamp that
    /// belongs to it on the packets' time line (RFC 3550 section 6.4.1).
    fn sender_state(&self, env: &UsageEnvironment) -> SenderState {
        let (now, wall_clock) = (env.now(), env.wall_clock());
        let captured = self.relay.as_ref().and_then(|relay| relay.captured());
        let (ntp, timestamp) = match captured {
            Some(captured) => {
                let (ntp, timestamp) = captured.report(now, wall_clock, self.sink.clock_rate());
                (ntp, Some(timestamp))
            }
            None => {
                let (ntp, running_time) = self.playback.time_line().report(now, wall_clock);
                (ntp, running_time.map(|running_time| self.sink.timestamp_at(running_time)))
            }
        };
        let facts = |rtp_timestamp_now| SenderFacts {
            rtp_timestamp_now,
            packet_count: self.sink.packet_count(),
            octet_count: self.sink.octet_count(),
        };
        SenderState { ntp: NtpTime::from_unix(ntp), facts: timestamp.map(facts) }
    }

    /// Releases timers and what the source holds in tables.
    pub(crate) fn close(mut self, env: &mut UsageEnvironment, demuxers: &mut DemuxTable) {
        self.timers.disarm(env);
        self.playback.source_mut().close(&mut SourceContext { now: env.now(), demuxers });
    }
}

//! [`BackChannels`]: the back channels of a server, and who talks to them.

use super::channel::{BackChannel, Gate};
use super::options::BackChannelOptions;
use super::sink::BackChannelSink;
use super::talker::{Hearing, Talker};
use crate::arena::{Arena, shrink_map};
use crate::env::{EventKey, MediumHandle, UsageEnvironment};
use crate::ids::{BackChannelId, ClientSessionId, KEY_TALKER, OfBackChannel, PacketOwner};
use crate::rtp::rtcp::NtpTime;
use crate::rtsp::connections::Connections;
use crate::sorted_set::SortedSet;
use crate::stream::streams::Streams;
use crate::wire::rtp::PacketKind;
use crate::wire::rtsp::StatusCode;
use std::collections::HashMap;
use std::time::Instant;

/// The back channels of a server.
#[derive(Debug, Default)]
pub(crate) struct BackChannels {
    table: Arena<BackChannel, OfBackChannel>,
    /// The client sessions that talk, and to which channels.
    talking: HashMap<ClientSessionId, SortedSet<BackChannelId>>,
    /// The medium whose events run the talkers.
    owner: Option<MediumHandle>,
    /// Memory for a report.
    report: Vec<u8>,
}

impl BackChannels {
    /// Names the medium that hands on the events of talkers.
    pub(crate) const fn set_owner(&mut self, owner: MediumHandle) {
        self.owner = Some(owner);
    }

    pub(crate) fn insert(
        &mut self,
        options: BackChannelOptions,
        sink: Box<dyn BackChannelSink>,
    ) -> BackChannelId {
        self.table.insert(BackChannel::new(options, sink))
    }

    /// Takes out a channel that has no talker.
    pub(crate) fn remove(&mut self, id: BackChannelId) -> bool {
        self.table.remove(id).is_some()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.table.len() == 0
    }

    pub(crate) fn get(&self, id: BackChannelId) -> Option<&BackChannel> {
        self.table.get(id)
    }

    pub(crate) fn get_mut(&mut self, id: BackChannelId) -> Option<&mut BackChannel> {
        self.table.get_mut(id)
    }

    /// Lets clients talk. Returns false if the channel is not there.
    pub(crate) fn open(&mut self, id: BackChannelId) -> bool {
        self.set_gate(id, Gate::Open)
    }

    /// Has clients refused until a time; `None`: for good. Returns false if the channel is not there.
    pub(crate) fn refuse(
        &mut self,
        id: BackChannelId,
        status: StatusCode,
        until: Option<Instant>,
    ) -> bool {
        self.set_gate(id, Gate::Refused { status, until })
    }

    /// Has the sink asked before the next client may talk. Returns false if the channel is not there.
    pub(crate) fn close(&mut self, id: BackChannelId) -> bool {
        self.set_gate(id, Gate::Closed)
    }

    fn set_gate(&mut self, id: BackChannelId, gate: Gate) -> bool {
        let channel = self.table.get_mut(id);
        channel.map(|channel| channel.gate = gate).is_some()
    }

    /// Lets a client talk, whose packets go to the channel from now on, in place of the same client
    /// over another transport.
    pub(crate) fn set_talker(
        &mut self,
        env: &mut UsageEnvironment,
        (streams, connections): (&mut Streams, &mut Connections),
        id: BackChannelId,
        talker: Talker,
    ) {
        let Some(channel) = self.table.get_mut(id) else { return };
        let transport = talker.transport;
        let before = channel.talker.replace(talker);
        let is_new = before.is_none();
        if let Some(mut before) = before {
            env.disarm_timer(&mut before.timer);
            let owner = PacketOwner::Spoken(id);
            streams.unbind_publisher(env, connections, before.transport, owner);
        }
        streams.bind_publisher(connections, transport, PacketOwner::Spoken(id));
        if let Some(talker) = channel.talker.as_ref().filter(|_| is_new) {
            self.talking.entry(talker.session).or_default().insert(id);
            channel.sink.talker_came(&talker.info);
        }
    }

    /// Notes whether the client talks: after PLAY or PAUSE.
    pub(crate) fn set_playing(&mut self, id: BackChannelId, session: ClientSessionId, plays: bool) {
        let talker = self.table.get_mut(id).and_then(|channel| channel.talker.as_mut());
        if let Some(talker) = talker.filter(|talker| talker.session == session) {
            talker.is_playing = plays;
        }
    }

    /// Takes a packet of a talker. Returns its session if that is to be extended.
    pub(crate) fn handle_packet(
        &mut self,
        env: &mut UsageEnvironment,
        tables: (&mut Streams, &mut Connections),
        id: BackChannelId,
        packet: (PacketKind, &[u8]),
    ) -> Option<ClientSessionId> {
        let (now, ntp) = (env.now(), NtpTime::from_unix(env.wall_clock()));
        let BackChannel { options, sink, talker, .. } = self.table.get_mut(id)?;
        let talker = talker.as_mut()?;
        let random = || {
            let mut random = [0; 12];
            env.fill_random(&mut random);
            random
        };
        let is_taken = talker.handle_packet((options, &mut **sink), packet, (now, ntp), random);
        let touched = (is_taken && talker.touches(now)).then_some(talker.session);
        if talker.poll_timeout().is_some_and(|at| at <= now) {
            self.send_rtcp(env, tables, id);
        }
        self.arm(env, id);
        touched
    }

    /// The timer of a talker has expired: packets that have waited for others go on, and reports
    /// are sent.
    pub(crate) fn run(
        &mut self,
        env: &mut UsageEnvironment,
        tables: (&mut Streams, &mut Connections),
        id: BackChannelId,
    ) {
        let now = env.now();
        if let Some(BackChannel { sink, talker: Some(talker), .. }) = self.table.get_mut(id) {
            talker.handle_timeout(&mut **sink, now);
        }
        self.send_rtcp(env, tables, id);
        self.arm(env, id);
    }

    /// Arms the timer of a talker for what it wants next, unless it is armed for an earlier time.
    fn arm(&mut self, env: &mut UsageEnvironment, id: BackChannelId) {
        let talker = self.table.get_mut(id).and_then(|channel| channel.talker.as_mut());
        let (Some(talker), Some(owner)) = (talker, self.owner) else { return };
        let Some(at) = talker.poll_timeout() else { return };
        let timer = &mut talker.timer;
        let is_early = timer.armed_at().is_some_and(|armed| armed <= at) && env.is_armed(timer);
        if !is_early {
            env.arm_timer(timer, owner, EventKey { kind: KEY_TALKER, id: id.raw() }, at);
        }
    }

    /// Sends a talker the RTCP that is due.
    fn send_rtcp(
        &mut self,
        env: &mut UsageEnvironment,
        (streams, connections): (&mut Streams, &mut Connections),
        id: BackChannelId,
    ) {
        let Some(channel) = self.table.get_mut(id) else { return };
        let Some(Talker { transport, transform, hearing: Some(hearing), .. }) = &mut channel.talker
        else {
            return;
        };
        let Hearing { receiver, .. } = hearing;
        let (now, ntp) = (env.now(), NtpTime::from_unix(env.wall_clock()));
        self.report.clear();
        if receiver.has_collision() {
            let ssrc = env.random_u32().max(1);
            receiver.change_ssrc(ssrc, ntp, &mut self.report);
        }
        loop {
            if let Some(transform) = transform {
                transform.protect_report(&mut self.report);
            }
            if !self.report.is_empty() {
                streams.send_rtcp_to_publisher(env, connections, *transport, &self.report);
            }
            self.report.clear();
            if !receiver.poll_rtcp(now, ntp, &mut self.report) {
                return;
            }
        }
    }

    /// Ends the talk of a client that has set up a channel. Returns false if it has not.
    pub(crate) fn release(
        &mut self,
        env: &mut UsageEnvironment,
        (streams, connections): (&mut Streams, &mut Connections),
        (session, id): (ClientSessionId, BackChannelId),
    ) -> bool {
        let Some(channels) = self.talking.get_mut(&session) else { return false };
        if !channels.remove(id) {
            return false;
        }
        if channels.is_empty() {
            self.talking.remove(&session);
            shrink_map(&mut self.talking);
        }
        let Some(channel) = self.table.get_mut(id) else { return false };
        let Some(mut talker) = channel.talker.take() else { return false };
        env.disarm_timer(&mut talker.timer);
        let ntp = NtpTime::from_unix(env.wall_clock());
        self.report.clear();
        if let (None, Some(hearing)) = (talker.connection(), &mut talker.hearing) {
            // Over the connection nothing may follow the answer to TEARDOWN.
            if hearing.receiver.bye(ntp, &mut self.report) {
                if let Some(transform) = &mut talker.transform {
                    transform.protect_report(&mut self.report);
                }
                let report = &self.report;
                streams.send_rtcp_to_publisher(env, connections, talker.transport, report);
            }
        }
        let owner = PacketOwner::Spoken(id);
        streams.unbind_publisher(env, connections, talker.transport, owner);
        channel.sink.talker_left(&talker.info);
        true
    }

    /// Ends all talk of a client session that has ended.
    pub(crate) fn release_session(
        &mut self,
        env: &mut UsageEnvironment,
        (streams, connections): (&mut Streams, &mut Connections),
        session: ClientSessionId,
    ) {
        while let Some(id) = self.channel_of(session) {
            self.release(env, (streams, connections), (session, id));
        }
    }

    /// A channel that a client session has set up.
    fn channel_of(&self, session: ClientSessionId) -> Option<BackChannelId> {
        self.talking.get(&session)?.behind(None)
    }

    #[cfg(test)]
    pub(crate) fn talkers(&self) -> impl Iterator<Item = (BackChannelId, &Talker)> {
        self.table.iter().filter_map(|(id, channel)| Some((id, channel.talker.as_ref()?)))
    }
}

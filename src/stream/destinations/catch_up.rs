//! Newcomers to a shared stream that catch up with the others. Each is sent the packets since the
//! last key frame ([`KeyFrameCache`]) in bursts, in its own time, and behind them those that are
//! sent meanwhile, until it has had all that the others have had.

use super::{Destinations, octets};
use crate::env::UsageEnvironment;
use crate::ids::DestinationId;
use crate::payload::PacketBuffer;
use crate::rtp::sink::RtpSink;
use crate::rtsp::out_queue::WriteOutcome;
use crate::stream::destination::DestinationTransport;
use crate::stream::fan_out::BURST_INTERVAL;
use crate::stream::key_frame_cache::KeyFrameCache;
use crate::stream::parts::SendPolicy;
use crate::stream::send_context::SendContext;
use std::time::Instant;

/// About how many bytes the newcomers of one stream are sent in one turn of the loop.
const BYTES_PER_TURN: usize = 1 << 20;
/// About how many bytes one newcomer is sent at once.
const BYTES_PER_BURST: usize = 128 << 10;

/// How far a newcomer has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Standing {
    /// It has more to read.
    Behind,
    /// It has had all that the others have had, or does not catch up any more.
    Over,
}

impl Destinations {
    /// Lets a destination begin with the packet of number `from` in the cache.
    pub(crate) fn begin_catching_up(&mut self, id: DestinationId, from: u64) {
        let Some(d) = self.table.get_mut(id) else { return };
        d.catching_up = Some(from);
        (d.skipping, d.behind) = (false, false);
        self.stale = true;
        if !self.catching_up.all.contains(&id) {
            self.catching_up.all.push(id);
        }
    }

    pub(crate) fn is_anyone_catching_up(&self) -> bool {
        !self.catching_up.all.is_empty()
    }

    /// Number of the first packet in the cache that a newcomer has yet to be sent.
    pub(crate) fn slowest_reader(&self) -> Option<u64> {
        let readers = self.catching_up.all.iter();
        readers.filter_map(|id| self.table.get(*id)?.catching_up).min()
    }

    /// Sends the next bursts, as many as one turn may. Returns when to go on, if a newcomer is left.
    /// `is_on_its_way`: the cache's last frame has not gone to all of the others yet.
    pub(crate) fn catch_up(
        &mut self,
        cache: &KeyFrameCache,
        is_on_its_way: bool,
        policy: SendPolicy,
        env: &mut UsageEnvironment,
        context: &mut SendContext<'_>,
    ) -> Option<Instant> {
        let now = env.now();
        let began = *self.catching_up.began.get_or_insert(now);
        let mut memory = context.memory.take();
        let (mut bytes, mut bursts) = (0, 0);
        let round_is_over = loop {
            let Some(&id) = self.catching_up.all.get(self.catching_up.done) else { break true };
            if bursts >= policy.destinations_per_turn.max(1) || bytes >= BYTES_PER_TURN {
                break false;
            }
            memory.clear();
            let standing = self.send_burst(id, cache, &mut memory, policy.max_burst, env, context);
            bursts += 1;
            bytes += memory.bytes().len();
            if standing == Standing::Behind {
                self.catching_up.done += 1;
                continue;
            }
            // The one that takes its place in the list is next.
            self.catching_up.all.swap_remove(self.catching_up.done);
            if is_on_its_way {
                self.wait_for_next_batch(id);
            }
        };
        context.memory.give_back(memory);
        if !round_is_over {
            return Some(now);
        }
        (self.catching_up.done, self.catching_up.began) = (0, None);
        self.is_anyone_catching_up().then(|| (began + BURST_INTERVAL).max(now))
    }

    fn send_burst(
        &mut self,
        id: DestinationId,
        cache: &KeyFrameCache,
        batch: &mut PacketBuffer,
        max_burst: usize,
        env: &mut UsageEnvironment,
        context: &mut SendContext<'_>,
    ) -> Standing {
        let Some(d) = self.table.get_mut(id) else { return Standing::Over };
        let Some(from) = d.catching_up else { return Standing::Over };
        let transport = d.transport;
        if let DestinationTransport::Tcp { connection, .. } = transport {
            // It takes as much as it can: more would only fill the queue, and be dropped.
            if context.connections.get(connection).is_some_and(|c| c.has_output()) {
                return self.stay_behind(id, from, cache);
            }
        }
        let Some(next) = cache.read(from, (max_burst, BYTES_PER_BURST), batch) else {
            return self.stay_behind(id, from, cache);
        };
        self.protect_cached_for(id, batch, context);
        let is_sent = match transport {
            DestinationTransport::Udp { sockets, rtp, .. } => {
                self.ranges.clear();
                self.ranges.extend(batch.spans().iter().map(|s| s.range()));
                self.send_ranges_to(sockets, rtp, batch, env, context);
                true
            }
            DestinationTransport::Tcp { connection, rtp_channel, .. } => {
                let Some(c) = context.connections.get_mut(connection) else {
                    return Standing::Over;
                };
                RtpSink::set_channel(batch, rtp_channel);
                match c.send_media(env, batch.bytes(), false) {
                    Ok(sent) => sent != WriteOutcome::Dropped,
                    Err(e) => {
                        log::debug!("{}: {e}", c.peer);
                        context.connections.note_broken(connection);
                        return Standing::Over;
                    }
                }
            }
        };
        let totals = self.totals;
        let Some(d) = self.table.get_mut(id) else { return Standing::Over };
        if !is_sent {
            // What follows would be frames behind a gap.
            d.totals.dropped_frames += 1;
            d.catching_up = None;
            self.wait_for_key_frame(id);
            return Standing::Over;
        }
        d.totals.packets += batch.spans().len() as u64;
        d.totals.octets += octets(batch);
        if next < cache.end() {
            d.catching_up = Some(next);
            return Standing::Behind;
        }
        d.catching_up = None;
        d.since = totals;
        self.stale = true;
        Standing::Over
    }

    /// Sends a newcomer nothing in this round. If its next packet is not kept any more, it waits for
    /// a key frame, as a viewer does that has fallen behind.
    fn stay_behind(&mut self, id: DestinationId, from: u64, cache: &KeyFrameCache) -> Standing {
        if cache.has(from) {
            return Standing::Behind;
        }
        if let Some(d) = self.table.get_mut(id) {
            d.catching_up = None;
            d.totals.dropped_frames += 1;
        }
        self.wait_for_key_frame(id);
        Standing::Over
    }
}

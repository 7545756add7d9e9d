//! [`Members`]: the client sessions that watch multicast streams, by the host that reports come
//! from. A group may have any number of members, and each of them reports.

use crate::ids::{ClientSessionId, StreamId};
use crate::sorted_set::SortedSet;
use std::collections::HashMap;
use std::net::IpAddr;
use std::time::{Duration, Instant};

/// How often the reports of a host keep its sessions alive; time-outs are counted in seconds.
const REPORT_INTERVAL: Duration = Duration::from_secs(1);

/// The sessions of one host.
#[derive(Debug, Default)]
struct Host {
    sessions: SortedSet<ClientSessionId>,
    reported_at: Option<Instant>,
}

/// The client sessions that watch multicast streams, by stream and host.
#[derive(Debug, Default)]
pub(crate) struct Members {
    hosts: HashMap<(StreamId, IpAddr), Host>,
}

impl Members {
    pub(crate) fn add(&mut self, stream: StreamId, host: IpAddr, session: ClientSessionId) {
        let host = self.hosts.entry((stream, host.to_canonical())).or_default();
        host.sessions.insert(session);
    }

    pub(crate) fn remove(&mut self, stream: StreamId, host: IpAddr, session: ClientSessionId) {
        let key = (stream, host.to_canonical());
        let Some(host) = self.hosts.get_mut(&key) else { return };
        host.sessions.remove(session);
        if host.sessions.is_empty() {
            self.hosts.remove(&key);
        }
    }

    /// Returns the sessions that a report from `host` keeps alive; none where there was another
    /// report a moment ago.
    pub(crate) fn reporting(
        &mut self,
        stream: StreamId,
        host: IpAddr,
        now: Instant,
    ) -> impl Iterator<Item = ClientSessionId> + '_ {
        let host = self.hosts.get_mut(&(stream, host.to_canonical()));
        let due = host.filter(|host| {
            let ago = host.reported_at.map(|at| now.saturating_duration_since(at));
            ago.is_none_or(|ago| ago >= REPORT_INTERVAL)
        });
        due.into_iter().flat_map(move |host| {
            host.reported_at = Some(now);
            host.sessions.iter()
        })
    }

    #[cfg(test)]
    pub(crate) fn hosts(&self) -> usize {
        self.hosts.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::arena::{Id, RawId};

    #[test]
    fn a_report_counts_for_the_sessions_of_its_host_and_stream_alone() {
        let raw = |index| RawId { index, generation: 0 };
        let session = |n| ClientSessionId::from_raw(raw(n));
        let stream = |n| Id::from_raw(raw(n));
        let ip = |text: &str| text.parse::<IpAddr>().unwrap();
        let mut members = Members::default();
        members.add(stream(1), ip("10.0.0.1"), session(1));
        members.add(stream(1), ip("::ffff:10.0.0.1"), session(2));
        members.add(stream(2), ip("10.0.0.1"), session(3));
        members.add(stream(1), ip("10.0.0.2"), session(4));
        let now = Instant::now();
        let report = |members: &mut Members, host: &str, ms: u64| {
            let now = now + Duration::from_millis(ms);
            members.reporting(stream(1), ip(host), now).collect::<Vec<_>>()
        };
        assert_eq!(report(&mut members, "10.0.0.1", 0), [session(1), session(2)]);
        assert_eq!(report(&mut members, "10.0.0.2", 10), [session(4)]);
        assert_eq!(report(&mut members, "10.0.0.3", 10), []);
        // A host that reports all the time is not listened to all the time.
        assert_eq!(report(&mut members, "10.0.0.1", 999), []);
        assert_eq!(report(&mut members, "::ffff:10.0.0.1", 1000), [session(1), session(2)]);
        members.remove(stream(1), ip("10.0.0.1"), session(1));
        assert_eq!(report(&mut members, "10.0.0.1", 2000), [session(2)]);
        members.remove(stream(1), ip("10.0.0.1"), session(2));
        members.remove(stream(1), ip("10.0.0.2"), session(4));
        assert_eq!(members.hosts(), 1);
    }
}

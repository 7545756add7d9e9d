//! [`Waiting`]: the suspended requests, and the order in which they resume.

use crate::arena::{shrink_map, shrink_queue};
use crate::env::{EventTrigger, Timer};
use crate::ids::ConnectionId;
use crate::server::method::lookup::Lookup;
use crate::server::method::outcome::{Awaited, Identity, Until};
use crate::wire::rtsp::Request;
use std::collections::{HashMap, VecDeque};
use std::time::Instant;

/// A suspended request. The application is not asked about it again.
#[derive(Debug)]
pub(crate) struct WaitingRequest {
    pub(crate) request: Request<'static>,
    pub(crate) identity: Identity,
    pub(crate) awaited: Awaited,
    pub(crate) progress: Progress,
}

/// The part of a suspended request that outlives each suspension.
#[derive(Debug, Default)]
pub(crate) struct Progress {
    /// When the request arrived, if it had to wait.
    pub(crate) since: Option<Instant>,
    /// Its place in the order of suspended requests, counting up.
    pub(crate) place: Option<u64>,
    /// The provider's answers so far for the names that the request refers to.
    pub(crate) known: Vec<(String, Lookup)>,
}

/// The suspended requests, at most one for each connection.
#[derive(Debug, Default)]
pub(crate) struct Waiting {
    /// The requests, with the queue and the place of each.
    requests: HashMap<ConnectionId, ((Until, u64), WaitingRequest)>,
    /// For each event, the requests that await it in the order of their places.
    queues: [VecDeque<(u64, ConnectionId)>; Until::COUNT],
    places: u64,
    /// Expires when there are requests that can resume.
    pub(crate) timer: Timer,
    /// The trigger that the provider calls from any thread.
    pub(crate) trigger: Option<EventTrigger>,
}

impl Waiting {
    /// Adds the request of a connection. A request that has waited for room before keeps its place;
    /// others get a place behind all others.
    pub(crate) fn insert(&mut self, id: ConnectionId, mut request: WaitingRequest) {
        let kept = request.progress.place.filter(|_| matches!(request.awaited, Awaited::Room));
        let place = kept.unwrap_or_else(|| {
            self.places += 1;
            self.places
        });
        request.progress.place = Some(place);
        let until = request.awaited.until();
        self.enqueue(until, place, id);
        self.requests.insert(id, ((until, place), request));
    }

    fn enqueue(&mut self, until: Until, place: u64, id: ConnectionId) {
        let queue = &mut self.queues[until as usize];
        let at = queue.partition_point(|(other, _)| *other < place);
        queue.insert(at, (place, id));
    }

    /// Removes the request of a connection.
    pub(crate) fn remove(&mut self, id: ConnectionId) -> Option<WaitingRequest> {
        let ((until, place), request) = self.requests.remove(&id)?;
        let queue = &mut self.queues[until as usize];
        if let Ok(at) = queue.binary_search_by_key(&place, |(place, _)| *place) {
            queue.remove(at);
        }
        shrink_queue(queue);
        shrink_map(&mut self.requests);
        Some(request)
    }

    /// Whether there are requests that can resume.
    pub(crate) fn has_ready(&self) -> bool {
        self.next_ready(0).is_some()
    }

    /// Number of requests that can resume, counted up to `limit`.
    pub(crate) fn count_ready(&self, limit: usize) -> usize {
        self.ready().len().min(limit)
    }

    /// The first request that can resume and whose place is not before `place`.
    pub(crate) fn next_ready(&self, place: u64) -> Option<(u64, ConnectionId)> {
        let ready = self.ready();
        ready.get(ready.partition_point(|(other, _)| *other < place)).copied()
    }

    /// Marks the requests that wait for an event as ready, in the order of their places.
    pub(crate) fn wake(&mut self, until: Until) {
        for (place, id) in std::mem::take(&mut self.queues[until as usize]) {
            self.enqueue(Until::NextTurn, place, id);
            if let Some((key, _)) = self.requests.get_mut(&id) {
                *key = (Until::NextTurn, place);
            }
        }
    }

    const fn ready(&self) -> &VecDeque<(u64, ConnectionId)> {
        &self.queues[Until::NextTurn as usize]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(awaited: Awaited, place: Option<u64>) -> WaitingRequest {
        let progress = Progress { place, ..Progress::default() };
        let request = Request::new(crate::wire::rtsp::Method::Play, "*").into_owned();
        WaitingRequest { request, identity: Identity::default(), awaited, progress }
    }

    fn connection(index: u32) -> ConnectionId {
        ConnectionId::from_raw(crate::arena::RawId { index, generation: 1 })
    }

    /// The connections whose requests can resume, in order.
    fn ready(waiting: &Waiting) -> Vec<u32> {
        let (mut place, mut found) = (0, Vec::new());
        while let Some((at, id)) = waiting.next_ready(place) {
            found.push(id.raw().index);
            place = at + 1;
        }
        found
    }

    #[test]
    fn each_is_gone_on_with_when_what_it_waits_for_comes_and_in_turn() {
        let mut waiting = Waiting::default();
        let named = |until| Awaited::Session { name: "a".to_owned(), until };
        waiting.insert(connection(1), request(named(Until::ProviderWakes), None));
        waiting.insert(connection(2), request(Awaited::Room, None));
        waiting.insert(connection(3), request(Awaited::Description, None));
        waiting.insert(connection(4), request(named(Until::NextTurn), None));
        assert_eq!(ready(&waiting), [2, 4]);
        assert_eq!((waiting.count_ready(9), waiting.count_ready(1)), (2, 1));
        waiting.wake(Until::ProviderWakes);
        assert_eq!(ready(&waiting), [1, 2, 4]);
        // One that has waited for room is still the second; for another name, it begins anew.
        let taken = waiting.remove(connection(2)).unwrap();
        waiting.insert(connection(2), taken);
        assert_eq!(ready(&waiting), [1, 2, 4]);
        let taken = waiting.remove(connection(1)).unwrap();
        assert_eq!(taken.progress.place, Some(1));
        waiting.insert(connection(1), taken);
        assert_eq!(ready(&waiting), [2, 4]);
        waiting.wake(Until::InputWakes);
        assert_eq!(ready(&waiting), [2, 3, 4]);
        for id in 1..=4 {
            assert!(waiting.remove(connection(id)).is_some());
            assert!(waiting.remove(connection(id)).is_none());
        }
        assert!(!waiting.has_ready() && waiting.queues.iter().all(VecDeque::is_empty));
    }
}

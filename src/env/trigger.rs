//! [`EventTrigger`]: the one thing that another thread may call.
//!
//! A trigger adds one to its counter and, if it is not in the ready list already, puts itself
//! there and wakes the loop. The loop takes it off the list *before* it reads the counter: what
//! is added in between is either read at once or finds the list open. So nothing is lost.

use super::UsageEnvironment;
use super::medium::{EventKey, MediumHandle};
use crate::arena::{Arena, Id, RawId};
use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

type Handler = Box<dyn FnMut(&mut UsageEnvironment, u64)>;

/// What the loop and the threads share.
pub(super) struct Hub {
    /// None in the simulated world, where no thread waits.
    waker: Option<mio::Waker>,
    /// A wake-up is under way: no need of another.
    woken: AtomicBool,
    ready: Mutex<Vec<RawId>>,
}

impl Hub {
    pub(super) fn new(waker: Option<mio::Waker>) -> Arc<Self> {
        Arc::new(Self { waker, woken: AtomicBool::new(false), ready: Mutex::new(Vec::new()) })
    }

    fn ready(&self) -> MutexGuard<'_, Vec<RawId>> {
        // A thread cannot leave the list half changed.
        self.ready.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn push(&self, id: RawId) {
        self.ready().push(id);
        if !self.woken.swap(true, Ordering::SeqCst) {
            if let Some(waker) = &self.waker {
                if let Err(e) = waker.wake() {
                    log::warn!("cannot wake the event loop: {e}");
                }
            }
        }
    }
}

struct Shared {
    id: RawId,
    hub: Option<Arc<Hub>>,
    count: AtomicU64,
    listed: AtomicBool,
}

/// Wakes the event loop from any thread and makes it call the trigger's handler. Cheap to clone.
#[derive(Clone)]
pub struct EventTrigger(Arc<Shared>);

impl fmt::Debug for EventTrigger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EventTrigger").field("pending", &self.pending()).finish_non_exhaustive()
    }
}

impl EventTrigger {
    /// A trigger of no environment: it only counts.
    pub fn detached() -> Self {
        Self::new(RawId::default(), None)
    }

    fn new(id: RawId, hub: Option<Arc<Hub>>) -> Self {
        let (count, listed) = (AtomicU64::new(0), AtomicBool::new(false));
        Self(Arc::new(Shared { id, hub, count, listed }))
    }

    /// Has the handler called, soon and on the loop's thread. Calls before it runs add up to one
    /// run, which is told their number. Never blocks for long, never fails; does nothing once the
    /// trigger has been deleted.
    pub fn trigger(&self) {
        self.0.count.fetch_add(1, Ordering::SeqCst);
        if let Some(hub) = &self.0.hub {
            if !self.0.listed.swap(true, Ordering::SeqCst) {
                hub.push(self.0.id);
            }
        }
    }

    /// How often it was triggered since its handler last ran.
    pub fn pending(&self) -> u64 {
        self.0.count.load(Ordering::SeqCst)
    }
}

enum Target {
    /// The handler is elsewhere while it runs.
    Handler(Option<Handler>),
    Medium {
        owner: MediumHandle,
        key: EventKey,
    },
}

struct Entry {
    trigger: EventTrigger,
    target: Target,
}

pub(super) struct Triggers {
    hub: Arc<Hub>,
    table: Arena<Entry>,
    /// Taken from the hub's list; swapped with it so that neither is allocated anew.
    taken: Vec<RawId>,
}

impl Triggers {
    pub(super) fn new(hub: Arc<Hub>) -> Self {
        Self { hub, table: Arena::new(), taken: Vec::new() }
    }

    pub(super) fn remove(&mut self, id: RawId) {
        self.table.remove(Id::from_raw(id));
    }

    pub(super) fn any_ready(&self) -> bool {
        self.hub.woken.load(Ordering::SeqCst) && !self.hub.ready().is_empty()
    }

    fn insert(&mut self, target: Target) -> EventTrigger {
        let hub = self.hub.clone();
        let id = self
            .table
            .insert_with(|id| Entry { trigger: EventTrigger::new(id.raw(), Some(hub)), target });
        self.table.get(id).map_or_else(EventTrigger::detached, |entry| entry.trigger.clone())
    }
}

impl UsageEnvironment {
    /// Makes a trigger whose handler is told how often it was triggered since it last ran.
    /// There may be any number of triggers.
    pub fn create_event_trigger(
        &mut self,
        handler: impl FnMut(&mut Self, u64) + 'static,
    ) -> EventTrigger {
        self.triggers.insert(Target::Handler(Some(Box::new(handler))))
    }

    /// Makes a trigger that reaches a medium as [`Event::Trigger`](super::Event::Trigger) with
    /// `key`. It ends with the medium; if that has ended before, the trigger is a detached one.
    pub fn create_medium_trigger(&mut self, owner: MediumHandle, key: EventKey) -> EventTrigger {
        let trigger = self.triggers.insert(Target::Medium { owner, key });
        if !self.media.own_trigger(owner, trigger.0.id) {
            self.triggers.remove(trigger.0.id);
            return EventTrigger::detached();
        }
        trigger
    }

    /// Ends a trigger; its clones do nothing from here on. False if it had been deleted before or
    /// is not of this environment.
    pub fn delete_event_trigger(&mut self, trigger: &EventTrigger) -> bool {
        let ours = trigger.0.hub.as_ref().is_some_and(|hub| Arc::ptr_eq(hub, &self.triggers.hub));
        if !ours {
            return false;
        }
        let Some(entry) = self.triggers.table.remove(Id::from_raw(trigger.0.id)) else {
            return false;
        };
        if let Target::Medium { owner, .. } = entry.target {
            self.media.disown_trigger(owner, trigger.0.id);
        }
        true
    }

    #[cfg(test)]
    pub(super) fn triggers_alive(&self) -> usize {
        self.triggers.table.len()
    }

    /// Runs the handlers of what was triggered up to now.
    pub(super) fn dispatch_triggers(&mut self) {
        let hub = &self.triggers.hub;
        if !hub.woken.swap(false, Ordering::SeqCst) {
            return;
        }
        let mut taken = std::mem::take(&mut self.triggers.taken);
        std::mem::swap(&mut taken, &mut *hub.ready());
        for id in taken.drain(..) {
            self.dispatch_trigger(Id::from_raw(id));
        }
        self.triggers.taken = taken;
    }

    fn dispatch_trigger(&mut self, id: Id<Entry>) {
        let Some(entry) = self.triggers.table.get_mut(id) else { return };
        entry.trigger.0.listed.store(false, Ordering::SeqCst);
        let count = entry.trigger.0.count.swap(0, Ordering::SeqCst);
        if count == 0 {
            return;
        }
        self.statistics.events += 1;
        match &mut entry.target {
            Target::Medium { owner, key } => {
                let (owner, key) = (*owner, *key);
                self.deliver(owner, super::Event::Trigger { key, count });
            }
            Target::Handler(handler) => {
                let Some(mut running) = handler.take() else { return };
                running(self, count);
                if let Some(entry) = self.triggers.table.get_mut(id) {
                    entry.target = Target::Handler(Some(running));
                }
            }
        }
    }
}

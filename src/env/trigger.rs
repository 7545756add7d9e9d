//! [`EventTrigger`]: the one thing that another thread, or a signal handler, may call.
//!
//! A trigger adds one to its counter and sets its bit in a word that it shares with the triggers
//! beside it; whoever sets a bit that was clear wakes the loop. The loop clears the bits *before*
//! it reads the counters: what is added in between is either read at once or finds the bit clear.
//! So nothing is lost, nothing waits for a lock and nothing is allocated.

use super::UsageEnvironment;
use super::medium::{EventKey, MediumHandle};
use crate::arena::{Arena, Id, RawId};
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};

type Handler = Box<dyn FnMut(&mut UsageEnvironment, u64)>;

/// What the loop and the threads share.
pub(super) struct Hub {
    /// None in the simulated world, where no thread waits.
    waker: Option<mio::Waker>,
    /// A wake-up is under way: no need of another.
    woken: AtomicBool,
    /// A wake-up failed. The loop says so: a signal handler may not write a log.
    failed: AtomicBool,
}

impl Hub {
    pub(super) fn new(waker: Option<mio::Waker>) -> Arc<Self> {
        let (woken, failed) = (AtomicBool::new(false), AtomicBool::new(false));
        Arc::new(Self { waker, woken, failed })
    }

    fn wake(&self) {
        if !self.woken.swap(true, Ordering::SeqCst) {
            let woken = self.waker.as_ref().is_none_or(|waker| waker.wake().is_ok());
            if !woken {
                self.failed.store(true, Ordering::SeqCst);
            }
        }
    }
}

/// The bits of neighbouring triggers: set while the loop is to look at one.
type Word = Arc<AtomicU32>;

/// Where the bit of the trigger in slot `index` stands: number of the word, and mask.
const fn bit_of(index: u32) -> (usize, u32) {
    ((index / u32::BITS) as usize, 1 << (index % u32::BITS))
}

struct Shared {
    id: RawId,
    /// None for a trigger of no environment.
    reaches: Option<(Arc<Hub>, Word)>,
    count: AtomicU64,
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

    fn new(id: RawId, reaches: Option<(Arc<Hub>, Word)>) -> Self {
        Self(Arc::new(Shared { id, reaches, count: AtomicU64::new(0) }))
    }

    /// Has the handler called, soon and on the loop's thread. Calls before it runs add up to one
    /// run, which is told their number. Never fails; does nothing once the trigger has been
    /// deleted.
    ///
    /// This call takes no lock and allocates nothing; the first call since the handler ran makes
    /// one system call (a write to an eventfd or a pipe). A signal handler may therefore call it,
    /// on a trigger that outlives the handler: to clone or to drop a trigger there is not allowed.
    pub fn trigger(&self) {
        self.0.count.fetch_add(1, Ordering::SeqCst);
        if let Some((hub, word)) = &self.0.reaches {
            let (_, mask) = bit_of(self.0.id.index);
            if word.fetch_or(mask, Ordering::SeqCst) & mask == 0 {
                hub.wake();
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
    /// The bits of all triggers, in the order of the table's slots.
    words: Vec<Word>,
    /// The triggers whose bits were taken; kept so that it is not allocated anew.
    taken: Vec<Id<Entry>>,
}

impl Triggers {
    pub(super) fn new(hub: Arc<Hub>) -> Self {
        Self { hub, table: Arena::new(), words: Vec::new(), taken: Vec::new() }
    }

    pub(super) fn remove(&mut self, id: RawId) {
        self.table.remove(Id::from_raw(id));
    }

    pub(super) fn any_ready(&self) -> bool {
        self.hub.woken.load(Ordering::SeqCst)
            && self.words.iter().any(|word| word.load(Ordering::SeqCst) != 0)
    }

    fn insert(&mut self, target: Target) -> EventTrigger {
        let (hub, words) = (&self.hub, &mut self.words);
        let id = self.table.insert_with(|id| {
            let (word, _) = bit_of(id.raw().index);
            while words.len() <= word {
                words.push(Word::default());
            }
            let reaches = words.get(word).map(|word| (hub.clone(), word.clone()));
            Entry { trigger: EventTrigger::new(id.raw(), reaches), target }
        });
        self.table.get(id).map_or_else(EventTrigger::detached, |entry| entry.trigger.clone())
    }

    /// Clears all bits, and tells whose were set.
    fn take_ready(&self, taken: &mut Vec<Id<Entry>>) {
        for (i, word) in self.words.iter().enumerate() {
            // Most are clear: to look costs less than to exchange.
            if word.load(Ordering::SeqCst) == 0 {
                continue;
            }
            let mut bits = word.swap(0, Ordering::SeqCst);
            while bits != 0 {
                let index = i * u32::BITS as usize + bits.trailing_zeros() as usize;
                taken.extend(self.table.id_at(index));
                bits &= bits - 1;
            }
        }
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
        let ours =
            trigger.0.reaches.as_ref().is_some_and(|(hub, _)| Arc::ptr_eq(hub, &self.triggers.hub));
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
        if hub.failed.swap(false, Ordering::SeqCst) {
            log::warn!("the event loop could not be woken by a trigger");
        }
        let mut taken = std::mem::take(&mut self.triggers.taken);
        self.triggers.take_ready(&mut taken);
        for id in taken.drain(..) {
            self.dispatch_trigger(id);
        }
        self.triggers.taken = taken;
    }

    fn dispatch_trigger(&mut self, id: Id<Entry>) {
        let Some(entry) = self.triggers.table.get_mut(id) else { return };
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

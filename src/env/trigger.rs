//! [`EventTrigger`]: the only object of an environment that other threads and signal handlers may
//! use.
//!
//! A trigger increments its counter and sets its bit in a word that it shares with neighbouring
//! triggers; the call that sets a clear bit wakes the loop. The loop clears the bits *before* it
//! reads the counters: a count added in between is either read at once or finds the bit clear. So
//! no call is lost, and none takes a lock or allocates.

use super::id::{EventKey, MediumHandle};
use crate::arena::{Arena, Id, RawId};
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};

/// The state that the loop and the threads share.
pub(super) struct Hub {
    /// None in a simulated environment, where no thread waits.
    waker: Option<mio::Waker>,
    /// Whether a wake-up is pending, so that another is not needed.
    woken: AtomicBool,
    /// Whether a wake-up failed. The loop logs it, because a signal handler must not.
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

/// The bits of neighbouring triggers: set while the loop is to check one.
type Word = Arc<AtomicU32>;

/// The position of the bit of the trigger in slot `index`: number of the word, and mask.
const fn bit_of(index: u32) -> (usize, u32) {
    ((index / u32::BITS) as usize, 1 << (index % u32::BITS))
}

struct Shared {
    id: RawId,
    /// None for a detached trigger.
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
    /// Creates a trigger without an environment, which only counts.
    pub fn detached() -> Self {
        Self::new(RawId::default(), None)
    }

    /// The id in the table of its environment.
    pub(super) fn id(&self) -> RawId {
        self.0.id
    }

    fn new(id: RawId, reaches: Option<(Arc<Hub>, Word)>) -> Self {
        Self(Arc::new(Shared { id, reaches, count: AtomicU64::new(0) }))
    }

    /// Makes the loop call the handler soon, on its thread. Several calls before the handler runs
    /// result in one call of the handler, with their number. This never fails; it has no effect
    /// once the trigger has been deleted.
    ///
    /// This call takes no lock and allocates nothing; the first call since the handler ran makes
    /// one system call (a write to an eventfd or a pipe). A signal handler may therefore call it
    /// (but it may neither clone nor drop a trigger). For handlers that the application does not
    /// write itself, see [`create_event_pipe`](super::UsageEnvironment::create_event_pipe).
    pub fn trigger(&self) {
        self.0.count.fetch_add(1, Ordering::SeqCst);
        if let Some((hub, word)) = &self.0.reaches {
            let (_, mask) = bit_of(self.0.id.index);
            if word.fetch_or(mask, Ordering::SeqCst) & mask == 0 {
                hub.wake();
            }
        }
    }

    /// Returns the number of calls since the handler last ran.
    pub fn pending(&self) -> u64 {
        self.0.count.load(Ordering::SeqCst)
    }
}

/// The receiver of a trigger; `H` is the type of an application's handler.
pub(super) enum Target<H> {
    /// An application's handler, which is moved out while it runs.
    Handler(Option<H>),
    Medium {
        owner: MediumHandle,
        key: EventKey,
    },
}

struct Entry<H> {
    trigger: EventTrigger,
    target: Target<H>,
}

/// The table of triggers.
pub(super) struct Triggers<H> {
    hub: Arc<Hub>,
    table: Arena<Entry<H>>,
    /// The bits of all triggers, in the order of the table's slots.
    words: Vec<Word>,
    /// Memory for the list that [`begin`](Self::begin) returns.
    spare: Vec<RawId>,
}

impl<H> Triggers<H> {
    pub(super) fn new(hub: Arc<Hub>) -> Self {
        Self { hub, table: Arena::new(), words: Vec::new(), spare: Vec::new() }
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.table.len()
    }

    pub(super) fn remove(&mut self, id: RawId) {
        self.table.remove(Id::from_raw(id));
    }

    /// Deletes a trigger of this table; `None` if it has been deleted or belongs to another table.
    pub(super) fn end(&mut self, trigger: &EventTrigger) -> Option<Target<H>> {
        let (hub, _) = trigger.0.reaches.as_ref()?;
        if !Arc::ptr_eq(hub, &self.hub) {
            return None;
        }
        self.table.remove(Id::from_raw(trigger.0.id)).map(|entry| entry.target)
    }

    pub(super) fn any_ready(&self) -> bool {
        self.hub.woken.load(Ordering::SeqCst)
            && self.words.iter().any(|word| word.load(Ordering::SeqCst) != 0)
    }

    pub(super) fn insert(&mut self, target: Target<H>) -> EventTrigger {
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

    /// Clears all bits and returns the triggers whose bits were set. The caller returns the list
    /// with [`finish`](Self::finish).
    pub(super) fn begin(&mut self) -> Vec<RawId> {
        let mut taken = std::mem::take(&mut self.spare);
        if !self.hub.woken.swap(false, Ordering::SeqCst) {
            return taken;
        }
        if self.hub.failed.swap(false, Ordering::SeqCst) {
            log::warn!("the event loop could not be woken by a trigger");
        }
        for (i, word) in self.words.iter().enumerate() {
            // Most are clear: to look costs less than to exchange.
            if word.load(Ordering::SeqCst) == 0 {
                continue;
            }
            let mut bits = word.swap(0, Ordering::SeqCst);
            while bits != 0 {
                let index = i * u32::BITS as usize + bits.trailing_zeros() as usize;
                taken.extend(self.table.id_at(index).map(Id::raw));
                bits &= bits - 1;
            }
        }
        taken
    }

    /// Keeps the memory of the list.
    pub(super) fn finish(&mut self, mut taken: Vec<RawId>) {
        taken.clear();
        self.spare = taken;
    }

    /// Returns the number of calls of a trigger since the last `take`, and its receiver; `None` if
    /// it has been deleted or was not called.
    pub(super) fn take(&mut self, id: RawId) -> Option<(u64, &mut Target<H>)> {
        let entry = self.table.get_mut(Id::from_raw(id))?;
        let count = entry.trigger.0.count.swap(0, Ordering::SeqCst);
        (count > 0).then_some((count, &mut entry.target))
    }

    /// Puts the handler back after its call, unless its trigger was deleted meanwhile.
    pub(super) fn put_back(&mut self, id: RawId, handler: H) {
        if let Some(entry) = self.table.get_mut(Id::from_raw(id)) {
            entry.target = Target::Handler(Some(handler));
        }
    }
}

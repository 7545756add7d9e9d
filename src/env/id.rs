//! The names by which an environment and what lives in it know each other: [`MediumHandle`],
//! [`MediumId`], [`EventKey`], and [`EnvironmentId`], which is part of every other id.

use crate::arena::RawId;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::marker::PhantomData;
use std::sync::atomic::{AtomicU32, Ordering};

/// Tells the environments of a process apart, so that an id of one does nothing in another.
/// Numbers begin anew after 2³² − 1 environments.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub(crate) struct EnvironmentId(u32);

impl EnvironmentId {
    /// The environment of ids that name nothing.
    const NONE: Self = Self(0);

    /// A number that no other environment has.
    pub(super) fn unique() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(1);
        loop {
            let id = Self(NEXT.fetch_add(1, Ordering::Relaxed));
            if id != Self::NONE {
                return id;
            }
        }
    }
}

/// The key by which an owner tells its sockets, timers and triggers apart. The environment hands
/// it back unread.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug, Default)]
#[expect(clippy::exhaustive_structs, reason = "media write their keys, of these two parts")]
pub struct EventKey {
    /// The owner's number for the kind of thing.
    pub kind: u32,
    /// Which one of that kind.
    pub id: RawId,
}

/// Names a medium without its type. In another environment than its own it names nothing.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct MediumHandle {
    environment: EnvironmentId,
    raw: RawId,
}

impl Default for MediumHandle {
    /// The handle of no medium.
    fn default() -> Self {
        let raw = RawId { index: u32::MAX, generation: u32::MAX };
        Self { environment: EnvironmentId::NONE, raw }
    }
}

impl fmt::Debug for MediumHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "medium#{}.{}", self.raw.index, self.raw.generation)
    }
}

impl MediumHandle {
    pub(super) fn new(environment: EnvironmentId, raw: RawId) -> Self {
        Self { environment, raw }
    }

    /// The place in the table of an environment, if it is that of the medium.
    pub(super) fn within(self, environment: EnvironmentId) -> Option<RawId> {
        (self.environment == environment).then_some(self.raw)
    }

    /// Index and generation in the table of its environment.
    pub fn raw(self) -> RawId {
        self.raw
    }
}

/// Names a medium of type `M`. In another environment than its own it names nothing.
pub struct MediumId<M> {
    handle: MediumHandle,
    of: PhantomData<fn() -> M>,
}

impl<M> MediumId<M> {
    pub(super) fn new(handle: MediumHandle) -> Self {
        Self { handle, of: PhantomData }
    }

    /// The same name without the type.
    pub fn handle(self) -> MediumHandle {
        self.handle
    }
}

impl<M> Clone for MediumId<M> {
    fn clone(&self) -> Self {
        *self
    }
}
impl<M> Copy for MediumId<M> {}
impl<M> PartialEq for MediumId<M> {
    fn eq(&self, other: &Self) -> bool {
        self.handle == other.handle
    }
}
impl<M> Eq for MediumId<M> {}
impl<M> Hash for MediumId<M> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.handle.hash(state);
    }
}
impl<M> fmt::Debug for MediumId<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.handle.fmt(f)
    }
}
impl<M> From<MediumId<M>> for MediumHandle {
    fn from(id: MediumId<M>) -> Self {
        id.handle
    }
}

//! The ids of an environment and of the objects in it: [`MediumHandle`], [`MediumId`],
//! [`EventKey`], and [`EnvironmentId`], which is part of every other id.

use crate::arena::RawId;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::marker::PhantomData;
use std::sync::atomic::{AtomicU32, Ordering};

/// Distinguishes the environments of a process, so that an id of one is invalid in another. Numbers
/// repeat after 2³² − 1 environments.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub(crate) struct EnvironmentId(u32);

impl EnvironmentId {
    /// The environment of ids that refer to nothing.
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

/// The key by which an owner distinguishes its sockets, timers and triggers. The environment
/// returns it with each event, without interpreting it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug, Default)]
#[expect(clippy::exhaustive_structs, reason = "media write their keys, of these two parts")]
pub struct EventKey {
    /// Kind of the object, as numbered by the owner.
    pub kind: u32,
    /// Id of the object among those of its kind.
    pub id: RawId,
}

/// The untyped id of a medium. It is invalid in any other environment.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct MediumHandle {
    environment: EnvironmentId,
    raw: RawId,
}

impl Default for MediumHandle {
    /// Returns a handle that refers to no medium.
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

    /// The id in the table of an environment, if the medium belongs to it.
    pub(super) fn within(self, environment: EnvironmentId) -> Option<RawId> {
        (self.environment == environment).then_some(self.raw)
    }

    /// Returns index and generation in the table of its environment.
    pub fn raw(self) -> RawId {
        self.raw
    }
}

/// The id of a medium of type `M`. It is invalid in any other environment.
pub struct MediumId<M> {
    handle: MediumHandle,
    of: PhantomData<fn() -> M>,
}

impl<M> MediumId<M> {
    pub(super) fn new(handle: MediumHandle) -> Self {
        Self { handle, of: PhantomData }
    }

    /// Returns the untyped id.
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

//! [`SetTable`]: parameter sets of one kind, as H.264 and H.265 keep them in force by their ids.

use bytes::Bytes;
use std::collections::BTreeMap;

/// Parameter sets larger than this are taken for garbage.
pub(crate) const MAX_PARAMETER_SET: usize = 16 * 1024;

/// The parameter sets of one kind that are in force, and what is read from each.
#[derive(Clone, Debug)]
pub(super) struct SetTable<T>(BTreeMap<u8, (Bytes, T)>);

impl<T> Default for SetTable<T> {
    fn default() -> Self {
        Self(BTreeMap::new())
    }
}

impl<T> SetTable<T> {
    /// Puts a set in force, unless the very same is. Whether that has changed anything.
    pub(super) fn insert(&mut self, id: u8, nal: &[u8], read: T) -> bool {
        if self.0.get(&id).is_some_and(|(known, _)| known == nal) {
            return false;
        }
        self.0.insert(id, (Bytes::copy_from_slice(nal), read));
        true
    }

    pub(super) fn get(&self, id: u8) -> Option<&T> {
        self.0.get(&id).map(|(_, read)| read)
    }

    /// The NAL units, by id.
    pub(super) fn nals(&self) -> impl Iterator<Item = &Bytes> {
        self.0.values().map(|(nal, _)| nal)
    }

    /// What is read from them, by id.
    pub(super) fn values(&self) -> impl Iterator<Item = &T> {
        self.0.values().map(|(_, read)| read)
    }
}

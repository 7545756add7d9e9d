//! [`SetTable`]: parameter sets of one kind, as H.264 and H.265 keep them in force by their ids.

use bytes::Bytes;

/// Parameter sets larger than this are taken for garbage.
pub(crate) const MAX_PARAMETER_SET: usize = 16 * 1024;

/// The parameter sets of one kind that are in force, and what is read from each, by id.
#[derive(Clone, Debug)]
pub(super) struct SetTable<T>(Vec<Set<T>>);

#[derive(Clone, Debug)]
struct Set<T> {
    id: u8,
    nal: Bytes,
    read: T,
}

impl<T> Default for SetTable<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T> SetTable<T> {
    /// The place of the set with this id, there or not.
    fn place(&self, id: u8) -> usize {
        self.0.partition_point(|set| set.id < id)
    }

    /// Puts a set in force, unless the very same is. Whether that has changed anything.
    pub(super) fn insert(&mut self, id: u8, nal: &[u8], read: T) -> bool {
        let at = self.place(id);
        let new = |nal| Set { id, nal: Bytes::copy_from_slice(nal), read };
        match self.0.get_mut(at).filter(|set| set.id == id) {
            Some(known) if known.nal == nal => return false,
            Some(known) => *known = new(nal),
            None => self.0.insert(at, new(nal)),
        }
        true
    }

    pub(super) fn get(&self, id: u8) -> Option<&T> {
        self.0.get(self.place(id)).filter(|set| set.id == id).map(|set| &set.read)
    }

    /// The NAL units, by id.
    pub(super) fn nals(&self) -> impl Iterator<Item = &Bytes> {
        self.0.iter().map(|set| &set.nal)
    }

    /// What is read from them, by id.
    pub(super) fn values(&self) -> impl Iterator<Item = &T> {
        self.0.iter().map(|set| &set.read)
    }
}

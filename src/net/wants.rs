//! [`Wants`]: what the owner of a byte stream wants to do with it.

use crate::env::Interest;

/// The operations that the owner of a stream wants to perform.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Wants {
    /// The owner wants input.
    pub(crate) read: bool,
    /// The owner has something to write.
    pub(crate) write: bool,
}

impl From<Wants> for Interest {
    fn from(wants: Wants) -> Self {
        Self { readable: wants.read, writable: wants.write, ..Self::NONE }
    }
}

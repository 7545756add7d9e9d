//! [`Readiness`] and [`Interest`]: the operations that a descriptor or socket can perform without
//! blocking, and those about which its owner wants to be notified.

use std::ops::{BitAnd, BitOr};

/// The operations that a descriptor or socket can perform without blocking. An error or a hang-up
/// counts as readiness for all requested operations, because the next operation reports it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[non_exhaustive]
pub struct Readiness {
    /// There is data to read, or the end of the input, or an error.
    pub readable: bool,
    /// There is room to write, or an error.
    pub writable: bool,
    /// There is an exceptional condition (`POLLPRI` of poll(2)), or an error. Reported only to
    /// handlers with [`Interest::PRIORITY`].
    pub priority: bool,
}

impl Readiness {
    /// An exceptional condition only.
    pub const PRIORITY: Self = Self { priority: true, ..Self::NONE };

    pub(super) const fn without(self, other: Self) -> Self {
        Self {
            readable: self.readable && !other.readable,
            writable: self.writable && !other.writable,
            priority: self.priority && !other.priority,
        }
    }
}

impl BitAnd<Interest> for Readiness {
    type Output = Self;
    fn bitand(self, interest: Interest) -> Self {
        Self {
            readable: self.readable && interest.readable,
            writable: self.writable && interest.writable,
            priority: self.priority && interest.priority,
        }
    }
}

/// The kinds of readiness about which an owner wants to be notified. Interests can be combined:
///
/// ```
/// use riverrun::env::Interest;
///
/// let interest = Interest::READABLE | Interest::PRIORITY;
/// assert!(interest.readable && interest.priority && !interest.writable);
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[non_exhaustive]
pub struct Interest {
    /// Notify when there is data to read.
    pub readable: bool,
    /// Notify when there is room to write. A socket nearly always has room: request this only while
    /// data waits to be written.
    pub writable: bool,
    /// Notify about exceptional conditions; see [`PRIORITY`](Self::PRIORITY).
    pub priority: bool,
}

impl Interest {
    /// An exceptional condition (`POLLPRI` of poll(2)): an event of a V4L2 device, an edge on a
    /// GPIO line in sysfs, urgent data of a TCP socket. Supported for descriptors of the
    /// application on Linux and Android; otherwise, and for the library's sockets, refused as
    /// `Unsupported`.
    pub const PRIORITY: Self = Self { priority: true, ..Self::NONE };
}

/// The common part of [`Readiness`] and [`Interest`]: a set of kinds of readiness.
macro_rules! set_of_kinds {
    ($set:ident) => {
        impl $set {
            /// The empty set.
            pub const NONE: Self = Self { readable: false, writable: false, priority: false };
            /// Readable only.
            pub const READABLE: Self = Self { readable: true, ..Self::NONE };
            /// Writable only.
            pub const WRITABLE: Self = Self { writable: true, ..Self::NONE };
            /// Readable and writable.
            pub const BOTH: Self = Self { readable: true, writable: true, ..Self::NONE };

            /// Returns whether the set is empty.
            pub const fn is_none(self) -> bool {
                !self.readable && !self.writable && !self.priority
            }
        }

        impl BitOr for $set {
            type Output = Self;
            fn bitor(self, other: Self) -> Self {
                Self {
                    readable: self.readable || other.readable,
                    writable: self.writable || other.writable,
                    priority: self.priority || other.priority,
                }
            }
        }
    };
}
set_of_kinds!(Readiness);
set_of_kinds!(Interest);

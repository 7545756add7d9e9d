//! [`Readiness`] and [`Interest`]: the operations that a descriptor or socket can do without
//! blocking, and those of which its owner wants to be told.

use std::ops::{BitAnd, BitOr};

/// The operations that a descriptor or socket can do without blocking. An error or a hang-up shows
/// as readiness for all that was asked for, because the next operation reports it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[non_exhaustive]
pub struct Readiness {
    /// There is something to read, or the end of the input, or an error.
    pub readable: bool,
    /// There is room to write, or an error.
    pub writable: bool,
    /// There is an exceptional condition (`POLLPRI` of poll(2)), or an error. Only a handler that
    /// asked for [`Interest::PRIORITY`] is told.
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

/// The kinds of readiness that an owner wants to be told of. Interests add up:
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
    /// The owner is told when there is something to read.
    pub readable: bool,
    /// The owner is told when there is room to write. A socket has room nearly always: ask for this
    /// only while something waits to be written.
    pub writable: bool,
    /// The owner is told of exceptional conditions: see [`PRIORITY`](Self::PRIORITY).
    pub priority: bool,
}

impl Interest {
    /// An exceptional condition (`POLLPRI` of poll(2)): an event of a V4L2 device, an edge at a
    /// GPIO line in sysfs, urgent data of a TCP socket. It is for handlers of an application's
    /// descriptors, on Linux and Android; elsewhere, and for the library's sockets, it is refused
    /// as `Unsupported`.
    pub const PRIORITY: Self = Self { priority: true, ..Self::NONE };
}

/// What a set of the kinds of readiness is, whether they are there or wanted.
macro_rules! set_of_kinds {
    ($set:ident) => {
        impl $set {
            /// Nothing.
            pub const NONE: Self = Self { readable: false, writable: false, priority: false };
            /// Readable only.
            pub const READABLE: Self = Self { readable: true, ..Self::NONE };
            /// Writable only.
            pub const WRITABLE: Self = Self { writable: true, ..Self::NONE };
            /// Readable and writable.
            pub const BOTH: Self = Self { readable: true, writable: true, ..Self::NONE };

            /// Whether it is none of the three.
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

//! `Debug` for trait objects.

/// Implements `Debug` for trait objects, by name alone. Their traits do not require `Debug`: the
/// vtables of all implementations would keep the code that prints them and their fields in every
/// program, though none prints them.
macro_rules! debug_by_name {
    ($($object:ty),+) => {$(
        impl std::fmt::Debug for $object {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(stringify!($object))
            }
        }
    )+};
}

pub(crate) use debug_by_name;

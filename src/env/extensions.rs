//! [`Extensions`]: values that higher layers keep in an environment, one of each type.

use std::any::{Any, TypeId};
use std::fmt;

/// Values that the environment keeps for layers that it does not know. There are few of them, and
/// none is looked up for each packet.
#[derive(Default)]
pub(super) struct Extensions(Vec<(TypeId, Box<dyn Any>)>);

impl fmt::Debug for Extensions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Extensions").field(&self.0.len()).finish()
    }
}

impl Extensions {
    /// Returns the value of a type, which the first call creates.
    pub(super) fn entry<T: Any + Default>(&mut self) -> &mut T {
        let of = TypeId::of::<T>();
        let known = self.0.iter().position(|(known, _)| *known == of);
        let index = known.unwrap_or_else(|| {
            self.0.push((of, Box::<T>::default()));
            self.0.len() - 1
        });
        self.0[index].1.downcast_mut().expect("found by its type")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_one_value_a_type() {
        let mut extensions = Extensions::default();
        *extensions.entry::<u32>() = 7;
        extensions.entry::<String>().push('x');
        assert_eq!((*extensions.entry::<u32>(), extensions.0.len()), (7, 2));
        assert_eq!(extensions.entry::<String>(), "x");
    }
}

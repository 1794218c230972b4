//! State that takes a pointer while there is nothing to say.

use std::ops::{Deref, DerefMut};

/// What a value is before anything was written to it: no memory is needed to
/// read it.
pub trait Blank: Default + 'static {
    /// The same as the default.
    const BLANK: &'static Self;
}

/// A value that reads as blank, and is allocated when it is changed. It stays
/// allocated until [`discard`](Self::discard).
#[derive(Debug)]
pub struct OnDemand<T>(Option<Box<T>>);

impl<T> OnDemand<T> {
    /// Blank again, without memory.
    pub fn discard(&mut self) {
        self.0 = None;
    }
}

impl<T> Default for OnDemand<T> {
    fn default() -> Self {
        Self(None)
    }
}

impl<T: Blank> Deref for OnDemand<T> {
    type Target = T;
    fn deref(&self) -> &T {
        self.0.as_deref().unwrap_or(T::BLANK)
    }
}

impl<T: Blank> DerefMut for OnDemand<T> {
    fn deref_mut(&mut self) -> &mut T {
        self.0.get_or_insert_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    impl Blank for u64 {
        const BLANK: &'static Self = &0;
    }

    #[test]
    fn is_allocated_by_the_first_change() {
        let mut value = OnDemand::<u64>::default();
        assert_eq!((*value, value.0.is_none()), (0, true));
        *value += 2;
        assert_eq!((*value, value.0.is_some()), (2, true));
        value.discard();
        assert_eq!((*value, value.0.is_none()), (0, true));
    }
}

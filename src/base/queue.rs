//! A queue that costs a pointer while it is not used.

use std::collections::VecDeque;
use std::collections::vec_deque::{Drain, Iter};
use std::ops::{Bound, Index, IndexMut, RangeFrom};

/// A double-ended queue. Nothing is allocated before the first element comes;
/// what was allocated stays when the last one leaves, so that a busy queue does
/// not allocate again, until [`rest`](Self::rest) gives it back.
#[derive(Debug)]
#[expect(clippy::box_collection, reason = "an idle queue is a pointer, not four words")]
pub struct Queue<T>(Option<Box<VecDeque<T>>>);

impl<T> Queue<T> {
    /// An empty queue.
    pub const fn new() -> Self {
        Self(None)
    }

    /// Gives the memory back if nothing is queued.
    pub fn rest(&mut self) {
        if self.is_empty() {
            self.0 = None;
        }
    }

    /// Drops everything, and gives the memory back.
    pub fn discard(&mut self) {
        self.0 = None;
    }

    /// Drops everything; the memory stays.
    pub fn clear(&mut self) {
        if let Some(queue) = &mut self.0 {
            queue.clear();
        }
    }

    /// How many elements there are.
    pub fn len(&self) -> usize {
        self.0.as_ref().map_or(0, |queue| queue.len())
    }

    /// Whether there is no element.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Appends an element.
    #[inline]
    pub fn push_back(&mut self, element: T) {
        self.0.get_or_insert_default().push_back(element);
    }

    /// Inserts an element before the one at `index`.
    ///
    /// # Panics
    /// If `index` lies beyond the end.
    pub fn insert(&mut self, index: usize, element: T) {
        self.0.get_or_insert_default().insert(index, element);
    }

    /// Takes the first element.
    pub fn pop_front(&mut self) -> Option<T> {
        self.0.as_mut()?.pop_front()
    }

    /// The first element.
    pub fn front(&self) -> Option<&T> {
        self.0.as_ref()?.front()
    }

    /// The first element, to change.
    pub fn front_mut(&mut self) -> Option<&mut T> {
        self.0.as_mut()?.front_mut()
    }

    /// The last element.
    pub fn back(&self) -> Option<&T> {
        self.0.as_ref()?.back()
    }

    /// The element at `index`.
    pub fn get(&self, index: usize) -> Option<&T> {
        self.0.as_ref()?.get(index)
    }

    /// Every element, in order.
    pub fn iter(&self) -> Iter<'_, T> {
        match &self.0 {
            Some(queue) => queue.iter(),
            None => Iter::default(),
        }
    }

    /// The elements from an index on; none if it lies beyond the end.
    pub fn range(&self, from: RangeFrom<usize>) -> Iter<'_, T> {
        match &self.0 {
            Some(queue) => queue.range((Bound::Included(from.start.min(queue.len())), Bound::Unbounded)),
            None => Iter::default(),
        }
    }

    /// How many elements at the front satisfy `is_before`, which all of them
    /// do and none behind (binary search).
    pub fn partition_point(&self, is_before: impl FnMut(&T) -> bool) -> usize {
        self.0.as_ref().map_or(0, |queue| queue.partition_point(is_before))
    }

    /// Takes all elements out, in order.
    pub fn drain(&mut self) -> impl Iterator<Item = T> + '_ {
        self.0.as_mut().map(|queue| queue.drain(..)).into_iter().flat_map(|drain: Drain<'_, T>| drain)
    }
}

impl<T> Default for Queue<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T> Index<usize> for Queue<T> {
    type Output = T;
    fn index(&self, index: usize) -> &T {
        self.get(index).expect("an index below the length")
    }
}

impl<T> IndexMut<usize> for Queue<T> {
    fn index_mut(&mut self, index: usize) -> &mut T {
        self.0.as_mut().and_then(|queue| queue.get_mut(index)).expect("an index below the length")
    }
}

impl<T> Extend<T> for Queue<T> {
    fn extend<I: IntoIterator<Item = T>>(&mut self, elements: I) {
        elements.into_iter().for_each(|element| self.push_back(element));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_stays_until_it_rests_empty() {
        let mut queue = Queue::new();
        assert_eq!(size_of_val(&queue), 8);
        assert!(queue.is_empty() && queue.front().is_none() && queue.range(0..).next().is_none());
        queue.extend([1, 3]);
        queue.insert(1, 2);
        queue.rest();
        assert_eq!(queue.iter().copied().collect::<Vec<_>>(), [1, 2, 3]);
        assert_eq!(queue.range(1..).copied().collect::<Vec<_>>(), [2, 3]);
        assert_eq!((queue.partition_point(|&at| at < 3), queue[1], queue.back()), (2, 2, Some(&3)));
        assert_eq!(queue.pop_front(), Some(1));
        assert_eq!(queue.drain().collect::<Vec<_>>(), [2, 3]);
        assert!(queue.0.is_some(), "kept for the next element");
        queue.rest();
        assert!(queue.0.is_none());
    }
}

//! Slots that are used again, addressed by index and generation.

/// Values in slots. A key is `(index, generation)`; a slot's generation grows
/// each time its value is taken out, so that an old key finds nothing.
///
/// Slots come in chunks that stay where they are: growing copies nothing, and
/// leaves less than a chunk unused.
#[derive(Debug)]
pub struct Slab<T> {
    chunks: Vec<Vec<Slot<T>>>,
    slots: u32,
    free: Vec<u32>,
    limit: usize,
}

/// Slots of a chunk.
const CHUNK: usize = 64;

#[derive(Debug)]
struct Slot<T> {
    generation: u32,
    value: Option<T>,
}

impl<T> Slab<T> {
    /// What a value takes with what is kept of it here.
    #[cfg(test)]
    pub(crate) const SLOT_BYTES: usize = size_of::<Slot<T>>();

    /// An empty slab that holds at most `limit` values.
    pub const fn new(limit: usize) -> Self {
        Self { chunks: Vec::new(), slots: 0, free: Vec::new(), limit }
    }

    /// How many values there are.
    pub fn len(&self) -> usize {
        self.slots as usize - self.free.len()
    }

    /// Whether there is no value.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether another value would be refused.
    pub fn is_full(&self) -> bool {
        self.len() >= self.limit
    }

    /// The key that the next [`insert`](Self::insert) will give, or `None` if
    /// the slab is full.
    pub fn next_key(&self) -> Option<(u32, u32)> {
        if self.is_full() {
            return None;
        }
        Some(match self.free.last() {
            Some(&index) => (index, self.slot(index).map_or(0, |slot| slot.generation)),
            None => (self.slots, 0),
        })
    }

    /// Stores a value; gives it back if the slab is full.
    pub fn insert(&mut self, value: T) -> Result<(u32, u32), T> {
        let Some(key) = self.next_key() else { return Err(value) };
        if self.free.pop().is_some() {
            if let Some(slot) = self.slot_mut(key.0) {
                slot.value = Some(value);
            }
            return Ok(key);
        }
        if self.chunks.last().is_none_or(|last| last.len() == CHUNK) {
            self.chunks.push(Vec::with_capacity(CHUNK));
        }
        if let Some(last) = self.chunks.last_mut() {
            last.push(Slot { generation: 0, value: Some(value) });
            self.slots += 1;
        }
        Ok(key)
    }

    fn slot(&self, index: u32) -> Option<&Slot<T>> {
        self.chunks.get(index as usize / CHUNK)?.get(index as usize % CHUNK)
    }

    fn slot_mut(&mut self, index: u32) -> Option<&mut Slot<T>> {
        self.chunks.get_mut(index as usize / CHUNK)?.get_mut(index as usize % CHUNK)
    }

    /// The value of a key.
    pub fn get(&self, index: u32, generation: u32) -> Option<&T> {
        let slot = self.slot(index)?;
        slot.value.as_ref().filter(|_| slot.generation == generation)
    }

    /// The value of a key, to change.
    pub fn get_mut(&mut self, index: u32, generation: u32) -> Option<&mut T> {
        let slot = self.slot_mut(index)?;
        slot.value.as_mut().filter(|_| slot.generation == generation)
    }

    /// Takes the value of a key out.
    pub fn remove(&mut self, index: u32, generation: u32) -> Option<T> {
        let slot = self.slot_mut(index)?;
        if slot.generation != generation {
            return None;
        }
        let value = slot.value.take()?;
        slot.generation = slot.generation.wrapping_add(1);
        self.free.push(index);
        Some(value)
    }

    /// Every key and value, in slot order.
    pub fn iter(&self) -> impl Iterator<Item = ((u32, u32), &T)> {
        self.chunks
            .iter()
            .flatten()
            .enumerate()
            .filter_map(|(index, slot)| Some(((index as u32, slot.generation), slot.value.as_ref()?)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_old_key_finds_nothing() {
        let mut slab = Slab::new(2);
        let first = slab.insert('a').unwrap();
        let second = slab.insert('b').unwrap();
        assert_eq!(slab.insert('c'), Err('c'));
        assert_eq!(slab.remove(first.0, first.1), Some('a'));
        assert_eq!(slab.remove(first.0, first.1), None);
        let third = slab.insert('d').unwrap();
        assert_eq!(third.0, first.0);
        assert_eq!(slab.get(first.0, first.1), None);
        assert_eq!(slab.get(third.0, third.1), Some(&'d'));
        assert_eq!(slab.get_mut(second.0, second.1), Some(&mut 'b'));
        assert_eq!(slab.len(), 2);
    }
}

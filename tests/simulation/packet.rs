//! Packet memory that knows how much of it is held: a leak shows.

use mpdk::base::{HeapPacket, Packet};
use std::cell::Cell;
use std::rc::Rc;

/// How many packets are held.
#[derive(Clone, Debug, Default)]
pub struct Held(Rc<Cell<usize>>);

impl Held {
    pub fn count(&self) -> usize {
        self.0.get()
    }

    pub fn packet(&self, bytes: &[u8]) -> CountedPacket {
        self.0.set(self.0.get() + 1);
        CountedPacket { bytes: HeapPacket::new(bytes), held: self.clone() }
    }
}

/// A heap packet that is counted while it lives.
#[derive(Debug)]
pub struct CountedPacket {
    bytes: HeapPacket,
    held: Held,
}

impl CountedPacket {
    pub fn as_slice(&self) -> &[u8] {
        self.bytes.as_slice()
    }
}

impl Drop for CountedPacket {
    fn drop(&mut self) {
        self.held.0.set(self.held.0.get() - 1);
    }
}

impl Packet for CountedPacket {
    fn len(&self) -> usize {
        self.bytes.len()
    }

    fn head(&self) -> &[u8] {
        self.bytes.head()
    }

    fn for_each_piece(&self, visit: &mut dyn FnMut(&[u8])) {
        self.bytes.for_each_piece(visit);
    }

    fn share(&self) -> Self {
        self.held.0.set(self.held.0.get() + 1);
        Self { bytes: self.bytes.share(), held: self.held.clone() }
    }

    fn trim_front(&mut self, count: usize) {
        self.bytes.trim_front(count);
    }

    fn truncate(&mut self, len: usize) {
        self.bytes.truncate(len);
    }

    fn append(&mut self, tail: Self) -> Result<(), Self> {
        self.bytes.append(tail.bytes.clone()).map_err(|_| tail)
    }
}

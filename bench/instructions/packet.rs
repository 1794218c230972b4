//! Packet memory that costs what a driver's costs: a window on a buffer with a
//! counter, chained by reference.

use mpdk::base::Packet;
use std::cell::Cell;
use std::ptr::NonNull;

/// A buffer, for ever: giving memory back would be counted, and is the driver's.
/// It describes itself on two cache lines, as an mbuf does.
#[derive(Debug)]
#[repr(C, align(64))]
pub struct Buffer {
    bytes: NonNull<[u8]>,
    references: Cell<u32>,
    /// Where its bytes of a chain begin, and how many they are.
    start: Cell<u32>,
    len: Cell<u32>,
    next: Next,
}

/// The bytes of a buffer, as a NIC knows them.
#[derive(Debug)]
pub struct Room(NonNull<[u8]>);

impl Room {
    /// A frame comes.
    ///
    /// # Safety
    /// Nobody holds the buffer.
    pub unsafe fn fill(&self, frame: &[u8]) {
        // SAFETY: nobody holds the buffer, so nobody looks at its bytes.
        unsafe { (&mut *self.0.as_ptr())[..frame.len()].copy_from_slice(frame) };
    }
}

/// The next buffer of a chain, on the second line.
#[derive(Debug)]
#[repr(align(64))]
struct Next(Cell<Option<&'static Buffer>>);

/// A window on a packet in a chain of buffers, of which every one is counted.
#[derive(Debug)]
pub struct Frame {
    chain: &'static Buffer,
    /// The buffer in which the window begins, where, and with how many bytes:
    /// 0 only if the window is empty.
    segment: &'static Buffer,
    start: u32,
    head_len: u32,
    /// Bytes of the window.
    len: u32,
    /// The chain's last buffer, if it was built by appending.
    last: Option<&'static Buffer>,
}

impl Buffer {
    /// A buffer with these bytes, which nobody holds.
    pub fn new(bytes: Box<[u8]>) -> &'static Self {
        let bytes = NonNull::from(Box::leak(bytes));
        let (start, len) = (Cell::new(0), Cell::new(bytes.len() as u32));
        Box::leak(Box::new(Self { bytes, references: Cell::new(1), start, len, next: Next(Cell::new(None)) }))
    }

    /// Where a NIC may write.
    pub const fn room(&self) -> Room {
        Room(self.bytes)
    }

    fn bytes(&'static self) -> &'static [u8] {
        // SAFETY: the bytes are there for ever, and change only while nobody holds
        // the buffer.
        unsafe { self.bytes.as_ref() }
    }

    fn each(&'static self) -> impl Iterator<Item = &'static Self> {
        std::iter::successors(Some(self), |buffer| buffer.next.0.get())
    }

    fn is_exclusive(&self) -> bool {
        self.references.get() == 1
    }
}

impl Frame {
    /// A packet with these bytes.
    pub fn new(bytes: Vec<u8>) -> Self {
        let len = bytes.len();
        Self::received(Buffer::new(bytes.into()), len)
    }

    /// The packet that a NIC left at the beginning of a buffer.
    pub fn received(buffer: &'static Buffer, len: usize) -> Self {
        let len = len as u32;
        buffer.start.set(0);
        buffer.len.set(len);
        Self { chain: buffer, segment: buffer, start: 0, head_len: len, len, last: None }
    }

    /// Whether nobody else holds any of its buffers.
    pub fn is_exclusive(&self) -> bool {
        self.chain.each().all(Buffer::is_exclusive)
    }

    /// Gives every buffer of a packet that nobody else holds to `take`, alone and
    /// with the one reference that it is taken out with, as DPDK keeps them.
    pub fn free(self, mut take: impl FnMut(&'static Buffer)) {
        let mut next = Some(self.chain);
        std::mem::forget(self);
        while let Some(buffer) = next {
            next = buffer.next.0.get();
            if next.is_some() {
                buffer.next.0.set(None);
            }
            take(buffer);
        }
    }

    /// Moves the window's beginning off buffers in which it has no bytes.
    fn skip_empty_segments(&mut self) {
        while self.head_len == 0 && self.len > 0 {
            let next = self.segment.next.0.get().expect("a chain as long as it says");
            self.segment = next;
            self.start = next.start.get();
            self.head_len = next.len.get().min(self.len);
        }
    }

    fn trim_segments(&mut self, count: u32) {
        let mut left = count;
        while left > 0 && self.len > 0 {
            let step = left.min(self.head_len);
            self.start += step;
            self.head_len -= step;
            self.len -= step;
            left -= step;
            self.skip_empty_segments();
        }
    }
}

impl Packet for Frame {
    fn len(&self) -> usize {
        self.len as usize
    }

    fn head(&self) -> &[u8] {
        &self.segment.bytes()[self.start as usize..][..self.head_len as usize]
    }

    fn for_each_piece(&self, visit: &mut dyn FnMut(&[u8])) {
        if self.len == 0 {
            return;
        }
        visit(self.head());
        let mut left = self.len - self.head_len;
        for buffer in self.segment.each().skip(1) {
            let take = buffer.len.get().min(left);
            if take > 0 {
                visit(&buffer.bytes()[buffer.start.get() as usize..][..take as usize]);
            }
            left -= take;
            if left == 0 {
                return;
            }
        }
    }

    fn share(&self) -> Self {
        self.chain.each().for_each(|buffer| buffer.references.update(|count| count + 1));
        Self { ..*self }
    }

    fn trim_front(&mut self, count: usize) {
        assert!(count <= self.len(), "trim {count} of {} bytes", self.len());
        let count = count as u32;
        if count < self.head_len {
            self.start += count;
            self.head_len -= count;
            self.len -= count;
        } else {
            self.trim_segments(count);
        }
    }

    fn truncate(&mut self, len: usize) {
        self.len = self.len.min(u32::try_from(len).unwrap_or(u32::MAX));
        self.last = None;
        self.head_len = self.head_len.min(self.len);
    }

    fn append(&mut self, tail: Self) -> Result<(), Self> {
        let whole =
            std::ptr::eq(self.segment, self.chain) && (self.last.is_some() || self.head_len == self.len);
        let single = std::ptr::eq(tail.segment, tail.chain) && tail.head_len == tail.len;
        if !whole || !single || tail.len == 0 || self.len == 0 {
            return Err(tail);
        }
        let last = self.last.unwrap_or(self.chain);
        if !self.chain.is_exclusive() || !last.is_exclusive() || !tail.chain.is_exclusive() {
            return Err(tail);
        }
        self.chain.start.set(self.start);
        self.chain.len.set(self.head_len);
        tail.chain.start.set(tail.start);
        tail.chain.len.set(tail.len);
        last.next.0.set(Some(tail.chain));
        self.last = Some(tail.chain);
        self.len += tail.len;
        // Its reference went over.
        std::mem::forget(tail);
        Ok(())
    }
}

impl Drop for Frame {
    fn drop(&mut self) {
        self.chain.each().for_each(|buffer| buffer.references.update(|count| count - 1));
    }
}

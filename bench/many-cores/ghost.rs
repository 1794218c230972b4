//! Frames of which only the headers are there.

use mpdk::base::Packet;
use std::rc::Rc;

/// Payload, whatever it was.
static NOTHING: [u8; 65_536] = [0; 65_536];

/// A frame's header bytes, and how many bytes of payload followed.
#[derive(Clone, Debug)]
pub struct Ghost {
    header: Rc<[u8]>,
    /// Where the window begins in the header; its length once that is passed.
    start: usize,
    payload_bytes: usize,
}

impl Ghost {
    pub fn new(header: &[u8], payload_bytes: usize) -> Self {
        Self { header: Rc::from(header), start: 0, payload_bytes }
    }

    fn rest(&self) -> &[u8] {
        &self.header[self.start..]
    }
}

impl Packet for Ghost {
    fn len(&self) -> usize {
        self.rest().len() + self.payload_bytes
    }

    fn head(&self) -> &[u8] {
        if self.rest().is_empty() { &NOTHING[..self.payload_bytes.min(NOTHING.len())] } else { self.rest() }
    }

    fn for_each_piece(&self, visit: &mut dyn FnMut(&[u8])) {
        if !self.rest().is_empty() {
            visit(self.rest());
        }
        let mut left = self.payload_bytes;
        while left > 0 {
            let bytes = left.min(NOTHING.len());
            visit(&NOTHING[..bytes]);
            left -= bytes;
        }
    }

    fn share(&self) -> Self {
        self.clone()
    }

    fn trim_front(&mut self, count: usize) {
        let of_header = count.min(self.rest().len());
        self.start += of_header;
        self.payload_bytes -= count - of_header;
    }

    fn truncate(&mut self, len: usize) {
        assert!(len >= self.rest().len(), "no header is cut");
        self.payload_bytes = self.payload_bytes.min(len - self.rest().len());
    }

    fn append(&mut self, tail: Self) -> Result<(), Self> {
        if !self.rest().is_empty() || !tail.rest().is_empty() {
            return Err(tail);
        }
        self.payload_bytes += tail.payload_bytes;
        Ok(())
    }
}

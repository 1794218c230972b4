//! Payload from the first push to its acknowledgement, by reference.

use crate::base::{Packet, Queue};

/// Pieces of one segment at most: more than a 64-KB segment of 2-KB buffers
/// needs, and fewer than what ports take in one chain.
pub(super) const MAX_PIECES: usize = 40;

#[derive(Debug)]
struct Chunk<P, T> {
    start: u64,
    payload: P,
    tag: T,
}

impl<P: Packet, T> Chunk<P, T> {
    fn end(&self) -> u64 {
        self.start + self.payload.len() as u64
    }
}

/// Chunks without gaps between them. What an offset costs to find grows with
/// the logarithm of the length.
#[derive(Debug)]
pub(super) struct SendQueue<P, T> {
    chunks: Queue<Chunk<P, T>>,
    end: u64,
}

impl<P: Packet, T: Copy + PartialEq> SendQueue<P, T> {
    /// An empty queue: the first byte gets offset 1, behind the SYN.
    pub(super) const fn new() -> Self {
        Self { chunks: Queue::new(), end: 1 }
    }

    /// Offset that the next pushed byte gets.
    pub(super) const fn end(&self) -> u64 {
        self.end
    }

    pub(super) fn push(&mut self, payload: P, tag: T) {
        if payload.is_empty() {
            return;
        }
        let start = self.end;
        self.end += payload.len() as u64;
        self.chunks.push_back(Chunk { start, payload, tag });
    }

    /// Drops the references to chunks that end at or below `acknowledged`.
    pub(super) fn release(&mut self, acknowledged: u64) {
        while self.chunks.front().is_some_and(|chunk| chunk.end() <= acknowledged) {
            self.chunks.pop_front();
        }
    }

    /// Drops everything; the offsets stay.
    pub(super) fn clear(&mut self) {
        self.chunks.discard();
    }

    /// Nothing is sent for a while: no memory is kept for it.
    pub(super) fn rest(&mut self) {
        self.chunks.rest();
    }

    #[cfg(test)]
    pub(super) fn is_empty(&self) -> bool {
        self.chunks.is_empty()
    }

    /// The bytes from `offset` on.
    pub(super) fn from(&self, offset: u64) -> Option<Run<'_, P, T>> {
        if offset >= self.end {
            return None;
        }
        // What is sent next, or again, mostly lies at one of the ends.
        let first = self.chunks.front()?;
        if offset < first.end() {
            return (first.start <= offset).then_some(Run { queue: self, offset, index: 0, first });
        }
        let last = self.chunks.len() - 1;
        let index = match self.chunks.get(last)? {
            chunk if chunk.start <= offset => last,
            _ => self.chunks.partition_point(|chunk| chunk.end() <= offset),
        };
        Some(Run { queue: self, offset, index, first: self.chunks.get(index)? })
    }
}

/// Bytes of the queue from an offset on.
#[derive(Debug)]
pub(super) struct Run<'a, P, T> {
    queue: &'a SendQueue<P, T>,
    offset: u64,
    /// The chunk that the offset lies in.
    index: usize,
    first: &'a Chunk<P, T>,
}

impl<P: Packet, T: Copy + PartialEq> Run<'_, P, T> {
    /// The tag of the first byte.
    pub(super) const fn tag(&self) -> T {
        self.first.tag
    }

    /// Bytes that one segment may carry: of one tag, in at most [`MAX_PIECES`]
    /// pieces, `limit` at most.
    pub(super) fn bytes(&self, limit: usize) -> usize {
        let mut end = self.first.end();
        let last = self.index + MAX_PIECES - 1;
        let mut at = self.index;
        while end - self.offset < limit as u64 && at < last {
            at += 1;
            match self.queue.chunks.get(at) {
                Some(chunk) if chunk.tag == self.first.tag => end = chunk.end(),
                _ => break,
            }
        }
        limit.min((end - self.offset) as usize)
    }

    /// Appends `bytes`, of which there are that many, to `pieces`.
    pub(super) fn gather(&self, bytes: usize, pieces: &mut Vec<P>) {
        let (mut index, mut chunk) = (self.index, self.first);
        let mut at = self.offset;
        let end = at + bytes as u64;
        while at < end {
            let take = chunk.end().min(end) - at;
            pieces.push(chunk.payload.slice((at - chunk.start) as usize, take as usize));
            at += take;
            index += 1;
            match self.queue.chunks.get(index) {
                Some(next) if at < end => chunk = next,
                _ => return,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::HeapPacket;

    fn queue() -> SendQueue<HeapPacket, char> {
        let mut queue = SendQueue::new();
        for (bytes, tag) in [("abc", 'x'), ("", 'x'), ("defg", 'x'), ("hi", 'y')] {
            queue.push(HeapPacket::new(bytes.as_bytes()), tag);
        }
        queue
    }

    fn bytes(queue: &SendQueue<HeapPacket, char>, offset: u64, len: usize) -> String {
        let mut pieces = Vec::new();
        queue.from(offset).unwrap().gather(len, &mut pieces);
        pieces.iter().map(|piece| str::from_utf8(piece.as_slice()).unwrap()).collect()
    }

    fn tag_at(queue: &SendQueue<HeapPacket, char>, offset: u64) -> Option<char> {
        queue.from(offset).map(|run| run.tag())
    }

    #[test]
    fn a_segment_spans_pieces_of_one_tag() {
        let queue = queue();
        assert_eq!(queue.end(), 10);
        let run = |offset, limit| queue.from(offset).map_or(0, |run| run.bytes(limit));
        assert_eq!((run(1, 100), run(1, 5), run(3, 100)), (7, 5, 5));
        assert_eq!((run(8, 100), run(10, 100), run(0, 100)), (2, 0, 0));
        assert_eq!(bytes(&queue, 2, 5), "bcdef");
        assert_eq!((tag_at(&queue, 7), tag_at(&queue, 8)), (Some('x'), Some('y')));
    }

    #[test]
    fn acknowledged_chunks_are_dropped() {
        let mut queue = queue();
        queue.release(6);
        assert_eq!((tag_at(&queue, 3), tag_at(&queue, 6)), (None, Some('x')));
        assert_eq!(bytes(&queue, 6, 2), "fg");
        queue.release(10);
        assert!(queue.is_empty());
        assert_eq!(queue.end(), 10);
    }

    #[test]
    fn many_small_pieces_make_several_segments() {
        let mut queue = SendQueue::new();
        for _ in 0..100 {
            queue.push(HeapPacket::new(b"z"), 'x');
        }
        assert_eq!(queue.from(1).unwrap().bytes(1000), MAX_PIECES);
    }
}

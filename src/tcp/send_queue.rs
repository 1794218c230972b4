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

    pub(super) fn tag_at(&self, offset: u64) -> Option<T> {
        self.position(offset).map(|(_, chunk)| chunk.tag)
    }

    /// Bytes from `offset` on that one segment may carry: of one tag, in at
    /// most [`MAX_PIECES`] pieces, `limit` at most.
    pub(super) fn run(&self, offset: u64, limit: usize) -> usize {
        let Some((index, first)) = self.position(offset) else { return 0 };
        let mut end = first.end();
        let last = index + MAX_PIECES - 1;
        let mut at = index;
        while end - offset < limit as u64 && at < last {
            at += 1;
            match self.chunks.get(at) {
                Some(chunk) if chunk.tag == first.tag => end = chunk.end(),
                _ => break,
            }
        }
        limit.min((end - offset) as usize)
    }

    /// Appends `bytes` from `offset` on, which `run` allowed, to `pieces`.
    pub(super) fn gather(&self, offset: u64, bytes: usize, pieces: &mut Vec<P>) {
        let Some((mut index, mut chunk)) = self.position(offset) else { return };
        let mut at = offset;
        let end = offset + bytes as u64;
        while at < end {
            let take = chunk.end().min(end) - at;
            pieces.push(chunk.payload.slice((at - chunk.start) as usize, take as usize));
            at += take;
            index += 1;
            match self.chunks.get(index) {
                Some(next) if at < end => chunk = next,
                _ => return,
            }
        }
    }

    /// The chunk with this offset, and which it is.
    fn position(&self, offset: u64) -> Option<(usize, &Chunk<P, T>)> {
        if offset >= self.end {
            return None;
        }
        // What is sent next, or again, mostly lies at one of the ends.
        let first = self.chunks.front()?;
        if offset < first.end() {
            return (first.start <= offset).then_some((0, first));
        }
        let last = self.chunks.len() - 1;
        let index = match self.chunks.get(last)? {
            chunk if chunk.start <= offset => return Some((last, chunk)),
            _ => self.chunks.partition_point(|chunk| chunk.end() <= offset),
        };
        Some((index, self.chunks.get(index)?))
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
        queue.gather(offset, len, &mut pieces);
        pieces.iter().map(|piece| str::from_utf8(piece.as_slice()).unwrap()).collect()
    }

    #[test]
    fn a_segment_spans_pieces_of_one_tag() {
        let queue = queue();
        assert_eq!(queue.end(), 10);
        assert_eq!((queue.run(1, 100), queue.run(1, 5), queue.run(3, 100)), (7, 5, 5));
        assert_eq!((queue.run(8, 100), queue.run(10, 100), queue.run(0, 100)), (2, 0, 0));
        assert_eq!(bytes(&queue, 2, 5), "bcdef");
        assert_eq!((queue.tag_at(7), queue.tag_at(8)), (Some('x'), Some('y')));
    }

    #[test]
    fn acknowledged_chunks_are_dropped() {
        let mut queue = queue();
        queue.release(6);
        assert_eq!((queue.tag_at(3), queue.tag_at(6)), (None, Some('x')));
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
        assert_eq!(queue.run(1, 1000), MAX_PIECES);
    }
}

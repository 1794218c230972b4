//! The sender's bookkeeping.

use super::*;
use crate::base::HeapPacket;
use proptest::prelude::*;

fn sender(chunks: &[&[u8]]) -> Sender<HeapPacket> {
    let mut sender = Sender::new(DataSeqNumber(u64::MAX - 10));
    for chunk in chunks {
        sender.write(HeapPacket::new(chunk));
    }
    sender
}

fn slice(sender: &Sender<HeapPacket>, start: u64, end: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    sender.for_each_slice(start, end, |piece| bytes.extend_from_slice(piece.as_slice()));
    bytes
}

proptest! {
    #[test]
    fn any_range_is_what_was_written(
        chunks in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..20), 1..20),
        cut in any::<(u16, u16, u16)>(),
    ) {
        let stream: Vec<u8> = chunks.concat();
        let mut sender = Sender::new(DataSeqNumber(7));
        for chunk in &chunks {
            sender.write(HeapPacket::new(chunk));
        }
        let at = |part: u16| usize::from(part) * stream.len() / usize::from(u16::MAX);
        let mut cuts = [at(cut.0), at(cut.1), at(cut.2)];
        cuts.sort_unstable();
        sender.mapped(0, stream.len() as u64);
        sender.release(cuts[0] as u64);
        prop_assert_eq!(slice(&sender, cuts[1] as u64, cuts[2] as u64), &stream[cuts[1]..cuts[2]]);
        prop_assert_eq!(sender.buffered() as usize, stream.len() - cuts[0]);
    }
}

#[test]
fn acknowledgements_free_and_are_checked() {
    let mut sender = sender(&[b"0123", b"4567"]);
    sender.mapped(0, 6);
    assert_eq!(sender.acknowledge(sender.sequence_of(7)), None, "never sent");
    assert_eq!(sender.acknowledge(sender.sequence_of(4)), Some(true));
    assert_eq!(sender.acknowledge(sender.sequence_of(2)), Some(false));
    assert_eq!(sender.acknowledge(sender.sequence_of(0) - 1), Some(false), "nothing received yet");
    assert_eq!(sender.chunks.len(), 1);
    assert_eq!(sender.buffered(), 4);
    assert_eq!(sender.acknowledge(sender.sequence_of(6)), Some(true));
    assert!(!sender.is_outstanding());
}

#[test]
fn the_data_fin_is_acknowledged_after_the_data() {
    let mut sender = sender(&[b"0123"]);
    sender.mapped(0, 4);
    sender.fin = DataFin::Sent;
    assert_eq!(sender.acknowledge(sender.sequence_of(4)), Some(true));
    assert_eq!(sender.fin, DataFin::Sent);
    assert_eq!(sender.acknowledge(sender.fin_sequence() + 1), Some(true));
    assert_eq!(sender.fin, DataFin::Acknowledged);
    assert_eq!(sender.buffered(), 0);
}

#[test]
fn the_window_edge_only_grows_and_believes_no_stranger() {
    let mut sender = sender(&[&[0; 100]]);
    sender.set_window(sender.sequence_of(0), 50);
    assert_eq!(sender.unmapped(true), (0, 50));
    sender.set_window(sender.sequence_of(0), 20);
    assert_eq!(sender.unmapped(true), (0, 50));
    sender.set_window(sender.sequence_of(5_000), 50);
    assert_eq!(sender.unmapped(true), (0, 50));
    assert_eq!(sender.unmapped(false), (0, 100));
}

#[test]
fn reinjection_covers_what_is_mapped_and_missing() {
    let mut sender = sender(&[&[0; 100]]);
    sender.mapped(0, 60);
    sender.release(10);
    assert!(sender.is_contiguous());
    assert_eq!(sender.reinject(0, 100), 50);
    assert!(!sender.is_contiguous());
    assert_eq!(sender.reinjection_after(0), Some((10, 60)));
    sender.mapped(20, 30);
    assert_eq!(sender.reinjection_after(15), Some((15, 20)));
    assert_eq!(sender.reinjection_after(20), Some((30, 60)));
    sender.release(60);
    assert_eq!(sender.reinjection_after(0), None);
    assert!(sender.is_contiguous());
}

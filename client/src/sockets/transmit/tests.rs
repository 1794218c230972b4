use super::*;
use proptest::prelude::*;
use std::collections::HashMap;

const ONE: ConnectionHandle = ConnectionHandle(1);
const TWO: ConnectionHandle = ConnectionHandle(2);

#[test]
fn small_pieces_share_a_block_until_all_are_done() {
    let mut blocks = TransmitBlocks::new(4, 2048);
    let mut share = TransmitShare::default();
    let first = blocks.reserve(ONE, &mut share).unwrap();
    assert_eq!((first.offset, first.room), (0, 2048));
    let first = blocks.sent(&mut share, &first, 10);
    let second = blocks.reserve(ONE, &mut share).unwrap();
    assert_eq!((second.block, second.offset, second.room), (first.block, 64, 1984));
    // The engine has finished with the first piece and has not seen the second.
    assert_eq!(blocks.done(first.block, 10, |_| None), Ok(None));
    let second = blocks.sent(&mut share, &second, 5);
    assert_eq!(blocks.done(first.block, 10, |_| None), Ok(None));
    assert_eq!(blocks.free(), 3);
    assert_eq!(blocks.done(second.block, 69, |_| Some(&mut share)), Ok(Some(ONE)));
    assert_eq!(blocks.free(), 4);
    assert_eq!(share.held, 0);
    assert_eq!(blocks.reserve(ONE, &mut share).unwrap().offset, 0, "the next piece starts a block");
}

#[test]
fn a_full_block_is_not_offered_again() {
    let mut blocks = TransmitBlocks::new(4, 2048);
    let mut share = TransmitShare::default();
    let reserved = blocks.reserve(ONE, &mut share).unwrap();
    let sent = blocks.sent(&mut share, &reserved, 2000);
    let next = blocks.reserve(ONE, &mut share).unwrap();
    assert_ne!(next.block, sent.block, "less than the alignment is left");
}

#[test]
fn one_connection_leaves_room_for_another() {
    let mut blocks = TransmitBlocks::new(100, 2048);
    let (mut one, mut two) = (TransmitShare::default(), TransmitShare::default());
    let fill = |blocks: &mut TransmitBlocks, connection, share: &mut TransmitShare| loop {
        match blocks.reserve(connection, share) {
            Ok(reserved) => drop(blocks.sent(share, &reserved, 2048)),
            Err(why) => return why,
        }
    };
    assert_eq!(fill(&mut blocks, ONE, &mut one), NoRoom::Share);
    assert_eq!(one.held, 80);
    assert_eq!(fill(&mut blocks, TWO, &mut two), NoRoom::Share);
    assert_eq!(two.held, 16);
}

#[test]
fn whoever_holds_nothing_waits_for_any_block() {
    let mut blocks = TransmitBlocks::new(4, 2048);
    let mut shares: Vec<_> = (0..5).map(|_| TransmitShare::default()).collect();
    for (index, share) in shares.iter_mut().enumerate() {
        let reserved = blocks.reserve(ConnectionHandle(index as u64), share);
        assert_eq!(reserved.err(), (index == 4).then_some(NoRoom::Empty));
    }
}

#[test]
fn blocks_that_are_not_out_are_unknown() {
    let mut blocks = TransmitBlocks::new(4, 2048);
    assert_eq!(blocks.done(4, 0, |_| None), Err(UnknownBlock(4)));
    assert_eq!(blocks.done(3, 0, |_| None), Err(UnknownBlock(3)));
}

proptest! {
    /// With an engine that finishes in any order no block is lost or given
    /// twice, and no piece lies over another that is still in use.
    #[test]
    fn blocks_are_conserved(steps in prop::collection::vec((0_u64..3, 1_u32..3000, any::<prop::sample::Index>()), 0..400)) {
        let mut blocks = TransmitBlocks::new(6, 2048);
        let mut shares: HashMap<ConnectionHandle, TransmitShare> = HashMap::new();
        // Per block: pieces in use, and the end of the last.
        let mut engine: HashMap<u32, (Vec<BlockRange>, u32)> = HashMap::new();
        for (connection, len, choice) in steps {
            let connection = ConnectionHandle(connection);
            if let Ok(reserved) = blocks.reserve(connection, shares.entry(connection).or_default()) {
                let share = shares.get_mut(&connection).unwrap();
                let range = blocks.sent(share, &reserved, len.min(reserved.room));
                prop_assert!(range.offset + range.len <= 2048);
                let (pieces, end) = engine.entry(range.block).or_default();
                prop_assert!(pieces.is_empty() || range.offset >= *end);
                pieces.push(range);
                *end = range.offset + range.len;
            } else {
                let busy: Vec<u32> = engine.iter().filter(|(_, (pieces, _))| !pieces.is_empty()).map(|(&block, _)| block).collect();
                let block = *choice.get(&busy);
                let (pieces, end) = engine.get_mut(&block).unwrap();
                pieces.remove(0);
                if pieces.is_empty() {
                    let owner = blocks.done(block, *end, |owner| shares.get_mut(&owner)).unwrap();
                    prop_assert!(owner.is_some());
                }
            }
            let held: u32 = shares.values().map(|share| share.held).sum();
            prop_assert_eq!(held as usize + blocks.free(), 6);
        }
    }
}

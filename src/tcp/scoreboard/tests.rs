use super::*;
use proptest::prelude::*;

impl Scoreboard {
    /// What holds at any time.
    pub(in crate::tcp) fn check(&self) {
        let sum = |wanted: &[Fate]| -> u64 {
            self.records.iter().filter(|record| wanted.contains(&record.fate)).map(Sent::bytes).sum()
        };
        assert_eq!(self.flight_bytes, sum(&[Fate::InFlight, Fate::Resent]));
        assert_eq!(self.lost_bytes, sum(&[Fate::Lost]));
        assert_eq!(self.sacked.total(), sum(&[Fate::Sacked]));
        assert!(
            self.records.iter().zip(self.records.iter().skip(1)).all(|(left, right)| left.end == right.start)
        );
        assert!(self.records.iter().all(|record| record.start < record.end));
        let first_lost = self.records.iter().find(|record| record.fate == Fate::Lost);
        assert!(first_lost.is_none_or(|record| record.start >= self.lost_from));
    }
}

const SEGMENT: u64 = 10;
const NOW: Instant = Instant::ZERO;

fn board(segments: u64) -> Scoreboard {
    let mut board = Scoreboard::default();
    for at in 0..segments {
        board.sent(1 + at * SEGMENT, 1 + (at + 1) * SEGMENT, SEGMENT as usize, NOW);
    }
    board
}

#[test]
fn three_ranges_above_make_a_loss() {
    let mut board = board(10);
    board.sack(11, 21);
    board.sack(31, 41);
    board.judge(SEGMENT as usize);
    assert_eq!(board.next_lost(), None);
    board.sack(51, 61);
    board.judge(SEGMENT as usize);
    assert_eq!((board.next_lost(), board.lost_bytes()), (Some((1, 11)), 10));
}

#[test]
fn more_than_two_segments_above_make_a_loss() {
    let mut board = board(10);
    board.sack(51, 71);
    board.judge(SEGMENT as usize);
    assert_eq!(board.lost_bytes(), 0);
    board.sack(71, 81);
    board.judge(SEGMENT as usize);
    assert_eq!((board.lost_bytes(), board.flight_bytes()), (50, 20));
}

#[test]
fn a_sent_time_measures_only_what_left_once() {
    let mut board = board(3);
    board.lose_all();
    board.resent(1, 11, 10, NOW);
    assert_eq!(board.acknowledge(11), Released { delivered_bytes: 10, sent_at: None });
    assert_eq!(board.acknowledge(26), Released { delivered_bytes: 15, sent_at: Some(NOW) });
    assert_eq!(board.acknowledge(31), Released { delivered_bytes: 5, sent_at: Some(NOW) });
    board.check();
}

#[test]
fn sacked_bytes_are_delivered_once() {
    let mut board = board(3);
    assert_eq!((board.sack(11, 21), board.sack(11, 31), board.sack(11, 31)), (10, 10, 0));
    assert_eq!(board.acknowledge(31).delivered_bytes, 10);
}

#[test]
fn reneging_shows_at_the_front() {
    let mut board = board(3);
    board.sack(11, 21);
    assert!(!board.is_reneged());
    board.acknowledge(11);
    assert!(board.is_reneged());
    board.forget_sacks();
    assert_eq!((board.next_lost(), board.is_reneged()), (Some((11, 21)), false));
}

#[test]
fn odd_blocks_do_not_make_small_records() {
    let mut board = Scoreboard::default();
    board.sent(1, 1_001, 10, NOW);
    for at in 0..1_000 {
        board.sack(1 + at, 2 + at);
    }
    assert_eq!((board.records.len(), board.sack(995, 1_001)), (1, 0));
    // Inside a record only whole segments count.
    assert_eq!(board.sack(15, 55), 30);
    assert_eq!(board.records.len(), 3);
    board.check();
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Model {
    Flying,
    Sacked,
    Lost,
}

/// The scoreboard per segment, by the letter of RFC 6675.
fn is_lost(model: &[Model], at: usize) -> bool {
    let above = &model[at + 1..];
    let bytes = above.iter().filter(|&&fate| fate == Model::Sacked).count() as u64 * SEGMENT;
    let starts =
        |index: usize| above[index] == Model::Sacked && (index == 0 || above[index - 1] != Model::Sacked);
    let ranges = (0..above.len()).filter(|&index| starts(index)).count();
    ranges >= 3 || bytes > 2 * SEGMENT
}

proptest! {
    #[test]
    fn agrees_with_a_segment_array(
        steps in prop::collection::vec((0u8..6, 0usize..24, 1usize..6), 1..60)
    ) {
        let mut board = board(24);
        let mut model = [Model::Flying; 24];
        let mut acknowledged = 0;
        for (kind, at, len) in steps {
            let range = at.max(acknowledged + 1).min(24)..(at + len).clamp(acknowledged + 1, 24);
            let offset = |segment: usize| 1 + segment as u64 * SEGMENT;
            match kind {
                0..=2 if range.start < range.end => {
                    let news = model[range.clone()].iter().filter(|&&fate| fate != Model::Sacked).count() as u64 * SEGMENT;
                    prop_assert_eq!(board.sack(offset(range.start), offset(range.end)), news);
                    model[range].fill(Model::Sacked);
                }
                3 => {
                    board.judge(SEGMENT as usize);
                    for segment in acknowledged..24 {
                        if model[segment] == Model::Flying && is_lost(&model, segment) {
                            model[segment] = Model::Lost;
                        }
                    }
                }
                4 => {
                    acknowledged = acknowledged.max(at);
                    board.acknowledge(offset(acknowledged));
                    model[..acknowledged].fill(Model::Flying);
                }
                5 => {
                    let first = (acknowledged..24).find(|&segment| model[segment] == Model::Lost);
                    let expected = first.map(|segment| (offset(segment), offset(segment + 1)));
                    prop_assert_eq!(board.next_lost(), expected);
                    // What is resent flies, and a model does not lose it again: no more steps on it.
                    if let Some((start, end)) = expected {
                        board.resent(start, end, SEGMENT as usize, NOW);
                        board.sack(start, end);
                        model[first.unwrap()] = Model::Sacked;
                    }
                }
                _ => {}
            }
            board.check();
            let bytes = |wanted| model[acknowledged..].iter().filter(|&&fate| fate == wanted).count() as u64 * SEGMENT;
            prop_assert_eq!(board.flight_bytes(), bytes(Model::Flying));
            prop_assert_eq!(board.lost_bytes(), bytes(Model::Lost));
        }
    }
}

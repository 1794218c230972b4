use super::*;
use crate::base::{HeapPacket, Random, TransmitOffload};
use crate::endpoint::output::HeaderBytes;

type Table = NeighbourTable<HeapPacket>;

const MAC: MacAddress = MacAddress([2, 0, 0, 0, 0, 9]);
const OTHER: MacAddress = MacAddress([2, 0, 0, 0, 0, 10]);

fn table(limit: usize) -> Table {
    Table::new(limit, 2, 3, KeyedHash::new(&mut Random::from_number(1)))
}

fn at(ms: u64) -> Instant {
    Instant::ZERO + Duration::from_millis(ms)
}

fn host(last: u8) -> IpAddr {
    IpAddr::from([10, 0, 0, last])
}

fn look(table: &mut Table, ms: u64, last: u8) -> Lookup {
    table.lookup(at(ms), &mut None, host(last), host(1))
}

fn frame(tag: u8) -> QueuedFrame<HeapPacket> {
    let header = HeaderBytes::from_iter([tag; 14]);
    QueuedFrame { header, payload: Vec::new(), offload: TransmitOffload::default(), segment: None }
}

fn learn(table: &mut Table, ms: u64, last: u8, mac: MacAddress, evidence: Evidence) -> Vec<u8> {
    let mut ready = Vec::new();
    table.learn(at(ms), host(last), mac, evidence, &mut ready);
    ready.iter().map(|frame| frame.header[13]).collect()
}

const ANSWER: Evidence = Evidence::Answer { overrides: true };

#[test]
fn frames_wait_for_the_answer_and_leave_in_order() {
    let mut table = table(10);
    let Lookup::Wait(key) = look(&mut table, 0, 2) else { panic!("not asked") };
    let asked = Solicitation { address: host(2), source: host(1), unicast: None };
    assert_eq!(table.take_solicitation(), Some(asked));
    assert!(table.park(key, frame(1)).is_none());
    assert!(table.park(key, frame(2)).is_none());
    // The third pushes out the first.
    assert_eq!(table.park(key, frame(3)).unwrap().header[13], 1);
    assert_eq!(look(&mut table, 1, 2), Lookup::Wait(key));
    assert_eq!(table.take_solicitation(), None, "asked once");
    assert_eq!(learn(&mut table, 2, 2, MAC, ANSWER), [2, 3]);
    assert_eq!(look(&mut table, 3, 2), Lookup::Found(MAC));
    assert_eq!(table.poll_deadline(), None);
}

#[test]
fn all_neighbours_share_a_limit_of_waiting_frames() {
    let mut table = table(10);
    let Lookup::Wait(first) = look(&mut table, 0, 2) else { panic!("not asked") };
    let Lookup::Wait(second) = look(&mut table, 0, 3) else { panic!("not asked") };
    assert!(table.park(first, frame(1)).is_none());
    assert!(table.park(first, frame(2)).is_none());
    assert!(table.park(second, frame(3)).is_none());
    assert_eq!(table.park(second, frame(4)).unwrap().header[13], 3);
    assert_eq!(learn(&mut table, 1, 2, MAC, ANSWER), [1, 2]);
    assert!(table.park(second, frame(5)).is_none());
    assert_eq!(learn(&mut table, 1, 3, MAC, ANSWER), [4, 5]);
}

#[test]
fn asks_soon_again_then_less_often_then_gives_up_and_tries_again_later() {
    let mut table = table(10);
    let Lookup::Wait(key) = look(&mut table, 0, 2) else { panic!("not asked") };
    table.park(key, frame(1));
    let mut lost = Vec::new();
    let mut asked = vec![];
    let mut now = at(0);
    loop {
        asked.extend(std::iter::from_fn(|| table.take_solicitation()).map(|_| now));
        let Some(deadline) = table.poll_deadline() else { break };
        now = deadline;
        table.handle_timeout(now, &mut lost);
    }
    assert_eq!(asked, [0, 50, 250, 1_000, 2_000].map(at));
    assert_eq!((now, lost.len()), (at(3_000), 1));
    assert_eq!(look(&mut table, 3_500, 2), Lookup::Unreachable);
    assert_eq!(look(&mut table, 4_000, 2), Lookup::Wait(key));
    assert!(table.take_solicitation().is_some());
}

#[test]
fn a_neighbour_in_use_is_confirmed_and_one_that_moved_is_found() {
    let mut table = table(10);
    look(&mut table, 0, 2);
    learn(&mut table, 0, 2, MAC, ANSWER);
    table.take_solicitation();
    assert_eq!(look(&mut table, 29_999, 2), Lookup::Found(MAC));
    assert_eq!(table.take_solicitation(), None);
    // Half a minute later its presence is in doubt: asked directly, used meanwhile.
    assert_eq!(look(&mut table, 30_000, 2), Lookup::Found(MAC));
    assert_eq!(table.take_solicitation().unwrap().unicast, Some(MAC));
    let mut lost = Vec::new();
    for ms in [31_000, 32_000] {
        table.handle_timeout(at(ms), &mut lost);
        assert_eq!(table.take_solicitation().unwrap().unicast, Some(MAC));
        assert_eq!(look(&mut table, ms, 2), Lookup::Found(MAC));
    }
    table.handle_timeout(at(33_000), &mut lost);
    assert_eq!(table.take_solicitation().unwrap().unicast, None);
    assert!(matches!(look(&mut table, 33_000, 2), Lookup::Wait(_)));
    learn(&mut table, 33_001, 2, OTHER, ANSWER);
    assert_eq!(look(&mut table, 33_002, 2), Lookup::Found(OTHER));
    assert!(lost.is_empty());
}

#[test]
fn only_questions_to_us_make_entries() {
    let mut table = table(10);
    let announcement = Evidence::Announcement { overrides: true };
    learn(&mut table, 0, 2, MAC, announcement);
    learn(&mut table, 0, 3, MAC, ANSWER);
    assert_eq!(table.iter().count(), 0);
    learn(&mut table, 0, 4, MAC, Evidence::Question);
    assert_eq!(table.iter().collect::<Vec<_>>(), [(host(4), Some(MAC))]);
    assert_eq!(look(&mut table, 1, 4), Lookup::Found(MAC));
}

#[test]
fn an_advertisement_without_override_only_raises_doubt() {
    let mut table = table(10);
    look(&mut table, 0, 2);
    learn(&mut table, 0, 2, MAC, ANSWER);
    table.take_solicitation();
    learn(&mut table, 1, 2, OTHER, Evidence::Announcement { overrides: false });
    assert_eq!(look(&mut table, 2, 2), Lookup::Found(MAC));
    assert_eq!(table.take_solicitation().unwrap().unicast, Some(MAC));
    table.confirm(at(3), host(2));
    assert_eq!(table.poll_deadline(), None);
    learn(&mut table, 4, 2, OTHER, Evidence::Announcement { overrides: true });
    assert_eq!(look(&mut table, 5, 2), Lookup::Found(OTHER));
}

#[test]
fn a_full_table_gives_up_the_longest_unused() {
    let mut table = table(2);
    learn(&mut table, 0, 2, MAC, Evidence::Question);
    learn(&mut table, 1, 3, MAC, Evidence::Question);
    let mut cached = None;
    table.lookup(at(2), &mut cached, host(2), host(1));
    learn(&mut table, 2, 2, MAC, ANSWER);
    assert!(matches!(look(&mut table, 20, 4), Lookup::Wait(_)), "3 was given up");
    // 4 is being asked for and the table was searched a moment ago.
    assert_eq!(look(&mut table, 21, 5), Lookup::Full);
    assert_eq!(table.lookup(at(22), &mut cached, host(2), host(1)), Lookup::Found(MAC));
    assert!(matches!(look(&mut table, 40, 5), Lookup::Wait(_)));
    assert_eq!(table.lookup(at(41), &mut cached, host(2), host(1)), Lookup::Full, "an old key finds nothing");
}

#[test]
fn a_link_that_goes_raises_doubt() {
    let mut table = table(2);
    look(&mut table, 0, 2);
    learn(&mut table, 0, 2, MAC, ANSWER);
    table.take_solicitation();
    assert_eq!(table.handle_link_down(), 0);
    assert_eq!(look(&mut table, 1, 2), Lookup::Found(MAC));
    assert_eq!(table.take_solicitation().unwrap().unicast, Some(MAC));
}

#[test]
fn a_link_that_goes_ends_every_question() {
    let mut table = table(2);
    let Lookup::Wait(key) = look(&mut table, 0, 2) else { panic!("not asked") };
    table.park(key, frame(1));
    table.park(key, frame(2));
    assert_eq!(table.handle_link_down(), 2);
    assert!(table.is_quiet());
    assert_eq!((table.poll_deadline(), table.iter().count()), (None, 0));
    // Who needs it asks anew, from the beginning.
    let Lookup::Wait(anew) = look(&mut table, 10, 2) else { panic!("not asked") };
    assert!(anew != key && table.take_solicitation().is_some());
    assert_eq!(table.poll_deadline(), Some(at(60)));
    // The limit over all neighbours is free again.
    assert!(table.park(anew, frame(3)).is_none() && table.park(anew, frame(4)).is_none());
    // So does who met one that had not answered.
    let mut lost = Vec::new();
    while let Some(deadline) = table.poll_deadline() {
        table.handle_timeout(deadline, &mut lost);
    }
    assert_eq!(look(&mut table, 3_020, 2), Lookup::Unreachable);
    table.handle_link_down();
    assert!(matches!(look(&mut table, 3_021, 2), Lookup::Wait(_)));
}

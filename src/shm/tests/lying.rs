use super::*;
use crate::base::Packet;
use crate::shm::{ArenaSlice, InPlace, Violation};
use mpdk_client::RingMemory;
use proptest::prelude::*;
use std::sync::atomic::Ordering;

fn violation(act: impl FnOnce(&mut RawClient)) -> Violation {
    let (mut slot, mut client) = connected(1);
    act(&mut client);
    let violation = loop {
        match slot.next_request() {
            Ok(Some(_)) => {}
            Ok(None) => panic!("nothing was wrong"),
            Err(violation) => break violation,
        }
    };
    // From then on nothing is served and nothing is said.
    assert!(slot.is_gone());
    assert_eq!(slot.next_request().unwrap_err(), violation);
    assert_eq!(slot.flush(), Err(violation));
    assert_eq!(slot.prepare_sleep(), Err(violation));
    slot.closed(id(0), Reason::NONE);
    assert_eq!(client.completions(), []);
    violation
}

fn send(block: u32, offset: u32, len: u32) -> Submission {
    Submission::Send { connection: handle(id(0)), range: BlockRange { block, offset, len } }
}

#[test]
fn each_lie_has_its_name() {
    let sent = |block, offset, len| violation(|client| client.submit(send(block, offset, len)));
    assert_eq!(sent(8, 0, 1), Violation::SendRange { block: 8, offset: 0, len: 1 });
    assert_eq!(sent(0, 0, 0), Violation::SendRange { block: 0, offset: 0, len: 0 });
    assert_eq!(sent(0, 0, 2049), Violation::SendRange { block: 0, offset: 0, len: 2049 });
    assert_eq!(sent(0, 1, 1), Violation::SendRange { block: 0, offset: 1, len: 1 });
    let wrapping = Violation::SendRange { block: 0, offset: 64, len: u32::MAX - 32 };
    assert_eq!(sent(0, 64, u32::MAX - 32), wrapping);
    let unlent = violation(|client| client.submit(Submission::Release { block: 0 }));
    assert_eq!(unlent, Violation::ReleaseNotLent(0));
    let nowhere = violation(|client| client.submit(Submission::Release { block: u32::MAX }));
    assert_eq!(nowhere, Violation::ReleaseNotLent(u32::MAX));
    assert_eq!(violation(|client| client.submit_words(&[0; 8])), Violation::UnknownKind(0));
    let ring = violation(|client| client.region.submission_ring().tail().store(100, Ordering::Release));
    assert!(matches!(ring, Violation::Ring(_)));
}

#[test]
fn a_block_in_use_is_not_sent_again() {
    let (mut slot, mut client) = connected(1);
    client.submit(send(0, 0, 100));
    let Ok(Some(Request::Send { data, .. })) = slot.next_request() else { panic!("no send") };
    client.submit(send(0, 64, 10));
    let overlap = Violation::SendOverlap { block: 0, offset: 64, end: 100 };
    assert_eq!(slot.next_request().unwrap_err(), overlap);
    assert_eq!(data.head().len(), 100, "what was taken stays valid");
}

#[test]
fn a_false_head_on_the_completion_ring_is_found_out() {
    let (mut slot, client) = connected(10);
    client.region.completion_ring().head().store(u32::MAX, Ordering::Release);
    for index in 0..10 {
        slot.received_fin(id(index));
        slot.closed(id(index), Reason::NONE);
    }
    assert!(matches!(slot.flush(), Err(Violation::Ring(_))));
    assert!(slot.is_gone());
}

/// An engine that keeps what it is asked to send for a while and answers
/// everything.
fn serve(slot: &mut ClientSlot, kept: &mut Vec<ArenaSlice>) -> Result<(), Violation> {
    while let Some(request) = slot.next_request()? {
        match request {
            Request::Listen { ticket, address, .. } => slot.listening(ticket, ListenerId(1), address),
            Request::Connect { ticket, remote, .. } => {
                slot.connected(ticket, id(kept.len() as u32 + 100), address(1), remote);
            }
            Request::Send { connection, data } => {
                assert!(data.len() <= 2048 && data.head().len() == data.len());
                if slot.lend(connection, &data).is_none() {
                    slot.copy_in(connection, &data);
                }
                kept.push(data);
            }
            Request::Info { ticket, connection } => slot.info(ticket, connection, &Default::default()),
            Request::Close { connection } | Request::Abort { connection } => {
                slot.closed(connection, Reason::NONE);
            }
            Request::ShutdownWrite { connection } => slot.received_fin(connection),
            Request::CloseListener { .. } => {}
        }
    }
    while slot.next_released().is_some() {}
    while slot.next_receivable().is_some() {}
    if kept.len() > 3 {
        kept.clear();
    }
    slot.flush()
}

#[derive(Clone, Debug)]
enum Lie {
    Words(Words),
    /// A known kind, and small numbers in the rest: more likely to be believed.
    Plausible(u16, u32, [u32; 3]),
    Head(u32),
    Tail(u32),
    Sleeping(u32),
    Honest,
}

fn any_lie() -> impl Strategy<Value = Lie> {
    prop_oneof![
        1 => any::<Words>().prop_map(Lie::Words),
        12 => (0_u16..13, 0_u32..3, [0_u32..9, 0_u32..2100, 0_u32..2100])
            .prop_map(|(kind, index, body)| Lie::Plausible(kind, index, body)),
        1 => any::<u32>().prop_map(Lie::Head),
        1 => any::<u32>().prop_map(Lie::Tail),
        2 => any::<u32>().prop_map(Lie::Sleeping),
        12 => Just(Lie::Honest),
    ]
}

fn tell(client: &mut RawClient, lie: &Lie) {
    match *lie {
        Lie::Words(words) => put(client, &words),
        Lie::Plausible(kind, index, body) => {
            let mut words = [0; 8];
            words[0] = u64::from(kind);
            words[2] = handle(id(index)).0;
            words[3] = u64::from(body[0]) | u64::from(body[1] & !63) << 32;
            words[4] = u64::from(body[2]);
            put(client, &words);
        }
        Lie::Head(index) => client.region.completion_ring().head().store(index, Ordering::Release),
        Lie::Tail(index) => client.region.submission_ring().tail().store(index, Ordering::Release),
        Lie::Sleeping(events) => client.region.client().sleeping.store(events, Ordering::Relaxed),
        Lie::Honest => put(client, &send(0, 0, 1).encode()),
    }
}

/// Submits if there is room: the engine may have stopped.
fn put(client: &mut RawClient, words: &Words) {
    if client.submissions.push(words) == Ok(true) {
        client.submissions.publish();
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    /// Whatever a client writes, the engine goes on or names what was wrong.
    #[test]
    fn lies_are_violations_and_nothing_else(lies in prop::collection::vec(any_lie(), 1..60)) {
        let (mut slot, mut client) = connected(3);
        let reader: std::sync::Weak<()> = std::sync::Weak::new();
        slot.allow_in_place(InPlace { address: 0, bytes: 1 << 48, buffers: 4, reader });
        let mut kept = Vec::new();
        let mut first = None;
        for lie in &lies {
            tell(&mut client, lie);
            let outcome = serve(&mut slot, &mut kept);
            if let Some(first) = first {
                prop_assert_eq!(outcome, Err(first), "the first violation stays");
            }
            first = first.or(outcome.err());
            prop_assert_eq!(slot.is_gone(), first.is_some());
            while client.completions.pop(&mut [[0; 8]; 16]).is_ok_and(|count| count > 0) {}
        }
        for slice in &kept {
            prop_assert!(slice.head().len() <= 2048);
        }
    }
}

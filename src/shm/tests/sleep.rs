use super::*;
use crate::shm::Heard;
use mpdk_client::layout::{WAKE_ON_ENTRIES, WAKE_ON_ROOM};
use mpdk_client::{announce_sleep, must_ring};

#[test]
fn only_a_sleeping_client_is_rung_for() {
    let (mut slot, client) = connected(1);
    assert_eq!(slot.copy_in(id(0), &HeapPacket::new(b"a")), 1);
    slot.flush().unwrap();
    assert_eq!(client.doorbell.hear(), Heard::Silence);
    announce_sleep(&client.region.client().sleeping, WAKE_ON_ENTRIES);
    slot.flush().unwrap();
    assert_eq!(client.doorbell.hear(), Heard::Silence, "nothing new was said");
    assert_eq!(slot.copy_in(id(0), &HeapPacket::new(b"b")), 1);
    slot.flush().unwrap();
    assert_eq!(client.doorbell.hear(), Heard::Rung);
    assert_eq!(slot.copy_in(id(0), &HeapPacket::new(b"c")), 1);
    slot.flush().unwrap();
    assert_eq!(client.doorbell.hear(), Heard::Silence, "it is rung for once");
}

#[test]
fn a_client_that_waits_for_room_is_rung_for_when_there_is() {
    let (mut slot, mut client) = connected(1);
    announce_sleep(&client.region.client().sleeping, WAKE_ON_ROOM);
    client.submit(Submission::ShutdownWrite { connection: handle(id(0)) });
    assert!(slot.next_request().unwrap().is_some());
    slot.flush().unwrap();
    assert_eq!(client.doorbell.hear(), Heard::Rung);
}

#[test]
fn the_engine_does_not_sleep_over_work() {
    let (mut slot, mut client) = connected(1);
    assert!(slot.prepare_sleep().unwrap());
    let events = client.region.engine().sleeping.load(std::sync::atomic::Ordering::Relaxed);
    assert_eq!(events, WAKE_ON_ENTRIES);
    slot.cancel_sleep();
    assert!(!must_ring(&client.region.engine().sleeping, WAKE_ON_ENTRIES));

    client.submit(Submission::Close { connection: handle(id(0)) });
    assert!(!slot.prepare_sleep().unwrap(), "a submission is there");
    assert!(slot.next_request().unwrap().is_some());
    assert!(slot.next_request().unwrap().is_none());
    assert!(slot.prepare_sleep().unwrap());
    assert!(must_ring(&client.region.engine().sleeping, WAKE_ON_ENTRIES));
}

#[test]
fn the_engine_asks_for_room_if_it_holds_completions_back() {
    let (mut slot, mut client) = connected(10);
    for index in 0..10 {
        slot.received_fin(id(index));
        slot.closed(id(index), Reason::NONE);
    }
    assert!(slot.prepare_sleep().unwrap(), "the ring is full: nothing to do before there is room");
    assert_eq!(client.completions().len(), 16);
    assert!(must_ring(&client.region.engine().sleeping, WAKE_ON_ROOM));
    assert!(slot.prepare_sleep().unwrap(), "all is said");
    assert_eq!(client.completions().len(), 4);
}

#[test]
fn a_client_hears_that_the_engine_is_gone() {
    let (slot, client) = connected(1);
    drop(slot);
    assert_eq!(client.doorbell.hear(), Heard::Rung);
    assert_eq!(client.doorbell.hear(), Heard::Gone);
    assert_eq!(client.region.engine().closed.load(std::sync::atomic::Ordering::Acquire), 1);
}

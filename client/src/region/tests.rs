use super::*;
use crate::layout::MAGIC;
use crate::message::{Completion, ConnectionHandle};
use crate::ring::{Consumer, Producer};

fn small() -> RegionConfig {
    RegionConfig {
        submission_entries: 8,
        completion_entries: 8,
        transmit_blocks: 4,
        transmit_block_bytes: 2048,
        receive_blocks: 4,
        receive_block_bytes: 2048,
    }
}

/// Page-aligned heap memory for a region.
fn heap(len: usize) -> (NonNull<u8>, Box<dyn Any + Send>) {
    #[repr(align(4096))]
    #[derive(Clone)]
    struct Page(#[expect(dead_code, reason = "only its address is used")] [u8; 4096]);
    let mut pages = vec![Page([0xee; 4096]); len.div_ceil(4096)];
    (NonNull::new(pages.as_mut_ptr().cast()).unwrap(), Box::new(pages))
}

#[test]
fn both_mappings_see_the_same() {
    let engine = Arc::new(Region::create(&small()).unwrap());
    let client = Arc::new(engine.map_again().unwrap());
    assert_eq!(client.geometry(), engine.geometry());
    assert_ne!(client.base, engine.base, "the two sides have different addresses");

    let completion = Completion::ReceivedFin { connection: ConnectionHandle(7) };
    let mut producer = Producer::new(engine.completion_ring()).unwrap();
    assert!(producer.push(&completion.encode()).unwrap());
    producer.publish();
    let mut batch = [[0; 8]; 4];
    let mut consumer = Consumer::new(client.completion_ring()).unwrap();
    assert_eq!(consumer.pop(&mut batch), Ok(1));
    assert_eq!(Completion::decode(&batch[0]), Ok(completion));

    // SAFETY: only this test uses the region.
    unsafe { client.fill(Arena::Transmit, 3, 2043, b"hello") };
    let range = BlockRange { block: 3, offset: 2043, len: 5 };
    // SAFETY: as above; nothing is filled meanwhile.
    assert_eq!(unsafe { engine.bytes(Arena::Transmit, range) }, b"hello");

    client.client().sleeping.store(1, Ordering::Relaxed);
    assert_eq!(engine.client().sleeping.load(Ordering::Relaxed), 1);
    assert_eq!(engine.engine().sleeping.load(Ordering::Relaxed), 0);
}

#[test]
fn the_file_cannot_be_resized() {
    let region = Region::create(&small()).unwrap();
    let file = File::from(region.file().unwrap().try_clone_to_owned().unwrap());
    assert!(file.set_len(0).is_err());
    assert!(file.set_len(1 << 30).is_err());
}

#[test]
fn lent_memory_is_cleared_and_attached() {
    let len = Geometry::plan(&small()).unwrap().region_bytes as usize;
    let (memory, owner) = heap(len);
    // SAFETY: the memory lives as long as its owner, which outlives `client`
    // because `engine` is dropped last.
    let (engine, client) = unsafe {
        let engine = Region::create_in(memory, len, owner, &small()).unwrap();
        let client = Region::attach_in(memory, len, Box::new(())).unwrap();
        (engine, client)
    };
    assert!(engine.file().is_none());
    let range = BlockRange { block: 0, offset: 0, len: 2048 };
    // SAFETY: nothing is filled meanwhile.
    assert!(unsafe { client.bytes(Arena::Receive, range) }.iter().all(|&byte| byte == 0));
    drop(client);
}

#[test]
fn what_is_no_region_is_refused() {
    let (memory, owner) = heap(8192);
    // SAFETY: `owner` outlives every region of this test.
    unsafe {
        let attach = |offset: usize, len| Region::attach_in(memory.add(offset), len, Box::new(()));
        assert!(matches!(attach(0, 8192), Err(RegionError::Magic(0xeeee_eeee_eeee_eeee))));
        assert!(matches!(attach(0, 255), Err(RegionError::TooSmall(255))));
        assert!(matches!(attach(8, 4096), Err(RegionError::Unaligned)));
        memory.cast::<u64>().write(MAGIC);
        assert!(matches!(attach(0, 8192), Err(RegionError::Version(0xeeee_eeee))));
        let create = Region::create_in(memory, 8192, Box::new(()), &small());
        assert!(matches!(create, Err(RegionError::RegionBytes { mapped: 8192, .. })));
    }
    drop(owner);
}

#[test]
fn a_file_that_is_too_short_is_refused() {
    let region = Region::create(&small()).unwrap();
    let file = || region.file().unwrap().try_clone_to_owned().unwrap();
    let len = region.geometry().region_bytes as usize;
    assert!(matches!(Region::attach(file(), 0, len + 1), Err(RegionError::RegionBytes { .. })));
    assert!(matches!(Region::attach(file(), 4096, len), Err(RegionError::RegionBytes { .. })));
    assert!(matches!(Region::attach(file(), 0, len - 4096), Err(RegionError::RegionBytes { .. })));
    assert!(matches!(Region::attach(file(), 0, 64), Err(RegionError::TooSmall(64))));
}

#[test]
fn ranges_outside_a_block_are_known() {
    let region = Region::create(&small()).unwrap();
    let inside = |block, offset, len| region.contains(Arena::Transmit, BlockRange { block, offset, len });
    assert!(inside(0, 0, 2048) && inside(3, 2048, 0));
    assert!(!inside(4, 0, 1) && !inside(0, 1, 2048) && !inside(0, u32::MAX, u32::MAX));
}

#[test]
#[should_panic(expected = "not inside a block")]
fn bytes_outside_a_block_are_never_reached() {
    let region = Region::create(&small()).unwrap();
    // SAFETY: only this test uses the region.
    unsafe { region.fill(Arena::Receive, 0, 2000, &[0; 49]) };
}

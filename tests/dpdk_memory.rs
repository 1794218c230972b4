//! Packet buffers: windows against a model, references, leaks, the export of
//! payload memory to other processes.
#![cfg(feature = "dpdk")]
#![allow(unsafe_code)]

mod dpdk_support;

use dpdk_support::{eal, frames::bytes_of};
use mpdk::base::Packet;
use mpdk::device::{Alter, ClientMemory as _, HandOver as _};
use mpdk::dpdk::{Access, ClientMemory, Error, Mbuf, Pool, PoolConfig, PoolKind, ZoneExport};
use proptest::prelude::*;
use std::os::fd::AsRawFd;
use std::sync::OnceLock;
use std::sync::mpsc::channel;

/// A window on plain bytes, the way `Packet` describes it.
#[derive(Clone, Debug)]
struct Model(Vec<u8>);

#[derive(Clone, Debug)]
enum Step {
    TrimFront(usize),
    Truncate(usize),
    Share,
    Slice(usize, usize),
    SplitFront(usize),
    CopyTo(usize, usize),
    Drop,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let any = 0_usize..3000;
    let step = prop_oneof![
        any.clone().prop_map(Step::TrimFront),
        any.clone().prop_map(Step::Truncate),
        Just(Step::Share),
        (any.clone(), any.clone()).prop_map(|(offset, len)| Step::Slice(offset, len)),
        any.clone().prop_map(Step::SplitFront),
        (any.clone(), any).prop_map(|(offset, len)| Step::CopyTo(offset, len)),
        Just(Step::Drop),
    ];
    prop::collection::vec(step, 0..20)
}

fn pieces() -> impl Strategy<Value = Vec<Vec<u8>>> {
    prop::collection::vec(prop::collection::vec(any::<u8>(), 0..600), 1..6)
}

/// Does the step with the last of `held`, in both worlds.
fn apply(step: &Step, held: &mut Vec<(Mbuf, Model)>) {
    let Some((packet, model)) = held.last_mut() else { return };
    let len = model.0.len();
    match *step {
        Step::TrimFront(count) => {
            let count = count % (len + 1);
            packet.trim_front(count);
            model.0.drain(..count);
        }
        Step::Truncate(to) => {
            packet.truncate(to);
            model.0.truncate(to);
        }
        Step::Share => {
            let pair = (packet.share(), model.clone());
            held.insert(0, pair);
        }
        Step::Slice(offset, count) => {
            let offset = offset % (len + 1);
            let count = count % (len - offset + 1);
            let pair = (packet.slice(offset, count), Model(model.0[offset..offset + count].to_vec()));
            held.insert(0, pair);
        }
        Step::SplitFront(at) => {
            let at = at % (len + 1);
            let front = packet.split_front(at);
            let rest = model.0.split_off(at);
            let front_model = Model(std::mem::replace(&mut model.0, rest));
            held.insert(0, (front, front_model));
        }
        Step::CopyTo(offset, count) => {
            let mut copied = vec![0; count];
            let expected = model.0.get(offset..).unwrap_or_default();
            let expected = &expected[..expected.len().min(count)];
            assert_eq!(packet.copy_to(offset, &mut copied), expected.len());
            assert_eq!(&copied[..expected.len()], expected);
        }
        Step::Drop => drop(held.pop()),
    }
}

fn check(packet: &Mbuf, model: &Model) {
    assert_eq!(packet.len(), model.0.len());
    assert_eq!(packet.is_empty(), model.0.is_empty());
    assert!(model.0.starts_with(packet.head()));
    assert_eq!(packet.head().is_empty(), model.0.is_empty(), "the first piece of a window is not empty");
    let mut together = Vec::new();
    packet.for_each_piece(&mut |piece| {
        assert!(!piece.is_empty());
        together.extend_from_slice(piece);
    });
    assert_eq!(together, model.0);
}

fn model_pool() -> &'static Pool {
    static POOL: OnceLock<Pool> = OnceLock::new();
    POOL.get_or_init(|| {
        let config = PoolConfig { payload_bytes: 700, ..PoolConfig::receive("model", 256) };
        Pool::new(&eal(), &config).unwrap()
    })
}

proptest! {
    #[test]
    fn windows_on_chains_behave_like_bytes(pieces in pieces(), steps in steps()) {
        let pool = model_pool();
        let before = pool.available();
        let slices: Vec<&[u8]> = pieces.iter().map(Vec::as_slice).collect();
        let mut held = vec![(pool.packet(&slices).unwrap(), Model(pieces.concat()))];
        for step in &steps {
            apply(step, &mut held);
            held.iter().for_each(|(packet, model)| check(packet, model));
        }
        drop(held);
        prop_assert_eq!(pool.available(), before, "every buffer came back");
    }
}

#[test]
fn a_packet_is_damaged_only_if_nobody_else_sees_it() {
    for kind in [PoolKind::Exported, PoolKind::Ordinary] {
        let name = format!("flip-{kind:?}");
        let config = PoolConfig { kind, ..PoolConfig::receive(&name, 64) };
        let pool = Pool::new(&eal(), &config).unwrap();
        let mut packet = pool.packet(&[b"abc", b"", b"def"]).unwrap();
        packet.trim_front(1);
        assert!(packet.flip(3, 0x20));
        assert_eq!(bytes_of(&packet), b"bcdEf");
        let other = packet.share();
        assert!(!packet.flip(0, 0xff));
        assert_eq!(bytes_of(&other), b"bcdEf");
        drop(other);
        assert!(packet.flip(0, 0x20));
        assert_eq!(bytes_of(&packet), b"BcdEf");
        drop(packet);
        assert_eq!(pool.available(), 64);
    }
}

#[test]
fn an_unshared_packet_goes_to_another_thread() {
    let pool = Pool::new(&eal(), &PoolConfig::receive("handover", 64)).unwrap();
    let packet = pool.packet(&[b"one", b"two"]).unwrap();
    let shared = packet.share();
    let packet = packet.hand_over().unwrap_err();
    drop(shared);
    let (sender, receiver) = channel();
    sender.send(packet.hand_over().unwrap()).unwrap();
    let thread = std::thread::spawn(move || {
        let _registration = eal().register_thread().unwrap();
        bytes_of(&Mbuf::take_over(receiver.recv().unwrap()))
    });
    assert_eq!(thread.join().unwrap(), b"onetwo");
    assert_eq!(pool.available(), 64);
}

#[test]
fn an_empty_pool_gives_nothing_and_recovers() {
    let pool = Pool::new(&eal(), &PoolConfig::transmit("empty", 64)).unwrap();
    let held: Vec<Mbuf> = std::iter::from_fn(|| pool.packet(&[b"x"])).collect();
    assert_eq!(held.len(), 64);
    assert!(pool.packet(&[b"x", b"y"]).is_none());
    drop(held);
    assert_eq!(pool.available(), 64);
    // Half of a chain is given back when the other half cannot be had.
    let held: Vec<Mbuf> = (0..63).map(|_| pool.packet(&[b"x"]).unwrap()).collect();
    assert!(pool.packet(&[b"x", b"y"]).is_none());
    assert_eq!(pool.available(), 1);
    drop(held);
}

#[test]
fn a_packet_outlives_its_pool() {
    let pool = Pool::new(&eal(), &PoolConfig::receive("outlived", 64)).unwrap();
    let packet = pool.packet(&[b"still here"]).unwrap();
    drop(pool);
    assert_eq!(bytes_of(&packet), b"still here");
}

#[test]
fn a_clients_block_is_free_when_nothing_refers_to_it() {
    const BLOCK: u32 = 16 * 1024;
    let memory =
        ClientMemory::new(&eal(), &Pool::new(&eal(), &PoolConfig::receive("blocks-receive", 64)).unwrap());
    let lent = memory.reserve(1 << 20).unwrap();
    // As in a region: behind other things.
    let address = lent.address + 3 * 4096;
    let blocks = memory.blocks(address, BLOCK, 8).unwrap();
    for block in 0..8 {
        let packet = blocks.packet(block);
        assert_eq!(packet.head().as_ptr() as usize, address + (block * BLOCK) as usize);
        assert_eq!(packet.len(), BLOCK as usize);
        let window = packet.slice(100, 200);
        assert!(!blocks.is_free(block));
        drop(packet);
        assert!(!blocks.is_free(block), "the window holds it");
        drop(window);
        assert!(blocks.is_free(block));
    }
    assert!(memory.blocks(&raw const lent as usize, BLOCK, 4).is_none(), "the stack is not DPDK's memory");
    assert!(memory.reserve(1 << 40).is_none());
}

#[test]
fn clients_memory_comes_and_goes() {
    let memory =
        ClientMemory::new(&eal(), &Pool::new(&eal(), &PoolConfig::receive("zones-receive", 64)).unwrap());
    for _ in 0..50 {
        // 50 times 16 MB do not fit into the memory: it is given back.
        let lent = memory.reserve(16 << 20).unwrap();
        drop(memory.blocks(lent.address, 32 * 1024, 512).unwrap());
    }
}

#[test]
fn received_packets_lie_in_what_clients_are_shown() {
    for (name, kind) in [("shown", PoolKind::Ordinary), ("shown-apart", PoolKind::Exported)] {
        let config = PoolConfig { kind, ..PoolConfig::receive(name, 2048) };
        let pool = Pool::new(&eal(), &config).unwrap();
        let shown = ClientMemory::new(&eal(), &pool).packets().unwrap();
        let packets: Vec<_> = (0..2048).map(|_| pool.packet(&[&[7; 1920]]).unwrap()).collect();
        for packet in &packets {
            let start = packet.head().as_ptr() as usize;
            assert!(start >= shown.address && start + 1920 <= shown.address + shown.len);
        }
        // What is shown stays as long as somebody sees it.
        drop((packets, pool));
        assert!(Pool::new(&eal(), &config).is_err(), "the pool is still there");
        drop(shown);
        Pool::new(&eal(), &config).unwrap();
    }
}

#[test]
fn pools_come_and_go() {
    for _ in 0..50 {
        // 50 times 8 MB do not fit into the memory: it is given back.
        let pool = Pool::new(&eal(), &PoolConfig::receive("again", 4096)).unwrap();
        assert_eq!(pool.available(), 4096);
    }
}

#[test]
fn impossible_pools_are_refused() {
    let make = |config: &PoolConfig| Pool::new(&eal(), config).map(drop);
    let valid = PoolConfig::receive("refused", 64);
    let pool = Pool::new(&eal(), &valid).unwrap();
    assert!(matches!(make(&valid), Err(Error::Memory { .. })), "the name is taken");
    drop(pool);
    for (key, config) in [
        ("name", PoolConfig { name: "a b".into(), ..valid.clone() }),
        ("name", PoolConfig { name: "x".repeat(21), ..valid.clone() }),
        ("buffers", PoolConfig { buffers: 0, ..valid.clone() }),
        ("payload_bytes", PoolConfig { payload_bytes: u16::MAX, ..valid.clone() }),
    ] {
        assert!(matches!(make(&config), Err(Error::Config { key: found, .. }) if found == key), "{key}");
    }
    let error = make(&PoolConfig { buffers: 1 << 20, ..valid }).unwrap_err();
    assert!(error.to_string().contains("memory_mb"), "{error}");
}

/// Maps an export the way a client does; returns its bytes, for ever.
fn map(export: &ZoneExport) -> &'static [u8] {
    assert_eq!(export.pieces.len(), 1, "ordinary pages are one file");
    let piece = &export.pieces[0];
    assert_eq!((piece.offset, piece.len), (0, export.len));
    // SAFETY: a new mapping wherever the kernel likes.
    let mapped = unsafe {
        let (fd, at) = (piece.fd.as_raw_fd(), piece.fd_offset as libc::off_t);
        libc::mmap(std::ptr::null_mut(), piece.len, libc::PROT_READ, libc::MAP_SHARED, fd, at)
    };
    assert_ne!(mapped, libc::MAP_FAILED);
    // SAFETY: mapped for ever and that long.
    unsafe { std::slice::from_raw_parts(mapped.cast(), piece.len) }
}

#[test]
fn an_exported_payload_is_seen_at_its_offset() {
    let pool = Pool::new(&eal(), &PoolConfig::receive("exported", 512)).unwrap();
    let export = pool.export(Access::Read).unwrap().unwrap();
    assert!(!export.isolated, "the one file holds all memory");
    assert_eq!(export.stride_bytes, 2048);
    let seen = map(&export);
    let mut slots = std::collections::BTreeSet::new();
    let held: Vec<Mbuf> = (0..400_u32)
        .map(|number| pool.packet(&[format!("payload {number}").as_bytes(), b"tail"]).unwrap())
        .take(200)
        .collect();
    for (number, packet) in held.iter().enumerate() {
        let mut pieces = Vec::new();
        packet.for_each_piece(&mut |piece| {
            let offset = pool.offset_of(piece).unwrap();
            assert_eq!(&seen[offset..offset + piece.len()], piece);
            assert!(slots.insert(offset / export.stride_bytes), "one packet per slot");
            pieces.push(offset);
        });
        assert!(seen[pieces[0]..].starts_with(format!("payload {number}").as_bytes()));
    }
    assert_eq!(pool.offset_of(b"elsewhere"), None);
}

#[test]
fn a_read_only_export_cannot_be_written() {
    let pool = Pool::new(&eal(), &PoolConfig::receive("readonly", 64)).unwrap();
    for (access, allowed) in [(Access::Read, false), (Access::ReadWrite, true)] {
        let export = pool.export(access).unwrap().unwrap();
        let piece = &export.pieces[0];
        // SAFETY: as in `map`.
        let mapped = unsafe {
            let (fd, at) = (piece.fd.as_raw_fd(), piece.fd_offset as libc::off_t);
            let protection = libc::PROT_READ | libc::PROT_WRITE;
            libc::mmap(std::ptr::null_mut(), piece.len, protection, libc::MAP_SHARED, fd, at)
        };
        assert_eq!(mapped != libc::MAP_FAILED, allowed, "{access:?}");
    }
    let ordinary = Pool::new(&eal(), &PoolConfig::transmit("ordinary", 64)).unwrap();
    assert!(ordinary.export(Access::Read).unwrap().is_none());
}

#[test]
fn threads_register_once_and_again() {
    let threads: Vec<_> = (0..4)
        .map(|_| {
            std::thread::spawn(|| {
                for _ in 0..100 {
                    let first = eal().register_thread().unwrap();
                    let second = eal().register_thread().unwrap();
                    drop(second);
                    drop(first);
                }
            })
        })
        .collect();
    threads.into_iter().for_each(|thread| thread.join().unwrap());
    let again = mpdk::dpdk::Eal::start(&mpdk::dpdk::EalConfig::default());
    assert!(matches!(again, Err(Error::AlreadyStarted)));
    assert!(mpdk::dpdk::dpdk_version().starts_with("DPDK "));
}

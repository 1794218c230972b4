//! Engine threads on several cores: plain threads that register themselves, and
//! what that saves.
#![cfg(feature = "dpdk")]
#![allow(unsafe_code)]

mod dpdk_support;

use dpdk_support::process::{self, Other};
use mpdk::dpdk::{Eal, EalConfig, Pool, PoolConfig};
use std::collections::BTreeSet;
use std::fs;
use std::sync::{Barrier, Mutex, MutexGuard, OnceLock, PoisonError, mpsc};
use std::thread;
use std::time::Instant;

const BURST: usize = 32;

/// DPDK on every core there is.
fn eal() -> Eal {
    static EAL: OnceLock<Eal> = OnceLock::new();
    EAL.get_or_init(|| {
        Eal::start(&EalConfig { memory_mb: 64, cores: all_cores(), ..EalConfig::default() }).unwrap()
    })
    .clone()
}

/// One test at a time: they count the threads that DPDK knows.
fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The names of this process's threads, and the CPUs each may run on.
fn threads() -> Vec<(String, BTreeSet<u32>)> {
    let tasks = fs::read_dir("/proc/self/task").unwrap();
    // One may end meanwhile.
    let statuses = tasks.filter_map(|task| fs::read_to_string(task.ok()?.path().join("status")).ok());
    statuses.map(|status| (field(&status, "Name:"), cpus(&field(&status, "Cpus_allowed_list:")))).collect()
}

fn field(status: &str, name: &str) -> String {
    status.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default().trim().into()
}

/// `0,2-3`
fn cpus(list: &str) -> BTreeSet<u32> {
    let number = |text: &str| text.parse::<u32>().unwrap();
    let ranges = list.split(',').map(|range| range.split_once('-').unwrap_or((range, range)));
    ranges.flat_map(|(first, last)| number(first)..=number(last)).collect()
}

fn all_cores() -> Vec<u32> {
    core_affinity::get_core_ids().unwrap().iter().map(|core| core.id as u32).collect()
}

#[test]
fn several_cores_are_threads_of_the_engine_and_none_of_dpdks() {
    if process::part().is_some() {
        return;
    }
    let (_alone, eal) = (alone(), eal());
    let threads = threads();
    assert!(threads.iter().any(|(name, _)| name.contains("eal-intr")), "DPDK's own thread: {threads:?}");
    let worker = threads.iter().find(|(name, _)| name.contains("worker") || name.contains("slave"));
    assert_eq!(worker, None);
    let pool = Pool::new(&eal, &PoolConfig::transmit("threads", 4096)).unwrap();
    let all_there = Barrier::new(8);
    let register = || {
        let registration = eal.register_thread().unwrap();
        let lcore = registration.lcore();
        let again = eal.register_thread().unwrap();
        assert_eq!(again.lcore(), lcore, "asked twice, one thread stays one");
        assert_eq!(pool.cached(), 0);
        drop(burst(&pool));
        assert!(pool.cached() > 0, "what came back stays with the thread");
        all_there.wait();
        lcore
    };
    let lcores: BTreeSet<u32> = thread::scope(|scope| {
        let threads: Vec<_> = (0..8).map(|_| scope.spawn(register)).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert_eq!(lcores.len(), 8, "each its own: {lcores:?}");
    assert_eq!(pool.available(), pool.config().buffers, "caches of threads that are gone count too");
    let use_pool = || {
        drop(burst(&pool));
        pool.cached()
    };
    let unregistered = thread::scope(|scope| scope.spawn(use_pool).join().unwrap());
    assert_eq!(unregistered, 0);
}

#[test]
fn lcores_of_threads_that_ended_are_free_again() {
    if process::part().is_some() {
        return;
    }
    let (_alone, eal) = (alone(), eal());
    // More threads, one after the other, than DPDK can know at once.
    for _ in 0..300 {
        thread::scope(|scope| scope.spawn(|| drop(eal.register_thread().unwrap())).join().unwrap());
    }
    // And as many at once as it can know.
    let (send, receive) = mpsc::channel();
    thread::scope(|scope| {
        let mut holders = Vec::new();
        let error = loop {
            let (go, gone) = mpsc::channel::<()>();
            let (eal, send) = (&eal, send.clone());
            scope.spawn(move || {
                let registration = eal.register_thread();
                send.send(registration.as_ref().err().map(ToString::to_string)).unwrap();
                let _ = gone.recv();
            });
            holders.push(go);
            if let Some(error) = receive.recv().unwrap() {
                break error;
            }
            assert!(holders.len() < 1000, "there is a limit");
        };
        assert!(holders.len() > 64, "{}", holders.len());
        assert!(error.contains("registering a thread with DPDK"), "{error}");
    });
    thread::scope(|scope| scope.spawn(|| drop(eal.register_thread().unwrap())).join().unwrap());
}

#[test]
fn housekeeping_stays_off_the_engines_cores_if_there_are_others() {
    let cores = all_cores();
    if let Some(part) = process::part() {
        let engine = part.parse().unwrap();
        let config = EalConfig { memory_mb: 64, cores: vec![engine], ..EalConfig::default() };
        let _eal = Eal::start(&config).unwrap();
        let threads = threads();
        let own = threads.iter().filter(|(name, _)| name.contains("eal-intr"));
        let own: Vec<_> = own.map(|(_, cpus)| cpus.clone()).collect();
        assert_eq!(own, [cores.iter().copied().filter(|&core| core != engine).collect()]);
        assert_eq!(all_cores(), cores, "the thread that started DPDK may run where it could");
        return process::say("good");
    }
    if cores.len() < 2 {
        println!("SKIPPED: needs two CPUs");
        return;
    }
    let test = "housekeeping_stays_off_the_engines_cores_if_there_are_others";
    for core in [cores[0], cores[1]] {
        let mut other = Other::start(test, &core.to_string());
        other.expect("good");
        other.finish();
    }
}

fn burst(pool: &Pool) -> Vec<mpdk::dpdk::Mbuf> {
    (0..BURST).map(|_| pool.packet(&[b"x"]).unwrap()).collect()
}

/// `cargo test --release --test dpdk_threads -- --ignored --nocapture`
#[test]
#[ignore = "measures"]
fn what_a_buffer_costs() {
    let (_alone, eal) = (alone(), eal());
    let pool = Pool::new(&eal, &PoolConfig::transmit("cost", 8192)).unwrap();
    for threads in [1, 2] {
        for registered in [true, false] {
            let start = Barrier::new(threads);
            let costs: Vec<f64> = thread::scope(|scope| {
                let measure = || {
                    let _registration = registered.then(|| eal.register_thread().unwrap());
                    start.wait();
                    cost(&pool)
                };
                let all: Vec<_> = (0..threads).map(|_| scope.spawn(measure)).collect();
                all.into_iter().map(|thread| thread.join().unwrap()).collect()
            });
            println!("{threads} threads, registered {registered}: ns per packet taken and given {costs:.1?}");
        }
    }
}

/// Nanoseconds per buffer that is taken, filled with a byte and given back.
fn cost(pool: &Pool) -> f64 {
    const ROUNDS: u32 = 100_000;
    let mut packets = Vec::with_capacity(BURST);
    let start = Instant::now();
    for _ in 0..ROUNDS {
        packets.extend((0..BURST).map(|_| pool.packet(&[b"x"]).unwrap()));
        packets.clear();
    }
    start.elapsed().as_secs_f64() * 1e9 / f64::from(ROUNDS) / BURST as f64
}

//! Hosts of several cores: a connection stays with the core that its token
//! names, wherever its frames come to.
//!
//! `MPDK_SEED=n cargo test --test simulation one_seed_of_cores -- --nocapture`
//! replays one random world with its counters.

use super::cores_profile::{CoresProfile, Flow, Sabotage};
use super::nic::Spreading;
use super::world::World;
use super::{finish, random_cores, script, seeds, setup};
use mpdk::base::{CoreIndex, Duration, Outcome, Random};
use mpdk::endpoint::{SPREAD_KEY_BYTES, Spread};

#[test]
fn random_worlds_of_several_cores() {
    let mut total = Flow::default();
    let mut run = |seed: u64| {
        let (report, flow) = random_cores::run(seed, None);
        total.add(&flow);
        report.err()
    };
    let failures: Vec<String> = seeds().filter_map(&mut run).take(5).collect();
    assert!(failures.is_empty(), "{}", failures.join("\n\n"));
    println!("{total:?}");
    // Everything that can become of a frame does, if there are enough worlds.
    let happened = [total.handed_over, total.dropped, total.looked_again, total.found_late];
    assert!(seeds().count() < 1_000 || happened.iter().all(|&times| times > 0), "{total:?}");
}

#[test]
fn one_seed_of_cores() {
    let Some(seed) = std::env::var("MPDK_SEED").ok().and_then(|seed| seed.parse().ok()) else { return };
    match random_cores::run(seed, None).0 {
        Ok(report) => println!("{report}"),
        Err(report) => panic!("{report}"),
    }
}

#[test]
fn the_same_seed_gives_the_same_world_of_cores() {
    assert_eq!(random_cores::run(7, None), random_cores::run(7, None));
}

/// How many of some random worlds have something wrong with them that a
/// complaint names.
fn noticed(sabotage: Sabotage, complaint: &str) -> usize {
    let wrong = |seed: &u64| {
        random_cores::run(*seed, Some(sabotage)).0.is_err_and(|report| report.contains(complaint))
    };
    (1..101).filter(wrong).count()
}

#[test]
fn a_lost_claim_is_noticed() {
    assert!(noticed(Sabotage::LoseClaims(3), "takes in a segment of core") > 5);
}

#[test]
fn a_second_look_that_is_not_taken_is_noticed() {
    assert!(noticed(Sabotage::NoSecondLook, "takes in a segment of core") > 0);
}

#[test]
fn a_frame_that_comes_twice_is_noticed() {
    assert!(noticed(Sabotage::HandOverTwice(3), "frames were lost or came twice") > 20);
}

/// Four cores whose NIC says how it spreads frames.
fn four_cores(links: usize, has_rules: bool) -> CoresProfile {
    let table = (0..128).map(|entry| CoreIndex(entry % 4)).collect();
    let mut key = [0; SPREAD_KEY_BYTES];
    Random::from_number(4).fill(&mut key);
    let spread = Spread { key, table };
    CoresProfile {
        count: 4,
        links: vec![Spreading::Reported(spread); links],
        has_rules,
        ring_frames: 256,
        burst_frames: 32,
        rests_one_in: 50,
        rest: Duration::from_micros(10),
        sabotage: None,
    }
}

/// The share of received frames that went from one core to another.
fn handed_over_share(flow: &Flow) -> f64 {
    flow.handed_over as f64 / flow.came as f64
}

/// Long transfers over two links between hosts of four cores; the shares of
/// the active and the passive side.
fn shares_of_long_transfers(has_rules: bool) -> [f64; 2] {
    let mut setup = setup(2);
    setup.cores = [Some(four_cores(2, false)), Some(four_cores(2, has_rules))];
    let mut world = World::new(1, &setup);
    world.start(false, 8, script(3_000_000, 3_000_000), script(3_000_000, 3_000_000));
    let world = finish(world);
    assert_eq!(world.hosts[1].count(Outcome::MpJoinAckRx), 8);
    let share = |host: usize| world.hosts[host].shared.as_ref().map_or(0.0, |it| handed_over_share(&it.flow));
    [share(0), share(1)]
}

#[test]
fn less_than_one_frame_in_a_hundred_is_handed_over() {
    let [active, passive] = shares_of_long_transfers(true);
    println!("handed over: active {:.4} %, passive {:.4} %", active * 100.0, passive * 100.0);
    assert!(active < 0.01, "{active} on the side that chooses its ports");
    assert!(passive < 0.01, "{passive} on the side that has rules for what it claims");
    // Without rules the passive side hands over what comes by joins.
    let [_, passive] = shares_of_long_transfers(false);
    println!("handed over without rules: passive {:.2} %", passive * 100.0);
    assert!(passive > 0.1, "{passive}: rules would make no difference");
}

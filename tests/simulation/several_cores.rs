//! Hosts of several cores: a connection stays with the core that its token
//! names, wherever its frames come to.
//!
//! `MPDK_SEED=n cargo test --test simulation one_seed_of_cores -- --nocapture`
//! replays one random world with its counters.

use super::{random_cores, seeds};

#[test]
fn random_worlds_of_several_cores() {
    let failures: Vec<String> =
        seeds().filter_map(|seed| random_cores::run(seed, None).err()).take(5).collect();
    assert!(failures.is_empty(), "{}", failures.join("\n\n"));
}

#[test]
fn one_seed_of_cores() {
    let Some(seed) = std::env::var("MPDK_SEED").ok().and_then(|seed| seed.parse().ok()) else { return };
    match random_cores::run(seed, None) {
        Ok(report) => println!("{report}"),
        Err(report) => panic!("{report}"),
    }
}

#[test]
fn the_same_seed_gives_the_same_world_of_cores() {
    assert_eq!(random_cores::run(7, None), random_cores::run(7, None));
}

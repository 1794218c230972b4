//! A world drawn from a seed whose hosts have several cores, with frames that
//! come to any of them, middleboxes, and connections that are aborted.

use super::application::Script;
use super::cores_profile::{CoresProfile, Flow, Sabotage};
use super::host::Host;
use super::middlebox::{Interference, Middlebox};
use super::nic::Spreading;
use super::random_world::{finish, pull_plugs, scripts, setup};
use super::world::{Setup, World};
use mpdk::base::{CoreIndex, Duration, Random};
use mpdk::endpoint::{Keepalive, SPREAD_KEY_BYTES, Spread};
use std::rc::Rc;

fn spread(random: &mut Random, cores: u8) -> Spread {
    let mut key = [0; SPREAD_KEY_BYTES];
    random.fill(&mut key);
    let entries = 1 << random.below(8);
    let table = (0..entries).map(|_| CoreIndex(random.below(u64::from(cores)) as u8)).collect();
    Spread { key, table }
}

fn spreading(random: &mut Random, cores: u8) -> Spreading {
    match random.below(3) {
        0 => Spreading::Reported(spread(random, cores)),
        1 => Spreading::Hidden(spread(random, cores)),
        _ => Spreading::ByFrame,
    }
}

fn profile(random: &mut Random, links: usize, sabotage: Option<Sabotage>) -> CoresProfile {
    let count = 1 + random.below(8) as u8;
    CoresProfile {
        count,
        links: (0..links).map(|_| spreading(random, count)).collect(),
        has_rules: random.below(3) == 0,
        ring_frames: 1 << (3 + random.below(6)),
        burst_frames: 1 + random.below(32),
        rests_one_in: 1 << (1 + random.below(7)),
        // As long as many a link's delay.
        rest: Duration::from_nanos(1 << (10 + random.below(11))),
        sabotage,
    }
}

/// Several cores on either side or on both.
fn add_cores(setup: &mut Setup, random: &mut Random, sabotage: Option<Sabotage>) {
    let sides = 1 + random.below(3);
    for host in 0..2 {
        if sides & 1 << host != 0 {
            setup.cores[host] = Some(profile(random, setup.links.len(), sabotage));
        }
    }
}

/// Links over which answers come while a core rests.
fn quicken(setup: &mut Setup) {
    for link in &mut setup.links {
        link.rate_bits_per_second = 10_000_000_000;
        link.delay = Duration::from_micros(5);
        link.jitter = Duration::from_nanos(link.jitter.as_nanos().min(5_000));
    }
    setup.gather = Duration::ZERO;
}

/// Such as leave a connection that can go on.
fn interference(random: &mut Random) -> Interference {
    match random.below(3) {
        0 => Interference::StripSyn,
        1 => Interference::Split,
        _ => Interference::ShiftSequence(random.next_u32()),
    }
}

/// One side may abort its connections. What it says of that may be lost: the
/// other asks.
fn abort_some(setup: &mut Setup, scripts: &mut [Script; 2], random: &mut Random) {
    let side = random.below(8) as usize;
    if side > 1 || scripts[1 - side].is_silent() {
        return;
    }
    scripts[side].abort_after = Some(1 + random.below(scripts[1 - side].send_bytes));
    scripts[1 - side].may_be_aborted = true;
    for side in &mut setup.mptcp {
        let keepalive =
            Keepalive { idle: Duration::from_secs(1), interval: Duration::from_millis(500), probes: 8 };
        Rc::make_mut(&mut side.tcp).keepalive = Some(keepalive);
    }
}

/// Runs the world of a seed; what it was, or what is wrong with it, and where
/// its frames went.
pub fn run(seed: u64, sabotage: Option<Sabotage>) -> (Result<String, String>, Flow) {
    let mut random = Random::from_number(seed);
    let mut setup = setup(&mut random);
    add_cores(&mut setup, &mut random, sabotage);
    let is_quick = random.below(2) == 0;
    if is_quick {
        quicken(&mut setup);
    }
    let mut scripts = scripts(&mut random);
    abort_some(&mut setup, &mut scripts, &mut random);
    let mut world = World::new(random.next_u64(), &setup);
    if random.below(4) == 0 {
        let link = random.below(setup.links.len() as u64) as usize;
        world.middleboxes.push(Middlebox::new(link, interference(&mut random)));
    }
    let connections = 1 + random.below(if is_quick { 24 } else { 5 }) as u16;
    // What is left of aborted connections would speak for their 4-tuples still.
    if scripts.iter().all(|script| script.abort_after.is_none()) && random.below(3) == 0 {
        world.start(setup.ipv6, 0, scripts[0], scripts[1]);
        twice(&mut world, setup.ipv6, connections, scripts[0]);
    } else {
        world.start(setup.ipv6, usize::from(connections), scripts[0], scripts[1]);
    }
    pull_plugs(&mut world, &mut random);
    let report = finish(seed, &setup, &mut world);
    let mut flow = Flow::default();
    world.hosts.iter().filter_map(|host| host.shared.as_ref()).for_each(|shared| flow.add(&shared.flow));
    (report, flow)
}

/// Opens connections from the same local ports, one after the other: 4-tuples
/// of which one side may still be in TIME_WAIT, on another core.
fn twice(world: &mut World, ipv6: bool, connections: u16, script: Script) {
    const FIRST: u16 = 40_000;
    for round in 0..2 {
        for port in FIRST..FIRST + connections {
            // The first round's may be in TIME_WAIT here.
            let opened = world.connect(ipv6, Some(port), script);
            assert!(opened.is_ok() || round > 0, "{opened:?}");
        }
        if round == 0 {
            let limit = world.now + Duration::from_secs(60);
            let is_over = |world: &World| world.is_done() && world.hosts.iter().all(Host::is_over);
            world.run_until(limit, is_over);
            // Nothing of theirs is under way.
            world.run_until(world.now + Duration::from_millis(500), |_| false);
        }
    }
}

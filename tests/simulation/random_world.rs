//! A world drawn from a seed: links of any kind, plugs pulled, transfers of
//! any size.

use super::application::Script;
use super::link::LinkProfile;
use super::report::stall_report;
use super::world::{Setup, World, mptcp_config};
use mpdk::base::{Duration, Instant, Random};
use mpdk::mptcp::SchedulerKind;

fn link(random: &mut Random) -> LinkProfile {
    let rates = [1_000_000, 10_000_000, 100_000_000, 1_000_000_000, 10_000_000_000];
    let delays_us = [5, 50, 500, 5_000, 30_000];
    let rare = |random: &mut Random, most: u64| if random.below(2) == 0 { 0 } else { random.below(most) };
    let rate_bits_per_second = rates[random.below(5) as usize];
    let delay = Duration::from_micros(delays_us[random.below(5) as usize]);
    LinkProfile {
        rate_bits_per_second,
        delay,
        jitter: Duration::from_nanos(rare(random, delay.as_nanos())),
        loss_ppm: rare(random, 30_000),
        duplicate_ppm: rare(random, 20_000),
        corrupt_ppm: rare(random, 5_000),
        reorder_ppm: rare(random, 50_000),
        queue_bytes: 20_000 + random.below(300_000),
        mtu: [1_500, 1_500, 1_400, 9_000][random.below(4) as usize],
    }
}

pub fn setup(random: &mut Random) -> Setup {
    let links = 1 + random.below(4);
    let mut mptcp = [mptcp_config(), mptcp_config()];
    for side in &mut mptcp {
        side.enabled = random.below(12) > 0;
        side.checksum = random.below(4) == 0;
        side.announce = random.below(8) > 0;
        side.receive_buffer_bytes = 1 << (16 + random.below(6));
        side.send_buffer_bytes = 1 << (16 + random.below(6));
        side.scheduler = if random.below(3) == 0 { SchedulerKind::RoundRobin } else { SchedulerKind::MinRtt };
    }
    let gather = Duration::from_micros([0, 20, 200][random.below(3) as usize]);
    // Hosts of one world share a link's MTU.
    Setup {
        gather,
        links: (0..links).map(|_| link(random)).collect(),
        ipv6: random.below(3) == 0,
        mptcp,
        cores: [None, None],
    }
}

fn script(random: &mut Random, send_bytes: u64, expect_bytes: u64) -> Script {
    Script {
        send_bytes,
        write_bytes: 1 + random.below(40_000) as usize,
        expect_bytes,
        close_last: random.below(2) == 0,
        abort_after: None,
        may_be_aborted: false,
    }
}

fn amount(random: &mut Random) -> u64 {
    let most = 1 << random.below(20);
    random.below(most + 1)
}

/// Plugs are pulled at times, but never the last one for good.
pub fn pull_plugs(world: &mut World, random: &mut Random) {
    for link in 0..world.links.len() {
        if random.below(3) > 0 {
            continue;
        }
        let down = Instant::from_nanos(1_000_000 + random.below(2_000_000_000));
        let up = down + Duration::from_nanos(random.below(5_000_000_000));
        let seen = random.below(2) == 0;
        world.plug(down, link, false, seen);
        if link == 0 || random.below(2) == 0 {
            world.plug(up, link, true, seen);
        }
    }
}

/// Runs the world of a seed; what it was, or what is wrong with it.
pub fn run(seed: u64) -> Result<String, String> {
    let mut random = Random::from_number(seed);
    let setup = setup(&mut random);
    let mut world = World::new(random.next_u64(), &setup);
    let connections = 1 + random.below(3) as usize;
    let scripts = scripts(&mut random);
    world.start(setup.ipv6, connections, scripts[0], scripts[1]);
    pull_plugs(&mut world, &mut random);
    finish(seed, &setup, &mut world)
}

/// What the active side does, and the passive side.
pub fn scripts(random: &mut Random) -> [Script; 2] {
    let (active_bytes, passive_bytes) = (amount(random), amount(random));
    let active = script(random, active_bytes, passive_bytes);
    let mut passive = script(random, passive_bytes, active_bytes);
    // One side has to close first.
    passive.close_last &= !active.close_last;
    [active, passive]
}

/// Runs a world to its end; what it was, or what is wrong with it.
pub fn finish(seed: u64, setup: &Setup, world: &mut World) -> Result<String, String> {
    let limit = world.now + Duration::from_secs(400);
    let done = world.run_until(limit, World::is_done);
    let mut complaints = if done { Vec::new() } else { vec!["stalled".to_string()] };
    complaints.extend(world.complaints());
    let report = format!("seed {seed}: {setup:?}\n{}", stall_report(world).join("\n"));
    if complaints.is_empty() { Ok(report) } else { Err(format!("{}\n{report}", complaints.join("\n"))) }
}

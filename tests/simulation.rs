//! Two whole hosts, links and a seed: what the protocol does when the network
//! does anything. Invariants: bytes arrive equal and in order, both sides
//! close, nothing is held at the end, nothing stalls.
//!
//! `MPDK_SEED=n cargo test --test simulation one_seed -- --nocapture` replays
//! one random world with its counters.

#[path = "simulation/application.rs"]
mod application;
#[path = "simulation/core.rs"]
mod core;
#[path = "simulation/cores.rs"]
mod cores;
#[path = "simulation/cores_profile.rs"]
mod cores_profile;
#[path = "simulation/host.rs"]
mod host;
#[path = "simulation/link.rs"]
mod link;
#[path = "simulation/middlebox.rs"]
mod middlebox;
#[path = "simulation/nic.rs"]
mod nic;
#[path = "simulation/packet.rs"]
mod packet;
#[path = "simulation/random_cores.rs"]
mod random_cores;
#[path = "simulation/random_world.rs"]
mod random_world;
#[path = "simulation/report.rs"]
mod report;
#[path = "simulation/rings.rs"]
mod rings;
#[path = "simulation/segment.rs"]
mod segment;
#[path = "simulation/several_cores.rs"]
mod several_cores;
#[path = "simulation/watch.rs"]
mod watch;
#[path = "simulation/world.rs"]
mod world;

use application::{Script, Session};
use link::LinkProfile;
use middlebox::{Interference, Middlebox};
use mpdk::base::{Duration, Instant, Outcome};
use mpdk::endpoint::CloseReason;
use report::stall_report;
use world::{Setup, World, mptcp_config};

fn setup(links: usize) -> Setup {
    let gather = Duration::ZERO;
    let mptcp = [mptcp_config(), mptcp_config()];
    Setup { gather, links: vec![LinkProfile::clean(); links], ipv6: false, mptcp, cores: [None, None] }
}

fn script(send_bytes: u64, expect_bytes: u64) -> Script {
    Script {
        send_bytes,
        write_bytes: 16 * 1024,
        expect_bytes,
        close_last: false,
        abort_after: None,
        may_be_aborted: false,
    }
}

/// One connection that sends this much each way.
fn transfer(setup: &Setup, active_bytes: u64, passive_bytes: u64) -> World {
    let mut world = World::new(1, setup);
    world.start(setup.ipv6, 1, script(active_bytes, passive_bytes), script(passive_bytes, active_bytes));
    world
}

fn finish(mut world: World) -> World {
    let limit = world.now + Duration::from_secs(300);
    assert!(world.run_until(limit, World::is_done), "stalled: {:#?}", stall_report(&world));
    let complaints = world.complaints();
    assert!(complaints.is_empty(), "{complaints:#?}\n{:#?}", stall_report(&world));
    world
}

fn count(world: &World, host: usize, outcome: Outcome) -> u64 {
    world.hosts[host].count(outcome)
}

fn first_session(world: &World, host: usize) -> &Session {
    world.hosts[host].sessions().next().expect("a session")
}

fn carried_share(world: &World, link: usize, from: usize) -> f64 {
    let bytes = |link: usize| world.links[link].directions[from].carried_bytes as f64;
    bytes(link) / (0..world.links.len()).map(bytes).sum::<f64>()
}

#[test]
fn one_link_carries_a_stream() {
    let world = finish(transfer(&setup(1), 300_000, 200_000));
    assert_eq!(count(&world, 0, Outcome::MpCapableSynAckRx), 1);
    assert_eq!(count(&world, 1, Outcome::MpCapableAckRx), 1);
    assert_eq!(count(&world, 1, Outcome::MpCapableFallbackAck), 0);
}

#[test]
fn nothing_at_all_is_carried_too() {
    finish(transfer(&setup(2), 0, 0));
    finish(transfer(&setup(2), 1, 0));
    finish(transfer(&setup(2), 0, 1));
}

#[test]
fn two_links_share_a_stream() {
    let world = finish(transfer(&setup(2), 20_000_000, 0));
    assert_eq!(count(&world, 1, Outcome::MpJoinAckRx), 1);
    for link in 0..2 {
        let share = carried_share(&world, link, 0);
        assert!((0.35..0.65).contains(&share), "link {link} carried {share}");
    }
}

#[test]
fn two_links_share_what_the_passive_side_sends() {
    let world = finish(transfer(&setup(2), 100, 20_000_000));
    for link in 0..2 {
        let share = carried_share(&world, link, 1);
        assert!((0.35..0.65).contains(&share), "link {link} carried {share}");
    }
}

#[test]
fn six_links_and_ipv6() {
    let mut six = setup(6);
    six.ipv6 = true;
    let world = finish(transfer(&six, 20_000_000, 20_000_000));
    assert_eq!(count(&world, 1, Outcome::MpJoinAckRx), 5);
}

#[test]
fn unequal_round_trip_times_fill_both_links() {
    let mut unequal = setup(2);
    unequal.links[0].delay = Duration::from_micros(100);
    unequal.links[1].delay = Duration::from_micros(2_500);
    for side in &mut unequal.mptcp {
        // Both links' rate times the longer round trip, its queue included, twice.
        side.send_buffer_bytes = 4 << 20;
        side.receive_buffer_bytes = 4 << 20;
    }
    let mut world = transfer(&unequal, 1 << 40, 0);
    let received = |world: &World| world.hosts[1].sessions().next().map_or(0, |it| it.received);
    let mut run = |until_ms: u64| {
        world.run_until(Instant::from_nanos(until_ms * 1_000_000), |_| false);
        received(&world)
    };
    let warm = run(1_000);
    let carried = (run(2_000) - warm) as f64 * 8.0 / 2e9;
    // Of 1514 bytes of frame, 1420 are payload.
    assert!(carried > 0.95 * 1420.0 / 1514.0, "{carried} of both links' rates");
}

#[test]
fn checksums_are_used_if_either_side_asks() {
    for asks in 0..2 {
        let mut checked = setup(2);
        checked.mptcp[asks].checksum = true;
        let world = finish(transfer(&checked, 2_000_000, 2_000_000));
        assert_eq!(count(&world, 0, Outcome::MpDataChecksumError), 0);
        assert_eq!(count(&world, 1, Outcome::MpJoinAckRx), 1);
    }
}

#[test]
fn a_peer_without_mptcp_gets_plain_tcp() {
    for without in 0..2 {
        let mut plain = setup(2);
        plain.mptcp[without].enabled = false;
        let world = finish(transfer(&plain, 1_000_000, 1_000_000));
        assert_eq!(count(&world, 1, Outcome::MpJoinSynRx), 0);
    }
}

#[test]
fn a_silent_black_hole_costs_milliseconds() {
    let mut world = transfer(&setup(2), 0, 50_000_000);
    world.plug(Instant::from_nanos(100_000_000), 1, false, false);
    let world = finish(world);
    let gap_ms = first_session(&world, 0).longest_gap_ns / 1_000_000;
    assert!(gap_ms < 100, "{gap_ms} ms without a byte");
}

#[test]
fn the_first_link_may_die_and_come_back() {
    for seen in [false, true] {
        let mut world = transfer(&setup(2), 50_000_000, 50_000_000);
        world.plug(Instant::from_nanos(50_000_000), 0, false, seen);
        world.plug(Instant::from_nanos(2_000_000_000), 0, true, seen);
        finish(world);
    }
}

#[test]
fn a_link_that_comes_up_late_is_used() {
    for late in 0..2 {
        let mut setup = setup(2);
        setup.links[1].delay = Duration::from_micros(20);
        let mut world = World::new(1, &setup);
        world.lose_link(late, 1);
        world.start(false, 1, script(20_000_000, 20_000_000), script(20_000_000, 20_000_000));
        world.regain_link(Instant::from_nanos(20_000_000), late, 1);
        let world = finish(world);
        assert_eq!(count(&world, 1, Outcome::MpJoinAckRx), 1);
    }
}

#[test]
fn a_link_that_flaps_gets_no_second_subflow() {
    let mut world = transfer(&setup(2), 20_000_000, 20_000_000);
    for flap in 0..4 {
        world.plug(Instant::from_nanos(50_000_000 + flap * 20_000_000), 1, false, true);
        world.plug(Instant::from_nanos(60_000_000 + flap * 20_000_000), 1, true, true);
    }
    let world = finish(world);
    assert_eq!(count(&world, 1, Outcome::MpJoinAckRx), 1);
}

#[test]
fn all_links_may_be_down_for_a_while() {
    let mut world = transfer(&setup(2), 20_000_000, 20_000_000);
    for link in 0..2 {
        world.plug(Instant::from_nanos(60_000_000), link, false, false);
        world.plug(Instant::from_nanos(1_500_000_000), link, true, false);
    }
    finish(world);
}

#[test]
fn a_hundred_connections_at_once() {
    let setup = setup(2);
    let mut world = World::new(3, &setup);
    world.start(false, 100, script(100_000, 50_000), script(50_000, 100_000));
    let world = finish(world);
    assert_eq!(world.hosts[1].sessions().count(), 100);
}

#[test]
fn a_peer_that_is_gone_is_given_up() {
    let mut world = transfer(&setup(1), 5_000_000, 0);
    world.plug(Instant::from_nanos(20_000_000), 0, false, false);
    let limit = world.now + Duration::from_secs(600);
    assert!(world.run_until(limit, |world| world.hosts[0].is_done()));
    assert_eq!(first_session(&world, 0).closed, Some(CloseReason::TimedOut));
}

fn with_middlebox(link: usize, what: Interference, active: u64, passive: u64) -> World {
    let setup = setup(2);
    let mut world = transfer(&setup, active, passive);
    world.middleboxes.push(Middlebox::new(link, what));
    world
}

#[test]
fn options_stripped_from_syns_lead_to_plain_tcp() {
    let world = finish(with_middlebox(0, Interference::StripSyn, 500_000, 500_000));
    assert_eq!(count(&world, 1, Outcome::MpJoinSynRx), 0);
}

#[test]
fn options_stripped_after_the_handshake_lead_to_plain_tcp() {
    finish(with_middlebox(0, Interference::StripData, 500_000, 500_000));
    finish(with_middlebox(0, Interference::StripData, 0, 500_000));
    finish(with_middlebox(0, Interference::StripData, 500_000, 0));
}

#[test]
fn options_stripped_in_one_direction_lead_to_plain_tcp() {
    for from in 0..2 {
        finish(with_middlebox(0, Interference::StripDataFrom(from), 500_000, 500_000));
    }
}

#[test]
fn a_join_without_options_is_reset_and_the_rest_goes_on() {
    for what in [Interference::StripSyn, Interference::StripData, Interference::StripAfter(30)] {
        finish(with_middlebox(1, what, 3_000_000, 3_000_000));
    }
}

#[test]
fn changed_payload_is_found_by_the_checksum() {
    let mut checked = setup(2);
    checked.mptcp[0].checksum = true;
    let mut world = transfer(&checked, 3_000_000, 3_000_000);
    world.middleboxes.push(Middlebox::new(1, Interference::ChangePayloadAfter(100)));
    let world = finish(world);
    let found: u64 = (0..2).map(|host| count(&world, host, Outcome::MpDataChecksumError)).sum();
    assert!(found > 0);
}

#[test]
fn segments_may_be_split_and_sequence_numbers_shifted() {
    finish(with_middlebox(0, Interference::Split, 2_000_000, 2_000_000));
    finish(with_middlebox(1, Interference::Split, 2_000_000, 2_000_000));
    finish(with_middlebox(0, Interference::ShiftSequence(0xdead_beef), 2_000_000, 2_000_000));
}

/// What a random world does in CI.
fn seeds() -> std::ops::Range<u64> {
    let count = std::env::var("MPDK_SEEDS").ok().and_then(|count| count.parse().ok()).unwrap_or(1_000);
    1..count + 1
}

#[test]
fn random_worlds() {
    let failures: Vec<String> = seeds().filter_map(|seed| random_world::run(seed).err()).take(5).collect();
    assert!(failures.is_empty(), "{}", failures.join("\n\n"));
}

#[test]
fn one_seed() {
    let Some(seed) = std::env::var("MPDK_SEED").ok().and_then(|seed| seed.parse().ok()) else { return };
    match random_world::run(seed) {
        Ok(report) => println!("{report}"),
        Err(report) => panic!("{report}"),
    }
}

#[test]
fn the_same_seed_gives_the_same_world() {
    assert_eq!(random_world::run(7), random_world::run(7));
}

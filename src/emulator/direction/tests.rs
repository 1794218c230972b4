use super::*;
use crate::base::{Duration, HeapPacket};
use crate::emulator::Chance;
use proptest::prelude::*;

const ROOM: BufferRoom = BufferRoom { buffers: 100_000, buffer_bytes: 1_920 };
const MBIT: u64 = 1_000_000;

/// A frame whose first bytes are its number.
fn frame(number: u32, len: usize) -> HeapPacket {
    let mut bytes = vec![0; len.max(4)];
    bytes[..4].copy_from_slice(&number.to_be_bytes());
    HeapPacket::new(&bytes)
}

fn number_of(packet: &HeapPacket) -> u32 {
    u32::from_be_bytes(packet.as_slice()[..4].try_into().unwrap())
}

/// A direction in virtual time.
struct World {
    direction: Direction<HeapPacket>,
    random: Random,
    now: Instant,
    arrivals: Vec<Arrival>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Arrival {
    at: Instant,
    number: u32,
    bytes: usize,
}

impl World {
    fn new(profile: Profile, seed: u64) -> Self {
        let direction = Direction::new(profile, ROOM);
        Self { direction, random: Random::from_number(seed), now: Instant::ZERO, arrivals: Vec::new() }
    }

    fn send(&mut self, number: u32, len: usize) {
        self.direction.accept(self.now, frame(number, len), &mut self.random);
    }

    /// Looks at every deadline up to `until`, and never in between.
    fn run_until(&mut self, until: Instant) {
        while let Some(deadline) = self.direction.next_deadline().filter(|deadline| *deadline <= until) {
            self.now = self.now.max(deadline);
            while let Some(packet) = self.direction.take_due(self.now, &mut self.random) {
                let arrival = Arrival { at: self.now, number: number_of(&packet), bytes: packet.len() };
                self.arrivals.push(arrival);
            }
        }
        self.now = self.now.max(until);
    }

    fn run_to_the_end(&mut self) {
        while let Some(deadline) = self.direction.next_deadline() {
            self.run_until(deadline);
        }
    }

    fn numbers(&self) -> Vec<u32> {
        self.arrivals.iter().map(|arrival| arrival.number).collect()
    }

    #[track_caller]
    fn check_conservation(&self) {
        let counts = self.direction.counts();
        let sum = |pick: fn(&Tally) -> u64| {
            let gone =
                [counts.sent, counts.lost, counts.queue_dropped, counts.down_dropped, counts.overflowed];
            let gone = gone.iter().map(pick).sum::<u64>() + pick(&self.direction.held());
            (pick(&counts.received) + pick(&counts.duplicated), gone)
        };
        for (came, went) in [sum(|tally| tally.frames), sum(|tally| tally.bytes)] {
            assert_eq!(came, went, "{counts:?}");
        }
        assert_eq!(counts.sent.bytes, self.arrivals.iter().map(|arrival| arrival.bytes as u64).sum::<u64>());
    }
}

fn micros(us: u64) -> Instant {
    Instant::from_nanos(us * 1_000)
}

#[test]
fn without_a_profile_frames_arrive_at_once() {
    let mut world = World::new(Profile::default(), 1);
    (0..100).for_each(|number| world.send(number, 60));
    world.run_until(Instant::ZERO);
    assert_eq!(world.numbers(), (0..100).collect::<Vec<_>>());
    assert_eq!(world.direction.next_deadline(), None);
    world.check_conservation();
}

#[test]
fn delay_is_exact_to_the_nanosecond() {
    let profile = Profile { delay: Duration::from_micros(12_345), ..Profile::default() };
    let mut world = World::new(profile, 1);
    let sent_at: Vec<Instant> = (0..1_000).map(|number: u64| Instant::from_nanos(number * 7_919)).collect();
    for (number, at) in sent_at.iter().enumerate() {
        world.run_until(*at);
        world.send(number as u32, 60);
    }
    world.run_to_the_end();
    assert_eq!(world.arrivals.len(), 1_000);
    for (arrival, sent) in world.arrivals.iter().zip(&sent_at) {
        assert_eq!(arrival.at.since(*sent), Duration::from_micros(12_345));
    }
}

#[test]
fn the_rate_is_exact_over_many_frames() {
    // Frames of a length and at rates where each takes a fraction of a nanosecond.
    for rate in [100 * MBIT, 999 * MBIT, 10_000 * MBIT, 100_000 * MBIT] {
        let profile = Profile { rate_bits_per_second: rate, ..Profile::default() };
        let mut world = World::new(profile, 1);
        (0..10_000).for_each(|number| world.send(number, 61));
        world.run_to_the_end();
        let expected = 10_000.0 * 61.0 * 8.0 / rate as f64 * 1e9;
        let took = world.arrivals.last().unwrap().at.as_nanos() as f64;
        assert!((took - expected).abs() <= 1.0, "{took} ns, not {expected}, at {rate}");
    }
}

#[test]
fn the_queue_drops_what_comes_when_it_is_full() {
    // One frame is being sent, and what waits has room for three.
    for limit in [
        Profile { queue_packets: 3, ..Profile::default() },
        Profile { queue_bytes: 3_999, ..Profile::default() },
    ] {
        let mut world = World::new(Profile { rate_bits_per_second: 8 * MBIT, ..limit }, 1);
        (0..6).for_each(|number| world.send(number, 1_000));
        // A frame takes a millisecond.
        world.run_until(micros(1_000));
        world.send(6, 1_000);
        world.run_to_the_end();
        assert_eq!(world.numbers(), [0, 1, 2, 3, 6]);
        let at: Vec<_> = world.arrivals.iter().map(|arrival| arrival.at.as_micros()).collect();
        assert_eq!(at, [1_000, 2_000, 3_000, 4_000, 5_000]);
        assert_eq!(world.direction.counts().queue_dropped, Tally { frames: 2, bytes: 2_000 });
        world.check_conservation();
    }
}

#[test]
fn packet_memory_is_limited_whatever_the_profile_says() {
    let profile = Profile { delay: Duration::from_secs(1), ..Profile::default() };
    let mut world = World::new(profile, 1);
    world.direction = Direction::new(profile, BufferRoom { buffers: 10, buffer_bytes: 1_000 });
    // Three buffers each: the fourth does not fit, a short one does.
    (0..4).for_each(|number| world.send(number, 2_500));
    world.send(4, 60);
    world.send(5, 60);
    world.run_to_the_end();
    assert_eq!(world.numbers(), [0, 1, 2, 4]);
    assert_eq!(world.direction.counts().overflowed.frames, 2);
    world.check_conservation();
}

#[test]
fn a_link_that_is_down_carries_nothing_and_one_that_is_up_again_does() {
    let profile =
        Profile { rate_bits_per_second: 8 * MBIT, delay: Duration::from_millis(5), ..Profile::default() };
    let mut world = World::new(profile, 1);
    (0..4).for_each(|number| world.send(number, 1_000));
    world.run_until(micros(6_000));
    assert_eq!(world.numbers(), [0]);
    world.direction.set_up(world.now, false);
    assert!(!world.direction.is_up());
    assert_eq!((world.direction.held(), world.direction.next_deadline()), (Tally::default(), None));
    world.send(4, 1_000);
    world.run_until(micros(20_000));
    world.direction.set_up(world.now, true);
    world.send(5, 1_000);
    world.run_to_the_end();
    assert_eq!(world.numbers(), [0, 5]);
    assert_eq!(world.arrivals[1].at, micros(26_000));
    assert_eq!(world.direction.counts().down_dropped.frames, 4);
    world.check_conservation();
}

#[test]
fn a_change_of_the_rate_applies_to_what_waits() {
    let slow = Profile { rate_bits_per_second: 8 * MBIT, ..Profile::default() };
    let mut world = World::new(slow, 1);
    (0..3).for_each(|number| world.send(number, 1_000));
    world.run_until(micros(500));
    let fast = Profile { rate_bits_per_second: 80 * MBIT, ..slow };
    world.direction.set_profile(world.now, fast, &mut world.random);
    world.run_to_the_end();
    // The first is half sent; the others take a tenth of the time.
    let at: Vec<_> = world.arrivals.iter().map(|arrival| arrival.at.as_micros()).collect();
    assert_eq!(at, [1_000, 1_100, 1_200]);
}

#[test]
fn a_shorter_delay_does_not_let_frames_pass_others() {
    let slow = Profile { delay: Duration::from_millis(100), ..Profile::default() };
    let mut world = World::new(slow, 1);
    world.send(0, 60);
    let fast = Profile { delay: Duration::from_millis(1), ..slow };
    world.direction.set_profile(world.now, fast, &mut world.random);
    world.send(1, 60);
    world.run_to_the_end();
    assert_eq!(world.numbers(), [0, 1]);
}

#[test]
fn frames_to_be_reordered_are_passed_by_others() {
    let profile = Profile {
        delay: Duration::from_millis(1),
        reorder: Chance::new(0.1),
        reorder_delay: Duration::from_micros(25),
        ..Profile::default()
    };
    let mut world = World::new(profile, 5);
    for number in 0..1_000 {
        world.run_until(micros(u64::from(number) * 10));
        world.send(number, 60);
    }
    world.run_to_the_end();
    let numbers = world.numbers();
    let late = numbers.windows(2).filter(|pair| pair[1] < pair[0]).count();
    let reordered = world.direction.counts().reordered.frames;
    assert!((60..140).contains(&reordered) && late > 50, "{late} of {reordered}");
    // Late by 25 us: at most the three frames of the 30 us behind.
    let most = numbers.iter().zip(0..).map(|(&number, at)| at - i64::from(number)).max().unwrap();
    assert!(most <= 3, "passed by {most}");
    world.check_conservation();
}

#[test]
fn a_copy_comes_right_behind_its_original() {
    let profile = Profile { duplicate: Chance::new(0.2), ..Profile::default() };
    let mut world = World::new(profile, 3);
    (0..1_000).for_each(|number| world.send(number, 60));
    world.run_to_the_end();
    let numbers = world.numbers();
    assert!(numbers.is_sorted());
    let copies = world.direction.counts().duplicated.frames;
    assert_eq!(numbers.len() as u64, 1_000 + copies);
    assert!((150..250).contains(&copies), "{copies}");
    world.check_conservation();
}

#[test]
fn the_share_of_losses_is_the_one_asked_for() {
    for (share, burst) in [(0.001, 0), (0.05, 0), (0.5, 0), (0.05, 10), (1.0, 0), (1.0, 5)] {
        let profile = Profile { loss: Chance::new(share), loss_burst_frames: burst, ..Profile::default() };
        let mut world = World::new(profile, 11);
        (0..100_000).for_each(|number| world.send(number, 60));
        world.run_to_the_end();
        let lost = world.direction.counts().lost.frames as f64 / 100_000.0;
        // Five standard deviations, wider where losses come together.
        let tolerance = 5.0 * (share * (1.0 - share) * f64::from(2 * burst + 1) / 100_000.0).sqrt();
        assert!((lost - share).abs() <= tolerance, "{lost}, not {share} +- {tolerance}");
        world.check_conservation();
    }
}

#[test]
fn jitter_is_spread_evenly() {
    let profile = Profile {
        delay: Duration::from_micros(100),
        jitter: Duration::from_micros(100),
        ..Profile::default()
    };
    let mut world = World::new(profile, 4);
    // Far apart: none has to wait for the one in front.
    for number in 0..10_000 {
        world.run_until(micros(u64::from(number) * 1_000));
        world.send(number, 60);
    }
    world.run_to_the_end();
    let mut quarters = [0; 4];
    for arrival in &world.arrivals {
        let extra = arrival.at.as_nanos() - u64::from(arrival.number) * 1_000_000 - 100_000;
        quarters[(extra / 25_000).min(3) as usize] += 1;
    }
    assert!(quarters.iter().all(|count| (2_250..2_750).contains(count)), "{quarters:?}");
}

/// What may be asked of a direction, without what never ends.
fn profiles() -> impl Strategy<Value = Profile> {
    let rate = prop_oneof![Just(0), 100_000..10_000 * MBIT];
    let chance = || prop_oneof![Just(0.0), 0.0..1.0].prop_map(Chance::new);
    let time = || prop_oneof![Just(0), 0..5_000_000_u64].prop_map(Duration::from_nanos);
    let queue = (prop_oneof![Just(0), 1..50_u32], prop_oneof![Just(0), 1..50_000_u64]);
    (rate, queue, (time(), time(), time()), (chance(), chance(), chance()), 0..10_u32).prop_map(
        |(rate, queue, (delay, jitter, reorder_delay), (loss, duplicate, reorder), burst)| Profile {
            rate_bits_per_second: rate,
            queue_packets: queue.0,
            queue_bytes: queue.1,
            delay,
            jitter,
            loss,
            loss_burst_frames: burst,
            duplicate,
            reorder,
            reorder_delay,
        },
    )
}

#[derive(Clone, Debug)]
enum Step {
    Send { gap_ns: u64, len: usize },
    Change(Profile),
    Plug(bool),
}

fn sends() -> impl Strategy<Value = Vec<Step>> {
    let send = (prop_oneof![Just(0), 0..200_000_u64], 60..9_000_usize)
        .prop_map(|(gap_ns, len)| Step::Send { gap_ns, len });
    proptest::collection::vec(send, 1..200)
}

fn anything() -> impl Strategy<Value = Vec<Step>> {
    let send = (prop_oneof![Just(0), 0..200_000_u64], 60..9_000_usize)
        .prop_map(|(gap_ns, len)| Step::Send { gap_ns, len });
    let step = prop_oneof![
        20 => send,
        1 => profiles().prop_map(Step::Change),
        1 => any::<bool>().prop_map(Step::Plug),
    ];
    proptest::collection::vec(step, 1..200)
}

/// Plays the steps; returns when each frame was sent. Checks the sums at every
/// step.
fn play(world: &mut World, steps: &[Step]) -> Vec<Instant> {
    let mut sent_at = Vec::new();
    for step in steps {
        match step {
            Step::Send { gap_ns, len } => {
                world.run_until(world.now + Duration::from_nanos(*gap_ns));
                world.send(sent_at.len() as u32, *len);
                sent_at.push(world.now);
            }
            Step::Change(profile) => world.direction.set_profile(world.now, *profile, &mut world.random),
            Step::Plug(up) => world.direction.set_up(world.now, *up),
        }
        world.check_conservation();
    }
    world.run_to_the_end();
    assert_eq!(world.direction.held(), Tally::default());
    assert_eq!((world.direction.held_buffers, world.direction.queue_bytes), (0, 0));
    world.check_conservation();
    sent_at
}

proptest! {
    #[test]
    fn nothing_gets_lost_uncounted(profile in profiles(), steps in anything(), seed: u64) {
        play(&mut World::new(profile, seed), &steps);
    }

    #[test]
    fn one_seed_gives_one_result(profile in profiles(), steps in anything(), seed: u64) {
        let mut worlds = [World::new(profile, seed), World::new(profile, seed)];
        worlds.iter_mut().for_each(|world| drop(play(world, &steps)));
        prop_assert_eq!(&worlds[0].arrivals, &worlds[1].arrivals);
        prop_assert_eq!(worlds[0].direction.counts(), worlds[1].direction.counts());
    }

    #[test]
    fn how_often_it_is_asked_changes_nothing(profile in profiles(), steps in sends(), seed: u64) {
        let mut once = World::new(profile, seed);
        play(&mut once, &steps);
        let mut often = World::new(profile, seed);
        let mut number = 0;
        for step in &steps {
            let Step::Send { gap_ns, len } = step else { continue };
            let until = often.now + Duration::from_nanos(*gap_ns);
            for part in 1..=4 {
                often.run_until(until - Duration::from_nanos(gap_ns - gap_ns * part / 4));
            }
            often.send(number, *len);
            number += 1;
        }
        often.run_to_the_end();
        prop_assert_eq!(once.arrivals, often.arrivals);
    }

    #[test]
    fn order_is_kept_without_reordering(profile in profiles(), steps in anything(), seed: u64) {
        let in_order = |profile: Profile| Profile { reorder: Chance::new(0.0), ..profile };
        let steps: Vec<_> = steps.into_iter().map(|step| match step {
            Step::Change(profile) => Step::Change(in_order(profile)),
            other => other,
        }).collect();
        let mut world = World::new(in_order(profile), seed);
        play(&mut world, &steps);
        prop_assert!(world.numbers().is_sorted());
    }

    #[test]
    fn no_frame_is_earlier_than_rate_and_delay_allow(profile in profiles(), steps in sends(), seed: u64) {
        let mut world = World::new(profile, seed);
        let sent_at = play(&mut world, &steps);
        for arrival in &world.arrivals {
            let own = (arrival.bytes as u128 * 8 * 1_000_000_000)
                .checked_div(u128::from(profile.rate_bits_per_second)).unwrap_or(0);
            let least = profile.delay + Duration::from_nanos(own as u64);
            let took = arrival.at.since(sent_at[arrival.number as usize]);
            prop_assert!(took >= least, "{took:?} of at least {least:?}");
        }
    }

    #[test]
    fn the_rate_is_never_exceeded(profile in profiles(), steps in sends(), seed: u64) {
        prop_assume!(profile.rate_bits_per_second > 0);
        // Copies and frames that catch up with those in front come closer
        // together than they were sent.
        let quiet = Duration::ZERO;
        let none = Chance::new(0.0);
        let profile = Profile { jitter: quiet, duplicate: none, reorder: none, ..profile };
        let mut world = World::new(profile, seed);
        play(&mut world, &steps);
        // Between any two arrivals there is time for all but the first.
        let rate = u128::from(profile.rate_bits_per_second);
        for (first, from) in world.arrivals.iter().enumerate() {
            let mut bits = 0;
            for to in &world.arrivals[first + 1..] {
                bits += to.bytes as u128 * 8;
                let time = u128::from(to.at.since(from.at).as_nanos()) + 1;
                prop_assert!(bits * 1_000_000_000 <= rate * time, "{bits} bits in {time} ns at {rate}");
            }
        }
    }
}

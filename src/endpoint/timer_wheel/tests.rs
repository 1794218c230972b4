use super::*;
use crate::base::Duration;
use proptest::prelude::*;
use std::collections::BTreeMap;

const TICK_NS: u64 = 1 << TICK_SHIFT;

fn drain(wheel: &mut TimerWheel<usize>, now_ns: u64) -> Vec<usize> {
    let mut keys: Vec<_> = std::iter::from_fn(|| wheel.expire(Instant::from_nanos(now_ns))).collect();
    keys.sort_unstable();
    keys
}

#[test]
fn fires_in_the_tick_after_its_deadline() {
    let mut wheel = TimerWheel::new(Instant::ZERO);
    let timer = wheel.create(7);
    wheel.set(timer, Some(Instant::ZERO + Duration::from_millis(5)));
    assert!(drain(&mut wheel, 4_999_999).is_empty());
    let deadline = wheel.poll_deadline().unwrap();
    assert!(deadline.as_nanos() < 5_000_000 + TICK_NS);
    assert_eq!(drain(&mut wheel, 5_000_000 + TICK_NS), [7]);
    assert_eq!(wheel.poll_deadline(), None);
}

#[test]
fn a_deadline_in_the_past_is_due_at_once() {
    let mut wheel = TimerWheel::new(Instant::from_nanos(1 << 40));
    let timer = wheel.create(1);
    wheel.set(timer, Some(Instant::from_nanos(5)));
    assert!(wheel.poll_deadline().unwrap() <= Instant::from_nanos(1 << 40));
    assert_eq!(drain(&mut wheel, 1 << 40), [1]);
}

#[test]
fn ids_are_used_again_and_destroyed_timers_are_silent() {
    let mut wheel = TimerWheel::new(Instant::ZERO);
    let first = wheel.create(1);
    wheel.set(first, Some(Instant::from_nanos(TICK_NS)));
    wheel.destroy(first);
    let second = wheel.create(2);
    assert_eq!(first, second);
    assert!(drain(&mut wheel, TICK_NS * 10).is_empty());
}

#[test]
fn the_end_of_time_is_far_but_representable() {
    let mut wheel = TimerWheel::new(Instant::ZERO);
    let timer = wheel.create(1);
    wheel.set(timer, Some(Instant::from_nanos(u64::MAX)));
    assert!(drain(&mut wheel, u64::MAX / 2).is_empty());
    assert!(wheel.poll_deadline().is_some());
    wheel.set(timer, None);
    assert_eq!(wheel.poll_deadline(), None);
}

#[derive(Clone, Debug)]
enum Step {
    Arm { timer: usize, after_ns: u64 },
    Disarm(usize),
    Advance { by_ns: u64 },
    ToDeadline,
}

fn span() -> impl Strategy<Value = u64> {
    // Every order of magnitude: neighbouring ticks as well as the upper levels.
    (0u32..50, any::<u64>()).prop_map(|(bits, random)| random & ((1 << bits) - 1))
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (0..8usize, span()).prop_map(|(timer, after_ns)| Step::Arm { timer, after_ns }),
        1 => (0..8usize).prop_map(Step::Disarm),
        2 => span().prop_map(|by_ns| Step::Advance { by_ns }),
        2 => Just(Step::ToDeadline),
    ]
}

proptest! {
    #[test]
    fn agrees_with_a_sorted_map(start in span(), steps in prop::collection::vec(step(), 1..60)) {
        let mut now = start;
        let mut wheel = TimerWheel::new(Instant::from_nanos(now));
        let ids: Vec<_> = (0..8usize).map(|key| wheel.create(key)).collect();
        let mut model: BTreeMap<usize, u64> = BTreeMap::new();
        for step in steps {
            match step {
                Step::Arm { timer, after_ns } => {
                    wheel.set(ids[timer], Some(Instant::from_nanos(now + after_ns)));
                    model.insert(timer, now + after_ns);
                }
                Step::Disarm(timer) => {
                    wheel.set(ids[timer], None);
                    model.remove(&timer);
                }
                Step::Advance { by_ns } => now += by_ns,
                Step::ToDeadline => now = now.max(wheel.poll_deadline().map_or(now, Instant::as_nanos)),
            }
            let due: Vec<_> =
                model.iter().filter(|&(_, at)| at.div_ceil(TICK_NS) <= now / TICK_NS).map(|(&key, _)| key).collect();
            model.retain(|_, at| at.div_ceil(TICK_NS) > now / TICK_NS);
            prop_assert_eq!(drain(&mut wheel, now), due);
            // Waking at the announced time never lets a timer wait longer than its tick.
            let next = model.values().min().map(|at| at.div_ceil(TICK_NS) * TICK_NS);
            prop_assert_eq!(wheel.poll_deadline().is_some(), next.is_some());
            if let (Some(announced), Some(next)) = (wheel.poll_deadline(), next) {
                prop_assert!(announced.as_nanos() > now && announced.as_nanos() <= next);
            }
        }
    }
}

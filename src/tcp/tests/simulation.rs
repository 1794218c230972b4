use super::world::{Link, World};
use crate::base::{Duration, Random};

fn run(seeds: std::ops::Range<u64>, link: impl Fn(&mut Random) -> Link) {
    for seed in seeds {
        let link = link(&mut Random::from_number(seed ^ 0x5eed));
        println!("seed {seed} {link:?}");
        World::new(seed, link).run();
    }
}

#[test]
fn a_clean_link_carries_everything_once() {
    for seed in 0..100 {
        let link = Link { loss: 0, duplication: 0, reordering: 0, delay: Duration::from_micros(200) };
        println!("seed {seed}");
        let mut world = World::new(seed, link);
        world.run();
        let (sent, total) = world.bytes_sent();
        assert_eq!(sent, total);
    }
}

#[test]
fn a_bad_link_loses_no_byte() {
    run(0..1_000, |random| Link {
        loss: random.below(60),
        duplication: random.below(30),
        reordering: random.below(100),
        delay: Duration::from_micros(50 + random.below(20_000)),
    });
}

#[test]
fn a_terrible_link_loses_no_byte() {
    run(10_000..10_200, |random| Link {
        loss: 100 + random.below(250),
        duplication: random.below(300),
        reordering: random.below(1_000),
        delay: Duration::from_micros(50 + random.below(100_000)),
    });
}

#[test]
fn reordering_alone_stalls_nothing() {
    run(20_000..20_200, |random| Link {
        loss: 0,
        duplication: 0,
        reordering: random.below(1_000),
        delay: Duration::from_micros(50 + random.below(5_000)),
    });
}

#[test]
fn not_much_more_is_sent_again_than_was_lost() {
    for (loss, most) in [(1, 0.005), (10, 0.02), (30, 0.05)] {
        let (mut sent, mut total) = (0, 0);
        for seed in 0..20 {
            let link = Link { loss, duplication: 0, reordering: 0, delay: Duration::from_millis(5) };
            let mut world = World::bulk(seed, link);
            world.run();
            let (bytes_sent, stream) = world.bytes_sent();
            sent += bytes_sent;
            total += stream;
        }
        let again = sent as f64 / total as f64 - 1.0;
        assert!(again <= most, "{again} for a loss of {loss} in a thousand");
    }
}

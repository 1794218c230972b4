//! Local ports of connections that we open (RFC 6056).

use crate::base::Random;

/// The first port of the range.
const FIRST: u16 = 32_768;
/// How many there are: up to 60999, as in Linux.
const COUNT: u16 = 28_232;

/// A port that `is_usable` takes, beginning at a random one (RFC 6056
/// §3.3.1); `None` if there is no such port.
pub(super) fn choose(random: &mut Random, mut is_usable: impl FnMut(u16) -> bool) -> Option<u16> {
    let start = random.below(u64::from(COUNT)) as u16;
    (0..COUNT).map(|step| FIRST + (start + step) % COUNT).find(|&port| is_usable(port))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn gives_every_port_of_the_range_once() {
        let mut random = Random::from_number(1);
        let mut taken = HashSet::new();
        // Half of the range at random, the rest one by one.
        while let Some(port) = choose(&mut random, |port| !taken.contains(&port)) {
            assert!((32_768..=60_999).contains(&port));
            taken.insert(port);
            if taken.len() == usize::from(COUNT) / 2 {
                taken.extend(FIRST..FIRST + COUNT - 1);
            }
        }
        assert_eq!(taken.len(), usize::from(COUNT));
    }

    #[test]
    fn begins_anywhere() {
        let mut random = Random::from_number(2);
        let ports: HashSet<_> = (0..10).filter_map(|_| choose(&mut random, |_| true)).collect();
        assert!(ports.len() > 5);
    }
}

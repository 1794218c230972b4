//! Which core gets what: connections by their tokens, frames by their hash.

use crate::base::{CoreIndex, FourTuple, PortIndex, Spread, Token};

/// One core of several that share ports and addresses.
#[derive(Clone, Debug)]
pub struct Steering {
    /// Which one it is.
    pub core: CoreIndex,
    /// How many there are.
    pub cores: u8,
    /// How each port spreads the frames that it receives over the cores' queues;
    /// `None`: nobody knows.
    pub spreads: Vec<Option<Spread>>,
}

impl Steering {
    /// The core of the connection that a token names: by the token's high bits.
    pub fn core_of_token(&self, token: Token) -> CoreIndex {
        CoreIndex(((u64::from(token.0) * u64::from(self.cores)) >> 32) as u8)
    }

    /// The core that a segment from the remote end comes to, if that is known.
    pub fn core_of_segment(&self, port: PortIndex, tuple: &FourTuple) -> Option<CoreIndex> {
        self.spreads.get(usize::from(port.0))?.as_ref()?.core(tuple)
    }

    pub(super) fn owns_token(&self, token: Token) -> bool {
        self.core_of_token(token) == self.core
    }

    /// Whether a 4-tuple with a local port that was drawn may be this core's: those
    /// whose segments come to it or, where nobody knows that, its share of the
    /// ports. No two cores open the same.
    pub(super) fn owns_tuple(&self, port: PortIndex, tuple: &FourTuple) -> bool {
        let by_port = || CoreIndex((tuple.local.port() % u16::from(self.cores)) as u8);
        self.core_of_segment(port, tuple).unwrap_or_else(by_port) == self.core
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::SPREAD_KEY_BYTES;

    fn steering(cores: u8) -> Steering {
        let table = (0..128).map(|entry| CoreIndex(entry % cores)).collect();
        let spread = Spread { key: [0x6d; SPREAD_KEY_BYTES], table };
        Steering { core: CoreIndex(0), cores, spreads: vec![Some(spread), None] }
    }

    #[test]
    fn every_token_has_a_core_and_every_core_its_share() {
        for cores in [1, 2, 3, 7, 16, 255] {
            let steering = steering(cores);
            let mut share = vec![0_u32; usize::from(cores)];
            for token in (0..=u32::MAX).step_by(65_537) {
                share[usize::from(steering.core_of_token(Token(token)).0)] += 1;
            }
            let (least, most) = (share.iter().min(), share.iter().max());
            assert!(most.unwrap() - least.unwrap() <= 1, "{cores} cores: {share:?}");
            assert_eq!(steering.core_of_token(Token(u32::MAX)), CoreIndex(cores - 1));
        }
    }

    #[test]
    fn no_two_cores_open_the_same_4_tuple() {
        let remote = "10.0.0.2:80".parse().unwrap();
        for port in [PortIndex(0), PortIndex(1)] {
            for local in 32_768..33_768 {
                let tuple = FourTuple { local: ([10, 0, 0, 1], local).into(), remote };
                let owns = |core| Steering { core: CoreIndex(core), ..steering(3) }.owns_tuple(port, &tuple);
                assert_eq!((0..3).filter(|&core| owns(core)).count(), 1, "{local}");
            }
        }
    }

    #[test]
    fn a_port_of_which_nothing_is_known_says_nothing() {
        let tuple =
            FourTuple { local: "10.0.0.1:80".parse().unwrap(), remote: "10.0.0.2:1000".parse().unwrap() };
        let steering = steering(4);
        assert!(steering.core_of_segment(PortIndex(0), &tuple).is_some());
        assert_eq!(steering.core_of_segment(PortIndex(1), &tuple), None);
        assert_eq!(steering.core_of_segment(PortIndex(2), &tuple), None);
    }
}

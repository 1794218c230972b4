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

/// Where hardware decides whose ports are, one in so many is for cores that it
/// leaves without.
const RESERVED_ONE_IN: u16 = 8;

const fn is_reserved(local: u16) -> bool {
    local.is_multiple_of(RESERVED_ONE_IN)
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

    /// Whether a local port is this core's to draw for segments that hardware does
    /// not bring here: no two cores draw the same.
    pub(super) fn owns_port(&self, port: PortIndex, local: u16) -> bool {
        let is_told = self.spreads.get(usize::from(port.0)).is_some_and(Option::is_some);
        let number = if is_told { local / RESERVED_ONE_IN } else { local };
        (!is_told || is_reserved(local)) && number % u16::from(self.cores.max(1)) == u16::from(self.core.0)
    }

    /// Whether a local port is this core's to draw because hardware brings its
    /// segments here.
    pub(super) fn is_brought(&self, port: PortIndex, tuple: &FourTuple) -> bool {
        !is_reserved(tuple.local.port()) && self.owns_tuple(port, tuple)
    }

    pub(super) fn owns_tuple(&self, port: PortIndex, tuple: &FourTuple) -> bool {
        self.core_of_segment(port, tuple) == Some(self.core)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::SocketAddr;

    fn steering(cores: u8) -> Steering {
        let table = (0..128).map(|entry| CoreIndex(entry % cores)).collect();
        let spread = Spread { key: std::array::from_fn(|at| (at * at) as u8), table };
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
    fn every_local_port_has_one_core() {
        for port in [PortIndex(0), PortIndex(1)] {
            let steerings: Vec<_> =
                (0..5).map(|core| Steering { core: CoreIndex(core), ..steering(5) }).collect();
            let mut drawn = [0_u32; 5];
            for local in 32_768..61_000 {
                let tuple = FourTuple {
                    local: SocketAddr::from(([10, 0, 0, 1], local)),
                    remote: "10.0.0.2:80".parse().unwrap(),
                };
                let may_draw = |steering: &&Steering| {
                    steering.owns_port(port, local) || steering.is_brought(port, &tuple)
                };
                let owners: Vec<_> = steerings.iter().filter(may_draw).collect();
                assert_eq!(owners.len(), 1, "{local}");
                drawn[usize::from(owners[0].core.0)] += 1;
            }
            assert!(drawn.iter().all(|&ports| ports > 4_000), "{drawn:?}");
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

//! How the frames of a host's links are spread over its cores' queues.

use super::segment::Segment;
use mpdk::base::{CoreIndex, Duration, FourTuple, Instant, Random};
use mpdk::endpoint::Spread;
use std::collections::HashMap;

/// How the frames of one link are spread.
#[derive(Clone, Debug)]
pub enum Spreading {
    /// By a hash that the host is told.
    Reported(Spread),
    /// By a hash of which it knows nothing.
    Hidden(Spread),
    /// Each frame comes to any core.
    ByFrame,
}

/// The receiving side of a host's links.
#[derive(Debug)]
pub struct Nic {
    cores: u8,
    links: Vec<Spreading>,
    /// Flows that are brought to the core that claimed them; `None`: it has no
    /// such rules.
    rules: Option<HashMap<FourTuple, CoreIndex>>,
    /// The last requests of links that spread by frame, and where they came to.
    requests: HashMap<FourTuple, (Instant, CoreIndex)>,
}

/// Two cores that get copies of one request at once would both begin its
/// connection: copies of one moment come to one queue, whatever the hardware.
/// It is longer than cores rest.
const MOMENT: Duration = Duration::from_millis(10);

impl Nic {
    pub fn new(cores: u8, links: Vec<Spreading>, has_rules: bool) -> Self {
        Self { cores, links, rules: has_rules.then(HashMap::new), requests: HashMap::new() }
    }

    /// What the host is told of a link's spreading.
    pub fn reports(links: &[Spreading]) -> Vec<Option<Spread>> {
        let report = |spreading: &Spreading| match spreading {
            Spreading::Reported(spread) => Some(spread.clone()),
            Spreading::Hidden(_) | Spreading::ByFrame => None,
        };
        links.iter().map(report).collect()
    }

    /// The core whose queue a frame comes to.
    pub fn core_of(&mut self, now: Instant, link: usize, frame: &[u8], chance: &mut Random) -> CoreIndex {
        let any = CoreIndex(chance.below(u64::from(self.cores)) as u8);
        let Some(segment) = Segment::read(frame) else { return any };
        if let Some(&core) = self.rules.as_ref().and_then(|rules| rules.get(&segment.tuple)) {
            return core;
        }
        match &self.links[link] {
            Spreading::Reported(spread) | Spreading::Hidden(spread) => {
                spread.core(&segment.tuple).unwrap_or(any)
            }
            Spreading::ByFrame if segment.is_request() && segment.join.is_none() => {
                let request = self.requests.entry(segment.tuple).or_insert((now, any));
                if now.since(request.0) > MOMENT {
                    *request = (now, any);
                }
                request.1
            }
            Spreading::ByFrame => any,
        }
    }

    /// A core claims a flow that comes to another's queue.
    pub fn claim(&mut self, tuple: FourTuple, core: CoreIndex) {
        if let Some(rules) = &mut self.rules {
            rules.insert(tuple, core);
        }
    }

    /// The claim is over.
    pub fn disclaim(&mut self, tuple: FourTuple, core: CoreIndex) {
        if let Some(rules) = &mut self.rules
            && rules.get(&tuple) == Some(&core)
        {
            rules.remove(&tuple);
        }
    }
}

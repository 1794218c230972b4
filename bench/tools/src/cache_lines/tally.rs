//! What is counted, by what lies at the addresses.

use super::model::{Between, Transfer, Way};
use super::trace::Agent;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

/// What each thread has of its own, whatever its address here: it is not looked
/// at.
const PRIVATE: &str = "private";
/// What has no class.
const OTHER: &str = "other";
/// Lines without a class that are told one by one.
const LINES_TOLD: usize = 16;

/// Transfers: to readers, and to writers.
type Ways = [u64; 2];

/// Counts between the marks.
#[derive(Debug, Default)]
pub struct Tally {
    ranges: Vec<(String, Range<u64>)>,
    private: Option<Range<u64>>,
    counts: bool,
    has_counted: bool,
    /// Of the cores.
    instructions: u64,
    cores: BTreeMap<String, Ways>,
    world: BTreeMap<String, Ways>,
    /// By address: lines without a class that go between cores.
    others: BTreeMap<u64, Other>,
}

#[derive(Debug, Default)]
struct Other {
    transfers: u64,
    /// Instructions that wrote and accessed it.
    code: BTreeSet<u64>,
}

impl Tally {
    pub fn begin(&mut self) {
        self.counts = true;
        self.has_counted = true;
    }

    pub fn end(&mut self) {
        self.counts = false;
    }

    pub fn range(&mut self, class: &str, range: Range<u64>) {
        if class == PRIVATE {
            self.private = Some(range);
        } else {
            self.ranges.push((class.into(), range));
        }
    }

    pub fn is_private(&self, address: u64) -> bool {
        self.private.as_ref().is_some_and(|private| private.contains(&address))
    }

    pub fn instruction(&mut self, agent: Agent) {
        self.instructions += u64::from(self.counts && agent != Agent::World);
    }

    /// An instruction moves a line.
    pub fn transfer(&mut self, instruction: u64, transfer: Transfer) {
        if !self.counts {
            return;
        }
        let class = self.ranges.iter().find(|(_, range)| range.contains(&transfer.address));
        let class = class.map_or(OTHER, |(class, _)| class);
        let counts = match transfer.between {
            Between::Cores => &mut self.cores,
            Between::World => &mut self.world,
        };
        let ways = counts.entry(class.into()).or_default();
        ways[usize::from(transfer.way == Way::Claim)] += 1;
        if class == OTHER && transfer.between == Between::Cores {
            let other = self.others.entry(transfer.address & !63).or_default();
            other.transfers += 1;
            other.code.extend([transfer.writer, instruction]);
        }
    }

    /// One line of JSON; `None` if it never began.
    pub fn report(&self) -> Option<String> {
        let classes = |counts: &BTreeMap<String, Ways>| {
            let entries =
                counts.iter().map(|(class, [read, write])| format!("\"{class}\": [{read}, {write}]"));
            entries.collect::<Vec<_>>().join(", ")
        };
        let others = self.others.iter().take(LINES_TOLD).map(|(line, other)| {
            let code: Vec<_> = other.code.iter().map(|address| format!("\"{address:x}\"")).collect();
            let (transfers, code) = (other.transfers, code.join(", "));
            format!("{{\"line\": \"{line:x}\", \"transfers\": {transfers}, \"code\": [{code}]}}")
        });
        let others = others.collect::<Vec<_>>().join(", ");
        self.has_counted.then(|| {
            format!(
                "{{\"instructions\": {}, \"cores\": {{{}}}, \"world\": {{{}}}, \"other\": [{others}]}}",
                self.instructions,
                classes(&self.cores),
                classes(&self.world),
            )
        })
    }
}

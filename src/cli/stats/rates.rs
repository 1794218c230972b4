//! How fast the counters go.

use super::show::{Core, Figures};
use crate::control::{CoreStatistics, Statistics};
use std::collections::HashMap;

/// Each counter per second from one snapshot to another, by the cores' own
/// clocks: their publications are what the counters are from. A core that began
/// in between is not in the result, one that has published nothing in between
/// does nothing per second.
pub(super) fn rates(from: &Statistics, to: &Statistics) -> Figures<f64> {
    let cores: Vec<_> = to.cores.iter().filter_map(|core| rates_of_core(from, core)).collect();
    let mut sum: Vec<(String, f64)> = to.sum().into_iter().map(|(name, _)| (name, 0.0)).collect();
    let places: HashMap<_, _> =
        sum.iter().enumerate().map(|(place, (name, _))| (name.clone(), place)).collect();
    for (name, rate) in cores.iter().flat_map(|core| &core.counters) {
        if let Some(&place) = places.get(name) {
            sum[place].1 += rate;
        }
    }
    Figures { cores, sum }
}

fn rates_of_core(from: &Statistics, to: &CoreStatistics) -> Option<Core<f64>> {
    let same = |core: &&CoreStatistics| {
        (core.core, core.process, core.started_ns) == (to.core, to.process, to.started_ns)
    };
    let from = from.cores.iter().find(same)?;
    let seconds = to.published_ns.saturating_sub(from.published_ns) as f64 / 1e9;
    // The same page: its names are the same, in the same order.
    let counters = from.counters.iter().zip(&to.counters).map(|((_, before), (name, after))| {
        let rate = if seconds > 0.0 { after.saturating_sub(*before) as f64 / seconds } else { 0.0 };
        (name.clone(), rate)
    });
    Some(Core::of(to, counters.collect()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::CoreIndex;

    fn core(core: u8, started_ns: u64, published_ms: u64, value: u64) -> CoreStatistics {
        CoreStatistics {
            core: CoreIndex(core),
            cpu: None,
            process: 1,
            started_ns,
            published_ns: published_ms * 1_000_000,
            counters: vec![("a".into(), value), ("b".into(), 7)],
        }
    }

    fn statistics(cores: &[CoreStatistics]) -> Statistics {
        Statistics { cores: cores.to_vec(), skipped: Vec::new() }
    }

    fn rate_of_a(figures: &Figures<f64>) -> f64 {
        assert_eq!((figures.sum[0].0.as_str(), figures.sum[1].0.as_str()), ("a", "b"));
        assert_eq!(figures.sum[1].1, 0.0);
        figures.sum[0].1
    }

    #[test]
    fn each_core_by_its_own_clock() {
        let from = statistics(&[core(0, 1, 1_000, 100), core(1, 1, 1_050, 0)]);
        let to = statistics(&[core(0, 1, 1_500, 200), core(1, 1, 3_050, 50)]);
        let figures = rates(&from, &to);
        assert_eq!(figures.cores.iter().map(|core| core.counters[0].1).collect::<Vec<_>>(), [200.0, 25.0]);
        assert_eq!(rate_of_a(&figures), 225.0);
    }

    #[test]
    fn a_core_that_rests_or_began_anew_has_no_rate() {
        let from = statistics(&[core(0, 1, 1_000, 100), core(1, 1, 1_000, 50)]);
        // Core 1 is another process's now.
        let to = statistics(&[core(0, 1, 1_000, 100), core(1, 2, 2_000, 10)]);
        let figures = rates(&from, &to);
        assert_eq!(figures.cores.len(), 1);
        assert_eq!(rate_of_a(&figures), 0.0);
        assert_eq!(rate_of_a(&rates(&statistics(&[]), &to)), 0.0);
    }
}

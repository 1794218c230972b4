//! Counters as a table for people, or as JSON for programs.

use crate::control::{CoreStatistics, Statistics};
use serde_json::{Map, Value, json};
use std::collections::HashMap;
use std::fmt::Write;

/// A count, or a rate.
pub(super) trait Number: Copy + PartialEq + Default + Into<Value> {
    /// For people.
    fn text(self) -> String;
}

impl Number for u64 {
    fn text(self) -> String {
        self.to_string()
    }
}

impl Number for f64 {
    fn text(self) -> String {
        format!("{self:.1}")
    }
}

/// The counters of one core.
#[derive(Debug)]
pub(super) struct Core<T> {
    core: u8,
    cpu: Option<u32>,
    process: u32,
    pub(super) counters: Vec<(String, T)>,
}

/// What is to be told.
#[derive(Debug)]
pub(super) struct Figures<T> {
    pub(super) cores: Vec<Core<T>>,
    /// Every counter that any core has.
    pub(super) sum: Vec<(String, T)>,
}

impl<T> Core<T> {
    /// `counters` of that core.
    pub(super) fn of(core: &CoreStatistics, counters: Vec<(String, T)>) -> Self {
        Self { core: core.core.0, cpu: core.cpu, process: core.process, counters }
    }
}

impl Figures<u64> {
    /// What has been counted since the start.
    pub(super) fn counts(statistics: &Statistics) -> Self {
        let cores = statistics.cores.iter().map(|core| Core::of(core, core.counters.clone()));
        Self { cores: cores.collect(), sum: statistics.sum() }
    }
}

impl<T: Number> Figures<T> {
    /// The sum as an object, and a list of the cores if they are wanted.
    pub(super) fn json(&self, per_core: bool) -> Value {
        let mut all = Map::new();
        all.insert("sum".into(), object(&self.sum));
        if per_core {
            let core = |core: &Core<T>| {
                let counters = object(&core.counters);
                json!({"core": core.core, "cpu": core.cpu, "process": core.process, "counters": counters})
            };
            all.insert("cores".into(), self.cores.iter().map(core).collect());
        }
        Value::Object(all)
    }

    /// A line for each counter that is not zero everywhere, with a column for
    /// each core if they are wanted.
    pub(super) fn table(&self, per_core: bool) -> String {
        let mut heading = vec!["counter".to_owned(), "sum".to_owned()];
        let cores = if per_core { &self.cores[..] } else { &[] };
        heading.extend(cores.iter().map(Core::heading));
        let columns: Vec<HashMap<&str, T>> = cores.iter().map(|core| by_name(&core.counters)).collect();
        let mut lines = vec![heading];
        for (name, sum) in &self.sum {
            let parts: Vec<T> =
                columns.iter().map(|column| column.get(name.as_str()).copied().unwrap_or_default()).collect();
            if [*sum].iter().chain(&parts).any(|number| *number != T::default()) {
                let numbers = [*sum].into_iter().chain(parts).map(T::text);
                lines.push([name.clone()].into_iter().chain(numbers).collect());
            }
        }
        align(&lines)
    }
}

impl<T> Core<T> {
    fn heading(&self) -> String {
        let cpu = self.cpu.map_or_else(String::new, |cpu| format!(" (CPU {cpu})"));
        format!("core {}{cpu}", self.core)
    }
}

fn by_name<T: Copy>(counters: &[(String, T)]) -> HashMap<&str, T> {
    counters.iter().map(|(name, value)| (name.as_str(), *value)).collect()
}

fn object<T: Number>(counters: &[(String, T)]) -> Value {
    Value::Object(counters.iter().map(|(name, value)| (name.clone(), (*value).into())).collect())
}

/// Columns: the first to the left, the others to the right.
fn align(lines: &[Vec<String>]) -> String {
    let columns = lines.first().map_or(0, Vec::len);
    let width = |column: usize| lines.iter().map(|line| line[column].chars().count()).max().unwrap_or(0);
    let widths: Vec<_> = (0..columns).map(width).collect();
    let mut text = String::new();
    for line in lines {
        // Writing to a string does not fail.
        let _ = write!(text, "{:<width$}", line[0], width = widths[0]);
        for (cell, width) in line.iter().zip(&widths).skip(1) {
            let _ = write!(text, "  {cell:>width$}");
        }
        text.push('\n');
    }
    text.pop();
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn figures() -> Figures<u64> {
        let core = |core, cpu, counters: &[(&str, u64)]| Core {
            core,
            cpu,
            process: 9,
            counters: counters.iter().map(|&(name, value)| (name.to_owned(), value)).collect(),
        };
        let sum = [("frames", 1_234), ("nothing", 0), ("wrapped", 0)];
        Figures {
            cores: vec![
                core(0, Some(3), &[("frames", 1_000), ("nothing", 0), ("wrapped", 1)]),
                core(1, None, &[("frames", 234), ("wrapped", u64::MAX)]),
            ],
            sum: sum.map(|(name, value)| (name.to_owned(), value)).to_vec(),
        }
    }

    #[test]
    fn zeros_are_left_out_of_tables() {
        assert_eq!(figures().table(false), "counter   sum\nframes   1234");
        let expected = "\
counter   sum  core 0 (CPU 3)                core 1
frames   1234            1000                   234
wrapped     0               1  18446744073709551615";
        assert_eq!(figures().table(true), expected);
    }

    #[test]
    fn json_has_all() {
        let sum = json!({"frames": 1234, "nothing": 0, "wrapped": 0});
        assert_eq!(figures().json(false), json!({ "sum": sum }));
        let second =
            json!({"core": 1, "cpu": null, "process": 9, "counters": {"frames": 234, "wrapped": u64::MAX}});
        let json = figures().json(true);
        assert_eq!((&json["sum"], &json["cores"][1]), (&sum, &second));
    }
}

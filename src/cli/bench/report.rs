//! What was measured: a table for people, one JSON object for programs.

use super::Options;
use crate::base::Outcome;
use crate::bench::{LinkBytes, Measured, Value};
use crate::control::Config;
use serde_json::{Map, Value as Json, json};
use std::io::Write;

/// Prints the report on standard output.
pub(super) fn print(config: &Config, options: &Options, runs: &[Measured]) {
    let Some(active) = options.role.active() else { return };
    let text = if active.json { json(config, options, runs).to_string() } else { table(runs) };
    // Nobody is left to tell when the output is closed.
    let _ = writeln!(std::io::stdout().lock(), "{text}");
}

/// The figures of one run, by name.
fn figures(run: &Measured) -> Vec<(&'static str, f64)> {
    let seconds = run.elapsed.as_nanos() as f64 / 1e9;
    let cpu_seconds = run.cpu.as_nanos() as f64 / 1e9;
    let sum = |count: fn(&LinkBytes) -> u64| run.links.iter().map(count).sum::<u64>() as f64;
    let mut figures = match &run.value {
        Value::Bytes(bytes) => vec![
            ("bits_per_second", *bytes as f64 * 8.0 / seconds),
            ("bytes", *bytes as f64),
            ("cpu_ns_per_byte", cpu_seconds * 1e9 / (*bytes as f64).max(1.0)),
        ],
        Value::RoundTrips(histogram) => vec![
            ("transactions_per_second", histogram.len() as f64 / seconds),
            ("p50_ns", histogram.value_at_quantile(0.5) as f64),
            ("p90_ns", histogram.value_at_quantile(0.9) as f64),
            ("p99_ns", histogram.value_at_quantile(0.99) as f64),
            ("p999_ns", histogram.value_at_quantile(0.999) as f64),
            ("max_ns", histogram.max() as f64),
        ],
        Value::Connections(connections) => vec![
            ("connections_per_second", *connections as f64 / seconds),
            ("connections", *connections as f64),
        ],
    };
    figures.push((
        "packets_per_second",
        (sum(|link| link.frames_sent) + sum(|link| link.frames_received)) / seconds,
    ));
    figures.push(("packets_sent_per_second", sum(|link| link.frames_sent) / seconds));
    figures.push(("seconds", seconds));
    figures.push(("cpu_seconds", cpu_seconds));
    figures
}

/// Median, least and most of every figure.
fn spread(runs: &[Measured]) -> Vec<(&'static str, f64, f64, f64)> {
    let all: Vec<_> = runs.iter().map(figures).collect();
    let Some(first) = all.first() else { return Vec::new() };
    let of = |at: usize| {
        let mut values: Vec<f64> = all.iter().map(|figures| figures[at].1).collect();
        values.sort_by(f64::total_cmp);
        let middle = values.len() / 2;
        let median =
            if values.len() % 2 == 1 { values[middle] } else { (values[middle - 1] + values[middle]) / 2.0 };
        (first[at].0, median, values[0], values[values.len() - 1])
    };
    (0..first.len()).map(of).collect()
}

fn table(runs: &[Measured]) -> String {
    let mut lines = vec![format!("{:<26}{:>18}{:>18}{:>18}", "figure", "median", "least", "most")];
    for (name, median, least, most) in spread(runs) {
        lines.push(format!("{name:<26}{median:>18.3}{least:>18.3}{most:>18.3}"));
    }
    for link in runs.last().map_or(&[][..], |run| &run.links) {
        lines.push(format!(
            "link {:<21}{:>18} bytes sent, {} received",
            link.name, link.bytes_sent, link.bytes_received
        ));
    }
    for (core, run) in runs.last().map_or(&[][..], |run| &run.cores).iter().enumerate() {
        let (name, value) = figures(run)[0];
        lines.push(format!("core {core:<21}{value:>18.3} {name}"));
    }
    if let Some(run) = runs.last() {
        lines.push(format!("mptcp {}", if run.mptcp { "yes" } else { "no" }));
    }
    lines.join("\n")
}

fn json(config: &Config, options: &Options, runs: &[Measured]) -> Json {
    let mut object = Map::new();
    object.insert("figure".into(), options.role.figure().into());
    for (name, median, ..) in spread(runs) {
        object.insert(name.into(), json!(median));
    }
    if let Some(run) = runs.last() {
        object.insert("mptcp".into(), run.mptcp.into());
        let copied = run.counters.iter().find(|(outcome, _)| *outcome == Outcome::PayloadBytesCopied);
        object.insert("copied_bytes".into(), json!(copied.map_or(0, |(_, bytes)| *bytes)));
        object.insert("allocations".into(), json!(run.allocations));
        object.insert("cores".into(), run.cores.iter().map(run_json).collect());
        object.insert("links".into(), run.links.iter().map(link_json).collect());
        let counters = run.counters.iter().map(|(outcome, count)| (outcome.name().to_string(), json!(count)));
        object.insert("counters".into(), Json::Object(counters.collect()));
    }
    object.insert("runs".into(), runs.iter().map(run_json).collect());
    object.insert("setup".into(), setup(config));
    Json::Object(object)
}

fn run_json(run: &Measured) -> Json {
    figures(run)
        .into_iter()
        .map(|(name, value)| (name.to_string(), json!(value)))
        .collect::<Map<_, _>>()
        .into()
}

fn link_json(link: &LinkBytes) -> Json {
    json!({
        "name": link.name,
        "bytes": link.bytes_sent + link.bytes_received,
        "bytes_sent": link.bytes_sent,
        "bytes_received": link.bytes_received,
        "frames_sent": link.frames_sent,
        "frames_received": link.frames_received,
    })
}

/// What a reader has to know to believe a figure.
fn setup(config: &Config) -> Json {
    let cpu = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpu.lines().find_map(|line| line.strip_prefix("model name")?.split_once(':'));
    let ports = config.ports.iter().map(|port| {
        json!({
            "name": port.name,
            "device": port.device.text,
            "mtu": port.mtu,
            "tso": port.tso,
            "lro": port.lro,
        })
    });
    json!({
        "mpdk": env!("CARGO_PKG_VERSION"),
        "cpu": model.map(|(_, name)| name.trim()),
        "cores": config.pinned_cores(),
        "memory": config.eal.memory.name(),
        "ports": ports.collect::<Vec<_>>(),
    })
}

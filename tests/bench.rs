//! `mpdk bench` between two processes of ours over two links: every figure is
//! measured over MPTCP, and the packet path neither copies nor allocates.
#![cfg(feature = "dpdk")]

mod support;

use serde_json::Value;
use support::{DEADLINE, Desk, Process};

const SINK: &str = "10.1.1.1:5001";

/// A passive side, for the active sides that come one after the other.
fn sink(desk: &Desk, extra: &[&str]) -> Process {
    let mut command = desk.mpdk("bench sink", "vhost.toml");
    command.args(["--listen", "0.0.0.0:5001"]).args(extra);
    let mut sink = Process::start(&mut command);
    sink.wait_for_text("listening", DEADLINE);
    sink
}

/// What an active side reports.
#[track_caller]
fn measure(desk: &Desk, verb: &str, figure: &str, extra: &[&str]) -> Value {
    let mut command = desk.mpdk(&format!("bench {verb}"), "virtio-user.toml");
    command.args(["--seconds", "0.3", "--warm-up", "0.5", "--json", SINK]).args(extra);
    let report = Process::start(&mut command).success(DEADLINE);
    let report: Value = serde_json::from_str(&report).unwrap();
    assert_eq!(report["figure"], figure, "{report}");
    report
}

#[track_caller]
fn assert_over_both_links(report: &Value) {
    assert_eq!(report["mptcp"], true, "{report}");
    let links = report["links"].as_array().unwrap();
    assert_eq!(links.len(), 2, "{report}");
    assert!(links.iter().all(|link| link["bytes_sent"].as_u64() > Some(100_000)), "{report}");
}

#[test]
fn bulk_neither_copies_nor_allocates() {
    let desk = Desk::new();
    let mut sink = sink(&desk, &[]);
    let report = measure(&desk, "source", "bulk", &["--runs", "3", "--connections", "2"]);
    assert_over_both_links(&report);
    assert!(report["bits_per_second"].as_f64() > Some(1e8), "{report}");
    assert_eq!(report["runs"].as_array().unwrap().len(), 3);
    assert_eq!(report["copied_bytes"], 0, "{report}");
    // Queues may still grow to what the links make them hold; but not per packet.
    let frames: u64 =
        report["links"].as_array().unwrap().iter().filter_map(|link| link["frames_sent"].as_u64()).sum();
    assert!(report["allocations"].as_u64().unwrap() <= 10 + frames / 1_000, "{report}");
    assert!(sink.terminate(DEADLINE).success(), "{}", sink.errors());
}

#[test]
fn what_a_client_writes_is_sent_from_where_it_lies() {
    let desk = Desk::new();
    let _sink = sink(&desk, &[]);
    let report = measure(&desk, "source", "bulk", &["--client-api"]);
    assert_over_both_links(&report);
    assert!(report["bytes"].as_f64() > Some(1e6), "{report}");
    assert_eq!(report["copied_bytes"], 0, "{report}");
}

#[test]
fn what_a_client_receives_is_read_where_it_arrived() {
    let desk = Desk::new();
    desk.read_in_place("vhost.toml");
    let mut sink = sink(&desk, &["--client-api"]);
    let report = measure(&desk, "source", "bulk", &[]);
    assert_over_both_links(&report);
    assert!(report["bytes"].as_f64() > Some(1e6), "{report}");
    assert!(sink.terminate(DEADLINE).success(), "{}", sink.errors());
    let (lent, copied) = (sink.counted("PayloadBytesLent"), sink.counted("PayloadBytesCopied"));
    // The wish and the short ends of bursts are copied. A client that is not awake is waited for.
    assert!(copied < lent / 20, "{lent} lent, {copied} copied");
}

#[test]
fn round_trips_are_measured() {
    let desk = Desk::new();
    let _sink = sink(&desk, &[]);
    let report = measure(&desk, "rr", "rr", &["--request-bytes", "100", "--response-bytes", "40000"]);
    assert_eq!(report["mptcp"], true, "{report}");
    let quantile = |name: &str| report[name].as_f64().unwrap();
    assert!(quantile("p50_ns") > 0.0 && quantile("p50_ns") <= quantile("p999_ns"), "{report}");
}

#[test]
fn connections_come_and_go() {
    let desk = Desk::new();
    let _sink = sink(&desk, &[]);
    let report = measure(&desk, "cps", "cps", &["--connections", "16"]);
    assert_eq!(report["mptcp"], true, "{report}");
    assert!(report["connections"].as_f64() > Some(100.0), "{report}");
}

#[test]
fn idle_connections_stay() {
    let desk = Desk::new();
    let _sink = sink(&desk, &[]);
    let report = measure(&desk, "idle", "idle", &["--connections", "200"]);
    assert_eq!((&report["mptcp"], &report["connections"]), (&true.into(), &200.0.into()), "{report}");
}

#[test]
fn plain_tcp_is_plain() {
    let desk = Desk::new();
    let _sink = sink(&desk, &["--plain-tcp"]);
    let report = measure(&desk, "source", "bulk", &["--plain-tcp"]);
    assert_eq!(report["mptcp"], false, "{report}");
}

#[test]
fn who_does_not_ask_as_a_benchmark_is_reset() {
    let desk = Desk::new();
    let sink = sink(&desk, &[]);
    let mut get = desk.mpdk("get", "virtio-user.toml");
    get.arg("http://10.1.1.1:5001/file").arg("--output").arg(desk.path("got"));
    let mut get = Process::start(&mut get);
    assert!(!get.wait(DEADLINE).success());
    assert!(sink.errors().contains("a connection is reset"), "{}", sink.errors());
}

//! How an endpoint's throughput grows with its cores: packets per second of one
//! endpoint with 1, 2, 4 ... engine cores, each on a CPU of its own, that sends
//! over two ports as fast as it can.
//!
//! What it sends to costs little and shares nothing: each core's queues end in a
//! [`far`] host of their own, which runs on the same CPU, between two bursts, takes
//! everything in and acknowledges it. So the figures are those of CPUs that do the
//! work of both ends.
//!
//!     cargo run --release --example many-cores -- [CPU,CPU...] [SECONDS] [RUNS]

mod far;
mod ghost;

use far::FarDevice;
use mpdk::base::{CoreIndex, Duration, HeapPacket};
use mpdk::bench::{Measured, News, Pattern, Plan, Source, Target, Value, Wish};
use mpdk::endpoint::{EndpointConfig, Steering};
use mpdk::engine::{EngineConfig, MakePart, Opened, Part, start};
use std::sync::mpsc::{Receiver, channel};

/// As in the program itself.
#[global_allocator]
static HEAP: mimalloc::MiMalloc = mimalloc::MiMalloc;

const CONNECTIONS_PER_CORE: usize = 2;

fn main() {
    let mut arguments = std::env::args().skip(1);
    let cpus: Vec<usize> = match arguments.next() {
        Some(list) => list.split(',').map(|cpu| cpu.parse().expect("a CPU's number")).collect(),
        None => core_affinity::get_core_ids().unwrap_or_default().into_iter().map(|id| id.id).collect(),
    };
    let seconds: f64 = arguments.next().map_or(2.0, |text| text.parse().expect("seconds"));
    let runs: usize = arguments.next().map_or(5, |text| text.parse().expect("a number of runs"));
    println!(
        "cpus {cpus:?}, {CONNECTIONS_PER_CORE} connections a core, 2 ports, {seconds} s, median of {runs}"
    );
    println!(
        "{:<6} {:>14} {:>14} {:>12}  of each core",
        "cores", "packets/s", "payload Gbit/s", "efficiency"
    );
    let mut alone = 0.0;
    let counts =
        std::iter::successors(Some(1), |count| Some(count * 2)).take_while(|&count| count <= cpus.len());
    // In turn, so that what changes with time changes all alike.
    let counts: Vec<usize> = counts.collect();
    let mut figures = vec![Vec::new(); counts.len()];
    for _ in 0..runs {
        for (figures, &count) in figures.iter_mut().zip(&counts) {
            figures.push(measure(&cpus[..count], seconds));
        }
    }
    for (mut figures, count) in figures.into_iter().zip(counts) {
        figures.sort_by(|one, other| one.packets.total_cmp(&other.packets));
        let middle = &figures[figures.len() / 2];
        if count == 1 {
            alone = middle.packets;
        }
        let efficiency = middle.packets / (alone * count as f64);
        let of_each: Vec<_> =
            middle.of_each.iter().map(|packets| format!("{:.2} M", packets / 1e6)).collect();
        let (packets, gigabits) = (middle.packets, middle.gigabits);
        println!("{count:<6} {packets:>14.0} {gigabits:>14.2} {efficiency:>12.3}  {}", of_each.join(" "));
    }
}

/// What an endpoint did.
#[derive(Clone, Debug)]
struct Figures {
    /// Sent and received, per second.
    packets: f64,
    gigabits: f64,
    of_each: Vec<f64>,
}

fn measure(cpus: &[usize], seconds: f64) -> Figures {
    let plan = Plan {
        warm_up: Duration::from_millis(300),
        run: Duration::from_nanos((seconds * 1e9) as u64),
        runs: 1,
    };
    let (parts, told): (Vec<_>, Vec<_>) = (0..cpus.len()).map(|core| part(core, cpus.len(), plan)).unzip();
    let config = EngineConfig { cpus: cpus.to_vec(), ..EngineConfig::default() };
    let handle = start(config, || Ok(Opened { cores: parts, memory: None, flows: None }))
        .expect("the endpoint starts");
    let measured: Vec<Measured> = told.iter().map(wait).collect();
    handle.stop().expect("no core dies");
    let per_second = |measured: &Measured| {
        let packets: u64 = measured.links.iter().map(|link| link.frames_sent + link.frames_received).sum();
        packets as f64 / (measured.elapsed.as_nanos() as f64 / 1e9)
    };
    let of_each: Vec<f64> = measured.iter().map(per_second).collect();
    let whole = Measured::join(measured).expect("at least one core");
    let Value::Bytes(bytes) = whole.value else { unreachable!("a source counts bytes") };
    Figures {
        packets: of_each.iter().sum(),
        gigabits: bytes as f64 * 8.0 / whole.elapsed.as_nanos() as f64,
        of_each,
    }
}

fn wait(told: &Receiver<News>) -> Measured {
    loop {
        match told.recv() {
            Ok(News::Measured(measured)) => return measured,
            Ok(News::Done) => {}
            Ok(News::Failed(reason)) => panic!("{reason}"),
            Err(_) => panic!("the endpoint has ended"),
        }
    }
}

/// One core's part, and what its program tells.
fn part(core: usize, cores: usize, plan: Plan) -> (MakePart<FarDevice>, Receiver<News>) {
    let (news, told) = channel();
    let make = move || {
        let ports = far::wires();
        let target = Target { address: far::server(), ports: 1, connections: CONNECTIONS_PER_CORE };
        let pattern = Pattern::new(vec![HeapPacket::new(&[7; 16_384]); 8]);
        let source = Source::new(target, pattern, HeapPacket::new(&Wish::Discard.encode()), plan, news);
        let steering =
            Steering { core: CoreIndex(core as u8), cores: cores as u8, spreads: vec![None; ports.len()] };
        let endpoint =
            EndpointConfig { steering: (cores > 1).then_some(steering), ..far::endpoint_config(far::NEAR) };
        Ok(Part { resident: Some(Box::new(source)), ..Part::new(ports, endpoint) })
    };
    (Box::new(make), told)
}

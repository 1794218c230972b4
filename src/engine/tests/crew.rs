//! Endpoints of several cores on threads: waking each other, stopping, dying.

use super::cores::{Queues, queues};
use super::pair::{endpoint_config, run, server, small_region};
use super::watched::{Watch, Watched};
use crate::base::{self, CoreIndex, Duration, Instant, Outcome, Packet, PortIndex};
use crate::endpoint::{Endpoint, EndpointConfig, Event, Steering};
use crate::engine::{
    Bytes, EndpointHandle, EngineConfig, MakePart, Opened, Part, Report, Resident, Settings, StartError,
    start,
};
use crate::shm;
use mpdk_client::{Context, Listener, Stream};
use std::collections::{HashMap, HashSet};
use std::ops::Range;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

const CORES: usize = 2;

/// Notes what its core writes to with every turn.
#[derive(Debug)]
struct Surveyor {
    core: usize,
    written: Written,
}

/// Which core writes where.
type Written = Arc<Mutex<HashSet<(usize, Range<usize>)>>>;

fn range_of<T>(value: &T) -> Range<usize> {
    let start = std::ptr::from_ref(value) as usize;
    start..start + size_of::<T>()
}

impl<P: Packet> Resident<P> for Surveyor {
    fn take_event(&mut self, _: &mut base::Context<'_>, _: &mut Endpoint<Bytes<P>>, _: &Event) -> bool {
        false
    }

    fn turn(&mut self, cx: &mut base::Context<'_>, endpoint: &mut Endpoint<Bytes<P>>) -> bool {
        let ports = (0..2).filter_map(|port| endpoint.port_statistics(PortIndex(port))).map(range_of);
        let ranges =
            [range_of(cx.counters), range_of(cx.random), range_of(endpoint)].into_iter().chain(ports);
        self.written.lock().unwrap().extend(ranges.map(|range| (self.core, range)));
        false
    }

    fn deadline(&self) -> Option<Instant> {
        None
    }
}

/// An endpoint whose last core is watched.
fn endpoint(side: u8, queues: Queues, watch: &Arc<Watch>, settings: &Settings) -> EndpointHandle {
    surveyed(side, queues, watch, settings, &Written::default())
}

fn surveyed(
    side: u8,
    queues: Queues,
    watch: &Arc<Watch>,
    settings: &Settings,
    written: &Written,
) -> EndpointHandle {
    let parts = queues.into_iter().enumerate().map(|(core, devices)| -> MakePart<Watched> {
        let watch = if core + 1 == CORES { Arc::clone(watch) } else { Arc::default() };
        let surveyor = Surveyor { core, written: Arc::clone(written) };
        Box::new(move || {
            let watched = |inner| Watched { inner, watch: Arc::clone(&watch) };
            let ports: Vec<_> = devices.into_iter().map(watched).collect();
            let spreads = vec![None; ports.len()];
            let steering = Steering { core: CoreIndex(core as u8), cores: CORES as u8, spreads };
            let config = EndpointConfig { steering: Some(steering), ..endpoint_config(side, &ports) };
            Ok(Part { resident: Some(Box::new(surveyor)), ..Part::new(ports, config) })
        })
    });
    let parts = parts.collect();
    // The CPUs of this machine may be fewer: wherever there is one.
    let cpus =
        core_affinity::get_core_ids().unwrap().into_iter().map(|it| it.id).cycle().take(CORES).collect();
    let config = EngineConfig { settings: settings.clone(), cpus, statistics: None };
    start(config, || Ok(Opened { cores: parts, memory: None, flows: None })).unwrap()
}

/// Two endpoints; what a core sends on the second wire comes to the peer's other
/// core.
fn crossed(spin: Duration, never_sleep: bool) -> ([EndpointHandle; 2], Arc<Watch>) {
    let settings =
        Settings { spin, never_sleep, stop_grace: Duration::from_millis(500), ..Settings::default() };
    let [left, right] = queues(CORES, |wire, queue| (queue + wire) % CORES);
    let watch = Arc::new(Watch::default());
    ([endpoint(1, left, &Arc::default(), &settings), endpoint(2, right, &watch, &settings)], watch)
}

fn context(handle: &EndpointHandle) -> Context {
    Context::spawn(handle.attach(&small_region(), shm::Limits::default()).unwrap()).unwrap()
}

/// As many connections as cores, and a byte over each, to and fro, so often.
async fn ping([left, right]: &[EndpointHandle; 2], times: u8) -> Vec<(Stream, Stream)> {
    let (left, right) = (context(left), context(right));
    let listener = Listener::bind(&right, server()).await.unwrap();
    let mut pairs = Vec::new();
    for _ in 0..CORES {
        let (connected, accepted) = tokio::join!(Stream::connect(&left, server()), listener.accept());
        pairs.push((connected.unwrap(), accepted.unwrap()));
    }
    for (one, other) in &mut pairs {
        // The join crosses the second wire, and from core to core.
        while one.info().await.unwrap().subflows().len() < 2 {
            tokio::task::yield_now().await;
        }
        for number in 0..times {
            let mut byte = [0];
            one.write_all(&[number]).await.unwrap();
            other.read_exact(&mut byte).await.unwrap();
            other.write_all(&byte).await.unwrap();
            one.read_exact(&mut byte).await.unwrap();
            assert_eq!(byte, [number]);
        }
    }
    pairs
}

#[test]
fn cores_wake_each_other() {
    for (spin, never_sleep) in
        [(Duration::ZERO, false), (Duration::from_micros(100), false), (Duration::ZERO, true)]
    {
        run(async {
            let (handles, _) = crossed(spin, never_sleep);
            let pairs = ping(&handles, 200).await;
            drop(pairs);
            let [left, right] = handles;
            let reports = tokio::task::spawn_blocking(|| [left.stop(), right.stop()]).await.unwrap();
            for reports in reports {
                let reports = reports.unwrap();
                assert_eq!(reports.len(), CORES);
                // Each core had its connection, and frames of the other's.
                assert!(reports.iter().all(|report| report.counters.get(Outcome::FrameReceived) > 0));
                let all = Report::sum(&reports);
                assert!(all.counters.get(Outcome::FrameHandedOver) > 0);
                assert_eq!(all.counters.get(Outcome::FrameNotHandedOver), 0);
                assert_eq!(all.counters.get(Outcome::TcpResetSent), 0);
            }
        });
    }
}

#[test]
fn a_core_that_dies_takes_the_others_with_it() {
    run(async {
        let (handles, watch) = crossed(Duration::ZERO, false);
        let mut pairs = ping(&handles, 1).await;
        watch.breaks.store(true, Ordering::Relaxed);
        let [_left, right] = handles;
        let died = tokio::task::spawn_blocking(|| right.wait()).await.unwrap().unwrap_err();
        assert_eq!((died.core, died.panic.as_str()), (CORES - 1, "broken on demand"));
        assert_eq!(died.to_string(), "the engine of core 1 died: broken on demand");
        // The clients of every core hear of it.
        for (_, accepted) in &mut pairs {
            assert!(accepted.read(&mut [0]).await.map_or(true, |count| count == 0));
        }
    });
}

#[test]
fn no_core_is_left_behind_when_one_does_not_start() {
    let parts: Vec<MakePart<Watched>> = vec![
        Box::new(|| {
            let [queues, _] = queues(1, |_, queue| queue);
            let ports: Vec<_> =
                queues.into_iter().flatten().map(|inner| Watched { inner, watch: Arc::default() }).collect();
            let endpoint = endpoint_config(1, &ports);
            Ok(Part::new(ports, endpoint))
        }),
        Box::new(|| Err("no such card".into())),
    ];
    let config = EngineConfig { cpus: vec![0, 0], ..EngineConfig::default() };
    let error = start(config, || Ok(Opened { cores: parts, memory: None, flows: None })).unwrap_err();
    assert!(matches!(error, StartError::Open(_)), "{error}");
    assert_eq!(error.to_string(), "no such card");
    let parts: Vec<MakePart<Watched>> =
        vec![Box::new(|| Err("unused".into())), Box::new(|| panic!("a defect"))];
    let config = EngineConfig { cpus: vec![0, 0], ..EngineConfig::default() };
    let error = start(config, || Ok(Opened { cores: parts, memory: None, flows: None })).unwrap_err();
    assert_eq!(error.to_string(), "unused");
}

#[test]
fn no_two_cores_write_to_one_line() {
    const LINE: usize = 64;
    run(async {
        let [left, right] = queues(CORES, |wire, queue| (queue + wire) % CORES);
        let (settings, watch, written) = (Settings::default(), Arc::default(), Written::default());
        let handles = [surveyed(1, left, &watch, &settings, &written), endpoint(2, right, &watch, &settings)];
        drop(ping(&handles, 10).await);
        drop(handles);
        let written = written.lock().unwrap();
        let mut owners = HashMap::new();
        for (core, range) in written.iter() {
            for line in range.start / LINE..range.end.div_ceil(LINE) {
                let owner = *owners.entry(line).or_insert(*core);
                assert_eq!(owner, *core, "both write to {:#x}", line * LINE);
            }
        }
        assert!((0..CORES).all(|core| owners.values().any(|&owner| owner == core)));
    });
}

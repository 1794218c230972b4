//! Engines on threads of their own: sleeping, waking, stopping, dying.

use super::pair::{endpoint_config, run, server, small_region, wires};
use super::watched::{Watch, Watched};
use crate::base::{Duration, Outcome};
use crate::device::MemoryDevice;
use crate::engine::{EndpointHandle, EngineConfig, Opened, Part, Report, Settings, StartError, start};
use crate::shm;
use mpdk_client::{Context, Listener, Stream};
use std::io::ErrorKind;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration as StdDuration, Instant as StdInstant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// Two engines on two threads.
struct Running {
    left: EndpointHandle,
    right: EndpointHandle,
    watch: Arc<Watch>,
}

fn engine(side: u8, devices: Vec<MemoryDevice>, watch: &Arc<Watch>, spin: Duration) -> EndpointHandle {
    let settings = Settings { spin, stop_grace: Duration::from_millis(500), ..Settings::default() };
    let watch = Arc::clone(watch);
    let part = move || {
        let watched = |inner| Watched { inner, watch: Arc::clone(&watch) };
        let ports: Vec<_> = devices.into_iter().map(watched).collect();
        let endpoint = endpoint_config(side, &ports);
        Ok(Part::new(ports, endpoint))
    };
    start(EngineConfig { settings, ..EngineConfig::default() }, || Ok(Opened::single(part, None))).unwrap()
}

impl Running {
    fn new(spin: Duration) -> Self {
        let (left, right) = wires(2);
        let watch = Arc::new(Watch::default());
        let (left, right) = (engine(1, left, &watch, spin), engine(2, right, &Arc::default(), spin));
        Self { left, right, watch }
    }

    fn contexts(&self) -> (Context, Context) {
        let attach = |handle: &EndpointHandle| {
            Context::spawn(handle.attach(&small_region(), shm::Limits::default()).unwrap()).unwrap()
        };
        (attach(&self.left), attach(&self.right))
    }
}

async fn connect(left: &Context, right: &Context) -> (Stream, Stream, Listener) {
    let listener = Listener::bind(right, server()).await.unwrap();
    let (connected, accepted) = tokio::join!(Stream::connect(left, server()), listener.accept());
    (connected.unwrap(), accepted.unwrap(), listener)
}

async fn ping(from: &mut Stream, to: &mut Stream, count: usize) {
    for number in 0..count {
        from.write_all(&[number as u8]).await.unwrap();
        let mut byte = [0];
        to.read_exact(&mut byte).await.unwrap();
        assert_eq!(byte[0], number as u8);
    }
}

/// Waits until the engine makes only a few turns in a while.
fn wait_for_sleep(watch: &Watch) {
    let begin = StdInstant::now();
    loop {
        let before = watch.looks.load(Ordering::Relaxed);
        std::thread::sleep(StdDuration::from_millis(250));
        // Two looks at each of two ports for each time that the links are due,
        // and some for a timer.
        if watch.looks.load(Ordering::Relaxed) - before <= 32 {
            return;
        }
        assert!(begin.elapsed().as_secs() < 30, "the engine does not go to sleep");
    }
}

#[test]
fn an_idle_engine_sleeps_and_wakes() {
    for spin in [Duration::ZERO, Duration::from_micros(200)] {
        run(async move {
            let running = Running::new(spin);
            let (left, right) = running.contexts();
            let (mut connected, mut accepted, _listener) = connect(&left, &right).await;
            for _ in 0..2 {
                // In both directions: a client wakes one engine, a frame the other.
                ping(&mut connected, &mut accepted, 100).await;
                ping(&mut accepted, &mut connected, 100).await;
                wait_for_sleep(&running.watch);
            }
            drop((connected, accepted));
        });
    }
}

#[test]
fn ports_that_cannot_wake_are_polled() {
    run(async {
        let running = Running::new(Duration::ZERO);
        running.watch.sleepless.store(true, Ordering::Relaxed);
        let (left, right) = running.contexts();
        let (mut connected, mut accepted, _listener) = connect(&left, &right).await;
        ping(&mut accepted, &mut connected, 20).await;
    });
}

#[test]
fn a_stop_ends_connections_in_order_and_tells_the_clients() {
    run(async {
        let running = Running::new(Duration::from_micros(50));
        let (left, right) = running.contexts();
        let (mut connected, mut accepted, _listener) = connect(&left, &right).await;
        let text = vec![9; 100_000];
        let writing = connected.write_all(&text);
        let reading = async {
            let mut received = vec![0; text.len()];
            accepted.read_exact(&mut received).await.map(|_| received)
        };
        let (written, received) = tokio::join!(writing, reading);
        written.unwrap();
        assert!(received.unwrap() == text);
        connected.write_all(b"farewell").await.unwrap();
        let report = tokio::task::spawn_blocking(|| running.left.stop()).await.unwrap().unwrap();
        let report = Report::sum(&report);
        assert!(report.counters.get(Outcome::FrameReceived) > 0);
        assert_eq!(report.ports.len(), 2);
        assert!(report.ports.iter().all(|port| port.transmitted_frames > 0));
        let mut received = Vec::new();
        accepted.read_to_end(&mut received).await.unwrap();
        assert_eq!(received, b"farewell");
        assert!(connected.read(&mut [0]).await.is_err());
        while !left.is_engine_gone() {
            tokio::task::yield_now().await;
        }
        assert!(Stream::connect(&left, server()).await.is_err());
    });
}

#[test]
fn a_stop_does_not_wait_for_a_peer_that_is_gone() {
    run(async {
        let running = Running::new(Duration::ZERO);
        let (left, right) = running.contexts();
        let (mut connected, accepted, _listener) = connect(&left, &right).await;
        let Running { left: left_engine, right: right_engine, .. } = running;
        // It dies without a FIN: nobody acknowledges what follows.
        drop(accepted);
        drop(right_engine);
        // Refusal or success: either engine may be first.
        let _ = connected.write_all(&[1; 1000]).await;
        let begin = StdInstant::now();
        let stopped = tokio::task::spawn_blocking(|| left_engine.stop()).await.unwrap();
        assert!(stopped.is_ok());
        assert!(begin.elapsed() < StdDuration::from_secs(5), "it took {:?}", begin.elapsed());
    });
}

#[test]
fn clients_hear_of_an_engine_that_dies() {
    run(async {
        let running = Running::new(Duration::ZERO);
        let (left, right) = running.contexts();
        let (mut connected, accepted, _listener) = connect(&left, &right).await;
        running.watch.breaks.store(true, Ordering::Relaxed);
        assert!(connected.read(&mut [0]).await.is_err());
        let late = running.left.attach(&small_region(), shm::Limits::default());
        let Running { left: dead, .. } = running;
        let died = tokio::task::spawn_blocking(|| dead.wait()).await.unwrap().unwrap_err();
        assert_eq!((died.core, died.panic.as_str()), (0, "broken on demand"));
        if let Ok(late) = late {
            let late = Context::spawn(late).unwrap();
            assert!(Stream::connect(&late, server()).await.is_err());
        }
        drop(accepted);
    });
}

#[test]
fn what_cannot_start_says_why() {
    type MakeIt = fn() -> Result<Part<MemoryDevice>, Box<dyn std::error::Error + Send + Sync>>;
    let begin = |make: MakeIt| {
        start(EngineConfig::default(), move || Ok(Opened::single(make, None))).map(drop).unwrap_err()
    };
    let error = begin(|| Err("no such card".into()));
    assert!(matches!(error, StartError::Open(_)));
    assert_eq!(error.to_string(), "no such card");
    let error = begin(|| {
        let (ports, _) = wires(2);
        let endpoint = endpoint_config(1, &ports[..1]);
        Ok(Part::new(ports, endpoint))
    });
    assert_eq!(error.to_string(), "1 ports are configured, 2 were opened");
    let error = begin(|| Ok(Part::new(Vec::new(), endpoint_config::<MemoryDevice>(1, &[]))));
    assert!(matches!(error, StartError::Endpoint(_)));
    let error = begin(|| panic!("a defect"));
    assert!(matches!(&error, StartError::Died(text) if text == "a defect"), "{error:?}");
    let open = || -> Result<Opened<MemoryDevice>, _> { Err("unused".into()) };
    let config = EngineConfig { cpus: vec![100_000], ..EngineConfig::default() };
    let error = start(config, open).unwrap_err();
    assert!(matches!(error, StartError::Cpu(100_000)));
    let kind = std::io::Error::other(error).kind();
    assert_eq!(kind, ErrorKind::Other);
    let open = || Ok(Opened::<MemoryDevice> { cores: Vec::new(), memory: None, flows: None });
    let error = start(EngineConfig::default(), open).unwrap_err();
    assert_eq!(error.to_string(), "1 cores are configured, there is work for 0");
}

//! How the world is built: engines, queues and packets, and what lies where.

use super::HEAP;
use super::arenas::Arena;
use super::mbuf::{Cache, Pool};
use super::meter::Meter;
use super::nic::Port;
use super::packet::Buffer;
use super::reader::{Progress, Reader};
use super::setup::{Setup, endpoint_config, service};
use super::world::{LINKS, World};
use mpdk::base::Random;
use mpdk::endpoint::{EndpointConfig, Steering};
use mpdk::engine::{Engine, Settings};
use mpdk::mptcp::SchedulerKind;
use std::rc::Rc;

/// Buffers for each core: what is posted, what caches keep, and a few.
const BUFFERS: usize = 1_024;
const BUFFER_BYTES: usize = 2_048;
/// How both hosts are configured.
pub fn setup() -> Setup {
    Setup {
        mptcp: true,
        links: LINKS as u8,
        super_segment_bytes: 0,
        connections: 64,
        keepalive: false,
        services: 1,
        scheduler: SchedulerKind::RoundRobin,
    }
}

impl World {
    /// The engines, each in its core's memory, and the packets.
    pub(super) fn build(&mut self) {
        let Self { meter, marks, now, engines, progress, queues, .. } = self;
        let cores = queues.len();
        let pool = pool(meter, cores);
        HEAP.enter(Arena::Exchange);
        let built = Engine::reproducible_several(&Settings::default(), cores as u8, *now, |core| {
            let index = usize::from(core.0);
            HEAP.enter(Arena::Core(index));
            let config = endpoint_config(&setup(), 1);
            let ports = (queues[index].iter().enumerate())
                .map(|(link, rings)| {
                    let mac = config.ports[link].mac.0;
                    Port::new(link, mac, Rc::clone(meter), pool, Rc::clone(rings))
                })
                .collect();
            let steering = Steering { core, cores: cores as u8, spreads: vec![None; LINKS] };
            let config = EndpointConfig { steering: (cores > 1).then_some(steering), ..config };
            (config, ports, Random::from_number(100 + u64::from(core.0)))
        });
        HEAP.enter(Arena::World);
        for (core, mut engine) in built.expect("a valid configuration").into_iter().enumerate() {
            let (engine, of_core) = HEAP.within(Arena::Core(core), || {
                let progress = Rc::<Progress>::default();
                engine.house(Box::new(Reader::new(service(0), Rc::clone(&progress))));
                (Box::new(engine), progress)
            });
            engines.push(engine);
            progress.push(of_core);
        }
        // The queues are filled with buffers.
        for (core, engine) in engines.iter_mut().enumerate() {
            HEAP.within(Arena::Core(core), || marks.on_core(core, || engine.turn(*now)));
        }
    }

    /// Says what lies where.
    pub(super) fn tell_ranges(&self) {
        for (address, bytes, align) in HEAP.notes() {
            let class = match bytes {
                // The indices of a ring and what a core sleeps by are kept apart
                // from everything, the slots are long.
                _ if align >= 128 => "ring-index",
                4_096.. => "ring-slot",
                _ => continue,
            };
            self.marks.range(class, &(address..address + bytes));
        }
        self.marks.range("packet-header", &HEAP.range(Arena::PacketHeaders));
        self.marks.range("packet-data", &HEAP.range(Arena::PacketData));
        self.marks.range("private", &stack());
    }
}

/// The pool of all cores, each buffer in two pieces.
fn pool(meter: &Rc<Meter>, cores: usize) -> &'static Pool {
    let buffer = |_| {
        let bytes = HEAP.within(Arena::PacketData, || vec![0; BUFFER_BYTES].into());
        HEAP.within(Arena::PacketHeaders, || Buffer::new(bytes))
    };
    let buffers = (0..cores * BUFFERS).map(buffer).collect();
    let caches = (0..cores).map(|core| HEAP.within(Arena::Core(core), Cache::new)).collect();
    Pool::install(Rc::clone(meter), buffers, caches)
}

/// Where this thread's stack lies, and what it keeps for itself: cores have their
/// own.
fn stack() -> std::ops::Range<usize> {
    let here = 0_u8;
    let address = std::ptr::from_ref(&here) as usize;
    let maps = std::fs::read_to_string("/proc/self/maps").expect("the list of mappings");
    let ranges = maps.lines().filter_map(|line| {
        let (start, end) = line.split_whitespace().next()?.split_once('-')?;
        Some(usize::from_str_radix(start, 16).ok()?..usize::from_str_radix(end, 16).ok()?)
    });
    ranges.into_iter().find(|range| range.contains(&address)).expect("the stack is mapped")
}

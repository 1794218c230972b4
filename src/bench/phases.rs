//! Warm-up and runs of equal length, and what is told of each.

use crate::base::{Context, Counters, Duration, Instant, Outcome, Packet, PortIndex};
use crate::endpoint::{Endpoint, PortStatistics};
use crate::engine::allocations;
use rustix::time::{ClockId, clock_gettime};
use std::sync::mpsc::Sender;

/// How long, and how often.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// Before the first run.
    pub warm_up: Duration,
    /// Of each run.
    pub run: Duration,
    /// How many runs.
    pub runs: usize,
}

/// What the program inside the engine says to whoever started it.
#[derive(Debug)]
pub enum News {
    /// A run is over.
    Measured(Measured),
    /// All runs are over; nothing more comes.
    Done,
    /// It cannot go on, for this reason.
    Failed(String),
}

/// What one run gave.
#[derive(Clone, Debug)]
pub struct Measured {
    /// How long it was.
    pub elapsed: Duration,
    /// CPU time of the engine's thread.
    pub cpu: Duration,
    /// The figure itself.
    pub value: Value,
    /// What each link carried, in the order of the ports.
    pub links: Vec<LinkBytes>,
    /// How often the engine's thread asked the heap for memory.
    pub allocations: u64,
    /// What was counted during the run.
    pub counters: Vec<(Outcome, u64)>,
    /// Whether every connection spoke MPTCP.
    pub mptcp: bool,
    /// What each core gave, if there are several.
    pub cores: Vec<Self>,
}

impl Measured {
    /// What several cores gave in one run, together; `None` of no core.
    pub fn join(cores: Vec<Self>) -> Option<Self> {
        let mut parts = cores.iter();
        let mut whole = parts.next()?.clone();
        for part in parts {
            whole.add(part);
        }
        // The heap's requests are counted for the whole process.
        whole.allocations = cores.iter().map(|core| core.allocations).max().unwrap_or(0);
        if cores.len() > 1 {
            whole.cores = cores;
        }
        Some(whole)
    }

    fn add(&mut self, other: &Self) {
        self.elapsed = self.elapsed.max(other.elapsed);
        self.cpu += other.cpu;
        self.value.add(&other.value);
        for (link, other) in self.links.iter_mut().zip(&other.links) {
            link.add(other);
        }
        for &(outcome, count) in &other.counters {
            match self.counters.iter_mut().find(|(known, _)| *known == outcome) {
                Some((_, sum)) => *sum += count,
                None => self.counters.push((outcome, count)),
            }
        }
        self.mptcp &= other.mptcp;
    }
}

/// The figure of a run.
#[derive(Clone, Debug)]
pub enum Value {
    /// Bytes that arrived.
    Bytes(u64),
    /// Round trips, and how long each took, in nanoseconds.
    RoundTrips(Box<hdrhistogram::Histogram<u64>>),
    /// Connections opened, used and closed.
    Connections(u64),
}

impl Value {
    /// Adds the figure of another core's program, which is the same.
    fn add(&mut self, other: &Self) {
        match (self, other) {
            (Self::Bytes(sum), Self::Bytes(bytes)) => *sum += bytes,
            (Self::Connections(sum), Self::Connections(connections)) => *sum += connections,
            (Self::RoundTrips(all), Self::RoundTrips(some)) => {
                // Both have the same range.
                let added = all.add(&**some);
                debug_assert!(added.is_ok(), "{added:?}");
            }
            (whole, part) => debug_assert!(false, "{part:?} to {whole:?}"),
        }
    }
}

/// What one link carried during a run.
#[derive(Clone, Debug)]
pub struct LinkBytes {
    /// The port's name.
    pub name: String,
    /// Frames in and out, and their bytes.
    pub frames_received: u64,
    /// As above.
    pub bytes_received: u64,
    /// As above.
    pub frames_sent: u64,
    /// As above.
    pub bytes_sent: u64,
}

impl LinkBytes {
    fn add(&mut self, other: &Self) {
        self.frames_received += other.frames_received;
        self.bytes_received += other.bytes_received;
        self.frames_sent += other.frames_sent;
        self.bytes_sent += other.bytes_sent;
    }
}

/// Where a program is in its plan.
#[derive(Debug)]
pub(super) struct Phases {
    plan: Plan,
    news: Sender<News>,
    /// When the phase at hand ends; `None` before the first.
    ends_at: Option<Instant>,
    /// Runs that are over; the warm-up does not count.
    done: usize,
    warming: bool,
    finished: bool,
    before: Before,
}

/// The readings at the beginning of a run.
#[derive(Debug)]
struct Before {
    at: Instant,
    cpu: Duration,
    allocations: u64,
    ports: Vec<PortStatistics>,
    counters: Counters,
}

/// What happened at a look at the clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// Nothing.
    Same,
    /// The warm-up is over and a run begins.
    Begin,
    /// A run is over; another may begin with it.
    End,
}

impl Phases {
    pub(super) fn new(plan: Plan, news: Sender<News>) -> Self {
        let before = Before {
            at: Instant::ZERO,
            cpu: Duration::ZERO,
            allocations: 0,
            ports: Vec::new(),
            counters: Counters::new(),
        };
        Self { plan, news, ends_at: None, done: 0, warming: true, finished: false, before }
    }

    /// The warm-up begins.
    pub(super) fn start(&mut self, now: Instant) {
        self.ends_at.get_or_insert(now + self.plan.warm_up);
    }

    pub(super) const fn deadline(&self) -> Option<Instant> {
        if self.finished { None } else { self.ends_at }
    }

    pub(super) const fn is_finished(&self) -> bool {
        self.finished
    }

    /// Whether a run is being measured.
    pub(super) const fn is_measuring(&self) -> bool {
        !self.warming && !self.finished
    }

    /// Looks at the clock.
    pub(super) fn step(&self, now: Instant) -> Step {
        match self.ends_at {
            Some(end) if !self.finished && now >= end => {
                if self.warming {
                    Step::Begin
                } else {
                    Step::End
                }
            }
            _ => Step::Same,
        }
    }

    /// Takes the readings with which a run begins.
    pub(super) fn begin<P: Packet>(&mut self, cx: &Context<'_>, endpoint: &Endpoint<P>) {
        self.warming = false;
        self.ends_at = Some(cx.now + self.plan.run);
        self.before = Before {
            at: cx.now,
            cpu: thread_cpu_time(),
            ports: ports(endpoint).map(|(_, statistics)| statistics).collect(),
            counters: cx.counters.clone(),
            // Behind what this reading itself takes.
            allocations: allocations(),
        };
    }

    /// Tells of a run that is over, and begins the next.
    pub(super) fn end<P: Packet>(
        &mut self,
        cx: &Context<'_>,
        endpoint: &Endpoint<P>,
        value: Value,
        mptcp: bool,
    ) {
        let asked = allocations() - self.before.allocations;
        let links = ports(endpoint).zip(&self.before.ports).map(|((name, now), before)| LinkBytes {
            name,
            frames_received: now.frames_received - before.frames_received,
            bytes_received: now.bytes_received - before.bytes_received,
            frames_sent: now.frames_sent - before.frames_sent,
            bytes_sent: now.bytes_sent - before.bytes_sent,
        });
        let counters = cx
            .counters
            .non_zero()
            .map(|(outcome, count)| (outcome, count - self.before.counters.get(outcome)))
            .filter(|&(_, count)| count > 0);
        let measured = Measured {
            elapsed: cx.now.since(self.before.at),
            cpu: Duration::from_nanos(thread_cpu_time().as_nanos() - self.before.cpu.as_nanos()),
            value,
            allocations: asked,
            links: links.collect(),
            counters: counters.collect(),
            mptcp,
            cores: Vec::new(),
        };
        self.tell(News::Measured(measured));
        self.done += 1;
        if self.done < self.plan.runs {
            self.begin(cx, endpoint);
        } else {
            self.finished = true;
            self.tell(News::Done);
        }
    }

    /// Ends everything, for a reason.
    pub(super) fn fail(&mut self, reason: String) {
        if !std::mem::replace(&mut self.finished, true) {
            self.tell(News::Failed(reason));
        }
    }

    /// Nobody may listen any more: then nobody wants to know.
    fn tell(&self, news: News) {
        drop(self.news.send(news));
    }
}

/// Every port's name and what passed through it.
fn ports<P: Packet>(endpoint: &Endpoint<P>) -> impl Iterator<Item = (String, PortStatistics)> + '_ {
    (0..=u8::MAX)
        .map(PortIndex)
        .map_while(|port| Some((endpoint.port_config(port)?.name.clone(), *endpoint.port_statistics(port)?)))
}

fn thread_cpu_time() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::from_nanos(time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64)
}

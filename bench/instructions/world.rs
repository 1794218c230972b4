//! Two hosts, and time that moves by steps.

use super::host::{Host, Intake};
use super::meter::Meter;
use super::packet::Frame;
use super::setup::{Setup, service};
use mpdk::base::{ConnectionId, Duration, Instant, Packet};
use std::rc::Rc;

/// What a frame takes from one host to the other.
const DELAY: Duration = Duration::from_micros(50);
/// Bytes of the blocks that are written.
const BLOCK_BYTES: usize = 65_536;
/// Steps after which what is waited for does not come.
const STEPS_MOST: usize = 100_000;

pub const CLIENT: usize = 0;
pub const SERVER: usize = 1;

#[derive(Debug)]
pub struct World {
    pub meter: Rc<Meter>,
    pub now: Instant,
    pub hosts: [Host; 2],
    block: Frame,
}

impl World {
    pub fn new(setup: &Setup) -> Self {
        let meter = Rc::new(Meter::default());
        let now = Instant::from_nanos(1_000_000_000);
        let hosts = [0, 1].map(|number| Host::new(setup, number, Rc::clone(&meter), now));
        let mut world = Self { meter, now, hosts, block: Frame::new(vec![0x5a; BLOCK_BYTES]) };
        for number in 0..setup.services {
            world.hosts[SERVER]
                .act(now, |endpoint, cx| endpoint.listen(cx, service(number), 4_096))
                .expect("a free port");
        }
        world
    }

    pub fn connect(&mut self, number: u16) -> ConnectionId {
        let opened =
            self.hosts[CLIENT].act(self.now, |endpoint, cx| endpoint.connect(cx, None, service(number)));
        opened.expect("a way to the server")
    }

    /// Connections of the client, established on both sides.
    pub fn connected(&mut self, setup: &Setup, count: usize) -> Vec<ConnectionId> {
        let mut ids = Vec::with_capacity(count);
        while ids.len() < count {
            let portion = (count - ids.len()).min(256);
            ids.extend((0..portion).map(|at| self.connect(at as u16 % setup.services)));
            let total = ids.len();
            self.run_until("connected", |world| {
                world.hosts[CLIENT].application.connected == total
                    && world.hosts[SERVER].application.accepted.len() == total
            });
        }
        let links = usize::from(setup.links);
        if setup.mptcp && links > 1 {
            self.run_until("joined", |world| ids.iter().all(|&id| world.subflows(id) == links));
        }
        ids
    }

    /// Subflows of a connection of the client that may send.
    pub fn subflows(&self, id: ConnectionId) -> usize {
        let info = self.hosts[CLIENT].endpoint.info(id);
        info.map_or(0, |info| info.subflows.iter().filter(|subflow| subflow.smoothed_rtt.is_some()).count())
    }

    /// Appends `bytes` to what a host sends.
    pub fn write(&mut self, host: usize, id: ConnectionId, bytes: usize) {
        let Self { now, hosts, block, .. } = self;
        hosts[host].act(*now, |endpoint, cx| {
            let mut left = bytes;
            while left > 0 {
                let piece = block.slice(0, left.min(BLOCK_BYTES));
                left -= piece.len();
                endpoint.write(cx, id, piece).expect("room to write");
            }
        });
    }

    /// What a host sent comes to the other. Returns how many frames, by port.
    pub fn carry(&mut self, from: usize) -> Vec<usize> {
        self.now += DELAY;
        let [client, server] = &mut self.hosts;
        let (from, to) = if from == CLIENT { (client, server) } else { (server, client) };
        let move_over = |(out, burst): (&mut Vec<_>, &mut Vec<_>)| {
            burst.append(out);
            burst.len()
        };
        from.outbox.ports.iter_mut().zip(&mut to.inbox).map(move_over).collect()
    }

    /// A turn of a host that counts.
    pub fn counted_turn(&mut self, host: usize, intake: Intake) {
        let Self { meter, now, hosts, .. } = self;
        meter.counted(|| {
            hosts[host].receive(*now, intake);
            hosts[host].turn(*now);
        });
    }

    /// A turn of a host.
    pub fn turn(&mut self, host: usize) {
        self.hosts[host].receive(self.now, Intake::Merged);
        self.hosts[host].turn(self.now);
    }

    /// A turn of both, one after the other. Whether a frame was carried.
    fn step(&mut self) -> bool {
        let mut carried = 0;
        for host in [CLIENT, SERVER] {
            self.turn(host);
            carried += self.carry(host).iter().sum::<usize>();
        }
        carried > 0
    }

    /// Turns both until `done`; time jumps where nothing is under way.
    pub fn run_until(&mut self, what: &str, done: impl Fn(&Self) -> bool) {
        for _ in 0..STEPS_MOST {
            if done(self) {
                return;
            }
            if !self.step() && !done(self) {
                self.jump();
            }
        }
        panic!("never {what}");
    }

    /// Nothing happens for a while.
    pub fn pass(&mut self, span: Duration) {
        self.now += span;
    }

    /// To the next deadline.
    pub fn jump(&mut self) {
        let deadlines = self.hosts.iter().filter_map(|host| host.endpoint.poll_deadline());
        self.now = self.now.max(deadlines.min().expect("something to wait for"));
    }

    /// Until nothing is under way and everything is acknowledged.
    pub fn run_until_quiet(&mut self, ids: &[ConnectionId]) {
        let quiet = |world: &Self| {
            ids.iter().all(|&id| world.hosts[CLIENT].endpoint.send_buffered(id) == 0)
                && world
                    .hosts
                    .iter()
                    .all(|host| host.inbox.iter().chain(&host.outbox.ports).all(Vec::is_empty))
        };
        self.run_until("quiet", quiet);
    }
}

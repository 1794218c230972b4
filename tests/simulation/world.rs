//! Two hosts, links, middleboxes, a clock and a seed.

use super::application::{Script, Session};
use super::cores_profile::CoresProfile;
use super::host::Host;
use super::link::{Link, LinkProfile};
use super::middlebox::Middlebox;
use mpdk::base::{Duration, Instant, PortIndex, PortSet, Random};
use mpdk::endpoint::{ConnectError, EndpointConfig, Limits, PortAddress, PortConfig, local_addresses};
use mpdk::wire::MacAddress;
use mpdk::{mptcp, tcp};
use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::net::{IpAddr, SocketAddr};
use std::rc::Rc;

/// The port that the listening host serves.
pub const SERVICE: u16 = 8_080;

/// How hosts and links are set up.
#[derive(Clone, Debug)]
pub struct Setup {
    /// How often hosts look at their ports; zero: at every frame.
    pub gather: Duration,
    pub links: Vec<LinkProfile>,
    pub ipv6: bool,
    pub mptcp: [mptcp::Config; 2],
    /// The cores of each host; `None`: one, which knows of no others.
    pub cores: [Option<CoresProfile>; 2],
}

/// A frame on its way, or a plug pulled.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Due {
    at_ns: u64,
    order: u64,
    what: What,
}

#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
enum What {
    Frame {
        to: usize,
        link: usize,
        bytes: Vec<u8>,
    },
    /// The links' carrier is seen by the hosts (`seen`) or not: a silent black hole.
    Plug {
        link: usize,
        up: bool,
        seen: bool,
    },
    /// One host's port notices that its link is there.
    Carrier {
        host: usize,
        link: usize,
    },
}

/// The simulated world.
#[derive(Debug)]
pub struct World {
    pub now: Instant,
    pub hosts: [Host; 2],
    pub links: Vec<Link>,
    pub middleboxes: Vec<Middlebox>,
    random: Random,
    gather: Duration,
    due: BinaryHeap<Reverse<Due>>,
    order: u64,
    pub steps: u64,
}

/// The address of a host on a link.
pub fn address(host: usize, link: usize, ipv6: bool) -> IpAddr {
    if ipv6 {
        format!("fd00:{}::{}", link + 1, host + 1).parse().expect("an address")
    } else {
        format!("10.1.{}.{}", link + 1, host + 1).parse().expect("an address")
    }
}

/// Settings as in the profiles, but short times.
pub fn mptcp_config() -> mptcp::Config {
    mptcp::Config {
        enabled: true,
        checksum: false,
        scheduler: mptcp::SchedulerKind::MinRtt,
        addresses: Vec::new(),
        max_subflows: 8,
        max_remote_addresses: 8,
        full_mesh: true,
        announce: true,
        send_buffer_bytes: 1 << 20,
        receive_buffer_bytes: 1 << 20,
        add_address_timeout: Duration::from_millis(500),
        close_timeout: Duration::from_secs(10),
        far_ports: PortSet::EMPTY,
        capable_syn_retries: 2,
        tcp: Rc::new(tcp_config()),
    }
}

pub fn tcp_config() -> tcp::Config {
    tcp::Config {
        window_scale: 8,
        timestamps: true,
        sack: true,
        rto_min: Duration::from_millis(10),
        rto_initial: Duration::from_millis(100),
        rto_max: Duration::from_secs(2),
        delayed_ack: Duration::from_millis(2),
        syn_retries: 8,
        retries: 12,
        keepalive: None,
        time_wait: Duration::from_secs(20),
        fin_wait_2: Duration::from_secs(10),
        congestion: mpdk::congestion::Algorithm::Cubic,
        initial_window_segments: 10,
        reassembly_segments: 2_048,
    }
}

fn endpoint_config(host: usize, setup: &Setup) -> EndpointConfig {
    let port = |link: usize| PortConfig {
        name: format!("link{link}"),
        mac: MacAddress([2, 0, 0, host as u8, 0, link as u8 + 1]),
        mtu: setup.links[link].mtu,
        addresses: vec![PortAddress {
            address: address(host, link, setup.ipv6),
            prefix_bits: if setup.ipv6 { 64 } else { 24 },
        }],
        gateway_v4: None,
        gateway_v6: None,
        vlan: None,
        backup: false,
        tx_ip_checksum: false,
        tx_tcp_checksum: false,
        super_segment_bytes: 0,
    };
    let ports: Vec<PortConfig> = (0..setup.links.len()).map(port).collect();
    let mut mptcp = setup.mptcp[host].clone();
    mptcp.addresses = local_addresses(&ports);
    EndpointConfig { ports, mptcp: Rc::new(mptcp), limits: Limits::default(), steering: None }
}

impl World {
    pub fn new(seed: u64, setup: &Setup) -> Self {
        let mut random = Random::from_number(seed);
        let host = |host: usize, random: &mut Random| {
            Host::new(&endpoint_config(host, setup), setup.cores[host].as_ref(), random)
        };
        Self {
            now: Instant::from_nanos(1_000_000),
            hosts: [host(0, &mut random), host(1, &mut random)],
            links: setup.links.iter().cloned().map(Link::new).collect(),
            middleboxes: Vec::new(),
            random,
            gather: setup.gather,
            due: BinaryHeap::new(),
            order: 0,
            steps: 0,
        }
    }

    /// Host 1 listens, host 0 opens `connections`.
    pub fn start(&mut self, ipv6: bool, connections: usize, active: Script, passive: Script) {
        let any: IpAddr = if ipv6 { "::".parse() } else { "0.0.0.0".parse() }.expect("an address");
        self.hosts[1].listen(self.now, SocketAddr::new(any, SERVICE), passive);
        for _ in 0..connections {
            self.connect(ipv6, None, active).expect("a connection to a configured peer can be opened");
        }
    }

    /// Host 0 opens a connection, from a local port of its first link or from any.
    pub fn connect(&mut self, ipv6: bool, port: Option<u16>, script: Script) -> Result<(), ConnectError> {
        let local = port.map(|port| SocketAddr::new(address(0, 0, ipv6), port));
        self.hosts[0].connect(self.now, local, SocketAddr::new(address(1, 0, ipv6), SERVICE), script)
    }

    fn schedule(&mut self, at: Instant, what: What) {
        self.order += 1;
        self.due.push(Reverse(Due { at_ns: at.as_nanos(), order: self.order, what }));
    }

    /// Pulls or puts a plug at a time. `seen`: the ports notice.
    pub fn plug(&mut self, at: Instant, link: usize, up: bool, seen: bool) {
        self.schedule(at, What::Plug { link, up, seen });
    }

    /// Runs until `done` holds or `limit` is over; whether it holds.
    pub fn run_until(&mut self, limit: Instant, mut done: impl FnMut(&Self) -> bool) -> bool {
        self.turn_hosts();
        loop {
            if done(self) {
                return true;
            }
            let Some(next) = self.next_instant() else { return false };
            if next > limit {
                return false;
            }
            self.now = if next > self.now { next } else { self.now };
            self.steps += 1;
            self.deliver_due();
            self.turn_hosts();
        }
    }

    fn next_instant(&self) -> Option<Instant> {
        let frames = self.due.peek().map(|Reverse(due)| Instant::from_nanos(due.at_ns));
        let timers = self.hosts.iter().filter_map(Host::poll_deadline);
        timers.chain(frames).min()
    }

    fn deliver_due(&mut self) {
        let mut bursts = BTreeMap::<_, Vec<_>>::new();
        while self.due.peek().is_some_and(|Reverse(due)| due.at_ns <= self.now.as_nanos()) {
            let Some(Reverse(due)) = self.due.pop() else { break };
            match due.what {
                What::Frame { to, link, bytes } => bursts.entry((to, link)).or_default().push(bytes),
                What::Plug { link, up, seen } => {
                    self.deliver(std::mem::take(&mut bursts));
                    self.set_plug(link, up, seen);
                }
                What::Carrier { host, link } => {
                    self.deliver(std::mem::take(&mut bursts));
                    self.tell_link(host, link, true);
                }
            }
        }
        self.deliver(bursts);
    }

    /// What a port received since it was last looked at comes as one burst.
    fn deliver(&mut self, bursts: BTreeMap<(usize, usize), Vec<Vec<u8>>>) {
        for ((to, link), frames) in bursts {
            self.hosts[to].receive(self.now, PortIndex(link as u8), frames);
        }
    }

    fn set_plug(&mut self, link: usize, up: bool, seen: bool) {
        self.links[link].up = up;
        if !seen {
            return;
        }
        (0..2).for_each(|host| self.tell_link(host, link, up));
    }

    fn tell_link(&mut self, host: usize, link: usize, up: bool) {
        self.hosts[host].handle_link(self.now, PortIndex(link as u8), up);
    }

    /// A host's port says that it has no link, from now on.
    pub fn lose_link(&mut self, host: usize, link: usize) {
        self.tell_link(host, link, false);
    }

    /// The port notices its link at a time.
    pub fn regain_link(&mut self, at: Instant, host: usize, link: usize) {
        self.schedule(at, What::Carrier { host, link });
    }

    fn turn_hosts(&mut self) {
        for from in 0..2 {
            for (port, frame) in self.hosts[from].turn(self.now) {
                self.send(from, usize::from(port.0), frame);
            }
        }
    }

    fn send(&mut self, from: usize, link: usize, frame: Vec<u8>) {
        let mut frames = vec![frame];
        for middlebox in self.middleboxes.iter_mut().filter(|middlebox| middlebox.link == link) {
            frames = frames.into_iter().flat_map(|frame| middlebox.pass(from, frame)).collect();
        }
        for mut frame in frames {
            for arrival in self.links[link].carry(from, self.now, &mut frame, &mut self.random) {
                let seen = self.seen_at(arrival);
                self.schedule(seen, What::Frame { to: 1 - from, link, bytes: frame.clone() });
            }
        }
    }

    /// When a host looks at its ports next.
    fn seen_at(&self, arrival: Instant) -> Instant {
        match self.gather.as_nanos() {
            0 => arrival,
            gather => Instant::from_nanos(arrival.as_nanos().next_multiple_of(gather)),
        }
    }

    /// Whether all sessions of both hosts have ended.
    pub fn is_done(&self) -> bool {
        self.hosts.iter().all(Host::is_done)
    }

    /// What is wrong at the end, if anything: data, closes, leaks.
    pub fn complaints(&mut self) -> Vec<String> {
        let mut complaints = Vec::new();
        let deadline = self.now + Duration::from_secs(60);
        let idle = self.run_until(deadline, |world| world.hosts.iter().all(Host::is_over));
        for (index, host) in self.hosts.iter().enumerate() {
            let mut complain = |text: String| complaints.push(format!("host {index}: {text}"));
            host.cores.iter().filter_map(|core| core.application.corrupted.clone()).for_each(&mut complain);
            host.sessions().filter_map(Session::complaint).for_each(&mut complain);
            if !idle {
                complain(format!("{} connections are left", host.connection_count()));
            }
            if idle && host.held.count() > 0 {
                complain(format!("{} packets are still held", host.held.count()));
            }
        }
        if idle {
            complaints.extend(self.complaints_of_cores());
        }
        complaints
    }

    /// What is wrong between the cores of the hosts, after TIME_WAIT.
    fn complaints_of_cores(&mut self) -> Vec<String> {
        let deadline = self.now + Duration::from_secs(120);
        self.run_until(deadline, |world| world.hosts.iter().all(Host::is_empty));
        let of_host = |(index, host): (usize, &Host)| {
            let texts: Vec<_> = host.complaints_of_cores();
            texts.into_iter().map(move |text| format!("host {index}: {text}"))
        };
        self.hosts.iter().enumerate().flat_map(of_host).collect()
    }
}

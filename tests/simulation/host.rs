//! A host: one core, or several that share its links.

use super::application::{Application, Script, Session};
use super::core::Core;
use super::cores::Cores;
use super::cores_profile::CoresProfile;
use super::nic::Nic;
use super::packet::Held;
use super::rings::Frame;
use mpdk::base::{Context, CoreIndex, Counters, Instant, Outcome, PortIndex, Random};
use mpdk::endpoint::{ConnectError, ConnectionInfo, Endpoint, EndpointConfig, Steering};
use std::net::SocketAddr;

/// One side of the simulation.
#[derive(Debug)]
pub struct Host {
    pub cores: Vec<Core>,
    /// What the cores have in common; `None`: there is one, which has everything.
    pub shared: Option<Cores>,
    pub held: Held,
}

impl Host {
    /// `profile`: its cores; `None`: one, which knows of no others.
    pub fn new(config: &EndpointConfig, profile: Option<&CoresProfile>, random: &mut Random) -> Self {
        let held = Held::default();
        let core = |steering: Option<Steering>, random: &mut Random| {
            let mut own = Random::from_number(random.next_u64());
            let mut counters = Counters::new();
            let mut cx = Context { now: Instant::ZERO, random: &mut own, counters: &mut counters };
            let config = EndpointConfig { steering, ..config.clone() };
            let endpoint = Endpoint::new(config, &mut cx).expect("a valid configuration");
            Core { endpoint, random: own, counters, application: Application::default(), held: held.clone() }
        };
        let Some(profile) = profile else {
            return Self { cores: vec![core(None, random)], shared: None, held };
        };
        let spreads = Nic::reports(&profile.links);
        let steering =
            |at: u8| Steering { core: CoreIndex(at), cores: profile.count, spreads: spreads.clone() };
        let cores = (0..profile.count).map(|at| core(Some(steering(at)), random)).collect();
        let shared = Cores::new(profile.clone(), random.next_u64(), config.mptcp.enabled);
        Self { cores, shared: Some(shared), held }
    }

    /// Every core takes connections.
    pub fn listen(&mut self, now: Instant, at: SocketAddr, script: Script) {
        for core in &mut self.cores {
            core.act(now, |endpoint, cx| endpoint.listen(cx, at, 128)).expect("a free port");
            core.application.accept_with(vec![script]);
        }
    }

    /// Any core opens a connection; always the same one if the local port is
    /// given.
    pub fn connect(
        &mut self,
        now: Instant,
        local: Option<SocketAddr>,
        remote: SocketAddr,
        script: Script,
    ) -> Result<(), ConnectError> {
        let at = match (&mut self.shared, local) {
            (Some(_), Some(local)) => usize::from(local.port()) % self.cores.len(),
            (Some(shared), None) => shared.any(),
            (None, _) => 0,
        };
        let Core { endpoint, random, counters, application, .. } = &mut self.cores[at];
        let mut cx = Context { now, random, counters };
        application.connect(endpoint, &mut cx, local, remote, script)
    }

    /// Frames arrive.
    pub fn receive(&mut self, now: Instant, port: PortIndex, frames: Vec<Vec<u8>>) {
        match &mut self.shared {
            Some(shared) => shared.receive(now, port, frames),
            None => self.cores[0].receive(now, port, None, &frames),
        }
    }

    /// Timers, the applications, and what wants to leave.
    pub fn turn(&mut self, now: Instant) -> Vec<Frame> {
        match &mut self.shared {
            Some(shared) => shared.turn(&mut self.cores, now),
            None => self.cores[0].turn(now).frames,
        }
    }

    /// When the next turn is due, whatever comes.
    pub fn poll_deadline(&self) -> Option<Instant> {
        match &self.shared {
            Some(shared) => shared.poll_deadline(&self.cores),
            None => self.cores[0].endpoint.poll_deadline(),
        }
    }

    /// A port lost its link or got it back.
    pub fn handle_link(&mut self, now: Instant, port: PortIndex, up: bool) {
        for core in &mut self.cores {
            core.act(now, |endpoint, cx| endpoint.handle_link(cx, port, up));
        }
        self.shared.iter_mut().for_each(Cores::stir);
    }

    /// The sessions of all cores.
    pub fn sessions(&self) -> impl Iterator<Item = &Session> {
        self.cores.iter().flat_map(|core| &core.application.sessions)
    }

    /// Each session with what its endpoint says of it.
    pub fn accounts(&self) -> impl Iterator<Item = (&Session, Option<ConnectionInfo>)> {
        self.cores.iter().flat_map(|core| {
            let info_of = |session: &Session| core.endpoint.info(session.id);
            core.application.sessions.iter().map(move |session| (session, info_of(session)))
        })
    }

    /// Whether every session has ended.
    pub fn is_done(&self) -> bool {
        self.sessions().next().is_some() && self.sessions().all(|session| session.closed.is_some())
    }

    /// Whether nothing is left of anything between its cores.
    pub fn is_empty(&self) -> bool {
        let is_empty = |core: &Core| {
            core.endpoint.connection_count() + core.endpoint.time_wait_count() + core.endpoint.claim_count()
                == 0
        };
        self.shared.as_ref().is_none_or(|shared| shared.is_quiet() && self.cores.iter().all(is_empty))
    }

    /// What is wrong between its cores.
    pub fn complaints_of_cores(&self) -> Vec<String> {
        let Some(shared) = &self.shared else { return Vec::new() };
        let mut complaints = shared.watch.complaints().to_vec();
        if !self.is_empty() {
            let claims = self.cores.iter().map(|core| core.endpoint.claim_count()).sum::<usize>();
            complaints.push(format!("something is left between the cores: {claims} claims"));
        }
        let flow = &shared.flow;
        if flow.came != flow.taken_in + flow.dropped {
            complaints.push(format!("frames were lost or came twice: {flow:?}"));
        }
        complaints
    }

    /// Whether no connection is left.
    pub fn is_over(&self) -> bool {
        self.connection_count() == 0
    }

    pub fn connection_count(&self) -> usize {
        self.cores.iter().map(|core| core.endpoint.connection_count()).sum()
    }

    /// How often something happened, on all cores.
    pub fn count(&self, outcome: Outcome) -> u64 {
        self.cores.iter().map(|core| core.counters.get(outcome)).sum()
    }
}

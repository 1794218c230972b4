//! Several cores of one host under one scheduler: their steps interleave in
//! any order, and some rest while others go on.

use super::core::Core;
use super::cores_profile::{CoresProfile, Flow, Sabotage};
use super::nic::Nic;
use super::rings::{Frame, Rings, Sent};
use super::watch::Watch;
use mpdk::base::{CoreIndex, Duration, Instant, PortIndex, Random};
use mpdk::endpoint::{CoreMessage, Sorted};
use std::collections::VecDeque;

/// What a core does next: always in this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    /// Messages, and frames that were handed over.
    Hear,
    LookAgain,
    /// Frames of its queue.
    TakeIn,
    /// Timers, the application, messages, and then what wants to leave.
    Send,
}

/// What lies before one core.
#[derive(Debug)]
struct Desk {
    queue: VecDeque<Frame>,
    later: Vec<Frame>,
    step: Step,
    /// Something happened since its last turn of sending, or is left from that.
    is_stirred: bool,
    rests_until: Instant,
}

/// What the cores of a host have in common.
#[derive(Debug)]
pub struct Cores {
    profile: CoresProfile,
    desks: Vec<Desk>,
    nic: Nic,
    rings: Rings,
    chance: Random,
    pub watch: Watch,
    pub flow: Flow,
    /// When a core goes on that rests and has something to do.
    resumes_at: Option<Instant>,
}

impl Cores {
    pub fn new(profile: CoresProfile, seed: u64, mptcp: bool) -> Self {
        let desk = || Desk {
            queue: VecDeque::new(),
            later: Vec::new(),
            step: Step::Hear,
            is_stirred: true,
            rests_until: Instant::ZERO,
        };
        Self {
            desks: std::iter::repeat_with(desk).take(usize::from(profile.count)).collect(),
            nic: Nic::new(profile.count, profile.links.clone(), profile.has_rules),
            rings: Rings::new(profile.count, profile.ring_frames),
            chance: Random::from_number(seed),
            watch: Watch::new(profile.count, mptcp),
            flow: Flow::default(),
            resumes_at: None,
            profile,
        }
    }

    /// Frames come to the queues.
    pub fn receive(&mut self, now: Instant, port: PortIndex, frames: Vec<Vec<u8>>) {
        for frame in frames {
            let core = self.nic.core_of(now, usize::from(port.0), &frame, &mut self.chance);
            self.flow.came += 1;
            self.desks[usize::from(core.0)].queue.push_back((port, frame));
        }
    }

    /// Something happened to the endpoints that was no frame.
    pub fn stir(&mut self) {
        self.desks.iter_mut().for_each(|desk| desk.is_stirred = true);
    }

    /// Lets the cores work until each has nothing to do or rests. What leaves.
    pub fn turn(&mut self, cores: &mut [Core], now: Instant) -> Vec<Frame> {
        let mut leaving = Vec::new();
        loop {
            let busy: Vec<usize> = (0..cores.len()).filter(|&at| self.is_busy(&cores[at], at, now)).collect();
            let awake: Vec<usize> =
                busy.iter().copied().filter(|&at| self.desks[at].rests_until <= now).collect();
            let Some(&at) = awake.get(self.chance.below(awake.len() as u64) as usize) else {
                self.resumes_at = busy.iter().map(|&at| self.desks[at].rests_until).min();
                self.idle(&busy, now);
                return leaving;
            };
            self.step(cores, at, now, &mut leaving);
            self.rest(at, now);
        }
    }

    /// Cores with nothing to do go round: each is anywhere.
    fn idle(&mut self, busy: &[usize], now: Instant) {
        for at in (0..self.desks.len()).filter(|at| !busy.contains(at)) {
            let steps = [Step::Hear, Step::LookAgain, Step::TakeIn, Step::Send];
            self.desks[at].step = steps[self.chance.below(4) as usize];
            self.rest(at, now);
        }
    }

    fn rest(&mut self, at: usize, now: Instant) {
        if self.chance.below(self.profile.rests_one_in) == 0 {
            let rest = Duration::from_nanos(self.chance.below(self.profile.rest.as_nanos()));
            self.desks[at].rests_until = now + rest;
        }
    }

    fn is_busy(&self, core: &Core, at: usize, now: Instant) -> bool {
        let desk = &self.desks[at];
        desk.is_stirred
            || !desk.queue.is_empty()
            || !desk.later.is_empty()
            || self.rings.wait_for(at)
            || core.endpoint.poll_deadline().is_some_and(|deadline| deadline <= now)
    }

    /// Any core.
    pub fn any(&mut self) -> usize {
        self.chance.below(u64::from(self.profile.count)) as usize
    }

    /// When the next step is due, whatever comes.
    pub fn poll_deadline(&self, cores: &[Core]) -> Option<Instant> {
        let awake = |(core, desk): (&Core, &Desk)| Some(core.endpoint.poll_deadline()?.max(desk.rests_until));
        cores.iter().zip(&self.desks).filter_map(awake).chain(self.resumes_at).min()
    }

    /// Whether nothing is on its way between the cores.
    pub fn is_quiet(&self) -> bool {
        let is_quiet = |(at, desk): (usize, &Desk)| {
            desk.queue.is_empty() && desk.later.is_empty() && !self.rings.wait_for(at)
        };
        self.desks.iter().enumerate().all(is_quiet)
    }

    fn step(&mut self, cores: &mut [Core], at: usize, now: Instant, leaving: &mut Vec<Frame>) {
        self.desks[at].step = match self.desks[at].step {
            Step::Hear => {
                self.hear(cores, at, now);
                Step::LookAgain
            }
            Step::LookAgain => {
                self.look_again(cores, at, now);
                Step::TakeIn
            }
            Step::TakeIn => {
                self.take_in(cores, at, now);
                Step::Send
            }
            Step::Send => {
                self.send(cores, at, now, leaving);
                Step::Hear
            }
        };
    }

    fn hear(&mut self, cores: &mut [Core], at: usize, now: Instant) {
        for (from, sent) in self.rings.take(at, &mut self.chance) {
            self.desks[at].is_stirred = true;
            match sent {
                Sent::Message(message) => {
                    cores[at].act(now, |endpoint, cx| endpoint.handle_core_message(cx, from, message));
                }
                Sent::Frame((port, frame)) => self.process(cores, at, now, port, Some(from), &[frame]),
            }
        }
    }

    fn look_again(&mut self, cores: &mut [Core], at: usize, now: Instant) {
        for (port, frame) in std::mem::take(&mut self.desks[at].later) {
            self.flow.looked_again += 1;
            match cores[at].endpoint.sort_again(port, &frame) {
                Sorted::There(core) => {
                    self.flow.found_late += 1;
                    self.hand_over(at, core, (port, frame));
                }
                Sorted::Here => self.process(cores, at, now, port, None, &[frame]),
                Sorted::Later => self.watch.complain(now, "a second look told nothing"),
            }
        }
    }

    /// A burst of one port is sorted, and then taken in.
    fn take_in(&mut self, cores: &mut [Core], at: usize, now: Instant) {
        let mut here = Vec::new();
        let Some(port) = self.desks[at].queue.front().map(|(port, _)| *port) else { return };
        for _ in 0..=self.chance.below(self.profile.burst_frames) {
            let queue = &mut self.desks[at].queue;
            let Some((_, frame)) =
                queue.front().is_some_and(|next| next.0 == port).then(|| queue.pop_front()).flatten()
            else {
                break;
            };
            match cores[at].endpoint.sort(port, &frame) {
                Sorted::Here => here.push(frame),
                Sorted::There(core) => self.hand_over(at, core, (port, frame)),
                Sorted::Later if self.profile.sabotage == Some(Sabotage::NoSecondLook) => here.push(frame),
                Sorted::Later => self.desks[at].later.push((port, frame)),
            }
        }
        self.process(cores, at, now, port, None, &here);
    }

    fn process(
        &mut self,
        cores: &mut [Core],
        at: usize,
        now: Instant,
        port: PortIndex,
        from: Option<CoreIndex>,
        frames: &[Vec<u8>],
    ) {
        self.desks[at].is_stirred = true;
        self.flow.taken_in += frames.len() as u64;
        for frame in frames {
            self.watch.see(cores, at, now, frame);
        }
        cores[at].receive(now, port, from, frames);
    }

    fn hand_over(&mut self, at: usize, to: CoreIndex, frame: Frame) {
        if usize::from(to.0) == at {
            self.watch.complain(Instant::ZERO, &format!("core {at} hands a frame over to itself"));
        }
        self.flow.handed_over += 1;
        if let Some(Sabotage::HandOverTwice(one_in)) = self.profile.sabotage
            && self.chance.below(one_in) == 0
        {
            self.rings.hand_over(at, to, frame.clone());
        }
        if !self.rings.hand_over(at, to, frame) {
            self.flow.dropped += 1;
        }
    }

    /// Messages reach the rings before frames leave.
    fn send(&mut self, cores: &mut [Core], at: usize, now: Instant, leaving: &mut Vec<Frame>) {
        let outbox = cores[at].turn(now);
        self.desks[at].is_stirred = outbox.has_more;
        while let Some((to, message)) = cores[at].endpoint.poll_core_message() {
            let own = CoreIndex(at as u8);
            match message {
                CoreMessage::Claim(tuple) => self.nic.claim(tuple.into(), own),
                CoreMessage::Disclaim(tuple) => self.nic.disclaim(tuple.into(), own),
                _ => {}
            }
            if let (CoreMessage::Claim(_), Some(Sabotage::LoseClaims(one_in))) =
                (message, self.profile.sabotage)
                && self.chance.below(one_in) == 0
            {
                continue;
            }
            self.rings.tell(at, to, message);
        }
        self.watch.check_owners(&cores[at], at, now);
        leaving.extend(outbox.frames);
    }
}

//! Flow rules: a thread that tells the ports which core's queue a flow goes to.
//!
//! Telling a port takes up to milliseconds, so no engine does it. A core wishes for a
//! rule when many frames of a subflow were handed over to it; until the rule is there,
//! and where there is none, they go on being handed over.

use crate::base::{CoreIndex, FourTuple, PortIndex, PortSet};
use crate::device::FlowSteering;
use crate::endpoint::FlowWish;
use hashbrown::HashMap;
use std::any::Any;
use std::io;
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread::JoinHandle;

/// What a [`PortSet`] holds.
const PORTS_MOST: u8 = 64;
/// Rules at once, over all ports: strangers open connections.
const RULES_MOST: usize = 4_096;

/// One core's way to the thread.
#[derive(Clone, Debug)]
pub(super) struct RuleWishes {
    core: CoreIndex,
    /// Those that take rules.
    ports: PortSet,
    sender: Sender<(CoreIndex, FlowWish)>,
}

impl RuleWishes {
    /// Passes a wish on, if its port takes rules.
    pub(super) fn tell(&self, wish: FlowWish) {
        let (FlowWish::Bring { port, .. } | FlowWish::Release { port, .. }) = wish;
        if self.ports.contains(port) {
            // The thread is gone only when everything ends.
            let _ = self.sender.send((self.core, wish));
        }
    }
}

/// What the thread works on.
#[derive(Debug)]
pub(super) struct RuleTask {
    steering: Box<dyn FlowSteering>,
    wishes: Receiver<(CoreIndex, FlowWish)>,
}

/// The thread. Dropped, it is waited for: it ends when no core is left that might
/// wish.
#[derive(Debug)]
pub(super) struct RuleKeeper {
    thread: Option<JoinHandle<()>>,
}

/// A task for the thread, and the way to it of so many cores; `None` if there is
/// nothing to do.
pub(super) fn rule_task(
    steering: Box<dyn FlowSteering>,
    cores: usize,
) -> Option<(RuleTask, Vec<RuleWishes>)> {
    let mut ports = PortSet::EMPTY;
    for port in (0..PORTS_MOST).map(PortIndex).filter(|&port| steering.takes_rules(port)) {
        ports.insert(port);
    }
    if ports == PortSet::EMPTY || cores < 2 {
        return None;
    }
    let (sender, wishes) = mpsc::channel();
    let of_core = |core: usize| RuleWishes { core: CoreIndex(core as u8), ports, sender: sender.clone() };
    Some((RuleTask { steering, wishes }, (0..cores).map(of_core).collect()))
}

impl RuleTask {
    /// Starts the thread, which runs where the calling one may.
    ///
    /// # Errors
    /// If the system gives no thread.
    pub(super) fn start(self) -> io::Result<RuleKeeper> {
        let run = move || run(&*self.steering, &self.wishes);
        let thread = std::thread::Builder::new().name("mpdk-rules".into()).spawn(run)?;
        Ok(RuleKeeper { thread: Some(thread) })
    }
}

fn run(steering: &dyn FlowSteering, wishes: &Receiver<(CoreIndex, FlowWish)>) {
    let mut rules: HashMap<(PortIndex, FourTuple), Box<dyn Any + Send>> = HashMap::new();
    while let Ok((core, wish)) = wishes.recv() {
        match wish {
            FlowWish::Bring { port, tuple } if rules.len() < RULES_MOST => {
                if let Some(rule) = steering.steer(port, &tuple, core) {
                    rules.insert((port, tuple), rule);
                }
            }
            FlowWish::Bring { tuple, .. } => tracing::debug!(%tuple, "no rule: there are too many"),
            FlowWish::Release { port, tuple } => drop(rules.remove(&(port, tuple))),
        }
    }
}

impl Drop for RuleKeeper {
    fn drop(&mut self) {
        if let Some(thread) = self.thread.take() {
            drop(thread.join());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::SocketAddr;
    use std::sync::{Arc, Mutex};

    /// What a port was told, and what of it holds.
    #[derive(Clone, Debug, Default)]
    struct Told(Arc<Mutex<Vec<(PortIndex, FourTuple, CoreIndex)>>>);

    #[derive(Debug)]
    struct Rule(Told, FourTuple);

    impl Drop for Rule {
        fn drop(&mut self) {
            self.0.0.lock().unwrap().retain(|(_, tuple, _)| *tuple != self.1);
        }
    }

    impl FlowSteering for Told {
        fn takes_rules(&self, port: PortIndex) -> bool {
            port == PortIndex(1)
        }

        fn steer(&self, port: PortIndex, flow: &FourTuple, core: CoreIndex) -> Option<Box<dyn Any + Send>> {
            self.0.lock().unwrap().push((port, *flow, core));
            Some(Box::new(Rule(self.clone(), *flow)))
        }
    }

    fn tuple(port: u16) -> FourTuple {
        let end = |port| SocketAddr::from(([10, 0, 0, 1], port));
        FourTuple { local: end(80), remote: end(port) }
    }

    #[test]
    fn rules_come_and_go_as_they_are_wished_for() {
        let told = Told::default();
        let (task, wishes) = rule_task(Box::new(told.clone()), 2).unwrap();
        let keeper = task.start().unwrap();
        let [port, other] = [PortIndex(1), PortIndex(2)];
        wishes[0].tell(FlowWish::Bring { port: other, tuple: tuple(5) });
        wishes[1].tell(FlowWish::Bring { port, tuple: tuple(6) });
        wishes[1].tell(FlowWish::Bring { port, tuple: tuple(7) });
        wishes[1].tell(FlowWish::Release { port, tuple: tuple(6) });
        wishes[1].tell(FlowWish::Release { port, tuple: tuple(8) });
        let expected = [(port, tuple(7), CoreIndex(1))];
        while *told.0.lock().unwrap() != expected {
            std::thread::yield_now();
        }
        drop(wishes);
        drop(keeper);
        assert!(told.0.lock().unwrap().is_empty(), "with the endpoint its rules end");
    }

    #[test]
    fn who_has_no_use_for_rules_has_no_thread() {
        #[derive(Debug)]
        struct Unable;

        impl FlowSteering for Unable {
            fn takes_rules(&self, _: PortIndex) -> bool {
                false
            }

            fn steer(&self, _: PortIndex, _: &FourTuple, _: CoreIndex) -> Option<Box<dyn Any + Send>> {
                None
            }
        }

        assert!(rule_task(Box::new(Unable), 2).is_none());
        assert!(rule_task(Box::new(Told::default()), 1).is_none());
        let (_, wishes) = rule_task(Box::new(Told::default()), 2).unwrap();
        assert_eq!(wishes.len(), 2);
    }
}

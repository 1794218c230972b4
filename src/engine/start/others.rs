//! The threads of all cores but the first.

use super::crew::spawn;
use super::handle::{Signals, stop};
use super::{EngineDied, StartError, text_of};
use crate::engine::Report;
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread::JoinHandle;

/// The threads of the other cores. Dropped, it stops them and waits for their
/// end.
pub(super) struct Others {
    threads: Vec<Follower>,
    signals: Signals,
}

struct Follower {
    core: usize,
    thread: Option<JoinHandle<Option<Report>>>,
    starting: Receiver<Result<(), StartError>>,
}

impl Others {
    pub(super) const fn new(signals: Signals) -> Self {
        Self { threads: Vec::new(), signals }
    }

    /// Starts one more, which says on its channel whether it is built.
    pub(super) fn start(
        &mut self,
        core: usize,
        run: impl FnOnce(&Sender<Result<(), StartError>>) -> Option<Report> + Send + 'static,
    ) -> Result<(), StartError> {
        let (started, starting) = mpsc::channel();
        let thread = Some(spawn(core, move || run(&started))?);
        self.threads.push(Follower { core, thread, starting });
        Ok(())
    }

    /// Waits until each is built.
    pub(super) fn wait(&mut self) -> Result<(), StartError> {
        for follower in &mut self.threads {
            match follower.starting.recv() {
                Ok(built) => built?,
                Err(_) => {
                    let died = follower.thread.take().and_then(|thread| thread.join().err());
                    return Err(StartError::Died(died.map_or_else(String::new, |panic| text_of(&*panic))));
                }
            }
        }
        Ok(())
    }

    /// Waits for the end of each.
    pub(super) fn join(&mut self) -> Vec<Result<Report, EngineDied>> {
        let join = |follower: &mut Follower| {
            let died = |panic| EngineDied { core: follower.core, panic };
            match follower.thread.take()?.join() {
                Ok(report) => report.map(Ok),
                Err(panic) => Some(Err(died(text_of(&*panic)))),
            }
        };
        self.threads.iter_mut().filter_map(join).collect()
    }
}

impl Drop for Others {
    fn drop(&mut self) {
        if self.threads.iter().any(|follower| follower.thread.is_some()) {
            stop(&self.signals);
            self.join();
        }
    }
}

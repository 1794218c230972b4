//! Programs that run beside a test, and end with it.

use super::wait::wait_for;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

/// Runs a program to its end and gives what it printed. Panics with everything
/// it said if it fails.
#[track_caller]
pub fn run(command: &mut Command) -> String {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{command:?}: {}\n{out}{err}", output.status);
    out.into_owned()
}

/// A program that runs beside a test, with what it prints in files. It is
/// killed by its id when dropped.
#[derive(Debug)]
pub struct Process {
    child: Child,
    what: String,
    folder: tempfile::TempDir,
}

impl Process {
    /// Starts it.
    #[track_caller]
    pub fn start(command: &mut Command) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let file = |name| Stdio::from(File::create(folder.path().join(name)).expect("a file"));
        let (out, err) = (file("out"), file("err"));
        let child = command.stdin(Stdio::null()).stdout(out).stderr(err).spawn();
        let what = format!("{command:?}");
        Self { child: child.unwrap_or_else(|error| panic!("{what}: {error}")), what, folder }
    }

    /// What it has printed so far.
    pub fn output(&self) -> String {
        self.read("out")
    }

    /// What it has said on standard error so far.
    pub fn errors(&self) -> String {
        self.read("err")
    }

    /// How often an outcome came, as `mpdk` tells at its end.
    pub fn counted(&self, outcome: &str) -> u64 {
        let errors = self.errors();
        let line = errors.lines().find(|line| line.contains(outcome));
        let number = line.and_then(|line| line.split_once("count=")).map_or("0", |(_, number)| number);
        number.split(|c: char| !c.is_ascii_digit()).next().and_then(|it| it.parse().ok()).unwrap_or(0)
    }

    fn read(&self, name: &str) -> String {
        let bytes = std::fs::read(self.folder.path().join(name)).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// Waits until it says `text` on either stream. Panics if it ends before.
    #[track_caller]
    pub fn wait_for_text(&mut self, text: &str, deadline: Duration) {
        let what = format!("\"{text}\" from {}", self.what);
        wait_for(&what, deadline, || {
            // In this order: what it said before it ended is there when it has ended.
            let ended = self.child.try_wait().expect("a child of ours");
            let (out, err) = (self.output(), self.errors());
            let said = out.contains(text) || err.contains(text);
            assert!(
                said || ended.is_none(),
                "{} ended ({ended:?}) without \"{text}\":\n{out}{err}",
                self.what
            );
            said.then_some(())
        });
    }

    /// Whether it has not ended yet.
    pub fn is_running(&mut self) -> bool {
        self.child.try_wait().expect("a child of ours").is_none()
    }

    /// Waits for its end.
    #[track_caller]
    pub fn wait(&mut self, deadline: Duration) -> ExitStatus {
        let what = format!("the end of {}", self.what);
        wait_for(&what, deadline, || self.child.try_wait().expect("a child of ours"))
    }

    /// Waits for its end, which must be a success, and gives what it printed.
    #[track_caller]
    pub fn success(mut self, deadline: Duration) -> String {
        let status = self.wait(deadline);
        assert!(status.success(), "{}: {status}\n{}{}", self.what, self.output(), self.errors());
        self.output()
    }

    /// Sends it a signal.
    pub fn signal(&self, signal: i32) {
        let pid = i32::try_from(self.child.id()).expect("a process id");
        // SAFETY: the child has not been waited for, so the id is still its own.
        unsafe { libc::kill(pid, signal) };
    }

    /// Asks it to end (SIGTERM) and waits until it has.
    #[track_caller]
    pub fn terminate(&mut self, deadline: Duration) -> ExitStatus {
        self.signal(libc::SIGTERM);
        self.wait(deadline)
    }

    /// Its id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The path of a program of this package.
pub fn program(name: &str) -> PathBuf {
    let test = std::env::current_exe().expect("the path of this program");
    let folder = test.parent().and_then(Path::parent).expect("target/PROFILE/deps/TEST");
    folder.join(name)
}

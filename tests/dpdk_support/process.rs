//! A test's other process: the same test binary again, told to play a part.

use std::io::{BufRead, BufReader};
use std::process::{Child, ChildStdout, Command, Stdio};

const PART: &str = "MPDK_TEST_PART";

/// Which part this process plays; `None` in the process that the person started.
pub fn part() -> Option<String> {
    std::env::var(PART).ok()
}

/// Another process that runs the test `test` of this binary with a part.
/// Killed when dropped.
#[derive(Debug)]
pub struct Other {
    pub child: Child,
    lines: BufReader<ChildStdout>,
}

impl Other {
    pub fn start(test: &str, part: &str) -> Self {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", test, "--nocapture", "--test-threads=1"])
            .env(PART, part)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap());
        Self { child, lines }
    }

    /// Waits until the other process says `word` at the end of a line.
    ///
    /// # Panics
    /// If it ends before.
    pub fn expect(&mut self, word: &str) {
        let mut said = String::new();
        loop {
            let mut line = String::new();
            if self.lines.read_line(&mut line).unwrap() == 0 {
                panic!("the other process ended without saying {word:?}: {said}");
            }
            if line.trim_end().ends_with(word) {
                return;
            }
            said.push_str(&line);
        }
    }

    /// Tells the other process to go on: its [`wait_for_parent`] returns.
    pub fn release(&mut self) {
        drop(self.child.stdin.take());
    }

    /// Waits for a good end.
    pub fn finish(mut self) {
        self.release();
        assert!(self.child.wait().unwrap().success(), "the other process failed");
    }

    pub fn signal(&self, signal: i32) {
        // SAFETY: a child of ours that was not waited for.
        assert_eq!(unsafe { libc::kill(self.child.id() as i32, signal) }, 0);
    }
}

impl Drop for Other {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Says a word to the process that started this one.
pub fn say(word: &str) {
    println!("{word}");
}

/// Readable once the process that started this one has released it.
pub const PARENT: std::os::fd::RawFd = libc::STDIN_FILENO;

/// Blocks until the process that started this one releases it or is gone.
pub fn wait_for_parent() {
    let _ = std::io::copy(&mut std::io::stdin(), &mut std::io::sink());
}

/// Whether the process that started this one has released it.
pub fn parent_released() -> bool {
    super::wait_readable(PARENT, std::time::Duration::ZERO)
}

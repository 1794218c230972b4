//! Packet captures, read by an independent dissector.

use super::namespace::Namespace;
use super::process::{Process, run};
use super::wait::DEADLINE;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A running capture of one device.
#[derive(Debug)]
pub struct Capture {
    tcpdump: Process,
    file: PathBuf,
}

impl Capture {
    /// Captures what passes `device` into `file`, from now on.
    #[track_caller]
    pub fn start(namespace: &Namespace, device: &str, file: &Path) -> Self {
        let mut command = namespace.command("tcpdump");
        // As root (-Z), into the file at once (-U), with room for bursts (-B, KiB).
        command.args(["-i", device, "-Z", "root", "-U", "-B", "16384", "-w"]).arg(file);
        let mut tcpdump = Process::start(&mut command);
        tcpdump.wait_for_text("listening on", DEADLINE);
        Self { tcpdump, file: file.to_owned() }
    }

    /// Ends it and gives the file.
    #[track_caller]
    pub fn finish(mut self) -> PathBuf {
        self.tcpdump.signal(libc::SIGINT);
        let status = self.tcpdump.wait(DEADLINE);
        assert!(status.success(), "tcpdump: {status}\n{}", self.tcpdump.errors());
        std::mem::take(&mut self.file)
    }

    /// How many packets of a capture match a display filter of Wireshark.
    #[track_caller]
    pub fn count(file: &Path, filter: &str) -> usize {
        tshark(file, filter, &["frame.number"]).len()
    }

    /// The packets of a capture that the dissector calls malformed or finds an
    /// error in, each as a line with number and reason.
    #[track_caller]
    pub fn errors(file: &Path) -> Vec<String> {
        let filter = "_ws.malformed || _ws.expert.severity == \"Error\"";
        tshark(file, filter, &["frame.number", "_ws.expert.message", "_ws.col.Info"])
    }
}

#[track_caller]
fn tshark(file: &Path, filter: &str, fields: &[&str]) -> Vec<String> {
    let mut command = Command::new("tshark");
    command.arg("-r").arg(file).args(["-n", "-Y", filter, "-T", "fields"]);
    fields.iter().for_each(|field| {
        command.args(["-e", field]);
    });
    run(&mut command).lines().map(str::to_owned).collect()
}

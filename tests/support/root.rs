//! Whether this process may make a network of its own.

use std::io::Write;

/// Whether this process is root. If not, says aloud that `test` is skipped:
/// past the test harness, which would swallow it, in a line that `ci/test` counts.
pub fn is_root(test: &str) -> bool {
    // SAFETY: asks for a number and touches nothing.
    let root = unsafe { libc::geteuid() } == 0;
    if !root {
        let _ = writeln!(std::io::stderr(), "SKIPPED {test}: network namespaces need root");
    }
    root
}

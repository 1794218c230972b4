//! The profiles that come with the program.

use std::path::Path;

/// The text of one, with a `file_prefix` that sets its process apart.
#[track_caller]
pub fn profile(name: &str, file_prefix: &str) -> String {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("dpdk-config/profiles").join(name);
    let text = std::fs::read_to_string(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    assert!(text.contains("\n[eal]\n"), "{name} has a table [eal]");
    text.replacen("\n[eal]\n", &format!("\n[eal]\nfile_prefix = \"{file_prefix}\"\n"), 1)
}

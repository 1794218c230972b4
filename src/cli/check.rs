//! `mpdk check`: what a configuration starts, or everything wrong with it.

use super::EXIT_CONFIGURATION;
use super::arguments::ConfigFile;
use crate::control::{Config, ConfigError, Explanation, Problem};
use serde::Serialize;
use std::io::Write;
use std::path::Path;

/// What to check.
#[derive(Debug, clap::Args)]
pub(super) struct Options {
    #[command(flatten)]
    config: ConfigFile,
    /// Tell as JSON.
    #[arg(long)]
    json: bool,
}

/// The answer for programs.
#[derive(Serialize)]
struct Answer<'a> {
    valid: bool,
    #[serde(flatten)]
    explanation: Option<&'a Explanation>,
    #[serde(flatten)]
    refusal: Option<Refusal<'a>>,
}

#[derive(Serialize)]
struct Refusal<'a> {
    file: &'a Path,
    error: String,
    problems: &'a [Problem],
}

/// Checks, and tells on `output`; problems for people go to standard error.
pub(super) fn run(options: &Options, output: &mut impl Write) -> u8 {
    let result = Config::load(&options.config.path).map(|config| config.explain());
    let code = if result.is_ok() { 0 } else { EXIT_CONFIGURATION };
    // Nobody is left to tell when the output is closed: the code still says it.
    let _ = match (&result, options.json) {
        (result, true) => writeln!(output, "{}", json_of(&options.config.path, result)),
        (Ok(explanation), false) => writeln!(output, "{explanation}"),
        (Err(error), false) => writeln!(std::io::stderr(), "{}", refusal_text(error)),
    };
    code
}

fn json_of(file: &Path, result: &Result<Explanation, ConfigError>) -> String {
    let answer = match result {
        Ok(explanation) => Answer { valid: true, explanation: Some(explanation), refusal: None },
        Err(error) => {
            let problems = match error {
                ConfigError::Invalid(problems) => &problems.problems[..],
                ConfigError::Unreadable { .. } => &[],
            };
            let refusal = Refusal { file, error: refusal_text(error), problems };
            Answer { valid: false, explanation: None, refusal: Some(refusal) }
        }
    };
    // Numbers, strings and lists always become JSON.
    serde_json::to_string_pretty(&answer).unwrap_or_else(|error| format!("{{\"error\":\"{error}\"}}"))
}

pub(super) fn refusal_text(error: &ConfigError) -> String {
    match error {
        ConfigError::Invalid(problems) if problems.problems.len() > 1 => {
            format!("{problems}\n{} problems", problems.problems.len())
        }
        other => other.to_string(),
    }
}

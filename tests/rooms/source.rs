//! The source files, and which of them are tests.

use super::tokens::{Token, tokens};
use std::collections::HashSet;
use std::path::Path;

/// A file without the items that only tests have.
#[derive(Debug)]
pub struct Source {
    /// From the root of the package, with slashes.
    pub path: String,
    /// `["tcp", "loss", "timer"]`: the module that the file is.
    pub module: Vec<String>,
    pub tokens: Vec<Token>,
    /// Modules declared for tests: their names.
    test_modules: Vec<String>,
}

impl Source {
    pub fn new(path: &str, text: &str) -> Self {
        let (tokens, test_modules) = without_tests(&tokens(text));
        Self { path: path.to_owned(), module: module_of(path), tokens, test_modules }
    }

    /// The room, `client`, or nothing for `lib.rs` and `main.rs`.
    pub fn room(&self) -> Option<&str> {
        if self.path.starts_with("client/") {
            Some("client")
        } else {
            self.module.first().map(String::as_str)
        }
    }
}

/// Every file of the package and of the client, sorted.
pub fn read_sources(root: &Path) -> Vec<Source> {
    let mut paths = Vec::new();
    for folder in ["src", "client/src"] {
        collect(&root.join(folder), &mut paths);
    }
    paths.sort();
    let read = |path: &std::path::PathBuf| {
        let text =
            std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let relative = path.strip_prefix(root).expect("a file below the root").display().to_string();
        Source::new(&relative, &text)
    };
    paths.iter().map(read).collect()
}

fn collect(folder: &Path, paths: &mut Vec<std::path::PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display())) {
        let path = entry.expect("an entry of a folder").path();
        if path.is_dir() {
            collect(&path, paths);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            paths.push(path);
        }
    }
}

/// The files that are compiled without tests.
pub fn without_test_files(sources: &[Source]) -> impl Iterator<Item = &Source> {
    let declared: HashSet<Vec<String>> = sources.iter().flat_map(declared_tests).collect();
    sources.iter().filter(move |source| {
        let named = source.module.iter().any(|name| name == "tests");
        let declared = (1..=source.module.len()).any(|length| declared.contains(&source.module[..length]));
        !named && !declared
    })
}

fn declared_tests(source: &Source) -> impl Iterator<Item = Vec<String>> + '_ {
    source.test_modules.iter().map(|name| [&source.module[..], std::slice::from_ref(name)].concat())
}

fn module_of(path: &str) -> Vec<String> {
    let inside = path.split_once("src/").map_or(path, |(_, inside)| inside);
    let names = inside.trim_end_matches(".rs").split('/').map(str::to_owned);
    let mut module: Vec<String> = names.collect();
    if module.last().is_some_and(|last| ["mod", "lib", "main"].contains(&last.as_str())) {
        module.pop();
    }
    module
}

/// The tokens without items under `#[cfg(test)]`, and the names of the modules
/// among those.
fn without_tests(tokens: &[Token]) -> (Vec<Token>, Vec<String>) {
    let mut kept = Vec::new();
    let mut modules = Vec::new();
    let mut at = 0;
    while at < tokens.len() {
        let Some(end) = test_attribute_end(&tokens[at..]) else {
            kept.push(tokens[at].clone());
            at += 1;
            continue;
        };
        let item = &tokens[at + end..];
        let length = item_length(item);
        let named = item.windows(2).take(length).find(|pair| pair[0].is("mod"));
        modules.extend(named.map(|pair| pair[1].text.clone()));
        at += end + length;
    }
    (kept, modules)
}

/// Length of `#[cfg(... test ...)]` at the beginning; `not(test)` is none.
fn test_attribute_end(tokens: &[Token]) -> Option<usize> {
    let begins =
        ["#", "[", "cfg", "("].iter().zip(tokens).filter(|(text, token)| token.is(text)).count() == 4;
    let end = begins.then(|| 1 + group_length(&tokens[1..]))?;
    let inside = &tokens[..end];
    let says = |word: &str| inside.iter().any(|token| token.is(word));
    (says("test") && !says("not")).then_some(end)
}

/// Length of an item: to its `;` or the end of its braces.
fn item_length(tokens: &[Token]) -> usize {
    let mut at = 0;
    while at < tokens.len() {
        match tokens[at].text.as_str() {
            ";" => return at + 1,
            "{" if !in_use(&tokens[..at]) => return at + group_length(&tokens[at..]),
            "(" | "[" | "{" => at += group_length(&tokens[at..]),
            _ => at += 1,
        }
    }
    at
}

/// Whether braces here are those of a `use`.
fn in_use(before: &[Token]) -> bool {
    before.last().is_some_and(|token| token.is("::")) || before.last().is_some_and(|token| token.is("use"))
}

/// Length of a group in brackets of any kind.
pub fn group_length(tokens: &[Token]) -> usize {
    let mut depth = 0;
    for (at, token) in tokens.iter().enumerate() {
        match token.text.as_str() {
            "(" | "[" | "{" => depth += 1,
            ")" | "]" | "}" => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return at + 1;
        }
    }
    tokens.len()
}

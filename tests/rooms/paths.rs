//! The paths that a file names, in full.

use super::source::Source;
use super::tokens::Token;

/// A path from the root of its crate: `["crate", "tcp", "State"]`,
/// `["std", "time", "*"]`.
#[derive(Debug, PartialEq, Eq)]
pub struct Named {
    pub segments: Vec<String>,
    pub line: usize,
}

impl Named {
    pub fn text(&self) -> String {
        self.segments.join("::")
    }
}

/// Every path of two segments or more, in `use` and elsewhere.
pub fn named_paths(source: &Source) -> Vec<Named> {
    let tokens = &source.tokens;
    let mut paths = Vec::new();
    let mut modules = Modules::of(source);
    let mut at = 0;
    while at < tokens.len() {
        modules.pass(&tokens[..=at]);
        let continues = at > 0 && (tokens[at - 1].is("::") || tokens[at - 1].is("."));
        let is_use = at > 0 && tokens[at - 1].is("use");
        let begins =
            tokens[at].is_word() && !continues && tokens.get(at + 1).is_some_and(|next| next.is("::"));
        let tree = is_use && (tokens[at].is("{") || tokens[at].is_word());
        if begins || tree {
            let mut found = Vec::new();
            let length = read_tree(&tokens[at..], &[], &mut found);
            let current = modules.current();
            paths.extend(
                found.into_iter().map(|path| Named { segments: resolve(path.segments, &current), ..path }),
            );
            at += length.max(1);
        } else {
            at += 1;
        }
    }
    paths
}

/// The modules written out in the file around the current place.
struct Modules {
    file: Vec<String>,
    inline: Vec<(String, usize)>,
    depth: usize,
}

impl Modules {
    fn of(source: &Source) -> Self {
        Self { file: source.module.clone(), inline: Vec::new(), depth: 0 }
    }

    /// Takes note of the last of `passed`.
    fn pass(&mut self, passed: &[Token]) {
        match passed {
            [.., keyword, name, brace] if brace.is("{") => {
                self.depth += 1;
                if keyword.is("mod") {
                    self.inline.push((name.text.clone(), self.depth));
                }
            }
            [.., brace] if brace.is("{") => self.depth += 1,
            [.., brace] if brace.is("}") => {
                self.inline.pop_if(|(_, depth)| *depth == self.depth);
                self.depth = self.depth.saturating_sub(1);
            }
            _ => {}
        }
    }

    fn current(&self) -> Vec<String> {
        self.file.iter().chain(self.inline.iter().map(|(name, _)| name)).cloned().collect()
    }
}

/// Reads `a::b::{c, d::*}` and gives the number of tokens.
fn read_tree(tokens: &[Token], prefix: &[String], paths: &mut Vec<Named>) -> usize {
    let line = tokens.first().map_or(0, |token| token.line);
    let mut segments = prefix.to_vec();
    let mut at = 0;
    while let Some(token) = tokens.get(at) {
        if token.is("{") {
            return at + read_group(&tokens[at..], &segments, paths);
        }
        if !token.is_word() && !token.is("*") {
            break;
        }
        // `a::{self}` is `a`.
        if segments.is_empty() || !token.is("self") {
            segments.push(token.text.clone());
        }
        at += 1;
        match tokens.get(at) {
            Some(next) if next.is("::") => at += 1,
            _ => break,
        }
    }
    if at > 0 {
        paths.push(Named { segments, line });
    }
    at
}

fn read_group(tokens: &[Token], prefix: &[String], paths: &mut Vec<Named>) -> usize {
    let mut at = 1;
    while let Some(token) = tokens.get(at) {
        if token.is("}") {
            return at + 1;
        }
        // Commas, and `as name`.
        at += read_tree(&tokens[at..], prefix, paths).max(1);
        if tokens.get(at).is_some_and(|token| token.is("as")) {
            at += 2;
        }
    }
    at
}

/// `self` and `super` replaced by what they stand for.
fn resolve(segments: Vec<String>, module: &[String]) -> Vec<String> {
    let ups = segments.iter().take_while(|segment| *segment == "super").count();
    let own = segments.first().is_some_and(|first| first == "self");
    if ups == 0 && !own {
        return segments;
    }
    let kept = module.len().saturating_sub(ups);
    let rest = segments.into_iter().skip(ups + usize::from(own));
    let base = std::iter::once("crate".to_owned()).chain(module[..kept].iter().cloned());
    base.chain(rest).collect()
}

#[test]
fn finds_paths_in_full() {
    let paths =
        |path, text| named_paths(&Source::new(path, text)).iter().map(Named::text).collect::<Vec<_>>();
    assert_eq!(
        paths("src/a/b.rs", "use crate::{x::{Y, z::*}, w::{self, V as U}};\nuse std::fmt;"),
        ["crate::x::Y", "crate::x::z::*", "crate::w", "crate::w::V", "std::fmt"]
    );
    assert_eq!(
        paths("src/a/b.rs", "fn f(x: super::X) -> crate::c::D<E::F> { self::g(); x.y() }"),
        ["crate::a::X", "crate::c::D", "E::F", "crate::a::b::g"]
    );
    assert_eq!(
        paths("src/a/mod.rs", "mod m { fn f() { if c { super::g() } } } fn h() { super::b::i() }"),
        ["crate::a::g", "crate::b::i"]
    );
    assert_eq!(paths("src/a.rs", "use {std::thread, libc};"), ["std::thread", "libc"]);
}

//! Takes values out of a TOML table, and notes everything that is wrong on the
//! way instead of stopping at the first.

use super::problem::Problem;
use super::settings::DefaultUsed;
use std::cell::RefCell;
use std::ops::RangeInclusive;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// A value with the line it stands on.
#[derive(Clone, Debug)]
pub(super) struct Located<T> {
    pub(super) value: T,
    pub(super) line: usize,
}

/// What is noted while a file is read.
#[derive(Debug)]
pub(super) struct Notes {
    line_starts: Vec<usize>,
    problems: RefCell<Vec<Problem>>,
    defaults: RefCell<Vec<DefaultUsed>>,
}

impl Notes {
    pub(super) fn new(text: &str) -> Self {
        let after_newlines =
            text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n').map(|(at, _)| at + 1);
        let line_starts = std::iter::once(0).chain(after_newlines).collect();
        Self { line_starts, problems: RefCell::default(), defaults: RefCell::default() }
    }

    /// The line, counted from 1, of a byte of the file.
    pub(super) fn line_at(&self, offset: usize) -> usize {
        self.line_starts.partition_point(|&start| start <= offset)
    }

    pub(super) fn problem(&self, line: usize, key: impl Into<String>, message: impl Into<String>) {
        self.problems.borrow_mut().push(Problem { line, key: key.into(), message: message.into() });
    }

    fn default_used(&self, key: String, value: String) {
        let used = DefaultUsed { key, value };
        let mut defaults = self.defaults.borrow_mut();
        if !defaults.contains(&used) {
            defaults.push(used);
        }
    }

    pub(super) fn into_parts(self) -> (Vec<Problem>, Vec<DefaultUsed>) {
        (self.problems.into_inner(), self.defaults.into_inner())
    }
}

/// One table of the file. Every method that takes a value remembers its key;
/// [`finish`](Self::finish) complains about the keys nobody took.
pub(super) struct Section<'a> {
    name: &'static str,
    line: usize,
    table: Option<&'a DeTable<'a>>,
    notes: &'a Notes,
    known: Vec<&'static str>,
}

impl<'a> Section<'a> {
    /// The table `name` of `root`; if it is missing, one where every key is.
    pub(super) fn of(root: &'a DeTable<'a>, name: &'static str, notes: &'a Notes) -> Self {
        let Some((key, value)) = root.get_key_value(name) else {
            return Self { name, line: 1, table: None, notes, known: Vec::new() };
        };
        let line = notes.line_at(key.span().start);
        let table = value.get_ref().as_table();
        if table.is_none() {
            notes.problem(line, name, format!("expected a table: write [{name}]"));
        }
        Self { name, line, table, notes, known: Vec::new() }
    }

    /// A table that is an element of the array `name`.
    pub(super) fn element(
        name: &'static str,
        value: &'a Spanned<DeValue<'a>>,
        notes: &'a Notes,
    ) -> Option<Self> {
        let line = notes.line_at(value.span().start);
        let table = value.get_ref().as_table();
        if table.is_none() {
            notes.problem(line, name, format!("expected a table: write [[{name}]]"));
        }
        Some(Self { name, line, table: Some(table?), notes, known: Vec::new() })
    }

    /// The table under a key, called `name` in messages; one where every key is
    /// missing if it is not there.
    pub(super) fn inner(&mut self, key: &'static str, name: &'static str) -> Section<'a> {
        let line = self.line_of(key);
        let found = self.take(key);
        let table = found.as_ref().and_then(|found| found.value.as_table());
        if let Some(found) = found.filter(|_| table.is_none()) {
            self.wrong(line, key, format!("expected a table, found {}", kind_of(found.value)));
        }
        Section { name, line, table, notes: self.notes, known: Vec::new() }
    }

    /// A number, whole or not, if the key is there.
    pub(super) fn number(&mut self, key: &'static str) -> Option<Located<f64>> {
        let found = self.take(key)?;
        let number = match found.value {
            DeValue::Integer(integer) => {
                i128::from_str_radix(integer.as_str(), integer.radix()).ok().map(|number| number as f64)
            }
            DeValue::Float(float) => float.as_str().replace('_', "").parse().ok(),
            _ => None,
        };
        if number.is_none() {
            self.wrong(found.line, key, format!("expected a number, found {}", kind_of(found.value)));
        }
        Some(Located { value: number?, line: found.line })
    }

    /// Where a key that is missing would be.
    pub(super) fn line(&self) -> usize {
        self.line
    }

    /// The key as a path.
    pub(super) fn path(&self, key: &str) -> String {
        format!("{}.{key}", self.name)
    }

    /// The line of a key, or of the table if the key is missing.
    pub(super) fn line_of(&self, key: &str) -> usize {
        let entry = self.table.and_then(|table| table.get_key_value(key));
        entry.map_or(self.line, |(key, _)| self.notes.line_at(key.span().start))
    }

    fn take(&mut self, key: &'static str) -> Option<Located<&'a DeValue<'a>>> {
        self.known.push(key);
        let value = self.table?.get(key)?;
        Some(Located { value: value.get_ref(), line: self.line_of(key) })
    }

    fn wrong(&self, line: usize, key: &str, message: impl Into<String>) {
        self.notes.problem(line, self.path(key), message);
    }

    fn default_used(&self, key: &str, value: &impl ToString) {
        self.notes.default_used(self.path(key), value.to_string());
    }

    /// An integer of a range, or the default.
    pub(super) fn integer(&mut self, key: &'static str, range: RangeInclusive<u64>, default: u64) -> u64 {
        let Some(found) = self.take(key) else {
            self.default_used(key, &default);
            return default;
        };
        self.integer_of(key, &found, &range).unwrap_or(default)
    }

    /// An integer of a range, if the key is there.
    pub(super) fn optional_integer(&mut self, key: &'static str, range: &RangeInclusive<u64>) -> Option<u64> {
        let found = self.take(key)?;
        self.integer_of(key, &found, range)
    }

    fn integer_of(
        &self,
        key: &str,
        found: &Located<&DeValue<'_>>,
        range: &RangeInclusive<u64>,
    ) -> Option<u64> {
        let DeValue::Integer(integer) = found.value else {
            self.wrong(found.line, key, format!("expected an integer, found {}", kind_of(found.value)));
            return None;
        };
        let number = i128::from_str_radix(integer.as_str(), integer.radix()).ok();
        let fitting = number.and_then(|number| u64::try_from(number).ok()).filter(|n| range.contains(n));
        if fitting.is_none() {
            let (low, high) = (range.start(), range.end());
            self.wrong(found.line, key, format!("{integer} is out of range: from {low} to {high}"));
        }
        fitting
    }

    /// `true` or `false`, or the default.
    pub(super) fn boolean(&mut self, key: &'static str, default: bool) -> bool {
        match self.take(key) {
            None => {
                self.default_used(key, &default);
                default
            }
            Some(Located { value: DeValue::Boolean(value), .. }) => *value,
            Some(found) => {
                self.wrong(
                    found.line,
                    key,
                    format!("expected true or false, found {}", kind_of(found.value)),
                );
                default
            }
        }
    }

    /// A string, if the key is there.
    pub(super) fn string(&mut self, key: &'static str) -> Option<Located<String>> {
        let found = self.take(key)?;
        let DeValue::String(text) = found.value else {
            self.wrong(found.line, key, format!("expected a string, found {}", kind_of(found.value)));
            return None;
        };
        Some(Located { value: text.clone().into_owned(), line: found.line })
    }

    /// A string, or the default.
    pub(super) fn string_or(&mut self, key: &'static str, default: &str) -> Located<String> {
        let missing = self.is_missing(key);
        if missing {
            self.default_used(key, &default);
        }
        self.string(key).unwrap_or_else(|| Located { value: default.to_owned(), line: self.line_of(key) })
    }

    /// A string that must be there.
    pub(super) fn required_string(&mut self, key: &'static str) -> Option<Located<String>> {
        if self.is_missing(key) && self.table.is_some() {
            self.wrong(self.line, key, "is missing");
        }
        self.string(key)
    }

    /// One of the names, or the default.
    pub(super) fn choice<T: Copy + PartialEq>(
        &mut self,
        key: &'static str,
        names: &[(&'static str, T)],
        default: T,
    ) -> T {
        if self.is_missing(key) {
            self.default_used(key, &super::settings::name_of(names, &default));
        }
        let Some(found) = self.string(key) else { return default };
        if let Some((_, value)) = names.iter().find(|(name, _)| *name == found.value) {
            return *value;
        }
        let all: Vec<_> = names.iter().map(|(name, _)| *name).collect();
        let hint = did_you_mean(&found.value, &all);
        self.wrong(found.line, key, format!("\"{}\" is none of {}{hint}", found.value, all.join(", ")));
        default
    }

    /// A list of strings, each with its own line; `None` if the key is missing or
    /// names no list.
    pub(super) fn strings(&mut self, key: &'static str) -> Option<Vec<Located<String>>> {
        self.list(key, "strings", |_, found| match found.value {
            DeValue::String(text) => Some(text.clone().into_owned()),
            _ => None,
        })
    }

    /// A list of integers up to 65535; `None` if the key is missing or
    /// names no list.
    pub(super) fn integers(&mut self, key: &'static str) -> Option<Vec<Located<u16>>> {
        self.list(key, "integers from 0 to 65535", |_, found| match found.value {
            DeValue::Integer(number) => u16::from_str_radix(number.as_str(), number.radix()).ok(),
            _ => None,
        })
    }

    fn list<T>(
        &mut self,
        key: &'static str,
        what: &str,
        convert: impl Fn(&Self, &Located<&DeValue<'_>>) -> Option<T>,
    ) -> Option<Vec<Located<T>>> {
        let found = self.take(key)?;
        let DeValue::Array(elements) = found.value else {
            let kind = kind_of(found.value);
            self.wrong(found.line, key, format!("expected a list of {what}, found {kind}"));
            return None;
        };
        let mut values = Vec::new();
        for element in elements {
            let at = Located { value: element.get_ref(), line: self.notes.line_at(element.span().start) };
            match convert(self, &at) {
                Some(value) => values.push(Located { value, line: at.line }),
                None => {
                    let kind = kind_of(at.value);
                    self.wrong(at.line, key, format!("expected a list of {what}, found {kind} in it"));
                }
            }
        }
        Some(values)
    }

    /// Notes that a list was left out.
    pub(super) fn default_list(&self, key: &str, value: &str) {
        self.default_used(key, &value);
    }

    /// Whether the table has no such key.
    pub(super) fn is_missing(&self, key: &str) -> bool {
        self.table.is_none_or(|table| table.get(key).is_none())
    }

    /// Complains about every key that nobody took.
    pub(super) fn finish(self) {
        for (key, _) in self.table.into_iter().flat_map(|table| table.iter()) {
            let name = key.get_ref().as_ref();
            if !self.known.contains(&name) {
                let line = self.notes.line_at(key.span().start);
                self.wrong(line, name, format!("unknown key{}", did_you_mean(name, &self.known)));
            }
        }
    }
}

/// The line of a key, of its table if the key is missing, or else the first.
pub(super) fn key_line(root: &DeTable<'_>, table: &str, key: &str, notes: &Notes) -> usize {
    let Some((name, value)) = root.get_key_value(table) else { return 1 };
    let entry = value.get_ref().as_table().and_then(|table| table.get_key_value(key));
    notes.line_at(entry.map_or(name.span(), |(key, _)| key.span()).start)
}

/// What a value is, for a message.
pub(super) fn kind_of(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "a string",
        DeValue::Integer(_) => "an integer",
        DeValue::Float(_) => "a float",
        DeValue::Boolean(_) => "a boolean",
        DeValue::Datetime(_) => "a date",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a table",
    }
}

/// `: did you mean "x"?` if one of the names is close, else nothing.
pub(super) fn did_you_mean(wrong: &str, names: &[&str]) -> String {
    let closest = names.iter().map(|name| (edit_distance(wrong, name), *name)).min();
    match closest {
        // A third of the letters wrong is still a slip of the finger; more is another word.
        Some((distance, name)) if distance <= (name.len() / 3).max(1) => {
            format!(": did you mean \"{name}\"?")
        }
        _ => String::new(),
    }
}

/// Letters to insert, delete, replace or swap with their neighbour to get from
/// one word to the other.
fn edit_distance(from: &str, to: &str) -> usize {
    let from: Vec<char> = from.chars().collect();
    let to: Vec<char> = to.chars().collect();
    let mut table = vec![vec![0; to.len() + 1]; from.len() + 1];
    for i in 0..=from.len() {
        for j in 0..=to.len() {
            table[i][j] = if i == 0 || j == 0 {
                i + j
            } else {
                let same = from[i - 1] == to[j - 1];
                let swapped = i > 1 && j > 1 && from[i - 1] == to[j - 2] && from[i - 2] == to[j - 1];
                let replaced = table[i - 1][j - 1] + usize::from(!same);
                let shifted = table[i - 1][j].min(table[i][j - 1]) + 1;
                let best = replaced.min(shifted);
                if swapped { best.min(table[i - 2][j - 2] + 1) } else { best }
            };
        }
    }
    table[from.len()][to.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_lines_from_one() {
        let notes = Notes::new("a\nbc\n\nd");
        let lines: Vec<_> = (0..7).map(|offset| notes.line_at(offset)).collect();
        assert_eq!(lines, [1, 1, 2, 2, 2, 3, 4]);
    }

    #[test]
    fn edit_distances() {
        assert_eq!(edit_distance("kitten", "sitting"), 3);
        assert_eq!(edit_distance("", "mtu"), 3);
        assert_eq!(edit_distance("mtu", "mtu"), 0);
        assert_eq!(edit_distance("mut", "mtu"), 1);
    }

    #[test]
    fn suggests_only_what_is_close() {
        assert_eq!(did_you_mean("adresses", &["mtu", "addresses"]), ": did you mean \"addresses\"?");
        assert_eq!(did_you_mean("colour", &["mtu", "addresses"]), "");
    }
}

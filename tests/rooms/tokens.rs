//! Rust text to words and signs: enough to find paths, blind to what comments
//! and strings say.

/// A word, or a sign (`::` is one).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Token {
    pub text: String,
    pub line: usize,
}

impl Token {
    pub fn is(&self, text: &str) -> bool {
        self.text == text
    }

    pub fn is_word(&self) -> bool {
        self.text.starts_with(|letter: char| letter.is_alphabetic() || letter == '_')
    }
}

/// Where the reader stands.
struct Cursor<'a> {
    rest: &'a str,
    line: usize,
}

/// The tokens of a file.
pub fn tokens(text: &str) -> Vec<Token> {
    let mut cursor = Cursor { rest: text, line: 1 };
    let mut tokens = Vec::new();
    while !cursor.rest.is_empty() {
        let (line, length) = (cursor.line, skipped_length(cursor.rest));
        if length > 0 {
            cursor.advance(length);
            continue;
        }
        let length = token_length(cursor.rest);
        tokens.push(Token { text: cursor.rest[..length].to_owned(), line });
        cursor.advance(length);
    }
    tokens
}

impl Cursor<'_> {
    fn advance(&mut self, length: usize) {
        self.line += self.rest[..length].matches('\n').count();
        self.rest = &self.rest[length..];
    }
}

/// Length of white space, a comment, a literal in quotes or a lifetime at the
/// beginning; 0 if a token begins there.
fn skipped_length(text: &str) -> usize {
    let spaces = text.len() - text.trim_start().len();
    if spaces > 0 {
        return spaces;
    }
    if text.starts_with("//") {
        return text.find('\n').unwrap_or(text.len());
    }
    if text.starts_with("/*") {
        return block_comment_length(text);
    }
    if text.starts_with('\'') {
        return quote_length(text);
    }
    string_length(text)
}

/// Block comments nest.
fn block_comment_length(text: &str) -> usize {
    let mut depth = 0;
    for (at, _) in text.char_indices() {
        if text[at..].starts_with("/*") {
            depth += 1;
        } else if text[at..].starts_with("*/") {
            depth -= 1;
            if depth == 0 {
                return at + 2;
            }
        }
    }
    text.len()
}

/// A character, or a lifetime.
fn quote_length(text: &str) -> usize {
    let mut letters = text.char_indices().skip(1);
    let first = letters.next().map_or('\0', |(_, letter)| letter);
    let closing = match first {
        '\\' => {
            letters.next();
            letters.find(|(_, letter)| *letter == '\'')
        }
        _ => letters.next().filter(|(_, letter)| *letter == '\''),
    };
    match closing {
        Some((at, _)) => at + 1,
        None => 1 + word_length(&text[1..]),
    }
}

/// A string of any kind; 0 if none begins here.
fn string_length(text: &str) -> usize {
    let prefix = ["br", "cr", "r", "b", "c", ""].into_iter().find(|prefix| {
        let rest = text.strip_prefix(prefix).unwrap_or("");
        rest.starts_with('"') || (prefix.ends_with('r') && rest.trim_start_matches('#').starts_with('"'))
    });
    let Some(prefix) = prefix else { return 0 };
    let hashes = text[prefix.len()..].bytes().take_while(|byte| *byte == b'#').count();
    let start = prefix.len() + hashes + 1;
    if prefix.ends_with('r') {
        let end = format!("\"{}", "#".repeat(hashes));
        return text[start..].find(&end).map_or(text.len(), |at| start + at + end.len());
    }
    let mut escaped = false;
    for (at, letter) in text[start..].char_indices() {
        match letter {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return start + at + 1,
            _ => {}
        }
    }
    text.len()
}

fn token_length(text: &str) -> usize {
    let word = word_length(text);
    match word {
        0 if text.starts_with("::") => 2,
        0 => text.chars().next().map_or(1, char::len_utf8),
        length => length,
    }
}

fn word_length(text: &str) -> usize {
    text.find(|letter: char| !letter.is_alphanumeric() && letter != '_').unwrap_or(text.len())
}

#[test]
fn reads_what_is_code() {
    let words = |text| tokens(text).into_iter().map(|token| token.text).collect::<Vec<_>>();
    assert_eq!(words("use a::b; // c::d\n/* e /* f */ g */ h"), ["use", "a", "::", "b", ";", "h"]);
    assert_eq!(
        words(r#####"x("a\"b", r##"c"#"##, b"d", 'e', '\'', '\u{1F}', 'f)"#####),
        ["x", "(", ",", ",", ",", ",", ",", ",", ")"]
    );
    assert_eq!(words("r#type 1_000u8"), ["r", "#", "type", "1_000u8"]);
    let lines: Vec<_> = tokens("a\n\"\n\"\nb").into_iter().map(|token| token.line).collect();
    assert_eq!(lines, [1, 4]);
}

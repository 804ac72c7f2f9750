//! Just enough reading of Rust for the tidy rules: code without comments and strings, its imports, its functions.

/// `text` with every comment and the inside of every string and character literal blanked, line by line alike.
pub fn code_of(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut code = String::with_capacity(text.len());
    let mut at = 0;
    while at < bytes.len() {
        let end = match &bytes[at..] {
            [b'/', b'/', ..] => at + text[at..].find('\n').unwrap_or(text.len() - at),
            [b'/', b'*', ..] => block_comment_end(text, at),
            [b'r' | b'b', ..] if at == 0 || !is_word(bytes[at - 1]) => match raw_string_end(text, at) {
                Some(end) => end,
                None => at,
            },
            [b'"', ..] => string_end(bytes, at + 1, b'"'),
            // A lifetime has no second quote where a character literal must have it.
            [b'\'', b'\\', ..] => string_end(bytes, at + 1, b'\''),
            [b'\'', rest @ ..] if rest.iter().skip(1).take(4).any(|byte| *byte == b'\'') && is_character(text, at) => {
                at + 2 + text[at + 1..].chars().next().map_or(0, char::len_utf8)
            }
            _ => at,
        };
        if end == at {
            let next = text[at..].chars().next().expect("at is on a character before the end");
            code.push(next);
            at += next.len_utf8();
        } else {
            code.extend(text[at..end].chars().map(|c| if c == '\n' { '\n' } else { ' ' }));
            at = end;
        }
    }
    code
}

fn is_character(text: &str, quote: usize) -> bool {
    let mut rest = text[quote + 1..].chars();
    rest.next().is_some() && rest.next() == Some('\'')
}

fn block_comment_end(text: &str, start: usize) -> usize {
    let mut depth = 0;
    let mut at = start;
    while at < text.len() {
        if text[at..].starts_with("/*") {
            depth += 1;
            at += 2;
        } else if text[at..].starts_with("*/") {
            depth -= 1;
            at += 2;
            if depth == 0 {
                return at;
            }
        } else {
            at += text[at..].chars().next().map_or(1, char::len_utf8);
        }
    }
    at
}

/// The end of `r"…"`, `r#"…"#`, `br"…"`; `None` when none starts here.
fn raw_string_end(text: &str, start: usize) -> Option<usize> {
    let rest = text[start..].strip_prefix('b').unwrap_or(&text[start..]).strip_prefix('r')?;
    let hashes = rest.len() - rest.trim_start_matches('#').len();
    let inside = rest[hashes..].strip_prefix('"')?;
    let close = format!("\"{}", "#".repeat(hashes));
    let length = inside.find(&close).map_or(inside.len(), |at| at + close.len());
    Some(text.len() - inside.len() + length)
}

fn string_end(bytes: &[u8], start: usize, quote: u8) -> usize {
    let mut at = start;
    while at < bytes.len() && bytes[at] != quote {
        at += if bytes[at] == b'\\' { 2 } else { 1 };
    }
    (at + 1).min(bytes.len())
}

/// All identifiers and keywords, in order.
pub fn words(code: &str) -> impl Iterator<Item = &str> {
    code.split(|c: char| !(c.is_alphanumeric() || c == '_')).filter(|word| !word.is_empty())
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

/// The code before the file's unit tests, which stand at the foot.
pub fn without_tests(code: &str) -> &str {
    code.find("#[cfg(test)]\nmod ").map_or(code, |at| &code[..at])
}

/// The top modules that paths through `crate::`, or up to it by `super::`, name.
pub fn imports(code: &str) -> Vec<String> {
    let mut found = Vec::new();
    for start in ["crate::", "super::super::"] {
        for (at, _) in code.match_indices(start) {
            let rest = code[at + start.len()..].trim_start_matches("super::");
            match rest.strip_prefix('{') {
                Some(group) => found.extend(group_heads(group)),
                None => found.extend(words(rest).next().map(str::to_owned)),
            }
        }
    }
    found
}

/// The first word of each entry of a `{…}` group whose brace is already open.
fn group_heads(group: &str) -> Vec<String> {
    let mut depth = 0;
    let mut heads = Vec::new();
    let mut entry = String::new();
    for c in group.chars() {
        match c {
            '{' => depth += 1,
            '}' if depth == 0 => break,
            '}' => depth -= 1,
            ',' if depth == 0 => heads.push(std::mem::take(&mut entry)),
            _ if depth == 0 => entry.push(c),
            _ => {}
        }
    }
    heads.push(entry);
    heads.iter().filter_map(|entry| words(entry).next().map(str::to_owned)).collect()
}

/// Every function with its number of lines, from the line of its `fn` to the line of its closing brace. By rustfmt's
/// layout that brace is the first one indented as the `fn` is.
pub fn functions(code: &str) -> Vec<(String, usize)> {
    let lines: Vec<&str> = code.lines().collect();
    let mut found = Vec::new();
    for (start, line) in lines.iter().enumerate() {
        let Some(name) = function_name(line) else { continue };
        let indent = line.len() - line.trim_start().len();
        let is_end = |line: &&str| line.trim_end() == format!("{}}}", " ".repeat(indent));
        let is_whole = line.trim_end().ends_with(['}', ';']);
        let length = lines[start..].iter().position(is_end).map_or(0, |last| last + 1);
        found.push((name, if is_whole { 1 } else { length }));
    }
    found
}

fn function_name(line: &str) -> Option<String> {
    let modifiers = ["pub", "pub(crate)", "pub(super)", "const", "async", "unsafe", "extern"];
    let mut rest = line.split_whitespace().skip_while(|word| modifiers.contains(word));
    (rest.next()? == "fn").then(|| words(rest.next().unwrap_or_default()).next().map(str::to_owned)).flatten()
}

//! Rust source as tokens with their line numbers, without comments.

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Token {
    Word(String),
    Mark(char),
    Literal,
}

pub(crate) type Tokens = [(usize, Token)];

impl Token {
    pub(crate) fn is(&self, text: &str) -> bool {
        match self {
            Self::Word(w) => w == text,
            Self::Mark(c) => text.chars().eq([*c]),
            Self::Literal => false,
        }
    }
}

/// Whether the token at `i` is `text`.
pub(crate) fn is(tokens: &Tokens, i: usize, text: &str) -> bool {
    tokens.get(i).is_some_and(|(_, t)| t.is(text))
}

/// Cuts Rust source into tokens with their line numbers, without comments.
pub(crate) fn tokens(source: &str) -> Vec<(usize, Token)> {
    let text: Vec<char> = source.chars().collect();
    let at = |i: usize| text.get(i).copied().unwrap_or('\0');
    let mut out = Vec::new();
    let (mut i, mut line) = (0, 1);
    while i < text.len() {
        let start = i;
        let c = at(i);
        let mut token = None;
        if c.is_whitespace() {
            i += 1;
        } else if c == '/' && at(i + 1) == '/' {
            while i < text.len() && at(i) != '\n' {
                i += 1;
            }
        } else if c == '/' && at(i + 1) == '*' {
            let mut depth = 0;
            loop {
                match (at(i), at(i + 1)) {
                    ('/', '*') => (depth, i) = (depth + 1, i + 2),
                    ('*', '/') => (depth, i) = (depth - 1, i + 2),
                    _ => i += 1,
                }
                if depth == 0 || i >= text.len() {
                    break;
                }
            }
        } else if let Some(end) = raw_string_end(&text, i) {
            i = end;
            token = Some(Token::Literal);
        } else if c == '"' || (matches!(c, 'b' | 'c') && at(i + 1) == '"') {
            i += if c == '"' { 1 } else { 2 };
            while i < text.len() && at(i) != '"' {
                i += if at(i) == '\\' { 2 } else { 1 };
            }
            i += 1;
            token = Some(Token::Literal);
        } else if c == '\'' && (at(i + 1) == '\\' || at(i + 2) == '\'') {
            i += 2;
            while i < text.len() && at(i) != '\'' {
                i += if at(i) == '\\' { 2 } else { 1 };
            }
            // '\'' : the escape is the quote itself.
            if at(start + 1) == '\\' && i == start + 2 {
                i += 1;
            }
            i += 1;
            token = Some(Token::Literal);
        } else if c.is_alphanumeric() || c == '_' {
            while at(i).is_alphanumeric() || at(i) == '_' {
                i += 1;
            }
            token = Some(Token::Word(text[start..i].iter().collect()));
        } else {
            i += 1;
            token = Some(Token::Mark(c));
        }
        if let Some(token) = token {
            out.push((line, token));
        }
        line += text[start..i.min(text.len())].iter().filter(|&&c| c == '\n').count();
    }
    out
}

/// Where the raw string that begins at `i` ends, if one begins there.
fn raw_string_end(text: &[char], i: usize) -> Option<usize> {
    let at = |i: usize| text.get(i).copied().unwrap_or('\0');
    let mut j = i;
    if matches!(at(j), 'b' | 'c') {
        j += 1;
    }
    if at(j) != 'r' {
        return None;
    }
    j += 1;
    let mut hashes = 0;
    while at(j) == '#' {
        (hashes, j) = (hashes + 1, j + 1);
    }
    if at(j) != '"' {
        return None;
    }
    j += 1;
    while j < text.len() {
        if at(j) == '"' && (1..=hashes).all(|k| at(j + k) == '#') {
            return Some(j + 1 + hashes);
        }
        j += 1;
    }
    Some(text.len())
}

/// Takes items marked `#[cfg(test)]` out, and names the modules so marked that are files.
pub(crate) fn without_tests(tokens: &Tokens) -> (Vec<(usize, Token)>, Vec<String>) {
    let is = |i: usize, text: &str| is(tokens, i, text);
    let (mut kept, mut modules) = (Vec::new(), Vec::new());
    let mut i = 0;
    while i < tokens.len() {
        let marked = is(i, "#")
            && is(i + 1, "[")
            && is(i + 2, "cfg")
            && is(i + 3, "(")
            && (is(i + 4, "test") || (is(i + 4, "all") && is(i + 6, "test")));
        if !marked {
            kept.push(tokens[i].clone());
            i += 1;
            continue;
        }
        // Over this attribute and those that follow it.
        while is(i, "#") {
            i = skip_group(tokens, i + 1);
        }
        let (mut ends_at_semicolon, mut module) = (false, None);
        while i < tokens.len() {
            if is(i, "use") || is(i, "=") {
                ends_at_semicolon = true;
            }
            if is(i, "mod") {
                module = tokens.get(i + 1).map(|(_, t)| t.clone());
            }
            if is(i, ";") {
                if let Some(Token::Word(name)) = module {
                    modules.push(name);
                }
                i += 1;
                break;
            }
            let body = is(i, "{");
            i = if body || is(i, "(") || is(i, "[") { skip_group(tokens, i) } else { i + 1 };
            if body && !ends_at_semicolon {
                break;
            }
        }
    }
    (kept, modules)
}

/// The place after the bracketed group that begins at `i`.
pub(crate) fn skip_group(tokens: &Tokens, mut i: usize) -> usize {
    let mut depth = 0;
    while let Some((_, token)) = tokens.get(i) {
        i += 1;
        match token {
            Token::Mark('(' | '[' | '{') => depth += 1,
            Token::Mark(')' | ']' | '}') => depth -= 1,
            _ => {}
        }
        if depth <= 0 {
            break;
        }
    }
    i
}

//! What a file says about other files: the paths it names, what it imports, what it defines.

use crate::tokens::{Token, Tokens, is, skip_group};

/// A path `a::b::c` as it is written, an import written out in full.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct NamePath {
    pub line: usize,
    pub segments: Vec<String>,
    pub import: Option<Import>,
}

/// That a path stands in a `use`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Import {
    /// The name that it goes by in the file; `*` for all names, `_` for none.
    pub name: String,
    /// It stands at the top of the file, where other files find it.
    pub at_top: bool,
    /// `pub use`, however restricted.
    pub public: bool,
}

/// All paths of the source. In a module within the file `super` leads to the file: such paths are
/// given as seen from the file. `pub(…)` is no path.
pub(crate) fn paths(tokens: &Tokens) -> Vec<NamePath> {
    let mut out: Vec<NamePath> = Vec::new();
    // Brace depth inside each module within the file.
    let mut inner: Vec<usize> = Vec::new();
    let (mut i, mut depth) = (0, 0);
    let mut seen_from_file = 0;
    let mut public = false;
    while i < tokens.len() {
        for path in &mut out[seen_from_file..] {
            let ups = path.segments.iter().take_while(|p| *p == "super").count();
            path.segments.drain(..ups.min(inner.len()));
        }
        seen_from_file = out.len();
        match &tokens[i].1 {
            Token::Mark('{') => {
                depth += 1;
                if i >= 2 && is(tokens, i - 2, "mod") {
                    inner.push(depth);
                }
                i += 1;
            }
            Token::Mark('}') => {
                if inner.last() == Some(&depth) {
                    inner.pop();
                }
                depth = depth.saturating_sub(1);
                i += 1;
            }
            Token::Word(w) if w == "pub" => {
                public = true;
                i += 1;
                let restricted = is(tokens, i, "(")
                    && ["crate", "super", "self", "in"].iter().any(|w| is(tokens, i + 1, w));
                if restricted {
                    i = skip_group(tokens, i);
                }
                continue;
            }
            Token::Word(w) if w == "use" => {
                let first = out.len();
                i = use_tree(tokens, i + 1, &[], &mut out);
                for path in &mut out[first..] {
                    if let Some(import) = &mut path.import {
                        (import.at_top, import.public) = (depth == 0, public);
                    }
                }
            }
            Token::Word(_) => {
                let (line, mut segments) = (tokens[i].0, Vec::new());
                while let Some((_, Token::Word(w))) = tokens.get(i) {
                    segments.push(w.clone());
                    i += 1;
                    if !(is(tokens, i, ":") && is(tokens, i + 1, ":")) {
                        break;
                    }
                    i += 2;
                }
                out.push(NamePath { line, segments, import: None });
            }
            _ => i += 1,
        }
        public = false;
    }
    out
}

/// Writes out one branch of a `use` tree; returns the place after it.
fn use_tree(tokens: &Tokens, mut i: usize, stem: &[String], out: &mut Vec<NamePath>) -> usize {
    let mut segments = stem.to_vec();
    let mut alias = None;
    while let Some((line, token)) = tokens.get(i) {
        match token {
            Token::Word(w) if w == "as" => {
                if let Some((_, Token::Word(w))) = tokens.get(i + 1) {
                    alias = Some(w.clone());
                }
                i += 2;
            }
            Token::Word(w) => {
                segments.push(w.clone());
                i += 1;
            }
            Token::Mark('*') => {
                segments.push("*".into());
                i += 1;
            }
            Token::Mark(':') => i += 1,
            Token::Mark('{') => {
                i += 1;
                while tokens.get(i).is_some_and(|(_, t)| !t.is("}")) {
                    i = use_tree(tokens, i, &segments, out);
                    if is(tokens, i, ",") {
                        i += 1;
                    }
                }
                return i + 1;
            }
            _ => {
                if segments.len() > 1 && segments.last().is_some_and(|s| s == "self") {
                    segments.pop();
                }
                let name = alias.or_else(|| segments.last().cloned()).unwrap_or_default();
                let import = Some(Import { name, at_top: false, public: false });
                out.push(NamePath { line: *line, segments, import });
                return i;
            }
        }
    }
    i
}

/// The names that the top of a file defines itself, modules (`mod a;`, `mod a { … }`) apart.
#[derive(Debug, Default)]
pub(crate) struct Definitions {
    pub items: Vec<String>,
    pub modules: Vec<String>,
}

pub(crate) fn definitions(tokens: &Tokens) -> Definitions {
    const KINDS: [&str; 8] =
        ["fn", "struct", "enum", "union", "trait", "type", "static", "macro_rules"];
    let mut out = Definitions::default();
    let mut i = 0;
    while i < tokens.len() {
        if ["(", "[", "{"].iter().any(|open| is(tokens, i, open)) {
            i = skip_group(tokens, i);
            continue;
        }
        let name = tokens[i + 1..].iter().take(2).find_map(|(_, t)| match t {
            Token::Word(w) => Some(w.clone()),
            _ => None,
        });
        match (&tokens[i].1, name) {
            (Token::Word(w), Some(name)) if w == "mod" => out.modules.push(name),
            (Token::Word(w), Some(name)) if w == "const" && name != "fn" => out.items.push(name),
            (Token::Word(w), Some(name)) if KINDS.contains(&w.as_str()) => out.items.push(name),
            _ => {}
        }
        i += 1;
    }
    out
}

/// The types that have an `impl` in the source, each with its line: `T` of `impl T` and of
/// `impl Trait for T`.
pub(crate) fn implemented(tokens: &Tokens) -> Vec<(usize, String)> {
    let mut out = Vec::new();
    for (i, (line, token)) in tokens.iter().enumerate() {
        // At the beginning of an item, not in `-> impl Trait`.
        let begins = i == 0 || ["}", ";", "]", "{"].iter().any(|t| is(tokens, i - 1, t));
        if !(token.is("impl") && begins) {
            continue;
        }
        // The last word of the path outside `<…>`; that after `for`, if it is there.
        let (mut name, mut angles, mut in_path) = (None, 0, false);
        for (_, token) in tokens[i + 1..].iter().take_while(|(_, t)| !t.is("{") && !t.is("where")) {
            match token {
                Token::Mark('<') => angles += 1,
                Token::Mark('>') => angles -= 1,
                Token::Word(w) if angles == 0 && w == "for" => (name, in_path) = (None, false),
                Token::Word(w) if angles == 0 && (name.is_none() || in_path) => {
                    (name, in_path) = (Some(w), false);
                }
                Token::Mark(':') => in_path = true,
                _ => in_path = false,
            }
        }
        out.extend(name.map(|name| (*line, name.clone())));
    }
    out
}

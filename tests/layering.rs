//! Reads the crate's sources and fails on what the design forbids: names of sockets, clocks, files
//! or the event loop in a layer that must not have them, imports that go up the layers, `unsafe`,
//! `Rc<RefCell<…>>`, unfinished code, and files that have grown too long.
//!
//! The sources are cut into tokens, so comments, strings and the way an import is written do not
//! matter. Test code (`#[cfg(test)]`) may read files and the clock.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

/// Longest file, in lines.
const MAX_LINES: usize = 1000;

/// The layers from the bottom; each may use those before it. What `env` and `net` may use is
/// told apart in [`may_use`].
const LAYERS: [&str; 10] =
    ["arena", "error", "frame", "wire", "codec", "framer", "payload", "rtp", "media", "server"];

/// A name that only some places may use.
struct Reserved {
    /// `a::b`: paths that begin so. `*::a::b`: paths that have it anywhere. `.a`: a bare word, as
    /// a method's name is.
    name: &'static str,
    /// Where it may stand: beginnings of the file's path below `src/`.
    places: &'static [&'static str],
    why: &'static str,
}

const fn only(name: &'static str, places: &'static [&'static str], why: &'static str) -> Reserved {
    Reserved { name, places, why }
}

const FILES: &[&str] = &["media/file/", "server/served_folder"];

/// The first that fits a path decides.
const RESERVED: &[Reserved] = &[
    only("mio", &["env/"], "only env/ names mio"),
    only("socket2", &["net/"], "only net/ names socket2"),
    only("nix::libc", &["net/", "media/file/"], "constants for opening files and sockets"),
    only("nix::errno", &["env/", "net/"], "what a system call answered"),
    only("nix::poll", &["env/"], "only env/ waits"),
    only("nix", &["net/"], "only net/ calls the system through nix"),
    only("getrandom", &["env/"], "randomness is drawn by env/ alone"),
    only("std::fs", FILES, "files enter through media/file"),
    only(".canonicalize", FILES, "touches the file system"),
    only(".read_dir", FILES, "touches the file system"),
    // Bodies of fuzz targets need a moment to begin at.
    only("*::Instant::now", &["env/", "fuzzing/"], "only env/ reads the clock"),
    only("*::SystemTime::now", &["env/"], "only env/ reads the clock"),
    only(".elapsed", &["env/"], "only env/ reads the clock"),
    only("std::net::TcpStream", &["net/"], "only net/ has sockets"),
    only("std::net::TcpListener", &["net/"], "only net/ has sockets"),
    only("std::net::UdpSocket", &["net/"], "only net/ has sockets"),
    only("std::os::unix::net", &["net/"], "only net/ has sockets"),
    only("*::thread::spawn", &[], "one thread"),
    only("*::thread::sleep", &[], "nothing blocks"),
    only(
        "std::sync::Mutex",
        &["env/graveyard", "media/live", "media/file/shared"],
        "a lock keeps the loop waiting, and a trigger may be called in a signal handler",
    ),
    only("std::process", &[], "a library neither starts nor ends processes"),
];

impl Reserved {
    fn fits(&self, path: &[String]) -> bool {
        if let Some(word) = self.name.strip_prefix('.') {
            return path.len() == 1 && path[0] == word;
        }
        let (name, anywhere) = match self.name.strip_prefix("*::") {
            Some(name) => (name, true),
            None => (self.name, false),
        };
        let name: Vec<&str> = name.split("::").collect();
        let mut windows = path.windows(name.len());
        if anywhere {
            windows.any(|w| w == name)
        } else {
            windows.next().is_some_and(|w| w == name)
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Token {
    Word(String),
    Mark(char),
    Literal,
}

impl Token {
    fn is(&self, text: &str) -> bool {
        match self {
            Self::Word(w) => w == text,
            Self::Mark(c) => text.chars().eq([*c]),
            Self::Literal => false,
        }
    }
}

/// Cuts Rust source into tokens with their line numbers, without comments.
fn tokens(source: &str) -> Vec<(usize, Token)> {
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
fn without_tests(tokens: &[(usize, Token)]) -> (Vec<(usize, Token)>, Vec<String>) {
    let is = |i: usize, text: &str| tokens.get(i).is_some_and(|(_, t)| t.is(text));
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
fn skip_group(tokens: &[(usize, Token)], mut i: usize) -> usize {
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

type NamePath = (usize, Vec<String>);

/// All paths `a::b::c` of the source, imports written out in full. In a module within the file
/// `super` leads to the file: such paths are given as seen from the file.
fn paths(tokens: &[(usize, Token)]) -> Vec<NamePath> {
    let mut out: Vec<NamePath> = Vec::new();
    // Brace depth inside each module within the file.
    let mut inner: Vec<usize> = Vec::new();
    let (mut i, mut depth) = (0, 0);
    let mut seen_from_file = 0;
    while i < tokens.len() {
        for (_, path) in &mut out[seen_from_file..] {
            let ups = path.iter().take_while(|p| *p == "super").count();
            path.drain(..ups.min(inner.len()));
        }
        seen_from_file = out.len();
        match &tokens[i].1 {
            Token::Mark('{') => {
                depth += 1;
                if i >= 2 && tokens[i - 2].1.is("mod") {
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
            Token::Word(w) if w == "use" => i = use_tree(tokens, i + 1, &[], &mut out),
            Token::Word(_) => {
                let (line, mut path) = (tokens[i].0, Vec::new());
                while let Some((_, Token::Word(w))) = tokens.get(i) {
                    path.push(w.clone());
                    i += 1;
                    if !is_colons(tokens, i) {
                        break;
                    }
                    i += 2;
                }
                out.push((line, path));
            }
            _ => i += 1,
        }
    }
    out
}

fn is_colons(tokens: &[(usize, Token)], i: usize) -> bool {
    let colon = |i: usize| tokens.get(i).is_some_and(|(_, t)| t.is(":"));
    colon(i) && colon(i + 1)
}

/// Writes out one branch of a `use` tree; returns the place after it.
fn use_tree(
    tokens: &[(usize, Token)],
    mut i: usize,
    stem: &[String],
    out: &mut Vec<NamePath>,
) -> usize {
    let mut path = stem.to_vec();
    while let Some((line, token)) = tokens.get(i) {
        match token {
            Token::Word(w) if w == "as" => i += 2,
            Token::Word(w) => {
                path.push(w.clone());
                i += 1;
            }
            Token::Mark('*') => {
                path.push("*".into());
                i += 1;
            }
            Token::Mark(':') => i += 1,
            Token::Mark('{') => {
                i += 1;
                while tokens.get(i).is_some_and(|(_, t)| !t.is("}")) {
                    i = use_tree(tokens, i, &path, out);
                    if tokens.get(i).is_some_and(|(_, t)| t.is(",")) {
                        i += 1;
                    }
                }
                return i + 1;
            }
            _ => {
                out.push((*line, path));
                return i;
            }
        }
    }
    i
}

/// The modules of a file, e.g. `["rtp", "rtcp", "format"]` for `rtp/rtcp/format.rs`.
fn modules_of(file: &str) -> Vec<String> {
    let mut modules: Vec<String> =
        file.trim_end_matches(".rs").split('/').map(str::to_owned).collect();
    if matches!(modules.last().map(String::as_str), Some("mod" | "lib")) {
        modules.pop();
    }
    modules
}

/// A path below the crate's root, if the path leads there.
fn in_crate(path: &[String], modules: &[String]) -> Option<Vec<String>> {
    match path.first()?.as_str() {
        "crate" => Some(path[1..].to_vec()),
        "super" => {
            let ups = path.iter().take_while(|p| *p == "super").count();
            let stem = modules.get(..modules.len().checked_sub(ups)?)?;
            Some(stem.iter().chain(&path[ups..]).cloned().collect())
        }
        _ => None,
    }
}

fn may_use(layer: &str, used: &str) -> bool {
    let rank = |name: &str| LAYERS.iter().position(|l| *l == name);
    match layer {
        "fuzzing" => true,
        // The loop and its sockets know of each other and of nothing above tables and errors.
        "env" | "net" => matches!(used, "env" | "net" | "arena" | "error"),
        "server" if matches!(used, "env" | "net") => true,
        // An error says where in the input the fault lies, in wire's terms.
        "error" if used == "wire" => true,
        _ => match (rank(layer), rank(used)) {
            (Some(layer), Some(used)) => used <= layer,
            _ => false,
        },
    }
}

/// What is wrong with one file of the library; `file` is its path below `src/`.
/// `reexports` says which module a name at the crate's root comes from.
fn check_library_file(
    file: &str,
    source: &str,
    is_test: bool,
    reexports: &HashMap<String, String>,
) -> Vec<String> {
    let mut faults = check_any_file(file, source);
    if is_test || file == "lib.rs" {
        return faults;
    }
    let (tokens, _) = without_tests(&tokens(source));
    let modules = modules_of(file);
    let layer = modules[0].clone();
    for (line, path) in paths(&tokens) {
        let mut fault = |what: String| faults.push(format!("src/{file}:{line}: {what}"));
        let name = path.join("::");
        if let Some(below) = in_crate(&path, &modules) {
            let first = below.first().map_or("*", String::as_str);
            let used = reexports.get(first).map_or(first, String::as_str);
            if !below.is_empty() && !may_use(&layer, used) {
                fault(format!("{name}: {layer} must not use {used}"));
            }
            continue;
        }
        if let Some(rule) = RESERVED.iter().find(|rule| rule.fits(&path)) {
            if !rule.places.iter().any(|place| file.starts_with(place)) {
                fault(format!("{name}: {}", rule.why));
            }
        }
    }
    faults
}

/// What is wrong with a file wherever it stands.
fn check_any_file(file: &str, source: &str) -> Vec<String> {
    let mut faults = Vec::new();
    let lines = source.lines().count();
    if lines > MAX_LINES {
        faults.push(format!("{file}: {lines} lines: make it two files"));
    }
    let tokens = tokens(source);
    for (i, (line, token)) in tokens.iter().enumerate() {
        let next = |n: usize, text: &str| tokens.get(i + n).is_some_and(|(_, t)| t.is(text));
        let what = match token {
            Token::Word(w) if w == "unsafe" => "unsafe",
            Token::Word(w) if w == "async" => "async",
            Token::Word(w) if (w == "todo" || w == "unimplemented") && next(1, "!") => "unfinished",
            Token::Word(w) if w == "Rc" && next(1, "<") && next(2, "RefCell") => "Rc<RefCell>",
            _ => continue,
        };
        faults.push(format!("{file}:{line}: {what}"));
    }
    faults
}

fn rust_files(folder: &Path, out: &mut Vec<PathBuf>) {
    let Ok(entries) = std::fs::read_dir(folder) else { return };
    for entry in entries {
        let path = entry.expect("read the folder").path();
        if path.is_dir() && !path.ends_with("target") {
            rust_files(&path, out);
        } else if path.extension().is_some_and(|e| e == "rs") {
            out.push(path);
        }
    }
}

/// The names that `lib.rs` re-exports, each with the module that it comes from.
fn reexports(lib: &str) -> HashMap<String, String> {
    paths(&tokens(lib))
        .into_iter()
        .filter(|(_, path)| path.len() > 1)
        .filter_map(|(_, path)| Some((path.last()?.clone(), path.first()?.clone())))
        .collect()
}

#[test]
fn the_crate_keeps_its_layers() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let src = root.join("src");
    let mut files = Vec::new();
    rust_files(&src, &mut files);
    assert!(files.len() > 20, "the sources are not where they were: {}", src.display());
    let sources: Vec<(String, String)> = files
        .iter()
        .map(|path| {
            let name = path.strip_prefix(&src).expect("below src").to_string_lossy().into_owned();
            (name, std::fs::read_to_string(path).expect("read a source"))
        })
        .collect();
    let tests: Vec<Vec<String>> = sources
        .iter()
        .flat_map(|(file, source)| {
            let stem = modules_of(file);
            let (_, modules) = without_tests(&tokens(source));
            modules.into_iter().map(move |m| stem.iter().cloned().chain([m]).collect())
        })
        .collect();
    let names = reexports(&std::fs::read_to_string(src.join("lib.rs")).expect("read lib.rs"));
    let mut faults = Vec::new();
    for (file, source) in &sources {
        let modules = modules_of(file);
        let is_test = tests.iter().any(|t| modules.starts_with(t));
        faults.extend(check_library_file(file, source, is_test, &names));
    }
    for folder in ["examples", "tests", "benches", "fuzz"] {
        let mut files = Vec::new();
        rust_files(&root.join(folder), &mut files);
        for path in files {
            let source = std::fs::read_to_string(&path).expect("read a source");
            faults.extend(check_any_file(&path.to_string_lossy(), &source));
        }
    }
    assert!(faults.is_empty(), "{} faults:\n{}", faults.len(), faults.join("\n"));
}

#[cfg(test)]
mod the_checker {
    use super::*;

    fn faults(file: &str, source: &str) -> usize {
        let names =
            reexports("pub mod wire; pub use error::Error; pub use frame::{Frame, FrameFlags};");
        check_library_file(file, source, false, &names).len()
    }

    #[test]
    fn finds_reserved_names_however_they_are_written() {
        assert_eq!(faults("server/mod.rs", "use mio::Poll;"), 1);
        assert_eq!(faults("env/mod.rs", "use mio::Poll;"), 0);
        assert_eq!(faults("server/mod.rs", "use std::{io, fs};"), 1);
        assert_eq!(faults("wire/a.rs", "use std::{io::{self, Read}, fs::File as F};"), 1);
        assert_eq!(faults("wire/a.rs", "fn f() { std::fs::read(\"x\"); }"), 1);
        assert_eq!(faults("media/file/wav.rs", "use std::fs::File;"), 0);
        assert_eq!(faults("media/queue.rs", "use std::fs::File;"), 1);
        assert_eq!(faults("server/served_folder.rs", "use std::fs;"), 0);
        assert_eq!(faults("rtp/sink.rs", "let t = Instant::now();"), 1);
        assert_eq!(faults("rtp/sink.rs", "let t = std::time::SystemTime::now();"), 1);
        assert_eq!(faults("rtp/sink.rs", "let t = start.elapsed();"), 1);
        assert_eq!(faults("env/clock.rs", "let t = Instant::now();"), 0);
        assert_eq!(faults("server/a.rs", "use std::net::{IpAddr, TcpStream};"), 1);
        assert_eq!(faults("server/a.rs", "use std::net::{IpAddr, SocketAddr};"), 0);
        assert_eq!(faults("server/a.rs", "let s = std::net::UdpSocket::bind(a);"), 1);
        assert_eq!(faults("net/tcp.rs", "use std::net::TcpStream; use socket2::Socket;"), 0);
        assert_eq!(faults("env/mod.rs", "use nix::sys::socket::sendmmsg;"), 1);
        assert_eq!(faults("media/file/mod.rs", "options.custom_flags(nix::libc::O_NONBLOCK);"), 0);
        assert_eq!(faults("media/file/mod.rs", "use nix::sys::socket;"), 1);
        assert_eq!(faults("server/a.rs", "thread::spawn(|| ());"), 1);
        assert_eq!(faults("server/pool/id.rs", "getrandom::fill(&mut b);"), 1);
        assert_eq!(faults("wire/a.rs", "path.canonicalize()"), 1);
    }

    #[test]
    fn finds_imports_that_go_up() {
        assert_eq!(faults("wire/a.rs", "use crate::codec::Aac;"), 1);
        assert_eq!(faults("wire/a.rs", "use crate::{error::Error, server};"), 1);
        assert_eq!(faults("wire/a.rs", "use crate::{error::Error, arena};"), 0);
        assert_eq!(faults("wire/rtsp/a.rs", "use super::super::rtp;"), 0);
        assert_eq!(faults("wire/rtsp/a.rs", "use super::super::super::rtp::Sink;"), 1);
        assert_eq!(faults("wire/rtsp/mod.rs", "fn f() -> super::super::server::Name {}"), 1);
        assert_eq!(faults("wire/a.rs", "mod m { fn f() { super::super::b(); } }"), 0);
        assert_eq!(faults("wire/a.rs", "mod m { use super::super::super::rtp; }"), 1);
        assert_eq!(faults("wire/a.rs", "mod m { fn f() {} } use super::super::rtp;"), 1);
        assert_eq!(faults("payload/a.rs", "use crate::codec::Aac; use crate::Frame;"), 0);
        assert_eq!(faults("wire/a.rs", "use crate::Frame;"), 0);
        assert_eq!(faults("rtp/a.rs", "use crate::media::FramedSource;"), 1);
        assert_eq!(faults("media/a.rs", "use crate::env::UsageEnvironment;"), 1);
        assert_eq!(faults("net/udp.rs", "use crate::wire::rtp;"), 1);
        assert_eq!(faults("env/mod.rs", "use crate::arena::Id; use crate::net;"), 0);
        assert_eq!(faults("server/a.rs", "use crate::{env, net, media, wire};"), 0);
        assert_eq!(faults("server/a.rs", "use crate::fuzzing;"), 1);
        assert_eq!(faults("codec/a.rs", "use crate::*;"), 1);
    }

    #[test]
    fn finds_what_is_forbidden_everywhere() {
        assert_eq!(faults("lib.rs", "fn f() { unsafe { g() } }"), 1);
        assert_eq!(faults("server/a.rs", "a: Rc < RefCell <u8>>,"), 1);
        assert_eq!(faults("server/a.rs", "fn f() { todo!() }\nfn g() { unimplemented!() }"), 2);
        assert_eq!(faults("server/a.rs", "#[cfg(test)] mod t { fn f() { todo!() } }"), 1);
        assert_eq!(faults("server/a.rs", "async fn f() {}"), 1);
        assert_eq!(faults("server/a.rs", &"\n".repeat(MAX_LINES + 1)), 1);
        assert_eq!(faults("server/a.rs", &"\n".repeat(MAX_LINES)), 0);
    }

    #[test]
    fn is_not_misled() {
        assert_eq!(faults("wire/a.rs", "// unsafe std::fs todo!()\n/* mio::x /* */ unsafe */"), 0);
        assert_eq!(faults("wire/a.rs", r##"let a = "unsafe \" todo!()"; let b = r#"mio::"#;"##), 0);
        assert_eq!(
            faults("wire/a.rs", r"let a = '\''; let b = '\\'; let c = b'\''; let l: &'a T;"),
            0
        );
        assert_eq!(faults("wire/a.rs", "let c = '\"'; unsafe {} // \""), 1);
        assert_eq!(faults("wire/a.rs", r"let c = '\''; unsafe {} // '"), 1);
        assert_eq!(faults("wire/a.rs", "#[cfg(test)]\nuse std::fs::{self};\nuse std::fs;"), 1);
        let tests = "#[cfg(test)]\n#[allow(x)]\nmod t { use std::fs; fn f() { Instant::now(); } }";
        assert_eq!(faults("wire/a.rs", tests), 0);
        assert_eq!(faults("wire/a.rs", &format!("{tests}\nuse std::fs;")), 1);
        let (_, modules) = without_tests(&tokens("#[cfg(test)]\npub(crate) mod testing;\nmod a;"));
        assert_eq!(modules, ["testing"]);
    }

    #[test]
    fn says_where() {
        let names = HashMap::new();
        let faults = check_library_file("wire/a.rs", "\n\n  use std::fs;\n", false, &names);
        assert_eq!(faults, ["src/wire/a.rs:3: std::fs: files enter through media/file"]);
    }
}

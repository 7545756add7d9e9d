//! What a file may not have wherever it stands, and the names that only some places may use.

use crate::paths::paths;
use crate::tokens::{Token, is, tokens, without_tests};

/// Longest file, in lines.
const MAX_LINES: usize = 1000;

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

const FILES: &[&str] = &["media/file/", "media/sinks/", "provide/", "net/tls/pem"];

/// The first that fits a path decides.
const RESERVED: &[Reserved] = &[
    only("mio", &["env/"], "only env/ names mio"),
    only("socket2", &["net/"], "only net/ names socket2"),
    only("nix::libc", &["net/", "media/file/"], "constants for opening files and sockets"),
    only("nix::errno", &["env/", "net/"], "what a system call answered"),
    only("nix::poll", &["env/"], "only env/ waits"),
    only("nix", &["net/"], "only net/ calls the system through nix"),
    only("getrandom", &["env/"], "randomness is drawn by env/ alone"),
    only("*::rustls", &["net/tls/"], "only net/tls names rustls"),
    only("rustls_native_certs", &["net/tls/"], "only net/tls names rustls"),
    only("std::fs", FILES, "files enter through media/file and leave through media/sinks"),
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

/// What is wrong with one file of the library by itself; `file` is its path below `src/`.
pub(crate) fn check_library_file(file: &str, source: &str, is_test: bool) -> Vec<String> {
    let mut faults = check_any_file(file, source);
    if is_test || file == "lib.rs" {
        return faults;
    }
    let (tokens, _) = without_tests(&tokens(source));
    for path in paths(&tokens) {
        if let Some(rule) = RESERVED.iter().find(|rule| rule.fits(&path.segments)) {
            if !rule.places.iter().any(|place| file.starts_with(place)) {
                let name = path.segments.join("::");
                faults.push(format!("src/{file}:{}: {name}: {}", path.line, rule.why));
            }
        }
    }
    faults
}

/// What is wrong with a file wherever it stands.
pub(crate) fn check_any_file(file: &str, source: &str) -> Vec<String> {
    let mut faults = Vec::new();
    let lines = source.lines().count();
    if lines > MAX_LINES {
        faults.push(format!("{file}: {lines} lines: make it two files"));
    }
    let tokens = tokens(source);
    for (i, (line, token)) in tokens.iter().enumerate() {
        let next = |n: usize, text: &str| is(&tokens, i + n, text);
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

#[cfg(test)]
mod tests {
    use super::*;

    fn faults(file: &str, source: &str) -> usize {
        check_library_file(file, source, false).len()
    }

    #[test]
    fn finds_reserved_names_however_they_are_written() {
        assert_eq!(faults("server/mod.rs", "use mio::Poll;"), 1);
        assert_eq!(faults("env/mod.rs", "use mio::Poll;"), 0);
        assert_eq!(faults("server/mod.rs", "use std::{io, fs};"), 1);
        assert_eq!(faults("wire/a.rs", "use std::{io::{self, Read}, fs::File as F};"), 1);
        assert_eq!(faults("wire/a.rs", "fn f() { std::fs::read(\"x\"); }"), 1);
        assert_eq!(faults("media/file/wav.rs", "use std::fs::File;"), 0);
        assert_eq!(faults("media/sinks/output.rs", "use std::fs::File;"), 0);
        assert_eq!(faults("media/queue.rs", "use std::fs::File;"), 1);
        assert_eq!(faults("provide/served_folder.rs", "use std::fs;"), 0);
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
        assert_eq!(faults("net/tls/stream.rs", "use rustls::Connection;"), 0);
        assert_eq!(faults("net/tcp.rs", "use rustls::Connection;"), 1);
        assert_eq!(faults("client/a.rs", "use crate::net::tls::rustls::Connection;"), 1);
        assert_eq!(faults("net/tls/pem.rs", "use std::fs::File;"), 0);
        assert_eq!(faults("server/a.rs", "thread::spawn(|| ());"), 1);
        assert_eq!(faults("session/pool/id.rs", "getrandom::fill(&mut b);"), 1);
        assert_eq!(faults("wire/a.rs", "path.canonicalize()"), 1);
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
        let faults = check_library_file("wire/a.rs", "\n\n  use std::fs;\n", false);
        let why = "files enter through media/file and leave through media/sinks";
        assert_eq!(faults, [format!("src/wire/a.rs:3: std::fs: {why}")]);
    }
}

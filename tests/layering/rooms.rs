//! The rooms of the crate: which may use which.

use crate::graph::{Arrow, Graph};
use crate::paths::implemented;
use crate::tokens::{tokens, without_tests};

/// A room and those right below it; it may use these and all below them. A room is a folder of
/// `src` or a file there, and reaches as far down as no other room begins.
const ROOMS: &[(&str, &[&str])] = &[
    // Leaves.
    ("arena", &[]),
    ("debug", &[]),
    ("ids", &["arena"]),
    ("error", &[]),
    ("frame", &[]),
    ("sorted_set", &["arena"]),
    ("warned", &[]),
    // Up to `media` no room knows of a socket or of the event loop.
    ("wire", &["arena", "ids", "error", "frame"]),
    ("codec", &["wire"]),
    ("framer", &["codec", "debug"]),
    ("payload", &["framer"]),
    ("description", &["payload"]),
    ("rtp", &["payload"]),
    ("media", &["rtp"]),
    // The event loop and its sockets know of no protocol.
    ("env", &["arena", "ids", "error"]),
    ("net", &["env"]),
    ("receive", &["media", "net"]),
    ("rtsp", &["wire", "net", "warned", "sorted_set"]),
    ("client", &["rtsp", "receive", "description"]),
    ("stream", &["rtsp", "media"]),
    ("session", &["stream"]),
    ("provide", &["session"]),
    // What an application sets and decides, for the server and its methods.
    ("server/config", &["session"]),
    ("server/hooks", &["session"]),
    ("server/access", &["server/hooks"]),
    ("server/publish", &["provide", "server/config", "description"]),
    ("server/talk", &["session"]),
    ("server/method", &["server/publish", "server/talk", "server/access"]),
    ("server", &["server/method"]),
    ("relay", &["server", "client"]),
    // Bodies of fuzz targets use everything, and nothing uses them.
    ("fuzzing", &["relay"]),
];

/// Arrows between files that go up and are meant to.
const MEANT: &[(&str, &str)] = &[
    // An error says where in the input the fault lies, in wire's terms.
    ("error.rs", "wire/"),
];

/// The room of a file below `src/`. The crate's root is in none.
fn room_of(file: &str) -> Option<&'static str> {
    let path = file.trim_end_matches(".rs");
    let within =
        |room: &str| path.strip_prefix(room).is_some_and(|p| p.is_empty() || p.starts_with('/'));
    ROOMS.iter().map(|(room, _)| *room).filter(|room| within(room)).max_by_key(|room| room.len())
}

/// Whether the room `upper` may use the room `lower`.
fn may_use(upper: &str, lower: &str) -> bool {
    upper == lower
        || ROOMS
            .iter()
            .find(|(room, _)| *room == upper)
            .is_some_and(|(_, below)| below.iter().any(|room| may_use(room, lower)))
}

/// The arrows that go up, or sideways, from room to room, each with what to say of it. An arrow
/// that only leads through a room that is out of bounds is given with that room's file as its end.
pub(crate) fn upward(graph: &Graph) -> Vec<(Arrow, String)> {
    let mut out = Vec::new();
    for arrow in &graph.arrows {
        for to in [&arrow.to].into_iter().chain(&arrow.through) {
            // The root re-exports what it holds; what it holds is judged by where it is defined.
            if arrow.from == "lib.rs" || to == "lib.rs" {
                continue;
            }
            if MEANT.iter().any(|(from, end)| arrow.from == *from && to.starts_with(end)) {
                continue;
            }
            let fault = match (room_of(&arrow.from), room_of(to)) {
                (Some(from), Some(to)) if may_use(from, to) => continue,
                (Some(from), Some(to)) => format!("{from} must not use {to}"),
                _ => "a file in no room: give it one in tests/layering/rooms.rs".to_owned(),
            };
            let arrow = Arrow { to: to.clone(), ..arrow.clone() };
            let said = format!("{arrow}: {fault}");
            out.push((arrow, said));
            break;
        }
    }
    out
}

/// Implementations of a type away from where it lives: `(type, its folder)`.
const AT_HOME: &[(&str, &str)] = &[("RtspServer", "server")];

/// What is implemented in `file` that has its place elsewhere.
pub(crate) fn astray(file: &str, source: &str) -> Vec<String> {
    let folder = file.rsplit_once('/').map_or("", |(folder, _)| folder);
    let (tokens, _) = without_tests(&tokens(source));
    implemented(&tokens)
        .into_iter()
        .filter_map(|(line, name)| {
            let (name, home) = AT_HOME.iter().find(|(n, home)| *n == name && *home != folder)?;
            Some(format!("src/{file}:{line}: `impl {name}` stands in the files of src/{home} only"))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree(files: &[(&str, &str)]) -> Graph {
        let owned = |(file, source): &(&str, &str)| (file.to_string(), source.to_string());
        Graph::new(&files.iter().map(owned).collect::<Vec<_>>())
    }

    /// What goes up in a crate of these files, as "from to".
    fn ups(files: &[(&str, &str)]) -> Vec<String> {
        upward(&tree(files)).into_iter().map(|(a, _)| format!("{} {}", a.from, a.to)).collect()
    }

    const LIB: (&str, &str) =
        ("lib.rs", "pub mod wire; pub mod codec; pub mod error; pub use error::Error;");

    #[test]
    fn an_upward_arrow_is_found_however_it_is_written() {
        let one = |file: &str, source: &str| {
            ups(&[
                LIB,
                ("wire/mod.rs", "pub mod rtsp; pub mod sdp;"),
                ("wire/rtsp/mod.rs", "pub mod head; mod range;"),
                ("wire/sdp.rs", "pub struct Sdp;"),
                ("codec/mod.rs", "pub mod aac; pub fn check() {}"),
                ("codec/aac.rs", "pub struct Aac;"),
                ("error.rs", "pub struct Error;"),
                (file, source),
            ])
        };
        let head = "wire/rtsp/head.rs";
        let aac = ["wire/rtsp/head.rs codec/aac.rs"];
        assert_eq!(one(head, "use crate::codec::aac::Aac;"), aac);
        assert_eq!(one(head, "use crate::{error::Error, codec::{self, aac}};").len(), 2);
        assert_eq!(one(head, "fn f(a: crate::codec::aac::Aac) {}"), aac);
        assert_eq!(one(head, "use super::super::super::codec::aac::Aac as A;"), aac);
        assert_eq!(one(head, "mod m { use super::super::super::super::codec::aac::Aac; }"), aac);
        assert_eq!(
            one(head, "mod m { fn f() -> super::super::super::super::codec::aac::Aac {} }"),
            aac
        );
        assert_eq!(one(head, "fn f() { use crate::codec; codec::aac::Aac::new(); }").len(), 1);
        assert_eq!(
            one(head, "use crate::codec; fn f() { codec::check(); codec::aac::Aac::new(); }").len(),
            3
        );
        assert_eq!(
            one(head, "use super::super::sdp::Sdp; use crate::{wire::sdp, Error};").len(),
            0
        );
        assert_eq!(one(head, "pub(in crate::codec) fn f() {} pub(super) struct A;").len(), 0);
        assert_eq!(
            one(head, "// use crate::codec;\nconst A: &str = \"crate::codec::aac\";").len(),
            0
        );
        assert_eq!(one(head, "#[cfg(test)] mod tests { use crate::codec::aac::Aac; }").len(), 0);
        assert_eq!(
            one(head, "#[cfg(any(test, feature = \"x\"))] use crate::codec::aac::Aac;"),
            aac
        );
        assert_eq!(one("codec/aac.rs", "use crate::wire::sdp::Sdp; use super::check;").len(), 0);
        assert_eq!(one("error.rs", "use crate::wire::sdp::Sdp;").len(), 0);
        assert_eq!(one("error.rs", "use crate::codec::aac::Aac;").len(), 1);
    }

    #[test]
    fn a_re_export_is_no_way_around() {
        let head = |source: &str| {
            ups(&[
                ("lib.rs", "pub mod wire; pub mod codec; pub use codec::Aac; pub use wire::*;"),
                ("wire/mod.rs", "mod head; mod names; pub use self::names::{Aac as A, *};"),
                ("wire/names.rs", "pub use crate::codec::Aac; pub struct Own;"),
                ("wire/head.rs", source),
                ("codec/mod.rs", "mod aac; pub use aac::*; pub use crate::wire::Own;"),
                ("codec/aac.rs", "pub struct Aac;"),
            ])
            .into_iter()
            .filter(|up| up.starts_with("wire/head.rs"))
            .collect::<Vec<_>>()
        };
        assert_eq!(head("use crate::codec::Aac;"), ["wire/head.rs codec/aac.rs"]);
        assert_eq!(head("use crate::Aac;"), ["wire/head.rs codec/aac.rs"]);
        assert_eq!(head("use super::A;"), ["wire/head.rs codec/aac.rs"]);
        assert_eq!(head("use super::Aac;"), ["wire/head.rs codec/aac.rs"]);
        assert_eq!(
            head("use super::names; fn f() { names::Aac::new() }"),
            ["wire/head.rs codec/aac.rs"]
        );
        assert_eq!(head("use super::Own; use crate::Own as O;").len(), 0);
        // What is defined below but named through a room above.
        assert_eq!(head("use crate::codec::Own;"), ["wire/head.rs codec/mod.rs"]);
    }

    #[test]
    fn the_rooms_of_the_server_stand_one_above_the_other() {
        let from_to = |from: &str, path: &str| {
            let names =
                ["env", "net", "rtsp", "stream", "session", "provide", "receive", "fuzzing"];
            let mut files: Vec<(String, String)> = (names.iter().chain(&["media", "rtp", "wire"]))
                .map(|name| (format!("{name}/mod.rs"), "pub struct A;".to_owned()))
                .collect();
            files.push(("lib.rs".into(), String::new()));
            files.push(("server/mod.rs".into(), "mod method; mod tables;".into()));
            files.push(("server/tables.rs".into(), "pub struct A;".into()));
            files.push(("server/method/mod.rs".into(), "pub struct A; mod play;".into()));
            files.push((from.into(), format!("use crate::{path}::A;")));
            upward(&Graph::new(&files)).len()
        };
        for (from, path, faults) in [
            ("server/a.rs", "server::method", 0),
            ("server/a.rs", "provide", 0),
            ("server/method/play.rs", "server::tables", 1),
            ("server/method/play.rs", "server::method", 0),
            ("server/method/play.rs", "session", 0),
            ("server/method/play.rs", "net", 0),
            ("provide/a.rs", "server::method", 1),
            ("provide/a.rs", "session", 0),
            ("session/a.rs", "provide", 1),
            ("session/a.rs", "stream", 0),
            ("stream/a.rs", "session", 1),
            ("stream/a.rs", "rtsp", 0),
            ("stream/a.rs", "media", 0),
            ("rtsp/a.rs", "stream", 1),
            ("rtsp/a.rs", "rtp", 1),
            ("rtsp/a.rs", "net", 0),
            ("rtsp/a.rs", "wire", 0),
            ("net/a.rs", "env", 0),
            ("net/a.rs", "wire", 1),
            ("env/a.rs", "net", 1),
            ("media/a.rs", "env", 1),
            ("receive/a.rs", "media", 0),
            ("receive/a.rs", "rtsp", 1),
            ("server/a.rs", "fuzzing", 1),
            ("fuzzing/a.rs", "server::tables", 0),
            ("cellar/a.rs", "wire", 1),
        ] {
            assert_eq!(from_to(from, path), faults, "{from} → {path}");
        }
    }

    #[test]
    fn the_fault_is_told_with_its_place() {
        let files = [
            ("lib.rs", ""),
            ("wire/mod.rs", "\n\nuse crate::codec::Aac;"),
            ("codec/mod.rs", "pub struct Aac;"),
        ];
        let (_, said) = upward(&tree(&files)).remove(0);
        assert_eq!(
            said,
            "src/wire/mod.rs:3 → src/codec/mod.rs, by `crate::codec::Aac`: wire must not use codec"
        );
    }

    #[test]
    fn the_server_is_implemented_at_home() {
        let count = |file: &str, source: &str| astray(file, source).len();
        assert_eq!(count("server/play.rs", "impl RtspServer { fn f(&self) {} }"), 0);
        assert_eq!(count("server/method/play.rs", "struct A;\nimpl RtspServer {}"), 1);
        assert_eq!(
            count(
                "server/method/play.rs",
                "#[x]\nimpl<T: A<B>> super::C<T> for crate::RtspServer where T: D {}"
            ),
            1
        );
        assert_eq!(
            count("session/a.rs", "impl From<RtspServer> for A {} impl A for B<RtspServer> {}"),
            0
        );
        assert_eq!(count("session/a.rs", "fn f() -> impl RtspServer { }"), 0);
        assert_eq!(count("session/a.rs", "#[cfg(test)] mod tests { impl RtspServer {} }"), 0);
    }
}

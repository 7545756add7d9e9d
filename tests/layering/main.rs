//! Reads the crate's sources and fails on what the design forbids:
//!
//! * names of sockets, clocks, files or the event loop in a place that must not have them, `unsafe`,
//!   `Rc<RefCell<…>>`, unfinished code, and files that have grown too long (`reserved`);
//! * arrows from a file to one of a room that stands higher or aside, and `impl RtspServer` away
//!   from the server's own files (`rooms`);
//! * circles of more than two files (`graph`).
//!
//! The sources are cut into tokens, so comments, strings and the way an import is written do not
//! matter. Test code (`#[cfg(test)]`) may read files and the clock, and use what it likes.

mod graph;
mod known;
mod paths;
mod reserved;
mod rooms;
mod tokens;

use graph::{Graph, modules_of, test_modules};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

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

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The files below `src/`: their paths there and what is in them.
static LIBRARY: LazyLock<Vec<(String, String)>> = LazyLock::new(|| {
    let src = root().join("src");
    let mut files = Vec::new();
    rust_files(&src, &mut files);
    assert!(files.len() > 20, "the sources are not where they were: {}", src.display());
    files
        .iter()
        .map(|path| {
            let name = path.strip_prefix(&src).expect("below src").to_string_lossy().into_owned();
            (name, std::fs::read_to_string(path).expect("read a source"))
        })
        .collect()
});

static GRAPH: LazyLock<Graph> = LazyLock::new(|| Graph::new(&LIBRARY));

fn assert_none(faults: &[String]) {
    assert!(faults.is_empty(), "{} faults:\n{}", faults.len(), faults.join("\n"));
}

/// Fails unless `found` is what is `known`; `found` comes with what to say of each.
fn assert_known<K: Ord + std::fmt::Debug>(known: &BTreeSet<K>, found: &[(K, String)]) {
    let new = found.iter().filter(|(key, _)| !known.contains(key)).map(|(_, said)| said.clone());
    let found: BTreeSet<&K> = found.iter().map(|(key, _)| key).collect();
    let gone = known.iter().filter(|key| !found.contains(key));
    let mut faults: Vec<String> = new
        .chain(gone.map(|key| format!("mended: take it out of tests/layering/known.rs: {key:?}")))
        .collect();
    if !faults.is_empty() && !known.is_empty() {
        // For whoever moves what is known of from one file to another.
        faults.push("all that is found:".to_owned());
        faults.extend(found.iter().map(|key| format!("    {key:?},")));
    }
    assert_none(&faults);
}

#[test]
fn each_file_keeps_to_its_place() {
    let tests = test_modules(&LIBRARY);
    let mut faults = Vec::new();
    for (file, source) in LIBRARY.iter() {
        let modules = modules_of(file);
        let is_test = tests.iter().any(|t| modules.starts_with(t));
        faults.extend(reserved::check_library_file(file, source, is_test));
    }
    for folder in ["examples", "tests", "benches", "fuzz"] {
        let mut files = Vec::new();
        rust_files(&root().join(folder), &mut files);
        for path in files {
            let source = std::fs::read_to_string(&path).expect("read a source");
            faults.extend(reserved::check_any_file(&path.to_string_lossy(), &source));
        }
    }
    assert_none(&faults);
}

#[test]
fn the_server_is_implemented_in_its_own_files() {
    let tests = test_modules(&LIBRARY);
    let is_test = |file: &str| tests.iter().any(|t| modules_of(file).starts_with(t));
    let found: Vec<(String, String)> = (LIBRARY.iter().filter(|(file, _)| !is_test(file)))
        .flat_map(|(file, source)| {
            rooms::astray(file, source).into_iter().map(|said| (file.clone(), said))
        })
        .collect();
    assert_known(&known::ASTRAY.iter().map(|f| f.to_string()).collect(), &found);
}

#[test]
fn no_arrow_leads_up() {
    let found: Vec<((String, String), String)> = rooms::upward(&GRAPH)
        .into_iter()
        .map(|(arrow, said)| ((arrow.from, arrow.to), said))
        .collect();
    let known = known::UPWARD.iter().map(|(from, to)| (from.to_string(), to.to_string()));
    assert_known(&known.collect(), &found);
}

#[test]
fn no_circle_has_more_than_two_files() {
    let circles = GRAPH.circles();
    let found: Vec<(Vec<String>, String)> =
        circles.iter().map(|circle| (circle.files.clone(), circle.describe())).collect();
    let known = known::CIRCLES.iter().map(|files| files.iter().map(|f| f.to_string()).collect());
    assert_known(&known.collect(), &found);
}

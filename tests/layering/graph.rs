//! The arrows between the files of a crate, and the circles among them.
//!
//! An arrow leads from a file that names something to the file that defines it: through imports,
//! re-exports and modules on the way. Test code has no arrows.

use crate::paths::{NamePath, definitions, paths};
use crate::tokens::{tokens, without_tests};
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

/// An arrow from one file to another; files by their paths below `src/`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Arrow {
    pub from: String,
    pub line: usize,
    pub to: String,
    /// The files of the modules that the path leads through, for which it could be barred too.
    pub through: Vec<String>,
    /// As it is written.
    pub path: String,
    /// The file needs what it names: not so a re-export that the file itself makes no use of, and
    /// the import of a module, where the paths that begin with its name count.
    pub needed: bool,
}

impl std::fmt::Display for Arrow {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "src/{}:{} → src/{}, by `{}`", self.from, self.line, self.to, self.path)
    }
}

/// A module that is a file, without its tests.
#[derive(Debug)]
struct Module {
    file: String,
    paths: Vec<NamePath>,
    items: HashSet<String>,
    /// Modules within the file, and those of other files.
    modules: HashSet<String>,
    /// What it imports at its top: the name, and the path that the name stands for.
    imports: HashMap<String, Vec<String>>,
    /// Paths whose names it imports all.
    globs: Vec<Vec<String>>,
}

#[derive(Debug, Default)]
pub(crate) struct Graph {
    modules: HashMap<Vec<String>, Module>,
    pub arrows: Vec<Arrow>,
}

/// Where a path leads.
#[derive(Clone, Debug)]
struct Target {
    file: String,
    is_module: bool,
    through: Vec<String>,
}

/// The modules of a file, e.g. `["rtp", "rtcp", "format"]` for `rtp/rtcp/format.rs`.
pub(crate) fn modules_of(file: &str) -> Vec<String> {
    let mut modules: Vec<String> =
        file.trim_end_matches(".rs").split('/').map(str::to_owned).collect();
    if matches!(modules.last().map(String::as_str), Some("mod" | "lib")) {
        modules.pop();
    }
    modules
}

/// The modules that are test code in files of their own, by the sources below `src/`.
pub(crate) fn test_modules(sources: &[(String, String)]) -> Vec<Vec<String>> {
    let tests_of = |(file, source): &(String, String)| {
        let stem = modules_of(file);
        let (_, modules) = without_tests(&tokens(source));
        modules.into_iter().map(move |m| stem.iter().cloned().chain([m]).collect())
    };
    sources.iter().flat_map(tests_of).collect()
}

impl Graph {
    /// From the files below `src/`: their paths there and what is in them.
    pub(crate) fn new(sources: &[(String, String)]) -> Self {
        let tests = test_modules(sources);
        let mut graph = Self::default();
        for (file, source) in sources {
            let path = modules_of(file);
            if !tests.iter().any(|test| path.starts_with(test)) {
                graph.modules.insert(path, Module::new(file, source));
            }
        }
        let mut arrows: Vec<Arrow> =
            graph.modules.iter().flat_map(|(path, module)| graph.arrows_of(path, module)).collect();
        arrows.sort_by(|a, b| (&a.from, a.line, &a.to).cmp(&(&b.from, b.line, &b.to)));
        graph.arrows = arrows;
        graph
    }

    fn arrows_of(&self, place: &[String], module: &Module) -> Vec<Arrow> {
        // Names that the file uses otherwise than by importing them.
        let used: HashSet<&str> = (module.paths.iter())
            .filter(|path| path.import.is_none())
            .filter_map(|path| path.segments.first().map(String::as_str))
            .collect();
        let mut arrows = Vec::new();
        for path in &module.paths {
            let alone = path.segments.len() < 2;
            if path.import.is_none() && alone {
                continue;
            }
            let Some(target) = self.resolve(place, &path.segments, &mut Vec::new()) else {
                continue;
            };
            let needed = match &path.import {
                None => true,
                Some(_) if target.is_module && path.segments.last().is_some_and(|s| s == "*") => {
                    !path.import.as_ref().is_some_and(|import| import.public)
                }
                Some(_) if target.is_module => false,
                Some(import) => !import.public || used.contains(import.name.as_str()),
            };
            let through = target.through.into_iter().filter(|f| *f != module.file).collect();
            let arrow = Arrow {
                from: module.file.clone(),
                line: path.line,
                to: target.file,
                through,
                path: path.segments.join("::"),
                needed,
            };
            if arrow.to != arrow.from || !arrow.through.is_empty() {
                arrows.push(arrow);
            }
        }
        arrows
    }

    /// Where `path` leads from the module `place`; `None` if out of the crate. `seen` are the names
    /// that are being looked up, lest two globs look for one in each other for ever.
    fn resolve(
        &self,
        place: &[String],
        path: &[String],
        seen: &mut Vec<(Vec<String>, String)>,
    ) -> Option<Target> {
        let mut at = place.to_vec();
        let mut through = Vec::new();
        for (i, segment) in path.iter().enumerate() {
            match segment.as_str() {
                "crate" if i == 0 => at.clear(),
                "self" | "*" if i == 0 || i + 1 == path.len() => {}
                "super" => {
                    at.pop()?;
                }
                name => {
                    // Modules named on the way; those above a file are no way through.
                    if i > 0 && !place.starts_with(&at) {
                        through.extend(self.modules.get(&at).map(|m| m.file.clone()));
                    }
                    let below: Vec<String> = at.iter().cloned().chain([name.to_owned()]).collect();
                    if self.modules.contains_key(&below) {
                        at = below;
                        continue;
                    }
                    let mut target = match self.look_up(&at, &path[i..], seen) {
                        Some(target) => target,
                        // The root has no names but those that are looked up, and the names that a
                        // path begins with may be another crate's or a type's.
                        None if i == 0 || at.is_empty() => return None,
                        None => self.module_itself(&at, false)?,
                    };
                    target.through.splice(0..0, through);
                    return Some(target);
                }
            }
        }
        let mut target = self.module_itself(&at, true)?;
        target.through = through;
        Some(target)
    }

    /// Looks the first name of `path` up in the module `at`: what it defines or imports.
    fn look_up(
        &self,
        at: &[String],
        path: &[String],
        seen: &mut Vec<(Vec<String>, String)>,
    ) -> Option<Target> {
        let module = self.modules.get(at)?;
        let (name, rest) = path.split_first()?;
        if module.items.contains(name) || module.modules.contains(name) {
            return self.module_itself(at, false);
        }
        let key = (at.to_vec(), name.clone());
        if seen.contains(&key) {
            return None;
        }
        seen.push(key);
        let found = if let Some(stem) = module.imports.get(name) {
            let whole: Vec<String> = stem.iter().chain(rest).cloned().collect();
            self.resolve(at, &whole, seen)
        } else {
            module.globs.iter().find_map(|glob| {
                let target = self.resolve(at, glob, seen).filter(|target| target.is_module)?;
                let (stem, _) = self.modules.iter().find(|(_, m)| m.file == target.file)?;
                if stem.is_empty() { None } else { self.look_up(stem, path, seen) }
            })
        };
        seen.pop();
        found
    }

    fn module_itself(&self, at: &[String], is_module: bool) -> Option<Target> {
        let file = self.modules.get(at)?.file.clone();
        Some(Target { file, is_module, through: Vec::new() })
    }

    /// The sets of more than two files each of which leads to each other, with the arrows inside.
    pub(crate) fn circles(&self) -> Vec<Circle> {
        let mut next: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
        for arrow in self.arrows.iter().filter(|arrow| arrow.needed && arrow.to != arrow.from) {
            next.entry(&arrow.from).or_default().insert(&arrow.to);
        }
        let reach: BTreeMap<&str, BTreeSet<&str>> =
            next.keys().map(|from| (*from, reachable(&next, from))).collect();
        let mut circles: Vec<Circle> = Vec::new();
        for (file, ahead) in &reach {
            let known = circles.iter().any(|circle| circle.files.iter().any(|f| f == file));
            let back = |other: &&&str| reach.get(**other).is_some_and(|r| r.contains(file));
            let files: Vec<String> = ahead.iter().filter(back).map(|f| f.to_string()).collect();
            if files.len() > 2 && !known {
                let inside = |arrow: &&Arrow| {
                    arrow.needed && files.contains(&arrow.from) && files.contains(&arrow.to)
                };
                let arrows = self.arrows.iter().filter(inside).cloned().collect();
                circles.push(Circle { files, arrows });
            }
        }
        circles
    }
}

/// All that can be reached from `from` in one step or more.
fn reachable<'a>(next: &BTreeMap<&'a str, BTreeSet<&'a str>>, from: &str) -> BTreeSet<&'a str> {
    let mut found = BTreeSet::new();
    let mut open = vec![from];
    while let Some(file) = open.pop() {
        for to in next.get(file).into_iter().flatten() {
            if found.insert(*to) {
                open.push(to);
            }
        }
    }
    found
}

#[derive(Clone, Debug)]
pub(crate) struct Circle {
    pub files: Vec<String>,
    pub arrows: Vec<Arrow>,
}

impl Circle {
    /// One arrow for each pair of files.
    pub(crate) fn describe(&self) -> String {
        let mut said = BTreeSet::new();
        let mut text = format!("a circle of {} files:", self.files.len());
        for arrow in &self.arrows {
            if arrow.to != arrow.from && said.insert((&arrow.from, &arrow.to)) {
                text.push_str(&format!("\n    {arrow}"));
            }
        }
        text
    }
}

impl Module {
    fn new(file: &str, source: &str) -> Self {
        let (tokens, _) = without_tests(&tokens(source));
        let definitions = definitions(&tokens);
        let paths = paths(&tokens);
        let mut imports = HashMap::new();
        let mut globs = Vec::new();
        for path in &paths {
            match &path.import {
                Some(import) if import.at_top && import.name == "*" => {
                    globs.push(path.segments.clone());
                }
                Some(import) if import.at_top => {
                    imports.insert(import.name.clone(), path.segments.clone());
                }
                _ => {}
            }
        }
        Self {
            file: file.to_owned(),
            paths,
            items: definitions.items.into_iter().collect(),
            modules: definitions.modules.into_iter().collect(),
            imports,
            globs,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn circles(files: &[(&str, &str)]) -> Vec<Vec<String>> {
        let owned = |(file, source): &(&str, &str)| (file.to_string(), source.to_string());
        let graph = Graph::new(&files.iter().map(owned).collect::<Vec<_>>());
        graph.circles().into_iter().map(|circle| circle.files).collect()
    }

    #[test]
    fn two_files_may_lead_to_each_other_and_three_may_not() {
        let two = [
            ("lib.rs", "mod a; mod b; mod c;"),
            ("a.rs", "use crate::b::B; pub struct A;"),
            ("b.rs", "pub struct B(crate::a::A);"),
        ];
        assert_eq!(circles(&[&two[..], &[("c.rs", "use crate::a::A;")]].concat()).len(), 0);
        let two = [two[0], two[1], ("b.rs", "pub struct B(crate::c::C);")];
        let three = [&two[..], &[("c.rs", "fn f() { super::a::A::new() } pub struct C;")]].concat();
        assert_eq!(circles(&three), [["a.rs", "b.rs", "c.rs"]]);
        // A fourth that only leads in is no part of it.
        let four = [&three[..], &[("d.rs", "use crate::a::A;")]].concat();
        assert_eq!(circles(&four), [["a.rs", "b.rs", "c.rs"]]);
        let tests = "#[cfg(test)] mod t { use crate::a::A; } pub struct C;";
        assert_eq!(circles(&[&two[..], &[("c.rs", tests)]].concat()).len(), 0);
    }

    #[test]
    fn a_circle_goes_through_re_exports() {
        let files = [
            ("lib.rs", ""),
            (
                "p/mod.rs",
                "mod a; mod b; mod c; pub use a::A; pub(crate) use b::{B as Bee}; use c::*;",
            ),
            ("p/a.rs", "use super::Bee; pub struct A;"),
            ("p/b.rs", "use super::C; pub struct B;"),
            ("p/c.rs", "fn f(a: super::A) {} pub struct C;"),
        ];
        assert_eq!(circles(&files), [["p/a.rs", "p/b.rs", "p/c.rs"]]);
    }

    #[test]
    fn a_re_export_alone_makes_no_circle() {
        let children = [
            ("lib.rs", ""),
            ("p/a.rs", "use super::Id; pub struct A;"),
            ("p/b.rs", "use super::Id; pub struct B;"),
        ];
        let with = |source| circles(&[&children[..], &[("p/mod.rs", source)]].concat());
        let front = "mod a; mod b; pub use a::A; pub use b::B; pub struct Id;";
        assert_eq!(with(front).len(), 0);
        // Once the file uses both itself it needs them, as they need it.
        let whole = format!("{front} pub struct Whole {{ a: A, b: B }}");
        assert_eq!(with(&whole), [["p/a.rs", "p/b.rs", "p/mod.rs"]]);
        let import = "mod a; mod b; use a::A; use b::B; pub struct Id;";
        assert_eq!(with(import).len(), 1);
        // The import of a module is not the use of what is in it.
        let modules = "mod a; mod b; use self::a; use self::b; pub struct Id;";
        assert_eq!(with(modules).len(), 0);
        assert_eq!(
            with("mod a; mod b; pub struct Id; fn f() { a::A::new(); b::B::new() }").len(),
            1
        );
    }

    #[test]
    fn names_that_lead_nowhere_end() {
        let files = [
            ("lib.rs", "pub use a::X; pub use b::X as Y;"),
            ("a.rs", "pub use crate::b::*; use crate::Y; fn f() { Gone::new(); std::mem::swap() }"),
            ("b.rs", "pub use crate::a::*; use crate::a::Gone; use super::super::Far;"),
        ];
        assert_eq!(circles(&files).len(), 0);
    }

    #[test]
    fn a_circle_is_described_by_its_arrows() {
        let files = [
            ("lib.rs", ""),
            ("a.rs", "use crate::b::B;\nuse crate::b::Other;\npub struct A;"),
            ("b.rs", "use crate::c::C;"),
            ("c.rs", "\nuse crate::a::A;"),
        ];
        let owned = files.map(|(file, source)| (file.to_owned(), source.to_owned()));
        let said = Graph::new(&owned).circles()[0].describe();
        let lines: Vec<&str> = said.lines().map(str::trim).collect();
        assert_eq!(
            lines,
            [
                "a circle of 3 files:",
                "src/a.rs:1 → src/b.rs, by `crate::b::B`",
                "src/b.rs:1 → src/c.rs, by `crate::c::C`",
                "src/c.rs:2 → src/a.rs, by `crate::a::A`",
            ]
        );
    }
}

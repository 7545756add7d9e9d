//! Reads the tables of a TOML file key by key. Everything that is wrong is gathered, with its line;
//! what is never asked for is unknown.

use super::{Fault, Faults};
use std::collections::BTreeSet;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// A value of the file.
pub(crate) type Value<'a> = DeValue<'a>;

/// A file that is being read.
#[derive(Debug)]
pub(crate) struct Reader<'a> {
    text: &'a str,
    faults: Vec<Fault>,
    /// All keys that were asked for, with their sections: `limits.sessions`.
    asked: BTreeSet<String>,
}

/// A section that is being read: a table of the file, or what its defaults are read from.
#[derive(Debug)]
pub(crate) struct Section<'a> {
    /// As the sample file calls it.
    path: String,
    /// As the file calls it.
    shown: String,
    table: Option<&'a DeTable<'a>>,
    /// Where it begins.
    line: usize,
    asked: Vec<&'static str>,
}

impl<'a> Reader<'a> {
    pub(crate) const fn new(text: &'a str) -> Self {
        Self { text, faults: Vec::new(), asked: BTreeSet::new() }
    }

    /// The number of the line with a byte of the text.
    pub(crate) fn line(&self, at: usize) -> usize {
        let before = self.text.as_bytes().get(..at).unwrap_or(self.text.as_bytes());
        before.iter().filter(|byte| **byte == b'\n').count() + 1
    }

    pub(crate) fn fault(&mut self, line: usize, what: impl Into<String>) {
        self.faults.push(Fault { line, what: what.into() });
    }

    /// Returns all keys that were asked for, or the faults in the order of their lines.
    pub(crate) fn end(mut self) -> Result<BTreeSet<String>, Faults> {
        self.faults.sort_by_key(|fault| fault.line);
        if self.faults.is_empty() { Ok(self.asked) } else { Err(Faults(self.faults)) }
    }

    fn span_line<T>(&self, value: &Spanned<T>) -> usize {
        self.line(value.span().start)
    }

    /// The whole file.
    pub(crate) fn root(&self, table: &'a Spanned<DeTable<'a>>) -> Section<'a> {
        let (path, shown) = (String::new(), String::new());
        Section { path, shown, table: Some(table.get_ref()), line: 1, asked: Vec::new() }
    }
}

impl<'a> Section<'a> {
    /// The section's own line, for what is wrong with all of it.
    pub(crate) const fn line(&self) -> usize {
        self.line
    }

    /// A key as messages call it.
    pub(crate) fn full(&self, key: &str) -> String {
        joined(&self.shown, key)
    }

    fn ask(&mut self, key: &'static str) -> Option<&'a Spanned<DeValue<'a>>> {
        self.asked.push(key);
        self.table.and_then(|table| table.get(key))
    }

    /// The line of a key, or of the section if it does not have the key.
    pub(crate) fn line_of(&self, reader: &Reader<'a>, key: &str) -> usize {
        let mut keys = self.table.into_iter().flat_map(|table| table.keys());
        let found = keys.find(|known| known.get_ref() == key);
        found.map_or(self.line, |key| reader.span_line(key))
    }

    /// The lines of the items of an array.
    pub(crate) fn lines_of_items(&self, reader: &Reader<'a>, key: &str) -> Vec<usize> {
        let array = self.table.and_then(|table| table.get(key)?.get_ref().as_array());
        array
            .into_iter()
            .flat_map(|array| array.iter())
            .map(|item| reader.span_line(item))
            .collect()
    }

    /// The value of a key; the default where it is not there or wrong.
    pub(crate) fn value<T>(
        &mut self,
        reader: &mut Reader<'a>,
        key: &'static str,
        default: T,
        read: impl FnOnce(&Value<'a>) -> Result<T, String>,
    ) -> T {
        reader.asked.insert(joined(&self.path, key));
        let Some(value) = self.ask(key) else { return default };
        match read(value.get_ref()) {
            Ok(value) => value,
            Err(why) => {
                let line = reader.span_line(value);
                reader.fault(line, format!("{}: {why}", self.full(key)));
                default
            }
        }
    }

    /// A section in this one.
    pub(crate) fn section(&mut self, reader: &mut Reader<'a>, key: &'static str) -> Self {
        let (path, shown) = (joined(&self.path, key), self.full(key));
        let table = match self.ask(key) {
            None => None,
            Some(value) => match value.get_ref() {
                DeValue::Table(table) => Some(table),
                _ => {
                    let line = reader.span_line(value);
                    reader.fault(line, format!("{shown}: is a section, [{shown}]"));
                    None
                }
            },
        };
        let line = self.line_of(reader, key);
        Section { path, shown, table, line, asked: Vec::new() }
    }

    /// The sections of an array, `[[key]]`.
    pub(crate) fn sections(&mut self, reader: &mut Reader<'a>, key: &'static str) -> Vec<Self> {
        let (path, shown) = (joined(&self.path, key), self.full(key));
        let Some(value) = self.ask(key) else { return Vec::new() };
        let array = value.get_ref().as_array().into_iter().flat_map(|array| array.iter());
        let mut sections = Vec::new();
        let is_array = value.get_ref().is_array();
        let mut all_tables = is_array;
        for item in array {
            let line = reader.span_line(item);
            match item.get_ref() {
                DeValue::Table(table) => {
                    let (path, shown) = (path.clone(), shown.clone());
                    sections.push(Section {
                        path,
                        shown,
                        table: Some(table),
                        line,
                        asked: Vec::new(),
                    });
                }
                _ => all_tables = false,
            }
        }
        if !all_tables {
            let line = reader.span_line(value);
            reader.fault(line, format!("{shown}: each is a section of its own, [[{shown}]]"));
        }
        sections
    }

    /// The sections in this one, whatever they are called, with their names.
    pub(crate) fn named(self, reader: &mut Reader<'a>) -> Vec<(String, Self)> {
        let mut sections = Vec::new();
        for (name, value) in self.table.into_iter().flat_map(|table| table.iter()) {
            let line = reader.span_line(name);
            match value.get_ref() {
                DeValue::Table(table) => {
                    let path = joined(&self.path, "NAME");
                    let shown = self.full(name.get_ref());
                    let section =
                        Section { path, shown, table: Some(table), line, asked: Vec::new() };
                    sections.push((name.get_ref().to_string(), section));
                }
                _ => {
                    let why = "is a section of its own";
                    reader.fault(line, format!("{}: {why}", self.full(name.get_ref())));
                }
            }
        }
        sections
    }

    /// Each key that nobody has asked for is unknown.
    pub(crate) fn end(self, reader: &mut Reader<'a>) {
        for key in self.table.into_iter().flat_map(|table| table.keys()) {
            if !self.asked.contains(&&**key.get_ref()) {
                let line = reader.span_line(key);
                reader.fault(line, format!("{}: unknown key", self.full(key.get_ref())));
            }
        }
    }
}

fn joined(section: &str, key: &str) -> String {
    if section.is_empty() { key.to_owned() } else { format!("{section}.{key}") }
}

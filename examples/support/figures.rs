//! Figures of a measurement, for people and for programs.

use std::collections::BTreeMap;
use std::fmt::{Display, Write};

/// Names and values, in order.
#[derive(Debug, Default)]
pub(crate) struct Figures(Vec<(&'static str, String)>);

impl Figures {
    /// Adds a number.
    pub(crate) fn add(&mut self, name: &'static str, value: impl Display) {
        self.0.push((name, value.to_string()));
    }

    /// Adds a number with so many digits behind the point; one that is none is not known.
    pub(crate) fn add_rounded(&mut self, name: &'static str, value: f64, digits: usize) {
        let text = value.is_finite().then(|| format!("{value:.digits$}"));
        self.0.push((name, text.unwrap_or_else(|| "null".to_owned())));
    }

    /// Adds the percentiles of times in seconds, in milliseconds.
    pub(crate) fn add_times(&mut self, names: &[(&'static str, f64)], mut times: Vec<f64>) {
        times.sort_by(f64::total_cmp);
        for (name, share) in names {
            let at = (times.len().saturating_sub(1) as f64 * share).round() as usize;
            self.add_rounded(name, times.get(at).map_or(f64::NAN, |time| time * 1e3), 2);
        }
    }

    /// Adds how often each thing happened.
    pub(crate) fn add_counts(&mut self, name: &'static str, counts: &BTreeMap<String, u64>) {
        let counts = counts.iter().map(|(what, count)| format!("{}: {count}", quoted(what)));
        self.0.push((name, format!("{{{}}}", counts.collect::<Vec<_>>().join(", "))));
    }

    /// One JSON object.
    pub(crate) fn json(&self) -> String {
        let fields = self.0.iter().map(|(name, value)| format!("\"{name}\": {value}"));
        format!("{{{}}}", fields.collect::<Vec<_>>().join(", "))
    }

    /// A line for each.
    pub(crate) fn text(&self) -> String {
        let lines = self.0.iter().map(|(name, value)| format!("{name:>26}  {value}"));
        lines.collect::<Vec<_>>().join("\n")
    }
}

/// A JSON string.
fn quoted(text: &str) -> String {
    let mut quoted = String::from('"');
    for c in text.chars() {
        let _ = match c {
            '"' | '\\' => write!(quoted, "\\{c}"),
            c if c.is_control() => write!(quoted, "\\u{:04x}", u32::from(c)),
            c => write!(quoted, "{c}"),
        };
    }
    quoted + "\""
}

//! [`Oddities`]: what was wrong with a text that could be read nevertheless.

use std::fmt;

/// Most oddities that are kept.
const MAX_ODDITIES: usize = 32;
/// Longest oddity, in characters.
const MAX_CHARS: usize = 160;

/// What was wrong with a peer's text that could be read nevertheless, one line each, in the order
/// in which it was found.
///
/// A client fails on as little as it can, and tells its user what it passed over. The list is
/// bounded: [`omitted`](Self::omitted) counts the oddities that are not in it.
///
/// ```
/// use riverrun::wire::Oddities;
/// use riverrun::wire::sdp::{SdpLimits, SessionDescription};
/// let mut odd = Oddities::new();
/// let text = b"s=Camera\nm=video zero RTP/AVP 96\na=rtpmap:96 H264/90000";
/// let sdp = SessionDescription::read(text, &SdpLimits::default(), &mut odd);
/// assert_eq!(sdp.media[0].rtpmap(96).unwrap().encoding_name, "H264");
/// assert!(odd.iter().any(|line| line.contains("zero")));
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Oddities {
    lines: Vec<String>,
    omitted: usize,
}

impl Oddities {
    /// Creates an empty list.
    pub const fn new() -> Self {
        Self { lines: Vec::new(), omitted: 0 }
    }

    /// Adds an oddity, unless it is in the list. It is shortened to 160 characters, and its control
    /// characters are escaped: it may repeat what a peer has sent.
    pub fn note(&mut self, oddity: impl fmt::Display) {
        if self.lines.len() >= MAX_ODDITIES {
            self.omitted = self.omitted.saturating_add(1);
            return;
        }
        let mut line = Line(String::new(), 0);
        // The line refuses what is too long, which ends the writing.
        let _ = fmt::write(&mut line, format_args!("{oddity}"));
        if !self.lines.contains(&line.0) {
            self.lines.push(line.0);
        }
    }

    /// Iterates over the oddities.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &str> {
        self.lines.iter().map(String::as_str)
    }

    /// Number of oddities that were found when the list was full.
    pub const fn omitted(&self) -> usize {
        self.omitted
    }

    /// Returns whether nothing odd was found.
    pub fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }
}

/// A line, and the number of its characters.
struct Line(String, usize);

impl fmt::Write for Line {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for c in text.chars() {
            if self.1 >= MAX_CHARS {
                return Err(fmt::Error);
            }
            self.1 += 1;
            if c.is_control() {
                self.0.extend(c.escape_default());
            } else {
                self.0.push(c);
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_is_bounded_and_each_oddity_is_one_short_line() {
        let mut odd = Oddities::new();
        odd.note(format_args!("a{}", "\r\n".repeat(1000)));
        odd.note("b");
        odd.note("b");
        let lines: Vec<_> = odd.iter().map(str::to_owned).collect();
        assert_eq!(lines.len(), 2);
        assert!(lines[0].starts_with("a\\r\\n") && lines[0].len() < 4 * MAX_CHARS);
        for n in 0..100 {
            odd.note(n);
        }
        assert_eq!((odd.iter().len(), odd.omitted()), (MAX_ODDITIES, 70));
        assert!(!odd.is_empty() && Oddities::new().is_empty());
    }
}

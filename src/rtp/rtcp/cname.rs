//! [`Cname`]: a canonical name (RFC 3550 section 6.5.1) without allocation, because every receiver
//! sends its own with each report.

use std::fmt;
use std::ops::Deref;

/// Bytes of the longest text of an SDES item.
const MAX_LEN: usize = 255;

/// The canonical name of a participant: at most 255 bytes of text, stored without allocation.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Cname {
    bytes: [u8; MAX_LEN],
    len: u8,
}

impl Cname {
    /// Creates a name. Bytes that are not UTF-8 are replaced by U+FFFD, and the result is truncated
    /// to at most 255 bytes.
    pub fn new(text: &[u8]) -> Self {
        let mut name = Self { bytes: [0; MAX_LEN], len: 0 };
        for chunk in text.utf8_chunks() {
            let replacement = if chunk.invalid().is_empty() { "" } else { "\u{fffd}" };
            for character in chunk.valid().chars().chain(replacement.chars()) {
                if !name.push(character) {
                    return name;
                }
            }
        }
        name
    }

    fn push(&mut self, character: char) -> bool {
        let room = self.bytes.get_mut(usize::from(self.len)..).unwrap_or_default();
        let Some(place) = room.get_mut(..character.len_utf8()) else { return false };
        // As many as the array has at the most, so they fit in a byte.
        self.len = self.len.saturating_add(character.encode_utf8(place).len() as u8);
        true
    }
}

impl Deref for Cname {
    type Target = str;

    fn deref(&self) -> &str {
        let bytes = self.bytes.get(..usize::from(self.len)).unwrap_or_default();
        std::str::from_utf8(bytes).unwrap_or_default()
    }
}

impl fmt::Debug for Cname {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_what_a_string_would_be_up_to_its_length() {
        for text in [&b""[..], b"a@b", "\u{fc}@\u{20ac}".as_bytes(), b"a\xff\xfe@\xc3", &[0x80; 9]]
        {
            assert_eq!(&*Cname::new(text), String::from_utf8_lossy(text));
        }
        assert_eq!(&*Cname::new(&[b'x'; 255]), "x".repeat(255));
        assert_eq!(Cname::new(&[0x80; 255]).len(), 255);
        assert_eq!(Cname::new(&[&[b'x'; 254][..], &[0x80]].concat()).len(), 254);
        assert_eq!(format!("{:?}", Cname::new(b"a\"")), "\"a\\\"\"");
    }
}

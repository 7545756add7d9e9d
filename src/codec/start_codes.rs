//! Start codes: `00 00 01`, and in MPEG-1, MPEG-2 and MPEG-4 video a byte that tells what follows.

use memchr::memmem::Finder;
use std::sync::LazyLock;

/// Returns the offset of the first `00 00 01` at or after `from`.
pub(crate) fn find_start_code(data: &[u8], from: usize) -> Option<usize> {
    static FINDER: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new(&[0, 0, 1]));
    FINDER.find(data.get(from..)?).map(|at| from + at)
}

/// Iterates over the start codes of `data`: the offset of the first zero, and the byte behind the one.
pub fn start_codes(data: &[u8]) -> StartCodes<'_> {
    StartCodes { data, from: 0 }
}

/// An iterator over start codes; see [`start_codes`].
#[derive(Clone, Debug)]
pub struct StartCodes<'a> {
    data: &'a [u8],
    from: usize,
}

impl Iterator for StartCodes<'_> {
    type Item = (usize, u8);

    fn next(&mut self) -> Option<(usize, u8)> {
        let at = find_start_code(self.data, self.from)?;
        // The code of a picture is a zero, with which no other code begins.
        self.from = at + 4;
        self.data.get(at + 3).map(|code| (at, *code))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_found_where_they_are() {
        let data = [9, 0, 0, 0, 1, 0xb3, 0, 0, 1, 0, 0, 1, 5, 0, 0, 1];
        assert_eq!(start_codes(&data).collect::<Vec<_>>(), [(2, 0xb3), (6, 0)]);
        assert_eq!(find_start_code(&data, 10), Some(13));
        assert_eq!(find_start_code(&data, 99), None);
    }
}

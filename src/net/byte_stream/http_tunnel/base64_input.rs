//! [`Base64Input`]: decodes base64 (RFC 4648 section 4) as it arrives, in pieces of any length.

/// A decoder of base64 in which white space may stand anywhere, and in which what was encoded
/// piece by piece follows each other: behind the padding of one piece the next begins.
#[derive(Debug, Default)]
pub(crate) struct Base64Input {
    /// Bits that are not part of a whole byte yet.
    bits: u32,
    /// Characters of the group of four.
    characters: u8,
}

impl Base64Input {
    /// Decodes `text`, and returns the number of bytes that are in `out`, which must be as long as
    /// `text`. `None`: it has a character that is not base64.
    pub(crate) fn decode(&mut self, text: &[u8], out: &mut [u8]) -> Option<usize> {
        let mut n = 0;
        for &c in text {
            let sextet = match c {
                b'A'..=b'Z' => c - b'A',
                b'a'..=b'z' => c - b'a' + 26,
                b'0'..=b'9' => c - b'0' + 52,
                b'+' => 62,
                b'/' => 63,
                b'\r' | b'\n' | b' ' | b'\t' => continue,
                // One sextet is no byte: half of it is missing.
                b'=' if self.characters != 1 => {
                    *self = Self::default();
                    continue;
                }
                _ => return None,
            };
            self.bits = self.bits << 6 | u32::from(sextet);
            // From the second character on each completes a byte.
            let left = match self.characters {
                0 => None,
                1 => Some(4),
                2 => Some(2),
                _ => Some(0),
            };
            if let Some(left) = left {
                *out.get_mut(n)? = (self.bits >> left & 0xff) as u8;
                n += 1;
            }
            self.characters = (self.characters + 1) % 4;
        }
        Some(n)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;

    fn decoded(pieces: &[&[u8]]) -> Option<Vec<u8>> {
        let mut input = Base64Input::default();
        let mut all = Vec::new();
        for piece in pieces {
            let mut out = vec![0; piece.len()];
            let n = input.decode(piece, &mut out)?;
            all.extend_from_slice(&out[..n]);
        }
        Some(all)
    }

    #[test]
    fn pieces_are_cut_anywhere_and_lines_end_anywhere() {
        let plain: Vec<u8> = (0..=255).collect();
        for len in 0..20 {
            let messages = [&plain[..len], &plain[len..2 * len], &plain[251..]];
            let mut text = messages.map(|message| STANDARD.encode(message)).join("");
            for at in (0..text.len()).rev().step_by(5) {
                text.insert_str(at, "\r\n");
            }
            let expected = messages.concat();
            for cut in 0..=text.len() {
                let (a, b) = text.as_bytes().split_at(cut);
                assert_eq!(decoded(&[a, b]).as_ref(), Some(&expected), "{text:?} at {cut}");
            }
            let single: Vec<_> = text.as_bytes().chunks(1).collect();
            assert_eq!(decoded(&single), Some(expected));
        }
    }

    #[test]
    fn what_is_not_base64_is_told() {
        for wrong in ["AAA!", "OPTIONS * RTSP/1.0", "A===", "AAAAA=", "\0", "-_"] {
            assert_eq!(decoded(&[wrong.as_bytes()]), None, "{wrong}");
        }
        assert_eq!(decoded(&[b"QUJD====QQ==Qg=="]), Some(b"ABCAB".to_vec()));
    }
}

//! Session ids as clients see them (RFC 2326 section 3.4: at least eight octets, hard to guess).

/// A function that fills a buffer with random bytes.
pub type Random<'a> = dyn FnMut(&mut [u8]) + 'a;

/// Letters, digits and `-_.+`. RFC 2326 allows `$` too, but some clients end the id there.
const ALPHABET: &[u8; 66] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.+";

/// 22 of 66 characters are 132 bits: the shortest length with at least 128.
const LENGTH: usize = 22;

/// Enough for any working generator: each refill yields too few characters with a probability below
/// one half.
const MAX_REFILLS: usize = 128;

/// Draws an id of at least 128 bits; `None` if `random` only repeats itself.
pub fn draw_session_id(random: &mut Random<'_>) -> Option<String> {
    let limit = u8::MAX - u8::MAX % ALPHABET.len() as u8;
    let mut id = String::with_capacity(LENGTH);
    for _ in 0..MAX_REFILLS {
        let mut bytes = [0; 2 * LENGTH];
        random(&mut bytes);
        // A plain remainder would favour the first characters, so bytes beyond the last whole
        // multiple of the alphabet are thrown away.
        let characters = bytes
            .into_iter()
            .filter(|byte| *byte < limit)
            .filter_map(|byte| ALPHABET.get(usize::from(byte) % ALPHABET.len()));
        for character in characters {
            id.push(char::from(*character));
            if id.len() == LENGTH {
                return Some(id);
            }
        }
    }
    None
}

/// Returns whether an id is valid in a `Session` header.
pub(crate) fn is_valid(id: &str) -> bool {
    !id.is_empty()
        && id
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.' | b'+' | b'$'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn characters_are_equally_likely() {
        let mut state = 1_u64;
        let mut random = |buf: &mut [u8]| {
            for byte in buf {
                state ^= state << 13;
                state ^= state >> 7;
                state ^= state << 17;
                *byte = (state >> 32) as u8;
            }
        };
        let mut seen = [0_u32; 128];
        for _ in 0..60_000 {
            let id = draw_session_id(&mut random).unwrap();
            assert_eq!(id.len(), LENGTH);
            assert!(is_valid(&id) && !id.contains('$'));
            id.bytes().for_each(|b| seen[usize::from(b)] += 1);
        }
        let counts: Vec<u32> = ALPHABET.iter().map(|c| seen[usize::from(*c)]).collect();
        let (least, most) = (counts.iter().min().unwrap(), counts.iter().max().unwrap());
        assert!(f64::from(*most) < 1.1 * f64::from(*least), "{least} to {most} times");
    }

    #[test]
    fn holds_128_bits() {
        assert!((ALPHABET.len() as f64).log2() * LENGTH as f64 >= 128.0);
        let mut characters = ALPHABET.to_vec();
        characters.sort_unstable();
        characters.dedup();
        assert_eq!(characters.len(), 66);
    }

    #[test]
    fn broken_generator_ends_the_search() {
        assert_eq!(draw_session_id(&mut |buf| buf.fill(0xff)), None);
    }
}

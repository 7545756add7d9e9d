//! KLV metadata: items of key, length and value (SMPTE ST 336).

/// Beginning of a universal label (SMPTE ST 298), with which the key of an item begins.
const LABEL: [u8; 4] = [0x06, 0x0e, 0x2b, 0x34];
/// Length of a key.
const KEY_LEN: usize = 16;

/// Returns whether bytes begin with the key of an item.
pub fn begins_item(data: &[u8]) -> bool {
    data.starts_with(&LABEL)
}

/// Returns whether bytes are one or more whole items.
pub fn is_unit(data: &[u8]) -> bool {
    let mut rest = data;
    while let Some(next) = after_item(rest) {
        rest = next;
    }
    rest.is_empty() && !data.is_empty()
}

/// The bytes behind the first item.
fn after_item(data: &[u8]) -> Option<&[u8]> {
    let rest = data.get(KEY_LEN..).filter(|_| begins_item(data))?;
    let (&first, rest) = rest.split_first()?;
    // A length of up to 127 stands in the byte itself, a longer one in as many bytes as the lower
    // bits count (BER, ISO/IEC 8825-1 section 8.1.3).
    let (len, rest) = if first < 0x80 {
        (usize::from(first), rest)
    } else {
        let (bytes, rest) = rest.split_at_checked(usize::from(first & 0x7f))?;
        let len = bytes
            .iter()
            .try_fold(0_usize, |len, byte| len.checked_mul(256)?.checked_add(usize::from(*byte)))?;
        (len, rest)
    };
    rest.get(len..)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An item with the key of a UAS Datalink local set (MISB ST 0601) and `len` bytes, its length
    /// written as `length`.
    fn item(length: &[u8], len: usize) -> Vec<u8> {
        let mut item = vec![0x06, 0x0e, 0x2b, 0x34, 2, 0x0b, 1, 1, 0x0e, 1, 3, 1, 1, 0, 0, 0];
        item.extend_from_slice(length);
        item.resize(item.len() + len, 7);
        item
    }

    #[test]
    fn whole_items_are_a_unit() {
        for one in [
            item(&[0], 0),
            item(&[127], 127),
            item(&[0x81, 200], 200),
            item(&[0x82, 1, 0x2c], 300),
            item(&[0x84, 0, 0, 0, 9], 9),
        ] {
            assert!(is_unit(&one));
            assert!(is_unit(&[&one[..], &item(&[3], 3)].concat()));
            assert!(!is_unit(&one[..one.len() - 1]));
            assert!(!is_unit(&one[1..]));
            assert!(!is_unit(&[&one[..], &[0]].concat()));
        }
        assert!(!is_unit(&[]));
        // The longest length that can be written.
        assert!(!is_unit(&item(&[[0xff].as_slice(), &[0xff; 127]].concat(), 9)));
        assert!(begins_item(&item(&[1], 0)) && !begins_item(b"\x06\x0e\x2b"));
    }
}

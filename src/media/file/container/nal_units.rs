//! NAL units of a block, with a length in front of each (ISO/IEC 14496-15), or with start codes, as
//! browsers record them.

use bytes::{BufMut, Bytes, BytesMut};

/// Brings the NAL units of a picture behind the first `room` bytes of `data` into Annex B form,
/// if they are not in it already. Also tells whether all was sound; `None` if nothing was.
pub(crate) fn annexb_in_place(
    mut data: BytesMut,
    room: usize,
    length_size: usize,
) -> Option<(Bytes, bool)> {
    if is_annexb(data.get(room..)?, length_size) {
        return Some((data.freeze(), true));
    }
    if length_size != 4 {
        // Rare, so it may cost a copy.
        let mut out = BytesMut::with_capacity(data.len() + 64);
        out.put_slice(data.get(..room)?);
        let mut rest = data.get(room..)?;
        while let Some((unit, after)) = split_unit(rest, length_size) {
            out.put_slice(&[0, 0, 0, 1]);
            out.put_slice(unit);
            rest = after;
        }
        return (out.len() > room).then(|| (out.freeze(), rest.is_empty()));
    }
    let mut at = room;
    while let Some((unit, _)) = split_unit(data.get(at..)?, 4) {
        let next = at + 4 + unit.len();
        for (to, from) in data.get_mut(at..)?.iter_mut().zip([0, 0, 0, 1]) {
            *to = from;
        }
        at = next;
    }
    let intact = at == data.len();
    data.truncate(at);
    (at > room).then(|| (data.freeze(), intact))
}

/// The first NAL unit, and what follows it.
fn split_unit(data: &[u8], length_size: usize) -> Option<(&[u8], &[u8])> {
    let (length, rest) = data.split_at_checked(length_size)?;
    let length = length.iter().fold(0_usize, |n, &byte| (n << 8) | usize::from(byte));
    if length_size == 0 { None } else { rest.split_at_checked(length) }
}

/// Whether NAL units begin with start codes: `data` looks like it and makes no sense otherwise
/// (a start code of three bytes and a NAL unit header can also be a length).
fn is_annexb(data: &[u8], length_size: usize) -> bool {
    if !(data.starts_with(&[0, 0, 1]) || data.starts_with(&[0, 0, 0, 1])) {
        return false;
    }
    let mut rest = data;
    while let Some((unit, after)) = split_unit(rest, length_size) {
        if unit.is_empty() {
            return true;
        }
        rest = after;
    }
    !rest.is_empty()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn turned(data: &[u8], length_size: usize) -> Option<(Vec<u8>, bool)> {
        let (out, intact) = annexb_in_place(BytesMut::from(data), 0, length_size)?;
        Some((out.to_vec(), intact))
    }

    #[test]
    fn start_codes_are_told_from_lengths() {
        let annexb = [0, 0, 0, 1, 9, 0xf0, 0, 0, 1, 0x65, 0x88, 0x80];
        for size in 1..=4 {
            assert_eq!(turned(&annexb, size), Some((annexb.to_vec(), true)), "{size}");
            assert_eq!(turned(&annexb[6..], size), Some((annexb[6..].to_vec(), true)), "{size}");
        }
        // A length of 0x141, which looks like a start code and the header of a slice.
        let mut unit = vec![0, 0, 1, 0x41];
        unit.extend([0x41; 0x141]);
        let mut expected = unit.clone();
        expected[..4].copy_from_slice(&[0, 0, 0, 1]);
        assert_eq!(turned(&unit, 4), Some((expected.clone(), true)));
        unit.pop();
        assert_eq!(turned(&unit, 4), Some((unit.clone(), true)), "cut off, it is none");
        // A length of one.
        let end_of_sequence = [0, 0, 0, 1, 10];
        assert_eq!(turned(&end_of_sequence, 4), Some((end_of_sequence.to_vec(), true)));
        assert_eq!(turned(&[0, 2, 0x41, 5, 0, 1, 10], 2).unwrap().0.len(), 11);
    }
}

//! Finds the packet boundaries of a transport stream (ISO/IEC 13818-1 section 2.4.3.2).

use super::packet::{M2TS_STRIDE, PACKET_LEN, SYNC};

/// Number of consecutive packets that confirm the boundaries.
const CONFIRMATIONS: usize = 4;

/// Returns the offset of the first packet in `bytes` and the distance between packets. With `ended`
/// nothing follows, so fewer packets suffice. `Err`: the bytes before this offset contain no
/// packet, and more bytes are needed.
pub(crate) fn find_sync(
    bytes: &[u8],
    strides: &[usize],
    ended: bool,
) -> Result<(usize, usize), usize> {
    let mut from = 0;
    while let Some(i) = bytes.get(from..).and_then(|rest| memchr::memchr(SYNC, rest)) {
        let at = from + i;
        let mut undecided = false;
        for &stride in strides {
            match run(bytes, at, stride, ended) {
                Run::Packets if stride != M2TS_STRIDE => return Ok((at, stride)),
                // The time stamps in front of the packets may look like sync bytes as well.
                Run::Packets => match run(bytes, at + M2TS_STRIDE - PACKET_LEN, stride, ended) {
                    Run::Packets => return Ok((at + M2TS_STRIDE - PACKET_LEN, stride)),
                    Run::No => return Ok((at, stride)),
                    Run::NeedMore => undecided = true,
                },
                Run::NeedMore => undecided = true,
                Run::No => {}
            }
        }
        if undecided {
            return Err(at);
        }
        from = at + 1;
    }
    Err(bytes.len())
}

enum Run {
    Packets,
    No,
    NeedMore,
}

/// Whether packets follow each other from `at` on.
fn run(bytes: &[u8], at: usize, stride: usize, ended: bool) -> Run {
    for i in 0..CONFIRMATIONS {
        match bytes.get(at + i * stride) {
            Some(&SYNC) => {}
            Some(_) => return Run::No,
            None if !ended => return Run::NeedMore,
            None if bytes.len() >= at + PACKET_LEN => return Run::Packets,
            None => return Run::No,
        }
    }
    Run::Packets
}

/// Iterates over the packets in a piece of a stream, each with its offset; garbage between them is
/// skipped.
pub(crate) fn packets(bytes: &[u8], stride: usize) -> impl Iterator<Item = (usize, &[u8])> {
    let mut at = 0;
    let mut synced = false;
    std::iter::from_fn(move || {
        if !synced || bytes.get(at) != Some(&SYNC) {
            let rest = bytes.get(at..).filter(|_| stride > 0)?;
            at += find_sync(rest, &[stride], true).ok()?.0;
            synced = true;
        }
        let packet = (at, bytes.get(at..at + PACKET_LEN)?);
        at += stride;
        Some(packet)
    })
}

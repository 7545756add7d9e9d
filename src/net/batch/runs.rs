//! Divides datagrams into messages: as many consecutive ones as have the length of the first, and
//! one shorter one at the end.

/// Segments per message (UDP_MAX_SEGMENTS of older kernels).
const SEGMENTS: usize = 64;

/// Bytes per message: the 65,535 of an IP packet less generous headers.
const BYTES: usize = 65_000;

/// Consecutive datagrams that are sent in the same way.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Run {
    /// Number of datagrams.
    pub(super) count: usize,
    /// Length of the segments if they form one message; 0 if each is a message.
    pub(super) segment: u16,
}

/// The first run of `lengths`, which is not empty.
pub(super) fn first_run(lengths: impl Iterator<Item = usize> + Clone, offload: bool) -> Run {
    if !offload {
        return Run { count: lengths.count(), segment: 0 };
    }
    let (count, segment) = segmented(lengths.clone());
    if count > 1 {
        return Run { count, segment };
    }
    // Singles, up to where a run begins that is worth a message of its own.
    let mut rest = lengths;
    let mut count = 0;
    while rest.clone().next().is_some() && segmented(rest.clone()).0 <= 1 {
        rest.next();
        count += 1;
    }
    Run { count, segment: 0 }
}

/// Number of datagrams at the start that form one message, and the length of its segments.
fn segmented(mut lengths: impl Iterator<Item = usize>) -> (usize, u16) {
    let Some(first) = lengths.next() else { return (0, 0) };
    let Ok(segment) = u16::try_from(first) else { return (1, 0) };
    if segment == 0 {
        return (1, 0);
    }
    let (mut count, mut bytes) = (1, first);
    for length in lengths {
        bytes += length;
        if length == 0 || length > first || count == SEGMENTS || bytes > BYTES {
            break;
        }
        count += 1;
        if length < first {
            break;
        }
    }
    (count, segment)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn runs(lengths: &[usize]) -> Vec<(usize, u16)> {
        let mut rest = lengths;
        let mut runs = Vec::new();
        while !rest.is_empty() {
            let run = first_run(rest.iter().copied(), true);
            assert!(run.count > 0);
            runs.push((run.count, run.segment));
            rest = &rest[run.count..];
        }
        runs
    }

    #[test]
    fn a_run_ends_with_a_shorter_one_or_before_a_longer_one() {
        assert_eq!(runs(&[1400, 1400, 3]), [(3, 1400)]);
        assert_eq!(runs(&[1400, 1400, 3, 3]), [(3, 1400), (1, 0)]);
        assert_eq!(runs(&[10, 10, 11, 11]), [(2, 10), (2, 11)]);
        assert_eq!(runs(&[1, 2, 3, 3, 4]), [(2, 0), (2, 3), (1, 0)]);
        assert_eq!(runs(&[0, 0, 5, 0]), [(4, 0)]);
    }

    #[test]
    fn messages_are_not_too_long() {
        assert_eq!(runs(&[10; 130]), [(64, 10), (64, 10), (2, 10)]);
        assert_eq!(runs(&[30_000; 3]), [(2, 30_000), (1, 0)]);
        assert_eq!(runs(&[60_000, 70_000, 60_000]), [(3, 0)]);
    }

    #[test]
    fn without_offload_all_are_single() {
        let run = first_run([5, 5, 5].into_iter(), false);
        assert_eq!(run, Run { count: 3, segment: 0 });
    }
}

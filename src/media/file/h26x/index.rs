//! [`Index`]: where in a file decoding can start.

use bytes::Bytes;

/// Most points that are kept. When there are more, every other one goes, and from then on those
/// that come are thinned out to the same distance.
const MAX_POINTS: usize = 1 << 16;

/// A picture at which decoding can start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Point {
    /// Of its access unit in the file.
    pub(super) offset: u64,
    /// Pictures before it in decoding order.
    pub(super) decode_index: u64,
    /// Pictures before it in output order.
    pub(super) output_index: u64,
    /// When the first of its leading pictures is presented, or itself, in units of time.
    pub(super) time: u64,
    /// When it is itself.
    pub(super) own_time: u64,
    /// Which of the parameter sets are in force.
    pub(super) version: usize,
}

/// The points in file order, and the parameter sets in force at them.
#[derive(Debug, Default)]
pub(super) struct Index {
    points: Vec<Point>,
    versions: Vec<Vec<Bytes>>,
    /// Pictures there must be between two points.
    spacing: u64,
}

impl Index {
    pub(super) fn points(&self) -> &[Point] {
        &self.points
    }

    /// Has these points from now on.
    pub(super) fn replace_points(&mut self, other: Self) {
        (self.points, self.spacing) = (other.points, other.spacing);
    }

    pub(super) fn push(&mut self, point: Point) {
        let last = self.points.last().map(|last| last.output_index.saturating_add(self.spacing));
        if last.is_some_and(|next| point.output_index < next) {
            return;
        }
        if self.points.len() >= MAX_POINTS {
            let mut keep = false;
            self.points.retain(|_| {
                keep = !keep;
                keep
            });
            let span = self.points.last().map_or(0, |last| last.output_index);
            self.spacing = span / self.points.len().max(1) as u64;
        }
        self.points.push(point);
    }

    /// The number by which points refer to these parameter sets; beyond `max` different ones the
    /// last number stands for all.
    pub(super) fn version_of(&mut self, nals: Vec<Bytes>, max: usize) -> usize {
        let known = self.versions.iter().rposition(|known| *known == nals);
        known.unwrap_or_else(|| {
            if self.versions.len() < max {
                self.versions.push(nals);
            }
            self.versions.len().saturating_sub(1)
        })
    }

    /// The parameter sets that points refer to by that number.
    pub(super) fn version(&self, version: usize) -> &[Bytes] {
        self.versions.get(version).map_or(&[], Vec::as_slice)
    }

    /// The last point of whose own time `is_past` is true; the first if there is none.
    pub(super) fn presented_by(&self, is_past: impl Fn(u64) -> bool) -> Option<&Point> {
        let after = self.points.partition_point(|point| is_past(point.own_time));
        self.points.get(after.saturating_sub(1))
    }

    /// The first point of whose own time `is_past` is not true.
    pub(super) fn presented_after(&self, is_past: impl Fn(u64) -> bool) -> Option<&Point> {
        self.points.get(self.points.partition_point(|point| is_past(point.own_time)))
    }

    /// The last point that is presented at or before `output_index`; the first if there is none.
    pub(super) fn at_or_before(&self, output_index: u64) -> Option<&Point> {
        let after = self.points.partition_point(|point| point.output_index <= output_index);
        self.points.get(after.saturating_sub(1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn point(n: u64) -> Point {
        Point {
            offset: n * 100,
            decode_index: n,
            output_index: n,
            time: n,
            own_time: n,
            version: 0,
        }
    }

    #[test]
    fn finds_the_point_before() {
        let mut index = Index::default();
        assert_eq!(index.at_or_before(5), None);
        for n in [0, 10, 20] {
            index.push(point(n));
        }
        for (wanted, found) in [(0, 0), (9, 0), (10, 10), (19, 10), (20, 20), (999, 20)] {
            assert_eq!(index.at_or_before(wanted), Some(&point(found)));
        }
    }

    #[test]
    fn thins_out_when_full() {
        let mut index = Index::default();
        let count = MAX_POINTS as u64 * 5;
        for n in 0..count {
            index.push(point(n));
        }
        assert!(index.points.len() <= MAX_POINTS);
        assert!(index.points.len() > MAX_POINTS / 4);
        for n in (0..count).step_by(1001) {
            let found = index.at_or_before(n).unwrap().output_index;
            assert!(found <= n && n - found <= 64, "{found} for {n}");
        }
    }

    #[test]
    fn counts_versions_of_parameter_sets_up_to_a_limit() {
        let mut index = Index::default();
        let set = |n: u8| vec![Bytes::copy_from_slice(&[n])];
        assert_eq!(index.version_of(set(1), 2), 0);
        assert_eq!(index.version_of(set(2), 2), 1);
        assert_eq!(index.version_of(set(1), 2), 0);
        assert_eq!(index.version_of(set(3), 2), 1);
        assert_eq!(index.version(0), set(1));
    }
}

//! [`Arrivals`]: when positions on an encoder's time line arrive by the server's clock.
//!
//! A frame comes late by what encoder, network and the loop take at the time, and never early. So
//! the relation of the two clocks is a straight line below all that was seen of the last minute:
//! the edge of the lower convex hull in its middle, which touches the points that were delayed
//! least, whatever the rates of the clocks are (Moon, Skelly and Towsley, "Estimation and Removal
//! of Clock Skew from Network Delay Measurements", 1999).

/// Points that are kept.
const POINTS: usize = 64;
/// The least delayed arrival of so much time makes one point.
const BUCKET: i64 = 1_000_000_000;
/// What lies so far below the line is not explained by delays.
const TOO_EARLY: f64 = -250e6;
/// The last points that all are so far above the line are not, either.
const TOO_LATE: f64 = 500e6;
const LATE_POINTS: usize = 5;
/// The rates of two clocks differ by no more, or they are none.
const MAX_RATE: f64 = 0.1;

/// Delay by arrival, nanoseconds: arrival less position.
#[derive(Clone, Copy, Debug, Default)]
struct Point {
    arrived: i64,
    delay: i64,
}

/// A straight line through the delays.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Fit {
    through: Point,
    rate: f64,
}

impl Fit {
    fn delay_at(&self, arrived: i64) -> f64 {
        let from = arrived.saturating_sub(self.through.arrived);
        self.through.delay as f64 + self.rate * from as f64
    }

    /// How much later than the line a point is.
    fn lateness(&self, point: Point) -> f64 {
        let of_rate = self.rate * point.arrived.saturating_sub(self.through.arrived) as f64;
        point.delay.saturating_sub(self.through.delay) as f64 - of_rate
    }

    /// The position that arrives at that time if nothing delays it.
    pub(crate) fn line_at(&self, arrived: i64) -> i64 {
        arrived.saturating_sub(self.delay_at(arrived) as i64)
    }

    /// When a position arrives if nothing delays it.
    pub(crate) fn arrival_of(&self, line: i64) -> i64 {
        let Point { arrived, delay } = self.through;
        let from = line.saturating_add(delay).saturating_sub(arrived) as f64;
        arrived.saturating_add((from / (1.0 - self.rate)) as i64)
    }
}

#[derive(Debug)]
pub(crate) struct Arrivals {
    /// Ordered by arrival.
    points: [Point; POINTS],
    len: usize,
    /// The least delayed of the bucket that is being filled, and when that began.
    best: Option<(Point, i64)>,
    fit: Fit,
}

impl Arrivals {
    pub(crate) const fn new() -> Self {
        let zero = Point { arrived: 0, delay: 0 };
        let fit = Fit { through: zero, rate: 0.0 };
        Self { points: [zero; POINTS], len: 0, best: None, fit }
    }

    pub(crate) const fn fit(&self) -> &Fit {
        &self.fit
    }

    /// Takes note that `line` has arrived. Arrivals do not go back.
    pub(crate) fn observe(&mut self, arrived: i64, line: i64) {
        let point = Point { arrived, delay: arrived.saturating_sub(line) };
        let lateness = self.fit.lateness(point);
        let (best, began) = match self.best {
            Some(best) if lateness >= TOO_EARLY => best,
            _ => return self.begin(point),
        };
        if lateness < 0.0 {
            // Nothing is early: the line was too high.
            self.fit.through.delay = self.fit.through.delay.saturating_add(lateness as i64);
        }
        if arrived.saturating_sub(began) >= BUCKET {
            self.push(best);
            self.best = Some((point, arrived));
        } else if self.fit.lateness(point) < self.fit.lateness(best) {
            self.best = Some((point, began));
        }
    }

    fn begin(&mut self, point: Point) {
        self.len = 0;
        self.best = Some((point, point.arrived));
        self.fit = Fit { through: point, rate: 0.0 };
    }

    fn push(&mut self, point: Point) {
        if self.len == POINTS {
            self.points.rotate_left(1);
            self.len -= 1;
        }
        self.points[self.len] = point;
        self.len += 1;
        let fit = self.fit;
        let begins = self.len.saturating_sub(LATE_POINTS);
        if begins > 0 && self.points[begins..self.len].iter().all(|p| fit.lateness(*p) > TOO_LATE) {
            self.points.copy_within(begins..self.len, 0);
            self.len = LATE_POINTS;
        }
        self.refit();
    }

    /// Lays the line along the lower hull of the points, where their middle is.
    fn refit(&mut self) {
        let points = &self.points[..self.len];
        let (Some(first), Some(last)) = (points.first(), points.last()) else { return };
        if points.len() < 3 {
            let lowest = points.iter().min_by_key(|p| p.delay).unwrap_or(first);
            self.fit = Fit { through: *lowest, rate: 0.0 };
            return;
        }
        let middle = first.arrived + (last.arrived - first.arrived) / 2;
        let mut hull = [Point::default(); POINTS];
        let mut corners = 0;
        for &point in points {
            while corners >= 2 && !turns_up(hull[corners - 2], hull[corners - 1], point) {
                corners -= 1;
            }
            hull[corners] = point;
            corners += 1;
        }
        let edge = hull[..corners].windows(2).find(|edge| edge[1].arrived >= middle);
        let Some(&[from, to]) = edge else { return };
        let rate = (to.delay - from.delay) as f64 / (to.arrived - from.arrived).max(1) as f64;
        self.fit = Fit { through: to, rate: rate.clamp(-MAX_RATE, MAX_RATE) };
    }
}

/// Whether the way over the three goes up at the second, more than before.
fn turns_up(a: Point, b: Point, c: Point) -> bool {
    let cross = |x: i64, y: i64| i128::from(x) * i128::from(y);
    cross(b.delay - a.delay, c.arrived - b.arrived)
        < cross(c.delay - b.delay, b.arrived - a.arrived)
}

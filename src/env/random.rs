//! Randomness: of the operating system, fetched in bulk, or of a seeded generator (xoshiro256**,
//! for simulated environments only).

use std::collections::hash_map::RandomState;
use std::fmt;
use std::hash::BuildHasher;
use std::io;

const BOUGHT: usize = 512;

pub(crate) enum Random {
    System(Box<SystemRandom>),
    #[cfg(any(test, feature = "simulation"))]
    Seeded(Seeded),
}

impl fmt::Debug for Random {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The state of a generator is a secret.
        f.write_str("Random")
    }
}

pub(crate) struct SystemRandom {
    buffer: [u8; BOUGHT],
    used: usize,
    /// Fallback, keyed by the operating system when the environment was created.
    spare: RandomState,
    counter: u64,
}

impl Random {
    pub(crate) fn system() -> io::Result<Self> {
        let mut buffer = [0; BOUGHT];
        getrandom::fill(&mut buffer).map_err(|e| io::Error::other(e.to_string()))?;
        let spare = RandomState::new();
        Ok(Self::System(Box::new(SystemRandom { buffer, used: 0, spare, counter: 0 })))
    }

    #[cfg(any(test, feature = "simulation"))]
    pub(crate) fn seeded(seed: u64) -> Self {
        Self::Seeded(Seeded::new(seed))
    }

    pub(crate) fn fill(&mut self, buf: &mut [u8]) {
        match self {
            Self::System(system) => system.fill(buf),
            #[cfg(any(test, feature = "simulation"))]
            Self::Seeded(seeded) => {
                for chunk in buf.chunks_mut(8) {
                    let bytes = seeded.next_u64().to_le_bytes();
                    chunk.copy_from_slice(&bytes[..chunk.len()]);
                }
            }
        }
    }
}

impl SystemRandom {
    fn fill(&mut self, buf: &mut [u8]) {
        for byte in buf {
            if self.used == BOUGHT {
                self.buy();
            }
            *byte = self.buffer[self.used];
            // Ids made of these bytes are secrets: no byte is left lying about, or used twice.
            self.buffer[self.used] = 0;
            self.used += 1;
        }
    }

    fn buy(&mut self) {
        self.used = 0;
        if let Err(e) = getrandom::fill(&mut self.buffer) {
            // It worked when the environment was made, so only an old kernel without descriptors
            // for /dev/urandom comes here. A keyed hash of a counter is the next best thing.
            log::warn!("the system's random source failed: {e}");
            for chunk in self.buffer.chunks_mut(8) {
                self.counter = self.counter.wrapping_add(1);
                let bytes = self.spare.hash_one(self.counter).to_le_bytes();
                chunk.copy_from_slice(&bytes[..chunk.len()]);
            }
        }
    }
}

/// xoshiro256** by Blackman and Vigna (public domain algorithm), seeded through splitmix64.
#[cfg(any(test, feature = "simulation"))]
#[derive(Clone, Debug)]
pub(crate) struct Seeded {
    state: [u64; 4],
}

#[cfg(any(test, feature = "simulation"))]
impl Seeded {
    pub(crate) fn new(seed: u64) -> Self {
        let mut x = seed;
        let state = std::array::from_fn(|_| {
            x = x.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mut z = x;
            z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            z ^ (z >> 31)
        });
        Self { state }
    }

    pub(crate) fn next_u64(&mut self) -> u64 {
        let [a, b, c, d] = &mut self.state;
        let result = b.wrapping_mul(5).rotate_left(7).wrapping_mul(9);
        let t = *b << 17;
        *c ^= *a;
        *d ^= *b;
        *b ^= *c;
        *a ^= *d;
        *c ^= t;
        *d = d.rotate_left(45);
        result
    }

    /// A number below `bound` (0 if `bound` is 0).
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        if bound == 0 { 0 } else { self.next_u64() % bound }
    }

    /// True with probability `p`. Draws a number only if `p` is neither 0 nor 1.
    pub(crate) fn chance(&mut self, p: f64) -> bool {
        if p <= 0.0 {
            return false;
        }
        // 53 bits are what a double holds.
        ((self.next_u64() >> 11) as f64) < p * (1u64 << 53) as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seeded_repeats_and_system_does_not() {
        let draw = |mut random: Random| {
            let mut buf = [0; 1000];
            random.fill(&mut buf);
            buf
        };
        assert_eq!(draw(Random::seeded(5)), draw(Random::seeded(5)));
        assert_ne!(draw(Random::seeded(5)), draw(Random::seeded(6)));
        let (a, b) = (draw(Random::system().unwrap()), draw(Random::system().unwrap()));
        assert_ne!(a, b);
        // More than one purchase, and none of it the zeroes that a used byte leaves.
        assert!(a.iter().filter(|byte| **byte == 0).count() < 100);
    }

    #[test]
    fn chance_is_about_right() {
        let mut random = Seeded::new(1);
        let hits = (0..10_000).filter(|_| random.chance(0.3)).count();
        assert!((2_700..3_300).contains(&hits), "{hits}");
        assert!((0..100).all(|_| random.chance(1.0)));
        assert!((0..100).all(|_| !random.chance(0.0)));
    }
}

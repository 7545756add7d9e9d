//! How many lines have been logged about the sessions of each address. A client that makes sessions
//! and ends them again would fill the log of a device.

use crate::net::site;
use log::Level;
use std::collections::HashMap;
use std::net::IpAddr;
use std::time::{Duration, Instant};

/// Time for which lines are counted together.
const PERIOD: Duration = Duration::from_secs(3600);
/// Addresses whose lines are counted; the one that began first is forgotten first.
const MAX_ADDRESSES: usize = 256;

/// Numbers of lines, by address.
#[derive(Debug, Default)]
pub(super) struct Lines(HashMap<IpAddr, (Instant, u32)>);

impl Lines {
    /// The level for a line about an address of which at most `limit` are logged (0: no limit).
    pub(super) fn level(&mut self, limit: u32, address: IpAddr, now: Instant) -> Level {
        if limit == 0 {
            return Level::Info;
        }
        let address = site(address);
        let is_over = |begun: Instant| now.saturating_duration_since(begun) >= PERIOD;
        if self.0.len() >= MAX_ADDRESSES && !self.0.contains_key(&address) {
            self.0.retain(|_, (begun, _)| !is_over(*begun));
            if self.0.len() >= MAX_ADDRESSES {
                let first = self.0.iter().min_by_key(|(_, (begun, _))| *begun).map(|(a, _)| *a);
                first.and_then(|first| self.0.remove(&first));
            }
        }
        let (begun, count) = self.0.entry(address).or_insert((now, 0));
        if is_over(*begun) {
            (*begun, *count) = (now, 0);
        }
        *count = count.saturating_add(1);
        if *count <= limit { Level::Info } else { Level::Debug }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_has_so_many_lines_an_hour() {
        let (mut lines, now) = (Lines::default(), Instant::now());
        let address = |n: u32| std::net::Ipv4Addr::from_bits(0x0a00_0000 + n).into();
        let mut level =
            |n, after: u64| lines.level(2, address(n), now + Duration::from_secs(after));
        let levels = [(1, 0), (1, 0), (1, 0), (2, 0), (1, 3599), (1, 3600)];
        let levels = levels.map(|(n, after)| level(n, after) == Level::Info);
        assert_eq!(levels, [true, true, false, true, false, true]);
        for n in 0..1000 {
            assert_eq!(level(n + 10, 4000 + u64::from(n)), Level::Info);
        }
        assert_eq!(lines.0.len(), MAX_ADDRESSES);
        assert_eq!(lines.level(0, address(5), now), Level::Info);
    }
}

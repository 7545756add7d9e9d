//! What processes cost: processor time, memory and descriptors.

use nix::time::{ClockId, clock_gettime};
use std::fs;
use std::time::Duration;

/// Linux counts processor time in these where it does not count it exactly.
const TICK: Duration = Duration::from_millis(10);

/// What a process has used, and what it holds.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Usage {
    /// Processor time of its threads.
    pub(crate) processor: Duration,
    /// Resident memory in KiB.
    pub(crate) memory: u64,
    /// Open descriptors.
    pub(crate) descriptors: usize,
}

impl Usage {
    /// That of a process by its number, from Linux' `/proc`; `None` if it is not there.
    pub(crate) fn of(pid: u32) -> Option<Self> {
        let folder = format!("/proc/{pid}");
        let status = fs::read_to_string(format!("{folder}/status")).ok()?;
        let memory = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
        Some(Self {
            processor: scheduled(&folder).or_else(|| ticks(&folder))?,
            memory: memory.trim().trim_end_matches(" kB").parse().ok()?,
            descriptors: fs::read_dir(format!("{folder}/fd")).map_or(0, Iterator::count),
        })
    }
}

/// Processor time of this process.
pub(crate) fn own_time() -> Duration {
    let time = clock_gettime(ClockId::CLOCK_PROCESS_CPUTIME_ID);
    time.map_or(Duration::ZERO, Duration::from)
}

/// The scheduler's own count, in nanoseconds; `None` where it keeps none.
fn scheduled(folder: &str) -> Option<Duration> {
    let mut sum = 0u64;
    for task in fs::read_dir(format!("{folder}/task")).ok()?.flatten() {
        let counts = fs::read_to_string(task.path().join("schedstat")).ok()?;
        sum += counts.split_whitespace().next()?.parse::<u64>().ok()?;
    }
    Some(Duration::from_nanos(sum)).filter(|time| !time.is_zero())
}

fn ticks(folder: &str) -> Option<Duration> {
    let stat = fs::read_to_string(format!("{folder}/stat")).ok()?;
    let fields: Vec<&str> = stat.rsplit(')').next()?.split_whitespace().collect();
    // The 14th and 15th, of which the first two are left of the parenthesis.
    let ticks = fields.get(11..13)?.iter().map(|ticks| ticks.parse::<u32>());
    Some(TICK * ticks.sum::<Result<u32, _>>().ok()?)
}

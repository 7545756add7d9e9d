//! What a load of clients has seen of its server.

use crate::support::Failure;
use crate::support::figures::Figures;
use crate::support::process::Usage;
use std::collections::BTreeMap;
use std::time::Duration;

/// What has been received.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Counts {
    pub(crate) packets: u64,
    pub(crate) bytes: u64,
    pub(crate) lost: u64,
}

impl Counts {
    pub(crate) const fn add(&mut self, more: Self) {
        self.packets += more.packets;
        self.bytes += more.bytes;
        self.lost += more.lost;
    }

    /// What has come since an earlier count.
    pub(crate) const fn since(self, earlier: Self) -> Self {
        Self {
            packets: self.packets.saturating_sub(earlier.packets),
            bytes: self.bytes.saturating_sub(earlier.bytes),
            lost: self.lost.saturating_sub(earlier.lost),
        }
    }
}

/// What the server has used: when it was idle, before the time that is measured and after it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ServerCost {
    pub(crate) idle: Usage,
    pub(crate) before: Usage,
    pub(crate) after: Usage,
}

/// What was seen in the time that is measured. Times are in seconds.
#[derive(Debug, Default)]
pub(crate) struct Report {
    pub(crate) clients: usize,
    pub(crate) up: usize,
    pub(crate) silent: usize,
    pub(crate) seconds: f64,
    pub(crate) counts: Counts,
    pub(crate) first_packets: Vec<f64>,
    pub(crate) lateness: Vec<f64>,
    /// What each cycle took, of a load that plays and leaves.
    pub(crate) cycles: Option<Vec<f64>>,
    /// Processor time of the load itself.
    pub(crate) own: Duration,
    /// Its resident memory in KiB before it had clients, and now.
    pub(crate) memory: Option<(u64, u64)>,
    pub(crate) server: Option<ServerCost>,
    pub(crate) failures: BTreeMap<String, u64>,
}

impl Report {
    pub(crate) fn figures(&self) -> Figures {
        let Counts { packets, bytes, lost } = self.counts;
        let each = |time: Duration, count: u64| time.as_nanos() as f64 / count as f64;
        let share = |time: Duration| time.as_secs_f64() * 100.0 / self.seconds;
        let mut figures = Figures::default();
        figures.add("clients", self.clients);
        figures.add("up", self.up);
        figures.add("silent", self.silent);
        figures.add_rounded("seconds", self.seconds, 2);
        figures.add("packets", packets);
        figures.add("lost", lost);
        figures.add_rounded("mbit_per_s", bytes as f64 * 8e-6 / self.seconds, 1);
        let names = [("first_packet_ms_p50", 0.5), ("first_packet_ms_p99", 0.99)];
        figures.add_times(&names, self.first_packets.clone());
        let names = [("late_ms_p50", 0.5), ("late_ms_p99", 0.99), ("late_ms_max", 1.0)];
        figures.add_times(&names, self.lateness.clone());
        if let Some(cycles) = &self.cycles {
            figures.add("cycles", cycles.len());
            figures.add_rounded("cycles_per_s", cycles.len() as f64 / self.seconds, 1);
            figures.add_times(&[("cycle_ms_p50", 0.5), ("cycle_ms_p99", 0.99)], cycles.clone());
        }
        figures.add_rounded("load_core_percent", share(self.own), 1);
        figures.add_rounded("load_ns_per_packet", each(self.own, packets), 0);
        if let Some((before, now)) = self.memory {
            let grown = now as f64 - before as f64;
            figures.add_rounded("load_kib_per_client", grown / self.clients as f64, 1);
        }
        if let Some(ServerCost { idle, before, after }) = self.server {
            let used = after.processor.saturating_sub(before.processor);
            figures.add_rounded("server_core_percent", share(used), 1);
            figures.add_rounded("server_ns_per_packet", each(used, packets), 0);
            if let Some(cycles) = &self.cycles {
                let of_cycle = each(used, cycles.len() as u64) / 1e3;
                figures.add_rounded("server_us_per_cycle", of_cycle, 1);
            }
            let grown = before.memory as f64 - idle.memory as f64;
            figures.add("server_kib", after.memory);
            figures.add_rounded("server_kib_per_client", grown / self.clients as f64, 1);
            figures.add("server_descriptors", after.descriptors);
        }
        figures.add_counts("failures", &self.failures);
        figures
    }

    /// Whether all went well.
    pub(crate) fn verdict(&self) -> Result<(), Failure> {
        let failures: u64 = self.failures.values().sum();
        let is_churn = self.cycles.is_some();
        let missing = if is_churn { 0 } else { self.clients.saturating_sub(self.up) };
        let silent = if is_churn { 0 } else { self.silent };
        if failures == 0 && missing == 0 && silent == 0 && self.counts.packets > 0 {
            return Ok(());
        }
        let packets = self.counts.packets;
        let text = format!(
            "{failures} failures, {missing} clients not up, {silent} silent, {packets} packets"
        );
        Err(text.into())
    }
}

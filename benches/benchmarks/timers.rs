//! The delay queue: what a stream's timer costs among those of many others.

use criterion::{BatchSize, BenchmarkId, Criterion, Throughput};
use riverrun::env::{TaskToken, UsageEnvironment};
use std::time::Duration;

/// Deadlines that lie as those of streams with different phases do.
fn delay(i: usize) -> Duration {
    Duration::from_micros((i as u64).wrapping_mul(7919) % 40_000 + 1)
}

fn with_tasks(count: usize) -> (UsageEnvironment, Vec<TaskToken>) {
    let mut env = UsageEnvironment::simulated(1);
    let tasks = (0..count).map(|i| env.schedule_delayed_task(delay(i), |_| {})).collect();
    (env, tasks)
}

pub(crate) fn run(c: &mut Criterion) {
    let mut group = c.benchmark_group("delay queue");
    for count in [100, 10_000] {
        group.throughput(Throughput::Elements(1));
        let (mut env, tasks) = with_tasks(count);
        let mut i = 0;
        group.bench_function(BenchmarkId::new("re-arm one of", count), |b| {
            b.iter(|| {
                i += 1;
                env.reschedule_delayed_task(tasks[i % count], delay(i))
            });
        });
        group.bench_function(BenchmarkId::new("arm and cancel beside", count), |b| {
            b.iter(|| {
                i += 1;
                let token = env.schedule_delayed_task(delay(i), |_| {});
                env.unschedule_delayed_task(token)
            });
        });
        group.throughput(Throughput::Elements(count as u64));
        group.bench_function(BenchmarkId::new("fire all of", count), |b| {
            let fire_all = |(mut env, _): (UsageEnvironment, Vec<TaskToken>)| {
                while env.delayed_tasks() > 0 {
                    env.turn(None).expect("a turn");
                }
                env
            };
            b.iter_batched(|| with_tasks(count), fire_all, BatchSize::PerIteration);
        });
    }
    group.finish();
}

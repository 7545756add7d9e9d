//! The session pool from a hundred to a hundred thousand sessions.

use criterion::{BatchSize, BenchmarkId, Criterion, Throughput};
use riverrun::server::pool::{RemovalReason, SessionId, SessionPool};
use std::hint::black_box;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

type Pool = SessionPool<()>;

/// Clients at a hundred addresses that come a millisecond apart.
fn create(pool: &mut Pool, start: Instant, i: usize) -> SessionId {
    let peer = SocketAddr::from((Ipv4Addr::new(192, 0, 2, (i % 100) as u8), 40_000));
    let now = start + Duration::from_millis(i as u64);
    // Not random, but as different as the ids of sessions are.
    let mut random = |buf: &mut [u8]| {
        for (k, piece) in buf.chunks_mut(8).enumerate() {
            let number = ((i * 2 + k) as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
            piece.copy_from_slice(&number.to_le_bytes()[..piece.len()]);
        }
    };
    let key = pool.create(now, peer, "yard", &mut random).expect("a session");
    pool.poll_event();
    key
}

fn filled(start: Instant, count: usize) -> Pool {
    let mut pool = Pool::new(Default::default());
    (0..count).for_each(|i| _ = create(&mut pool, start, i));
    pool
}

pub(crate) fn run(c: &mut Criterion) {
    let mut group = c.benchmark_group("session pool");
    let start = Instant::now();
    for count in [100, 1_000, 10_000, 100_000] {
        group.throughput(Throughput::Elements(1));
        group.bench_function(BenchmarkId::new("create and close beside", count), |b| {
            let mut pool = filled(start, count);
            let mut i = count;
            b.iter(|| {
                let key = create(&mut pool, start, i);
                i += 1;
                pool.remove(key, RemovalReason::TornDown)
            });
        });
        group.bench_function(BenchmarkId::new("find and touch one of", count), |b| {
            let mut pool = filled(start, count);
            let ids: Vec<String> = pool.iter().map(|(_, s)| s.id().to_owned()).collect();
            let now = start + Duration::from_millis(count as u64);
            pool.config_mut().timeout = Duration::from_secs(3600);
            let mut i = 0;
            b.iter(|| {
                i = (i + 7919) % ids.len();
                pool.find(black_box(&ids[i]), now)
            });
        });
        group.throughput(Throughput::Elements(count as u64));
        group.sample_size(10);
        group.bench_function(BenchmarkId::new("expire all of", count), |b| {
            let expire_all = |mut pool: Pool| {
                assert_eq!(pool.cleanup(start + Duration::from_secs(3600)), count);
                pool
            };
            b.iter_batched(|| filled(start, count), expire_all, BatchSize::PerIteration);
        });
    }
    group.finish();
}

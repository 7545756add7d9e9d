//! Benchmarks of the parts: `cargo bench --features simulation`, or some by name: with `-- pool` behind
//! it. What the whole costs, and beside other servers, is in `BENCHMARKS.md`.

mod fan_out;
mod h264;
mod mp4;
mod pool;
mod receive;
mod timers;
mod two_hours;
mod wire;

use criterion::Criterion;
use std::time::Duration;

fn main() {
    let mut criterion = Criterion::default()
        .warm_up_time(Duration::from_millis(500))
        .measurement_time(Duration::from_secs(2))
        .sample_size(30)
        .configure_from_args();
    wire::run(&mut criterion);
    h264::run(&mut criterion);
    mp4::run(&mut criterion);
    timers::run(&mut criterion);
    pool::run(&mut criterion);
    fan_out::run(&mut criterion);
    receive::run(&mut criterion);
    criterion.final_summary();
}

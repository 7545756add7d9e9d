//! What the programs share: stopping on a signal, logging.
#![allow(dead_code)] // not every program uses all of it

use std::io;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

/// Turns true on the first SIGINT or SIGTERM; a second one ends the program at once.
pub(crate) fn stop_on_signal(trigger: riverrun::env::EventTrigger) -> io::Result<Arc<AtomicBool>> {
    let stop = Arc::new(AtomicBool::new(false));
    for signal in [signal_hook::consts::SIGINT, signal_hook::consts::SIGTERM] {
        signal_hook::flag::register_conditional_shutdown(signal, 1, Arc::clone(&stop))?;
        signal_hook::flag::register(signal, Arc::clone(&stop))?;
    }
    // A handler may do next to nothing; a thread that waits for the signal wakes the loop.
    let mut signals = signal_hook::iterator::Signals::new([
        signal_hook::consts::SIGINT,
        signal_hook::consts::SIGTERM,
    ])?;
    std::thread::spawn(move || {
        for _ in signals.forever() {
            trigger.trigger();
        }
    });
    Ok(stop)
}

/// Logs to standard error: sessions and warnings, or what `RUST_LOG` says.
pub(crate) fn start_logging() {
    env_logger::Builder::from_env(env_logger::Env::default().default_filter_or("info"))
        .format_timestamp_millis()
        .init();
}

/// The value of an option as a number, or an error that names the option.
pub(crate) fn number<T: std::str::FromStr>(
    option: &str,
    parser: &mut lexopt::Parser,
) -> Result<T, lexopt::Error> {
    let value = parser.value()?;
    value
        .to_str()
        .and_then(|text| text.parse().ok())
        .ok_or_else(|| format!("{option}: {value:?} is not a number in range").into())
}

//! Plays a presentation for some seconds, and takes note of what there is.

use crate::findings::Findings;
use crate::support::{self, Failure};
use crate::{Options, PATIENCE};
use riverrun::client::{Player, PlayerEnd, PlayerEvent};
use riverrun::env::UsageEnvironment;
use riverrun::wire::url::RtspUrl;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// How often the statistics are looked at, at least.
const STEP: Duration = Duration::from_millis(100);

/// What the player's handler writes, and the program reads between two turns.
struct Notes {
    findings: Findings,
    end: Option<PlayerEnd>,
}

pub(crate) fn run(options: &Options) -> Result<Findings, Failure> {
    let mut env = UsageEnvironment::new()?;
    let stop = support::stop_on_signal(&mut env)?;
    let url = RtspUrl::parse(&options.url)?.to_string();
    let notes = Arc::new(Mutex::new(Notes { findings: Findings::new(url, env.now()), end: None }));
    let taken = Arc::clone(&notes);
    let handler = move |env: &mut UsageEnvironment, event: PlayerEvent<'_>| {
        let mut notes = lock(&taken);
        match event {
            PlayerEvent::Ended(end) => notes.end = Some(end),
            event => notes.findings.take(env.now(), event),
        }
    };
    let player = Player::open(&mut env, &options.url, options.config.clone(), handler)?;
    let mut is_stopping = false;
    let end = loop {
        let now = env.now();
        let until = lock(&notes).findings.ends_at(options.duration, PATIENCE);
        let left = until.map_or(STEP, |at| at.saturating_duration_since(now));
        env.turn(Some(left.min(STEP)))?;
        let mut notes = lock(&notes);
        if let Some(player) = env.medium(player) {
            notes.findings.look_at(player);
        }
        if let Some(end) = notes.end.take() {
            break end;
        }
        drop(notes);
        let is_over = until.is_some_and(|at| env.now() >= at);
        if !is_stopping && (is_over || stop.load(Ordering::Relaxed)) {
            is_stopping = true;
            env.with(player, |player, env| player.stop(env))?;
        }
    };
    env.close(player);
    drop(env);
    let notes = Arc::into_inner(notes).ok_or("the player is still there")?;
    let mut findings = notes.into_inner().unwrap_or_else(PoisonError::into_inner).findings;
    findings.has_ended = matches!(end, PlayerEnd::EndOfStream);
    findings.end(match end {
        PlayerEnd::Failed(why) => Some(why),
        _ => None,
    });
    Ok(findings)
}

fn lock(notes: &Mutex<Notes>) -> MutexGuard<'_, Notes> {
    notes.lock().unwrap_or_else(PoisonError::into_inner)
}

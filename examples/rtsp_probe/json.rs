//! What a probe has found out, as JSON for programs. The names of the members are kept: new ones
//! may come. Times are numbers with their unit in the name; what is not known is `null`.
//!
//! A probe: `url`, `status` (`plays`, `failed`, `unreachable`, `refused`, `not_found`, `no_media`),
//! `exit`, `error`, `server` {`address`, `software`, `methods`, `session_timeout_s`}, `session`
//! {`name`, `info`, `tool`, `range`, `duration_s`, `control_url`}, `odd`, `skipped_bytes`,
//! `transport`, `attempts`, `ended`, `times_ms` {`connected`, `described`, `playing`,
//! `first_frame`, `first_key_frame`}, and `tracks`, each {`number`, `kind`, `codec`,
//! `payload_type`, `clock_rate`, `channels`, `fmtp`, `control_url`, `bandwidth` (stated, in bit/s),
//! `back_channel`, `raw`, `error`, `video` {`width`, `height`, `frame_rate`, `profile`,
//! `profile_idc`, `level`, `high_tier`, `chroma`, `bit_depth`}, `audio` {`coding`, `sampling_rate`,
//! `channels`}, `parameter_sets` {`vps`, `sps`, `pps`, `config`: lists of hexadecimal digits},
//! `received` {`transport`, `frames`, `key_frames`, `damaged_frames`, `bytes`, `frame_rate`,
//! `bit_rate`, `first_frame_ms`, `first_key_frame_ms`, `packets`, `lost`, `late`, `rejected`,
//! `jitter_ms`, `round_trip_ms`, `ssrc`, `rtcp_packets`, `cname`, `synchronized`,
//! `capture_times`}}.
//!
//! With `--check`: `url`, `status` (`plays`, `check_failed`, or as above), `exit`, `error`, `ok`,
//! `failed`, `noted`, and `checks`, each {`verdict` (`ok`, `FAIL`, `note`), `what`, `section`,
//! `seen`}.

use crate::check::{Check, Checked};
use crate::findings::Findings;
use crate::report::{hex_digits, parameter_sets};
use crate::track::TrackFindings;
use riverrun::client::MediaSession;
use serde_json::{Map, Value, json};
use std::time::Duration;

/// What was found out of a presentation.
pub(crate) fn found(found: &Findings) -> String {
    let status = found.status();
    text(&json!({
        "url": found.url,
        "status": status.as_str(),
        "exit": status.code(),
        "error": found.failure.as_ref().map(|(_, why)| why),
        "server": {
            "address": found.peer.map(|peer| peer.to_string()),
            "software": found.server.software,
            "methods": found.server.methods,
            "session_timeout_s": found.server.session_timeout.map(|t| t.as_secs()),
        },
        "session": found.media.as_ref().map(session),
        "odd": found.odd.iter().collect::<Vec<_>>(),
        "skipped_bytes": found.skipped,
        "transport": found.transport().map(|t| t.to_string()),
        "attempts": found.attempts,
        "ended": found.has_ended,
        "times_ms": {
            "connected": found.connected.map(millis),
            "described": found.described.map(millis),
            "playing": found.playing.map(millis),
            "first_frame": found.first_frame().map(millis),
            "first_key_frame": found.first_key_frame().map(millis),
        },
        "tracks": found.tracks.iter().map(track).collect::<Vec<_>>(),
    }))
}

fn session(media: &MediaSession) -> Value {
    json!({
        "name": media.name,
        "info": media.info,
        "tool": media.tool,
        "range": media.range.map(|range| range.to_string()),
        "duration_s": media.duration().map(|duration| duration.as_secs_f64()),
        "control_url": media.control_url,
    })
}

fn track(track: &TrackFindings) -> Value {
    let described = &track.described;
    let format = &described.format;
    json!({
        "number": described.number,
        "kind": described.kind.as_str(),
        "codec": format.encoding_name,
        "payload_type": format.payload_type,
        "clock_rate": format.clock_rate,
        "channels": format.channels,
        "fmtp": format.fmtp,
        "control_url": described.control_url,
        "bandwidth": described.bandwidth,
        "back_channel": described.is_back_channel,
        "raw": described.is_raw,
        "error": track.failure.as_ref().map(|(_, why)| why),
        "video": track.video().map(|facts| json!({
            "width": facts.width,
            "height": facts.height,
            "frame_rate": facts.frame_rate,
            "profile": facts.profile,
            "profile_idc": facts.profile_idc,
            "level": facts.level,
            "high_tier": facts.high_tier,
            "chroma": facts.chroma,
            "bit_depth": facts.bit_depth,
        })),
        "audio": track.audio().map(|facts| json!({
            "coding": facts.coding,
            "sampling_rate": facts.sampling_rate,
            "channels": facts.channels,
        })),
        "parameter_sets": parameter_sets(&track.parameters())
            .into_iter()
            .map(|(name, sets)| {
                let sets = sets.iter().map(|set| hex_digits(set).into()).collect::<Vec<Value>>();
                (name.to_owned(), Value::from(sets))
            })
            .collect::<Map<_, _>>(),
        "received": track.transport.map(|transport| json!({
            "transport": transport.to_string(),
            "frames": track.frames,
            "key_frames": track.key_frames,
            "damaged_frames": track.damaged,
            "bytes": track.bytes,
            "frame_rate": track.frame_rate(),
            "bit_rate": track.bit_rate(),
            "first_frame_ms": track.first_frame.map(millis),
            "first_key_frame_ms": track.first_key_frame.map(millis),
            "packets": track.reception.packets,
            "lost": track.reception.lost,
            "late": track.reception.late,
            "rejected": track.reception.rejected,
            "jitter_ms": millis(track.reception.jitter),
            "round_trip_ms": track.reception.round_trip.map(millis),
            "ssrc": track.reception.ssrc,
            "rtcp_packets": track.reception.reports,
            "cname": track.reception.cname,
            "synchronized": track.synchronized,
            "capture_times": track.has_capture_time,
        })),
    })
}

/// The list of checks.
pub(crate) fn checked(checked: &Checked) -> String {
    let status = checked.status();
    let (ok, failed, noted) = checked.counts();
    text(&json!({
        "url": checked.url,
        "status": status.as_str(),
        "exit": status.code(),
        "error": checked.error.as_ref().map(|(_, why)| why),
        "ok": ok,
        "failed": failed,
        "noted": noted,
        "checks": checked.checks.iter().map(check).collect::<Vec<_>>(),
    }))
}

fn check(check: &Check) -> Value {
    json!({
        "verdict": check.verdict.as_str(),
        "what": check.what,
        "section": check.section,
        "seen": check.seen,
    })
}

fn millis(time: Duration) -> f64 {
    (time.as_secs_f64() * 1e6).round() / 1e3
}

fn text(value: &Value) -> String {
    format!("{value:#}\n")
}

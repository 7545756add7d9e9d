//! Scale and Speed with the clients of others, and our own: the pictures that arrive are the key frames
//! of the file (or all its pictures), in the order and at the pace that was asked for.

use crate::gstreamer::{PYTHON, there};
use crate::live555::arrived;
use crate::media::Kind;
use crate::recording::open_rtsp;
use crate::server::{Server, testdata};
use crate::streams::{nals, pictures};
use crate::tools::{all, have, have_optional, run, run_light, scratch};
use riverrun::Frame;
use riverrun::media::demux::DemuxTable;
use riverrun::media::file::{ProbePoll, probe};
use riverrun::media::{FramePoll, SourceContext};
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

/// Files with a key frame a second and five seconds of video first.
const FILES: [(&str, Kind); 5] = [
    ("bframes.h264", Kind::H264),
    ("h264_aac.mkv", Kind::H264),
    ("h264_aac.mp4", Kind::H264),
    ("fragments.mp4", Kind::H264),
    ("h265_mp3.mkv", Kind::H265),
];

/// The frames of the first track of a file.
fn frames_of(file: &str) -> Vec<Frame> {
    let mut probing = probe(&testdata("media").join(file)).expect("a known file");
    let found = loop {
        match probing.poll_probe(1 << 20) {
            ProbePoll::Pending => {}
            ProbePoll::Ready(found) => break found,
            ProbePoll::Failed(e) => panic!("{file}: {e}"),
        }
    };
    let mut demuxers = DemuxTable::default();
    let cx = &mut SourceContext::new(Instant::now(), &mut demuxers);
    let mut source = found.open_track(0, 1, cx).expect("open it");
    let mut frames = Vec::new();
    loop {
        match source.poll_frame(cx) {
            FramePoll::Ready(frame) => frames.push(frame),
            FramePoll::Pending(_) => {}
            FramePoll::Ended(_) => return frames,
        }
    }
}

/// The slices of some frames, one after the other.
fn slices<'a>(kind: Kind, frames: impl IntoIterator<Item = &'a Frame>) -> Vec<Vec<u8>> {
    frames.into_iter().flat_map(|frame| slices_of(kind, &frame.data)).collect()
}

fn slices_of(kind: Kind, stream: &[u8]) -> Vec<Vec<u8>> {
    pictures(kind, &nals(stream)).into_iter().map(<[u8]>::to_vec).collect()
}

/// The slices of the key frames from a time on, or of those before it in reverse.
fn key_slices(kind: Kind, frames: &[Frame], scale: f32, from: f64) -> Vec<Vec<u8>> {
    let at = |frame: &&&Frame| frame.pts.as_secs_f64();
    let keys: Vec<_> = frames.iter().filter(|frame| frame.flags.key).collect();
    if scale < 0.0 {
        return slices(kind, keys.iter().rev().filter(|frame| at(frame) <= from).copied());
    }
    let first = keys.iter().rposition(|frame| frame.pts.as_secs_f64() <= from).unwrap_or(0);
    slices(kind, keys[first..].iter().copied())
}

fn compare(expected: &[Vec<u8>], arrived: &[Vec<u8>]) -> Result<(), String> {
    if expected == arrived {
        return Ok(());
    }
    let place = |slice| expected.iter().position(|e| e == slice);
    let order: Vec<_> = arrived.iter().map(place).collect();
    Err(format!("{} slices, in the order {order:?}", expected.len()))
}

fn read(folder: &Path, name: &str) -> Result<Vec<u8>, String> {
    std::fs::read(folder.join(name)).map_err(|e| format!("{name}: {e}"))
}

/// A file, its kind, and scale and speed.
type Job = (&'static str, Kind, f32, f64);

fn jobs(paces: &[(f32, f64)]) -> Vec<(String, Job)> {
    let pairs = FILES.into_iter().flat_map(|file| paces.iter().map(move |pace| (file, *pace)));
    pairs
        .map(|((file, kind), (scale, from))| {
            (format!("{file} at {scale}"), (file, kind, scale, from))
        })
        .collect()
}

#[test]
fn openrtsp_plays_key_frames_forwards_and_backwards() {
    if !have_optional("openRTSP", &["sh", "-c", "command -v openRTSP"]) {
        return;
    }
    let server = Server::of_media();
    all(jobs(&[(4.0, 0.0), (2.0, 2.2), (-2.0, 4.5)]), |(file, kind, scale, from)| {
        let (_folder, folder) = scratch();
        let mut command = Command::new("openRTSP");
        command.args(["-t", "-z", &scale.to_string()]);
        if from > 0.0 {
            command.args(["-s", &from.to_string()]);
        }
        command.arg(server.url(file));
        let played = run(&mut command, &folder, Duration::from_secs(40));
        if !played.succeeded {
            return Err(format!("openRTSP: {}", played.complaints));
        }
        let arrived = arrived(&folder);
        let stream = arrived.first().ok_or("nothing was written")?;
        let expected = key_slices(kind, &frames_of(file), scale, from);
        compare(&expected, &slices_of(kind, stream))
    });
}

#[test]
fn the_own_client_plays_key_frames_forwards_and_backwards() {
    let server = Server::of_media();
    all(jobs(&[(4.0, 0.0), (-2.0, 4.5), (0.5, 3.5)]), |(file, kind, scale, from)| {
        let (_folder, folder) = scratch();
        let (scale_text, from_text) = (scale.to_string(), from.to_string());
        let mut options = vec!["-t", "-z", &scale_text];
        if from > 0.0 {
            options.extend(["-s", &from_text]);
        }
        let mut command = open_rtsp(&options);
        let played = run_light(command.arg(server.url(file)), &folder, Duration::from_secs(40));
        if !played.succeeded {
            return Err(format!("open_rtsp: {}", played.complaints));
        }
        let arrived = arrived(&folder);
        let stream = arrived.first().ok_or("nothing was written")?;
        let frames = frames_of(file);
        let expected = if scale == 0.5 {
            // All pictures from the key frame on, but for those that lead it.
            let first = frames.iter().rposition(|f| f.flags.key && f.pts.as_secs_f64() <= from);
            let rest = &frames[first.unwrap_or(0)..];
            slices(kind, rest.iter().filter(|f| f.pts >= rest[0].pts))
        } else {
            key_slices(kind, &frames, scale, from)
        };
        compare(&expected, &slices_of(kind, stream))
    });
}

/// What arrives behind a seek, and behind another one at rate 1; and the milliseconds from one picture to
/// the next.
type Sought = (Vec<u8>, Vec<u8>, Vec<u64>);

/// Has GStreamer seek.
fn seek(
    url: &str,
    (kind, rate, who, from): (Kind, f32, &str, f64),
    folder: &Path,
) -> Result<Sought, String> {
    let codec = if kind == Kind::H265 { "h265" } else { "h264" };
    let mut command = Command::new(PYTHON);
    command.arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/interop/seek.py"));
    command.args([url, codec, &rate.to_string(), who, &from.to_string()]);
    let mut played = run(&mut command, folder, Duration::from_secs(60));
    if played.crashed {
        played = run(&mut command, folder, Duration::from_secs(60));
    }
    if !played.succeeded {
        return Err(format!("GStreamer: {}", played.complaints));
    }
    let steps = played.stdout.split_whitespace().filter_map(|step| step.parse().ok()).collect();
    Ok((read(folder, "arrived0")?, read(folder, "arrived1")?, steps))
}

/// Checks that pictures come so many milliseconds apart, by and large.
fn check_pace(steps: &[u64], due: u64) -> Result<(), String> {
    let mut sorted = steps.to_vec();
    sorted.sort_unstable();
    let median = sorted.get(sorted.len() / 2).copied().ok_or("one picture alone")?;
    if median.abs_diff(due) <= due / 3 + 15 {
        return Ok(());
    }
    Err(format!("pictures come {steps:?} ms apart, {due} expected"))
}

#[test]
fn gstreamer_seeks_at_a_rate_and_back_at_rate_1() {
    if !there() {
        return;
    }
    let server = Server::of_media();
    let seeks = [
        // Scale 4 and −2.
        (4.0, "server", 0.5),
        (-2.0, "server", 4.5),
        // Speed 2; Scale −1 with Speed 2.
        (2.0, "client", 0.5),
        (-2.0, "client", 4.5),
    ];
    let jobs = FILES.into_iter().flat_map(|(file, kind)| {
        seeks.iter().map(move |&(rate, who, from)| {
            (format!("{file} at {rate} by the {who}"), (file, kind, rate, who, from))
        })
    });
    all(jobs.collect(), |(file, kind, rate, who, from)| {
        let (_folder, folder) = scratch();
        let (fast, normal, steps) = seek(&server.url(file), (kind, rate, who, from), &folder)?;
        let frames = frames_of(file);
        let first = frames.iter().rposition(|f| f.flags.key && f.pts.as_secs_f64() <= from);
        let rest = &frames[first.unwrap_or(0)..];
        let all_from = slices(kind, rest.iter().filter(|f| f.pts >= rest[0].pts));
        let is_speed = who == "client" && rate > 0.0;
        let (expected, due) = match is_speed {
            true => (all_from.clone(), 20),
            false => (key_slices(kind, &frames, rate, from), (1000.0 / rate.abs()) as u64),
        };
        compare(&expected, &slices_of(kind, &fast))?;
        check_pace(&steps, due)?;
        // At rate 1 every picture comes again.
        let normal = slices_of(kind, &normal);
        if normal.len() < 10 || !all_from.starts_with(&normal) {
            return Err(format!("{} slices come at rate 1", normal.len()));
        }
        Ok(())
    });
}

#[test]
fn ffmpeg_decodes_a_transport_stream_of_key_pictures() {
    let tools =
        [have("FFmpeg", &["ffmpeg", "-version"]), have("ffprobe", &["ffprobe", "-version"])];
    if tools.contains(&false) {
        return;
    }
    let server = Server::of_media();
    let paces = [("4", "0", 5), ("-2", "4.6", 5)];
    let jobs = paces.into_iter().flat_map(|pace| {
        ["program.ts", "program.m2ts"].map(|file| (format!("{file} at {}", pace.0), (file, pace)))
    });
    all(jobs.collect(), |(file, (scale, from, count))| {
        let (_folder, folder) = scratch();
        let mut command = open_rtsp(&["-t", "-z", scale, "-s", from]);
        let played = run_light(command.arg(server.url(file)), &folder, Duration::from_secs(40));
        if !played.succeeded {
            return Err(format!("open_rtsp: {}", played.complaints));
        }
        let stream = arrived(&folder);
        std::fs::write(folder.join("keys.ts"), stream.first().ok_or("nothing was written")?)
            .map_err(|e| e.to_string())?;
        let mut probe = Command::new("ffprobe");
        probe.args(["-v", "error", "-select_streams", "v", "-show_entries"]);
        probe.args(["frame=pts_time,pict_type", "-of", "csv=p=0", "keys.ts"]);
        let shown = run(&mut probe, &folder, Duration::from_secs(20));
        if !shown.succeeded || !shown.complaints.trim().is_empty() {
            return Err(format!("ffprobe: {}", shown.complaints));
        }
        let frames: Vec<(f64, String)> = shown
            .stdout
            .lines()
            .filter_map(|line| {
                let (pts, kind) = line.split_once(',')?;
                Some((pts.parse().ok()?, kind.trim_end_matches(',').to_owned()))
            })
            .collect();
        if frames.len() != count || frames.iter().any(|(_, kind)| kind != "I") {
            return Err(format!("pictures: {frames:?}"));
        }
        // In the stream's own clock they come as they are presented.
        let due = 1.0 / scale.parse::<f64>().map_err(|e| e.to_string())?.abs();
        let is_even = |pair: &[(f64, String)]| (pair[1].0 - pair[0].0 - due).abs() < 0.05;
        if !frames.windows(2).all(is_even) {
            return Err(format!("times: {frames:?}"));
        }
        Ok(())
    });
}

//! GStreamer's rtspsrc: every file, both transports, compared with the file.

use crate::ffmpeg::{compare, tracks_of_file};
use crate::media::{Carriage, Kind, Media, jobs};
use crate::server::{Server, testdata};
use crate::streams::{adts_frames, same_bytes};
use crate::tools::{all, have, run, scratch};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

fn there() -> bool {
    ["rtspsrc", "rtph264depay", "rtph265depay", "rtpL8depay", "h264parse", "h265parse"]
        .iter()
        .all(|e| have(&format!("GStreamer's {e}"), &["gst-inspect-1.0", "--exists", e]))
        && have("GStreamer's gst-launch-1.0", &["gst-launch-1.0", "--version"])
        && have("FFmpeg", &["ffmpeg", "-version"])
}

/// From RTP to an elementary stream.
fn depayloader(kind: Kind) -> &'static [&'static str] {
    match kind {
        Kind::H264 => {
            &["rtph264depay", "!", "video/x-h264,stream-format=byte-stream,alignment=nal"]
        }
        Kind::H265 => {
            &["rtph265depay", "!", "video/x-h265,stream-format=byte-stream,alignment=nal"]
        }
        Kind::Aac => &["rtpmp4gdepay"],
        Kind::Mp3 | Kind::Mp2 => &["rtpmpadepay"],
        Kind::Pcm(8) => &["rtpL8depay"],
        Kind::Pcm(24) => &["rtpL24depay"],
        Kind::Pcm(_) => &["rtpL16depay"],
        Kind::Mulaw => &["rtppcmudepay"],
        Kind::Alaw => &["rtppcmadepay"],
    }
}

/// A sink leaves out what lies past the end of the range that PLAY announced, and putting tracks
/// in step may move the last picture there. All that arrives is of interest here.
const TO_FILE: [&str; 5] = ["!", "identity", "single-segment=true", "!", "filesink"];

/// The bytes that come out of the depayloader if all of `sent` (as FFmpeg writes it) arrives.
pub(crate) fn expected(kind: Kind, sent: Vec<u8>) -> Result<Vec<u8>, String> {
    Ok(match kind {
        Kind::Aac => adts_frames(&sent)?.concat(),
        Kind::Pcm(bits) => {
            let mut sent = sent;
            // Samples are big-endian on the wire.
            sent.chunks_exact_mut(usize::from(bits) / 8).for_each(<[u8]>::reverse);
            sent
        }
        _ => sent,
    })
}

/// The transport stream packets of a file.
pub(crate) fn ts_packets(file: &str, gap: usize) -> Result<Vec<u8>, String> {
    let bytes = std::fs::read(testdata("media").join(file)).map_err(|e| e.to_string())?;
    Ok(bytes.chunks_exact(188 + gap).flat_map(|packet| &packet[gap..]).copied().collect())
}

/// What arrived, and what GStreamer complained of meanwhile.
type Launched = (Vec<Vec<u8>>, String);

fn launch(media: &Media, url: &str, over: &str, folder: &Path) -> Result<Launched, String> {
    let mut command = Command::new("gst-launch-1.0");
    command.args(["-q", "rtspsrc", "name=s", "latency=300"]);
    command.arg(format!("location={url}")).arg(format!("protocols={over}"));
    let mut count = 1;
    if media.carriage == Carriage::Tracks {
        count = media.tracks.len();
        for (index, &kind) in media.tracks.iter().enumerate() {
            let which = if kind.is_video() { "video" } else { "audio" };
            command.args(["s.", "!", &format!("application/x-rtp,media={which}"), "!", "queue"]);
            command.arg("!").args(depayloader(kind)).args(TO_FILE);
            command.arg(format!("location=arrived{index}"));
        }
    } else {
        command.args(["s.", "!", "rtpmp2tdepay"]).args(TO_FILE).arg("location=arrived0");
    }
    let played = run(&mut command, folder, Duration::from_secs(40));
    if played.killed {
        return Err(format!("gst-launch-1.0: {}", played.complaints));
    }
    // Seen in a few runs of a hundred: PAUSE could not be sent at the end, after all was written.
    // What counts is what was written; the complaint is shown.
    if !played.complaints.is_empty() {
        eprintln!("NOTE: {} over {over}: gst-launch-1.0: {}", media.file, played.complaints);
    }
    Ok((crate::ffmpeg::read_all(folder, "arrived", count)?, played.complaints))
}

#[test]
fn gstreamer_receives_every_file_whole() {
    if !there() {
        return;
    }
    let server = Server::of_media();
    all(jobs(), |(media, over)| {
        let (_folder, folder) = scratch();
        let (arrived, complaints) = launch(&media, &server.url(media.file), over, &folder)?;
        if let Carriage::TransportStream { gap } = media.carriage {
            return same_bytes(&ts_packets(media.file, gap)?, &arrived[0])
                .map_err(|e| format!("{e}\n{complaints}"));
        }
        let sent = tracks_of_file(&media, &folder)?;
        for ((&kind, sent), arrived) in media.tracks.iter().zip(sent).zip(&arrived) {
            let sent = expected(kind, sent)?;
            let verdict = if kind.is_video() {
                compare(&media, kind, &sent, arrived)
            } else {
                same_bytes(&sent, arrived)
            };
            verdict.map_err(|e| format!("{kind:?}: {e}\n{complaints}"))?;
        }
        Ok(())
    });
}

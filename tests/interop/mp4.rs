//! MP4 that the `open_rtsp` example has recorded, read by FFmpeg and by GStreamer.

use crate::ffmpeg::{self, compare, extract, tracks_of_file};
use crate::media::{Carriage, Kind, Media, to_play};
use crate::recording::record;
use crate::server::{Server, testdata};
use crate::streams::same_bytes;
use crate::tools::{all, have, run_now, scratch};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

/// The kinds of files whose tracks go into MP4.
fn jobs() -> Vec<(String, Media)> {
    let fits = |media: &Media| media.carriage == Carriage::Tracks;
    to_play().into_iter().filter(fits).map(|media| (media.file.to_owned(), media)).collect()
}

/// What MP4 has in place of a kind: samples of G.711 are linear there.
fn in_mp4(kind: Kind) -> Kind {
    match kind {
        Kind::Mulaw | Kind::Alaw => Kind::Pcm(16),
        kind => kind,
    }
}

/// What ffprobe says of a file.
fn probe(path: &Path, options: &[&str], folder: &Path) -> Result<Vec<String>, String> {
    let mut command = Command::new("ffprobe");
    command.args(["-loglevel", "error", "-of", "csv=p=0"]).args(options).arg(path);
    let probed = run_now(&mut command, folder, Duration::from_secs(20));
    if !probed.succeeded || !probed.complaints.is_empty() {
        return Err(format!("ffprobe: {}", probed.complaints));
    }
    Ok(probed.stdout.lines().map(|line| line.trim_end_matches(',').to_owned()).collect())
}

/// How many packets a stream of a file has.
pub(crate) fn packets(path: &Path, stream: &str, folder: &Path) -> Result<usize, String> {
    let options = ["-count_packets", "-select_streams", stream, "-show_entries"];
    let found = probe(path, &[&options[..], &["stream=nb_read_packets"]].concat(), folder)?;
    found.first().and_then(|n| n.parse().ok()).ok_or_else(|| format!("packets: {found:?}"))
}

fn duration(path: &Path, folder: &Path) -> Result<f64, String> {
    let found = probe(path, &["-show_entries", "format=duration"], folder)?;
    found.first().and_then(|n| n.parse().ok()).ok_or_else(|| format!("duration: {found:?}"))
}

/// What ffprobe calls a kind in MP4, whatever the order of the bytes.
fn is_codec(kind: Kind, found: &str) -> bool {
    match kind {
        Kind::Pcm(8) => found == "pcm_u8",
        Kind::Pcm(bits) => found.starts_with(&format!("pcm_s{bits}")),
        Kind::Mp2 => matches!(found, "mp2" | "mp3"),
        kind => found == kind.codec_name(),
    }
}

/// The pictures of the first track of a file, decoded by FFmpeg.
fn pictures(path: &Path, folder: &Path) -> Result<Vec<u8>, String> {
    let mut decode = ffmpeg::ffmpeg();
    decode.arg("-i").arg(path).args(["-map", "0:v:0", "-fps_mode", "passthrough"]);
    decode.args(["-pix_fmt", "yuv420p", "-f", "rawvideo", "pictures"]);
    decodes(&mut decode, folder)?;
    std::fs::read(folder.join("pictures")).map_err(|e| e.to_string())
}

/// Runs FFmpeg to decode something, which it must do without complaint.
pub(crate) fn decodes(decode: &mut Command, folder: &Path) -> Result<(), String> {
    let decoded = run_now(decode, folder, Duration::from_secs(30));
    // Two pictures within one unit of the output's own time, which counts pictures.
    let is_rounding = |line: &&str| line.contains("non monotonically increasing dts to muxer");
    let complaints: Vec<&str> =
        decoded.complaints.lines().filter(|line| !is_rounding(line)).collect();
    if decoded.succeeded && complaints.is_empty() {
        Ok(())
    } else {
        Err(format!("ffmpeg: {}", complaints.join("\n")))
    }
}

/// The same, decoded by GStreamer.
fn pictures_of_gstreamer(path: &Path, kind: Kind, folder: &Path) -> Result<Vec<u8>, String> {
    let (parse, decode) =
        if kind == Kind::H264 { ("h264parse", "avdec_h264") } else { ("h265parse", "avdec_h265") };
    let mut play = Command::new("gst-launch-1.0");
    play.args(["-q", "filesrc", &format!("location={}", path.display()), "!", "qtdemux", "name=d"]);
    play.args(["d.video_0", "!", "queue", "!", parse, "!", decode, "!", "videoconvert", "!"]);
    play.args(["video/x-raw,format=I420", "!", "filesink", "location=decoded"]);
    let played = run_now(&mut play, folder, Duration::from_secs(30));
    if !played.succeeded {
        return Err(format!("GStreamer: {}", played.complaints));
    }
    std::fs::read(folder.join("decoded")).map_err(|e| e.to_string())
}

fn gstreamer_is_there() -> bool {
    ["qtdemux", "h264parse", "h265parse", "avdec_h264", "avdec_h265", "videoconvert"]
        .iter()
        .all(|e| have(&format!("GStreamer's {e}"), &["gst-inspect-1.0", "--exists", e]))
}

/// The files of which every picture is decoded.
const DECODED: [&str; 4] = ["bframes.h264", "bframes.h265", "h264_aac.mkv", "h265_mp3.mkv"];

#[test]
fn every_file_is_recorded_in_mp4() {
    if !ffmpeg::there() {
        return;
    }
    let has_gstreamer = gstreamer_is_there();
    let server = Server::of_media();
    all(jobs(), |media| {
        let (_folder, folder) = scratch();
        record(&["-t", "--mp4", "it.mp4"], &server.url(media.file), &folder)?;
        let (source, path) = (testdata("media").join(media.file), folder.join("it.mp4"));
        let kinds: Vec<Kind> = media.tracks.iter().map(|&kind| in_mp4(kind)).collect();
        let codecs = probe(&path, &["-show_entries", "stream=codec_name"], &folder)?;
        let fits = |(kind, codec): (&Kind, &String)| is_codec(*kind, codec);
        if codecs.len() != kinds.len() || !kinds.iter().zip(&codecs).all(fits) {
            return Err(format!("codecs are {codecs:?}, not those of {kinds:?}"));
        }
        // What is in the tracks.
        let sent = if media.is_annex_b() {
            tracks_of_file(&media, &folder)?
        } else {
            extract(&source, &kinds, "sent", &folder)?
        };
        let found = extract(&path, &kinds, "found", &folder)?;
        for ((&kind, sent), found) in kinds.iter().zip(&sent).zip(&found) {
            compare(&media, kind, sent, found).map_err(|e| format!("{kind:?}: {e}"))?;
        }
        // How many pictures, and how long.
        if kinds[0].is_video() {
            let (sent, found) =
                (packets(&source, "v:0", &folder)?, packets(&path, "v:0", &folder)?);
            if sent != found {
                return Err(format!("{found} pictures of {sent}"));
            }
        }
        let lasts = duration(&path, &folder)?;
        let expected = match duration(&source, &folder) {
            Ok(duration) => duration,
            // The files without a container have 25 pictures a second.
            Err(_) => packets(&source, "v:0", &folder)? as f64 / 25.0,
        };
        // Pictures that are decoded before they are shown begin later.
        if !(-0.1..0.3).contains(&(lasts - expected)) {
            return Err(format!("it lasts {lasts} s, not {expected} s"));
        }
        if DECODED.contains(&media.file) {
            let expected = pictures(&source, &folder)?;
            same_bytes(&expected, &pictures(&path, &folder)?)
                .map_err(|e| format!("FFmpeg's pictures: {e}"))?;
            if has_gstreamer {
                same_bytes(&expected, &pictures_of_gstreamer(&path, kinds[0], &folder)?)
                    .map_err(|e| format!("GStreamer's pictures: {e}"))?;
            }
        }
        Ok(())
    });
}

#[test]
fn each_segment_plays_alone() {
    if !ffmpeg::there() {
        return;
    }
    let has_gstreamer = gstreamer_is_there();
    let server = Server::of_media();
    let (_folder, folder) = scratch();
    record(&["-t", "-P", "2", "--mp4", "it.mp4"], &server.url("h264_aac.mkv"), &folder)
        .expect("it is recorded");
    let segments: Vec<PathBuf> = (1..=3).map(|n| folder.join(format!("it-{n:05}.mp4"))).collect();
    assert!(!folder.join("it-00004.mp4").exists() && !folder.join("it.mp4").exists());
    let source = testdata("media").join("h264_aac.mkv");
    let expected = pictures(&source, &folder).expect("FFmpeg decodes it");
    let (mut by_ffmpeg, mut by_gstreamer, mut sounds) = (Vec::new(), Vec::new(), 0);
    for segment in &segments {
        by_ffmpeg.extend(pictures(segment, &folder).expect("it is decoded"));
        if has_gstreamer {
            let decoded = pictures_of_gstreamer(segment, Kind::H264, &folder);
            by_gstreamer.extend(decoded.expect("it is decoded"));
        }
        let found = packets(segment, "a:0", &folder).expect("it is read");
        assert!(found > 30, "{found} frames of sound in {}", segment.display());
        sounds += found;
    }
    assert_eq!(same_bytes(&expected, &by_ffmpeg), Ok(()));
    if has_gstreamer {
        assert_eq!(same_bytes(&expected, &by_gstreamer), Ok(()));
    }
    assert_eq!(Ok(sounds), packets(&source, "a:0", &folder));
}

//! FFmpeg: every file, both transports, compared with what FFmpeg finds in the file itself.

use crate::media::{Carriage, Kind, Media, jobs};
use crate::server::{Server, testdata};
use crate::streams::{but_the_last, same, same_pictures, tail_of};
use crate::tools::{all, have, run, run_now, scratch};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

pub(crate) fn there() -> bool {
    have("FFmpeg", &["ffmpeg", "-version"]) && have("ffprobe", &["ffprobe", "-version"])
}

pub(crate) fn ffmpeg() -> Command {
    let mut command = Command::new("ffmpeg");
    command.args(["-hide_banner", "-nostdin", "-y", "-loglevel", "warning"]);
    command
}

/// The options that write a track as an elementary stream without changing a bit of it. PCM is
/// turned into one byte order.
fn output(kind: Kind) -> &'static [&'static str] {
    match kind {
        Kind::H264 => &["-c", "copy", "-f", "h264"],
        Kind::H265 => &["-c", "copy", "-f", "hevc"],
        Kind::Aac => &["-c", "copy", "-f", "adts"],
        Kind::Mp3 | Kind::Mp2 | Kind::Opus | Kind::Picture(_) | Kind::Sound(_) => {
            &["-c", "copy", "-f", "data"]
        }
        Kind::Pcm(8) => &["-c:a", "pcm_u8", "-f", "u8"],
        Kind::Pcm(24) => &["-c:a", "pcm_s24le", "-f", "s24le"],
        Kind::Pcm(_) => &["-c:a", "pcm_s16le", "-f", "s16le"],
        Kind::Mulaw => &["-c", "copy", "-f", "mulaw"],
        Kind::Alaw => &["-c", "copy", "-f", "alaw"],
    }
}

/// Adds an output file for each track.
pub(crate) fn outputs(command: &mut Command, tracks: &[Kind], prefix: &str) {
    for (index, &kind) in tracks.iter().enumerate() {
        let which = if kind.is_video() { "0:v:0" } else { "0:a:0" };
        command.args(["-map", which]).args(output(kind)).arg(format!("{prefix}{index}"));
    }
}

/// What is in the file: an elementary stream for each track that is served.
pub(crate) fn tracks_of_file(media: &Media, folder: &Path) -> Result<Vec<Vec<u8>>, String> {
    let path = testdata("media").join(media.file);
    if media.is_annex_b() {
        return Ok(vec![std::fs::read(path).map_err(|e| e.to_string())?]);
    }
    extract(&path, media.tracks, "sent", folder)
}

/// An elementary stream for each track of any file.
pub(crate) fn extract(
    path: &Path,
    tracks: &[Kind],
    prefix: &str,
    folder: &Path,
) -> Result<Vec<Vec<u8>>, String> {
    let mut command = ffmpeg();
    command.arg("-i").arg(path);
    outputs(&mut command, tracks, prefix);
    let played = run_now(&mut command, folder, Duration::from_secs(30));
    if !played.succeeded {
        return Err(format!("FFmpeg cannot read {}: {}", path.display(), played.complaints));
    }
    read_all(folder, prefix, tracks.len())
}

pub(crate) fn read_all(folder: &Path, prefix: &str, count: usize) -> Result<Vec<Vec<u8>>, String> {
    (0..count)
        .map(|i| {
            let name = format!("{prefix}{i}");
            std::fs::read(folder.join(&name)).map_err(|e| format!("{name}: {e}"))
        })
        .collect()
}

/// The codecs of all streams that ffprobe finds, in any order.
fn probe(url: &str, over: &str, folder: &Path) -> Result<Vec<String>, String> {
    let mut command = Command::new("ffprobe");
    command
        .args(["-loglevel", "warning", "-rtsp_transport", over, "-analyzeduration", "2000000"])
        .args(["-show_entries", "stream=codec_name", "-of", "csv=p=0", url]);
    let played = run(&mut command, folder, Duration::from_secs(30));
    if !played.succeeded {
        return Err(format!("ffprobe: {}", played.complaints));
    }
    let mut codecs: Vec<String> = played
        .stdout
        .lines()
        .map(|line| line.trim_end_matches(',').to_owned())
        .filter(|line| !line.is_empty())
        .collect();
    codecs.sort();
    codecs.dedup();
    Ok(codecs)
}

/// FFmpeg has no L8: it plays such a track as nothing.
fn knows(media: &Media) -> bool {
    !media.tracks.contains(&Kind::Pcm(8))
}

/// Compares a track with what FFmpeg reads from the file, as far as FFmpeg lets us.
pub(crate) fn compare(
    media: &Media,
    kind: Kind,
    sent: &[u8],
    arrived: &[u8],
) -> Result<(), String> {
    if media.carriage != Carriage::Tracks && kind.is_video() {
        // FFmpeg gives out a picture when the next begins, and forgets the last when RTP ends.
        return same(kind, but_the_last(sent), arrived).or_else(|_| same(kind, sent, arrived));
    }
    if kind == Kind::H265 && !media.is_annex_b() {
        // FFmpeg repeats the SEI of Matroska's codec data before each key frame.
        return same_pictures(kind, sent, arrived);
    }
    same(kind, sent, arrived)
}

#[test]
fn ffprobe_finds_the_tracks_of_every_file() {
    if !there() {
        return;
    }
    let server = Server::of_media();
    let jobs = jobs().into_iter().filter(|(_, (media, _))| knows(media)).collect();
    all(jobs, |(media, over)| {
        let (_folder, folder) = scratch();
        let mut expected: Vec<&str> = media.tracks.iter().map(|k| k.codec_name()).collect();
        expected.sort_unstable();
        // MPEG audio says in its frames alone which layer it is, and FFmpeg takes its time.
        let found = probe(&server.url(media.file), over, &folder)?;
        let found: Vec<&str> = found.iter().map(String::as_str).collect();
        let matches = found.len() == expected.len()
            && found.iter().zip(&expected).all(|(f, e)| f == e || (*e == "mp2" && *f == "mp3"));
        if matches { Ok(()) } else { Err(format!("found {found:?}, not {expected:?}")) }
    });
}

#[test]
fn ffmpeg_receives_every_file_whole() {
    if !there() {
        return;
    }
    let server = Server::of_media();
    let jobs = jobs().into_iter().filter(|(_, (media, _))| knows(media)).collect();
    all(jobs, |(media, over)| {
        let (_folder, folder) = scratch();
        let sent = tracks_of_file(&media, &folder)?;
        let mut command = ffmpeg();
        command.args(["-rtsp_transport", over, "-i"]).arg(server.url(media.file));
        outputs(&mut command, media.tracks, "arrived");
        let played = run(&mut command, &folder, Duration::from_secs(40));
        let complaints = &played.complaints;
        if !played.succeeded {
            return Err(format!("ffmpeg: {complaints}"));
        }
        let arrived = read_all(&folder, "arrived", media.tracks.len())?;
        for ((&kind, sent), arrived) in media.tracks.iter().zip(&sent).zip(&arrived) {
            compare(&media, kind, sent, arrived)
                .map_err(|e| format!("{kind:?}: {e}\n{complaints}"))?;
        }
        Ok(())
    });
}

#[test]
fn ffmpeg_seeks() {
    if !there() {
        return;
    }
    let server = Server::of_media();
    let files = ["bframes.h264", "h264_aac.mkv", "slices.265", "no_cues.mkv"];
    let jobs = crate::media::to_play()
        .into_iter()
        .filter(|m| files.contains(&m.file))
        .map(|m| (m.file.to_owned(), m))
        .collect();
    all(jobs, |media: Media| {
        let (_folder, folder) = scratch();
        let sent = tracks_of_file(&media, &folder)?;
        let kind = media.tracks[0];
        let mut command = ffmpeg();
        command.args(["-rtsp_transport", "tcp", "-ss", "2.2", "-i"]).arg(server.url(media.file));
        outputs(&mut command, &media.tracks[..1], "arrived");
        let played = run(&mut command, &folder, Duration::from_secs(40));
        let complaints = &played.complaints;
        if !played.succeeded {
            return Err(format!("ffmpeg: {complaints}"));
        }
        let arrived = read_all(&folder, "arrived", 1)?;
        let first =
            tail_of(kind, &sent[0], &arrived[0]).map_err(|e| format!("{e}\n{complaints}"))?;
        let slices = if media.file.starts_with("slices") { 2 } else { 1 };
        // The key frame before is picture 50.
        let picture = first / slices;
        if picture == 50 { Ok(()) } else { Err(format!("playing began at picture {picture}")) }
    });
}

//! Media files: probes that examine a file step by step, and sources that read it.
//!
//! Start with [`probe`], which chooses the kind of file by its extension; its result is a
//! [`MediaFile`].

use std::path::Path;

#[cfg(feature = "more-files")]
pub mod ac3;
pub mod adts;
#[cfg(feature = "more-files")]
pub mod amr;
mod container;
mod elementary;
#[cfg(feature = "more-files")]
pub mod g722;
pub mod h26x;
#[cfg(feature = "more-files")]
pub mod ivf;
pub mod matroska;
mod media_file;
#[cfg(feature = "more-files")]
pub mod mjpeg;
#[cfg(feature = "mp4")]
pub mod mp4;
pub mod mpeg_audio;
#[cfg(feature = "more-files")]
pub mod mpeg_ps;
pub mod mpeg_ts;
#[cfg(feature = "more-files")]
pub mod mpeg_video;
#[cfg(feature = "more-files")]
pub mod obu;
#[cfg(feature = "more-files")]
pub mod ogg;
#[cfg(feature = "more-files")]
mod picture_file;
#[cfg(feature = "more-files")]
mod program;
#[cfg(test)]
mod scale_tests;
#[cfg(all(feature = "more-files", any(test, feature = "fuzzing")))]
pub(crate) mod scratch;
mod shared;
#[cfg(test)]
mod testing;
pub mod wav;

pub(crate) use media_file::open_regular;
pub use media_file::{MediaFile, Probe, ProbeError, ProbePoll, Track};

/// The endings of names of files that can be served, in lower case.
const KNOWN: &[&str] = &[
    "264", "h264", "265", "h265", "hevc", "aac", "mp3", "mp2", "wav", "ts", "m2ts", "mkv", "webm",
];
/// Those of the feature `mp4`.
const MP4: &[&str] = if cfg!(feature = "mp4") { &["mp4", "m4v", "m4a", "mov", "3gp"] } else { &[] };
/// Those of the feature `more-files`.
#[cfg(feature = "more-files")]
const MORE: &[&str] = &[
    "ogg", "oga", "opus", "ivf", "obu", "ac3", "eac3", "amr", "awb", "g722", "mjpeg", "mjpg",
    "m1v", "m2v", "mpv", "mpg", "mpeg", "vob",
];
#[cfg(not(feature = "more-files"))]
const MORE: &[&str] = &[];

/// The ending of the file's name in lower case; empty if it has none.
fn extension(path: &Path) -> String {
    path.extension().and_then(|e| e.to_str()).map_or_else(String::new, str::to_ascii_lowercase)
}

fn is_known_ending(ending: &str) -> bool {
    [KNOWN, MP4, MORE].iter().any(|endings| endings.contains(&ending))
}

/// Returns whether `path` has a known extension (in any case).
pub fn is_known(path: &Path) -> bool {
    is_known_ending(&extension(path))
}

/// Starts a probe like [`probe`], to which the elementary streams of a transport stream are tracks
/// ([`probe_mpeg_ts_tracks`](mpeg_ts::probe_mpeg_ts_tracks)).
///
/// # Errors
/// Those of [`probe`].
#[cfg(feature = "more-files")]
pub fn probe_tracks(path: &Path) -> Result<Box<dyn Probe>, ProbeError> {
    let is_regular = std::fs::metadata(path)?.is_file();
    match extension(path).as_str() {
        "ts" | "m2ts" if is_regular => mpeg_ts::probe_mpeg_ts_tracks(path),
        "mpg" | "mpeg" | "vob" if is_regular => {
            mpeg_ps::probe_content(path, mpeg_ts::probe_mpeg_ts_tracks)
        }
        _ => probe(path),
    }
}

/// Starts a probe for the kind of file that the extension names.
///
/// # Errors
/// The extension is unknown, or the file cannot be read or is not a regular file.
pub fn probe(path: &Path) -> Result<Box<dyn Probe>, ProbeError> {
    let extension = extension(path);
    if !is_known_ending(&extension) {
        return Err(ProbeError::UnknownType);
    }
    // Before anything opens it: opening a FIFO waits for its other end, and opening a device may
    // do things.
    if !std::fs::metadata(path)?.is_file() {
        return Err(ProbeError::Content("not a regular file".into()));
    }
    match extension.as_str() {
        "264" | "h264" => h26x::probe_h264(path),
        "265" | "h265" | "hevc" => h26x::probe_h265(path),
        "aac" => adts::probe_adts(path),
        "mp3" | "mp2" => mpeg_audio::probe_mpeg_audio(path),
        "wav" => wav::probe_wav(path),
        "ts" | "m2ts" => mpeg_ts::probe_mpeg_ts(path),
        "mkv" | "webm" => matroska::probe_matroska(path),
        #[cfg(feature = "mp4")]
        "mp4" | "m4v" | "m4a" | "mov" | "3gp" => mp4::probe_mp4(path),
        #[cfg(feature = "more-files")]
        "ogg" | "oga" | "opus" => ogg::probe_ogg(path),
        #[cfg(feature = "more-files")]
        "ivf" => ivf::probe_ivf(path),
        #[cfg(feature = "more-files")]
        "obu" => obu::probe_obu(path),
        #[cfg(feature = "more-files")]
        "ac3" | "eac3" => ac3::probe_ac3(path),
        #[cfg(feature = "more-files")]
        "amr" | "awb" => amr::probe_amr(path),
        #[cfg(feature = "more-files")]
        "g722" => g722::probe_g722(path),
        #[cfg(feature = "more-files")]
        "mjpeg" | "mjpg" => mjpeg::probe_mjpeg(path),
        #[cfg(feature = "more-files")]
        "m1v" | "m2v" | "mpv" => mpeg_video::probe_mpeg_video(path),
        #[cfg(feature = "more-files")]
        "mpg" | "mpeg" | "vob" => mpeg_ps::probe_mpeg_ps(path),
        _ => Err(ProbeError::UnknownType),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endings_are_known_in_any_case() {
        for name in ["a.mkv", "b.WebM", "c.d.H264", "e.M2ts", "/f/g h.aac"] {
            assert!(is_known(Path::new(name)), "{name}");
        }
        for name in ["mkv", ".mkv", "a.avi", "b.", "c.mkv/d", "e.h264x"] {
            assert!(!is_known(Path::new(name)), "{name}");
        }
    }

    #[test]
    fn only_regular_files_are_opened() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        std::fs::create_dir(path("folder.mkv")).unwrap();
        std::os::unix::fs::symlink("/dev/zero", path("device.ts")).unwrap();
        let made = std::process::Command::new("mkfifo").arg(path("fifo.h264")).status();
        let mut names = vec!["folder.mkv", "device.ts"];
        if made.is_ok_and(|status| status.success()) {
            names.push("fifo.h264");
            // Even where what the name stands for has changed since it was looked at.
            assert!(matches!(open_regular(&path("fifo.h264")), Err(ProbeError::Content(_))));
        }
        for name in names {
            assert!(matches!(probe(&path(name)), Err(ProbeError::Content(_))), "{name}");
        }
        assert!(matches!(probe(&path("none.mkv")), Err(ProbeError::Io(_))));
        assert!(matches!(probe(&path("a.txt")), Err(ProbeError::UnknownType)));
    }

    #[test]
    fn every_known_ending_has_a_probe() {
        let folder = tempfile::tempdir().unwrap();
        for ending in KNOWN.iter().chain(MORE) {
            let path = folder.path().join(format!("empty.{ending}"));
            std::fs::write(&path, b"").unwrap();
            assert!(!matches!(probe(&path), Err(ProbeError::UnknownType)), "{ending}");
        }
    }
}

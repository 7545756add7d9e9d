//! GStreamer's rtspsrc: every file, both transports, compared with the file.

use crate::ffmpeg::{compare, tracks_of_file};
use crate::media::{Carriage, Kind, Media, jobs};
use crate::server::{Server, testdata};
use crate::streams::{adts_frames, same_bytes};
use crate::tools::{Played, all, have, run, scratch};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

/// The Python that the operating system comes with: only that one finds its GStreamer packages.
pub(crate) const PYTHON: &str = "/usr/bin/python3";

pub(crate) fn there() -> bool {
    ["rtspsrc", "rtph264depay", "rtph265depay", "rtpL8depay", "h264parse", "h265parse"]
        .iter()
        .all(|e| have(&format!("GStreamer's {e}"), &["gst-inspect-1.0", "--exists", e]))
        && have(
            "GStreamer for Python",
            &[PYTHON, "-c", "import gi; gi.require_version('Gst', '1.0')"],
        )
        && have("FFmpeg", &["ffmpeg", "-version"])
}

/// From RTP to an elementary stream.
pub(crate) fn depayloader(kind: Kind) -> &'static str {
    match kind {
        Kind::H264 => "rtph264depay ! video/x-h264,stream-format=byte-stream,alignment=nal",
        Kind::H265 => "rtph265depay ! video/x-h265,stream-format=byte-stream,alignment=nal",
        Kind::Aac => "rtpmp4gdepay",
        Kind::Mp3 | Kind::Mp2 => "rtpmpadepay",
        Kind::Pcm(8) => "rtpL8depay",
        Kind::Pcm(24) => "rtpL24depay",
        Kind::Pcm(_) => "rtpL16depay",
        Kind::Mulaw => "rtppcmudepay",
        Kind::Alaw => "rtppcmadepay",
        Kind::Opus => "rtpopusdepay",
        Kind::Picture(name) | Kind::Sound(name) => match name {
            "vp8" => "rtpvp8depay",
            "vp9" => "rtpvp9depay",
            "av1" => "rtpav1depay",
            "mjpeg" => "rtpjpegdepay",
            "mpeg4" => "rtpmp4vdepay",
            "mpeg1video" | "mpeg2video" => "rtpmpvdepay",
            "amr_nb" | "amr_wb" => "rtpamrdepay",
            "adpcm_g722" => "rtpg722depay",
            "vorbis" => "rtpvorbisdepay",
            _ => "rtpac3depay",
        },
    }
}

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

/// What arrived of each track, and what GStreamer complained of meanwhile.
pub(crate) fn receive(
    media: &Media,
    url: &str,
    over: &str,
    folder: &Path,
) -> Result<(Vec<Vec<u8>>, String), String> {
    receive_by(run, media, url, over, folder)
}

/// The same, by a function that says when GStreamer is started.
pub(crate) fn receive_by(
    run: fn(&mut Command, &Path, Duration) -> Played,
    media: &Media,
    url: &str,
    over: &str,
    folder: &Path,
) -> Result<(Vec<Vec<u8>>, String), String> {
    let mut command = Command::new(PYTHON);
    command.arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/interop/receive.py")).args([url, over]);
    let mut count = 1;
    if media.carriage == Carriage::Tracks {
        count = media.tracks.len();
        for &kind in media.tracks {
            let which = if kind.is_video() { "video" } else { "audio" };
            command.arg(format!("{which}={}", depayloader(kind)));
        }
    } else {
        command.arg("video=rtpmp2tdepay");
    }
    let patience = Duration::from_secs(40);
    let mut played = run(&mut command, folder, patience);
    if played.crashed {
        // It does that at times, with SRTP above all.
        eprintln!(
            "{url} over {over}: GStreamer crashed, and plays it once more{}",
            played.complaints
        );
        played = run(&mut command, folder, patience);
    }
    if !played.succeeded {
        return Err(format!("GStreamer: {}", played.complaints));
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
        let (arrived, complaints) = receive(&media, &server.url(media.file), over, &folder)?;
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

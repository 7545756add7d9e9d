//! The `open_rtsp` example: records every file from `media_server` over both transports, compared
//! with what FFmpeg finds in the file itself.

use crate::ffmpeg::{self, compare, tracks_of_file};
use crate::gstreamer::ts_packets;
use crate::live555::arrived;
use crate::media::{Carriage, Kind, Media, jobs, of_file};
use crate::server::{Server, example, read_lines, testdata};
use crate::streams::{nals, same_bytes};
use crate::tools::{Extent, all, extent, run_light, scratch};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

/// The program, which says nothing if nothing is wrong.
pub(crate) fn open_rtsp(options: &[&str]) -> Command {
    let mut command = Command::new(example("open_rtsp"));
    command.env_remove("RUST_LOG").arg("-V").args(options);
    command
}

/// Records a URL in `folder` to its end.
pub(crate) fn record(options: &[&str], url: &str, folder: &Path) -> Result<(), String> {
    let recorded = run_light(open_rtsp(options).arg(url), folder, Duration::from_secs(40));
    let complaints = recorded.complaints;
    if recorded.succeeded && complaints.is_empty() {
        Ok(())
    } else {
        Err(format!("open_rtsp: {complaints}"))
    }
}

/// What it was to write for a transport.
pub(crate) const fn transport(over: &str) -> &'static str {
    if over.as_bytes()[0] == b't' { "-t" } else { "--udp" }
}

/// A file of a track as an elementary stream in the form that FFmpeg writes: samples have a header
/// in the file.
fn elementary(kind: Kind, file: Vec<u8>, folder: &Path) -> Result<Vec<u8>, String> {
    if !matches!(kind, Kind::Pcm(_) | Kind::Mulaw | Kind::Alaw) {
        return Ok(file);
    }
    std::fs::write(folder.join("it.wav"), file).map_err(|e| e.to_string())?;
    Ok(ffmpeg::extract(&folder.join("it.wav"), &[kind], "samples", folder)?.remove(0))
}

/// Compares the files of all tracks with what is in a file of `testdata/media`.
pub(crate) fn compare_tracks(media: &Media, folder: &Path) -> Result<(), String> {
    let arrived = arrived(folder);
    if let Carriage::TransportStream { gap } = media.carriage {
        let stream = arrived.first().ok_or("nothing was written")?;
        return same_bytes(&ts_packets(media.file, gap)?, stream);
    }
    let sent = tracks_of_file(media, folder)?;
    if arrived.len() != sent.len() {
        return Err(format!("{} tracks of {} were written", arrived.len(), sent.len()));
    }
    for ((&kind, sent), arrived) in media.tracks.iter().zip(&sent).zip(arrived) {
        let arrived = elementary(kind, arrived, folder)?;
        compare(media, kind, sent, &arrived).map_err(|e| format!("{kind:?}: {e}"))?;
    }
    Ok(())
}

#[test]
fn open_rtsp_records_every_file_whole() {
    if !ffmpeg::there() {
        return;
    }
    let server = Server::of_media();
    all(jobs(), |(media, over)| {
        let (_folder, folder) = scratch();
        record(&[transport(over)], &server.url(media.file), &folder)?;
        compare_tracks(&media, &folder)
    });
}

#[test]
fn open_rtsp_records_through_a_tunnel_of_http() {
    if !ffmpeg::there() {
        return;
    }
    let server = Server::of_media();
    let (_, port) = server.address.rsplit_once(':').expect("an address and a port");
    let files = ["bframes.h265", "h264_aac.mkv", "program.ts"];
    all(files.map(|file| (file.to_owned(), of_file(file))).into(), |media| {
        let (_folder, folder) = scratch();
        record(&["-T", port], &server.url(media.file), &folder)?;
        compare_tracks(&media, &folder)
    });
}

/// Of several periods: the files of the tracks, in order.
fn periods(folder: &Path, medium: &str) -> Vec<PathBuf> {
    let files = std::fs::read_dir(folder).expect("read the folder");
    let mut paths: Vec<_> = files.map(|entry| entry.expect("read it").path()).collect();
    paths.retain(|path| path.file_name().is_some_and(|n| n.to_string_lossy().starts_with(medium)));
    paths.sort();
    paths
}

#[test]
fn the_files_of_periods_are_the_whole_together() {
    if !ffmpeg::there() {
        return;
    }
    let server = Server::of_media();
    let (_folder, folder) = scratch();
    record(&["-t", "-P", "2"], &server.url("h264_aac.mkv"), &folder).expect("it is recorded");
    let media = of_file("h264_aac.mkv");
    let sent = tracks_of_file(&media, &folder).expect("FFmpeg reads it");
    for ((medium, kind), sent) in ["video-", "audio-"].into_iter().zip(media.tracks).zip(&sent) {
        let files = periods(&folder, medium);
        assert_eq!(files.len(), 3, "{files:?}");
        let parts: Vec<_> = files.iter().map(|f| std::fs::read(f).expect("read it")).collect();
        assert_eq!(compare(&media, *kind, sent, &parts.concat()), Ok(()));
        if kind.is_video() {
            // Each begins with what a decoder needs.
            let first = |part: &Vec<u8>| nals(part).first().map(|nal| nal[0] & 0x1f);
            assert!(parts.iter().all(|part| first(part) == Some(7)), "{files:?}");
        }
    }
}

/// A group on the loopback interface, for this test alone.
const GROUP: [&str; 8] =
    ["--group", "239.255.77.9", "--interface", "127.0.0.1", "--ttl", "0", "--port", "26100"];

#[test]
fn open_rtsp_records_from_a_group() {
    if extent() == Extent::Skip {
        return eprintln!("SKIPPED: RIVERRUN_INTEROP=skip");
    }
    let (_folder, folder) = scratch();
    let mut streamer = Command::new(example("multicast_streamer"));
    streamer.args(["--bind", "127.0.0.1", "--rtsp-port", "0", "--loop"]).args(GROUP);
    streamer.arg(testdata("media").join("slices.264"));
    let mut streamer =
        streamer.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().expect("it starts");
    let lines = read_lines(streamer.stdout.take().expect("piped"));
    let line = lines.recv_timeout(Duration::from_secs(20)).expect("it prints a URL");
    let url = line.split_whitespace().next().unwrap_or_default().to_owned();
    let recorded = record(&["-C", "-d", "4"], &url, &folder);
    let _ = streamer.kill();
    let _ = streamer.wait();
    recorded.expect("it is recorded");
    let pictures = |stream: &[u8]| -> Vec<Vec<u8>> {
        let slices = nals(stream).into_iter().filter(|nal| nal[0] & 0x1f <= 5);
        slices.map(<[u8]>::to_vec).collect()
    };
    let file = std::fs::read(testdata("media").join("slices.264")).expect("read it");
    let (sent, arrived) = (pictures(&file), pictures(&arrived(&folder)[0]));
    // Wherever it began, what follows is there whole, past the end and on at the beginning.
    let start = sent.iter().position(|slice| *slice == arrived[0]).expect("a slice of the file");
    assert!(arrived.len() > 100, "{}", arrived.len());
    let expected = sent.iter().cycle().skip(start);
    let same = arrived.iter().zip(expected).take_while(|(a, b)| a == b).count();
    assert_eq!(same, arrived.len(), "from slice {start} on");
}

/// What is still being written, was interrupted, or killed, plays as far as it goes.
#[test]
fn a_recording_plays_before_and_after_any_end() {
    if !ffmpeg::there() {
        return;
    }
    let server = Server::of_media();
    let (_folder, folder) = scratch();
    let url = server.url("h264_aac.mkv");
    let begin = |name: &str| {
        let mut command = open_rtsp(&["-t", "--mp4", name]);
        command.arg(&url).current_dir(&folder).stdin(Stdio::null());
        command.spawn().expect("it starts")
    };
    let signal = |process: &std::process::Child, which: &str| {
        let id = process.id().to_string();
        assert!(Command::new("kill").args([which, &id]).status().expect("run kill").success());
    };
    let mut interrupted = begin("interrupted.mp4");
    let mut killed = begin("killed.mp4");
    std::thread::sleep(Duration::from_millis(3600));
    std::fs::copy(folder.join("killed.mp4"), folder.join("growing.mp4")).expect("copy it");
    signal(&interrupted, "-INT");
    signal(&killed, "-KILL");
    assert!(interrupted.wait().expect("it ends").success());
    assert!(!killed.wait().expect("it ends").success());
    // A fragment is as long as two seconds; what is whole when it was interrupted is all.
    for (name, least) in [("interrupted.mp4", 75), ("killed.mp4", 25), ("growing.mp4", 25)] {
        let frames = crate::mp4::packets(&folder.join(name), "v:0", &folder).expect("it is read");
        assert!((least..=125).contains(&frames), "{name}: {frames} pictures");
        let mut decode = ffmpeg::ffmpeg();
        decode.arg("-i").arg(folder.join(name)).args(["-map", "0", "-f", "null", "-"]);
        assert_eq!(crate::mp4::decodes(&mut decode, &folder), Ok(()), "{name}");
    }
}

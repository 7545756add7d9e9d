//! Records the files of `testdata/media` with the crate's sinks, and has players read what was
//! written: every frame with its bytes and times. `RIVERRUN_INTEROP` says how much, as for
//! `tests/interop`.
#![allow(clippy::print_stderr)]

#[allow(dead_code)]
#[path = "interop/tools.rs"]
mod tools;

use riverrun::Frame;
use riverrun::codec::{CodecParameters, OtherCodec, PcmEncoding};
use riverrun::media::demux::DemuxTable;
use riverrun::media::file::{ProbePoll, probe};
use riverrun::media::sinks::{
    FileForm, FileRecorder, FileRecorderConfig, Mp4Config, Mp4Recorder, OneFile, Recorder,
};
use riverrun::media::{FramePoll, SourceContext, Wait};
use std::fs::File;
use std::io::{self, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tools::{Extent, all, extent, have, run_now, scratch};

/// A track and its frames.
struct Track {
    parameters: CodecParameters,
    frames: Vec<Frame>,
}

impl Track {
    const fn is_video(&self) -> bool {
        matches!(self.parameters, CodecParameters::H264 { .. } | CodecParameters::H265 { .. })
    }

    fn bytes(&self) -> Vec<u8> {
        self.frames.iter().flat_map(|frame| frame.data.iter().copied()).collect()
    }
}

fn media() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/media")
}

fn names() -> Vec<String> {
    let files = std::fs::read_dir(media()).expect("the media are there");
    let name = |entry: io::Result<std::fs::DirEntry>| entry.expect("read").file_name();
    let mut names: Vec<_> = files.map(|f| name(f).into_string().expect("a name")).collect();
    names.sort();
    names
}

/// What the crate's own sources give of a file.
fn tracks(path: &Path) -> Vec<Track> {
    let mut opened = probe(path).expect("a known kind of file");
    let file = loop {
        match opened.poll_probe(1 << 20) {
            ProbePoll::Pending => {}
            ProbePoll::Ready(file) => break file,
            ProbePoll::Failed(e) => panic!("{}: {e}", path.display()),
        }
    };
    let (mut demuxers, now) = (DemuxTable::default(), Instant::now());
    let mut cx = SourceContext::new(now, &mut demuxers);
    let count = file.tracks().len();
    let open = |i, cx: &mut _| Arc::clone(&file).open_track(i, 0, cx).expect("it opens");
    let mut sources: Vec<_> = (0..count).map(|i| open(i, &mut cx)).collect();
    let mut frames = vec![Vec::new(); count];
    let mut ended = vec![false; count];
    while ended.contains(&false) {
        for (i, source) in
            sources.iter_mut().enumerate().filter(|(i, _)| !ended[*i]).collect::<Vec<_>>()
        {
            match source.poll_frame(&mut cx) {
                FramePoll::Ready(frame) => frames[i].push(frame),
                FramePoll::Pending(Wait::Until(at)) => cx.now = at,
                FramePoll::Pending(_) => {}
                FramePoll::Ended(_) => ended[i] = true,
            }
        }
    }
    let parameters = file.tracks().iter().map(|track| track.parameters.clone());
    parameters.zip(frames).map(|(parameters, frames)| Track { parameters, frames }).collect()
}

/// Hands the frames of all tracks over in the order in which they are due.
fn record(recorder: &mut dyn Recorder, tracks: &[Track]) {
    assert_eq!(record_until_errors(recorder, tracks), [""; 0]);
}

/// The same, with all that went wrong.
fn record_until_errors(recorder: &mut dyn Recorder, tracks: &[Track]) -> Vec<String> {
    let numbers: Vec<_> =
        tracks.iter().map(|t| recorder.add_track(&t.parameters).expect("it is taken")).collect();
    let mut frames: Vec<(usize, &Frame)> = (tracks.iter().zip(numbers))
        .flat_map(|(track, number)| track.frames.iter().map(move |frame| (number, frame)))
        .collect();
    frames.sort_by_key(|(_, frame)| frame.dts);
    let handed = frames.into_iter().map(|(number, frame)| recorder.handle_frame(number, frame));
    let mut errors: Vec<String> = handed.filter_map(Result::err).map(|e| e.to_string()).collect();
    errors.extend(recorder.finish().err().map(|e| e.to_string()));
    errors
}

/// Of a byte stream: its NAL units without parameter sets and delimiters.
fn slices(h265: bool, stream: &[u8]) -> Vec<&[u8]> {
    let mut starts = memchr_all(stream);
    starts.push(stream.len() + 3);
    let nal = |pair: &[usize]| {
        let nal = &stream[pair[0]..(pair[1] - 3).max(pair[0])];
        &nal[..nal.len() - nal.iter().rev().take_while(|&&b| b == 0).count()]
    };
    let kept = |nal: &&[u8]| match nal.first() {
        None => false,
        Some(first) if h265 => !(32..=35).contains(&(first >> 1 & 0x3f)),
        Some(first) => !matches!(first & 0x1f, 7..=9),
    };
    starts.windows(2).map(nal).filter(kept).collect()
}

/// Where NAL units begin.
fn memchr_all(stream: &[u8]) -> Vec<usize> {
    let codes = stream.windows(3).enumerate().filter(|(_, bytes)| *bytes == [0, 0, 1]);
    codes.map(|(at, _)| at + 3).collect()
}

fn same(what: &str, sent: &[u8], found: &[u8]) -> Result<(), String> {
    if sent == found {
        return Ok(());
    }
    let at = sent.iter().zip(found).take_while(|(a, b)| a == b).count();
    Err(format!("{what}: {} bytes of {}, other from byte {at} on", found.len(), sent.len()))
}

/// Compares what a player read of a track with its frames.
fn compare(track: &Track, found: &[u8]) -> Result<(), String> {
    let sent = track.bytes();
    if !track.is_video() {
        return same("audio", &sent, found);
    }
    let h265 = matches!(track.parameters, CodecParameters::H265 { .. });
    let (sent, found) = (slices(h265, &sent), slices(h265, found));
    let at = sent.iter().zip(&found).take_while(|(a, b)| a == b).count();
    if (at, at) == (sent.len(), found.len()) {
        return Ok(());
    }
    Err(format!("{} NAL units of {}, other from {at} on", found.len(), sent.len()))
}

fn command(program: &str, args: &[&str]) -> Command {
    let mut command = Command::new(program);
    command.args(args);
    command
}

/// What a program writes to standard output.
fn output(command: &mut Command, folder: &Path) -> Result<String, String> {
    let ran = run_now(command, folder, Duration::from_secs(40));
    if ran.succeeded && ran.complaints.is_empty() {
        return Ok(ran.stdout);
    }
    Err(format!("{:?}: {}", command.get_program(), ran.complaints))
}

fn ffmpeg_is_there() -> bool {
    have("FFmpeg", &["ffmpeg", "-version"]) && have("ffprobe", &["ffprobe", "-version"])
}

/// Whether a track can be played from a file of its own: of some codecs there is none.
fn has_file(track: &Track) -> bool {
    FileForm::of(&track.parameters).extension(&track.parameters).is_some()
}

fn jobs() -> Vec<(String, String)> {
    let job = |name: String| {
        tracks(&media().join(&name)).iter().any(has_file).then_some((name.clone(), name))
    };
    names().into_iter().filter_map(job).collect()
}

#[test]
fn each_track_is_recorded_in_a_file_that_the_crate_reads_back() {
    all(jobs(), |name| {
        let (_folder, folder) = scratch();
        let tracks = tracks(&media().join(&name));
        let mut config = FileRecorderConfig::new(folder.join("it-"));
        config.extensions = true;
        record(&mut FileRecorder::new(config), &tracks);
        for (i, track) in tracks.iter().enumerate().filter(|(_, track)| has_file(track)) {
            let path = written(&folder, i + 1);
            let read = &self::tracks(&path)[0];
            let times = |track: &Track| track.frames.iter().map(|f| f.pts).collect::<Vec<_>>();
            if matches!(track.parameters, CodecParameters::Mp2t | CodecParameters::Pcm { .. }) {
                // These are cut anew.
                same("bytes", &track.bytes(), &read.bytes())?;
                continue;
            }
            compare(track, &read.bytes()).map_err(|e| format!("{}: {e}", path.display()))?;
            if track.parameters == CodecParameters::Jpeg {
                // Such a file has no times.
                continue;
            }
            let (sent, found) = (times(track), times(read));
            let off = sent.iter().zip(&found).map(|(a, b)| a.abs_diff(*b)).max();
            // Containers round, and begin where they like.
            if sent.len() != found.len() || off > Some(Duration::from_millis(110)) {
                return Err(format!("{} frames of {}, off by {off:?}", found.len(), sent.len()));
            }
        }
        Ok(())
    });
}

/// The file of track number `i`.
fn written(folder: &Path, i: usize) -> PathBuf {
    let files = std::fs::read_dir(folder).expect("the folder is there");
    let mut paths = files.map(|entry| entry.expect("read").path());
    let is = |path: &PathBuf| {
        let stem = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        stem.starts_with("it-") && stem.ends_with(&format!("-{i}"))
    };
    paths.find(is).expect("a file of the track")
}

#[test]
fn players_know_each_kind_of_file() {
    if !ffmpeg_is_there() {
        return;
    }
    all(jobs(), |name| {
        let (_folder, folder) = scratch();
        let tracks = tracks(&media().join(&name));
        let mut config = FileRecorderConfig::new(folder.join("it-"));
        config.extensions = true;
        record(&mut FileRecorder::new(config), &tracks);
        for (i, track) in tracks.iter().enumerate().filter(|(_, track)| has_file(track)) {
            let path = written(&folder, i + 1);
            let expected = match &track.parameters {
                CodecParameters::Mp2t if name.starts_with("broadcast") => "mpeg2video",
                CodecParameters::MpegVideo if name.contains("mpeg1") || name.ends_with("m1v") => {
                    "mpeg1video"
                }
                CodecParameters::MpegVideo => "mpeg2video",
                CodecParameters::Jpeg => "mjpeg",
                CodecParameters::Ac3 { .. } => "ac3",
                CodecParameters::Eac3 { .. } => "eac3",
                CodecParameters::Amr { wideband: true, .. } => "amr_wb",
                CodecParameters::Amr { .. } => "amr_nb",
                CodecParameters::G722 { .. } => "adpcm_g722",
                CodecParameters::H264 { .. } => "h264",
                CodecParameters::H265 { .. } => "hevc",
                CodecParameters::Aac { .. } => "aac",
                CodecParameters::MpegAudio
                    if ["mp2", "mpg", "mpeg"].iter().any(|ending| name.ends_with(ending)) =>
                {
                    "mp2"
                }
                CodecParameters::MpegAudio => "mp3",
                CodecParameters::Mp2t => "h264",
                CodecParameters::Pcm { encoding, .. } => match encoding {
                    PcmEncoding::Pcmu => "pcm_mulaw",
                    PcmEncoding::Pcma => "pcm_alaw",
                    PcmEncoding::L8 => "pcm_u8",
                    PcmEncoding::L24 => "pcm_s24le",
                    _ => "pcm_s16le",
                },
                other => return Err(format!("{other:?}")),
            };
            let show = ["-v", "error", "-show_entries", "stream=codec_name", "-of", "csv=p=0"];
            let found = output(command("ffprobe", &show).arg(&path), &folder)?;
            if !found.lines().any(|line| line.trim_end_matches(',') == expected) {
                return Err(format!("{}: found {found:?}, not {expected}", path.display()));
            }
        }
        Ok(())
    });
}

/// The tracks of a file, if all go into MP4.
fn for_mp4(name: &str) -> Option<Vec<Track>> {
    let tracks = tracks(&media().join(name));
    let fits = |track: &Track| {
        matches!(
            track.parameters,
            CodecParameters::H264 { .. }
                | CodecParameters::H265 { .. }
                | CodecParameters::Aac { .. }
                | CodecParameters::MpegAudio
                | CodecParameters::Pcm { .. }
                | CodecParameters::Opus { .. }
                | CodecParameters::Ac3 { .. }
                | CodecParameters::Eac3 { .. }
        )
    };
    tracks.iter().all(fits).then_some(tracks)
}

/// The files that are recorded as MP4: a few, or all where all players are asked for.
fn mp4_jobs() -> Vec<(String, (String, Vec<Track>))> {
    const FEW: [&str; 7] = [
        "bframes.h264",
        "bframes.h265",
        "h264_aac.mkv",
        "h265_mp3.mkv",
        "mulaw.wav",
        "pcm24.wav",
        "stereo.aac",
    ];
    let wanted = |name: &String| extent() == Extent::All || FEW.contains(&name.as_str());
    let job = |name: String| Some((name.clone(), (name.clone(), for_mp4(&name)?)));
    names().into_iter().filter(wanted).filter_map(job).collect()
}

fn record_mp4(path: &Path, tracks: &[Track]) {
    let mut recorder = Mp4Recorder::create(path, Mp4Config::default()).expect("it opens");
    record(&mut recorder, tracks);
}

/// The samples of PCM as MP4 has them: 16 bits little-endian, others as they are.
fn as_recorded(track: &Track) -> Vec<u8> {
    let bytes = track.bytes();
    match &track.parameters {
        CodecParameters::Pcm { encoding: PcmEncoding::L16, .. } => {
            bytes.chunks_exact(2).flat_map(|s| [s[1], s[0]]).collect()
        }
        CodecParameters::Pcm { encoding: PcmEncoding::Pcmu, .. } => {
            bytes.iter().flat_map(|&b| riverrun::codec::g711::from_mulaw(b).to_le_bytes()).collect()
        }
        CodecParameters::Pcm { encoding: PcmEncoding::Pcma, .. } => {
            bytes.iter().flat_map(|&b| riverrun::codec::g711::from_alaw(b).to_le_bytes()).collect()
        }
        _ => bytes,
    }
}

fn is_pcm(track: &Track) -> bool {
    matches!(track.parameters, CodecParameters::Pcm { .. })
}

/// FFmpeg's options for a track as it is, and the container's framing taken off.
fn ffmpeg_output(track: &Track) -> &'static [&'static str] {
    match &track.parameters {
        CodecParameters::H264 { .. } => &["-c", "copy", "-f", "h264"],
        CodecParameters::H265 { .. } => &["-c", "copy", "-f", "hevc"],
        _ => &["-c", "copy", "-f", "data"],
    }
}

/// Presentation times in seconds, key flags and sizes, as ffprobe sees the packets of a stream.
fn packets(path: &Path, stream: usize, folder: &Path) -> Result<Vec<(f64, bool, usize)>, String> {
    let which = stream.to_string();
    let show = ["-v", "error", "-select_streams", &which, "-show_entries"];
    let mut probe = command("ffprobe", &show);
    probe.args(["packet=pts_time,size,flags", "-of", "csv=p=0"]).arg(path);
    let text = output(&mut probe, folder)?;
    let packet = |line: &str| {
        let mut fields = line.split(',');
        let pts = fields.next()?.parse().ok()?;
        let size = fields.next()?.parse().ok()?;
        Some((pts, fields.next()?.starts_with('K'), size))
    };
    Ok(text.lines().filter_map(packet).collect())
}

#[test]
fn ffmpeg_finds_every_frame_of_an_mp4_file_in_its_place() {
    if !ffmpeg_is_there() {
        return;
    }
    all(mp4_jobs(), |(name, tracks)| {
        let (_folder, folder) = scratch();
        let path = folder.join("it.mp4");
        record_mp4(&path, &tracks);
        // The file begins when the first picture is decoded.
        let first = packets(&path, 0, &folder)?[0].0;
        let start = first - tracks[0].frames[0].pts.as_secs_f64();
        if !(-1.0..0.2).contains(&start) {
            return Err(format!("the recording begins at {start}"));
        }
        for (i, track) in tracks.iter().enumerate() {
            let found = packets(&path, i, &folder)?;
            if found.len() != track.frames.len() {
                return Err(format!("{} packets of {}", found.len(), track.frames.len()));
            }
            for (frame, (pts, key, size)) in track.frames.iter().zip(found) {
                let wanted = frame.pts.as_secs_f64() + start;
                let off = (pts - wanted).abs();
                if off > 0.0031 || (track.is_video() && off > 0.000_02) || key != frame.flags.key {
                    return Err(format!("{pts} {key} {size}, not {wanted} {:?}", frame.flags));
                }
            }
            let mut copy = command("ffmpeg", &["-v", "error", "-nostdin", "-i"]);
            copy.arg(&path).args(["-map", &format!("0:{i}")]).args(ffmpeg_output(track));
            output(copy.arg(format!("track{i}")), &folder)?;
            let bytes =
                std::fs::read(folder.join(format!("track{i}"))).map_err(|e| e.to_string())?;
            if is_pcm(track) {
                same("samples", &as_recorded(track), &bytes)?;
            } else {
                compare(track, &bytes)?;
            }
        }
        // All of it decodes, without complaint if the source does.
        let decode = |path: &Path| {
            let mut decode = command("ffmpeg", &["-v", "error", "-nostdin", "-i"]);
            output(decode.arg(path).args(["-map", "0", "-f", "null", "-"]), &folder)
        };
        if let Err(complaint) = decode(&path) {
            decode(&media().join(name)).map_or(Ok(()), |_| Err(complaint))?;
        }
        Ok(())
    });
}

fn gstreamer_is_there() -> bool {
    ["qtdemux", "h264parse", "h265parse"]
        .iter()
        .all(|e| have(&format!("GStreamer's {e}"), &["gst-inspect-1.0", "--exists", e]))
}

/// Has GStreamer take a file apart; a file for each track.
fn gstreamer_tracks(path: &Path, tracks: &[Track], folder: &Path) -> Result<Vec<Vec<u8>>, String> {
    let mut play = command("gst-launch-1.0", &["-q", "filesrc"]);
    play.arg(format!("location={}", path.display())).args(["!", "qtdemux", "name=d"]);
    let (mut video, mut audio) = (0, 0);
    for (i, track) in tracks.iter().enumerate() {
        let (kind, count) =
            if track.is_video() { ("video", &mut video) } else { ("audio", &mut audio) };
        play.args([
            &format!("d.{kind}_{count}"),
            "!",
            "queue",
            "max-size-time=0",
            "max-size-buffers=0",
            "max-size-bytes=0",
            "!",
        ]);
        *count += 1;
        match track.parameters {
            CodecParameters::H264 { .. } => {
                play.args(["h264parse", "!", "video/x-h264,stream-format=byte-stream", "!"]);
            }
            CodecParameters::H265 { .. } => {
                play.args(["h265parse", "!", "video/x-h265,stream-format=byte-stream", "!"]);
            }
            _ => {}
        }
        play.args(["filesink", &format!("location=gst{i}")]);
    }
    let ran = run_now(&mut play, folder, Duration::from_secs(40));
    if !ran.succeeded {
        return Err(format!("GStreamer: {}", ran.complaints));
    }
    let read = |i| std::fs::read(folder.join(format!("gst{i}"))).map_err(|e| e.to_string());
    (0..tracks.len()).map(read).collect()
}

#[test]
fn gstreamer_finds_every_frame_of_an_mp4_file() {
    if !gstreamer_is_there() {
        return;
    }
    all(mp4_jobs(), |(_, tracks)| {
        let (_folder, folder) = scratch();
        let path = folder.join("it.mp4");
        record_mp4(&path, &tracks);
        let found = gstreamer_tracks(&path, &tracks, &folder)?;
        for (track, found) in tracks.iter().zip(found) {
            if is_pcm(track) {
                same("samples", &as_recorded(track), &found)?;
            } else {
                compare(track, &found)?;
            }
        }
        Ok(())
    });
}

/// A disk with so much room. What is written over takes none.
struct Disk {
    file: File,
    room: u64,
}

impl Write for Disk {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let left = self.room.saturating_sub(self.file.stream_position()?);
        let taken = left.min(bytes.len() as u64) as usize;
        if taken == 0 {
            return Err(io::ErrorKind::StorageFull.into());
        }
        self.file.write(&bytes[..taken])
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl Seek for Disk {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.file.seek(to)
    }
}

/// A recording that ends at any byte behind its first fragment, because the program was killed or the
/// disk is full, plays as far as there are fragments.
#[test]
fn a_recording_that_is_cut_off_plays_as_far_as_it_goes() {
    if !ffmpeg_is_there() {
        return;
    }
    let (names, cuts) = match extent() {
        Extent::All => (&["h264_aac.mkv", "bframes.h265", "stereo.aac", "mulaw.wav"][..], 8),
        _ => (&["h264_aac.mkv", "mulaw.wav"][..], 3),
    };
    let jobs = mp4_jobs().into_iter().filter(|(name, _)| names.contains(&name.as_str())).collect();
    all(jobs, |(_, tracks): (String, Vec<Track>)| {
        let (_folder, folder) = scratch();
        let path = folder.join("it.mp4");
        record_mp4(&path, &tracks);
        let whole = std::fs::read(&path).map_err(|e| e.to_string())?;
        let fragments: Vec<usize> = (0..whole.len() - 4)
            .filter(|&at| whole[at..].starts_with(b"moof"))
            .map(|at| at - 4)
            .collect();
        let all_packets = packets(&path, 0, &folder)?.len();
        let second = fragments[1];
        // In the head of a fragment, and all over.
        let in_head = (0..cuts).map(|i| second + 3 + 17 * i);
        let all_over = (1..cuts).map(|i| second + (whole.len() - second) * i / cuts);
        for cut in in_head.chain(all_over) {
            let path = folder.join("cut.mp4");
            let file = File::create(&path).map_err(|e| e.to_string())?;
            let disk = OneFile::new(Disk { file, room: cut as u64 }, "the disk");
            let mut recorder = Mp4Recorder::new(disk, Mp4Config::default()).expect("it opens");
            let errors = record_until_errors(&mut recorder, &tracks);
            if errors.len() != 1 || !errors[0].contains("the disk") {
                return Err(format!("cut at {cut}: {errors:?}"));
            }
            let show = ["-v", "quiet", "-select_streams", "0", "-show_entries"];
            let mut probe = command("ffprobe", &show);
            probe.args(["packet=pts_time", "-of", "csv=p=0"]).arg(&path);
            let found =
                run_now(&mut probe, &folder, Duration::from_secs(20)).stdout.lines().count();
            if found == 0 || found > all_packets {
                return Err(format!("cut at {cut}: {found} packets of {all_packets}"));
            }
            if gstreamer_is_there() {
                let found = gstreamer_tracks(&path, &tracks, &folder)
                    .map_err(|e| format!("cut at {cut} of {}: {e}", whole.len()))?;
                if found.iter().any(Vec::is_empty) {
                    return Err(format!("cut at {cut}: GStreamer finds nothing"));
                }
            }
        }
        Ok(())
    });
}

/// Opus that an application names itself.
#[test]
fn opus_is_recorded() {
    if !ffmpeg_is_there() {
        return;
    }
    let (_folder, folder) = scratch();
    let source = media().join("h264_opus.mkv");
    let mut copy = command("ffmpeg", &["-v", "error", "-nostdin", "-i"]);
    copy.arg(&source).args(["-map", "0:a", "-c", "copy", "-f", "data", "packets"]);
    output(&mut copy, &folder).expect("FFmpeg takes the file apart");
    let bytes = std::fs::read(folder.join("packets")).expect("the packets");
    let mut rest = &bytes[..];
    let frames = packets(&source, 1, &folder).expect("ffprobe lists them").into_iter();
    let frames = frames.filter_map(|(pts, _, size)| {
        let (packet, behind) = rest.split_at(size);
        rest = behind;
        // What the encoder needs before the beginning.
        let pts = Duration::try_from_secs_f64(pts).ok()?;
        Some(Frame::new(packet.to_vec(), pts, Duration::ZERO))
    });
    let frames: Vec<_> = frames.collect();
    let codec = OtherCodec::new("audio", "opus", 48_000).with_channels(2);
    let track = Track { parameters: codec.into(), frames };
    let path = folder.join("it.mp4");
    record_mp4(&path, std::slice::from_ref(&track));
    let found = packets(&path, 0, &folder).expect("ffprobe reads it");
    let first = track.frames[0].pts.as_secs_f64();
    assert!(found.len() > 100 && found.len() == track.frames.len());
    for (frame, (pts, ..)) in track.frames.iter().zip(found) {
        assert!((frame.pts.as_secs_f64() - first - pts).abs() < 0.0021);
    }
    let mut copy = command("ffmpeg", &["-v", "error", "-nostdin", "-i"]);
    copy.arg(&path).args(["-map", "0", "-c", "copy", "-f", "data", "found"]);
    output(&mut copy, &folder).expect("FFmpeg takes it apart");
    let found = std::fs::read(folder.join("found")).expect("the packets");
    assert_eq!(same("Opus", &track.bytes(), &found), Ok(()));
    let mut decode = command("ffmpeg", &["-v", "error", "-nostdin", "-i"]);
    output(decode.arg(&path).args(["-f", "null", "-"]), &folder).expect("it decodes");
}

#[test]
fn forms_and_their_endings_belong_together() {
    for name in names() {
        for track in tracks(&media().join(&name)) {
            let form = FileForm::of(&track.parameters);
            let Some(ending) = form.extension(&track.parameters) else {
                assert_eq!(form, FileForm::Raw, "{name}");
                continue;
            };
            assert!(riverrun::media::file::is_known(Path::new(&format!("a.{ending}"))), "{name}");
        }
    }
}

//! The files of codecs that not all players know: FFmpeg and GStreamer play each that they know, over
//! both transports, compared with the file itself; `open_rtsp` records those that neither knows.

use crate::client::{Client, Content, Over, Packet};
use crate::ffmpeg::{self, ffmpeg, read_all, tracks_of_file};
use crate::gstreamer::{self, receive, ts_packets};
use crate::media::{Carriage, Kind, Media, OTHERS, over_both, wanted};
use crate::recording::{record, transport};
use crate::server::{Server, testdata};
use crate::sessions::{check_rtp_info, check_rtp_info_of_tracks_apart, rtp, seconds};
use crate::streams::same_bytes;
use crate::tools::{all, run, run_now, scratch};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

/// Whether FFmpeg 5.1 and GStreamer 1.22 can receive a codec over RTP: neither has a depayloader of
/// AV1 (GStreamer's is in a package of its own, of plugins in Rust) or of E-AC-3.
fn known(kind: Kind) -> bool {
    !matches!(kind, Kind::Picture("av1") | Kind::Sound("eac3"))
}

/// The tracks of a file that the players know; none if there is no such track.
fn known_part(media: &Media) -> Option<Vec<Kind>> {
    let known: Vec<Kind> = media.tracks.iter().copied().filter(|&kind| known(kind)).collect();
    (!known.is_empty()).then_some(known)
}

fn jobs(plays: impl Fn(&Media) -> bool) -> Vec<(String, (Media, &'static str))> {
    over_both(wanted(&OTHERS).into_iter().filter(plays).collect())
}

/// The pictures of a stream of JPEG. A receiver makes the headers anew, so what comes out of a decoder
/// is compared. RFC 2435 (section 3.1.6) sends sizes in units of eight pixels: pictures of 90 lines
/// arrive with six more, so only so many `lines` are compared.
fn jpeg_pictures(stream: &[u8], lines: u32, name: &str, folder: &Path) -> Result<Vec<u8>, String> {
    let path = folder.join(name);
    std::fs::write(&path, stream).map_err(|e| e.to_string())?;
    let mut decode = ffmpeg();
    decode.args(["-f", "mjpeg", "-i"]).arg(&path).args(["-fps_mode", "passthrough"]);
    decode
        .args(["-vf", &format!("crop=160:{lines}:0:0"), "-f", "rawvideo"])
        .arg(path.with_extension("raw"));
    let decoded = run_now(&mut decode, folder, Duration::from_secs(20));
    if !decoded.succeeded {
        return Err(format!("{name} is not decoded: {}", decoded.complaints));
    }
    std::fs::read(path.with_extension("raw")).map_err(|e| e.to_string())
}

/// Compares a track that has arrived with the file's.
fn same(
    media: &Media,
    kind: Kind,
    sent: &[u8],
    arrived: &[u8],
    folder: &Path,
) -> Result<(), String> {
    match kind {
        Kind::Picture("mjpeg") => {
            let lines = if media.file == "pictures.mjpeg" { 96 } else { 90 };
            let sent = jpeg_pictures(sent, lines, "sent.jpegs", folder)?;
            same_bytes(&sent, &jpeg_pictures(arrived, lines, "arrived.jpegs", folder)?)
        }
        Kind::Picture("av1") => same_bytes(&av1_units(sent)?, &av1_units(arrived)?),
        // GStreamer gives out the codec's headers too, which come first.
        Kind::Sound("vorbis") if arrived.starts_with(b"\x01vorbis") => {
            same_bytes(sent, &arrived[arrived.len().saturating_sub(sent.len())..])
        }
        _ => same_bytes(sent, arrived),
    }
}

/// A stream of AV1 without temporal delimiters, which are not sent (AV1 RTP specification, section
/// 5). Each OBU has its size (AV1 specification, section 5.3).
fn av1_units(stream: &[u8]) -> Result<Vec<u8>, String> {
    let (mut units, mut rest) = (Vec::new(), stream);
    while let Some(&header) = rest.first() {
        if header & 2 == 0 {
            return Err("an OBU has no size".into());
        }
        let mut at = if header & 4 == 0 { 1 } else { 2 };
        let (mut size, mut shift) = (0, 0);
        loop {
            let byte = *rest.get(at).ok_or("a stream of AV1 ends early")?;
            at += 1;
            size |= usize::from(byte & 0x7f) << shift;
            shift += 7;
            if byte & 0x80 == 0 || shift > 28 {
                break;
            }
        }
        let (unit, tail) = rest.split_at_checked(at + size).ok_or("an OBU is cut off")?;
        if header >> 3 & 15 != 2 {
            units.extend(unit);
        }
        rest = tail;
    }
    Ok(units)
}

/// Says whether `arrived` is all of a stream of MPEG video, or all but the last picture: FFmpeg
/// gives out a picture of a transport stream when the next begins.
fn all_but_a_picture(sent: &[u8], arrived: &[u8]) -> Result<(), String> {
    let missing = sent.strip_prefix(arrived).ok_or_else(|| match same_bytes(sent, arrived) {
        Err(why) => why,
        Ok(()) => String::new(),
    })?;
    let pictures = missing.windows(4).filter(|w| **w == [0, 0, 1, 0]).count();
    if pictures <= 1 { Ok(()) } else { Err(format!("the last {pictures} pictures are missing")) }
}

#[test]
fn ffmpeg_receives_files_of_other_codecs() {
    if !ffmpeg::there() {
        return;
    }
    let server = Server::of_media();
    all(jobs(|media| known_part(media).is_some()), |(media, over)| {
        let (_folder, folder) = scratch();
        let media_sent = tracks_of_file(&media, &folder)?;
        let kinds = known_part(&media).unwrap_or_default();
        let mut command = ffmpeg();
        command.args(["-rtsp_transport", over, "-i"]).arg(server.url(media.file));
        for (index, kind) in kinds.iter().enumerate() {
            let which = if kind.is_video() { "0:v:0" } else { "0:a:0" };
            // It does not find out which pictures of VP9 are key frames, and waits for one.
            command.args(["-map", which, "-c", "copy", "-copyinkf", "-f", "data"]);
            command.arg(format!("arrived{index}"));
        }
        let played = run(&mut command, &folder, Duration::from_secs(40));
        let complaints = &played.complaints;
        if !played.succeeded {
            return Err(format!("ffmpeg: {complaints}"));
        }
        let arrived = read_all(&folder, "arrived", kinds.len())?;
        let sent = media.tracks.iter().zip(&media_sent).filter(|(kind, _)| known(**kind));
        for ((&kind, sent), arrived) in sent.zip(&arrived) {
            let verdict = if media.carriage != Carriage::Tracks && kind.is_video() {
                all_but_a_picture(sent, arrived)
            } else {
                same(&media, kind, sent, arrived, &folder)
            };
            verdict.map_err(|e| format!("{kind:?}: {e}\n{complaints}"))?;
        }
        Ok(())
    });
}

/// The pictures of a file as FFmpeg finds them: where each begins among the bytes of all, and whether
/// it is a key frame.
fn pictures(media: &Media, folder: &Path) -> Result<Vec<(usize, bool)>, String> {
    let mut command = Command::new("ffprobe");
    command.args(["-loglevel", "error", "-select_streams", "v:0", "-of", "csv=p=0"]);
    command.args(["-show_entries", "packet=size,flags"]);
    command.arg(testdata("media").join(media.file));
    let probed = run_now(&mut command, folder, Duration::from_secs(20));
    let (mut at, mut pictures) = (0, Vec::new());
    for line in probed.stdout.lines() {
        let (size, flags) = line.split_once(',').ok_or("not what was asked for")?;
        pictures.push((at, flags.starts_with('K')));
        at += size.parse::<usize>().map_err(|e| e.to_string())?;
    }
    Ok(pictures)
}

/// Says whether `arrived` is a key frame of the file, not the first, and all that follows it but the
/// two pictures at most that are shown before it: they need the pictures before.
fn from_a_key_frame(sent: &[u8], pictures: &[(usize, bool)], arrived: &[u8]) -> bool {
    (1..pictures.len().saturating_sub(3)).filter(|&at| pictures[at].1).any(|at| {
        (0..=2).any(|left_out| {
            let (key, next) = (&sent[pictures[at].0..pictures[at + 1].0], at + 1 + left_out);
            arrived.strip_prefix(key) == Some(&sent[pictures[next].0..])
        })
    })
}

#[test]
fn ffmpeg_seeks_to_pictures_of_other_codecs() {
    if !ffmpeg::there() {
        return;
    }
    let server = Server::of_media();
    let seeks = |media: &Media| {
        let kind = media.tracks[0];
        // Each picture of JPEG is a key frame.
        let has_key_frames = kind.is_video() && kind != Kind::Picture("mjpeg");
        has_key_frames && known(kind) && media.carriage == Carriage::Tracks
    };
    let jobs = jobs(seeks).into_iter().filter(|(_, (_, over))| *over == "tcp");
    all(jobs.collect(), |(media, over)| {
        let (_folder, folder) = scratch();
        let (sent, pictures) = (tracks_of_file(&media, &folder)?, pictures(&media, &folder)?);
        let mut command = ffmpeg();
        command.args(["-rtsp_transport", over, "-ss", "1.3", "-i"]).arg(server.url(media.file));
        command.args(["-map", "0:v:0", "-c", "copy", "-copyinkf", "-f", "data", "arrived0"]);
        let played = run(&mut command, &folder, Duration::from_secs(40));
        if !played.succeeded {
            return Err(format!("ffmpeg: {}", played.complaints));
        }
        let arrived = read_all(&folder, "arrived", 1)?.remove(0);
        if from_a_key_frame(&sent[0], &pictures, &arrived) {
            return Ok(());
        }
        let (count, of) = (arrived.len(), sent[0].len());
        Err(format!("{count} bytes arrived of {of}, not those from a key frame on"))
    });
}

#[test]
fn gstreamer_receives_files_of_other_codecs() {
    if !gstreamer::there() {
        return;
    }
    let server = Server::of_media();
    let play = |media: &Media, over: &str| {
        let (_folder, folder) = scratch();
        let (arrived, complaints) = receive(media, &server.url(media.file), over, &folder)?;
        if let Carriage::TransportStream { gap } = media.carriage {
            return same_bytes(&ts_packets(media.file, gap)?, &arrived[0])
                .map_err(|e| format!("{e}\n{complaints}"));
        }
        let sent = tracks_of_file(media, &folder)?;
        for ((&kind, sent), arrived) in media.tracks.iter().zip(&sent).zip(&arrived) {
            same(media, kind, sent, arrived, &folder)
                .map_err(|e| format!("{kind:?}: {e}\n{complaints}"))?;
        }
        Ok(())
    };
    all(jobs(|media| media.tracks.iter().all(|&kind| known(kind))), |(media, over)| {
        // Its jitter buffer ends a stream by the clock, at the end of the range in the answer to PLAY,
        // and refuses what comes later, as on a machine that has much else to do.
        play(&media, over).or_else(|fault| {
            eprintln!("{} over {over}: played once more: {fault}", media.file);
            play(&media, over)
        })
    });
}

#[test]
fn open_rtsp_records_what_no_player_knows() {
    if !ffmpeg::there() {
        return;
    }
    let server = Server::of_media();
    all(jobs(|media| !media.tracks.iter().all(|&kind| known(kind))), |(media, over)| {
        let (_folder, folder) = scratch();
        record(&[transport(over)], &server.url(media.file), &folder)?;
        let arrived = crate::live555::arrived(&folder);
        let sent = tracks_of_file(&media, &folder)?;
        if arrived.len() != sent.len() {
            return Err(format!("{} tracks of {} were written", arrived.len(), sent.len()));
        }
        for ((&kind, sent), arrived) in media.tracks.iter().zip(&sent).zip(&arrived) {
            same(&media, kind, sent, arrived, &folder).map_err(|e| format!("{kind:?}: {e}"))?;
        }
        Ok(())
    });
}

#[test]
fn the_tracks_of_a_transport_stream_arrive_whole() {
    if !ffmpeg::there() {
        return;
    }
    let server = Server::start(&testdata("media"), &["--ts-tracks"]);
    let media = Media { carriage: Carriage::Tracks, ..crate::media::of_file("program.ts") };
    all(over_both(vec![media]), |(media, over)| {
        let (_folder, folder) = scratch();
        let sent = tracks_of_file(&media, &folder)?;
        let mut command = ffmpeg();
        command.args(["-rtsp_transport", over, "-i"]).arg(server.url(media.file));
        ffmpeg::outputs(&mut command, media.tracks, "arrived");
        let played = run(&mut command, &folder, Duration::from_secs(40));
        if !played.succeeded {
            return Err(format!("ffmpeg: {}", played.complaints));
        }
        let arrived = read_all(&folder, "arrived", media.tracks.len())?;
        for ((&kind, sent), arrived) in media.tracks.iter().zip(&sent).zip(&arrived) {
            ffmpeg::compare(&media, kind, sent, arrived).map_err(|e| format!("{kind:?}: {e}"))?;
        }
        Ok(())
    });
}

/// Plays half a second of the middle, then from the beginning with a pause.
fn seek_and_pause(url: &str, over: Over) -> Result<(), String> {
    let mut client = Client::set_up(url, over);
    // The pictures of this one last a second.
    let has_long_pictures = url.ends_with("pictures.mjpeg");
    let (from, to) = if has_long_pictures { (0.5, 0.8) } else { (1.3, 1.8) };
    let play = client.play(&format!("npt={from}-{to}"));
    let start = play.npt_start().ok_or("PLAY answers without a Range")?;
    // Where there are key frames, one comes each second, the second one within the first 1.1.
    if !(from - 0.35..=from + 0.01).contains(&start) {
        return Err(format!("asked for {from} s, got {start}"));
    }
    let mut packets = client.packets_up_to(to - 0.2, &play);
    packets.extend(client.packets_for(seconds(1.0)));
    check_rtp_info(&client, &play, &packets);
    for track in 0..client.track_count() {
        let last = client.reached(track, &play, &packets).unwrap_or_default();
        if !(to - 0.2..=to + 0.15).contains(&last) {
            return Err(format!("track {track} ends at {last} s, not at {to} s; began at {start}"));
        }
    }
    let play = client.play("npt=0-");
    let before = client.packets_up_to(if has_long_pictures { 0.0 } else { 0.3 }, &play);
    check_rtp_info(&client, &play, &before);
    if client.pause().status != 200 {
        return Err("PAUSE is refused".into());
    }
    let rest = client.packets_for(seconds(0.1));
    let is_media = |packet: &Packet| matches!(packet.content, Content::Rtp { .. });
    if client.packets_for(seconds(0.4)).iter().any(is_media) {
        return Err("media while paused".into());
    }
    let before: Vec<Packet> = before.into_iter().chain(rest).collect();
    let again = client.play("");
    let npt = again.npt_start().ok_or("PLAY answers without a Range")?;
    let reached = || (0..client.track_count()).filter_map(|t| client.reached(t, &play, &before));
    let (first, last) = (reached().fold(f64::MAX, f64::min), reached().fold(0.0, f64::max));
    if !(0.0..last + 0.6).contains(&npt) {
        return Err(format!("paused at {first} to {last} s, resumed at {npt}"));
    }
    let goes_on = |client: &Client, track, after: &[Packet]| {
        let last = rtp(&before, track).last().map(|p| p.2);
        rtp(after, track).iter().any(|p| last.is_some_and(|l| client.seconds(track, l, p.2) > 0.1))
    };
    let after = client.packets_until(|client, after| {
        (0..client.track_count()).all(|track| goes_on(client, track, after))
    });
    check_rtp_info_of_tracks_apart(&client, &again, &after, last - first);
    for track in 0..client.track_count() {
        let (before, after) = (rtp(&before, track), rtp(&after, track));
        let (last, next) = (before[before.len() - 1], after[0]);
        if next.1 != last.1.wrapping_add(1) {
            return Err(format!("track {track}: packet {} follows {}", next.1, last.1));
        }
        if !after.iter().any(|p| client.seconds(track, last.2, p.2) > 0.1) {
            return Err(format!("track {track} does not go on"));
        }
    }
    Ok(())
}

#[test]
fn files_of_other_codecs_are_sought_and_paused() {
    let server = Server::of_media();
    let jobs = OTHERS.iter().enumerate().map(|(index, media)| {
        let over = if index % 2 == 0 { Over::Tcp } else { Over::Udp };
        (format!("{} over {over:?}", media.file), (media.file, over))
    });
    all(jobs.collect(), |(file, over)| seek_and_pause(&server.url(file), over));
}

#[test]
fn other_differences_are_found() {
    // A temporal delimiter, then a padding OBU with two bytes.
    assert_eq!(av1_units(&[0x12, 0, 0x7a, 2, 5, 6]), Ok(vec![0x7a, 2, 5, 6]));
    assert!(av1_units(&[0x7a, 3, 5]).is_err() && av1_units(&[0x78, 5]).is_err());
    let pictures = [(0, true), (1, true), (2, false), (3, false), (4, false)];
    for (arrived, good) in
        [(&b"bcde"[..], true), (b"bde", true), (b"abcde", false), (b"bcd", false)]
    {
        assert_eq!(from_a_key_frame(b"abcde", &pictures, arrived), good);
    }
    assert!(all_but_a_picture(&[7, 0, 0, 1, 0, 9], &[7]).is_ok());
    assert!(all_but_a_picture(&[7, 0, 0, 1, 0, 9], &[8]).is_err());
    assert!(all_but_a_picture(&[7, 0, 0, 1, 0, 0, 0, 1, 0], &[7]).is_err());
}

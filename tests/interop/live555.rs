//! live555's openRTSP, the client library that VLC plays RTSP with: every file, both transports,
//! compared with the file. Few systems have a package of it, so it is never required.

use crate::ffmpeg::{compare, tracks_of_file};
use crate::gstreamer::{expected, ts_packets};
use crate::media::{Carriage, Kind, jobs};
use crate::server::Server;
use crate::streams::same_bytes;
use crate::tools::{all, have, have_optional, run, scratch};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

/// What openRTSP, or a program that names files as it does, has written, by track.
pub(crate) fn arrived(folder: &Path) -> Vec<Vec<u8>> {
    let number = |name: &str| name.rsplit('-').next().and_then(|n| n.parse::<usize>().ok());
    let mut files: Vec<(usize, Vec<u8>)> = std::fs::read_dir(folder)
        .expect("read the folder")
        .map(|entry| entry.expect("read it").path())
        .filter_map(|path| {
            let name = path.file_name()?.to_str()?.to_owned();
            let number =
                number(name.strip_prefix("video-").or_else(|| name.strip_prefix("audio-"))?)?;
            Some((number, std::fs::read(path).ok()?))
        })
        .collect();
    files.sort();
    files.into_iter().map(|(_, bytes)| bytes).collect()
}

/// The packets of an Ogg file of one stream. openRTSP writes Opus in one, without its headers.
fn ogg_packets(file: &[u8]) -> Result<Vec<u8>, String> {
    let (mut rest, mut bytes) = (file, Vec::new());
    while !rest.is_empty() {
        let (page, body) = rest.split_at_checked(27).ok_or("half a page")?;
        let (lengths, mut body) =
            body.split_at_checked(page[26].into()).ok_or("half a page header")?;
        for &length in lengths {
            let (piece, behind) = body.split_at_checked(length.into()).ok_or("half a packet")?;
            bytes.extend_from_slice(piece);
            body = behind;
        }
        rest = body;
    }
    Ok(bytes)
}

#[test]
fn openrtsp_receives_every_file_whole() {
    if !have_optional("openRTSP", &["sh", "-c", "command -v openRTSP"])
        || !have("FFmpeg", &["ffmpeg", "-version"])
    {
        return;
    }
    let server = Server::of_media();
    all(jobs(), |(media, over)| {
        let (_folder, folder) = scratch();
        let mut command = Command::new("openRTSP");
        if over == "tcp" {
            command.arg("-t");
        }
        command.arg(server.url(media.file));
        let played = run(&mut command, &folder, Duration::from_secs(40));
        if !played.succeeded {
            return Err(format!("openRTSP: {}", played.complaints));
        }
        let arrived = arrived(&folder);
        if let Carriage::TransportStream { gap } = media.carriage {
            let stream = arrived.first().ok_or("nothing was written")?;
            return same_bytes(&ts_packets(media.file, gap)?, stream);
        }
        let sent = tracks_of_file(&media, &folder)?;
        if arrived.len() != sent.len() {
            return Err(format!("{} tracks of {} were written", arrived.len(), sent.len()));
        }
        for ((&kind, sent), arrived) in media.tracks.iter().zip(sent).zip(&arrived) {
            // It writes ADTS as FFmpeg does, and everything else but Opus as it came.
            let verdict = if kind.is_video() || kind == Kind::Aac {
                compare(&media, kind, &sent, arrived)
            } else if kind == Kind::Opus {
                same_bytes(&expected(kind, sent)?, &ogg_packets(arrived)?)
            } else {
                same_bytes(&expected(kind, sent)?, arrived)
            };
            verdict.map_err(|e| format!("{kind:?}: {e}"))?;
        }
        Ok(())
    });
}

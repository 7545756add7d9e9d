//! Media files: whatever is in them, probing and playing them come to an end.

use crate::env::UsageEnvironment;
use crate::media::demux::DemuxTable;
use crate::media::file::{Probe, ProbePoll, matroska, mp4};
#[cfg(feature = "more-files")]
use crate::media::file::{
    ProbeError, ac3, adts, amr, g722, mjpeg, mpeg_audio, mpeg_ps, mpeg_ts, mpeg_video,
};
#[cfg(feature = "more-files")]
use crate::media::file::{ivf, obu, ogg, scratch::ScratchFile};
use crate::media::{FramePoll, FramedSource, SourceContext, Wait};
#[cfg(feature = "more-files")]
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// A Matroska file: probe, play, seek, play, and play each track alone.
pub fn matroska(data: &[u8]) {
    let Ok(probe) = matroska::probe_matroska_bytes(data.to_vec().into()) else { return };
    file(probe, data.len());
}

/// An MP4 file, in the same way.
pub fn mp4(data: &[u8]) {
    let Ok(probe) = mp4::probe_mp4_bytes(data.to_vec().into()) else { return };
    file(probe, data.len());
}

/// A program stream, or what else a file of that name may hold.
#[cfg(feature = "more-files")]
pub fn ps(data: &[u8]) {
    on_disk(data, mpeg_ps::probe_mpeg_ps);
}

/// The elementary streams of a transport stream.
#[cfg(feature = "more-files")]
pub fn ts_tracks(data: &[u8]) {
    on_disk(data, mpeg_ts::probe_mpeg_ts_tracks);
}

/// A file of one kind of frames: the first byte chooses it.
#[cfg(feature = "more-files")]
pub fn elementary(data: &[u8]) {
    let Some((kind, data)) = data.split_first() else { return };
    let probe = match kind % 7 {
        0 => adts::probe_adts,
        1 => mpeg_audio::probe_mpeg_audio,
        2 => mpeg_video::probe_mpeg_video,
        3 => mjpeg::probe_mjpeg,
        4 => ac3::probe_ac3,
        5 => amr::probe_amr,
        _ => g722::probe_g722,
    };
    on_disk(data, probe);
}

/// Runs a probe on a file with this content.
#[cfg(feature = "more-files")]
fn on_disk(data: &[u8], probe: impl FnOnce(&Path) -> Result<Box<dyn Probe>, ProbeError>) {
    let Ok(scratch) = ScratchFile::new(data) else { return };
    if let Ok(probe) = scratch.probe(probe) {
        file(probe, data.len());
    }
}

/// An Ogg file, in the same way.
#[cfg(feature = "more-files")]
pub fn ogg(data: &[u8]) {
    let Ok(probe) = ogg::probe_ogg_bytes(data.to_vec().into()) else { return };
    file(probe, data.len());
}

/// An IVF file, and AV1 in the low-overhead format.
#[cfg(feature = "more-files")]
pub fn ivf_obu(data: &[u8]) {
    for probe in [ivf::probe_ivf_bytes, obu::probe_obu_bytes] {
        if let Ok(probe) = probe(data.to_vec().into()) {
            file(probe, data.len());
        }
    }
}

/// Probes a file of `len` bytes and plays all its tracks.
fn file(mut probe: Box<dyn Probe>, len: usize) {
    const BUDGET: usize = 1000;
    // Each call reads its budget; a file is read a small number of times.
    let mut calls = 0;
    let media = loop {
        match probe.poll_probe(BUDGET) {
            ProbePoll::Pending => calls += 1,
            ProbePoll::Ready(media) => break media,
            ProbePoll::Failed(_) => return,
        }
        assert!(calls < 1000 + 4 * len, "the probe does not come to an end");
    };
    let mut demuxers = DemuxTable::default();
    let now = UsageEnvironment::simulated(0).now();
    let mut cx = SourceContext { now, demuxers: &mut demuxers };
    let tracks = media.tracks().len();
    assert!(tracks > 0);
    let mut sources: Vec<_> =
        (0..tracks).filter_map(|i| Arc::clone(&media).open_track(i, 0, &mut cx).ok()).collect();
    play(&mut sources, len, &mut cx);
    let half = media.tracks().iter().find_map(|t| t.duration).unwrap_or_default() / 2;
    for npt in [half, Duration::ZERO, Duration::MAX] {
        for source in &mut sources {
            let _ = source.seek(npt, &mut cx);
        }
    }
    play(&mut sources, len, &mut cx);
    // One track after the other, as far as the others can wait.
    for track in 0..tracks {
        for source in &mut sources {
            let _ = source.seek(half, &mut cx);
        }
        play(sources.get_mut(track..=track).unwrap_or_default(), len, &mut cx);
    }
    for source in &mut sources {
        source.close(&mut cx);
    }
    assert!(cx.demuxers.is_empty());
}

fn play(sources: &mut [Box<dyn FramedSource>], len: usize, cx: &mut SourceContext<'_>) {
    let mut running: Vec<usize> = (0..sources.len()).collect();
    let mut due = vec![Duration::ZERO; sources.len()];
    let mut polls = 0;
    while !running.is_empty() {
        polls += 1;
        assert!(polls < (10_000 + len * 4) * sources.len(), "playing does not come to an end");
        running.retain(|&i| {
            let (Some(source), Some(due)) = (sources.get_mut(i), due.get_mut(i)) else {
                return false;
            };
            match source.poll_frame(cx) {
                FramePoll::Ready(frame) => {
                    assert!(frame.dts >= *due, "decoding times decrease");
                    *due = frame.dts;
                    true
                }
                FramePoll::Pending(Wait::Until(at)) => {
                    assert!(at > cx.now, "waits for what is past");
                    cx.now = at;
                    true
                }
                FramePoll::Pending(_) => true,
                FramePoll::Ended(_) => false,
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    /// Real files, bad ones, and real ones with damage.
    #[test]
    fn files_of_containers() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata");
        let mut seed = 0x2545_f491_4f6c_dd1d_u64;
        let mut random = move || {
            seed ^= seed << 13;
            seed ^= seed >> 7;
            seed ^= seed << 17;
            seed as usize
        };
        for name in
            ["media/no_cues.mkv", "media/h265_mp3.mkv", "media/vp8_vorbis.webm", "bad/cut.mkv"]
        {
            let sound = std::fs::read(folder.join(name)).unwrap();
            matroska(&sound);
            for _ in 0..10 {
                let mut bytes = sound.clone();
                // The head is where one byte changes most.
                for area in [1000, bytes.len()] {
                    let at = random() % area.min(bytes.len());
                    bytes[at] = random() as u8;
                }
                matroska(&bytes);
                matroska(&bytes[random() % bytes.len()..]);
            }
        }
        for name in ["media/h265_mp3.m4v", "media/fragments.mp4", "media/pipe.mp4"] {
            let sound = std::fs::read(folder.join(name)).unwrap();
            mp4(&sound);
            for _ in 0..10 {
                let mut bytes = sound.clone();
                for area in [4000, bytes.len()] {
                    let at = random() % area.min(bytes.len());
                    bytes[at] = random() as u8;
                }
                mp4(&bytes);
                mp4(&bytes[..random() % bytes.len()]);
            }
        }
        type Body = fn(&[u8]);
        let others: [(&str, Body); 5] = [
            ("vorbis.ogg", ogg),
            ("sound.opus", ogg),
            ("vp9.ivf", ivf_obu),
            ("av1.ivf", ivf_obu),
            ("av1.obu", ivf_obu),
        ];
        for (name, body) in others {
            let sound = std::fs::read(folder.join("media").join(name)).unwrap();
            body(&sound);
            for _ in 0..10 {
                let mut bytes = sound.clone();
                for area in [200, bytes.len()] {
                    let at = random() % area.min(bytes.len());
                    bytes[at] = random() as u8;
                }
                body(&bytes);
                body(&bytes[..random() % bytes.len()]);
            }
        }
        for name in ["garbage.mp4", "huge_movie.mp4", "cut.m4v", "cut.mp4"] {
            mp4(&std::fs::read(folder.join("bad").join(name)).unwrap());
        }
        for name in ["garbage.mkv", "garbage.webm", "huge_header.mkv", "empty.mkv"] {
            matroska(&std::fs::read(folder.join("bad").join(name)).unwrap());
        }
    }
}

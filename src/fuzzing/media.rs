//! Media files: whatever is in them, probing and playing them come to an end.

use crate::media::demux::DemuxTable;
use crate::media::file::{Probe, ProbePoll, matroska};
use crate::media::{FramePoll, FramedSource, SourceContext, Wait};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// A Matroska file: probe, play, seek, play.
pub fn matroska(data: &[u8]) {
    let Ok(probe) = matroska::probe_matroska_bytes(data.to_vec().into()) else { return };
    file(probe, data.len());
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
        assert!(calls < 100 + len, "the probe does not come to an end");
    };
    let mut demuxers = DemuxTable::default();
    let mut cx = SourceContext { now: Instant::now(), demuxers: &mut demuxers };
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
        assert!(polls < 10_000 + len * 4, "playing does not come to an end");
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

//! MP4: a film of two hours from its name to the first picture of a client, and a seek in it.

use crate::two_hours::two_hours;
use criterion::Criterion;
use riverrun::media::demux::DemuxTable;
use riverrun::media::file::{MediaFile, ProbePoll, mp4};
use riverrun::media::{FramePoll, FramedSource, SourceContext};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

fn probed(path: &Path) -> Arc<dyn MediaFile> {
    let mut probe = mp4::probe_mp4(path).expect("a file");
    loop {
        match probe.poll_probe(1 << 20) {
            ProbePoll::Pending => {}
            ProbePoll::Ready(media) => return media,
            ProbePoll::Failed(e) => panic!("{e}"),
        }
    }
}

fn opened(media: &Arc<dyn MediaFile>, cx: &mut SourceContext<'_>) -> Vec<Box<dyn FramedSource>> {
    let open = |track| Arc::clone(media).open_track(track, 0, cx).expect("a track");
    (0..2).map(open).collect()
}

fn first_frames(sources: &mut [Box<dyn FramedSource>], cx: &mut SourceContext<'_>) {
    for source in sources {
        while !matches!(source.poll_frame(cx), FramePoll::Ready(_)) {}
    }
}

pub(crate) fn run(c: &mut Criterion) {
    let mut group = c.benchmark_group("MP4 of two hours");
    let file = std::env::temp_dir().join(format!("riverrun-bench-{}.mp4", std::process::id()));
    std::fs::write(&file, two_hours()).expect("a place for a file");
    let mut demuxers = DemuxTable::default();
    let cx = &mut SourceContext::new(Instant::now(), &mut demuxers);
    group.bench_function("open", |b| {
        b.iter(|| {
            let media = probed(&file);
            let mut sources = opened(&media, cx);
            first_frames(&mut sources, cx);
        });
    });
    let media = probed(&file);
    group.bench_function("one more session", |b| {
        b.iter(|| {
            let mut sources = opened(&media, cx);
            first_frames(&mut sources, cx);
        });
    });
    let mut sources = opened(&media, cx);
    let mut at = 0;
    group.bench_function("seek", |b| {
        b.iter(|| {
            at = (at + 4321) % 7200;
            for source in &mut sources {
                source.seek(Duration::from_secs(at), cx).expect("it can be sought");
            }
            first_frames(&mut sources, cx);
        });
    });
    group.finish();
    std::fs::remove_file(&file).expect("it can go");
}

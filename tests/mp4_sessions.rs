//! What a session of an MP4 file of two hours holds, and what it takes while it plays.

#[path = "../benches/benchmarks/two_hours.rs"]
mod two_hours;

use riverrun::media::demux::DemuxTable;
use riverrun::media::file::{MediaFile, ProbePoll, mp4};
use riverrun::media::{FramePoll, FramedSource, SourceContext};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Most bytes of a session, and of what is known of the file.
const SESSION: u64 = 256 << 10;
const FILE: u64 = 256 << 10;

fn probed(path: &Path) -> Arc<dyn MediaFile> {
    let mut probe = mp4::probe_mp4(path).expect("a file");
    loop {
        match probe.poll_probe(64 << 10) {
            ProbePoll::Pending => {}
            ProbePoll::Ready(media) => return media,
            ProbePoll::Failed(e) => panic!("{e}"),
        }
    }
}

fn play(sources: &mut [Box<dyn FramedSource>], frames: usize, cx: &mut SourceContext<'_>) {
    for _ in 0..frames {
        for source in &mut *sources {
            loop {
                match source.poll_frame(cx) {
                    FramePoll::Ready(frame) => break cx.frame_memory().give_back(frame.data),
                    FramePoll::Pending(_) => {}
                    FramePoll::Ended(ending) => panic!("{ending:?}"),
                }
            }
        }
    }
}

#[test]
fn sessions_of_a_long_film_are_small() {
    let file = std::env::temp_dir().join(format!("riverrun-two-hours-{}.mp4", std::process::id()));
    std::fs::write(&file, two_hours::two_hours()).expect("a place for a file");
    let mut media = None;
    let known = allocation_counter::measure(|| media = Some(probed(&file)));
    std::fs::remove_file(&file).expect("it can go");
    assert!(known.bytes_max < FILE, "{known:?}");
    let media = media.expect("a film");
    assert_eq!(media.tracks().len(), 2);
    let duration = media.tracks()[0].duration.expect("it is known");
    assert!(duration.abs_diff(Duration::from_secs(7200)) < Duration::from_secs(1));

    let mut demuxers = DemuxTable::default();
    let cx = &mut SourceContext::new(Instant::now(), &mut demuxers);
    let mut sources = Vec::new();
    let session = allocation_counter::measure(|| {
        sources = (0..2).map(|i| Arc::clone(&media).open_track(i, 0, cx).expect("opens")).collect();
        play(&mut sources, 50, cx);
        for minutes in [100, 3, 50] {
            for source in &mut sources {
                source.seek(Duration::from_secs(minutes * 60), cx).expect("it can be sought");
            }
            play(&mut sources, 2, cx);
        }
    });
    assert!(session.bytes_max < SESSION, "{session:?}");
    let running = allocation_counter::measure(|| play(&mut sources, 1, cx));
    assert_eq!(running.count_total, 0, "{running:?}");
}

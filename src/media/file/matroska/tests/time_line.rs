//! Where the presentation begins and ends, and seeking in it.

use super::*;

/// Ten seconds that begin at `start` with Cues, whose times and positions are off by so much, and
/// a Duration.
fn recording(start: u64, duration: Option<f64>, off: (i64, i64)) -> Vec<u8> {
    let seconds: Vec<Vec<u8>> = ten_seconds_from(start);
    let seek = |at| {
        let seek = [number(id::SEEK_ID, id::CUES.into()), number(id::SEEK_POSITION, at)];
        element(id::SEEK_HEAD, &element(id::SEEK, &seek.concat()))
    };
    let head = [info(duration), two_tracks()].concat();
    let mut at = (seek(0).len() + head.len()) as u64;
    let mut cues = Vec::new();
    for (i, cluster) in seconds.iter().enumerate() {
        let time = (start + i as u64 * 1000).saturating_add_signed(off.0);
        cues.extend(cue(time, 1, at.saturating_add_signed(off.1)));
        at += cluster.len() as u64;
    }
    file(&[seek(at), head, seconds.concat(), element(id::CUES, &cues)])
}

/// Plays ten seconds and seeks in them.
fn check(what: &str, bytes: Vec<u8>) {
    let media = probe(bytes).unwrap_or_else(|e| panic!("{what}: {e}"));
    assert_eq!(media.tracks()[0].duration, Some(ms(10_000)), "{what}");
    let mut player = Player::new(&media);
    let frames = player.interleaved();
    assert_eq!((frames[0].len(), frames[1].len()), (250, 500), "{what}");
    assert_eq!((frames[0][0].pts, frames[1][0].pts), (ms(0), ms(0)), "{what}");
    assert_eq!(frames[1][499].pts, ms(9980), "{what}");
    for (npt, key) in [(9999, 9000), (5500, 5000), (0, 0), (3000, 3000), (2999, 2000)] {
        assert_eq!(player.seek(ms(npt)), Ok(ms(key)), "{what}");
        for track in [1, 0] {
            assert_eq!(player.next(track).unwrap().pts, ms(key), "{what} track {track}");
        }
    }
    assert_eq!(player.seek(ms(10_001)), Err(SeekError::OutOfRange), "{what}");
}

#[test]
fn a_part_of_a_recording_begins_at_zero_and_is_played_to_its_end() {
    for start in [0, 7, 3_000, 100_000, 1 << 40] {
        // A length, as mkvmerge writes it; the timestamp of the end, as FFmpeg does; none.
        let absolute = start as f64 + 10_000.0;
        for duration in [Some(10_000.0), Some(absolute), None] {
            check(&format!("{start} {duration:?}"), recording(start, duration, (0, 0)));
        }
    }
}

#[test]
fn a_duration_is_not_believed_against_the_blocks() {
    for start in [0, 12_345] {
        for duration in [0.001, 1.0, 3_000.0, 9_980.0, 60_000.0, 1e12, 1e300] {
            check(&format!("{start} {duration}"), recording(start, Some(duration), (0, 0)));
        }
    }
    // What cannot be heard after the last frame is part of the length all the same.
    let media = probe(recording(0, Some(10_500.0), (0, 0))).unwrap();
    assert_eq!(media.tracks()[0].duration, Some(ms(10_500)));
}

#[test]
fn cues_that_are_wrong_are_not_used() {
    for off in [(0, 9), (0, -11), (0, 400), (0, 1 << 40), (3_500, 0), (-900, 0), (1 << 40, 0)] {
        check(&format!("{off:?}"), recording(5_000, Some(10_000.0), off));
    }
}

#[test]
fn what_follows_the_last_cue_can_be_sought() {
    let seconds = ten_seconds();
    let head = [info(Some(10_000.0)), two_tracks()].concat();
    // The Cues in front of the clusters, of the first two of these alone.
    let cues = |at: u64| {
        let second = at + seconds[0].len() as u64;
        element(id::CUES, &[cue(0, 1, at), cue(1000, 1, second)].concat())
    };
    let at = (head.len() + cues(0).len()) as u64;
    check("few cues", file(&[head, cues(at), seconds.concat()]));
}

#[test]
fn blocks_may_lie_before_their_cluster() {
    // A cluster at 1 s whose first blocks have negative relative timestamps.
    let blocks: Vec<_> = (0..50_i16)
        .map(|i| {
            let flags = if i % 25 == 0 { 0x80 } else { 0 };
            simple(1, i * 40 - 1000, flags, &picture(i % 25 == 0, i as u8))
        })
        .collect();
    // 0 to 2 s, and the same before the beginning of time.
    for start in [1000, 0] {
        let bytes = file(&[info(None), tracks(&[h264_track()]), cluster(start, &blocks)]);
        let media = probe(bytes).unwrap();
        assert_eq!(media.tracks()[0].duration, Some(ms(2000)));
        let mut player = Player::new(&media);
        let times: Vec<_> = player.all(0).iter().map(|f| f.pts.as_millis()).collect();
        assert_eq!(times, (0..50).map(|i| i * 40).collect::<Vec<_>>());
        assert_eq!(player.seek(ms(1500)), Ok(ms(1000)));
        assert_eq!(player.next(0).unwrap().pts, ms(1000));
    }
}

//! Tracks that are stored apart from each other.

use super::*;

const SECONDS: u64 = 20;

/// When a block is played, and the block.
type Timed = (u64, Vec<u8>);

/// All blocks of a track: pictures of `size` bytes and more, 25 a second, or sound, 50 a second.
fn blocks_of(track: u8, size: usize) -> Vec<Timed> {
    let step = if track == 1 { 40 } else { 20 };
    let times = (0..SECONDS * 1000 / step).map(|i| i * step);
    let block = |at: u64| {
        let relative = (at % 1000) as i16;
        if track != 1 {
            return (at, simple(track, relative, 0x80, &[track, (at / 100) as u8].repeat(20)));
        }
        let key = at % 1000 == 0;
        let mut data = (size as u32 + 3).to_be_bytes().to_vec();
        data.extend([if key { 0x65 } else { 0x41 }, (at / 1000) as u8, 0x80]);
        data.resize(7 + size, 0x55);
        (at, simple(1, relative, if key { 0x80 } else { 0 }, &data))
    };
    times.map(block).collect()
}

/// A file of three tracks with these blocks, in the order of their places.
fn stored(mut blocks: Vec<(u64, Timed)>) -> Vec<u8> {
    blocks.sort_by_key(|(place, _)| *place);
    let mut out = Vec::new();
    let mut rest = &blocks[..];
    while let Some((_, (first, _))) = rest.first() {
        let second = first / 1000;
        let len = rest.iter().take_while(|(_, (at, _))| at / 1000 == second).count();
        let content: Vec<_> = rest[..len].iter().map(|(_, (_, block))| block.clone()).collect();
        out.extend(cluster(second * 1000, &content));
        rest = &rest[len..];
    }
    let entries =
        [h264_track(), audio_track(2, PCM, 1000.0, &[]), audio_track(3, PCM, 1000.0, &[])];
    file(&[info(None), tracks(&entries), out])
}

/// Ways to store the tracks, all or `some`: each gives a file in which `place` says where a block
/// goes.
fn files(size: usize, some: bool) -> Vec<(String, Vec<u8>)> {
    let make = |place: &dyn Fn(u8, u64) -> u64| {
        let mut all = Vec::new();
        for track in 1..=3 {
            let blocks = blocks_of(track, if track == 1 { size } else { 0 });
            all.extend(blocks.into_iter().map(|timed| (place(track, timed.0), timed)));
        }
        stored(all)
    };
    let mut files = Vec::new();
    let chunks: &[u64] = if some { &[5] } else { &[1, 5, 10, 20] };
    for &chunk in chunks {
        // Some seconds of each track after the other, pictures first or last.
        let first = |track, at: u64| at / (chunk * 1000) * 3 + u64::from(track);
        let last = |track, at: u64| at / (chunk * 1000) * 3 + u64::from(3 - track);
        files.push((format!("{chunk} s, pictures first"), make(&first)));
        files.push((format!("{chunk} s, sound first"), make(&last)));
    }
    let leads: &[u64] = if some { &[8000] } else { &[2000, 8000, 15_000] };
    for &lead in leads {
        // Some tracks ahead of the others all the way.
        let pictures = |track, at: u64| if track == 1 { at } else { at + lead };
        let sound = |track, at: u64| if track == 1 { at + lead } else { at };
        let one = |track, at: u64| if track == 2 { at } else { at + lead };
        files.push((format!("pictures {lead} ms ahead"), make(&pictures)));
        files.push((format!("sound {lead} ms ahead"), make(&sound)));
        files.push((format!("one track {lead} ms ahead"), make(&one)));
    }
    files
}

/// Takes each frame when it is due, time passing; checks that none is late and none is missing
/// from `from` on.
fn play_paced(player: &mut Player, from: u64, what: &str) {
    let start = player.now;
    let mut taken = [0; 3];
    let mut next: Vec<_> = (0..3).map(|track| player.next(track)).collect();
    loop {
        let due = next.iter().enumerate().filter_map(|(i, f)| Some((f.as_ref()?.dts, i))).min();
        let Some((dts, track)) = due else { break };
        let at = start + (dts - ms(from).min(dts));
        assert!(player.now <= at + ms(1), "{what}: track {track} is late at {dts:?}");
        player.now = player.now.max(at);
        let expected = from + taken[track] * if track == 0 { 40 } else { 20 };
        assert_eq!(dts, ms(expected), "{what}: track {track}");
        taken[track] += 1;
        next[track] = player.next(track);
    }
    let left = (SECONDS * 1000 - from) / 20;
    assert_eq!(taken, [left / 2, left, left], "{what}");
}

#[test]
fn nothing_is_lost_of_tracks_that_are_stored_apart() {
    // Beyond the queues in frames, and in bytes.
    for (size, some) in [(0, false), (20_000, true)] {
        for (what, bytes) in files(size, some) {
            let media = finish(probe_matroska_bytes(bytes.into()).unwrap(), 1 << 20, 100).unwrap();
            let mut player = Player::new(&media);
            play_paced(&mut player, 0, &what);
        }
    }
}

#[test]
fn nothing_is_lost_after_a_seek_in_tracks_that_are_stored_apart() {
    for (what, bytes) in files(3000, false) {
        let media = finish(probe_matroska_bytes(bytes.into()).unwrap(), 1 << 20, 100).unwrap();
        let mut player = Player::new(&media);
        for npt in [12_300, 3_000, 19_500, 0, 7_999] {
            let landed = npt / 1000 * 1000;
            assert_eq!(player.seek(ms(npt)), Ok(ms(landed)), "{what}");
            play_paced(&mut player, landed, &format!("{what}, {npt}"));
        }
    }
}

#[test]
fn a_track_may_begin_late_or_pause() {
    let mut all = Vec::new();
    for track in 1..=3 {
        let silent = |at: u64| track == 2 && !(6000..9000).contains(&at);
        let blocks = blocks_of(track, 0).into_iter().filter(|(at, _)| !silent(*at));
        all.extend(blocks.map(|timed| (timed.0, timed)));
    }
    let media = probe(stored(all)).unwrap();
    let mut player = Player::new(&media);
    for (npt, first) in [(2000, 6000), (7000, 7000), (6500, 6000)] {
        assert_eq!(player.seek(ms(npt)), Ok(ms(npt / 1000 * 1000)));
        assert_eq!(player.next(1).map(|f| f.pts), Some(ms(first)), "{npt}");
        assert_eq!(player.next(0).map(|f| f.pts), Some(ms(npt / 1000 * 1000)));
    }
    assert_eq!(player.seek(ms(15_000)), Ok(ms(15_000)));
    assert_eq!(player.next(1), None, "it is over");
    assert_eq!(player.all(2).len(), 250);
    assert_eq!(player.all(0).len(), 125);
}
